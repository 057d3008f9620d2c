//! The pool, the migrations and the one door to SQL. Each room keeps its own statements in its `store.rs`; what all
//! of them must obey stands in `docs/decisions/0003-database.md`.

mod error;
mod migrate;
mod query;
pub mod queue;
mod schema;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, SqlSafeStr, Sqlite, Transaction};
use tokio::sync::Notify;

pub use error::DbError;
pub use query::Query;
pub use value::{Row, Value};

/// Where the rows are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite:<path>`, `postgres://…` or `mysql://…`; unset = SQLite in `data_dir/pixedge.db`.
    pub url: Option<String>,
}

/// A handle on the database; cheap to clone.
///
/// Reads and writes have pools of their own: SQLite allows one writer, and writers that wait in our queue are served
/// in order, whereas those that meet in SQLite poll for the lock with growing sleeps.
#[derive(Clone)]
pub struct Db {
    readers: SqlitePool,
    writer: SqlitePool,
    /// Rings when this process has left work in the queue.
    work: Arc<Notify>,
}

/// A write transaction; dropped without [`Tx::commit`] it leaves nothing behind.
pub struct Tx {
    inner: Transaction<'static, Sqlite>,
    work: Arc<Notify>,
    has_work: bool,
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        match &self.url {
            Some(url) => Target::of(url).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Db {
    /// Opens the database, makes it if there is none, and brings its tables up to this binary's version.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, DbError> {
        let path = match config.url.as_deref().map(|url| Target::of(url).map_err(DbError::Url)).transpose()? {
            None => data_dir.join("pixedge.db"),
            Some(Target::Sqlite(path)) => path,
            Some(Target::Postgres) => return Err(DbError::NotBuilt { engine: "PostgreSQL" }),
            Some(Target::Mysql) => return Err(DbError::NotBuilt { engine: "MySQL" }),
        };
        make_file(&path)?;
        let options = connect_options(&path);
        let begun = Instant::now();
        // The writer comes first: turning WAL on needs the file for itself once.
        let writer = loop {
            match Self::first(&options).await {
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
        Ok(Self { readers, writer, work: Arc::default() })
    }

    /// The one connection that writes, to a database of this version.
    async fn first(options: &SqliteConnectOptions) -> Result<SqlitePool, DbError> {
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(WRITE_WAIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrate::run(&writer, migrate::ALL).await?;
        Ok(writer)
    }

    /// The first row, if there is one.
    pub async fn row(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(bound(sql, values).fetch_optional(&self.readers).await?.map(Row))
    }

    pub async fn rows(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        Ok(bound(sql, values).fetch_all(&self.readers).await?.into_iter().map(Row).collect())
    }

    /// The first row of a statement that was put together.
    pub async fn row_of(&self, query: &Query) -> Result<Option<Row>, DbError> {
        Ok(composed(query).fetch_optional(&self.readers).await?.map(Row))
    }

    pub async fn rows_of(&self, query: &Query) -> Result<Vec<Row>, DbError> {
        Ok(composed(query).fetch_all(&self.readers).await?.into_iter().map(Row).collect())
    }

    /// One statement that writes, in a transaction of its own; returns how many rows it touched.
    pub async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<u64, DbError> {
        Ok(bound(sql, values).execute(&self.writer).await?.rows_affected())
    }

    pub async fn execute_of(&self, query: &Query) -> Result<u64, DbError> {
        Ok(composed(query).execute(&self.writer).await?.rows_affected())
    }

    /// Begins a transaction that holds the write lock from its start, so that what it reads is still true when it
    /// writes and it cannot fail half-way for want of the lock.
    pub async fn write(&self) -> Result<Tx, DbError> {
        let inner = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Tx { inner, work: Arc::clone(&self.work), has_work: false })
    }

    /// Waits until this process has left work in the queue, or has done so since the last wait.
    pub async fn has_work(&self) {
        self.work.notified().await;
    }

    fn wake_workers(&self) {
        self.work.notify_one();
    }

    /// Whether the database answers, for `/readyz` and `check`.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.row("SELECT 1", &[]).await.map(|_| ())
    }

    /// Waits for the work in hand, folds the log into the file and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Tx {
    pub async fn row(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(bound(sql, values).fetch_optional(&mut *self.inner).await?.map(Row))
    }

    pub async fn rows(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        Ok(bound(sql, values).fetch_all(&mut *self.inner).await?.into_iter().map(Row).collect())
    }

    pub async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, DbError> {
        Ok(bound(sql, values).execute(&mut *self.inner).await?.rows_affected())
    }

    pub async fn row_of(&mut self, query: &Query) -> Result<Option<Row>, DbError> {
        Ok(composed(query).fetch_optional(&mut *self.inner).await?.map(Row))
    }

    pub async fn rows_of(&mut self, query: &Query) -> Result<Vec<Row>, DbError> {
        Ok(composed(query).fetch_all(&mut *self.inner).await?.into_iter().map(Row).collect())
    }

    pub async fn execute_of(&mut self, query: &Query) -> Result<u64, DbError> {
        Ok(composed(query).execute(&mut *self.inner).await?.rows_affected())
    }

    pub async fn commit(self) -> Result<(), DbError> {
        self.inner.commit().await?;
        if self.has_work {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Once this is committed.
    fn wake_workers(&mut self) {
        self.has_work = true;
    }
}

/// The time as every table keeps it: milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Each reader is a thread with a page cache of its own; look-ups take tens of microseconds, so few go far.
const READERS: u32 = 4;
const READ_WAIT: Duration = Duration::from_secs(5);
const WRITE_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), expect(dead_code, reason = "the migrations are ready before the drivers are"))]
enum Engine {
    Sqlite,
    Postgres,
    MariaDb,
    MySql,
}

/// What `database.url` names.
enum Target {
    Sqlite(PathBuf),
    Postgres,
    Mysql,
}

impl Target {
    fn of(url: &str) -> Result<Self, String> {
        let wrong = || {
            "database.url must begin with `sqlite:`, `postgres://` or `mysql://`; leave it out for SQLite in \
             data_dir"
                .to_owned()
        };
        let (scheme, rest) = url.split_once(':').ok_or_else(wrong)?;
        // `sqlite:/a`, `sqlite:a` and `sqlite:///a`: SQLite has no host.
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite(PathBuf::from(rest))),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            "mysql" | "mariadb" => Ok(Self::Mysql),
            _ => Err(wrong()),
        }
    }
}

/// Makes the file before SQLite does, readable by its owner alone: it holds password and token hashes. The
/// write-ahead log inherits the mode.
fn make_file(path: &Path) -> Result<(), DbError> {
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

fn composed<'q>(query: &Query) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
    // A `Query` is made of parts of the source alone.
    bound(AssertSqlSafe(query.sql().to_owned()), query.values())
}

fn bound<'q>(sql: impl SqlSafeStr, values: &[Value]) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
        Value::Blob(value) => query.bind(value.clone()),
    })
}

#[cfg(test)]
mod tests;
