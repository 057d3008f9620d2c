//! What can go wrong with an image.

use std::borrow::Cow;

use crate::db::DbError;
use crate::error::{Detail, Fault, Kind};
use crate::storage::StorageError;

use super::owned::OwnedError;

#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("there is no image `{id}`")]
    NotFound { id: String },
    #[error("the id `{id}` is taken")]
    IdTaken { id: String },
    #[error("a focal point is two numbers from 0 to 1")]
    Focal,
    /// A field of a request.
    #[error("`{field}` {why}")]
    Field { field: &'static str, why: &'static str },
    #[error("there is no such share")]
    NoShare,
    #[error("there is room for {limit} pictures and no more: delete some, and empty the trash")]
    QuotaFiles { limit: u64 },
    #[error(
        "these {needed} bytes do not fit: all pictures together may have {limit} bytes; delete some, and empty the trash"
    )]
    QuotaBytes { limit: u64, needed: u64 },
    /// Its object is being removed, or it took so long that what was set aside for it is gone.
    #[error("the same content is being removed at this moment; try again")]
    Busy,
    #[error("both storages are `{name}`")]
    SameStorage { name: String },
    #[error("no randomness for a new id: {0}")]
    Random(String),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Owned(#[from] OwnedError),
}

impl Fault for LibraryError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::NoShare => Kind::NotFound,
            Self::IdTaken { .. } | Self::Focal | Self::Field { .. } | Self::SameStorage { .. } => {
                Kind::BadRequest
            }
            Self::QuotaFiles { .. } | Self::QuotaBytes { .. } => Kind::Forbidden,
            Self::Busy => Kind::Overloaded,
            Self::Random(_) => Kind::Internal,
            Self::Db(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Owned(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } | Self::NoShare => "not_found",
            Self::IdTaken { .. } => "conflict",
            Self::Focal | Self::Field { .. } | Self::SameStorage { .. } => "bad_value",
            Self::QuotaFiles { .. } | Self::QuotaBytes { .. } => "quota_exceeded",
            Self::Busy => "overloaded",
            Self::Random(_) => "internal",
            Self::Db(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::Owned(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Db(error) => error.message(),
            Self::Storage(error) => error.message(),
            Self::Owned(error) => error.message(),
            Self::Random(_) => Cow::Borrowed("something went wrong on our side; the log has the request id"),
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Db(error) => error.detail(),
            Self::Storage(error) => error.detail(),
            Self::Field { field, .. } => Detail { option: Some((*field).to_owned()), ..Detail::default() },
            Self::Owned(error) => error.detail(),
            Self::Busy => Detail { retry_after: Some(5), ..Detail::default() },
            _ => Detail::default(),
        }
    }
}
