//! Everything that needs a running server, in one binary: eighteen of them took six times as long to link.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod architecture;
mod corpus;
mod load;
mod read_path;
mod semantics;
mod support;
