//! What a user of the way out may ask: which hosts and ports by their names, which addresses beside the public ones.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use super::address::{behind_nat64, special};
use super::error::{NetError, Refusal};
use crate::units::Cidr;

/// What may go out, and how far. The default lets out to every public host, by the usual ports.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The hosts that may be asked, redirects included; `None` = all.
    pub hosts: Option<Vec<HostPattern>>,
    /// Addresses that may be connected to although they are not public.
    pub allow_addresses: Vec<Cidr>,
    /// Servers that the operator named himself: asked by whatever port, wherever they are.
    pub trusted: Vec<Server>,
    /// How long connecting may take, over all addresses of a name.
    pub connect_timeout: Duration,
    /// How long an answer may be silent: before its head, and between its pieces.
    pub idle_timeout: Duration,
    /// The longest body that is taken.
    pub max_bytes: u64,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    https: bool,
    /// In lower case, without the dot of the root.
    host: Box<str>,
    port: u16,
}

/// A host as operators list it: `example.com`, `*.example.com` for everything below it, `*` for all, each perhaps with
/// a port. Without one the usual two are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Exactly(Box<str>),
    /// With the dot: `.example.com`.
    Below(Box<str>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host like `example.com`, `*.example.com`, `example.com:8080` or `*`")]
pub struct PatternError(String);

impl Default for Rules {
    fn default() -> Self {
        Self {
            hosts: None,
            allow_addresses: Vec::new(),
            trusted: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            max_bytes: 100_000_000,
        }
    }
}

impl Rules {
    /// Everything that can be seen of a URL itself. What its host resolves to is checked when it is connected to.
    pub fn check(&self, url: &Url) -> Result<(), NetError> {
        let refused = |refusal| {
            let host = url.host_str().unwrap_or_default().to_owned();
            Err(NetError::Refused { host, refusal })
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refused(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(Refusal::UserInfo);
        }
        let Some(server) = Server::of(url) else { return Err(NetError::BadUrl(url.to_string())) };
        if self.trusts(&server) {
            return Ok(());
        }
        let listed = match &self.hosts {
            None => is_usual(server.port),
            Some(hosts) => hosts.iter().any(|pattern| pattern.matches(&server)),
        };
        if !listed {
            return refused(Refusal::NotListed);
        }
        match server.literal() {
            Some(address) => self.check_address(address).or_else(refused),
            None => Ok(()),
        }
    }

    pub(super) fn trusts(&self, server: &Server) -> bool {
        self.trusted.contains(server)
    }

    pub(super) fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let Some(range) = special(address) else { return Ok(()) };
        if !self.allow_addresses.iter().any(|block| block.contains(address)) {
            return Err(Refusal::Address { address, range });
        }
        // Who lets the gateway's prefix out means the Internet behind it, not the network before it.
        behind_nat64(address).map_or(Ok(()), |inner| self.check_address(inner))
    }
}

impl Server {
    /// `None` where the URL has no host.
    pub fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => plain(name),
            Host::Ipv4(address) => address.to_string().into(),
            Host::Ipv6(address) => address.to_string().into(),
        };
        Some(Self { https: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }

    /// One that is not asked by HTTP.
    pub(super) fn named(host: &str, port: u16) -> Self {
        Self { https: false, host: plain(host), port }
    }

    pub(super) fn of_uri(uri: &http::Uri) -> Option<Self> {
        let https = uri.scheme_str()? == "https";
        let host = uri.host()?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host: plain(host), port })
    }

    /// The same server under a name in front of its own, as buckets have one.
    #[must_use]
    pub fn below(&self, label: &str) -> Self {
        Self { host: format!("{}.{}", label.to_ascii_lowercase(), self.host).into(), ..self.clone() }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl HostPattern {
    /// Exactly this server, whatever its port.
    pub fn exactly(server: &Server) -> Self {
        Self { name: Name::Exactly(server.host.clone()), port: Some(server.port) }
    }

    pub fn matches(&self, server: &Server) -> bool {
        let port = self.port.map_or_else(|| is_usual(server.port), |port| port == server.port);
        port && match &self.name {
            Name::Any => true,
            Name::Exactly(name) => *name == server.host,
            Name::Below(ending) => server.host.len() > ending.len() && server.host.ends_with(&**ending),
        }
    }
}

impl FromStr for HostPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || PatternError(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address has colons of its own; with a port it stands in brackets.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?))
            }
            _ => (text, None),
        };
        let name = match host.strip_prefix("*.") {
            _ if host == "*" => Name::Any,
            Some(rest) => Name::Below(format!(".{}", host_name(rest).ok_or_else(wrong)?).into()),
            None => Name::Exactly(host_name(host).ok_or_else(wrong)?),
        };
        Ok(Self { name, port })
    }
}

/// As a URL would spell it: in lower case, international names in ASCII, addresses in their usual form.
fn host_name(text: &str) -> Option<Box<str>> {
    let bare_v6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    let text = if bare_v6 { format!("[{text}]") } else { text.to_owned() };
    if text.is_empty() || text.contains(['/', '@', '?', '#', '*']) {
        return None;
    }
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    (url.port().is_none()).then(|| Server::of(&url).map(|server| server.host))?
}

fn plain(host: &str) -> Box<str> {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase().into()
}

fn is_usual(port: u16) -> bool {
    matches!(port, 80 | 443)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::Any => f.write_str("*"),
            Name::Exactly(name) if name.contains(':') => write!(f, "[{name}]"),
            Name::Exactly(name) => f.write_str(name),
            Name::Below(ending) => write!(f, "*{ending}"),
        }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'de> serde::Deserialize<'de> for HostPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn patterns_mean_what_they_look_like() {
        let matches = |pattern: &str, of: &str| {
            pattern.parse::<HostPattern>().unwrap().matches(&Server::of(&url(of)).unwrap())
        };
        for (pattern, yes, no) in [
            ("example.com", "https://EXAMPLE.com./a", "http://a.example.com/"),
            ("example.com", "http://example.com/", "http://example.com:8080/"),
            ("example.com:8080", "http://example.com:8080/", "http://example.com/"),
            ("*.example.com", "http://a.b.example.com/", "http://example.com/"),
            ("*.example.com", "http://a.example.com/", "http://aexample.com/"),
            ("*", "http://anything.test/", "http://anything.test:22/"),
            ("*:9000", "http://anything.test:9000/", "http://anything.test/"),
            ("127.0.0.1:9000", "http://0x7f.1:9000/", "http://127.0.0.2:9000/"),
            ("[::1]:9000", "http://[0:0::1]:9000/", "http://[::2]:9000/"),
            ("::1", "http://[::1]/", "http://[::1]:9000/"),
            ("bücher.example", "http://xn--bcher-kva.example/", "http://bucher.example/"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
        for wrong in ["", "*.", "a b", "http://a", "a/b", "a:0", "a:99999", "*a", "a.*", "u@h"] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong:?}");
        }
        for text in ["*", "*:9000", "example.com", "*.example.com:81", "[::1]:9000"] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn who_opens_nat64_opens_the_internet_behind_it_only() {
        let rules = Rules { allow_addresses: vec!["64:ff9b::/96".parse().unwrap()], ..Rules::default() };
        assert!(rules.check(&url("http://[64:ff9b::808:808]/")).is_ok());
        assert!(rules.check(&url("http://[64:ff9b::a00:1]/")).is_err());
    }

    #[test]
    fn a_trusted_server_is_trusted_by_its_own_port_and_scheme_only() {
        let server = Server::of(&url("http://10.0.0.1:9000")).unwrap();
        let rules = Rules { trusted: vec![server], ..Rules::default() };
        assert!(rules.check(&url("http://10.0.0.1:9000/a")).is_ok());
        for other in ["http://10.0.0.1/a", "https://10.0.0.1:9000/a", "http://10.0.0.2:9000/a"] {
            assert!(rules.check(&url(other)).is_err(), "{other}");
        }
    }
}
