//! The HTTP shell: connections in, answers out. An outside request becomes a call of `delivery`; what comes back as an
//! error gets its status here and nowhere else.

pub mod api;
mod assets;
mod body;
pub mod client;
mod connection;
pub mod context;
pub mod dialects;
mod exchange;
mod form;
mod frames;
mod links;
mod markdown;
pub mod page;
pub mod problem;
pub mod purge;
pub mod ready;
pub mod router;
mod seats;
pub mod server;
mod share;
mod viewer;
pub mod visitor;
mod watch;
