//! How a storage is written in the configuration; sources share its words.

use std::path::PathBuf;

use serde::Deserialize;

/// The storage that is always there.
pub const LOCAL: &str = "local";

/// One entry of `storages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `fs` or `memory`; `s3` and `webdav` are known but not built yet.
    pub scheme: Scheme,
    /// The folder (fs), or the prefix within the bucket or server.
    pub root: Option<PathBuf>,
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
    /// To be read from only. The endpoint's URL says whether it is https.
    Http,
}

impl Config {
    pub fn validate(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("storages: `{name}` must be 1–64 of A–Z, a–z, 0–9, `-` and `_`"));
        }
        match self.scheme {
            Scheme::Http => {
                Err(format!("storages.{name}.scheme: http cannot be written to; list it under sources"))
            }
            Scheme::Fs if self.root.is_none() && name != LOCAL => {
                Err(format!("storages.{name}.root is needed: the folder that holds the objects"))
            }
            _ => Ok(()),
        }
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
        }
    }
}

/// Names stand in URLs, metrics and rows.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}
