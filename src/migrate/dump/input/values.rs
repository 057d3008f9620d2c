//! The values of rows: texts, numbers, bytes, and what is neither.

use std::io::Read;

use super::{Input, LONGEST_VALUE, MOST_COLUMNS};
use crate::migrate::dump::DumpError;

impl<R: Read> Input<R> {
    /// The values of one row.
    pub(in crate::migrate::dump) fn tuple(&mut self) -> Result<Vec<Option<String>>, DumpError> {
        self.skip_white()?;
        self.expect(b'(')?;
        let mut values = Vec::new();
        loop {
            self.skip_white()?;
            values.push(self.value()?);
            if values.len() > MOST_COLUMNS {
                return Err(self.wrong("a row has more values than a table can have columns"));
            }
            self.skip_white()?;
            match self.next()? {
                b',' => {}
                b')' => return Ok(values),
                found => return Err(self.wrong(format!("`{}` behind a value", char::from(found)))),
            }
        }
    }

    /// Behind a row: whether another one follows in the same statement.
    pub(in crate::migrate::dump) fn has_more_rows(&mut self) -> Result<bool, DumpError> {
        self.skip_white()?;
        match self.peek()? {
            Some(b',') => {
                self.bump();
                Ok(true)
            }
            None => Err(self.ended()),
            // `ON DUPLICATE KEY …`
            _ => self.skip_statement().map(|()| false),
        }
    }

    fn skip_white(&mut self) -> Result<(), DumpError> {
        while self.peek()?.is_some_and(|c| c.is_ascii_whitespace()) {
            self.bump();
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Option<String>, DumpError> {
        let Some(first) = self.peek()? else { return Err(self.ended()) };
        match first {
            b'\'' | b'"' => self.string(),
            b'0'..=b'9' | b'-' | b'+' | b'.' => self.number().map(Some),
            c if c.is_ascii_alphabetic() || c == b'_' => self.named_value(),
            found => Err(self.wrong(format!("`{}` where a value belongs", char::from(found)))),
        }
    }

    fn named_value(&mut self) -> Result<Option<String>, DumpError> {
        let word = self.word()?;
        let quoted = self.peek()? == Some(b'\'');
        match word.as_str() {
            "TRUE" => Ok(Some("1".to_owned())),
            "FALSE" => Ok(Some("0".to_owned())),
            "X" if quoted => Ok(self.string()?.as_deref().and_then(from_hex)),
            "B" if quoted => {
                let bits = self.string()?.unwrap_or_default();
                Ok(u64::from_str_radix(&bits, 2).ok().map(|number| number.to_string()))
            }
            "E" if quoted => {
                let before = self.backslash.replace(true);
                let text = self.string();
                self.backslash = before;
                text
            }
            "N" if quoted => self.string(),
            // `_binary '…'`, `_utf8mb4 0x…`
            word if word.starts_with('_') => {
                self.skip_white()?;
                match self.peek()? {
                    Some(b'\'' | b'"') => self.string(),
                    Some(c) if c.is_ascii_digit() => self.number().map(Some),
                    _ => Err(self.wrong("a character set without a text")),
                }
            }
            _ => {
                // NULL, DEFAULT, or something that was to be computed.
                self.skip_white()?;
                if self.peek()? == Some(b'(') {
                    self.bump();
                    while !self.rest_of_element()?.1 {}
                }
                Ok(None)
            }
        }
    }

    fn number(&mut self) -> Result<String, DumpError> {
        let mut text = String::new();
        while let Some(c) = self.peek()?.filter(|c| c.is_ascii_alphanumeric() || b"+-.".contains(c)) {
            // `0x…` may be a file; what is longer than a value is none that we read.
            if text.len() < LONGEST_VALUE {
                text.push(char::from(c));
            }
            self.bump();
        }
        match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => Ok(from_hex(hex).unwrap_or_default()),
            None if text.len() > 128 => Err(self.wrong("a number is longer than any")),
            None => Ok(text),
        }
    }

    fn string(&mut self) -> Result<Option<String>, DumpError> {
        let quote = self.next()?;
        let (mut text, mut is_long) = (Vec::new(), false);
        self.quoted(quote, &mut |piece| {
            is_long |= text.len() + piece.len() > LONGEST_VALUE;
            if !is_long {
                text.extend_from_slice(piece);
            }
        })?;
        let text = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok((!is_long).then_some(text))
    }
}

fn from_hex(hex: &str) -> Option<String> {
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digit).collect();
    String::from_utf8(bytes?).ok()
}
