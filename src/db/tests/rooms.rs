//! The tests of the rooms once more on each server.

use std::path::Path;
use std::process::Command;

use crate::db::testing::ON;
use crate::db::testing::engines::{Kind, Server};
use crate::db::{Config, Db};
use crate::error::Fault as _;

/// Paths of tests that open their database with `db::testing::open`.
const ROOMS: &[&str] = &[
    "db::tests::portable",
    "db::backup",
    "library::",
    "accounts::",
    "upload::",
    "admin::",
    "migrate::tests::",
];

#[test]
fn every_room_on_postgres() {
    every_room_on(Kind::Postgres);
}

#[test]
fn every_room_on_mariadb() {
    every_room_on(Kind::MariaDb);
}

#[tokio::test]
async fn a_postgres_that_was_away_is_found_again() {
    found_again(Kind::Postgres).await;
}

#[tokio::test]
async fn a_mariadb_that_was_away_is_found_again() {
    found_again(Kind::MariaDb).await;
}

async fn found_again(kind: Kind) {
    let Some(mut server) = Server::start("db", kind) else { return };
    let config = Config { url: Some(server.database()) };
    let db = Db::open(&config, Path::new("")).await.unwrap();
    let raise = "UPDATE counters SET value = value + 1 WHERE name = 'purges'";
    db.execute(raise, &[]).await.unwrap();
    server.kill();
    let (read, written) = tokio::join!(db.ping(), db.execute(raise, &[]));
    for error in [read.unwrap_err(), written.unwrap_err()] {
        assert_eq!(error.kind(), crate::error::Kind::Overloaded, "{error:?}");
        assert_eq!(error.detail().retry_after, Some(1));
    }
    server.start_again();
    db.ping().await.unwrap();
    db.execute(raise, &[]).await.unwrap();
    let row = db.row("SELECT value FROM counters WHERE name = 'purges'", &[]).await.unwrap().unwrap();
    assert_eq!(row.int("value").unwrap(), 3);

    // Restarted while nobody asked: nothing of it is to be seen.
    server.kill();
    server.start_again();
    for _ in 0..3 {
        db.ping().await.unwrap();
    }
    db.close().await;
}

fn every_room_on(kind: Kind) {
    let Some(server) = Server::start("db", kind) else { return };
    let mut again = Command::new(std::env::current_exe().unwrap());
    let output = again.args(ROOMS).arg("--test-threads=4").env(ON, server.address()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let ran = said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ok")).count();
    assert!(ran > 50, "only {ran} tests ran:\n{said}");
}
