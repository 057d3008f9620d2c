//! What can go wrong on the way to an original.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Detail, Fault, Kind};

/// Cloneable, because one failed fetch answers everybody who waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    #[error("{0}")]
    Config(String),
    #[error("sources.{name}: scheme {scheme} is not built yet; use fs")]
    NotBuilt { name: String, scheme: &'static str },
    /// No such object, no such path, or one that leaves the root: a caller need not know which.
    #[error("the source has no such object")]
    NotFound,
    #[error("the original is larger than {limit} bytes")]
    TooManyBytes { limit: u64 },
    #[error("source `{name}` did not answer in time")]
    Timeout { name: String },
    #[error("source `{name}` failed")]
    Failed {
        name: String,
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Fault for SourceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(_) | Self::NotBuilt { .. } => Kind::Internal,
            Self::NotFound => Kind::NotFound,
            Self::TooManyBytes { .. } => Kind::TooLarge,
            Self::Timeout { .. } => Kind::SourceTimeout,
            Self::Failed { .. } => Kind::SourceFailed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::NotBuilt { .. } => "internal",
            Self::NotFound => "not_found",
            Self::TooManyBytes { .. } => "too_many_bytes",
            Self::Timeout { .. } => "source_timeout",
            Self::Failed { .. } => "source_failed",
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
