//! A database of another system, whatever it comes as: an SQL dump, the same compressed, or an SQLite file.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::MigrateError;
use super::dump::Dump;
use super::record::Record;
use crate::db::foreign::Foreign;

/// To be read as often as one likes, from the beginning each time.
pub(super) struct Tables {
    path: PathBuf,
    sqlite: Option<Foreign>,
}

/// Rows of some tables.
pub(super) enum Rows {
    Dump { path: PathBuf, dump: Box<Dump<Box<dyn Read + Send>>> },
    Sqlite(Page),
}

/// Where reading an SQLite file stands.
pub(super) struct Page {
    file: Foreign,
    tables: VecDeque<String>,
    after: i64,
    rows: VecDeque<Record>,
}

impl Tables {
    pub(super) async fn open(path: &Path) -> Result<Self, MigrateError> {
        let mut begin = [0; 16];
        let mut file = File::open(path).map_err(|error| MigrateError::file(path, error))?;
        let is_sqlite = file.read_exact(&mut begin).is_ok() && &begin == b"SQLite format 3\0";
        let sqlite = if is_sqlite { Some(Foreign::open(path).await?) } else { None };
        Ok(Self { path: path.to_owned(), sqlite })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows of these tables: each in its own order, and the tables in the order of the file.
    pub(super) async fn read(&self, wanted: BTreeSet<String>) -> Result<Rows, MigrateError> {
        if let Some(file) = &self.sqlite {
            let tables = file.tables().await?.into_iter().filter(|table| wanted.contains(table)).collect();
            return Ok(Rows::Sqlite(Page {
                file: file.clone(),
                tables,
                after: i64::MIN,
                rows: VecDeque::new(),
            }));
        }
        let failed = |error| MigrateError::file(&self.path, error);
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut begin = [0; 2];
        let is_gzip = file.read_exact(&mut begin).is_ok() && begin == [0x1f, 0x8b];
        file.rewind().map_err(failed)?;
        let reader: Box<dyn Read + Send> =
            if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Rows::Dump { path: self.path.clone(), dump: Box::new(Dump::new(reader, wanted)) })
    }
}

impl Rows {
    pub(super) async fn next(&mut self) -> Result<Option<Record>, MigrateError> {
        match self {
            Self::Dump { path, dump } => dump.row().map_err(|error| MigrateError::dump(path, error)),
            Self::Sqlite(page) => page.next().await,
        }
    }
}

impl Page {
    async fn next(&mut self) -> Result<Option<Record>, MigrateError> {
        loop {
            if let Some(row) = self.rows.pop_front() {
                return Ok(Some(row));
            }
            let Some(table) = self.tables.front() else { return Ok(None) };
            let rows = self.file.rows(table, self.after, AT_ONCE).await?;
            let Some((last, first)) = rows.last().map(|(last, _)| *last).zip(rows.first()) else {
                self.tables.pop_front();
                self.after = i64::MIN;
                continue;
            };
            let name: Arc<str> = table.as_str().into();
            let columns: Arc<[String]> = first.1.iter().map(|(column, _)| column.clone()).collect();
            self.after = last;
            self.rows = rows
                .into_iter()
                .map(|(_, cells)| Record {
                    table: Arc::clone(&name),
                    columns: Arc::clone(&columns),
                    cells: cells.into_iter().map(|(_, cell)| cell).collect(),
                })
                .collect();
        }
    }
}

const AT_ONCE: u32 = 500;
