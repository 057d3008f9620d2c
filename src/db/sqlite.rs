//! SQLite: one file, one writer connection and a few readers.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{SqlStr, Sqlite};

use super::held::Held;
use super::pools::{Pair, READ_WAIT, WRITE_WAIT};
use super::{DbError, Value};

/// Each reader is a thread with a page cache of its own; look-ups take tens of microseconds, so few go far.
const READERS: u32 = 4;

pub(super) async fn open(path: &Path) -> Result<Pair<Sqlite>, DbError> {
    make_file(path)?;
    let options = connect_options(path);
    let begun = Instant::now();
    // The writer comes first: turning WAL on needs the file for itself once.
    let writer = loop {
        match writer(&options).await {
            Ok(writer) => break writer,
            // SQLite waits for nobody while it turns WAL on; another process that starts is done in a moment.
            Err(error) if error.is_busy() && begun.elapsed() < WRITE_WAIT => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    };
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READ_WAIT)
        // A file that is open does not go stale; the check before each use would cost a round trip to the
        // connection's thread.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await?;
    Ok(Pair { readers, writer })
}

async fn writer(options: &SqliteConnectOptions) -> Result<SqlitePool, DbError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WRITE_WAIT)
        .idle_timeout(None)
        .max_lifetime(None);
    Ok(pool.connect_with(options.clone()).await?)
}

/// Holds the write lock from its start, so that what it reads is still true when it writes and it cannot fail half-way
/// for want of the lock.
pub(super) async fn begin(writer: &SqlitePool) -> Result<Held<Sqlite>, DbError> {
    // A disk is waited for however long it takes: nobody can be asked in its place.
    Held::to_write(writer, "BEGIN IMMEDIATE", Duration::MAX).await
}

pub(super) fn bound(sql: SqlStr, values: &[Value]) -> Query<'static, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
        Value::Blob(value) => query.bind(value.clone()),
    })
}

/// Makes the file before SQLite does, readable by its owner alone: it holds password and token hashes. The
/// write-ahead log inherits the mode.
pub(super) fn make_file(path: &Path) -> Result<(), DbError> {
    let failed = |source| DbError::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(failed)?;
    Ok(())
}

fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // Readers go on while somebody writes.
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is what an upload's answer stands on, and NORMAL may lose the last ones with the power. FULL costs
        // one more fsync a commit; every upload already pays two for its object.
        .synchronous(SqliteSynchronous::Full)
        // Off by default in SQLite, for the sake of very old programs.
        .foreign_keys(true)
        // For another process on the same file (`pixedge import` beside a running server); in this one the writers
        // queue before they get here.
        .busy_timeout(Duration::from_secs(10))
        // 8 MiB of pages a connection; the default 2 MB holds the index of some 30,000 images.
        .pragma("cache_size", "-8192")
        // Sorting that spills goes to memory and not to a temporary file somewhere else.
        .pragma("temp_store", "MEMORY")
}
