//! The HTTP shell: connections in, answers out. An outside request becomes a call of `delivery`; what comes back as an
//! error gets its status here and nowhere else.

pub mod client;
pub mod context;
pub mod page;
pub mod problem;
pub mod ready;
pub mod router;
pub mod server;
mod watch;
