//! What goes into a statement and what comes out of a row, in words that every engine has: 64-bit integers, floats,
//! text and bytes. Rooms speak these and never an engine's own types, so that a second engine is work in `db` alone.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::DbError;

/// A value for one `?` of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// One row of an answer; columns are asked for by name, so their order in the statement does not matter.
pub struct Row(pub(super) SqliteRow);

impl Row {
    pub fn int(&self, column: &'static str) -> Result<i64, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    /// An integer that must fit a narrower type.
    pub fn narrow<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, DbError> {
        let value = self.int(column)?;
        T::try_from(value)
            .map_err(|_| DbError::Corrupt { column, why: format!("{value} is out of its range") })
    }

    pub fn bool(&self, column: &'static str) -> Result<bool, DbError> {
        Ok(self.int(column)? != 0)
    }

    pub fn opt_real(&self, column: &'static str) -> Result<Option<f64>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub fn text(&self, column: &'static str) -> Result<String, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub fn blob(&self, column: &'static str) -> Result<Vec<u8>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    /// Text that must parse.
    pub fn parse<T>(&self, column: &'static str) -> Result<T, DbError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|why: T::Err| DbError::Corrupt { column, why: why.to_string() })
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
