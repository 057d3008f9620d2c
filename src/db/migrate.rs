//! Brings the tables to this binary's version at every start: each migration once, in order, in one transaction with
//! the row that says so. A file that has run is never edited; a database from a newer binary is refused.

mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::pools::Pools;
use super::{Db, DbError, Inner, Row, Tx, Value, now_ms, postgres, schema};

pub(super) struct Migration {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

/// In the order of their versions; numbers may be missing.
pub(super) const ALL: &[Migration] = &[
    Migration { version: 1, name: "library", sql: include_str!("migrations/0001_library.sql") },
    Migration { version: 2, name: "image_changes", sql: include_str!("migrations/0002_image_changes.sql") },
    Migration { version: 3, name: "purges", sql: include_str!("migrations/0003_purges.sql") },
    Migration { version: 4, name: "accounts", sql: include_str!("migrations/0004_accounts.sql") },
    Migration { version: 5, name: "queue", sql: include_str!("migrations/0005_queue.sql") },
    Migration { version: 6, name: "objects", sql: include_str!("migrations/0006_objects.sql") },
    Migration { version: 7, name: "library_use", sql: include_str!("migrations/0007_library_use.sql") },
    Migration { version: 8, name: "access", sql: include_str!("migrations/0008_access.sql") },
    Migration { version: 9, name: "storages", sql: include_str!("migrations/0009_storages.sql") },
    Migration { version: 10, name: "admin", sql: include_str!("migrations/0010_admin.sql") },
    Migration {
        version: 11,
        name: "pending_uploads",
        sql: include_str!("migrations/0011_pending_uploads.sql"),
    },
    Migration { version: 12, name: "share_links", sql: include_str!("migrations/0012_share_links.sql") },
    Migration { version: 13, name: "renewals", sql: include_str!("migrations/0013_renewals.sql") },
    Migration { version: 15, name: "migration", sql: include_str!("migrations/0015_migration.sql") },
];

pub(super) async fn run(db: &Db, migrations: &[Migration]) -> Result<(), DbError> {
    if let Pools::Mysql(pair, engine) = &db.pools {
        return steps::run(&pair.writer, *engine, migrations).await;
    }
    if db.row(APPLIED, &[]).await.is_err() {
        let mut tx = locked(db).await?;
        tx.execute(TABLE, &[]).await?;
        tx.commit().await?;
    }
    let rows = db.rows(APPLIED, &[]).await?;
    for migration in missing(migrations, &rows)? {
        let done = apply(db, migration).await;
        done.map_err(|error| migration.failed(error))?;
    }
    Ok(())
}

/// How many have yet to run; `None` where none ever did. Runs none.
pub(super) async fn waiting(db: &Db) -> Result<Option<usize>, DbError> {
    // Who answers this and refuses the next question has no such table; each engine says so in words of its own.
    db.ping().await?;
    match db.rows(APPLIED, &[]).await {
        Ok(rows) => Ok(Some(missing(ALL, &rows)?.len())),
        Err(DbError::Sql(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    checksum CHAR(64) NOT NULL,
    applied_at BIGINT NOT NULL
)";
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations";
const DONE: &str = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)";

/// Those that have not run; refuses a database from a newer binary or from other migrations.
fn missing<'m>(migrations: &'m [Migration], rows: &[Row]) -> Result<Vec<&'m Migration>, DbError> {
    let mut applied = BTreeMap::new();
    for row in rows {
        applied.insert(row.int("version")?, row.text("checksum")?);
    }
    let known = migrations.last().map_or(0, |last| last.version);
    if let Some((&found, _)) = applied.last_key_value().filter(|&(&found, _)| found > known) {
        return Err(DbError::TooNew { found, known });
    }
    let mut missing = Vec::new();
    for migration in migrations {
        match applied.get(&migration.version) {
            Some(sum) if *sum == checksum(migration.sql) => {}
            Some(_) => return Err(DbError::Edited { version: migration.version }),
            None => missing.push(migration),
        }
    }
    Ok(missing)
}

/// SQLite and PostgreSQL: all or nothing, with the row that says so.
async fn apply(db: &Db, migration: &Migration) -> Result<(), DbError> {
    let mut tx = locked(db).await?;
    // Another process may have been first while this one waited for the lock.
    let version = [migration.version.into()];
    if tx.row("SELECT version FROM schema_migrations WHERE version = ?", &version).await?.is_some() {
        return Ok(());
    }
    for statement in schema::statements(db.pools.engine(), migration.sql) {
        // Nothing but our own files, put together here.
        tx.run(AssertSqlSafe(statement).into_sql_str(), &[]).await?;
    }
    tx.execute(DONE, &migration.row()).await?;
    tx.commit().await?;
    migration.applied();
    Ok(())
}

/// The write lock, waited for as long as another node migrates.
async fn locked(db: &Db) -> Result<Tx, DbError> {
    match &db.pools {
        Pools::Postgres(pair) => {
            let inner = Inner::Postgres(postgres::begin_migration(&pair.writer).await?);
            Ok(Tx { inner, over: false, signals: Arc::default(), has_work: false, has_changes: false })
        }
        _ => db.write().await,
    }
}

impl Migration {
    fn row(&self) -> [Value; 4] {
        [self.version.into(), self.name.into(), checksum(self.sql).into(), now_ms().into()]
    }

    fn applied(&self) {
        tracing::info!(version = self.version, name = self.name, "database migrated");
    }

    fn failed(&self, error: DbError) -> DbError {
        match error {
            DbError::Sql(source) => DbError::Migration { version: self.version, name: self.name, source },
            other => other,
        }
    }
}

/// Without carriage returns: a checkout with Windows line ends is the same migration.
fn checksum(sql: &str) -> String {
    let mut hasher = Sha256::new();
    for part in sql.split('\r') {
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
