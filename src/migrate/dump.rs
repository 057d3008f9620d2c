//! Dumps of databases as SQL text, as `mysqldump` and `mariadb-dump` write them, and `pg_dump --column-inserts` and
//! SQLite's `.dump`: only the rows of `INSERT` are taken, one after the other, and nothing is run. What a dump may make
//! us hold is bounded, whatever is in it.

mod input;

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use super::record::Record;
use input::Input;

/// The rows of some tables of a dump, in its order.
pub(super) struct Dump<R> {
    input: Input<R>,
    wanted: BTreeSet<String>,
    tables: HashMap<String, Table>,
    /// Whose rows come next.
    rows: Option<(Arc<str>, Table)>,
}

/// The columns of a table.
#[derive(Debug, Clone)]
struct Table {
    all: Arc<[String]>,
    /// Without those that the database computes: some dumps leave their values out.
    kept: Arc<[String]>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DumpError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("at byte {at}: {why}")]
    Wrong { at: u64, why: String },
}

impl<R: Read> Dump<R> {
    pub(super) fn new(reader: R, wanted: BTreeSet<String>) -> Self {
        Self { input: Input::new(reader), wanted, tables: HashMap::new(), rows: None }
    }

    /// The next row of a wanted table.
    pub(super) fn row(&mut self) -> Result<Option<Record>, DumpError> {
        loop {
            if let Some((name, table)) = &self.rows {
                let (table, columns) = (Arc::clone(name), table.clone());
                let cells = self.input.tuple()?;
                if !self.input.has_more_rows()? {
                    self.rows = None;
                }
                let columns = if cells.len() == columns.all.len() { columns.all } else { columns.kept };
                if cells.len() != columns.len() {
                    return Err(self.input.wrong(format!(
                        "a row of `{table}` has {} values for {} columns",
                        cells.len(),
                        columns.len()
                    )));
                }
                return Ok(Some(Record { table, columns, cells }));
            }
            if !self.statement()? {
                return Ok(None);
            }
        }
    }

    /// Reads on to the end of a statement, or to the first row of an `INSERT`; `false` at the end of the dump.
    fn statement(&mut self) -> Result<bool, DumpError> {
        self.input.skip_blank()?;
        let Some(first) = self.input.peek()? else { return Ok(false) };
        match first {
            b';' => self.input.bump(),
            // A command of psql.
            b'\\' => self.input.skip_line()?,
            c if c.is_ascii_alphabetic() => match self.input.word()?.as_str() {
                "INSERT" | "REPLACE" => self.insert()?,
                "CREATE" => self.create()?,
                "DELIMITER" => self.input.skip_delimited()?,
                "COPY" => {
                    let why = "rows stand in COPY; make the dump with `pg_dump --column-inserts`";
                    return Err(self.input.wrong(why));
                }
                _ => self.input.skip_statement()?,
            },
            _ => self.input.skip_statement()?,
        }
        Ok(true)
    }

    fn insert(&mut self) -> Result<(), DumpError> {
        loop {
            self.input.skip_blank()?;
            match self.input.peek()? {
                Some(c) if c.is_ascii_alphabetic() => match self.input.word()?.as_str() {
                    "INTO" => break,
                    "LOW_PRIORITY" | "DELAYED" | "HIGH_PRIORITY" | "IGNORE" | "OR" => {}
                    _ => return self.input.skip_statement(),
                },
                _ => return self.input.skip_statement(),
            }
        }
        let name = self.input.qualified()?;
        if !self.wanted.contains(&name) {
            return self.input.skip_statement();
        }
        self.input.skip_blank()?;
        let table = match self.input.peek()? {
            Some(b'(') => {
                let listed: Arc<[String]> = self.input.names()?.into();
                Table { all: Arc::clone(&listed), kept: listed }
            }
            _ => match self.tables.get(&name) {
                Some(table) => table.clone(),
                None => {
                    let why = format!(
                        "rows of `{name}` without the names of their columns: make the dump with `CREATE TABLE`, or \
                         with --complete-insert"
                    );
                    return Err(self.input.wrong(why));
                }
            },
        };
        self.input.skip_blank()?;
        while self.input.peek()?.is_some_and(|c| c.is_ascii_alphabetic()) {
            match self.input.word()?.as_str() {
                "VALUES" | "VALUE" => {
                    self.rows = Some((name.into(), table));
                    return Ok(());
                }
                // `OVERRIDING SYSTEM VALUE`
                "OVERRIDING" => {
                    for _ in 0..2 {
                        self.input.skip_blank()?;
                        self.input.word()?;
                    }
                    self.input.skip_blank()?;
                }
                _ => break,
            }
        }
        self.input.skip_statement()
    }

    fn create(&mut self) -> Result<(), DumpError> {
        self.input.skip_blank()?;
        let mut words = Vec::new();
        while self.input.peek()?.is_some_and(|c| c.is_ascii_alphabetic()) {
            words.push(self.input.word()?);
            self.input.skip_blank()?;
            let kind = ["TABLE", "TEMPORARY", "IF", "NOT", "EXISTS"];
            match words.last().map(String::as_str) {
                Some("TABLE") if self.input.peek()?.is_some_and(|c| c.eq_ignore_ascii_case(&b'i')) => {}
                Some("TABLE" | "EXISTS") => break,
                Some(word) if kind.contains(&word) => {}
                _ => break,
            }
        }
        // `IF NOT EXISTS`, or a name that begins with an i.
        let bare = words.last().filter(|word| !matches!(word.as_str(), "TABLE" | "EXISTS")).cloned();
        if !words.iter().any(|word| word == "TABLE") {
            return self.input.skip_statement();
        }
        let name = match bare {
            Some(name) => self.input.rest_of_name(name.to_ascii_lowercase())?,
            None => self.input.qualified()?,
        };
        self.input.skip_blank()?;
        if !self.wanted.contains(&name) || self.input.peek()? != Some(b'(') {
            return self.input.skip_statement();
        }
        let columns = self.input.columns()?;
        let all = columns.iter().map(|(name, _)| name.clone()).collect();
        let kept = columns.into_iter().filter(|(_, computed)| !computed).map(|(name, _)| name).collect();
        self.tables.insert(name, Table { all, kept });
        self.input.skip_statement()
    }
}

#[cfg(test)]
mod tests;
