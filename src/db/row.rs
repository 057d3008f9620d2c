//! What comes out of a statement, in the words of [`super::Value`]. Engines answer with types of their own where a
//! statement computes something: a sum is a decimal number and a comparison a boolean on one and not on the other.

use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::DbError;

/// One row of an answer; columns are asked for by name, so their order in the statement does not matter.
pub struct Row(Inner);

enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
    Mysql(MySqlRow),
}

impl Row {
    pub fn int(&self, column: &'static str) -> Result<i64, DbError> {
        self.opt_int(column)?.ok_or_else(|| null(column))
    }

    pub fn opt_int(&self, column: &'static str) -> Result<Option<i64>, DbError> {
        match &self.0 {
            Inner::Sqlite(row) => Ok(row.try_get(column)?),
            Inner::Postgres(row) => match type_of(row.try_get_raw(column)?.type_info().name()) {
                Kind::Int => Ok(row.try_get(column)?),
                Kind::Int4 => Ok(row.try_get::<Option<i32>, _>(column)?.map(i64::from)),
                Kind::Bool => Ok(row.try_get::<Option<bool>, _>(column)?.map(i64::from)),
                _ => whole(column, postgres_decimal(row, column)?),
            },
            Inner::Mysql(row) => match type_of(row.try_get_raw(column)?.type_info().name()) {
                Kind::Decimal | Kind::Real => whole(column, mysql_decimal(row, column)?),
                Kind::Unsigned => {
                    let value: Option<u64> = row.try_get(column)?;
                    value.map(|value| i64::try_from(value).map_err(|_| too_large(column))).transpose()
                }
                _ => Ok(row.try_get(column)?),
            },
        }
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
        match &self.0 {
            Inner::Sqlite(row) => Ok(row.try_get(column)?),
            Inner::Postgres(row) => match type_of(row.try_get_raw(column)?.type_info().name()) {
                Kind::Real => Ok(row.try_get(column)?),
                Kind::Decimal => postgres_decimal(row, column),
                _ => Ok(self.opt_int(column)?.map(|value| value as f64)),
            },
            Inner::Mysql(row) => mysql_decimal(row, column),
        }
    }

    pub fn text(&self, column: &'static str) -> Result<String, DbError> {
        self.opt_text(column)?.ok_or_else(|| null(column))
    }

    pub fn opt_text(&self, column: &'static str) -> Result<Option<String>, DbError> {
        Ok(match &self.0 {
            Inner::Sqlite(row) => row.try_get(column)?,
            Inner::Postgres(row) => row.try_get(column)?,
            Inner::Mysql(row) => row.try_get(column)?,
        })
    }

    pub fn blob(&self, column: &'static str) -> Result<Vec<u8>, DbError> {
        self.opt_blob(column)?.ok_or_else(|| null(column))
    }

    pub fn opt_blob(&self, column: &'static str) -> Result<Option<Vec<u8>>, DbError> {
        Ok(match &self.0 {
            Inner::Sqlite(row) => row.try_get(column)?,
            Inner::Postgres(row) => row.try_get(column)?,
            Inner::Mysql(row) => row.try_get(column)?,
        })
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

enum Kind {
    Int,
    Int4,
    Unsigned,
    Bool,
    Real,
    Decimal,
    Other,
}

fn type_of(name: &str) -> Kind {
    match name {
        "INTEGER" | "INT8" | "BIGINT" | "INT" | "MEDIUMINT" | "SMALLINT" | "TINYINT" | "BOOLEAN" => Kind::Int,
        "INT4" => Kind::Int4,
        "BOOL" => Kind::Bool,
        "REAL" | "FLOAT8" | "DOUBLE" => Kind::Real,
        "NUMERIC" | "DECIMAL" => Kind::Decimal,
        name if name.ends_with("UNSIGNED") => Kind::Unsigned,
        _ => Kind::Other,
    }
}

fn whole(column: &'static str, value: Option<f64>) -> Result<Option<i64>, DbError> {
    match value {
        // Above this a float skips integers.
        Some(value) if value.fract() != 0.0 || value.abs() > 9_007_199_254_740_992.0 => {
            Err(DbError::Corrupt { column, why: format!("{value} is not a whole number that fits") })
        }
        value => Ok(value.map(|value| value as i64)),
    }
}

/// Digits in groups of four, the first of them 10000^weight.
fn postgres_decimal(row: &PgRow, column: &'static str) -> Result<Option<f64>, DbError> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(None);
    }
    let wrong = || DbError::Corrupt { column, why: "not a decimal number".to_owned() };
    let bytes = raw.as_bytes().map_err(|_| wrong())?;
    let words: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let [_, weight, sign, _, digits @ ..] = words.as_slice() else { return Err(wrong()) };
    let weight = i32::from(*weight as i16);
    let value: f64 =
        (0..).zip(digits).map(|(at, digit)| f64::from(*digit) * 10_000f64.powi(weight - at)).sum();
    match sign {
        0 => Ok(Some(value)),
        0x4000 => Ok(Some(-value)),
        _ => Err(wrong()),
    }
}

fn mysql_decimal(row: &MySqlRow, column: &'static str) -> Result<Option<f64>, DbError> {
    match type_of(row.try_get_raw(column)?.type_info().name()) {
        Kind::Real => Ok(row.try_get(column)?),
        Kind::Int => Ok(row.try_get::<Option<i64>, _>(column)?.map(|value| value as f64)),
        Kind::Decimal => {
            // Sent as text.
            let text: Option<String> = row.try_get_unchecked(column)?;
            let wrong = |_| DbError::Corrupt { column, why: "not a decimal number".to_owned() };
            text.map(|text| text.parse().map_err(wrong)).transpose()
        }
        _ => Err(DbError::Corrupt { column, why: "not a number".to_owned() }),
    }
}

fn null(column: &'static str) -> DbError {
    DbError::Corrupt { column, why: "NULL".to_owned() }
}

fn too_large(column: &'static str) -> DbError {
    DbError::Corrupt { column, why: "too large".to_owned() }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Inner::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Inner::Postgres(row))
    }
}

impl From<MySqlRow> for Row {
    fn from(row: MySqlRow) -> Self {
        Self(Inner::Mysql(row))
    }
}
