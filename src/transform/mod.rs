//! The URL grammar and the pixels it asks for: text → canonical [`Spec`] → resolved [`Plan`] → rendered bytes.
//! Knows nothing of HTTP, async or the database.
pub mod cost;
pub mod plan;
pub mod quality;
pub mod render;
pub(crate) mod steps;
