//! How a storage is written in the configuration; sources share its words.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// The storage that is always there.
pub const LOCAL: &str = "local";

/// One entry of `storages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// `fs` or `memory`; `s3` and `webdav` are known but not built yet.
    pub scheme: Scheme,
    /// The folder (fs), or the prefix within the bucket or server.
    pub root: Option<PathBuf>,
    /// OpenDAL's own keys for the scheme, such as `bucket` and `endpoint`.
    #[serde(flatten)]
    pub options: BTreeMap<String, Setting>,
}

/// What speaks to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    #[default]
    Fs,
    /// Gone when the process ends: for tests.
    Memory,
    S3,
    Webdav,
    Http,
    Https,
}

/// A setting that is passed on to OpenDAL as text. It may be a password, so it does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting(pub String);

impl Config {
    pub fn validate(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("storages: `{name}` must be 1–64 of a–z, 0–9, `-` and `_`"));
        }
        match self.scheme {
            Scheme::Http | Scheme::Https => {
                return Err(format!("storages.{name}.scheme: http cannot be written to; list it under sources"));
            }
            Scheme::Fs if self.root.is_none() && name != LOCAL => {
                return Err(format!("storages.{name}.root is needed: the folder that holds the objects"));
            }
            _ => {}
        }
        refuse_unknown(&format!("storages.{name}"), self.scheme, &self.options, &["scheme", "root"])
    }
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fs => "fs",
            Self::Memory => "memory",
            Self::S3 => "s3",
            Self::Webdav => "webdav",
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Names stand in URLs, metrics and rows.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// OpenDAL's keys can only be told from mistakes where the scheme has none.
pub(crate) fn refuse_unknown(
    place: &str,
    scheme: Scheme,
    options: &BTreeMap<String, Setting>,
    known: &[&str],
) -> Result<(), String> {
    if !matches!(scheme, Scheme::Fs | Scheme::Memory) {
        return Ok(());
    }
    let Some(unknown) = options.keys().next() else { return Ok(()) };
    Err(match nearest(unknown, known) {
        Some(near) => format!("{place}: unknown key `{unknown}`; did you mean `{near}`?"),
        None => format!("{place}: unknown key `{unknown}`; known are {}", known.join(", ")),
    })
}

/// The known word that was probably meant.
pub fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |word: &&&str| strsim::damerau_levenshtein(given, word);
    known.iter().min_by_key(distance).filter(|word| distance(word) <= 1 + word.len() / 3).copied()
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = Setting;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number or a yes/no")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                Ok(Setting(text.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Setting, E> {
                Ok(Setting(value.to_string()))
            }
        }
        deserializer.deserialize_any(Scalar)
    }
}
