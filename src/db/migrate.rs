//! Brings the tables to this binary's version at every start: each migration once, in order, in one transaction with
//! the row that says so. A file that has run is never edited; a database from a newer binary is refused.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, SqlitePool};

use super::{DbError, Engine, now_ms, schema};

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
    Migration { version: 6, name: "objects", sql: include_str!("migrations/0006_objects.sql") },
    Migration { version: 7, name: "library_use", sql: include_str!("migrations/0007_library_use.sql") },
];

pub(super) async fn run(pool: &SqlitePool, migrations: &[Migration]) -> Result<(), DbError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT NOT NULL PRIMARY KEY,
            name VARCHAR(64) NOT NULL,
            checksum CHAR(64) NOT NULL,
            applied_at BIGINT NOT NULL
        )",
    )
    .execute(pool)
    .await?;
    let applied: BTreeMap<i64, String> =
        sqlx::query_as::<_, (i64, String)>("SELECT version, checksum FROM schema_migrations")
            .fetch_all(pool)
            .await?
            .into_iter()
            .collect();
    let known = migrations.last().map_or(0, |last| last.version);
    if let Some((&found, _)) = applied.last_key_value().filter(|&(&found, _)| found > known) {
        return Err(DbError::TooNew { found, known });
    }
    for migration in migrations {
        match applied.get(&migration.version) {
            Some(sum) if *sum == checksum(migration.sql) => {}
            Some(_) => return Err(DbError::Edited { version: migration.version }),
            None => apply(pool, migration).await.map_err(|source| DbError::Migration {
                version: migration.version,
                name: migration.name,
                source,
            })?,
        }
    }
    Ok(())
}

async fn apply(pool: &SqlitePool, migration: &Migration) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    // Another process may have been first while this one waited for the lock.
    let done = sqlx::query("SELECT version FROM schema_migrations WHERE version = ?")
        .bind(migration.version)
        .fetch_optional(&mut *tx)
        .await?;
    if done.is_some() {
        return Ok(());
    }
    for statement in schema::statements(Engine::Sqlite, migration.sql) {
        // Nothing but our own files, put together here.
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    sqlx::query("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)")
        .bind(migration.version)
        .bind(migration.name)
        .bind(checksum(migration.sql))
        .bind(now_ms())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    tracing::info!(version = migration.version, name = migration.name, "database migrated");
    Ok(())
}

/// Without carriage returns: a checkout with Windows line ends is the same migration.
fn checksum(sql: &str) -> String {
    let mut hasher = Sha256::new();
    for part in sql.split('\r') {
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
