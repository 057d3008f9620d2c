//! MySQL and MariaDB commit at every statement that changes the schema, so each statement of a migration is recorded by
//! itself: one that was cut off goes on where it was.

use sqlx::mysql::{MySqlConnection, MySqlPool};
use sqlx::{AssertSqlSafe, Executor, Row as _, SqlSafeStr};

use super::super::{DbError, Engine, Row, Value, mysql, schema};
use super::{APPLIED, DONE, Migration, TABLE, missing};

/// How far an unfinished migration came.
const STEPS: &str =
    "CREATE TABLE IF NOT EXISTS schema_steps (version BIGINT NOT NULL PRIMARY KEY, done BIGINT NOT NULL)";
/// Another node may be building an index on a large table.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('pixedge ', SHA1(DATABASE())), 600) AS held";

pub(super) async fn run(pool: &MySqlPool, engine: Engine, migrations: &[Migration]) -> Result<(), DbError> {
    // A connection of its own that is closed at the end, which gives the lock back whatever happens.
    let mut connection = pool.acquire().await?.detach();
    let done = migrate(&mut connection, engine, migrations).await;
    sqlx::Connection::close(connection).await?;
    done
}

async fn migrate(
    connection: &mut MySqlConnection,
    engine: Engine,
    migrations: &[Migration],
) -> Result<(), DbError> {
    let held: Option<i64> = connection.fetch_one(LOCK).await?.try_get("held")?;
    if held != Some(1) {
        return Err(DbError::Sql(sqlx::Error::PoolTimedOut));
    }
    connection.execute(TABLE).await?;
    connection.execute(STEPS).await?;
    let rows: Vec<Row> = connection.fetch_all(APPLIED).await?.into_iter().map(Row::from).collect();
    for migration in missing(migrations, &rows)? {
        let done = apply(connection, engine, migration).await;
        done.map_err(|error| migration.failed(error.into()))?;
        migration.applied();
    }
    Ok(())
}

async fn apply(
    connection: &mut MySqlConnection,
    engine: Engine,
    migration: &Migration,
) -> Result<(), sqlx::Error> {
    let version = Value::Int(migration.version);
    let sql = "SELECT done FROM schema_steps WHERE version = ?";
    let row = bound(sql, std::slice::from_ref(&version)).fetch_optional(&mut *connection).await?;
    let (done, mut resumed) = match &row {
        Some(row) => (row.try_get::<i64, _>("done")?, true),
        None => {
            let sql = "INSERT INTO schema_steps (version, done) VALUES (?, 0)";
            bound(sql, std::slice::from_ref(&version)).execute(&mut *connection).await?;
            (0, false)
        }
    };
    let statements = schema::statements(engine, migration.sql);
    for (step, statement) in (1i64..).zip(statements).skip(done as usize) {
        // A change of rows and its record are one transaction; a change of the schema ends it before it begins.
        connection.execute("START TRANSACTION").await?;
        match connection.execute(AssertSqlSafe(statement)).await {
            // The step at which it was cut off may have been done without its record.
            Err(error) if resumed && exists_already(&error) => {}
            done => {
                done?;
            }
        }
        resumed = false;
        let sql = "UPDATE schema_steps SET done = ? WHERE version = ?";
        bound(sql, &[step.into(), version.clone()]).execute(&mut *connection).await?;
        connection.execute("COMMIT").await?;
    }
    connection.execute("START TRANSACTION").await?;
    bound(DONE, &migration.row()).execute(&mut *connection).await?;
    bound("DELETE FROM schema_steps WHERE version = ?", &[version]).execute(&mut *connection).await?;
    connection.execute("COMMIT").await?;
    Ok(())
}

fn bound(
    sql: &'static str,
    values: &[Value],
) -> sqlx::query::Query<'static, sqlx::MySql, sqlx::mysql::MySqlArguments> {
    mysql::bound(sql.into_sql_str(), values)
}

/// A table, a column, an index or a foreign key of this name.
fn exists_already(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let number = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|error| error.number());
    matches!(number, Some(1050 | 1060 | 1061 | 1826))
}
