//! PostgreSQL: how to connect, how a statement of ours reads there, and the one writer.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr};

use super::held::Held;
use super::pools::{self, LOCK_ANSWER, Pair, READ_ANSWER, STATEMENT};
use super::{DbError, Value};

/// The lock that all writers of one database take; any number does, if it is always the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(1886550117)";

pub(super) async fn open(url: &str) -> Result<Pair<Postgres>, DbError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| DbError::Url("database.url is no URL that PostgreSQL's driver understands".to_owned()))?
        .application_name("pixedge")
        .statement_cache_capacity(STATEMENTS)
        // Whoever waits gives up before a client does, and a process that stopped in the middle of a transaction
        // keeps the others from writing for a minute at most.
        .options([
            ("lock_timeout", "15s"),
            ("statement_timeout", "60s"),
            ("idle_in_transaction_session_timeout", "60s"),
            ("default_transaction_isolation", "read committed"),
            // Lists choose their way by counts, for disks without a head to move: a plan for values that it has not
            // seen, a hash of a whole table in place of a thousand look-ups, and the compiling of either cost more.
            ("plan_cache_mode", "force_custom_plan"),
            ("random_page_cost", "1.1"),
            ("jit", "off"),
        ]);
    pools::connect::<Postgres>(options, |connection: &mut PgConnection| {
        Box::pin(async move {
            let row = sqlx::query("SELECT current_setting('server_version_num')::int8 AS version");
            let version: i64 = sqlx::Row::try_get(&row.fetch_one(connection).await?, "version")?;
            Ok((version >= 120_000).then_some(()).ok_or("PostgreSQL 12 or newer"))
        })
    })
    .await
}

/// One transaction writes at a time, on all nodes together: as on SQLite, what it read is still true when it writes,
/// and no two can wait for each other.
pub(super) async fn begin(writer: &PgPool) -> Result<Held<Postgres>, DbError> {
    let mut tx = Held::to_write(writer, "BEGIN", READ_ANSWER).await?.with_patience(LOCK_ANSWER);
    tx.say(LOCK).await?;
    Ok(tx.with_patience(STATEMENT))
}

/// [`begin`] that waits for as long as another node migrates.
pub(super) async fn begin_migration(writer: &PgPool) -> Result<Held<Postgres>, DbError> {
    let mut tx = Held::to_write(writer, "BEGIN", READ_ANSWER).await?.with_patience(MIGRATION);
    tx.say("SET LOCAL lock_timeout = '10min'").await?;
    tx.say("SET LOCAL statement_timeout = 0").await?;
    tx.say(LOCK).await?;
    Ok(tx)
}

/// An index on a large table takes its time.
const MIGRATION: Duration = Duration::from_secs(86_400);

#[expect(clippy::needless_pass_by_value, reason = "as the other engines have it, which keep it")]
pub(super) fn bound(sql: SqlStr, values: &[Value]) -> Query<'static, Postgres, PgArguments> {
    // Made of statements that were safe already.
    let query = sqlx::query(AssertSqlSafe(numbered(sql.as_str(), values)).into_sql_str());
    values.iter().fold(query, |query, value| match value {
        Value::Null => query,
        Value::Int(value) => query.bind(*value),
        Value::Real(value) => query.bind(*value),
        Value::Text(value) => query.bind(value.clone()),
        Value::Blob(value) => query.bind(value.clone()),
    })
}

/// `?` becomes `$1::int8`. The type is part of the text because the driver keeps prepared statements by their text, with
/// the types of the first call: bytes of an integer would be read as those of a float later. NULL stands as a word, as
/// it would need the type of its column.
fn numbered(sql: &str, values: &[Value]) -> String {
    let mut text = String::with_capacity(sql.len() + 8 * values.len());
    let mut values = values.iter();
    let (mut quoted, mut number) = (false, 0u32);
    for c in sql.chars() {
        quoted ^= c == '\'';
        if c != '?' || quoted {
            text.push(c);
            continue;
        }
        let cast = match values.next() {
            Some(Value::Null) => {
                text.push_str("NULL");
                continue;
            }
            Some(Value::Int(_)) => "::int8",
            Some(Value::Real(_)) => "::float8",
            Some(Value::Text(_)) => "::text",
            Some(Value::Blob(_)) => "::bytea",
            None => "",
        };
        number += 1;
        text.push('$');
        text.push_str(&number.to_string());
        text.push_str(cast);
    }
    text
}

/// How many statements a connection keeps prepared; each set of NULLs makes one of its own.
const STATEMENTS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_outside_of_quotes() {
        let values = [Value::Int(1), Value::Null, "a".into(), 0.5.into(), Value::Blob(vec![1])];
        assert_eq!(
            numbered("a = ? AND b = '?''?' AND c = ? AND d IN (?, ?) AND e = ?", &values),
            "a = $1::int8 AND b = '?''?' AND c = NULL AND d IN ($2::text, $3::float8) AND e = $4::bytea"
        );
    }
}
