//! The database as a whole: opening, migrating, transactions.

use std::path::Path;

use super::migrate::{Migration, run};
use super::*;

mod portable;
mod rooms;

async fn open(dir: &Path) -> Db {
    Db::open(&Config::default(), dir).await.unwrap()
}

#[tokio::test]
async fn opens_twice_and_migrates_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await;
    let when = first.row("SELECT applied_at FROM schema_migrations WHERE version = 1", &[]).await.unwrap();
    let when = when.unwrap().int("applied_at").unwrap();
    first.close().await;
    let second = open(dir.path()).await;
    let rows = second.rows("SELECT version, applied_at FROM schema_migrations", &[]).await.unwrap();
    assert_eq!(rows.len(), migrate::ALL.len());
    assert_eq!(rows[0].int("applied_at").unwrap(), when);
}

#[tokio::test]
async fn two_processes_may_start_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let opened = futures_util::future::join_all((0..4).map(|_| open(dir.path()))).await;
    for db in &opened {
        db.ping().await.unwrap();
    }
}

#[tokio::test]
async fn runs_with_wal_and_foreign_keys_and_a_private_file() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let mode = db.row("PRAGMA journal_mode", &[]).await.unwrap().unwrap().text("journal_mode").unwrap();
    assert_eq!(mode, "wal");
    assert_eq!(db.row("PRAGMA foreign_keys", &[]).await.unwrap().unwrap().int("foreign_keys").unwrap(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta = std::fs::metadata(dir.path().join("pixedge.db")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn refuses_a_database_from_a_newer_binary() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    db.execute("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)", &[]).await.unwrap();
    db.close().await;
    let error = Db::open(&Config::default(), dir.path()).await.err().unwrap();
    assert!(matches!(error, DbError::TooNew { found: 9999, .. }), "{error}");
    assert!(error.to_string().contains("newer binary"), "{error}");
}

#[tokio::test]
async fn refuses_a_migration_that_was_edited_after_it_ran() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    db.execute("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1", &[]).await.unwrap();
    db.close().await;
    let error = Db::open(&Config::default(), dir.path()).await.err().unwrap();
    assert!(matches!(error, DbError::Edited { version: 1 }), "{error}");
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let known = migrate::ALL.iter().map(|m| Migration { version: m.version, name: m.name, sql: m.sql });
    let next = 9000;
    let broken = Migration { version: next, name: "broken", sql: "CREATE TABLE half (a INTEGER); BROKEN;" };
    let all: Vec<Migration> = known.chain([broken]).collect();
    let error = run(&db, &all).await.unwrap_err();
    assert!(matches!(error, DbError::Migration { name: "broken", .. }), "{error}");
    let left = db.row("SELECT name FROM sqlite_master WHERE name = 'half'", &[]).await.unwrap();
    assert!(left.is_none());
    db.ping().await.unwrap();
}

#[tokio::test]
async fn a_dropped_transaction_writes_nothing_and_frees_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path()).await;
    let insert = "INSERT INTO generations (scope, name, counter, seq) VALUES ('tag', ?, 1, 1)";
    let mut tx = db.write().await.unwrap();
    tx.execute(insert, &["a".into()]).await.unwrap();
    drop(tx);
    db.execute(insert, &["b".into()]).await.unwrap();
    let rows = db.rows("SELECT name FROM generations", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.text("name").unwrap()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn migrations_rise_and_use_no_engine_s_own_words() {
    assert!(migrate::ALL.is_sorted_by(|a, b| a.version < b.version));
    for migration in migrate::ALL {
        let mut rest = migration.sql.to_owned();
        schema::WORDS.iter().for_each(|word| rest = rest.replace(word, ""));
        for word in ["{", "}", "INTEGER", "BIGINT", "TEXT", "VARCHAR", "BLOB", "AUTOINCREMENT", "DROP ", "||"]
        {
            assert!(!rest.contains(word), "{} holds {word}", migration.name);
        }
    }
}
