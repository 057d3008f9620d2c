//! Why a signature is refused, or cannot be made.

use crate::auth::Scope;
use crate::error::{Fault, Kind};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Taking it for unsigned would let wrong signatures look right.
    #[error(
        "there are no signing keys here (`keys` of the configuration), so no signature can be right; leave it out"
    )]
    NoKeys,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("the URL is signed twice, in the path and in the query")]
    Twice,
    #[error("there is no key `{kid}`")]
    NoKey { kid: String },
    #[error("the signature is wrong: another URL, scope, expiry or secret was signed")]
    Wrong,
    #[error("the key `{kid}` takes signatures of at least {bytes} bytes")]
    Short { kid: String, bytes: usize },
    #[error("the key `{kid}` is not valid at this time (`not_before`, `not_after`)")]
    Inactive { kid: String },
    #[error("the key `{kid}` signs {allowed}, not `{scope}`")]
    Scope { kid: String, scope: Scope, allowed: String },
    #[error("the key `{kid}` does not sign for `{source_name}`")]
    Source { kid: String, source_name: String },
    /// Of the key table: what cannot be signed by any key that is there.
    #[error("no key that is valid now signs `{scope}` for `{source_name}`")]
    NoneSigns { scope: Scope, source_name: String },
    #[error("the address has fewer than {segments} segments")]
    TooShort { segments: u8 },
    #[error("the signature was valid until {at} (Unix seconds)")]
    Expired { at: u64 },
}

impl Fault for AuthError {
    fn kind(&self) -> Kind {
        match self {
            Self::Expired { .. } => Kind::Expired,
            _ => Kind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            _ => "bad_signature",
        }
    }
}
