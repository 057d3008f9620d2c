//! Named places for the library's objects, and the back-end keys that they share with sources.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ::http::Uri;
use serde::Deserialize;

use super::http::web_url;
use crate::storage::Remote;
use crate::units::{Secret, Span};

/// The kind of a storage or source. The keys beside it are OpenDAL's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    Fs,
    Memory,
    Http,
    S3,
    Webdav,
}

impl Scheme {
    pub(super) fn to_room(self) -> crate::storage::Scheme {
        match self {
            Self::Fs => crate::storage::Scheme::Fs,
            Self::Memory => crate::storage::Scheme::Memory,
            Self::Http => crate::storage::Scheme::Http,
            Self::S3 => crate::storage::Scheme::S3,
            Self::Webdav => crate::storage::Scheme::Webdav,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Fs => "fs",
            Self::Memory => "memory",
            Self::Http => "http",
            Self::S3 => "s3",
            Self::Webdav => "webdav",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    pub scheme: Scheme,
    /// `fs`: the folder. `s3`, `webdav`: what every object's path begins with.
    pub root: Option<PathBuf>,
    /// `s3`, `webdav`: the server's URL.
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
    /// `s3`.
    pub default_storage_class: Option<String>,
    /// `webdav`.
    pub username: Option<String>,
    /// `webdav`; better by `password_env` or `password_file`.
    pub password: Option<Secret>,
    /// `webdav`: a bearer token; better by `token_env` or `token_file`.
    pub token: Option<Secret>,
    /// `s3`, `webdav`: how long one attempt may take; unset = 10s.
    pub timeout: Option<Span>,
    /// `s3`, `webdav`: requests at once; unset = 64.
    pub concurrency: Option<NonZeroUsize>,
}

impl Storage {
    /// A folder of this machine.
    pub fn folder(root: PathBuf) -> Self {
        Self {
            scheme: Scheme::Fs,
            root: Some(root),
            endpoint: None,
            bucket: None,
            region: None,
            access_key_id: None,
            secret_access_key: None,
            session_token: None,
            enable_virtual_host_style: None,
            default_storage_class: None,
            username: None,
            password: None,
            token: None,
            timeout: None,
            concurrency: None,
        }
    }

    pub(in crate::config) fn derive(&mut self, base: &Path) {
        derive_root(self.scheme, self.root.as_mut(), base);
    }

    /// As the room `storage` takes it.
    pub fn to_room(&self) -> crate::storage::Config {
        let default = crate::storage::Config::default();
        crate::storage::Config {
            scheme: self.scheme.to_room(),
            root: self.root.clone(),
            remote: Remote {
                endpoint: self.endpoint.clone().unwrap_or_default(),
                bucket: self.bucket.clone().unwrap_or_default(),
                region: self.region.clone(),
                access_key_id: self.access_key_id.clone(),
                secret_access_key: self.secret_access_key.clone(),
                session_token: self.session_token.clone(),
                enable_virtual_host_style: self.enable_virtual_host_style.unwrap_or(false),
                default_storage_class: self.default_storage_class.clone(),
                username: self.username.clone(),
                password: self.password.clone(),
                token: self.token.clone(),
            },
            timeout: self.timeout.unwrap_or(default.timeout),
            concurrency: self.concurrency.unwrap_or(default.concurrency),
        }
    }

    /// `name` is the full name of the section, `storages.x`.
    pub fn validate(&self, name: &str) -> Result<(), String> {
        if self.scheme == Scheme::Http {
            return Err(format!("`{name}.scheme`: `http` can only be read from; it is for `sources`"));
        }
        bounds(self.scheme, name, self.timeout, self.concurrency.is_some())?;
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
                ("default_storage_class", self.default_storage_class.is_some()),
            ],
            login: &[
                ("username", self.username.is_some()),
                ("password", self.password.is_some()),
                ("token", self.token.is_some()),
            ],
            hosts: false,
        }
        .validate(name)
    }
}

/// The folder of an `fs` back end may be relative; a root inside a bucket is no path of this machine.
pub(super) fn derive_root(scheme: Scheme, root: Option<&mut PathBuf>, base: &Path) {
    if let (Scheme::Fs, Some(root)) = (scheme, root) {
        *root = base.join(&*root);
    }
}

fn bounds(scheme: Scheme, name: &str, timeout: Option<Span>, concurrency: bool) -> Result<(), String> {
    let remote = matches!(scheme, Scheme::S3 | Scheme::Webdav);
    let foreign = [("timeout", timeout.is_some()), ("concurrency", concurrency)];
    match foreign.iter().find(|(_, set)| *set && !remote) {
        Some((key, _)) => {
            let scheme = scheme.name();
            Err(format!("`{name}.{key}` has no meaning for a `{scheme}` back end; remove it"))
        }
        None => positive(name, timeout),
    }
}

/// A time limit of nothing lets nothing through.
pub(super) fn positive(name: &str, timeout: Option<Span>) -> Result<(), String> {
    match timeout {
        Some(timeout) if timeout.0.is_zero() => {
            Err(format!("`{name}.timeout` must be longer than nothing; leave it out for 10s"))
        }
        _ => Ok(()),
    }
}

/// What a storage and a source have in common.
pub(super) struct Backend<'a> {
    pub(super) scheme: Scheme,
    pub(super) root: Option<&'a Path>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) bucket: Option<&'a str>,
    /// Keys that only `s3` has, and whether they are set.
    pub(super) s3: &'a [(&'static str, bool)],
    /// Keys of a login by HTTP.
    pub(super) login: &'a [(&'static str, bool)],
    /// Whether hosts of whole URLs are listed.
    pub(super) hosts: bool,
}

impl Backend<'_> {
    fn is_set(&self, key: &str) -> bool {
        self.s3.iter().any(|(name, set)| *name == key && *set)
    }

    pub(super) fn validate(&self, name: &str) -> Result<(), String> {
        let scheme = self.scheme.name();
        let needed = |key: &str| Err(format!("`{name}.{key}` is missing; a `{scheme}` back end needs it"));
        let foreign =
            |key: &str| Err(format!("`{name}.{key}` has no meaning for a `{scheme}` back end; remove it"));
        let remote = matches!(self.scheme, Scheme::Http | Scheme::S3 | Scheme::Webdav);
        match self.scheme {
            Scheme::Fs if self.root.is_none_or(|root| root.as_os_str().is_empty()) => return needed("root"),
            Scheme::Memory if self.root.is_some() => return foreign("root"),
            Scheme::S3 if self.bucket.is_none_or(str::is_empty) => return needed("bucket"),
            // A list of hosts is enough to read whole URLs.
            Scheme::Http if self.endpoint.is_none() && self.hosts => {}
            // Without one OpenDAL would talk to AWS, which nobody should do by forgetting a line.
            _ if remote && self.endpoint.is_none() => return needed("endpoint"),
            _ => {}
        }
        if let Some(endpoint) = self.endpoint {
            if !remote {
                return foreign("endpoint");
            }
            let plain = |url: Uri| url.query().is_none() && !endpoint.contains('#');
            if !web_url(endpoint).is_some_and(plain) {
                return Err(format!(
                    "`{name}.endpoint`: `{endpoint}` is not a URL like `https://s3.example.com`, without query and login"
                ));
            }
        }
        if self.scheme != Scheme::S3 {
            if self.bucket.is_some() {
                return foreign("bucket");
            }
            if let Some((key, _)) = self.s3.iter().find(|(_, set)| *set) {
                return foreign(key);
            }
        }
        let (id, secret) = (self.is_set("access_key_id"), self.is_set("secret_access_key"));
        if id != secret {
            return needed(if id { "secret_access_key" } else { "access_key_id" });
        }
        let login = matches!(self.scheme, Scheme::Http | Scheme::Webdav);
        if let Some((key, _)) = self.login.iter().find(|(_, set)| *set && !login) {
            return foreign(key);
        }
        Ok(())
    }
}
