//! `/assets/…`: the module that builds URLs in browsers and frameworks, and its types, whose options are the table's.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};

use crate::delivery::body::Body;
use crate::delivery::conditional::{self, ETag, Precondition, Validators};
use crate::transform::options::TABLE;

const SCRIPT: &str = include_str!("assets/pixedge.js");
const TYPES: &str = include_str!("assets/pixedge.d.ts");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Where Deno and editors look for the types of a script.
const X_TYPESCRIPT_TYPES: HeaderName = HeaderName::from_static("x-typescript-types");

/// What is at this path, if anything is. `?v=` with this program's version is a URL whose answer never changes.
pub(super) fn answer(
    method: &Method,
    request: &HeaderMap,
    path: &str,
    query: Option<&str>,
) -> Option<Response<Body>> {
    let (kind, bytes) = match path {
        "/assets/pixedge.js" => ("text/javascript; charset=utf-8", Bytes::from_static(SCRIPT.as_bytes())),
        "/assets/pixedge.d.ts" => ("application/typescript; charset=utf-8", types().into()),
        _ => return None,
    };
    let etag = ETag::strong(&blake3::hash(&bytes).to_hex()[..32]);
    let is_versioned = query.and_then(|query| query.strip_prefix("v=")) == Some(env!("CARGO_PKG_VERSION"));
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, etag.header());
    // A module of another origin is always fetched with CORS, and there is nothing in this one that is anybody's own.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(match is_versioned {
            true => "public, max-age=31536000, immutable",
            false => "public, max-age=86400, stale-while-revalidate=604800",
        }),
    );
    match conditional::precondition(method, request, Validators { etag: &etag, last_modified: None }) {
        Precondition::NotModified | Precondition::NotModifiedIfAny => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        Precondition::Failed => *response.status_mut() = StatusCode::PRECONDITION_FAILED,
        Precondition::Proceed => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            if path.ends_with(".js") {
                headers.insert(X_TYPESCRIPT_TYPES, HeaderValue::from_static("./pixedge.d.ts"));
            }
            if method != Method::HEAD {
                *response.body_mut() = Body::full(bytes);
            }
        }
    }
    Some(response)
}

/// The declarations with every option that the parser knows.
fn types() -> String {
    let mut options = String::new();
    for row in TABLE {
        // Writing to a string cannot fail.
        let _ = writeln!(options, "  /** {} Values: {}. */\n  {}?: Value", row.doc, row.domain, row.name);
        for alias in row.aliases {
            let _ = writeln!(options, "  /** The same as `{}`. */\n  {alias}?: Value", row.name);
        }
    }
    TYPES.replace("{{options}}", &options)
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;
    use http_body::Body as _;

    use super::*;

    fn get(path: &str, query: Option<&str>) -> Response<Body> {
        answer(&Method::GET, &HeaderMap::new(), path, query).unwrap()
    }

    #[test]
    fn the_module_is_small() {
        assert!(SCRIPT.len() < 2000, "{} bytes", SCRIPT.len());
    }

    #[test]
    fn only_the_right_version_is_kept_for_ever() {
        let is_immutable = |query| {
            let response = get("/assets/pixedge.js", query);
            response.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable")
        };
        assert!(is_immutable(Some(concat!("v=", env!("CARGO_PKG_VERSION")))));
        for query in [None, Some(""), Some("v="), Some("v=0.0.1"), Some("x=1")] {
            assert!(!is_immutable(query), "{query:?}");
        }
    }

    #[test]
    fn is_revalidated_and_asked_for_by_head() {
        for path in ["/assets/pixedge.js", "/assets/pixedge.d.ts"] {
            let full = get(path, None);
            let head = answer(&Method::HEAD, &HeaderMap::new(), path, None).unwrap();
            assert_eq!(full.headers(), head.headers());
            assert!(head.body().is_end_stream() && !full.body().is_end_stream());
            let known = HeaderMap::from_iter([(IF_NONE_MATCH, full.headers()[ETAG].clone())]);
            assert_eq!(answer(&Method::GET, &known, path, None).unwrap().status(), StatusCode::NOT_MODIFIED);
        }
        assert!(answer(&Method::GET, &HeaderMap::new(), "/assets/other.js", None).is_none());
    }

    #[test]
    fn the_types_know_every_option_and_no_comment_ends_early() {
        let types = types();
        for row in TABLE {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(types.contains(&format!("\n  {name}?: Value\n")), "{name}");
            }
        }
        assert!(!types.contains("{{"));
        assert_eq!(types.matches("/**").count(), types.matches("*/").count());
    }
}
