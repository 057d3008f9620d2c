//! Which other origins may read an answer with a script. Credentials are never allowed along: every right here is in
//! the URL or in a header that a foreign page does not have, so `*` gives nothing away.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Response, StatusCode, Uri};

use super::body::Body;

const ANY: HeaderValue = HeaderValue::from_static("*");

/// The `cors` list of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    Any,
    Listed(Vec<HeaderValue>),
}

/// The answer for one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowOrigin {
    pub value: Option<HeaderValue>,
    /// Whether another `Origin` would have been answered otherwise.
    pub varies: bool,
}

impl AllowOrigin {
    /// Adds the header to an answer whose `Vary` depends on nothing else.
    pub fn write(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.insert(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.value {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

impl Cors {
    /// Origins as browsers send them (`https://example.org`), or `*` for all.
    pub fn new<S: AsRef<str>>(origins: &[S]) -> Result<Self, String> {
        if origins.iter().any(|origin| origin.as_ref() == "*") {
            return Ok(Self::Any);
        }
        let parse = |origin: &str| {
            let uri: Uri = origin.parse().ok()?;
            let bare = uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none();
            (bare && !origin.ends_with('/'))
                .then(|| HeaderValue::from_str(&origin.to_ascii_lowercase()).ok())?
        };
        origins
            .iter()
            .map(AsRef::as_ref)
            .map(|o| {
                parse(o).ok_or_else(|| {
                    format!("`cors`: `{o}` is not an origin like `https://example.org`, nor `*`")
                })
            })
            .collect::<Result<_, _>>()
            .map(Self::Listed)
    }

    pub fn answer(&self, request: &HeaderMap) -> AllowOrigin {
        match self {
            Self::Any => AllowOrigin { value: Some(ANY), varies: false },
            Self::Listed(origins) => {
                let origin = request.get(ORIGIN);
                AllowOrigin {
                    value: origin.filter(|origin| origins.contains(origin)).cloned(),
                    varies: !origins.is_empty(),
                }
            }
        }
    }

    /// `OPTIONS`, as a preflight or as a plain question. `methods` is the value of `Allow`.
    pub fn preflight(&self, request: &HeaderMap, methods: &str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        let Ok(methods) = HeaderValue::from_str(methods) else { return response };
        headers.insert(ALLOW, methods.clone());
        let allowed = self.answer(request);
        let is_allowed = allowed.value.is_some();
        allowed.write(headers);
        if is_allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static(
                    "authorization, content-type, idempotency-key, if-match, if-modified-since, if-none-match, \
                     if-range, if-unmodified-since, prefer, range, token, tus-resumable, upload-checksum, \
                     upload-length, upload-metadata, upload-offset, x-api-key, x-http-method-override, x-picgo-secret, \
                     x-request-id",
                ),
            );
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))])
    }

    #[test]
    fn a_star_is_for_everybody_and_a_list_only_for_its_members() {
        let any = Cors::new(&["https://a.example", "*"]).unwrap();
        assert_eq!(any.answer(&from("https://b.example")), AllowOrigin { value: Some(ANY), varies: false });

        let listed = Cors::new(&["https://A.example", "http://127.0.0.1:3000"]).unwrap();
        assert_eq!(listed.answer(&from("https://a.example")).value.unwrap(), "https://a.example");
        assert_eq!(listed.answer(&from("http://127.0.0.1:3000")).value.unwrap(), "http://127.0.0.1:3000");
        for stranger in ["https://b.example", "http://a.example", "https://a.example.evil", "null"] {
            assert_eq!(listed.answer(&from(stranger)), AllowOrigin { value: None, varies: true });
        }
        assert!(!Cors::new::<&str>(&[]).unwrap().answer(&from("null")).varies);
    }

    #[test]
    fn refuses_what_is_no_origin() {
        for wrong in ["", "example.org", "https://example.org/", "https://example.org/x", "https://*.org x"] {
            let error = Cors::new(&[wrong]).unwrap_err();
            assert!(error.contains("cors") && error.contains("https://example.org"), "{error}");
        }
    }

    #[test]
    fn a_preflight_from_a_stranger_gets_no_permission() {
        let listed = Cors::new(&["https://a.example"]).unwrap();
        let friend = listed.preflight(&from("https://a.example"), "GET, HEAD, OPTIONS");
        assert_eq!(friend.status(), StatusCode::NO_CONTENT);
        assert_eq!(friend.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD, OPTIONS");
        assert_eq!(friend.headers()[VARY], "Origin");
        let stranger = listed.preflight(&from("https://b.example"), "GET, HEAD, OPTIONS");
        assert!(!stranger.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(stranger.headers()[ALLOW], "GET, HEAD, OPTIONS");
    }
}
