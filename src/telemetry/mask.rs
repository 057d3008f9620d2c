//! Keeps secrets out of the log: whoever reads a log line must not gain the rights of the request it tells of.

use std::borrow::Cow;

const MASK: &str = "***";

/// Query keys whose values are rights; also as the end of a longer word (`access_token`, `api_key`).
const SECRET: &[&str] = &["token", "sig", "signature", "secret", "password", "passwd", "key", "share"];

/// Paths whose next part is a right of its own.
const SECRET_PATHS: &[&str] = &["/setup/", "/recover/", "/goodbye/", "/share/", "/v1/uploads/signed/"];

/// Path and query of a request as they may be logged: secret query values and the signature in `/s/<kid>.<sig>…/`
/// replaced.
pub fn target<'a>(path: &'a str, query: Option<&'a str>) -> Cow<'a, str> {
    let path = match secret_path(path) {
        Some(masked) => Cow::Owned(masked),
        None => signed_path(path),
    };
    match query {
        None => path,
        Some(query) => Cow::Owned(format!("{path}?{}", self::query(query))),
    }
}

/// Borrowed where there is nothing to hide.
pub fn query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut out = String::with_capacity(query.len());
    for pair in query.split('&') {
        if !out.is_empty() {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((key, _)) if is_secret(pair) => out.extend([key, "=", MASK]),
            _ => out.push_str(pair),
        }
    }
    Cow::Owned(out)
}

fn is_secret(pair: &str) -> bool {
    let Some((key, _)) = pair.split_once('=') else { return false };
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().to_ascii_lowercase();
    SECRET.iter().any(|word| key.ends_with(word))
}

fn secret_path(path: &str) -> Option<String> {
    let front = SECRET_PATHS.iter().find(|front| path.starts_with(**front))?;
    let rest = &path[front.len()..];
    let after = rest.find('/').map_or("", |at| &rest[at..]);
    (!rest.is_empty()).then(|| format!("{front}{MASK}{after}"))
}

/// The key id stays readable: it is what an operator looks for.
fn signed_path(path: &str) -> Cow<'_, str> {
    let front = if path.starts_with("/explain/s/") { "/explain" } else { "" };
    let Some(rest) = path[front.len()..].strip_prefix("/s/") else { return Cow::Borrowed(path) };
    let (segment, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match segment.split_once('.') {
        Some((kid, _)) => Cow::Owned(format!("{front}/s/{kid}.{MASK}{after}")),
        None => Cow::Owned(format!("{front}/s/{MASK}{after}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_rights_and_nothing_else() {
        let rows = [
            ("w=300&f=webp", "w=300&f=webp"),
            ("sig=abc", "sig=***"),
            ("w=1&sig=abc&exp=5", "w=1&sig=***&exp=5"),
            ("SIG=abc", "SIG=***"),
            ("access_token=a=b", "access_token=***"),
            ("api_key=x&w=2", "api_key=***&w=2"),
            ("%74oken=abc", "%74oken=***"),
            ("share=abc&share=def", "share=***&share=***"),
            ("password=", "password=***"),
            ("sig", "sig"),
            ("", ""),
            ("sigma=3", "sigma=3"),
        ];
        for (given, expected) in rows {
            assert_eq!(query(given), expected);
        }
        assert_eq!(target("/i/demo", Some("sig=x")), "/i/demo?sig=***");
        assert_eq!(target("/s/k1.c2ln.99.a/i/demo/w_300", None), "/s/k1.***/i/demo/w_300");
        assert_eq!(target("/explain/s/k1.c2ln/i/demo", None), "/explain/s/k1.***/i/demo");
        assert_eq!(target("/setup/abc", None), "/setup/***");
        assert_eq!(target("/share/abc/w_300", Some("a=1")), "/share/***/w_300?a=1");
        assert_eq!(target("/s/c2ln", None), "/s/***");
        assert!(matches!(target("/i/demo/w_300", None), Cow::Borrowed(_)));
    }
}
