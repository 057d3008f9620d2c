//! Copies of the whole database in one file and back, from every engine to every engine. A copy is always an SQLite
//! database with this binary's tables, so it can be looked into, and is a way to move to another engine.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::pools::{Pools, STATEMENT};
use super::schema::{self, Column, Holds, Table};
use super::{Config, Db, DbError, Engine, Row, Tx, Value, migrate, mysql, postgres, sqlite};

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    pub rows: u64,
}

/// Writes the database into a new file while others read and write; what it holds is of one moment. `blank` are
/// statements that are run on the copy, to leave out what should not be in it.
pub async fn write(
    db: &Db,
    file: &Path,
    blank: &[&'static str],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DbError> {
    if file.exists() {
        return Err(DbError::Exists { path: file.to_owned() });
    }
    let part = beside(file, ".part");
    let failed = |source| DbError::File { path: file.to_owned(), source };
    let done = write_part(db, &part, blank, progress).await;
    if let Err(error) = done {
        remove(&part);
        return Err(error);
    }
    // On the disk before it has its name: a copy under its name is a whole one.
    std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(&part, file).map_err(failed)?;
    remove(&part);
    Ok(())
}

/// Writes `pixedge-<time>.db` into a folder and removes the oldest of these above `keep`; returns the new one.
pub async fn scheduled(db: &Db, folder: &Path, keep: u32, now: i64) -> Result<PathBuf, DbError> {
    let failed = |source| DbError::File { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = folder.join(format!("pixedge-{}.db", stamp(now)));
    write(db, &file, &[], &mut |_| {}).await?;
    let mut copies: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(failed)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let stamp = name.strip_prefix("pixedge-").and_then(|rest| rest.strip_suffix(".db"));
            stamp.is_some_and(|stamp| stamp.len() == 16 && stamp.ends_with('Z'))
        })
        .collect();
    // The stamp sorts by time.
    copies.sort();
    let above = copies.len().saturating_sub(keep.max(1) as usize);
    copies[..above].iter().try_for_each(std::fs::remove_file).map_err(failed)?;
    Ok(file)
}

/// Fills the database with a copy, all or nothing; copies of older versions are brought up to this one. A database that
/// holds something is refused unless `replace` allows to lose it.
pub async fn restore(
    db: &Db,
    file: &Path,
    work: &Path,
    replace: bool,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DbError> {
    let tables = schema::tables(migrate::ALL);
    if !replace {
        for table in tables.iter().filter(|table| !table.seeded) {
            let sql = format!("SELECT 1 AS one FROM {} LIMIT 1", table.name);
            if db.first(AssertSqlSafe(sql).into_sql_str(), &[], STATEMENT).await?.is_some() {
                return Err(DbError::NotEmpty { table: table.name });
            }
        }
    }
    // The file stays as it is: a copy of it is brought up to date.
    let copy = work.join("restore.part");
    remove(&copy);
    sqlite::make_file(&copy)?;
    std::fs::copy(file, &copy).map_err(|source| DbError::File { path: file.to_owned(), source })?;
    let done = restore_copy(db, file, &copy, &tables, progress).await;
    remove(&copy);
    done
}

async fn write_part(
    db: &Db,
    part: &Path,
    blank: &[&'static str],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DbError> {
    remove(part);
    // Made before, so that nobody else can read it at any time.
    sqlite::make_file(part)?;
    if let Pools::Sqlite(pair) = &db.pools {
        let path = part.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO ?").bind(path).execute(&pair.readers).await?;
        if blank.is_empty() {
            return Ok(());
        }
    }
    let copy = Db::open(&file_config(part), part).await?;
    if db.pools.engine() != Engine::Sqlite {
        export(db, &copy, progress).await?;
    }
    for sql in blank {
        copy.execute(sql, &[]).await?;
    }
    if !blank.is_empty() {
        // What was blanked is still in the free space.
        copy.execute("VACUUM", &[]).await?;
    }
    copy.close().await;
    Ok(())
}

/// All tables of a server, as of one moment.
async fn export(db: &Db, copy: &Db, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<(), DbError> {
    let tables = schema::tables(migrate::ALL);
    let mut into = copy.write().await?;
    clear(&mut into, &tables).await?;
    match &db.pools {
        Pools::Sqlite(_) => {}
        Pools::Postgres(pair) => {
            let mut from = pair.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            sqlx::Executor::execute(&mut *from, "SET LOCAL statement_timeout = 0").await?;
            for table in &tables {
                let query = postgres::bound(select(table), &[]);
                let rows = query.fetch(&mut *from).map_ok(Row::from).map_err(DbError::from);
                copy_rows(rows, &mut into, table, progress).await?;
            }
        }
        Pools::Mysql(pair, _) => {
            let mut connection = pair.readers.acquire().await?.detach();
            for sql in [
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ] {
                sqlx::Executor::execute(&mut connection, sql).await?;
            }
            for table in &tables {
                let query = mysql::bound(select(table), &[]);
                let rows = query.fetch(&mut connection).map_ok(Row::from).map_err(DbError::from);
                copy_rows(rows, &mut into, table, progress).await?;
            }
        }
    }
    for table in with_keys(&tables) {
        let last = last_key(db, table).await?;
        set_last_key(&mut into, Engine::Sqlite, table, last).await?;
    }
    into.commit().await
}

async fn restore_copy(
    db: &Db,
    file: &Path,
    copy: &Path,
    tables: &[Table],
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DbError> {
    let no_backup = || DbError::NoBackup { path: file.to_owned() };
    let from = Db::connect(&file_config(copy), copy).await.map_err(|_| no_backup())?;
    let first = from.row("SELECT version FROM schema_migrations WHERE version = 1", &[]).await;
    first.map_err(|_| no_backup())?.ok_or_else(no_backup)?;
    migrate::run(&from, migrate::ALL).await?;
    let Pools::Sqlite(pair) = &from.pools else { return Err(no_backup()) };

    let mut into = db.write().await?;
    clear(&mut into, tables).await?;
    for table in tables {
        let query = sqlite::bound(select(table), &[]);
        let rows = query.fetch(&pair.readers).map_ok(Row::from).map_err(DbError::from);
        copy_rows(rows, &mut into, table, progress).await?;
    }
    let engine = db.pools.engine();
    let mut keys = Vec::new();
    for table in with_keys(tables) {
        let last = last_key(&from, table).await?;
        match engine {
            Engine::Sqlite | Engine::Postgres => set_last_key(&mut into, engine, table, last).await?,
            Engine::MariaDb | Engine::MySql => keys.push((table, last)),
        }
    }
    into.commit().await?;
    // A change of the schema there, which would have ended the transaction.
    for (table, last) in keys {
        let mut tx = db.write().await?;
        set_last_key(&mut tx, engine, table, last).await?;
        tx.commit().await?;
    }
    from.close().await;
    Ok(())
}

/// Children first.
async fn clear(into: &mut Tx, tables: &[Table]) -> Result<(), DbError> {
    for table in tables.iter().rev() {
        into.run(AssertSqlSafe(format!("DELETE FROM {}", table.name)).into_sql_str(), &[]).await?;
    }
    Ok(())
}

async fn copy_rows(
    rows: impl futures_util::Stream<Item = Result<Row, DbError>> + Send,
    into: &mut Tx,
    table: &Table,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), DbError> {
    let mut copied = 0;
    let rows = rows.try_chunks((MOST_VALUES / table.columns.len()).max(1));
    let mut rows = std::pin::pin!(rows);
    while let Some(chunk) = rows.try_next().await.map_err(|error| error.1)? {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let row = format!("({})", vec!["?"; names.len()].join(", "));
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            table.name,
            names.join(", "),
            vec![row; chunk.len()].join(", ")
        );
        let mut values = Vec::with_capacity(chunk.len() * names.len());
        for row in &chunk {
            for column in &table.columns {
                values.push(value(row, *column)?);
            }
        }
        into.run(AssertSqlSafe(sql).into_sql_str(), &values).await?;
        copied += chunk.len() as u64;
        progress(Progress { table: table.name, rows: copied });
    }
    Ok(())
}

fn value(row: &Row, column: Column) -> Result<Value, DbError> {
    Ok(match column.holds {
        Holds::Key | Holds::Int => row.opt_int(column.name)?.into(),
        Holds::Real => row.opt_real(column.name)?.into(),
        Holds::Text => row.opt_text(column.name)?.into(),
        Holds::Blob => row.opt_blob(column.name)?.map_or(Value::Null, Value::Blob),
    })
}

fn select(table: &Table) -> sqlx::SqlStr {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    AssertSqlSafe(format!("SELECT {} FROM {}", names.join(", "), table.name)).into_sql_str()
}

fn with_keys(tables: &[Table]) -> impl Iterator<Item = &Table> {
    tables.iter().filter(|table| table.columns.iter().any(|column| column.holds == Holds::Key))
}

/// The last key that was handed out, which may be above all that are left.
async fn last_key(db: &Db, table: &Table) -> Result<i64, DbError> {
    let sql = match db.pools.engine() {
        Engine::Sqlite => "SELECT seq AS last FROM sqlite_sequence WHERE name = ?",
        Engine::Postgres => {
            "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence(?, 'pk')::regclass), 0) AS last"
        }
        Engine::MariaDb | Engine::MySql => {
            "SELECT AUTO_INCREMENT - 1 AS last FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"
        }
    };
    let row = db.row(sql, &[table.name.into()]).await?;
    Ok(row.map(|row| row.opt_int("last")).transpose()?.flatten().unwrap_or(0))
}

async fn set_last_key(into: &mut Tx, engine: Engine, table: &Table, last: i64) -> Result<(), DbError> {
    if last < 1 {
        return Ok(());
    }
    let name = table.name;
    let sql = match engine {
        Engine::Sqlite => {
            into.execute("DELETE FROM sqlite_sequence WHERE name = ?", &[name.into()]).await?;
            format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{name}', {last})")
        }
        Engine::Postgres => format!("SELECT setval(pg_get_serial_sequence('{name}', 'pk'), {last})"),
        Engine::MariaDb | Engine::MySql => format!("ALTER TABLE {name} AUTO_INCREMENT = {}", last + 1),
    };
    into.run(AssertSqlSafe(sql).into_sql_str(), &[]).await.map(|_| ())
}

fn file_config(path: &Path) -> Config {
    Config { url: Some(format!("sqlite:{}", path.display())) }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// With what SQLite may have left beside it.
fn remove(part: &Path) {
    for path in [part.to_owned(), beside(part, "-wal"), beside(part, "-shm")] {
        let _ = std::fs::remove_file(path);
    }
}

/// `20261121T130000Z`.
fn stamp(now: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// In one statement: SQLite takes 32,766 values, PostgreSQL twice that.
const MOST_VALUES: usize = 2000;

#[cfg(test)]
mod tests;
