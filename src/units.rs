//! Quantities as people write them in a configuration: `256MiB`, `4s`, `50/s`, `100MP`. Each type parses once and
//! prints the way it is written, so an error can show both what came and what is meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

mod auto;
mod cidr;
mod cidr_set;
mod clock;
mod language;
mod secret;

pub use auto::Auto;
pub use cidr::{Cidr, CidrError};
pub use cidr_set::CidrSet;
pub use clock::{TimeOfDay, TimeOfDayError};
pub use language::Language;
pub use secret::Secret;

/// A number of bytes: `32MB` (decimal), `256MiB` (binary) or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A number of pixels: `100MP` or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pixels(pub u64);

/// A time span: `250ms`, `4s`, `10m`, `3h`, `30d`, or seconds as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// So many in a time span: `50/s`, `1000/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    pub count: u64,
    pub per: Duration,
}

/// What may be asked for without a signature: of a source, of the library, with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Everything.
    Open,
    /// Listed sizes and qualities, to which others are snapped; no costly effects.
    #[default]
    Ladder,
    /// Configured presets only.
    Presets,
    /// Nothing.
    Signed,
}

impl Policy {
    /// As it is written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ladder => "ladder",
            Self::Presets => "presets",
            Self::Signed => "signed",
        }
    }
}

/// Why a quantity was not understood; the text says what would have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct UnitError {
    given: String,
    expected: &'static str,
}

const BYTES: &str = "a size like `32MB` or `256MiB`";
const PIXELS: &str = "a number of pixels like `100MP`";
const SPAN: &str = "a time span like `250ms`, `4s`, `10m`, `3h` or `30d`";
const RATE: &str = "a rate like `50/s` or `1000/m`";

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, BYTES, |unit| {
            Some(match unit {
                "" | "B" => 1.0,
                "KB" | "kB" => 1e3,
                "MB" => 1e6,
                "GB" => 1e9,
                "TB" => 1e12,
                "KiB" => 1024.0,
                "MiB" => 1048576.0,
                "GiB" => 1073741824.0,
                "TiB" => 1099511627776.0,
                _ => return None,
            })
        })
        .map(|n| Self(n as u64))
    }
}

impl FromStr for Pixels {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, PIXELS, |unit| {
            Some(match unit {
                "" => 1.0,
                "MP" => 1e6,
                "GP" => 1e9,
                _ => return None,
            })
        })
        .map(|n| Self(n as u64))
    }
}

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        scaled(text, SPAN, |unit| {
            Some(match unit {
                "ms" => 1e-3,
                "" | "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                _ => return None,
            })
        })
        .map(|n| Self(Duration::from_millis((n * 1000.0).round() as u64)))
    }
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = || UnitError { given: text.to_owned(), expected: RATE };
        let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let per = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86400,
            _ => return Err(wrong()),
        };
        let count = count.trim().parse().map_err(|_| wrong())?;
        if count == 0 {
            return Err(wrong());
        }
        Ok(Self { count, per: Duration::from_secs(per) })
    }
}

/// A non-negative decimal number and its unit.
fn scaled(
    text: &str,
    expected: &'static str,
    factor: impl Fn(&str) -> Option<f64>,
) -> Result<f64, UnitError> {
    let wrong = || UnitError { given: text.to_owned(), expected };
    let text_ = text.trim();
    let split = text_.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text_.len());
    let (number, unit) = text_.split_at(split);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = factor(unit.trim()).ok_or_else(wrong)?;
    let value = number * factor;
    if value.is_finite() && value < u64::MAX as f64 { Ok(value) } else { Err(wrong()) }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Ladder => "ladder",
            Self::Presets => "presets",
            Self::Signed => "signed",
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in
            [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1_000_000_000, "GB"), (1_000_000, "MB")]
        {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 >= 1_000_000 && self.0.is_multiple_of(1_000_000) {
            write!(f, "{}MP", self.0 / 1_000_000)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")] {
            if ms >= unit && ms.is_multiple_of(unit) {
                return write!(f, "{}{name}", ms / unit);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            3600 => "h",
            _ => "d",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// Deserialises from text or, where a bare number makes sense, from a number.
struct Quantity<T>(std::marker::PhantomData<T>, &'static str);

impl<T: FromStr<Err = UnitError>> Visitor<'_> for Quantity<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

macro_rules! deserialize_quantity {
    ($($type:ty, $expected:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Quantity(std::marker::PhantomData, $expected))
            }
        }
    )*};
}
deserialize_quantity! { ByteSize, BYTES; Pixels, PIXELS; Span, SPAN; Rate, RATE; }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_prints_it_back() {
        for text in ["256MiB", "4GiB", "32MB", "1500"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["250ms", "4s", "10m", "3h", "30d"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("100MP".parse::<Pixels>().unwrap(), Pixels(100_000_000));
        assert_eq!("1.5GiB".parse::<ByteSize>().unwrap(), ByteSize(1_610_612_736));
        assert_eq!("50/s".parse::<Rate>().unwrap().to_string(), "50/s");
    }

    #[test]
    fn refuses_what_is_no_quantity_and_says_what_is() {
        for text in ["", "-1", "MB", "12 parsecs", "1e9", "1.2.3MB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("0/s".parse::<Rate>().is_err());
        let error = "12 parsecs".parse::<Span>().unwrap_err().to_string();
        assert!(error.contains("`30d`"), "{error}");
    }
}
