//! Why an import or an export ends early. What concerns one picture is no error but said of it.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::dump::DumpError;
use crate::accounts::AccountsError;
use crate::db::DbError;
use crate::error::{Detail, Fault, Kind};
use crate::library::LibraryError;
use crate::source::SourceError;
use crate::storage::fs::FsError;
use crate::upload::UploadError;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    #[error("{}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}, {why}", path.display())]
    Dump { path: PathBuf, why: String },
    #[error("{} holds no rows of `{table}`: it is no database of {system}", path.display())]
    NoTable { path: PathBuf, table: String, system: &'static str },
    #[error("{}, line {line}: {why}", path.display())]
    Manifest { path: PathBuf, line: u64, why: String },
    #[error("more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Upload(#[from] UploadError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Folder(#[from] FsError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl MigrateError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn dump(path: &Path, error: DumpError) -> Self {
        match error {
            DumpError::Io(source) => Self::file(path, source),
            DumpError::Wrong { .. } => Self::Dump { path: path.to_owned(), why: error.to_string() },
        }
    }

    /// Whether another command line would fare better, rather than another try.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }
}

impl Fault for MigrateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Usage(_) | Self::Manifest { .. } => Kind::BadRequest,
            Self::Dump { .. } | Self::NoTable { .. } | Self::TooMany { .. } => Kind::Unprocessable,
            Self::File { .. } | Self::Folder(_) => Kind::Internal,
            Self::Accounts(error) => error.kind(),
            Self::Library(error) => error.kind(),
            Self::Upload(error) => error.kind(),
            Self::Source(error) => error.kind(),
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Usage(_)
            | Self::Manifest { .. }
            | Self::Dump { .. }
            | Self::NoTable { .. }
            | Self::TooMany { .. } => "bad_value",
            Self::File { .. } | Self::Folder(_) => "internal",
            Self::Accounts(error) => error.code(),
            Self::Library(error) => error.code(),
            Self::Upload(error) => error.code(),
            Self::Source(error) => error.code(),
            Self::Db(error) => error.code(),
        }
    }

    fn message(&self) -> Cow<'static, str> {
        Cow::Owned(self.to_string())
    }

    fn detail(&self) -> Detail {
        Detail::default()
    }
}
