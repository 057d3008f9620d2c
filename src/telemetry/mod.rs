//! Logs, metrics, traces.

pub mod logging;
pub mod mask;
pub mod metrics;
pub mod process;
pub mod traces;
