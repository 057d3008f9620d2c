//! Logs, metric names, request ids.

pub mod logging;
pub mod mask;
pub mod metrics;
