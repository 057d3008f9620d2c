//! Logs, metric names, request ids.
