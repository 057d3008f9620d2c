//! What a source says of how long its objects may be kept, read as a shared cache reads it (RFC 9111). It counts only
//! where the operator has said so (`cache_control.follow_source`).

use std::time::{Duration, SystemTime};

/// The source's own words for one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// How long the answer was still fresh when it came; `None`: the source does not say.
    pub lifetime: Option<Duration>,
    /// Not to be kept at all.
    pub no_store: bool,
    /// Not to be kept by caches that many people share.
    pub private: bool,
    /// Not to be used beyond its lifetime, whatever else fails.
    pub must_revalidate: bool,
}

/// The headers that matter, as text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told<'a> {
    /// All fields of the name, joined by commas.
    pub(super) cache_control: Option<&'a str>,
    pub(super) expires: Option<&'a str>,
    pub(super) date: Option<&'a str>,
    pub(super) age: Option<&'a str>,
}

/// Longer is a slip of somebody's keyboard.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Terms {
    pub(super) fn read(told: Told<'_>, now: SystemTime) -> Self {
        let mut terms = Self::default();
        let (mut shared, mut any, mut no_cache) = (None, None, false);
        for directive in told.cache_control.unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => terms.no_store = true,
                "private" => terms.private = true,
                // Of single fields (`no-cache="set-cookie"`) too: rather once more than once too little.
                "no-cache" => no_cache = true,
                "must-revalidate" | "proxy-revalidate" => terms.must_revalidate = true,
                "s-maxage" => shared = shared.or(Some(seconds(value))),
                "max-age" => any = any.or(Some(seconds(value))),
                _ => {}
            }
        }
        let said = match (no_cache, shared.or(any)) {
            (true, _) => Some(Duration::ZERO),
            (false, Some(said)) => Some(said),
            (false, None) => told.expires.map(|expires| until(expires, told.date, now)),
        };
        // What a cache on the way has used up of it.
        let age = told.age.map_or(Duration::ZERO, seconds);
        terms.lifetime = said.map(|said| said.saturating_sub(age).min(LONGEST));
        terms
    }
}

/// What is no number is stale at once, as RFC 9111 §4.2.1 would have it.
fn seconds(text: &str) -> Duration {
    match text.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds).min(LONGEST),
        // More digits than fit are a long time.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => LONGEST,
        Err(_) => Duration::ZERO,
    }
}

/// `0` and other words that are no date mean «already».
fn until(expires: &str, date: Option<&str>, now: SystemTime) -> Duration {
    let Ok(expires) = httpdate::parse_http_date(expires.trim()) else { return Duration::ZERO };
    let from = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(now);
    expires.duration_since(from).unwrap_or(Duration::ZERO).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetime(cache_control: &str) -> Option<u64> {
        read(cache_control).lifetime.map(|lifetime| lifetime.as_secs())
    }

    fn read(cache_control: &str) -> Terms {
        let told = Told { cache_control: Some(cache_control), ..Told::default() };
        Terms::read(told, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn reads_what_a_shared_cache_has_to_know() {
        let rows = [
            ("", None),
            ("public", None),
            ("max-age=60", Some(60)),
            ("Max-Age=60, S-MaxAge=5", Some(5)),
            ("s-maxage=\"7\" , max-age=60", Some(7)),
            ("max-age=60, max-age=1", Some(60)),
            ("max-age=nonsense", Some(0)),
            ("max-age=-1", Some(0)),
            ("max-age=99999999999999999999999", Some(366 * 86_400)),
            ("no-cache, max-age=60", Some(0)),
            ("no-cache=\"set-cookie\"", Some(0)),
            ("x-max-age=60", None),
        ];
        for (text, expected) in rows {
            assert_eq!(lifetime(text), expected, "{text}");
        }
        assert!(read("no-store").no_store && !read("max-age=3").no_store);
        assert!(read("Private").private && read("proxy-revalidate").must_revalidate);
    }

    #[test]
    fn a_date_counts_from_the_servers_own_clock_and_less_what_was_used_up() {
        let told = Told {
            expires: Some("Thu, 01 Jan 1970 00:10:00 GMT"),
            date: Some("Thu, 01 Jan 1970 00:08:00 GMT"),
            ..Told::default()
        };
        let read = |told| Terms::read(told, SystemTime::UNIX_EPOCH + Duration::from_secs(60)).lifetime;
        assert_eq!(read(told), Some(Duration::from_secs(120)));
        assert_eq!(read(Told { date: None, ..told }), Some(Duration::from_secs(540)));
        assert_eq!(read(Told { age: Some("100"), ..told }), Some(Duration::from_secs(20)));
        assert_eq!(read(Told { age: Some("1000"), ..told }), Some(Duration::ZERO));
        assert_eq!(read(Told { expires: Some("0"), ..told }), Some(Duration::ZERO));
        let stronger = Told { cache_control: Some("max-age=7"), ..told };
        assert_eq!(read(stronger), Some(Duration::from_secs(7)));
    }
}
