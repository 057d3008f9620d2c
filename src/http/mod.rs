//! The HTTP shell.

pub mod context;
pub mod page;
pub mod problem;
pub mod server;
mod watch;
