//! What can go wrong between us and the bytes that we keep.

use std::borrow::Cow;

use super::fs::FsError;
use super::probe::{self, Problem, Trouble};
use crate::error::{Detail, Fault, Kind};
use crate::net::NetError;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("{0}")]
    Config(String),
    #[error(
        "there is no storage named `{name}`: it was removed from the configuration while images still need it"
    )]
    Unknown { name: String },
    #[error("storage `{name}` holds no object {key}")]
    Missing { name: String, key: String },
    #[error("the object is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the file changed while it was stored")]
    Changed,
    #[error("storage `{name}` is full")]
    Full { name: String },
    #[error("storage `{name}` did not answer in time")]
    Timeout { name: String },
    #[error("storage `{name}`: {trouble}")]
    Broken { name: String, trouble: Trouble },
    #[error(
        "the credentials of storage `{name}` were sealed with another `auth.secret`; its owner has to enter them again"
    )]
    Locked { name: String },
    #[error("storage `{name}` cannot be put to by others: that takes s3 with keys")]
    NoPresigning { name: String },
    #[error("storage `{name}` failed")]
    Failed {
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StorageError {
    pub(super) fn from_dal(name: &str, key: &str, error: opendal::Error) -> Self {
        let name = name.to_owned();
        if error.kind() == opendal::ErrorKind::NotFound {
            return Self::Missing { name, key: key.to_owned() };
        }
        if probe::problem(&error) == Problem::Full {
            return Self::Full { name };
        }
        // OpenDAL has no kind for it; the layer's own text is all there is.
        let ours = matches!(NetError::within(&error), Some(NetError::Timeout { .. }));
        if ours || error.to_string().contains("timeout reached") {
            return Self::Timeout { name };
        }
        Self::Failed { name, source: error.into() }
    }

    pub(super) fn from_fs(name: &str, key: &str, error: FsError) -> Self {
        let name = name.to_owned();
        match error {
            FsError::NotFound => Self::Missing { name, key: key.to_owned() },
            FsError::TooLarge { limit } => Self::TooLarge { limit },
            other => Self::Failed { name, source: other.into() },
        }
    }

    pub(super) fn from_io(name: &str, error: std::io::Error) -> Self {
        let name = name.to_owned();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { name },
            _ => Self::Failed { name, source: error.into() },
        }
    }
}

/// OpenDAL keeps the system's error as its source and has no kind for a full disk.
pub(super) fn is_full(error: &opendal::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        }
        cause = error.source();
    }
    false
}

impl Fault for StorageError {
    fn kind(&self) -> Kind {
        match self {
            Self::Config(_) | Self::Unknown { .. } | Self::Changed | Self::NoPresigning { .. } => {
                Kind::Internal
            }
            // A row promised this object.
            Self::Missing { .. } | Self::Failed { .. } | Self::Broken { .. } | Self::Locked { .. } => {
                Kind::SourceFailed
            }
            Self::TooLarge { .. } => Kind::TooLarge,
            Self::Full { .. } => Kind::OutOfSpace,
            Self::Timeout { .. } => Kind::SourceTimeout,
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            Kind::SourceFailed => "source_failed",
            Kind::TooLarge => "too_many_bytes",
            Kind::OutOfSpace => "out_of_space",
            Kind::SourceTimeout => "source_timeout",
            _ => "internal",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::TooLarge { .. } => Cow::Owned(self.to_string()),
            // Names of storages and objects are nobody's business outside.
            Self::Full { .. } => Cow::Borrowed("no space is left to store this"),
            Self::Timeout { .. } => Cow::Borrowed("the storage did not answer in time"),
            Self::Missing { .. } | Self::Locked { .. } => Cow::Borrowed("the stored original cannot be read"),
            Self::Failed { .. } | Self::Broken { .. } => {
                Cow::Borrowed("the storage of originals cannot be reached, or it fails")
            }
            _ => Cow::Borrowed("something went wrong on our side; the log has the request id"),
        }
    }

    fn detail(&self) -> Detail {
        let retry_after = matches!(self, Self::Timeout { .. } | Self::Full { .. }).then_some(5);
        Detail { retry_after, ..Detail::default() }
    }
}
