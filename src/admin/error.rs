//! Why the operator's wish was not done.

use std::borrow::Cow;

use crate::accounts::AccountsError;
use crate::db::DbError;
use crate::error::{Detail, Fault, Kind};
use crate::library::LibraryError;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// A field of the wish is wrong.
    #[error("`{field}`: {reason}")]
    Bad { field: String, reason: Cow<'static, str> },
    #[error("there is no image `{0}`")]
    NoImage(String),
    #[error("there is no source `{name}`; there are: {known}")]
    NoSource { name: String, known: String },
    #[error("there is no such task")]
    NoJob,
    #[error("this job is {state} and cannot be tried again: {why}")]
    NotRetriable { state: &'static str, why: &'static str },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl AdminError {
    pub(super) fn bad(field: &str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Bad { field: field.to_owned(), reason: reason.into() }
    }
}

impl Fault for AdminError {
    fn kind(&self) -> Kind {
        match self {
            Self::Bad { .. } => Kind::BadRequest,
            Self::NoImage(_) | Self::NoSource { .. } | Self::NoJob => Kind::NotFound,
            Self::NotRetriable { .. } => Kind::Conflict,
            Self::Library(error) => error.kind(),
            Self::Accounts(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Bad { .. } => "bad_value",
            Self::NoImage(_) | Self::NoSource { .. } | Self::NoJob => "not_found",
            Self::NotRetriable { .. } => "not_retriable",
            Self::Library(error) => error.code(),
            Self::Accounts(error) => error.code(),
            Self::Db(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Library(error) => error.message(),
            Self::Accounts(error) => error.message(),
            Self::Db(error) => error.message(),
            _ => Cow::Owned(self.to_string()),
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Bad { field, .. } => Detail { option: Some(field.clone()), ..Detail::default() },
            Self::Library(error) => error.detail(),
            Self::Accounts(error) => error.detail(),
            Self::Db(error) => error.detail(),
            _ => Detail::default(),
        }
    }
}
