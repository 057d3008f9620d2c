//! How a source is written in the configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::storage::{Scheme, is_name};
use crate::units::{Policy, Span};

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `fs` or `memory`; `s3`, `webdav` and `http` are known but not built yet.
    pub scheme: Scheme,
    /// The folder (fs), or the prefix within the bucket or server. Nothing outside of it is read.
    pub root: Option<PathBuf>,
    /// What may be asked for without a signature: `open`, `ladder`, `presets` or `signed`.
    pub unsigned: Policy,
    /// How long what the source said of an object is taken for true; unset = 1s for fs, 60s for others.
    pub revalidate: Option<Span>,
    /// What clients and caches in front of us are told.
    pub cache_control: CacheControl,
    /// How long one read may take, waiting included.
    pub timeout: Span,
    /// Reads at once; more wait.
    pub concurrency: NonZeroUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheControl {
    /// How long an answer may be used without asking again.
    pub max_age: Span,
    /// How long after that it may still be used while a fresh one is fetched.
    pub stale_while_revalidate: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scheme: Scheme::Fs,
            root: None,
            unsigned: Policy::Ladder,
            revalidate: None,
            cache_control: CacheControl::default(),
            timeout: Span(Duration::from_secs(10)),
            concurrency: NonZeroUsize::new(64).expect("not zero"),
        }
    }
}

impl Default for CacheControl {
    fn default() -> Self {
        Self {
            max_age: Span(Duration::from_secs(30 * 86_400)),
            stale_while_revalidate: Span(Duration::from_secs(86_400)),
        }
    }
}

impl Config {
    pub fn validate(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("sources: `{name}` must be 1–64 of a–z, 0–9, `-` and `_`"));
        }
        if self.scheme == Scheme::Fs && self.root.as_ref().is_none_or(|root| root.as_os_str().is_empty()) {
            return Err(format!("sources.{name}.root is needed: the folder that pictures are read from"));
        }
        if self.timeout.0.is_zero() {
            return Err(format!("sources.{name}.timeout must be longer than nothing; leave it out for 10s"));
        }
        Ok(())
    }

    pub(super) fn revalidate(&self) -> Span {
        let default = if self.scheme == Scheme::Fs { 1 } else { 60 };
        self.revalidate.unwrap_or(Span(Duration::from_secs(default)))
    }
}
