//! Conditional and range requests (RFC 9110 §13, §14) as pure functions of the request headers and the validators.
//!
//! Two questions, because they are asked at two times: the ETag comes from the key, so [`precondition`] can answer
//! 304 before cache or source are touched; [`range`] needs the length and comes last.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};

/// An entity tag with its quotes, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(HeaderValue);

impl ETag {
    /// A strong tag. Characters that may not stand in one are dropped; keys are hexadecimal and lose nothing.
    pub fn strong(opaque: &str) -> Self {
        let mut text = Vec::with_capacity(opaque.len() + 2);
        text.push(b'"');
        text.extend(opaque.bytes().filter(|&b| is_etagc(b)));
        text.push(b'"');
        // Every byte is an etagc, which is a subset of what a header value may hold.
        Self(
            HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
                .unwrap_or(HeaderValue::from_static("\"\"")),
        )
    }

    /// The tag of the same picture made in another way: other bytes that look the same.
    #[must_use]
    pub fn variety(&self, of: &dyn fmt::Display) -> Self {
        let quoted = self.quoted();
        Self::strong(&format!("{}{of}", String::from_utf8_lossy(&quoted[1..quoted.len() - 1])))
    }

    /// The tag under which the client holds this picture, if it names one in a precondition: this tag or a
    /// [`Self::variety`] of it, of the form `-<width>x<height>`. It is as good as the other ones.
    #[must_use]
    pub fn as_held(&self, headers: &HeaderMap) -> Self {
        for name in [IF_NONE_MATCH, IF_MATCH] {
            for line in headers.get_all(name) {
                let mut rest = line.as_bytes();
                while let Some((_, tag, after)) = next_tag(rest) {
                    if self.is_kin(tag) {
                        return HeaderValue::from_bytes(tag).map_or(self.clone(), Self);
                    }
                    rest = after;
                }
            }
        }
        self.clone()
    }

    /// Whether a tag with its quotes is this one or a variety of it.
    fn is_kin(&self, tag: &[u8]) -> bool {
        let stem = &self.quoted()[..self.quoted().len() - 1];
        let Some(rest) = tag.strip_prefix(stem).and_then(|rest| rest.strip_suffix(b"\"")) else {
            return false;
        };
        let side = |digits: &[u8]| (1..=6).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        let size = |size: &[u8]| {
            let x = size.iter().position(|&b| b == b'x');
            x.is_some_and(|x| side(&size[..x]) && side(&size[x + 1..]))
        };
        rest.is_empty() || rest.strip_prefix(b"-").is_some_and(size)
    }

    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    fn quoted(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// When the representation last changed: whole seconds, as HTTP knows them, with the header made once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastModified {
    seconds: u64,
    header: HeaderValue,
}

impl LastModified {
    /// `None` for times that HTTP cannot write (before 1970, after 9999).
    pub fn new(time: SystemTime) -> Option<Self> {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        if seconds >= 253_402_300_800 {
            return None;
        }
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        Some(Self { seconds, header: HeaderValue::from_str(&text).ok()? })
    }

    pub fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// What is known about the representation without its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    pub etag: &'a ETag,
    pub last_modified: Option<&'a LastModified>,
}

/// Answer to the preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    Proceed,
    /// 304
    NotModified,
    /// 304 if there is a representation at all: `If-None-Match: *` names none.
    NotModifiedIfAny,
    /// 412
    Failed,
}

/// Which bytes to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// 200
    Full,
    /// 206 with these byte positions, which exist.
    Partial(RangeInclusive<u64>),
    /// 416
    Unsatisfiable,
}

/// Steps 1 to 4 of RFC 9110 §13.2.2. The representation is taken to exist but for [`Precondition::NotModifiedIfAny`].
pub fn precondition(method: &Method, headers: &HeaderMap, have: Validators<'_>) -> Precondition {
    if headers.contains_key(IF_MATCH) {
        if lists(headers, IF_MATCH, have.etag, Comparison::Strong) == Listed::No {
            return Precondition::Failed;
        }
    } else if let (Some(limit), Some(changed)) = (date(headers, IF_UNMODIFIED_SINCE), have.last_modified)
        && changed.seconds > limit
    {
        return Precondition::Failed;
    }
    let reads = method == Method::GET || method == Method::HEAD;
    if headers.contains_key(IF_NONE_MATCH) {
        return match lists(headers, IF_NONE_MATCH, have.etag, Comparison::Weak) {
            Listed::No => Precondition::Proceed,
            Listed::Tag if reads => Precondition::NotModified,
            Listed::Any if reads => Precondition::NotModifiedIfAny,
            Listed::Tag | Listed::Any => Precondition::Failed,
        };
    }
    if reads
        && let (Some(since), Some(changed)) = (date(headers, IF_MODIFIED_SINCE), have.last_modified)
        && changed.seconds <= since
    {
        return Precondition::NotModified;
    }
    Precondition::Proceed
}

/// Step 5: one range of bytes. Several ranges are answered with the whole, as RFC 9110 §14.2 allows: nobody asks
/// for pieces of a picture, and multipart answers are a known way to multiply a server's work.
pub fn range(method: &Method, headers: &HeaderMap, have: Validators<'_>, len: u64) -> Extent {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Extent::Full };
    if method != Method::GET || !if_range_holds(headers, have) {
        return Extent::Full;
    }
    parse_range(line.as_bytes(), len).unwrap_or(Extent::Full)
}

/// `None` where the header is not one range of bytes in good form, which means that it is ignored.
fn parse_range(line: &[u8], len: u64) -> Option<Extent> {
    let (unit, set) = line.split_at(line.iter().position(|&b| b == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let spec = set[1..].trim_ascii();
    let (first, last) = spec.split_at(spec.iter().position(|&b| b == b'-')?);
    Some(match (first, &last[1..]) {
        (b"", suffix) => match number(suffix)? {
            0 => Extent::Unsatisfiable,
            _ if len == 0 => Extent::Full,
            suffix => Extent::Partial(len.saturating_sub(suffix)..=len - 1),
        },
        (first, last) => {
            let first = number(first)?;
            let last = if last.is_empty() { u64::MAX } else { number(last)? };
            if last < first {
                return None;
            }
            if first >= len { Extent::Unsatisfiable } else { Extent::Partial(first..=last.min(len - 1)) }
        }
    })
}

/// Digits only; a number too large to hold is as good as the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n: u64, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0'))))
}

/// A condition that we cannot read does not hold: the whole picture is always a right answer.
fn if_range_holds(headers: &HeaderMap, have: Validators<'_>) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    let line = match (lines.next(), lines.next()) {
        (None, _) => return true,
        (Some(line), None) => line.as_bytes().trim_ascii(),
        _ => return false,
    };
    if line.starts_with(b"\"") || line.starts_with(b"W/") {
        return line == have.etag.quoted();
    }
    matches!((parse_date(line), have.last_modified), (Some(date), Some(changed)) if date == changed.seconds)
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

#[derive(Clone, Copy, PartialEq)]
enum Listed {
    No,
    /// By name.
    Tag,
    /// By `*`.
    Any,
}

/// Whether the list of tags (all lines of the header) holds this tag or is `*`.
fn lists(headers: &HeaderMap, name: HeaderName, etag: &ETag, comparison: Comparison) -> Listed {
    let mut found = Listed::No;
    for line in headers.get_all(name) {
        let mut rest = line.as_bytes().trim_ascii();
        if rest == b"*" {
            found = Listed::Any;
        }
        while let Some((weak, tag, after)) = next_tag(rest) {
            if tag == etag.quoted() && !(weak && comparison == Comparison::Strong) {
                return Listed::Tag;
            }
            rest = after;
        }
    }
    found
}

/// The next entity tag of a list: whether it is weak, the tag with its quotes, and what follows. Commas may stand
/// inside a tag, so the list cannot simply be split. What is malformed ends the list.
fn next_tag(text: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let start = text.iter().position(|b| !matches!(b, b',' | b' ' | b'\t'))?;
    let text = &text[start..];
    let (weak, text) = text.strip_prefix(b"W/").map_or((false, text), |tag| (true, tag));
    let inner = text.strip_prefix(b"\"")?;
    let end = inner.iter().position(|&b| !is_etagc(b))?;
    if inner[end] != b'"' {
        return None;
    }
    let (tag, after) = text.split_at(end + 2);
    matches!(after.trim_ascii_start().first(), None | Some(b',')).then_some((weak, tag, after))
}

fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}

/// Seconds since 1970. A date that is not one, or that comes twice, is ignored.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => parse_date(line.as_bytes()),
        _ => None,
    }
}

fn parse_date(text: &[u8]) -> Option<u64> {
    let time = httpdate::parse_http_date(std::str::from_utf8(text).ok()?.trim()).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
#[path = "conditional_tests.rs"]
mod tests;
