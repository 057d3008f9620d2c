//! How a storage is written in the configuration; sources share its words.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::remote::{Bounds, Remote};
use crate::units::Span;

/// The storage that is always there.
pub const LOCAL: &str = "local";

/// One entry of `storages`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub scheme: Scheme,
    /// The folder (fs), or the prefix within the bucket or server.
    pub root: Option<PathBuf>,
    /// `s3` and `webdav`.
    pub remote: Remote,
    /// How long one attempt may take; there are up to three.
    pub timeout: Span,
    /// Requests at once; more wait.
    pub concurrency: NonZeroUsize,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            scheme: Scheme::Fs,
            root: None,
            remote: Remote::default(),
            timeout: Span(Duration::from_secs(10)),
            concurrency: NonZeroUsize::new(64).expect("not zero"),
        }
    }
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
            Scheme::S3 | Scheme::Webdav if self.remote.endpoint.is_empty() => {
                Err(format!("storages.{name}.endpoint is needed: the URL of the server"))
            }
            _ if self.timeout.0.is_zero() => {
                Err(format!("storages.{name}.timeout must be longer than nothing; leave it out for 10s"))
            }
            _ => Ok(()),
        }
    }
}

impl Config {
    pub(super) fn bounds(&self) -> Bounds {
        // What was stored was within the limits of its time; nothing else reads from a storage.
        Bounds {
            timeout: self.timeout.0,
            concurrency: self.concurrency,
            max_bytes: u64::MAX,
            immutable: true,
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
