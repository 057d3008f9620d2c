//! Named origins of pictures, for `/r/<name>/…`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Policy;
use super::storage::{Backend, Scheme, derive_root};
use crate::units::{Secret, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub scheme: Scheme,
    /// `fs`: the folder. Others: what every path begins with.
    pub root: Option<PathBuf>,
    /// `http`, `s3`, `webdav`: the server's URL.
    pub endpoint: Option<String>,
    /// `s3`.
    pub bucket: Option<String>,
    /// `s3`.
    pub region: Option<String>,
    /// `s3`.
    pub access_key_id: Option<String>,
    /// `s3`; better by `secret_access_key_env` or `secret_access_key_file`.
    pub secret_access_key: Option<Secret>,
    /// `s3`; as above.
    pub session_token: Option<Secret>,
    /// `s3`: `bucket.host/…` instead of `host/bucket/…`.
    pub enable_virtual_host_style: Option<bool>,
    /// `http`, `webdav`.
    pub username: Option<String>,
    /// `http`, `webdav`; better by `password_env` or `password_file`.
    pub password: Option<Secret>,
    /// `http`, `webdav`: a bearer token; better by `token_env` or `token_file`.
    pub token: Option<Secret>,
    /// What may be asked without a signature.
    #[serde(default)]
    pub unsigned: Policy,
    /// How long an object's validator is believed before it is asked for again. Unset: 1 s for `fs`, else 60 s.
    pub revalidate: Option<Span>,
    #[serde(default)]
    pub cache_control: CacheControl,
}

/// What browsers and CDNs are told.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheControl {
    /// How long an answer is fresh.
    pub max_age: Span,
    /// For how long after that it may still be shown while a new one is fetched.
    pub stale_while_revalidate: Span,
}

impl Default for CacheControl {
    fn default() -> Self {
        Self {
            max_age: Span(Duration::from_secs(30 * 86_400)),
            stale_while_revalidate: Span(Duration::from_secs(86_400)),
        }
    }
}

impl Source {
    pub(in crate::config) fn derive(&mut self, base: &Path) {
        derive_root(self.scheme, self.root.as_mut(), base);
        let seconds = if matches!(self.scheme, Scheme::Fs | Scheme::Memory) { 1 } else { 60 };
        self.revalidate.get_or_insert(Span(Duration::from_secs(seconds)));
    }

    /// As the room `source` takes it.
    pub fn to_room(&self) -> crate::source::Config {
        crate::source::Config {
            scheme: self.scheme.to_room(),
            root: self.root.clone(),
            unsigned: self.unsigned,
            revalidate: self.revalidate,
            cache_control: crate::source::CacheControl {
                max_age: self.cache_control.max_age,
                stale_while_revalidate: self.cache_control.stale_while_revalidate,
            },
            ..crate::source::Config::default()
        }
    }

    /// `name` is the full name of the section, `sources.x`.
    pub fn validate(&self, name: &str) -> Result<(), String> {
        Backend {
            scheme: self.scheme,
            root: self.root.as_deref(),
            endpoint: self.endpoint.as_deref(),
            bucket: self.bucket.as_deref(),
            s3: &[
                ("region", self.region.is_some()),
                ("access_key_id", self.access_key_id.is_some()),
                ("secret_access_key", self.secret_access_key.is_some()),
                ("session_token", self.session_token.is_some()),
                ("enable_virtual_host_style", self.enable_virtual_host_style.is_some()),
            ],
            login: &[
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
                ("token", self.token.is_some()),
            ],
        }
        .validate(name)
    }
}
