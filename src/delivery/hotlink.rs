//! Which pages may embed the library's pictures, by the `Referer` that browsers send with a request. It keeps honest
//! browsers from other people's pages and nobody else: whoever writes a header himself writes what he likes.

use http::header::{HeaderMap, REFERER};
use http::uri::Authority;

/// The rules of a configuration that has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hotlink {
    hosts: Vec<Host>,
    /// Typed addresses, programs, and pages that hide where they are.
    empty: bool,
    /// The image that others get instead; `None` = a refusal.
    pub(super) answer: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Is(String),
    /// What ends in this, which begins with a dot.
    Below(String),
}

impl Hotlink {
    /// Hosts as `example.com` and `*.example.com`; `own` is the server's own URL, whose pages may always.
    pub fn new(allow: &[String], own: &str, empty: bool, answer: Option<String>) -> Self {
        let host = |text: &String| {
            let text = text.to_ascii_lowercase();
            match text.strip_prefix('*') {
                Some(end) => Host::Below(end.to_owned()),
                None => Host::Is(text),
            }
        };
        let own = host_of(own).map(Host::Is);
        Self { hosts: allow.iter().map(host).chain(own).collect(), empty, answer }
    }

    /// Whether a request comes from a page that may. A header that cannot be read is nobody's.
    pub(super) fn allows(&self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(REFERER).iter();
        match (lines.next(), lines.next()) {
            (None, _) => self.empty,
            (Some(line), None) if line.is_empty() => self.empty,
            (Some(line), None) => {
                let host = line.to_str().ok().and_then(host_of);
                host.is_some_and(|host| self.hosts.iter().any(|allowed| allowed.fits(&host)))
            }
            (Some(_), Some(_)) => false,
        }
    }
}

impl Host {
    fn fits(&self, host: &str) -> bool {
        match self {
            Self::Is(name) => host == name,
            Self::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
        }
    }
}

/// The host of a web address in small letters, without port, and without the dot that a full name may end with.
fn host_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    // No browser sends a user, and `good.example@evil.example` is read in two ways.
    let authority: Authority = Some(authority).filter(|text| !text.contains('@'))?.parse().ok()?;
    let host = authority.host().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn rules(empty: bool) -> Hotlink {
        let allow = ["example.com".to_owned(), "*.Pictures.example".to_owned()];
        Hotlink::new(&allow, "https://img.example:8443", empty, None)
    }

    fn from(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (REFERER, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn pages_of_listed_hosts_and_our_own_may() {
        for page in [
            "https://example.com/",
            "http://EXAMPLE.com:8080/a?b#c",
            "https://example.com",
            "https://example.com./x",
            "https://a.pictures.example/",
            "https://b.a.pictures.example/x",
            "https://img.example/ui/",
            "http://img.example:1/",
        ] {
            assert!(rules(false).allows(&from(&[page])), "{page}");
        }
        for page in [
            "https://evil.example/",
            "https://example.com.evil.example/",
            "https://notexample.com/",
            "https://www.example.com/",
            "https://pictures.example/",
            "https://xpictures.example/",
            "https://.pictures.example/",
            "https://evil.example/?https://example.com/",
            "https://evil.example#@example.com/",
            "https://evil.example\\@example.com/",
            "https://example.com@evil.example/",
            "https://user:pw@example.com/",
            "//example.com/",
            "example.com",
            "ftp://example.com/",
            "about:blank",
            "null",
            " https://example.com/",
            "https://exämple.com/",
            "https:///x",
            "https://",
        ] {
            assert!(!rules(true).allows(&from(&[page])), "{page}");
        }
        assert!(!rules(true).allows(&from(&["https://example.com/", "https://example.com/"])));
    }

    #[test]
    fn no_page_is_a_choice() {
        for lines in [&[][..], &[""]] {
            assert!(rules(true).allows(&from(lines)) && !rules(false).allows(&from(lines)));
        }
    }
}
