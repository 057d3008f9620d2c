//! The tests of the rooms once more on each server.

use std::process::Command;

use crate::db::testing::ON;
use crate::db::testing::engines::{Kind, Server};

/// Paths of tests that open their database with `db::testing::open`.
const ROOMS: &[&str] = &["db::tests::portable", "library::", "accounts::", "upload::", "admin::"];

#[test]
fn every_room_on_postgres() {
    every_room_on(Kind::Postgres);
}

#[test]
fn every_room_on_mariadb() {
    every_room_on(Kind::MariaDb);
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
