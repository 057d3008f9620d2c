//! A picture request, step by step.

pub mod body;
pub mod conditional;
pub mod cors;
pub mod negotiate;
pub mod respond;
