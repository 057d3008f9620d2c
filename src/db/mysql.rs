//! MySQL and MariaDB: how to connect, and the one writer.

use std::str::FromStr;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlPool};
use sqlx::query::Query;
use sqlx::{Executor, MySql, Row, SqlStr};

use super::held::Held;
use super::pools::{self, LOCK_ANSWER, Pair, READ_ANSWER, STATEMENT};
use super::{DbError, Engine, Value};

pub(super) async fn open(url: &str) -> Result<(Pair<MySql>, Engine), DbError> {
    let options = MySqlConnectOptions::from_str(url)
        .map_err(|_| DbError::Url("database.url is no URL that MySQL's driver understands".to_owned()))?
        .statement_cache_capacity(200)
        .pipes_as_concat(false);
    let pair = pools::connect::<MySql>(options, |connection: &mut MySqlConnection| {
        Box::pin(async move {
            // What does not fit is refused and not cut. READ COMMITTED, so that what the last writer did is seen by
            // the next one, who began to wait before. Nobody's idle transaction keeps the others waiting for long.
            connection
                .execute(
                    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
                     SESSION innodb_lock_wait_timeout = 15, SESSION wait_timeout = 120",
                )
                .await?;
            connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
            let version =
                version(&sqlx::query("SELECT VERSION() AS version").fetch_one(&mut *connection).await?)?;
            let oldest = if version.0 == Engine::MariaDb { (10, 5, 0) } else { (8, 0, 17) };
            Ok((version.1 >= oldest).then_some(()).ok_or("MySQL 8.0.17 or MariaDB 10.5 or newer"))
        })
    })
    .await?;
    let row = sqlx::query("SELECT VERSION() AS version").fetch_one(&pair.writer).await?;
    Ok((pair, version(&row)?.0))
}

type Version = (u32, u32, u32);

fn version(row: &sqlx::mysql::MySqlRow) -> Result<(Engine, Version), sqlx::Error> {
    Ok(parsed(&row.try_get_unchecked::<String, _>("version")?))
}

fn parsed(version: &str) -> (Engine, Version) {
    let engine = if version.contains("MariaDB") { Engine::MariaDb } else { Engine::MySql };
    // Some builds of MariaDB put a version in front that old replicas understand.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (engine, (next(), next(), next()))
}

/// One transaction writes at a time, on all nodes together: as on SQLite, what it read is still true when it writes,
/// and no two can wait for each other.
pub(super) async fn begin(writer: &MySqlPool) -> Result<Held<MySql>, DbError> {
    let mut tx = Held::to_write(writer, "BEGIN", READ_ANSWER).await?.with_patience(LOCK_ANSWER);
    // A row and not `GET_LOCK`, which would outlast the transaction.
    tx.say("SELECT version FROM schema_migrations WHERE version = 1 FOR UPDATE").await?;
    Ok(tx.with_patience(STATEMENT))
}

pub(super) fn bound(sql: SqlStr, values: &[Value]) -> Query<'static, MySql, MySqlArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
        Value::Blob(value) => query.bind(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parsed("5.5.5-10.11.6-MariaDB-0+deb12u1"), (Engine::MariaDb, (10, 11, 6)));
        assert_eq!(parsed("8.0.36-0ubuntu0.22.04.1"), (Engine::MySql, (8, 0, 36)));
    }
}
