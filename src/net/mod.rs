//! The one guarded way out: every connection that this server opens to a host somebody else may have chosen is made
//! here, and only to an address that was looked at. A name is resolved here and the connection goes to the very address
//! that passed, so neither a resolver that changes its mind nor a redirect leads elsewhere.

mod address;
mod client;
mod dial;
mod error;
mod rules;

pub use address::special;
pub use client::{Answer, Body, Client, Pieces, TlsStream, credentials, secure};
pub use dial::{Resolve, connect};
pub use error::{NetError, Refusal};
pub use rules::{HostPattern, PatternError, Rules, Server};

/// Two implementations of TLS's arithmetic can meet in one program, and rustls refuses to choose. To be called once
/// before anything opens a connection; more often does no harm.
pub fn install_crypto() {
    // An error only says that one is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
