//! The letters of a dump: words, names, strings and what stands between them.

mod values;

use std::io::{BufRead, BufReader, Read};

use super::DumpError;

/// A dump, byte by byte.
pub(super) struct Input<R> {
    reader: BufReader<R>,
    at: u64,
    /// Whether a backslash in a string means the letter behind it: so in MySQL and nowhere else.
    backslash: Option<bool>,
}

/// What is longer tells nothing about a picture: it reads as nothing.
pub(super) const LONGEST_VALUE: usize = 1 << 20;
/// MySQL's own limits.
const LONGEST_NAME: usize = 256;
const MOST_COLUMNS: usize = 4096;

impl<R: Read> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(256 * 1024, reader), at: 0, backslash: None }
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> DumpError {
        DumpError::Wrong { at: self.at, why: why.into() }
    }

    fn ended(&self) -> DumpError {
        self.wrong("the dump ends in the middle of a statement; it was cut off")
    }

    pub(super) fn peek(&mut self) -> Result<Option<u8>, DumpError> {
        if self.backslash.is_none() {
            // Who writes a dump says so in its first lines.
            let begin = self.reader.fill_buf()?;
            let begin = &begin[..begin.len().min(400)];
            let says = |text: &str| begin.windows(text.len()).any(|part| part == text.as_bytes());
            self.backslash = Some(!says("PostgreSQL") && !says("PRAGMA foreign_keys"));
        }
        Ok(self.reader.fill_buf()?.first().copied())
    }

    pub(super) fn bump(&mut self) {
        self.reader.consume(1);
        self.at += 1;
    }

    fn next(&mut self) -> Result<u8, DumpError> {
        let next = self.peek()?.ok_or_else(|| self.ended())?;
        self.bump();
        Ok(next)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), DumpError> {
        match self.next()? {
            found if found == wanted => Ok(()),
            found => {
                Err(self.wrong(format!("`{}` where `{}` belongs", char::from(found), char::from(wanted))))
            }
        }
    }

    /// White space and comments; what MySQL runs of a comment is none of ours.
    pub(super) fn skip_blank(&mut self) -> Result<(), DumpError> {
        loop {
            match self.peek()? {
                Some(c) if c.is_ascii_whitespace() => self.bump(),
                Some(b'#') => self.skip_line()?,
                Some(b'-') => {
                    self.bump();
                    self.skip_line()?;
                }
                Some(b'/') => {
                    self.bump();
                    self.skip_comment()?;
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn skip_line(&mut self) -> Result<(), DumpError> {
        while let Some(c) = self.peek()? {
            self.bump();
            if c == b'\n' {
                break;
            }
        }
        Ok(())
    }

    /// Behind a slash: to the end of a comment, if one begins here.
    fn skip_comment(&mut self) -> Result<(), DumpError> {
        if self.peek()? != Some(b'*') {
            return Ok(());
        }
        self.bump();
        let mut star = false;
        loop {
            let c = self.next()?;
            if star && c == b'/' {
                return Ok(());
            }
            star = c == b'*';
        }
    }

    /// To the next semicolon that is one.
    pub(super) fn skip_statement(&mut self) -> Result<(), DumpError> {
        while let Some(c) = self.peek()? {
            self.bump();
            match c {
                b';' => break,
                b'\'' | b'"' | b'`' => self.quoted(c, &mut |_| {})?,
                b'/' => self.skip_comment()?,
                b'-' if self.peek()? == Some(b'-') => self.skip_line()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// What stands between two `DELIMITER` of MySQL's client: triggers and routines.
    pub(super) fn skip_delimited(&mut self) -> Result<(), DumpError> {
        let mut line = self.line()?;
        while line.trim() != ";" {
            line = self.line()?;
            match line.trim_start().strip_prefix("DELIMITER") {
                Some(delimiter) => line = delimiter.to_owned(),
                None if self.peek()?.is_none() => return Ok(()),
                // A semicolon alone in a routine.
                None => line.push('-'),
            }
        }
        Ok(())
    }

    /// The beginning of a line; its rest is passed over.
    fn line(&mut self) -> Result<String, DumpError> {
        let mut line = Vec::new();
        while let Some(c) = self.peek()? {
            self.bump();
            if c == b'\n' {
                break;
            }
            if line.len() < 64 {
                line.push(c);
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Letters, in capitals.
    pub(super) fn word(&mut self) -> Result<String, DumpError> {
        let mut word = String::new();
        while let Some(c) = self.peek()?.filter(|c| c.is_ascii_alphanumeric() || *c == b'_') {
            if word.len() == LONGEST_NAME {
                return Err(self.wrong("a word is longer than any"));
            }
            word.push(char::from(c.to_ascii_uppercase()));
            self.bump();
        }
        Ok(word)
    }

    fn name(&mut self) -> Result<String, DumpError> {
        match self.peek()? {
            Some(quote @ (b'`' | b'"')) => {
                self.bump();
                let mut name = Vec::new();
                self.quoted(quote, &mut |piece| {
                    let room = (LONGEST_NAME + 1).saturating_sub(name.len());
                    name.extend_from_slice(&piece[..piece.len().min(room)]);
                })?;
                if name.len() > LONGEST_NAME {
                    return Err(self.wrong("a name is longer than any"));
                }
                Ok(String::from_utf8_lossy(&name).into_owned())
            }
            Some(c) if c.is_ascii_alphanumeric() || c == b'_' => Ok(self.word()?.to_ascii_lowercase()),
            _ => Err(self.wrong("a name is missing")),
        }
    }

    /// The last part of `database.table`.
    pub(super) fn qualified(&mut self) -> Result<String, DumpError> {
        self.skip_blank()?;
        let name = self.name()?;
        self.rest_of_name(name)
    }

    pub(super) fn rest_of_name(&mut self, mut name: String) -> Result<String, DumpError> {
        while self.peek()? == Some(b'.') {
            self.bump();
            name = self.name()?;
        }
        Ok(name)
    }

    /// `(a, b)`.
    pub(super) fn names(&mut self) -> Result<Vec<String>, DumpError> {
        self.expect(b'(')?;
        let mut names = Vec::new();
        loop {
            self.skip_blank()?;
            names.push(self.name()?);
            if names.len() > MOST_COLUMNS {
                return Err(self.wrong("more columns than a table can have"));
            }
            self.skip_blank()?;
            match self.next()? {
                b',' => {}
                b')' => return Ok(names),
                _ => return Err(self.wrong("a list of columns that is none")),
            }
        }
    }

    /// The columns of a `CREATE TABLE`, each with whether the database computes it.
    pub(super) fn columns(&mut self) -> Result<Vec<(String, bool)>, DumpError> {
        self.expect(b'(')?;
        let mut columns = Vec::new();
        loop {
            self.skip_blank()?;
            let quoted = matches!(self.peek()?, Some(b'`' | b'"'));
            let name = self.name()?;
            let is_column = quoted || !KEYS.contains(&name.as_str());
            let (is_computed, is_last) = self.rest_of_element()?;
            if is_column {
                columns.push((name, is_computed));
            }
            if columns.len() > MOST_COLUMNS {
                return Err(self.wrong("more columns than a table can have"));
            }
            if is_last {
                return Ok(columns);
            }
        }
    }

    /// To the comma or bracket behind a column or key: whether it is computed, and whether it was the last.
    fn rest_of_element(&mut self) -> Result<(bool, bool), DumpError> {
        let (mut depth, mut is_computed) = (0_u32, false);
        loop {
            let Some(c) = self.peek()? else { return Err(self.ended()) };
            if c.is_ascii_alphabetic() {
                let word = self.word()?;
                is_computed |= depth == 0 && matches!(word.as_str(), "GENERATED" | "AS");
                continue;
            }
            self.bump();
            match c {
                b'\'' | b'"' | b'`' => self.quoted(c, &mut |_| {})?,
                b'/' => self.skip_comment()?,
                b'-' if self.peek()? == Some(b'-') => self.skip_line()?,
                b'(' => depth = depth.saturating_add(1),
                b')' if depth == 0 => return Ok((is_computed, true)),
                b')' => depth -= 1,
                b',' if depth == 0 => return Ok((is_computed, false)),
                _ => {}
            }
        }
    }

    /// Behind a quote: hands on what is quoted, in pieces, and reads the quote at its end.
    fn quoted(&mut self, quote: u8, take: &mut dyn FnMut(&[u8])) -> Result<(), DumpError> {
        let backslash = self.backslash == Some(true) && quote != b'`';
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Err(self.ended());
            }
            let special = buffer.iter().position(|c| *c == quote || backslash && *c == b'\\');
            let plain = special.unwrap_or(buffer.len());
            take(&buffer[..plain]);
            self.reader.consume(plain);
            self.at += plain as u64;
            if special.is_none() {
                continue;
            }
            match self.next()? {
                b'\\' => {
                    let escaped = self.next()?;
                    match escaped {
                        b'0' => take(&[0]),
                        b'b' => take(&[8]),
                        b'n' => take(b"\n"),
                        b'r' => take(b"\r"),
                        b't' => take(b"\t"),
                        b'Z' => take(&[26]),
                        b'%' | b'_' => take(&[b'\\', escaped]),
                        other => take(&[other]),
                    }
                }
                _ if self.peek()? == Some(quote) => {
                    self.bump();
                    take(&[quote]);
                }
                _ => return Ok(()),
            }
        }
    }
}

/// What begins an element of a `CREATE TABLE` that is no column.
const KEYS: [&str; 11] = [
    "primary",
    "key",
    "unique",
    "constraint",
    "fulltext",
    "spatial",
    "index",
    "foreign",
    "check",
    "period",
    "exclude",
];
