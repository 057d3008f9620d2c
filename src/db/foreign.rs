//! Somebody else's SQLite file, to be read and never trusted: rows as texts, whatever their types are said to be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use super::DbError;

/// A file that is open.
#[derive(Clone)]
pub struct Foreign {
    pool: SqlitePool,
    path: PathBuf,
}

/// A row with its number, and the names and values of its columns; bytes that are no text are left out.
pub type ForeignRow = (i64, Vec<(String, Option<String>)>);

impl Foreign {
    pub async fn open(path: &Path) -> Result<Self, DbError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            // What a file defines is not run because we look at it.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON");
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pool, path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its tables; views are none.
    pub async fn tables(&self) -> Result<BTreeSet<String>, DbError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        Ok(rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?)
    }

    /// At most `limit` rows of a table that has been found in [`Self::tables`], after the row number `after`.
    pub async fn rows(&self, table: &str, after: i64, limit: u32) -> Result<Vec<ForeignRow>, DbError> {
        let quoted = table.replace('"', "\"\"");
        let sql =
            format!("SELECT rowid AS row_number, * FROM \"{quoted}\" WHERE rowid > ? ORDER BY rowid LIMIT ?");
        // The name is quoted, so it is a name and nothing else.
        let query = sqlx::query(AssertSqlSafe(sql)).bind(after).bind(limit);
        query.fetch_all(&self.pool).await?.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<ForeignRow, DbError> {
    let mut cells = Vec::with_capacity(row.len());
    for column in row.columns().iter().skip(1) {
        let at = column.ordinal();
        let raw = row.try_get_raw(at)?;
        let kind = if raw.is_null() { String::new() } else { raw.type_info().name().to_owned() };
        let cell = match kind.as_str() {
            "" | "NULL" => None,
            "INTEGER" | "INT8" | "BOOLEAN" => {
                row.try_get_unchecked::<Option<i64>, _>(at)?.map(|n| n.to_string())
            }
            "REAL" => row.try_get_unchecked::<Option<f64>, _>(at)?.map(|n| n.to_string()),
            _ => row
                .try_get_unchecked::<Option<Vec<u8>>, _>(at)?
                .and_then(|bytes| String::from_utf8(bytes).ok()),
        };
        cells.push((column.name().to_owned(), cell));
    }
    Ok((row.try_get(0)?, cells))
}
