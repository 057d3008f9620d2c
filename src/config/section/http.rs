//! How the server is reached.

use std::net::SocketAddr;

use serde::Deserialize;

use super::ban::Ban;
use super::{address, optional_address};
use crate::units::Cidr;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port to listen on.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// What links in answers begin with. Unset: `http://` and `listen`.
    pub public_url: Option<String>,
    /// A second address that answers `/metrics` and `/readyz` to everyone who reaches it.
    #[serde(deserialize_with = "optional_address")]
    pub admin_listen: Option<SocketAddr>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Open connections, of HTTP/1.1 and HTTP/2 together; more wait until one ends.
    pub max_connections: usize,
    /// Of one address that is no trusted proxy; more are closed at once. `None`: as many as there are.
    pub max_connections_per_address: Option<usize>,
    /// Origins that may read public pictures from a script; `*` is every one.
    pub cors: Vec<String>,
    /// Who is answered at all; empty: everybody who is not in `deny`.
    pub allow: Vec<Cidr>,
    /// Who is not, whatever `allow` says.
    pub deny: Vec<Cidr>,
    /// Who is not for a while. `None`: nobody.
    pub ban: Option<Ban>,
    /// Origins whose scripts may call the API under `/v1`; `*` is every one. Credentials are never sent along by a
    /// browser itself, so this decides who may read, not who is signed in.
    pub api_cors: Vec<String>,
    /// Whether answers say in `Server-Timing` how long each step of making them took.
    pub server_timing: bool,
    /// Query keys that are ignored instead of refused; a `*` at the end stands for any rest.
    pub ignore_query: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            admin_listen: None,
            trusted_proxies: Cidr::new([127, 0, 0, 0].into(), 8).into_iter().collect(),
            max_connections: 10_000,
            max_connections_per_address: Some(1000),
            cors: vec!["*".to_owned()],
            allow: Vec::new(),
            deny: Vec::new(),
            ban: None,
            api_cors: Vec::new(),
            server_timing: true,
            ignore_query: Vec::new(),
        }
    }
}

impl Http {
    pub(in crate::config) fn derive(&mut self) {
        let mut reachable = self.listen;
        if reachable.ip().is_unspecified() {
            reachable.set_ip(if reachable.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                [0, 0, 0, 0, 0, 0, 0, 1].into()
            });
        }
        let url = self.public_url.get_or_insert_with(|| format!("http://{reachable}"));
        // Links are made by appending a path that begins with `/`.
        url.truncate(url.trim_end_matches('/').len());
    }

    pub fn validate(&self) -> Result<(), String> {
        if let Some(url) = &self.public_url {
            let parsed = web_url(url).ok_or_else(|| {
                format!("`http.public_url`: `{url}` is not a URL like `https://img.example.com`")
            })?;
            if parsed.query().is_some() || url.contains('#') {
                return Err(format!("`http.public_url`: `{url}` has a query or fragment; leave it out"));
            }
        }
        if self.admin_listen == Some(self.listen) && self.listen.port() != 0 {
            return Err(format!(
                "`http.admin_listen` is the address of `http.listen`, {}; give it another port",
                self.listen
            ));
        }
        // Beyond it a process would need more sockets than any system gives.
        if !(1..=10_000_000).contains(&self.max_connections) {
            return Err("`http.max_connections`: give a number from 1 to 10000000".to_owned());
        }
        if self.max_connections_per_address == Some(0) {
            return Err(
                "`http.max_connections_per_address`: 0 refuses everybody; for no limit write null".to_owned()
            );
        }
        if let Some(ban) = &self.ban {
            ban.validate()?;
        }
        let listed = |list| move |(index, origin)| (list, index, origin);
        let origins = self.cors.iter().enumerate().map(listed("cors"));
        for (list, index, origin) in origins.chain(self.api_cors.iter().enumerate().map(listed("api_cors"))) {
            let plain = web_url(origin).is_some_and(|url| url.path() == "/" && url.query().is_none());
            if origin != "*" && (!plain || origin.ends_with('/') || origin.contains('#')) {
                return Err(format!(
                    "`http.{list}[{index}]`: `{origin}` is not `*` or an origin like `https://example.com` (no path, no `/` at the end)"
                ));
            }
        }
        for (index, key) in self.ignore_query.iter().enumerate() {
            let name = key.strip_suffix('*').unwrap_or(key);
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            if name.is_empty() || !name.bytes().all(legal) {
                return Err(format!(
                    "`http.ignore_query[{index}]`: `{key}` is not the name of a query key like `fbclid` or `utm_*`"
                ));
            }
        }
        Ok(())
    }
}

/// An absolute http or https URL with a host and without a user.
pub(super) fn web_url(text: &str) -> Option<http::Uri> {
    let url: http::Uri = text.parse().ok()?;
    let scheme = matches!(url.scheme_str(), Some("http" | "https"));
    let host = url.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    (scheme && host).then_some(url)
}
