//! What can go wrong on the way out.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use crate::error::{Fault, Kind};

/// Cloneable, because the client wraps what the connector says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NetError {
    #[error("`{host}` may not be asked: {refusal}")]
    Refused { host: String, refusal: Refusal },
    #[error("`{0}` is no URL")]
    BadUrl(String),
    /// Nobody answers at that address, or its name is not known.
    #[error("{host} cannot be reached")]
    Unreachable {
        host: String,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("{host} did not answer in time")]
    Timeout { host: String },
    #[error("{host} redirects too often")]
    Redirects { host: String },
    #[error("{host} sent more than {limit} bytes")]
    TooManyBytes { host: String, limit: u64 },
    #[error("the connection to {host} broke")]
    Broken {
        host: String,
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Why the guard does not let a request out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only http and https go out")]
    Scheme,
    #[error("a URL with a name or password in it is not taken")]
    UserInfo,
    #[error("the host or its port is not listed")]
    NotListed,
    #[error("an answer by https must not lead to plain http")]
    Downgrade,
    #[error("{address} is not a public address ({range})")]
    Address { address: IpAddr, range: &'static str },
}

impl NetError {
    /// Whether asking again might help.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. } | Self::Timeout { .. })
    }

    /// Whether no secure connection came about.
    pub fn is_tls(&self) -> bool {
        let mut error: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(current) = error {
            // An I/O error is not the source of itself: what it wraps is only found inside.
            let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if current.is::<rustls::Error>() || wrapped.is_some_and(|inner| inner.is::<rustls::Error>()) {
                return true;
            }
            error = current.source();
        }
        false
    }

    /// The error of ours that another one was made of.
    pub fn within<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Self> {
        let mut error = Some(error);
        while let Some(current) = error {
            if let Some(found) = current.downcast_ref() {
                return Some(found);
            }
            error = current.source();
        }
        None
    }
}

impl Fault for NetError {
    fn kind(&self) -> Kind {
        match self {
            // A caller need not learn what there is behind an address that it must not ask.
            Self::Refused { .. } | Self::BadUrl(_) => Kind::NotFound,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::Timeout { .. } => Kind::SourceTimeout,
            Self::Unreachable { .. } | Self::Redirects { .. } | Self::Broken { .. } => Kind::SourceFailed,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            Kind::NotFound => "not_found",
            Kind::TooLarge => "too_many_bytes",
            Kind::SourceTimeout => "source_timeout",
            _ => "source_failed",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Refused { refusal: Refusal::Address { .. }, .. } => {
                Cow::Borrowed("this address may not be asked")
            }
            other => Cow::Owned(other.to_string()),
        }
    }
}
