//! How a source is written in the configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use serde::Deserialize;
use url::Url;

use super::error::SourceError;
use super::slot::Belief;
use super::web::Web;
use crate::net::{Client, HostPattern, Rules, Server, credentials};
use crate::storage::{Remote, Scheme, is_name};
use crate::units::{ByteSize, Cidr, Policy, Secret, Span};

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub scheme: Scheme,
    /// The folder (fs), or the prefix within the bucket or server. Nothing outside of it is read.
    pub root: Option<PathBuf>,
    /// `s3`, `webdav` and `http`; of the last the endpoint may be left out where `hosts` are listed.
    pub remote: Remote,
    /// `http`: the hosts that a whole URL may name, and that an answer may redirect to.
    pub hosts: Vec<HostPattern>,
    /// `http`: addresses that may be connected to although they are not public.
    pub allow_addresses: Vec<Cidr>,
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
    /// The largest object that is read; unset = 100 MB over a network, else whatever is a picture.
    pub max_bytes: Option<ByteSize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheControl {
    /// How long an answer may be used without asking again.
    pub max_age: Span,
    /// How long after that it may still be used while a fresh one is fetched, here as well.
    pub stale_while_revalidate: Span,
    /// How long what is kept stands in for a source that fails.
    pub stale_if_error: Span,
    /// Whether the `Cache-Control` that the source sends decides instead, within `max_age`.
    pub follow_source: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            scheme: Scheme::Fs,
            root: None,
            remote: Remote::default(),
            hosts: Vec::new(),
            allow_addresses: Vec::new(),
            unsigned: Policy::Ladder,
            revalidate: None,
            cache_control: CacheControl::default(),
            timeout: Span(Duration::from_secs(10)),
            concurrency: NonZeroUsize::new(64).expect("not zero"),
            max_bytes: None,
        }
    }
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

impl Config {
    pub fn validate(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("sources: `{name}` must be 1–64 of A–Z, a–z, 0–9, `-` and `_`"));
        }
        if self.scheme == Scheme::Fs && self.root.as_ref().is_none_or(|root| root.as_os_str().is_empty()) {
            return Err(format!("sources.{name}.root is needed: the folder that pictures are read from"));
        }
        if matches!(self.scheme, Scheme::S3 | Scheme::Webdav) && self.remote.endpoint.is_empty() {
            return Err(format!("sources.{name}.endpoint is needed: the URL of the server"));
        }
        if self.scheme == Scheme::Http && self.remote.endpoint.is_empty() && self.hosts.is_empty() {
            return Err(format!(
                "sources.{name} needs an endpoint, which paths are appended to, or hosts, which whole URLs may name"
            ));
        }
        if self.timeout.0.is_zero() {
            return Err(format!("sources.{name}.timeout must be longer than nothing; leave it out for 10s"));
        }
        Ok(())
    }

    pub(super) fn max_bytes(&self) -> u64 {
        let remote = matches!(self.scheme, Scheme::S3 | Scheme::Webdav | Scheme::Http);
        self.max_bytes.map_or(if remote { MAX_REMOTE } else { u64::MAX }, |size| size.0)
    }

    pub(super) fn web(&self, name: &Arc<str>) -> Result<Web, SourceError> {
        let wrong = |text: &str| SourceError::Config(format!("sources.{name}.endpoint: {text}"));
        let base = match self.remote.endpoint.as_str() {
            "" => None,
            endpoint => Some(self.base(endpoint).ok_or_else(|| wrong("not a URL of a web server"))?),
        };
        // A redirect may go where a whole URL may, and within the endpoint's own server.
        let own = base.as_ref().and_then(Server::of).map(|server| HostPattern::exactly(&server));
        let rules = Rules {
            hosts: Some(self.hosts.iter().cloned().chain(own).collect()),
            allow_addresses: self.allow_addresses.clone(),
            trusted: Vec::new(),
            connect_timeout: self.timeout.0.min(Rules::default().connect_timeout),
            idle_timeout: self.timeout.0,
            max_bytes: self.max_bytes(),
        };
        let authorization = self.authorization().transpose().map_err(|_| wrong("its token is no text"))?;
        Ok(Web {
            name: Arc::clone(name),
            client: Client::new(rules),
            base,
            hosts: self.hosts.clone(),
            authorization,
            max_bytes: self.max_bytes(),
        })
    }

    fn base(&self, endpoint: &str) -> Option<Url> {
        let mut base = Url::parse(endpoint).ok().filter(Url::has_host)?;
        let root = self.root.as_ref().map(|root| root.to_string_lossy()).unwrap_or_default();
        let path = format!("{}/{}", base.path().trim_end_matches('/'), root.trim_matches('/'));
        base.set_path(path.trim_end_matches('/'));
        Some(base)
    }

    fn authorization(&self) -> Option<Result<HeaderValue, InvalidHeaderValue>> {
        let remote = &self.remote;
        let text = match (&remote.token, &remote.username) {
            (Some(token), _) => format!("Bearer {}", token.expose()),
            (None, Some(name)) => {
                let password = remote.password.as_ref().map_or("", Secret::expose);
                format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
            }
            (None, None) => return None,
        };
        Some(credentials(&text))
    }

    pub(super) fn belief(&self) -> Belief {
        let default = if self.scheme == Scheme::Fs { 1 } else { 60 };
        Belief {
            revalidate: self.revalidate.map_or(Duration::from_secs(default), |span| span.0),
            stale_while_revalidate: self.cache_control.stale_while_revalidate.0,
            stale_if_error: self.cache_control.stale_if_error.0,
            follow: self.cache_control.follow_source,
        }
    }
}

const MAX_REMOTE: u64 = 100_000_000;
