//! The headers of a served picture. A cache hit passes here some ten thousand times a second, so values that can be
//! made once are made once ([`Freshness`], the static tables) and the rest is a refcount.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, LINK, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};

use super::body::Body;
use super::conditional::{self, Extent, Validators};
use super::cors::AllowOrigin;
use crate::error::Quota;

pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
pub const CONTENT_DPR: HeaderName = HeaderName::from_static("content-dpr");
/// imgproxy's name for it.
const FALLBACK_IMAGE: HeaderName = HeaderName::from_static("fallback-image");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Everything about an answer but its bytes.
#[derive(Debug)]
pub struct Picture<'a> {
    pub content_type: HeaderValue,
    pub validators: Validators<'a>,
    /// From [`Freshness::header`].
    pub cache_control: HeaderValue,
    pub vary: Vary,
    pub allow_origin: AllowOrigin,
    pub cache_status: Option<CacheStatus>,
    /// Stages of the work that this request waited for; none on a hit.
    pub timing: Option<&'a Timing>,
    pub extras: Extras,
}

/// Headers that most answers do not have.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Where the request asked for a density by a client hint.
    pub content_dpr: Option<HeaderValue>,
    /// From [`disposition`].
    pub disposition: Option<HeaderValue>,
    /// From [`cache_tags`].
    pub cache_tag: Option<HeaderValue>,
    /// From [`canonical_link`].
    pub link: Option<HeaderValue>,
}

/// The bytes of an answer.
pub enum Content {
    /// In memory and whole; a range is cut out here.
    Whole(Bytes),
    /// A stream of exactly `extent` out of `len` bytes, as [`conditional::range`] decided before it was opened.
    Stream { body: Body, extent: Extent, len: u64 },
}

/// What the answer depends on beside the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vary {
    /// The format was negotiated, also if the outcome is the source's own.
    pub accept: bool,
    pub dpr: bool,
    pub width: bool,
}

/// RFC 9211. `detail` names the tier, as the metrics do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStatus {
    Memory,
    Disk,
    /// Served although it has to be checked again.
    Stale,
    /// Made for this request.
    Miss {
        stored: bool,
    },
    /// Made for another request that came first.
    Collapsed,
    /// Never cached by us, as originals that stream from their storage.
    Bypass,
}

/// Time spent in each stage, for `Server-Timing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    pub queue: Option<Duration>,
    pub fetch: Option<Duration>,
    pub decode: Option<Duration>,
    pub transform: Option<Duration>,
    pub encode: Option<Duration>,
}

/// How long the pictures of one source may be kept, with the usual headers made once.
#[derive(Debug, Clone)]
pub struct Freshness {
    max_age: u64,
    stale: u64,
    plain: HeaderValue,
    versioned: HeaderValue,
}

/// What one URL changes about the freshness of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The URL carries a version (`cb`), so what it names never changes.
    pub versioned: bool,
    pub private: bool,
    /// For the one who asked and no shared cache, though not for his eyes only: the answer depends on what he sent.
    pub unshared: bool,
    /// Its source wants it kept by nobody.
    pub unstored: bool,
    /// The rest of a signature's life, or the minute until a better encode replaces this one.
    pub at_most: Option<Duration>,
}

/// 200, 206 or 416. Preconditions have been answered before.
pub fn picture(
    method: &Method,
    request: &HeaderMap,
    picture: Picture<'_>,
    content: Content,
) -> Response<Body> {
    let (body, extent, len) = match content {
        Content::Whole(bytes) => {
            let len = bytes.len() as u64;
            match conditional::range(method, request, picture.validators, len) {
                Extent::Full => (Body::full(bytes), Extent::Full, len),
                Extent::Partial(range) => {
                    let part = bytes.slice(*range.start() as usize..*range.end() as usize + 1);
                    (Body::full(part), Extent::Partial(range), len)
                }
                Extent::Unsatisfiable => (Body::empty(), Extent::Unsatisfiable, len),
            }
        }
        Content::Stream { body, extent, len } => (body, extent, len),
    };
    let (status, sent) = match &extent {
        Extent::Full => (StatusCode::OK, len),
        Extent::Partial(range) => (StatusCode::PARTIAL_CONTENT, range.end() - range.start() + 1),
        Extent::Unsatisfiable => return unsatisfiable(picture, len),
    };
    let mut headers = HeaderMap::with_capacity(24);
    headers.insert(CONTENT_TYPE, picture.content_type.clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(sent));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Extent::Partial(range) = &extent
        && let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(format!(
            "bytes {}-{}/{len}",
            range.start(),
            range.end()
        )))
    {
        headers.insert(CONTENT_RANGE, value);
    }
    if picture.content_type.as_bytes().starts_with(b"image/svg") {
        // An SVG opened as a document is a page of this origin: no scripts, no loads, no origin.
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        );
    }
    if let Some(last_modified) = picture.validators.last_modified {
        headers.insert(LAST_MODIFIED, last_modified.header());
    }
    if let Some(timing) = picture.timing.and_then(Timing::header) {
        headers.insert(SERVER_TIMING, timing);
    }
    let Extras { content_dpr, disposition, cache_tag, link } = picture.extras;
    let extras = [
        (CONTENT_DPR, content_dpr),
        (CONTENT_DISPOSITION, disposition),
        (CACHE_TAG, cache_tag),
        (LINK, link),
    ];
    for (name, value) in extras {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers.insert(ETAG, picture.validators.etag.header());
    headers.insert(CACHE_CONTROL, picture.cache_control);
    shared(&mut headers, picture.vary, picture.allow_origin, picture.cache_status);
    let body = if method == Method::HEAD { Body::empty() } else { body };
    with(status, headers, body)
}

/// 304: what a cache needs to bring its copy up to date, and no more.
pub fn not_modified(picture: Picture<'_>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ETAG, picture.validators.etag.header());
    headers.insert(CACHE_CONTROL, picture.cache_control);
    shared(&mut headers, picture.vary, picture.allow_origin, picture.cache_status);
    with(StatusCode::NOT_MODIFIED, headers, Body::empty())
}

/// 412.
pub fn precondition_failed(picture: Picture<'_>) -> Response<Body> {
    refusal(StatusCode::PRECONDITION_FAILED, picture)
}

/// 416, with the length that does exist.
pub fn unsatisfiable(picture: Picture<'_>, len: u64) -> Response<Body> {
    let mut response = refusal(StatusCode::RANGE_NOT_SATISFIABLE, picture);
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{len}")) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn refusal(status: StatusCode, picture: Picture<'_>) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ETAG, picture.validators.etag.header());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    shared(&mut headers, picture.vary, picture.allow_origin, None);
    with(status, headers, Body::empty())
}

/// What every answer about a picture carries, whatever its status.
fn shared(headers: &mut HeaderMap, vary: Vary, origin: AllowOrigin, status: Option<CacheStatus>) {
    if let Some(vary) = vary.header(origin.varies) {
        headers.insert(VARY, vary);
    }
    if let Some(value) = origin.value {
        headers.insert(TIMING_ALLOW_ORIGIN, value.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    if let Some(status) = status {
        headers.insert(CACHE_STATUS, status.header());
    }
    // A picture host is there to be embedded elsewhere.
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl Vary {
    /// The header; `origin` if the answer depends on who embeds it, too.
    pub fn header(self, origin: bool) -> Option<HeaderValue> {
        const ROWS: [&str; 16] = [
            "",
            "Accept",
            "Sec-CH-DPR, DPR",
            "Accept, Sec-CH-DPR, DPR",
            "Sec-CH-Width, Width",
            "Accept, Sec-CH-Width, Width",
            "Sec-CH-DPR, DPR, Sec-CH-Width, Width",
            "Accept, Sec-CH-DPR, DPR, Sec-CH-Width, Width",
            "Origin",
            "Accept, Origin",
            "Sec-CH-DPR, DPR, Origin",
            "Accept, Sec-CH-DPR, DPR, Origin",
            "Sec-CH-Width, Width, Origin",
            "Accept, Sec-CH-Width, Width, Origin",
            "Sec-CH-DPR, DPR, Sec-CH-Width, Width, Origin",
            "Accept, Sec-CH-DPR, DPR, Sec-CH-Width, Width, Origin",
        ];
        let row = usize::from(self.accept)
            | usize::from(self.dpr) << 1
            | usize::from(self.width) << 2
            | usize::from(origin) << 3;
        (row != 0).then(|| HeaderValue::from_static(ROWS[row]))
    }
}

impl CacheStatus {
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.text())
    }

    /// As the header says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Memory => "pixedge; hit; detail=memory",
            Self::Disk => "pixedge; hit; detail=disk",
            Self::Stale => "pixedge; hit; detail=stale",
            Self::Miss { stored: true } => "pixedge; fwd=miss; stored",
            Self::Miss { stored: false } => "pixedge; fwd=miss",
            Self::Collapsed => "pixedge; fwd=miss; collapsed",
            Self::Bypass => "pixedge; fwd=bypass",
        }
    }
}

impl Timing {
    /// In their order, by the names that metrics have for them.
    pub fn stages(&self) -> [(&'static str, Option<Duration>); 5] {
        [
            ("queue", self.queue),
            ("fetch", self.fetch),
            ("decode", self.decode),
            ("transform", self.transform),
            ("encode", self.encode),
        ]
    }

    /// Milliseconds with one decimal; `None` where no stage was run.
    pub fn header(&self) -> Option<HeaderValue> {
        use std::fmt::Write;
        let mut text = String::with_capacity(112);
        for (name, time) in self.stages() {
            if let Some(time) = time {
                let comma = if text.is_empty() { "" } else { ", " };
                let _ = write!(text, "{comma}{name};dur={:.1}", time.as_secs_f64() * 1e3);
            }
        }
        if text.is_empty() { None } else { HeaderValue::from_maybe_shared(Bytes::from(text)).ok() }
    }
}

impl Freshness {
    pub fn new(max_age: Duration, stale_while_revalidate: Duration) -> Self {
        let (max_age, stale) = (max_age.as_secs(), stale_while_revalidate.as_secs());
        Self { max_age, stale, plain: public(max_age, stale, false), versioned: public(max_age, stale, true) }
    }

    pub fn header(&self, terms: Terms) -> HeaderValue {
        if terms.unstored {
            return HeaderValue::from_static("no-store");
        }
        if terms.private {
            return HeaderValue::from_static("private, no-cache");
        }
        let value = match terms.at_most.map(|limit| limit.as_secs()) {
            Some(limit) if limit < self.max_age.saturating_add(self.stale) => {
                let max_age = self.max_age.min(limit);
                // Not immutable: the limit says that this very URL will mean something else later.
                public(max_age, self.stale.min(limit - max_age), false)
            }
            _ if terms.versioned => self.versioned.clone(),
            _ => self.plain.clone(),
        };
        if terms.unshared { unshared(&value) } else { value }
    }
}

/// The same for browsers alone.
fn unshared(value: &HeaderValue) -> HeaderValue {
    let text = value.to_str().unwrap_or_default().replacen("public", "private", 1);
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("no-cache"))
}

fn public(max_age: u64, stale: u64, immutable: bool) -> HeaderValue {
    let mut text = format!("public, max-age={max_age}");
    if stale > 0 {
        text.push_str(&format!(", stale-while-revalidate={stale}"));
    }
    if immutable {
        text.push_str(", immutable");
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("no-cache"))
}

/// RFC 6266: `inline` or `attachment` with a file name, in ASCII for old clients and in UTF-8 where that is not the
/// same. `name` may be anything; what could leave a folder or the header is replaced.
pub fn disposition(attachment: bool, name: Option<&str>) -> HeaderValue {
    let kind = if attachment { "attachment" } else { "inline" };
    let clean: String = name
        .unwrap_or_default()
        .trim_matches(|c: char| c == '.' || c.is_whitespace())
        .chars()
        .map(|c| {
            if c.is_control() || matches!(c, '/' | '\\' | '"' | ':' | '\u{202a}'..='\u{202e}') {
                '_'
            } else {
                c
            }
        })
        .take(150)
        .collect();
    if clean.is_empty() {
        return HeaderValue::from_static(kind);
    }
    // Some browsers decode `%41` in the plain form, others do not.
    let ascii: String = clean.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    let mut text = format!("{kind}; filename=\"{ascii}\"");
    if ascii != clean {
        text.push_str("; filename*=UTF-8''");
        text.extend(percent_encoding::utf8_percent_encode(&clean, EXT_VALUE));
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static(kind))
}

/// Everything but RFC 8187's attr-char.
const EXT_VALUE: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Cache-Tag` for a CDN in front: image, user, album. Tags that could not be purged by name are left out.
pub fn cache_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<HeaderValue> {
    let legal = |tag: &&str| !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    let text = tags.into_iter().filter(legal).collect::<Vec<_>>().join(",");
    if text.is_empty() { None } else { HeaderValue::from_maybe_shared(Bytes::from(text)).ok() }
}

/// `Link: <url>; rel="canonical"`; `None` for what is no URL.
pub fn canonical_link(url: &str) -> Option<HeaderValue> {
    if url.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'<' | b'>' | b'"')) {
        return None;
    }
    HeaderValue::from_maybe_shared(Bytes::from(format!("<{url}>; rel=\"canonical\""))).ok()
}

/// Marks a picture that stands in for one that cannot be had, `why` being the code of the reason. It is not kept for
/// longer than the reason is remembered here.
pub fn fallback(headers: &mut HeaderMap, why: &'static str) {
    headers.insert(FALLBACK_IMAGE, HeaderValue::from_static(why));
    let is_private = |value: &HeaderValue| value.as_bytes().starts_with(b"private");
    if !headers.get(CACHE_CONTROL).is_some_and(is_private) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=10"));
    }
}

/// Whether an answer to `GET` shows a picture from its beginning.
pub fn is_view<B>(answer: &Response<B>) -> bool {
    match answer.status() {
        StatusCode::OK => true,
        StatusCode::PARTIAL_CONTENT => {
            answer.headers().get(CONTENT_RANGE).is_some_and(|range| range.as_bytes().starts_with(b"bytes 0-"))
        }
        _ => false,
    }
}

/// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11: a bucket that fills in a window is
/// a quota for that window. Not on hits: those are kept by caches, for whom one caller's rest is somebody else's.
pub fn rate_limit(headers: &mut HeaderMap, quota: &Quota) {
    let Quota { policy, count, window_s, left, reset_s } = quota;
    let fields = [
        (RATELIMIT_POLICY, format!("\"{policy}\";q={count};w={window_s}")),
        (RATELIMIT, format!("\"{policy}\";r={left};t={reset_s}")),
    ];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            headers.insert(name, value);
        }
    }
}

/// `Content-DPR` of a density in the grammar's steps of a quarter.
pub fn content_dpr(dpr: f64) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from(format!("{dpr}")))
        .ok()
        .filter(|_| dpr.is_finite() && dpr > 0.0)
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
