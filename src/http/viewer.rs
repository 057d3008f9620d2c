//! `/docs`: Swagger UI over `/openapi.json`, from this binary alone.

use std::io::Read as _;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderMap, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response};

use crate::delivery::body::Body;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · pixedge</title>
<link rel="stylesheet" href="/docs/api/swagger-ui.css">
</head>
<body>
<div id="ui"><noscript>The viewer needs a script; the description itself is at <a href="/openapi.json">/openapi.json</a>.</noscript></div>
<script src="/docs/api/swagger-ui-bundle.js"></script>
<script src="/docs/api/start.js"></script>
</body>
</html>
"#;
const START: &str = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, \
    displayRequestDuration: true, persistAuthorization: false, validatorUrl: null });\n";
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));

/// The page sends requests to this server only; it styles itself within elements and draws its icons as data.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is at this path below `/docs`, if anything is.
pub(super) fn answer(method: &Method, request: &HeaderMap, path: &str) -> Option<Response<Body>> {
    let (kind, bytes, packed) = match path {
        "/docs" => ("text/html; charset=utf-8", PAGE.as_bytes(), false),
        "/docs/api/start.js" => ("text/javascript; charset=utf-8", START.as_bytes(), false),
        "/docs/api/swagger-ui.css" => ("text/css; charset=utf-8", STYLE, true),
        "/docs/api/swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", BUNDLE, true),
        _ => return None,
    };
    let takes_gzip =
        request.get(ACCEPT_ENCODING).is_some_and(|value| value.to_str().is_ok_and(|v| v.contains("gzip")));
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let bytes = if packed && !takes_gzip {
        let mut plain = Vec::new();
        // What the build packed can be unpacked.
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).ok()?;
        Bytes::from(plain)
    } else {
        Bytes::from_static(bytes)
    };
    if packed {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if takes_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    // A new version of this program brings new ones under the same names.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if method != Method::HEAD {
        *response.body_mut() = Body::full(bytes);
    }
    Some(response)
}
