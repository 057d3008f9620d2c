//! What can go wrong between us and the database. Nearly all of it is ours; a full disk and a full queue are not.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::error::{Detail, Fault, Kind};

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("{0}")]
    Url(String),
    #[error("database.url names {engine}, which is not built yet; leave it out to use SQLite in data_dir")]
    NotBuilt { engine: &'static str },
    #[error("the database file {} cannot be opened", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "the database is at version {found}, this binary knows up to {known}: start the newer binary, or restore the \
         backup that was made before it ran"
    )]
    TooNew { found: i64, known: i64 },
    #[error(
        "migration {version:04} is not the one that this database was made with: a migration that has been released \
         must never be edited"
    )]
    Edited { version: i64 },
    #[error("migration {version:04}_{name} failed")]
    Migration {
        version: i64,
        name: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// A row holds what our own code would never have written.
    #[error("column `{column}` holds an impossible value: {why}")]
    Corrupt { column: &'static str, why: String },
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    #[error("the database does not answer: {0}")]
    Sql(#[source] sqlx::Error),
}

impl DbError {
    /// Whether a row with this unique value exists already.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Another process holds the lock.
    pub(super) fn is_busy(&self) -> bool {
        let code = match self {
            Self::Migration { source: sqlx::Error::Database(error), .. }
            | Self::Sql(sqlx::Error::Database(error)) => error.code(),
            _ => None,
        };
        code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
    }

    /// SQLite's result code without its extension; 0 for anything else.
    fn sqlite_code(&self) -> u32 {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().and_then(|code| code.parse::<u32>().ok()).map_or(0, |code| code & 0xff)
            }
            _ => 0,
        }
    }
}

const SQLITE_BUSY: u32 = 5;
const SQLITE_FULL: u32 = 13;

impl From<sqlx::Error> for DbError {
    fn from(source: sqlx::Error) -> Self {
        Self::Sql(source)
    }
}

impl Fault for DbError {
    fn kind(&self) -> Kind {
        match self {
            Self::Sql(sqlx::Error::PoolTimedOut) => Kind::Overloaded,
            _ => match self.sqlite_code() {
                SQLITE_BUSY => Kind::Overloaded,
                SQLITE_FULL => Kind::OutOfSpace,
                _ => Kind::Internal,
            },
        }
    }

    fn code(&self) -> &'static str {
        match self.kind() {
            Kind::Overloaded => "overloaded",
            Kind::OutOfSpace => "out_of_space",
            _ => "internal",
        }
    }

    fn message(&self) -> Cow<'static, str> {
        // Nobody outside need read SQL.
        Cow::Borrowed(match self.kind() {
            Kind::Overloaded => "the database is busy; try again",
            Kind::OutOfSpace => "no space is left to record this",
            _ => "something went wrong on our side; the log has the request id",
        })
    }

    fn detail(&self) -> Detail {
        let retry_after = (self.kind() == Kind::Overloaded).then_some(1);
        Detail { retry_after, ..Detail::default() }
    }
}
