//! Keeps secrets out of the log: whoever reads a log line must not gain the rights of the request it tells of.

use std::borrow::Cow;

const MASK: &str = "***";

/// Query keys whose values are rights; also as the end of a longer word (`access_token`, `api_key`).
const SECRET: &[&str] =
    &["token", "sig", "signature", "secret", "password", "passwd", "key", "share", "check"];

/// Query keys that say who somebody is, in the dialects that send it so.
const PERSONAL: &[&str] = &["username", "mail", "email"];

/// Paths whose next part is a right of its own.
const SECRET_PATHS: &[&str] =
    &["/setup/", "/recover/", "/goodbye/", "/delete/", "/share/", "/v1/uploads/signed/"];

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

/// Behind which credentials stand where requests are written out, as by servers that repeat what they were sent.
const MARKS: &[&[u8]] = &[b"Basic ", b"Bearer ", b"security-token"];

/// A line with the credentials of such requests replaced; borrowed where there are none.
pub fn credentials(line: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Vec<u8> = Vec::new();
    let mut copied = 0;
    while let Some(at) = next_secret(&line[copied..]).map(|at| copied + at) {
        out.extend(&line[copied..at]);
        out.extend(MASK.as_bytes());
        copied = at + line[at..].iter().take_while(|byte| is_of_token(**byte)).count();
    }
    if copied == 0 {
        return Cow::Borrowed(line);
    }
    out.extend(&line[copied..]);
    Cow::Owned(out)
}

/// Where the next one begins. Short words are no secrets, as in `Basic auth`.
fn next_secret(line: &[u8]) -> Option<usize> {
    const SHORTEST: usize = 8;
    let ends = |at: usize| MARKS.iter().find(|mark| line[at..].starts_with(mark)).map(|mark| at + mark.len());
    (0..line.len()).filter_map(ends).find_map(|end| {
        let gap = line[end..].iter().take_while(|byte| b"'\": =\\".contains(byte)).count();
        let token = line[end + gap..].iter().take_while(|byte| is_of_token(**byte)).count();
        (token >= SHORTEST).then_some(end + gap)
    })
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=._~-".contains(&byte)
}

fn is_secret(pair: &str) -> bool {
    let Some((key, _)) = pair.split_once('=') else { return false };
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().to_ascii_lowercase();
    SECRET.iter().any(|word| key.ends_with(word)) || PERSONAL.contains(&key.as_str())
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
    fn hides_credentials_that_are_repeated_to_us() {
        for (given, expected) in [
            ("a line of text", "a line of text"),
            ("Basic auth, Bearer of news", "Basic auth, Bearer of news"),
            ("{'authorization': 'Basic c29tZW9uZTpw=', 'a': 1}", "{'authorization': 'Basic ***', 'a': 1}"),
            ("Bearer abcdefgh.ijk Basic AAAAAAAA", "Bearer *** Basic ***"),
            ("x-amz-security-token: Session12345\n", "x-amz-security-token: ***\n"),
            ("\\\"X-Amz-Security-Token\\\"", "\\\"X-Amz-Security-Token\\\""),
            ("Bearer ", "Bearer "),
        ] {
            assert_eq!(String::from_utf8_lossy(&credentials(given.as_bytes())), expected);
        }
        assert!(matches!(credentials(b"plain"), Cow::Borrowed(_)));
    }

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
            ("username=ana&password=secret", "username=***&password=***"),
            ("mail=ana@example.org&check=abc", "mail=***&check=***"),
        ];
        for (given, expected) in rows {
            assert_eq!(query(given), expected);
        }
        assert_eq!(target("/i/demo", Some("sig=x")), "/i/demo?sig=***");
        assert_eq!(target("/s/k1.c2ln.99.a/i/demo/w_300", None), "/s/k1.***/i/demo/w_300");
        assert_eq!(target("/explain/s/k1.c2ln/i/demo", None), "/explain/s/k1.***/i/demo");
        assert_eq!(target("/setup/abc", None), "/setup/***");
        assert_eq!(target("/delete/k3Jd9s.c2ln", None), "/delete/***");
        assert_eq!(target("/share/abc/w_300", Some("a=1")), "/share/***/w_300?a=1");
        assert_eq!(target("/s/c2ln", None), "/s/***");
        assert!(matches!(target("/i/demo/w_300", None), Cow::Borrowed(_)));
    }
}
