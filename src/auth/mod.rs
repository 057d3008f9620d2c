//! Who proves a right, and by what: signatures of URLs, access tokens and the operator's key. Pure: no I/O, no clock, no HTTP; what a
//! URL means is for others to say, so that checking a forged one costs microseconds and can be benched alone.

mod access;
mod bearer;
mod claim;
mod error;
mod keys;
mod removal;
mod unlock;

pub use access::{AccessClaims, AccessError, AccessKey};
pub use bearer::BearerKey;
pub use claim::{Claim, Scope};
pub use error::AuthError;
pub use keys::{Grant, KeyConfig, Keys, OWN_KEY, Wish};
pub use removal::RemovalKey;
pub use unlock::UnlockKey;

/// Who asks, as far as a request proves it. Rates, rights and the age of answers depend on it.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Known by the address only.
    Anyone,
    /// The URL carries a right signature.
    Signed(Grant),
}

impl Caller {
    /// The key that signed, which is whose account the request goes to. Links that the server hands out are everybody's,
    /// so they go to the address.
    pub fn kid(&self) -> Option<&str> {
        self.grant().filter(|grant| !grant.is_own()).map(Grant::kid)
    }

    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Anyone => None,
            Self::Signed(grant) => Some(grant),
        }
    }

    pub fn is_signed(&self) -> bool {
        self.grant().is_some()
    }
}

#[cfg(test)]
mod tests;
