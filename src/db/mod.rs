//! The pool, the migrations and the one door to SQL. Each room keeps its own statements in its `store.rs`; what all
//! of them must obey stands in `docs/decisions/0003-database.md`.

pub mod backup;
mod error;
pub mod foreign;
mod held;
mod look;
mod migrate;
mod mysql;
mod pools;
mod postgres;
mod query;
pub mod queue;
mod row;
mod schema;
mod sqlite;
mod target;
mod value;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use sqlx::{AssertSqlSafe, MySql, Postgres, SqlSafeStr, SqlStr, Sqlite};
use tokio::sync::Notify;

pub use error::DbError;
pub use look::{Look, State};
pub use query::Query;
pub use row::Row;
pub use value::Value;

use held::Held;
use pools::{Pools, READ_ANSWER, STATEMENT};
use target::{Engine, Target};

/// Where the rows are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `sqlite:<path>`, `postgres://…` or `mysql://…`; unset = SQLite in `data_dir/pixedge.db`.
    pub url: Option<String>,
}

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    pools: Pools,
    signals: Arc<Signals>,
}

/// What this process has committed and somebody waits for.
#[derive(Default)]
struct Signals {
    /// Rings when there is work in the queue.
    work: Notify,
    /// Rings when others should know of what was committed.
    others: Notify,
    has_changes: AtomicBool,
    has_work: AtomicBool,
}

/// What was committed, for those who tell other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// What other processes keep in memory is another one now.
    pub changes: bool,
    /// There is work in the queue.
    pub work: bool,
}

/// A write transaction; dropped without [`Tx::commit`] it leaves nothing behind.
///
/// On every engine and over all nodes together there is one at a time, and what it reads is still true when it writes.
/// After a statement that failed it is over: PostgreSQL would refuse the next one, so all do.
pub struct Tx {
    inner: Inner,
    over: bool,
    signals: Arc<Signals>,
    has_work: bool,
    has_changes: bool,
}

enum Inner {
    Sqlite(Held<Sqlite>),
    Postgres(Held<Postgres>),
    Mysql(Held<MySql>),
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        match &self.url {
            Some(url) => Target::of(url).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// A statement on one engine, whose answer is a row, all rows or how many were matched.
macro_rules! asked {
    ($engine:ident, $sql:expr, $values:expr, $on:expr, row) => {
        $engine::bound($sql, $values).fetch_optional($on).await.map(|row| row.map(Row::from))
    };
    ($engine:ident, $sql:expr, $values:expr, $on:expr, rows) => {
        $engine::bound($sql, $values)
            .fetch_all($on)
            .await
            .map(|rows| rows.into_iter().map(Row::from).collect())
    };
    ($engine:ident, $sql:expr, $values:expr, $on:expr, touched) => {
        $engine::bound($sql, $values).execute($on).await.map(|done| done.rows_affected())
    };
}

/// The same of a connection that is held, for as long as an answer may take.
macro_rules! heard {
    ($engine:ident, $held:ident, $sql:expr, $values:expr, $answer:ident) => {{
        let patience = $held.patience();
        let asked = async { asked!($engine, $sql, $values, &mut **$held, $answer) };
        let answer = tokio::time::timeout(patience, asked).await;
        $held.heard(answer)
    }};
}

/// The futures of the servers' drivers are large, and most callers wait for a file.
macro_rules! read {
    ($db:expr, $sql:expr, $values:expr, $answer:ident, $patience:expr) => {{
        let sql: SqlStr = $sql;
        match &$db.pools {
            Pools::Sqlite(pair) => {
                asked!(sqlite, sql, $values, &pair.readers, $answer).map_err(DbError::from)
            }
            Pools::Postgres(pair) => {
                Box::pin(async {
                    let held = &mut Held::to_read(&pair.readers, $patience).await?;
                    heard!(postgres, held, sql, $values, $answer)
                })
                .await
            }
            Pools::Mysql(pair, _) => {
                Box::pin(async {
                    let held = &mut Held::to_read(&pair.readers, $patience).await?;
                    heard!(mysql, held, sql, $values, $answer)
                })
                .await
            }
        }
    }};
}

macro_rules! in_tx {
    ($tx:expr, $sql:expr, $values:expr, $answer:ident) => {{
        let sql: SqlStr = $sql;
        if $tx.over {
            return Err(DbError::Over);
        }
        // Before it is known, so that a call that is dropped half-way ends the transaction as well.
        $tx.over = true;
        let answer = match &mut $tx.inner {
            Inner::Sqlite(held) => heard!(sqlite, held, sql, $values, $answer),
            Inner::Postgres(held) => Box::pin(async { heard!(postgres, held, sql, $values, $answer) }).await,
            Inner::Mysql(held) => Box::pin(async { heard!(mysql, held, sql, $values, $answer) }).await,
        };
        $tx.over = answer.is_err();
        answer
    }};
}

impl Db {
    /// Opens the database, makes SQLite's file if there is none, and brings the tables up to this binary's version.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, DbError> {
        let db = Self::connect(config, data_dir).await?;
        migrate::run(&db, migrate::ALL).await?;
        Ok(db)
    }

    async fn connect(config: &Config, data_dir: &Path) -> Result<Self, DbError> {
        let target = config.url.as_deref().map(|url| Target::of(url).map_err(DbError::Url)).transpose()?;
        let pools = match target.unwrap_or_else(|| Target::Sqlite(data_dir.join("pixedge.db"))) {
            Target::Sqlite(path) => Pools::Sqlite(sqlite::open(&path).await?),
            Target::Postgres(url) => Pools::Postgres(postgres::open(&url).await?),
            Target::Mysql(url) => {
                let (pair, engine) = mysql::open(&url).await?;
                Pools::Mysql(pair, engine)
            }
        };
        Ok(Self { pools, signals: Arc::default() })
    }

    /// The first row, if there is one.
    pub async fn row(&self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, DbError> {
        self.first(sql.into_sql_str(), values, READ_ANSWER).await
    }

    pub async fn rows(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        self.all(sql.into_sql_str(), values).await
    }

    /// The first row of a statement that was put together.
    pub async fn row_of(&self, query: &Query) -> Result<Option<Row>, DbError> {
        self.first(composed(query), query.values(), STATEMENT).await
    }

    pub async fn rows_of(&self, query: &Query) -> Result<Vec<Row>, DbError> {
        self.all(composed(query), query.values()).await
    }

    /// One statement that writes, in a transaction of its own; returns how many rows it matched.
    pub async fn execute(&self, sql: &'static str, values: &[Value]) -> Result<u64, DbError> {
        self.run(sql.into_sql_str(), values).await
    }

    pub async fn execute_of(&self, query: &Query) -> Result<u64, DbError> {
        self.run(composed(query), query.values()).await
    }

    /// Begins a transaction that holds the write lock from its start, so that what it reads is still true when it
    /// writes, and it can neither fail half-way for want of a lock nor wait for another in a circle.
    pub async fn write(&self) -> Result<Tx, DbError> {
        let inner = match &self.pools {
            Pools::Sqlite(pair) => Inner::Sqlite(sqlite::begin(&pair.writer).await?),
            Pools::Postgres(pair) => Inner::Postgres(Box::pin(postgres::begin(&pair.writer)).await?),
            Pools::Mysql(pair, _) => Inner::Mysql(Box::pin(mysql::begin(&pair.writer)).await?),
        };
        let signals = Arc::clone(&self.signals);
        Ok(Tx { inner, over: false, signals, has_work: false, has_changes: false })
    }

    /// Waits until this process has left work in the queue, or has done so since the last wait.
    pub async fn has_work(&self) {
        self.signals.work.notified().await;
    }

    /// Has this process look into the queue now, because another one has left work there.
    pub fn look_for_work(&self) {
        self.signals.work.notify_one();
    }

    /// Waits until this process has committed what others wait for, or has done so since the last wait. For one task
    /// only, which tells them; without it they find out by asking.
    pub async fn committed(&self) -> Committed {
        loop {
            let take = |flag: &AtomicBool| flag.swap(false, Ordering::AcqRel);
            let Signals { has_changes, has_work, others, .. } = &*self.signals;
            let committed = Committed { changes: take(has_changes), work: take(has_work) };
            if committed.changes || committed.work {
                return committed;
            }
            others.notified().await;
        }
    }

    fn wake_workers(&self) {
        self.signals.committed(false, true);
    }

    /// Whether the database answers, for `/readyz` and `check`.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.row("SELECT 1 AS one", &[]).await.map(|_| ())
    }

    /// Waits for the work in hand and closes all connections; SQLite's log is folded into its file.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite(pair) => {
                pair.readers.close().await;
                pair.writer.close().await;
            }
            Pools::Postgres(pair) => {
                pair.readers.close().await;
                pair.writer.close().await;
            }
            Pools::Mysql(pair, _) => {
                pair.readers.close().await;
                pair.writer.close().await;
            }
        }
    }

    async fn first(&self, sql: SqlStr, values: &[Value], patience: Duration) -> Result<Option<Row>, DbError> {
        match read!(self, sql.clone(), values, row, patience) {
            // A connection from before the server's restart; a new one is made for the next try.
            Err(error) if error.is_away() => read!(self, sql, values, row, patience),
            done => done,
        }
    }

    async fn all(&self, sql: SqlStr, values: &[Value]) -> Result<Vec<Row>, DbError> {
        match read!(self, sql.clone(), values, rows, STATEMENT) {
            Err(error) if error.is_away() => read!(self, sql, values, rows, STATEMENT),
            done => done,
        }
    }

    async fn run(&self, sql: SqlStr, values: &[Value]) -> Result<u64, DbError> {
        if let Pools::Sqlite(pair) = &self.pools {
            return asked!(sqlite, sql, values, &pair.writer, touched).map_err(DbError::from);
        }
        let mut tx = self.write().await?;
        let touched = tx.run(sql, values).await?;
        tx.commit().await?;
        Ok(touched)
    }
}

impl Tx {
    pub async fn row(&mut self, sql: &'static str, values: &[Value]) -> Result<Option<Row>, DbError> {
        in_tx!(self, sql.into_sql_str(), values, row)
    }

    pub async fn rows(&mut self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        self.all(sql.into_sql_str(), values).await
    }

    /// Returns how many rows the statement matched.
    pub async fn execute(&mut self, sql: &'static str, values: &[Value]) -> Result<u64, DbError> {
        self.run(sql.into_sql_str(), values).await
    }

    pub async fn row_of(&mut self, query: &Query) -> Result<Option<Row>, DbError> {
        in_tx!(self, composed(query), query.values(), row)
    }

    pub async fn rows_of(&mut self, query: &Query) -> Result<Vec<Row>, DbError> {
        self.all(composed(query), query.values()).await
    }

    pub async fn execute_of(&mut self, query: &Query) -> Result<u64, DbError> {
        self.run(composed(query), query.values()).await
    }

    pub async fn commit(self) -> Result<(), DbError> {
        if self.over {
            return Err(DbError::Over);
        }
        match self.inner {
            Inner::Sqlite(tx) => tx.commit().await,
            Inner::Postgres(tx) => tx.commit().await,
            Inner::Mysql(tx) => tx.commit().await,
        }?;
        self.signals.committed(self.has_changes, self.has_work);
        Ok(())
    }

    /// Other processes keep in memory what this transaction changes, and shall ask for it once it is committed.
    pub fn tell_others(&mut self) {
        self.has_changes = true;
    }

    /// Once this is committed.
    fn wake_workers(&mut self) {
        self.has_work = true;
    }

    async fn all(&mut self, sql: SqlStr, values: &[Value]) -> Result<Vec<Row>, DbError> {
        in_tx!(self, sql, values, rows)
    }

    async fn run(&mut self, sql: SqlStr, values: &[Value]) -> Result<u64, DbError> {
        in_tx!(self, sql, values, touched)
    }
}

impl Signals {
    fn committed(&self, changes: bool, work: bool) {
        self.has_changes.fetch_or(changes, Ordering::AcqRel);
        self.has_work.fetch_or(work, Ordering::AcqRel);
        if work {
            self.work.notify_one();
        }
        if changes || work {
            self.others.notify_one();
        }
    }
}

/// The time as every table keeps it: milliseconds since 1970, UTC.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn composed(query: &Query) -> SqlStr {
    // A `Query` is made of parts of the source alone.
    AssertSqlSafe(query.sql().to_owned()).into_sql_str()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
