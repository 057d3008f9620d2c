//! Named origins of pictures, for `/r/<name>/…`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::Policy;
use super::storage::{Backend, Scheme, derive_root, positive};
use crate::net::HostPattern;
use crate::storage::Remote;
use crate::units::{ByteSize, Cidr, Secret, Span};

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
    /// `http`: the hosts that whole URLs may name and answers may redirect to.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// `http`: addresses that may be connected to although they are not public.
    #[serde(default)]
    pub allow_addresses: Vec<Cidr>,
    /// How long one read may take, waiting included. Unset: 10 s.
    pub timeout: Option<Span>,
    /// Reads at once. Unset: 64.
    pub concurrency: Option<NonZeroUsize>,
    /// The largest original that is read. Unset: 100 MB over a network.
    pub max_bytes: Option<ByteSize>,
}

/// What browsers and CDNs are told.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheControl {
    /// How long an answer is fresh.
    pub max_age: Span,
    /// For how long after that it may still be shown while a new one is fetched.
    pub stale_while_revalidate: Span,
    /// For how long what is kept here stands in for a source that fails.
    pub stale_if_error: Span,
    /// Whether the source's own `Cache-Control` and `Expires` decide, within `max_age`.
    pub follow_source: bool,
}

impl Default for CacheControl {
    fn default() -> Self {
        Self {
            max_age: Span(Duration::from_secs(30 * 86_400)),
            stale_while_revalidate: Span(Duration::from_secs(86_400)),
            stale_if_error: Span(Duration::from_secs(7 * 86_400)),
            follow_source: false,
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
        let default = crate::source::Config::default();
        crate::source::Config {
            scheme: self.scheme.to_room(),
            root: self.root.clone(),
            unsigned: self.unsigned,
            revalidate: self.revalidate,
            cache_control: crate::source::CacheControl {
                max_age: self.cache_control.max_age,
                stale_while_revalidate: self.cache_control.stale_while_revalidate,
                stale_if_error: self.cache_control.stale_if_error,
                follow_source: self.cache_control.follow_source,
            },
            remote: Remote {
                endpoint: self.endpoint.clone().unwrap_or_default(),
                bucket: self.bucket.clone().unwrap_or_default(),
                region: self.region.clone(),
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret_access_key.clone(),
                session_token: self.session_token.clone(),
                enable_virtual_host_style: self.enable_virtual_host_style.unwrap_or(false),
                default_storage_class: None,
                username: self.username.clone(),
                password: self.password.clone(),
                token: self.token.clone(),
            },
            hosts: self.hosts.iter().filter_map(|host| host.parse().ok()).collect(),
            allow_addresses: self.allow_addresses.clone(),
            timeout: self.timeout.unwrap_or(default.timeout),
            concurrency: self.concurrency.unwrap_or(default.concurrency),
            max_bytes: self.max_bytes,
        }
    }

    /// `name` is the full name of the section, `sources.x`.
    pub fn validate(&self, name: &str) -> Result<(), String> {
        positive(name, self.timeout)?;
        for (index, host) in self.hosts.iter().enumerate() {
            let parsed: Result<HostPattern, _> = host.parse();
            parsed.map_err(|error| format!("`{name}.hosts[{index}]`: {error}"))?;
        }
        if self.scheme != Scheme::Http {
            let scheme = self.scheme.name();
            for (key, set) in
                [("hosts", !self.hosts.is_empty()), ("allow_addresses", !self.allow_addresses.is_empty())]
            {
                if set {
                    return Err(format!("`{name}.{key}` has no meaning for a `{scheme}` source; remove it"));
                }
            }
        }
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
            hosts: !self.hosts.is_empty(),
        }
        .validate(name)
    }
}
