//! What can go wrong between us and the database. Nearly all of it is ours; a full disk and a full queue are not.

use std::borrow::Cow;
use std::path::PathBuf;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::error::{Detail, Fault, Kind};

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("{0}")]
    Url(String),
    #[error("the database at database.url cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    #[error("the database's server is too old: {needed} is needed")]
    TooOld { needed: &'static str },
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
    #[error("{} is no backup of pixedge", path.display())]
    NoBackup { path: PathBuf },
    #[error("{} exists already; name another file, or remove it first", path.display())]
    Exists { path: PathBuf },
    #[error("the database is not empty (table `{table}` has rows); give --replace to lose what it holds")]
    NotEmpty { table: &'static str },
    /// Ours: the transaction went on after a statement that failed.
    #[error("the transaction was over when this was asked of it")]
    Over,
    #[error("the database has said nothing for too long")]
    Silent(#[source] tokio::time::error::Elapsed),
    #[error("the database does not answer: {0}")]
    Sql(#[source] sqlx::Error),
}

impl DbError {
    /// Whether a row with this unique value exists already.
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Another process holds SQLite's lock.
    pub(super) fn is_busy(&self) -> bool {
        self.trouble() == Trouble::Busy
    }

    /// The server, or the connection to it, is gone.
    pub(super) fn is_away(&self) -> bool {
        self.trouble() == Trouble::Away
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Unreachable(error) | Self::Sql(error) | Self::Migration { source: error, .. } => {
                match error {
                    sqlx::Error::Io(_) => Trouble::Away,
                    sqlx::Error::PoolTimedOut => Trouble::Busy,
                    sqlx::Error::Database(error) => trouble(error.as_ref()),
                    _ => Trouble::Other,
                }
            }
            // Asking once more would take as long again.
            Self::Silent(_) => Trouble::Busy,
            _ => Trouble::Other,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Away,
    Busy,
    Full,
    Other,
}

fn trouble(error: &dyn DatabaseError) -> Trouble {
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return match error.number() {
            // Shutting down, killed, or cut for being idle.
            1053 | 1079 | 1927 | 2006 | 2013 | 4031 => Trouble::Away,
            // Too many connections, a lock that did not come, a deadlock, a statement that took too long.
            1040 | 1203 | 1205 | 1213 | 1969 | 3024 => Trouble::Busy,
            1021 | 1114 => Trouble::Full,
            _ => Trouble::Other,
        };
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return match &*code {
            // Shutting down, not up yet, or cut for being idle.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Trouble::Away,
            code if code.starts_with("08") => Trouble::Away,
            // Too many connections, serialization, deadlock, a lock that did not come, a statement that took too long.
            "53300" | "40001" | "40P01" | "55P03" | "57014" => Trouble::Busy,
            "53100" => Trouble::Full,
            _ => Trouble::Other,
        };
    }
    // SQLite: without the extension.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Trouble::Busy,
        // Read-only, an error of the disk, a file that cannot be opened: the disk's doing, which may pass.
        Ok(8 | 10 | 14) => Trouble::Away,
        Ok(13) => Trouble::Full,
        _ => Trouble::Other,
    }
}

impl From<sqlx::Error> for DbError {
    fn from(source: sqlx::Error) -> Self {
        Self::Sql(source)
    }
}

impl Fault for DbError {
    fn kind(&self) -> Kind {
        match self.trouble() {
            Trouble::Away | Trouble::Busy => Kind::Overloaded,
            Trouble::Full => Kind::OutOfSpace,
            Trouble::Other => Kind::Internal,
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
            Kind::Overloaded => "the database is busy or away; try again",
            Kind::OutOfSpace => "no space is left to record this",
            _ => "something went wrong on our side; the log has the request id",
        })
    }

    fn detail(&self) -> Detail {
        let retry_after = (self.kind() == Kind::Overloaded).then_some(1);
        Detail { retry_after, ..Detail::default() }
    }
}
