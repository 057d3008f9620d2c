//! What can go wrong on the way to an original.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Detail, Fault, Kind};
use crate::net::NetError;

/// Cloneable, because one failed fetch answers everybody who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    #[error("{0}")]
    Config(String),
    /// No such object, no such path, or one that leaves the root: a caller need not know which.
    #[error("the source has no such object")]
    NotFound,
    #[error("the original is larger than {limit} bytes")]
    TooManyBytes { limit: u64 },
    /// An address that this caller may not have asked.
    #[error("{text}")]
    Refused { text: String },
    /// What was read is not of the version that was meant.
    #[error("the original changed while it was being read; ask again")]
    Changed,
    /// Nobody answers there at all.
    #[error("source `{name}` cannot be reached")]
    Unreachable {
        name: String,
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    #[error("source `{name}` did not answer in time")]
    Timeout { name: String },
    #[error("source `{name}` failed")]
    Failed {
        name: String,
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl SourceError {
    /// The source's own failure, which the next question would most likely meet again.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Unreachable { .. } | Self::Timeout { .. })
    }
}

pub(super) fn failed(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
    SourceError::Failed { name: name.to_owned(), source: Arc::from(cause.into()) }
}

pub(super) fn from_net(name: &str, error: NetError) -> SourceError {
    match error {
        NetError::Timeout { .. } => SourceError::Timeout { name: name.to_owned() },
        NetError::TooManyBytes { limit, .. } => SourceError::TooManyBytes { limit },
        NetError::Unreachable { .. } => {
            SourceError::Unreachable { name: name.to_owned(), source: Arc::new(error) }
        }
        error => failed(name, error),
    }
}

impl Fault for SourceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(_) => Kind::Internal,
            Self::NotFound | Self::Refused { .. } => Kind::NotFound,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::Timeout { .. } => Kind::SourceTimeout,
            Self::Failed { .. } | Self::Unreachable { .. } | Self::Changed => Kind::SourceFailed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "internal",
            Self::NotFound | Self::Refused { .. } => "not_found",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::Timeout { .. } => "source_timeout",
            Self::Failed { .. } | Self::Unreachable { .. } | Self::Changed => "source_failed",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self.kind() {
            Kind::Internal => Cow::Borrowed("something went wrong on our side; the log has the request id"),
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        let retry_after = matches!(self, Self::Timeout { .. }).then_some(5);
        Detail { retry_after, ..Detail::default() }
    }
}
