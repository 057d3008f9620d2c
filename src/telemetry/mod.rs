//! Logs, metric names, request ids.

pub mod metrics;
