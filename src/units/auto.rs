//! A setting that may be left to the program: `auto`, or a value.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{F64Deserializer, I64Deserializer, StrDeserializer, U64Deserializer};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// `auto` or a `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auto<T> {
    /// The program measures the machine and decides.
    #[default]
    Auto,
    Value(T),
}

impl<T> Auto<T> {
    /// The value, or what `decide` makes of the machine.
    pub fn unwrap_or_else(self, decide: impl FnOnce() -> T) -> T {
        match self {
            Self::Auto => decide(),
            Self::Value(value) => value,
        }
    }
}

struct AutoVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AutoVisitor<T> {
    type Value = Auto<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto` or a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Auto<T>, E> {
        match text {
            "auto" => Ok(Auto::Auto),
            _ => T::deserialize(StrDeserializer::new(text)).map(Auto::Value).map_err(|error| or_auto(&error)),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Auto<T>, E> {
        T::deserialize(U64Deserializer::new(number)).map(Auto::Value).map_err(|error| or_auto(&error))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Auto<T>, E> {
        T::deserialize(I64Deserializer::new(number)).map(Auto::Value).map_err(|error| or_auto(&error))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Auto<T>, E> {
        T::deserialize(F64Deserializer::new(number)).map(Auto::Value).map_err(|error| or_auto(&error))
    }
}

/// The inner type does not know that `auto` would have been right too.
fn or_auto<E: de::Error>(error: &E) -> E {
    E::custom(format_args!("{error}, or `auto`"))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AutoVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    #[test]
    fn is_auto_or_the_inner_value() {
        let read = |text: &str| yaml_serde::from_str::<Auto<ByteSize>>(text);
        assert_eq!(read("auto").unwrap(), Auto::Auto);
        assert_eq!(read("64MiB").unwrap(), Auto::Value(ByteSize(64 << 20)));
        assert_eq!(read("1024").unwrap(), Auto::Value(ByteSize(1024)));
        let error = read("much").unwrap_err().to_string();
        assert!(error.contains("`much`") && error.contains("or `auto`"), "{error}");
        assert!(yaml_serde::from_str::<Auto<u32>>("-3").is_err());
    }
}
