//! Databases for the tests of the rooms; how to use them stands in `tests/it/support/engines.rs`.

use std::path::Path;

use super::{Config, Db, Engine, Query, Tx};
use sqlx::{AssertSqlSafe, SqlSafeStr};

#[allow(
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    reason = "the tests with the binary use it as well"
)]
#[path = "../../tests/it/support/engines.rs"]
pub(crate) mod engines;

/// Which server the tests of this process are run on: its kind and port. Unset: SQLite.
pub(super) const ON: &str = "PIXEDGE_TEST_DATABASE";

/// The database of a test, which is one for all calls with the same folder.
pub(crate) async fn open(dir: &Path) -> Db {
    Db::open(&config(dir), dir).await.unwrap()
}

/// Its configuration.
pub(crate) fn config(dir: &Path) -> Config {
    let Some(base) = on() else { return Config::default() };
    let kept = dir.join("database.url");
    let url = std::fs::read_to_string(&kept).unwrap_or_else(|_| {
        let url = engines::Server::at(&base).database();
        std::fs::write(&kept, &url).unwrap();
        url
    });
    Config { url: Some(url) }
}

#[expect(clippy::disallowed_methods, reason = "no setting of the program's")]
pub(super) fn on() -> Option<String> {
    std::env::var(ON).ok()
}

/// Panics with the engine's plan unless it finds the rows of a list by an index, in the order of the index: a list that
/// is sorted or searched row by row is slow only when there are many rows, and no test has many.
pub(crate) async fn plan_uses_index(db: &Db, query: &Query) {
    let slow = slow_plan(db, query, false).await;
    assert_eq!(slow, None, "{}", query.sql());
}

/// The plan, if it reads a table row by row, or sorts although it may not.
pub(crate) async fn slow_plan(db: &Db, query: &Query, may_sort: bool) -> Option<String> {
    let engine = db.pools.engine();
    let mut tx: Tx = db.write().await.unwrap();
    if engine == Engine::Postgres {
        // Of a small table it would read everything, whatever indexes there are.
        tx.execute("SET LOCAL enable_seqscan = off", &[]).await.unwrap();
        tx.execute("SET LOCAL enable_sort = off", &[]).await.unwrap();
        tx.execute("SET LOCAL enable_bitmapscan = off", &[]).await.unwrap();
    }
    let (explain, column) = match engine {
        Engine::Sqlite => ("EXPLAIN QUERY PLAN ", "detail"),
        Engine::Postgres => ("EXPLAIN ", "QUERY PLAN"),
        Engine::MariaDb | Engine::MySql => ("EXPLAIN ", "Extra"),
    };
    let sql = AssertSqlSafe(format!("{explain}{}", query.sql())).into_sql_str();
    let plan: Vec<String> = tx
        .all(sql, query.values())
        .await
        .unwrap()
        .iter()
        .map(|row| {
            let key = if column == "Extra" { row.opt_text("key").unwrap() } else { Some(String::new()) };
            let line = row.opt_text(column).unwrap().unwrap_or_default();
            format!("{line} key: {}", key.as_deref().unwrap_or("none"))
        })
        .collect();
    let slow = |line: &String| {
        let (scans, sorts) = match engine {
            // What stands in brackets has its limit, and is read whole.
            Engine::Sqlite => {
                let inside = |name: &&str| {
                    let begins = ["CO-ROUTINE", "MATERIALIZE"].map(|word| format!("{word} {name}"));
                    plan.iter().any(|line| begins.iter().any(|begin| line.starts_with(begin)))
                };
                let mut names = ["led", "met", "counted"].into_iter().filter(inside);
                let is_inner = names.any(|name| line.starts_with(&format!("SCAN {name}")));
                let scans = line.starts_with("SCAN") && !line.contains("INDEX") && !is_inner;
                (scans && !line.starts_with("SCAN CONSTANT"), line.contains("TEMP B-TREE FOR ORDER BY"))
            }
            Engine::Postgres => (line.contains("Seq Scan"), line.contains("Sort")),
            // It may choose to read a table of few rows whole, but never says so of one that it could not seek in.
            Engine::MariaDb | Engine::MySql => {
                (false, line.contains("filesort") && line.contains("key: none"))
            }
        };
        scans || sorts && !may_sort
    };
    plan.iter().any(slow).then(|| format!("{plan:#?}"))
}
