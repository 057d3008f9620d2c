//! What the shell knows about a request beside its bytes: who connected and by which id the log and the answer name
//! it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::dialects::Spoken;
use crate::delivery::cors::{AllowOrigin, Cors};
use crate::delivery::respond::Vary;

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An extension of every request that the server hands on.
#[derive(Debug, Clone)]
pub struct Context {
    /// The other end of the connection, which may be a proxy.
    pub peer: SocketAddr,
    pub id: RequestId,
}

/// Names one request in the log and in answers. Cheap until it is printed.
#[derive(Debug, Clone)]
pub struct RequestId(Id);

#[derive(Debug, Clone)]
enum Id {
    Given(HeaderValue),
    Made(u64),
}

/// What an error answer has to know about its request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub id: RequestId,
    pub head: bool,
    pub allow_origin: AllowOrigin,
    /// What the answer depends on beside the URL.
    pub vary: Vary,
    /// The dialect that the request is in, if it is in one.
    pub(super) spoken: Option<Spoken>,
}

/// Makes request ids that do not repeat and tell nobody how many there were.
#[derive(Debug)]
pub struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub fn new() -> Self {
        // Without randomness ids are still unique within this process, which is all that the log needs.
        Self { seed: getrandom::u64().unwrap_or_default(), next: AtomicU64::new(0) }
    }

    /// The caller's own `X-Request-Id` if it is sane, else a new one.
    pub fn of(&self, headers: &HeaderMap) -> RequestId {
        let sane = |id: &&HeaderValue| {
            (1..=64).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        RequestId(match headers.get(X_REQUEST_ID).filter(sane) {
            Some(id) => Id::Given(id.clone()),
            None => Id::Made(scatter(self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(self.seed))),
        })
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

/// The finaliser of SplitMix64: a bijection, so ids stay unique.
fn scatter(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

impl RequestId {
    /// For requests that did not come through the server.
    pub const NONE: Self = Self(Id::Made(0));

    /// Whether the caller chose it and therefore expects it back.
    pub fn is_given(&self) -> bool {
        matches!(self.0, Id::Given(_))
    }

    pub fn header(&self) -> HeaderValue {
        match &self.0 {
            Id::Given(id) => id.clone(),
            Id::Made(_) => HeaderValue::from_maybe_shared(bytes::Bytes::from(self.to_string()))
                .unwrap_or(HeaderValue::from_static("-")),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Id::Given(id) => f.write_str(id.to_str().unwrap_or("-")),
            Id::Made(number) => write!(f, "{number:016x}"),
        }
    }
}

impl Asked {
    pub fn of(request: &Parts, cors: &Cors) -> Self {
        Self {
            id: request.extensions.get::<Context>().map_or(RequestId::NONE, |context| context.id.clone()),
            head: request.method == Method::HEAD,
            allow_origin: cors.answer(&request.headers),
            vary: Vary::default(),
            spoken: request.extensions.get::<Spoken>().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keeps_a_sane_id_and_replaces_any_other() {
        let ids = RequestIds::new();
        let long = "x".repeat(65);
        for (given, kept) in [
            ("abc-123", true),
            ("", false),
            ("a b", false),
            ("é", false),
            (&*long, false),
            (&long[1..], true),
        ] {
            let headers =
                HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_bytes(given.as_bytes()).unwrap())]);
            let id = ids.of(&headers);
            assert_eq!(id.is_given(), kept, "{given}");
            assert_eq!(id.to_string() == given, kept, "{given}");
            assert_eq!(id.header().to_str().unwrap(), id.to_string());
        }
    }

    #[test]
    fn made_ids_do_not_repeat() {
        let ids = RequestIds::new();
        let made: HashSet<_> = (0..10_000).map(|_| ids.of(&HeaderMap::new()).to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 16));
    }
}
