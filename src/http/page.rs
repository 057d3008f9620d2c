//! The pages for people: `GET /` shows what the URLs do, on this server's own demo picture or, where there is none, how to
//! get a first picture in; `/docs/…` are the documents that answers point to. Built once at start; nothing on them comes
//! from elsewhere and they run no script.

use std::fmt::Write;

use base64::Engine;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use sha2::{Digest, Sha256};

use super::markdown;
use crate::delivery::body::Body;
use crate::delivery::conditional::{self, ETag, Precondition, Validators};
use crate::transform::docs::EXAMPLES;

const PAGE: &str = include_str!("page/page.html");
pub(super) const STYLE: &str = include_str!("page/page.css");
const DEMO: &str = include_str!("page/demo.html");
const EMPTY: &str = include_str!("page/empty.html");
const DOCUMENT: &str = include_str!("page/document.html");
const ERRORS: &str = include_str!("../../docs/errors.md");
const TRANSFORMS: &str = include_str!("../../docs/transforms.md");
const FRONTENDS: &str = include_str!("../../docs/frontends.md");
/// The address in it, in whose place a server puts its own.
const ADDRESS: &str = "http://127.0.0.1:8080";

/// Spec, what it asks for, and the width and height at which the page shows the result.
const SHOWN: &[(&str, &str, u16, u16)] = &[
    ("w_300,fmt_webp", "300 pixels wide, as WebP", 267, 200),
    ("w_300,h_300,c_fill", "fill a square, cut what is over", 200, 200),
    ("w_300,h_300,c_fill,g_e", "the same, but keep the right side", 200, 200),
    ("w_300,h_300,c_pad,b_f0c040", "fit into a square on a colour", 200, 200),
    ("w_300,a_90", "turned by a quarter", 150, 200),
    ("w_300,f_auto,q_50", "the best format that your browser takes, smaller", 267, 200),
];

/// The front page with and without a demo picture, and the documents.
#[derive(Debug)]
pub struct Page {
    demo: Variant,
    empty: Variant,
    errors: Variant,
    transforms: Variant,
    frontends: Variant,
    policy: HeaderValue,
}

#[derive(Debug)]
struct Variant {
    bytes: Bytes,
    mime: HeaderValue,
    etag: ETag,
}

impl Page {
    /// `public_url` is what clients reach this server by, without a slash at its end.
    pub fn new(public_url: &str) -> Self {
        let url = escape(public_url.trim_end_matches('/'));
        let variant = |content: &str| {
            let html = content.replace("{{style}}", STYLE).replace("{{url}}", &url);
            let etag = ETag::strong(&blake3::hash(html.as_bytes()).to_hex()[..32]);
            Variant { bytes: html.into(), mime: HeaderValue::from_static("text/html; charset=utf-8"), etag }
        };
        let policy = style_policy("'none'");
        Self {
            demo: variant(&PAGE.replace("{{content}}", &DEMO.replace("{{examples}}", &shown()))),
            empty: variant(&PAGE.replace("{{content}}", EMPTY)),
            errors: variant(&DOCUMENT.replace("{{content}}", &markdown::html(ERRORS))),
            transforms: variant(&DOCUMENT.replace("{{content}}", &markdown::html(TRANSFORMS))),
            frontends: variant(&DOCUMENT.replace("{{content}}", &frontends(&url))),
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }

    /// `demo`: whether the library has a picture of the id `demo`.
    pub fn answer(&self, method: &Method, request: &HeaderMap, demo: bool) -> Response<Body> {
        self.send(if demo { &self.demo } else { &self.empty }, method, request)
    }

    /// What the codes of errors mean; each is an anchor, and the `type` of a problem leads here.
    pub fn errors(&self, method: &Method, request: &HeaderMap) -> Response<Body> {
        self.send(&self.errors, method, request)
    }

    /// The grammar of specs.
    pub fn transforms(&self, method: &Method, request: &HeaderMap) -> Response<Body> {
        self.send(&self.transforms, method, request)
    }

    /// What to write into pages.
    pub fn frontends(&self, method: &Method, request: &HeaderMap) -> Response<Body> {
        self.send(&self.frontends, method, request)
    }

    /// One of the pictures that the documents show.
    pub fn picture(&self, method: &Method, request: &HeaderMap, path: &str) -> Option<Response<Body>> {
        let name = path.rsplit('/').next()?.strip_suffix(".webp")?;
        let example = EXAMPLES.iter().find(|example| example.name == name)?;
        let etag = ETag::strong(&blake3::hash(example.picture).to_hex()[..32]);
        let mime = HeaderValue::from_static("image/webp");
        let file = Variant { bytes: Bytes::from_static(example.picture), mime, etag };
        Some(self.send(&file, method, request))
    }

    fn send(&self, variant: &Variant, method: &Method, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, variant.etag.header());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let have = Validators { etag: &variant.etag, last_modified: None };
        match conditional::precondition(method, request, have) {
            Precondition::NotModified | Precondition::NotModifiedIfAny => {
                *response.status_mut() = StatusCode::NOT_MODIFIED
            }
            Precondition::Failed => *response.status_mut() = StatusCode::PRECONDITION_FAILED,
            Precondition::Proceed => {
                headers.insert(CONTENT_TYPE, variant.mime.clone());
                headers.insert(CONTENT_LENGTH, HeaderValue::from(variant.bytes.len()));
                headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                if method != Method::HEAD {
                    *response.body_mut() = Body::full(variant.bytes.clone());
                }
            }
        }
        response
    }
}

/// With this server's address, which is escaped already, in what is there to be copied.
fn frontends(url: &str) -> String {
    markdown::html(FRONTENDS).replace(ADDRESS, url)
}

fn shown() -> String {
    let mut html = String::new();
    for (spec, meaning, width, height) in SHOWN {
        // Writing to a string cannot fail.
        let _ = writeln!(
            html,
            "<li><a href=\"/i/demo/{spec}\"><img src=\"/i/demo/{spec}\" width=\"{width}\" height=\"{height}\" \
             alt=\"\" loading=\"lazy\"><code>{spec}</code></a><p>{meaning} · <a href=\"/explain/i/demo/{spec}\">explain\
             </a></p></li>"
        );
    }
    html
}

/// A page of our style around `content`.
pub(super) fn styled(content: &str) -> String {
    DOCUMENT.replace("{{style}}", STYLE).replace("{{content}}", content)
}

/// Our own style, pictures from here, and nothing else; forms lead to `forms`.
pub(super) fn style_policy(forms: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; img-src 'self'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {forms}; \
         frame-ancestors 'none'"
    )
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;
    use http_body::Body as _;

    use super::*;

    fn text(response: &Response<Body>) -> String {
        String::from_utf8(response.body().as_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn shows_live_pictures_only_where_there_are_some() {
        let page = Page::new("http://img.example:8080/");
        let demo = text(&page.answer(&Method::GET, &HeaderMap::new(), true));
        assert!(demo.contains("srcset=\"/i/demo/w_480 480w"));
        assert!(demo.contains("<img src=\"/i/demo/w_300,fmt_webp\""));
        assert!(demo.contains("curl -o demo.webp http://img.example:8080/i/demo/w_300,fmt_webp"));
        let empty = text(&page.answer(&Method::GET, &HeaderMap::new(), false));
        assert!(empty.contains("pixedge import") && !empty.contains("<img src=\"/i/"));
        for html in [demo, empty] {
            assert!(!html.contains("{{") && !html.contains("<script") && !html.contains(" style="), "{html}");
        }
    }

    #[test]
    fn the_policy_admits_the_pages_own_style_and_nothing_else() {
        let response = Page::new("http://x").answer(&Method::GET, &HeaderMap::new(), true);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; img-src 'self'; style-src 'sha256-"), "{policy}");
        let html = text(&response);
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
        assert!(policy.contains(&hash));
    }

    #[test]
    fn an_address_cannot_write_into_the_page() {
        let page = Page::new("http://x/\"><script>alert(1)</script>");
        assert!(!text(&page.answer(&Method::GET, &HeaderMap::new(), true)).contains("<script>"));
    }

    #[test]
    fn every_code_has_a_place_that_its_problem_leads_to() {
        let page = Page::new("http://x");
        let html = text(&page.errors(&Method::GET, &HeaderMap::new()));
        for code in ["unknown_option", "not_found", "too_many_pixels", "internal"] {
            assert!(html.contains(&format!("<a id=\"{code}\"></a>")), "{code}");
        }
        assert!(html.contains("<a href=\"transforms\">") && !html.contains("{{"));
        let html = text(&page.transforms(&Method::GET, &HeaderMap::new()));
        assert!(html.contains("<code>w</code> <code>width</code>") && !html.contains("{{"));
    }

    #[test]
    fn is_revalidated_and_asked_for_by_head() {
        let page = Page::new("http://x");
        let full = page.answer(&Method::GET, &HeaderMap::new(), true);
        let head = page.answer(&Method::HEAD, &HeaderMap::new(), true);
        assert_eq!(full.headers(), head.headers());
        assert!(head.body().is_end_stream());
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, full.headers()[ETAG].clone())]);
        assert_eq!(page.answer(&Method::GET, &known, true).status(), StatusCode::NOT_MODIFIED);
        // The first import changes the page.
        assert_eq!(page.answer(&Method::GET, &known, false).status(), StatusCode::OK);
    }
}
