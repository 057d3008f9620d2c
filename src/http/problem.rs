//! Errors as `application/problem+json` (RFC 9457), or in the shape of the dialect that the request is in. This is the
//! only place that picks a status for an error, and the only one that logs our own.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
    RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Asked, X_REQUEST_ID};
use super::dialects;
use super::dialects::shape::{Refusal, Shape};
use crate::delivery::body::Body;
use crate::delivery::respond;
use crate::error::{Detail, Fault, Kind, Quota, Wrong, with_causes};

/// Faults of the shell itself.
#[derive(Debug, thiserror::Error)]
pub enum ShellFault {
    #[error("there is nothing at `{path}`")]
    NoRoute { path: String, nearest: Option<String> },
    #[error("`{method}` is not possible here")]
    WrongMethod { method: String, allow: String },
    /// RFC 9112 §3.2
    #[error("a request needs exactly one Host header")]
    Host,
    #[error("this address is not answered here (`http.allow`, `http.deny`)")]
    Address,
    #[error("a request handler panicked")]
    Panicked,
}

impl Fault for ShellFault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRoute { .. } => Kind::NotFound,
            Self::WrongMethod { .. } => Kind::MethodNotAllowed,
            Self::Host => Kind::BadRequest,
            Self::Address => Kind::Forbidden,
            Self::Panicked => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoRoute { .. } => "not_found",
            Self::WrongMethod { .. } => "method_not_allowed",
            Self::Host => "bad_host",
            Self::Address => "forbidden_address",
            Self::Panicked => "internal",
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::NoRoute { nearest, .. } => Detail { did_you_mean: nearest.clone(), ..Detail::default() },
            Self::WrongMethod { allow, .. } => Detail { allowed: Some(allow.clone()), ..Detail::default() },
            Self::Host | Self::Address | Self::Panicked => Detail::default(),
        }
    }
}

/// Marks answers to requests that a caller is to blame for: an extension of the response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misuse;

/// Whether a refusal counts against who asked, where addresses are banned. What counts is guessing at rights, requests that no
/// client of ours makes, and going on after the own rate is used up. What a page can bring on its visitors does not:
/// pictures that are gone, changed or broken, that it may not embed or did not sign, and a customer's key over its rate.
fn is_misuse(fault: &dyn Fault, quota: Option<&Quota>) -> bool {
    match fault.kind() {
        Kind::BadRequest | Kind::MethodNotAllowed => true,
        Kind::Unauthorized => fault.code() != "token_expired",
        Kind::Forbidden => matches!(fault.code(), "bad_signature" | "bad_ticket" | "bad_invite"),
        Kind::RateLimited => fault.code() != "banned" && quota.is_none_or(|quota| quota.policy != "key"),
        _ => false,
    }
}

/// How every refusal looks.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document<'a> {
    /// Where the code is explained.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// A stable word; see `/docs/errors`.
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    did_you_mean: Option<String>,
    /// Every field of a body or query that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<Wrong>,
    request_id: String,
}

/// The answer to a fault. Logs it if it is ours or the source's.
pub fn problem(fault: &dyn Fault, asked: &Asked) -> Response<Body> {
    log(fault, asked);
    let (status, title) = face(fault.kind());
    let detail = fault.detail();
    let message = fault.message();
    let request_id = asked.id.to_string();
    let refusal =
        Refusal { status, code: fault.code(), message: &message, request_id: &request_id, detail: &detail };
    let shape = asked.spoken.as_ref().and_then(|spoken| dialects::shape::shape(spoken, &refusal));
    let words = asked.spoken.as_ref().map(|spoken| dialects::shape::words(spoken, &refusal).to_owned());
    let Detail { option, position, allowed, did_you_mean, fields, retry_after, quota } = detail;
    let document = Document {
        r#type: format!("/docs/errors#{}", fault.code()),
        title,
        status: status.as_u16(),
        detail: words.as_deref().unwrap_or(&message),
        code: fault.code(),
        option,
        position,
        allowed,
        did_you_mean,
        errors: fields,
        request_id,
    };
    let (status, media_type, json) = match shape {
        Some(Shape { status, body }) => (status, "application/json", body.to_string().into_bytes()),
        // A struct of strings and numbers always serialises.
        None => (status, "application/problem+json", serde_json::to_vec(&document).unwrap_or_default()),
    };
    let is_kept = is_kept(fault.kind()) && asked.spoken.is_none();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if is_misuse(fault, quota.as_ref()) {
        response.extensions_mut().insert(Misuse);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static(if is_kept { "public, max-age=10" } else { "no-store" }),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_REQUEST_ID, asked.id.header());
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(quota) = &quota {
        respond::rate_limit(headers, quota);
    }
    if let Some(vary) = asked.vary.header(asked.allow_origin.varies) {
        headers.insert(VARY, vary);
    }
    if let Some(origin) = &asked.allow_origin.value {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    if !asked.head {
        *response.body_mut() = Body::full(Bytes::from(json));
    }
    response
}

/// 404 for a path that no route takes; `prefixes` are the ones that exist (`/i/`, `/healthz`, …).
pub fn no_route(path: &str, prefixes: &[&str], asked: &Asked) -> Response<Body> {
    // Longer than any prefix is wrong anyhow, and the comparison costs the product of both lengths.
    let first = |path: &str| -> String {
        let segment = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        segment.chars().take(32).collect::<String>().to_ascii_lowercase()
    };
    let asked_for = first(path);
    let whole: String = path.chars().take(64).collect();
    let nearest = prefixes
        .iter()
        .map(|prefix| (strsim::damerau_levenshtein(&asked_for, &first(prefix)), *prefix))
        // Two letters may be wrong, but half of the word must be right: `/x` is not nearly `/i/`.
        .filter(|(distance, prefix)| {
            *distance <= 2 && 2 * distance <= first(prefix).len().max(asked_for.len())
        })
        .min_by_key(|(distance, prefix)| (*distance, strsim::damerau_levenshtein(&whole, prefix)))
        .map(|(_, prefix)| prefix.to_owned());
    let shown = path.chars().take(200).collect();
    problem(&ShellFault::NoRoute { path: shown, nearest }, asked)
}

/// 405; `allow` lists the methods that this route knows, as in the header.
pub fn wrong_method(method: &Method, allow: &str, asked: &Asked) -> Response<Body> {
    let method = method.as_str().chars().take(32).collect();
    let mut response = problem(&ShellFault::WrongMethod { method, allow: allow.to_owned() }, asked);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The status that an error of this kind has.
pub(super) fn status_of(kind: Kind) -> StatusCode {
    face(kind).0
}

fn face(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::PreconditionFailed => {
            (StatusCode::PRECONDITION_FAILED, "What the request rests on does not hold")
        }
        // The tus protocol's own; no other status says that the bytes were changed on their way.
        Kind::ChecksumMismatch => {
            (StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST), "Changed on the way")
        }
        Kind::BadRequest => (StatusCode::BAD_REQUEST, "The request cannot be understood"),
        Kind::Unauthorized => (StatusCode::UNAUTHORIZED, "Who are you?"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Kind::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Kind::Conflict => (StatusCode::CONFLICT, "In conflict with what is there"),
        Kind::Expired => (StatusCode::GONE, "Expired"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too many bytes"),
        Kind::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Not a type that is understood here"),
        Kind::Unprocessable => (StatusCode::UNPROCESSABLE_ENTITY, "The picture cannot be processed"),
        Kind::RangeNotSatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, "No such range of bytes"),
        Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        Kind::SourceFailed => (StatusCode::BAD_GATEWAY, "The source failed"),
        Kind::SourceTimeout => (StatusCode::GATEWAY_TIMEOUT, "The source did not answer in time"),
        Kind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "Too busy"),
        Kind::OutOfSpace => (StatusCode::INSUFFICIENT_STORAGE, "Out of space"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Our own mistake"),
    }
}

/// Whether caches may keep the answer. A wrong URL stays wrong for a while, and a cache in front should bear the
/// repetitions. What depends on the caller or on the moment is never stored.
pub(super) fn is_kept(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BadRequest | Kind::NotFound | Kind::Expired | Kind::UnsupportedMedia | Kind::Unprocessable
    )
}

fn log(fault: &dyn Fault, asked: &Asked) {
    let (id, code) = (&asked.id, fault.code());
    match fault.kind() {
        Kind::Internal | Kind::OutOfSpace => {
            tracing::error!(request_id = %id, code, error = with_causes(fault), "request failed");
        }
        Kind::SourceFailed | Kind::SourceTimeout => {
            tracing::warn!(request_id = %id, code, error = with_causes(fault), "source failed");
        }
        // Not for load: something that we need is away.
        Kind::Overloaded if fault.source().is_some() => {
            tracing::warn!(request_id = %id, code, error = with_causes(fault), "request failed");
        }
        _ => tracing::debug!(request_id = %id, code, error = %fault, "request refused"),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body::Body as _;

    use super::*;
    use crate::delivery::cors::Cors;

    #[derive(Debug, thiserror::Error)]
    #[error("`wdth` is no option")]
    struct Sample {
        kind: Kind,
        source: Option<std::io::Error>,
    }

    impl Fault for Sample {
        fn kind(&self) -> Kind {
            self.kind
        }
        fn code(&self) -> &'static str {
            "sample"
        }
        fn detail(&self) -> Detail {
            Detail {
                option: Some("wdth".to_owned()),
                position: Some(3),
                allowed: None,
                did_you_mean: Some("width".to_owned()),
                fields: Vec::new(),
                retry_after: Some(2),
                ..Detail::default()
            }
        }
    }

    fn asked(method: &str) -> Asked {
        Asked::of(&Request::builder().method(method).body(()).unwrap().into_parts().0, &Cors::Any)
    }

    fn sample(kind: Kind) -> Sample {
        Sample { kind, source: None }
    }

    fn json(response: &Response<Body>) -> serde_json::Value {
        serde_json::from_slice(&response.body().as_bytes().unwrap()).unwrap()
    }

    #[test]
    fn says_everything_that_the_fault_knows() {
        let response = problem(&sample(Kind::BadRequest), &asked("GET"));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(
            json(&response),
            serde_json::json!({
                "type": "/docs/errors#sample",
                "title": "The request cannot be understood",
                "status": 400,
                "detail": "`wdth` is no option",
                "code": "sample",
                "option": "wdth",
                "position": 3,
                "did_you_mean": "width",
                "request_id": "0000000000000000",
            })
        );
    }

    #[test]
    fn head_gets_the_headers_alone() {
        let (get, head) = (asked("GET"), asked("HEAD"));
        let full = problem(&sample(Kind::NotFound), &get);
        let bare = problem(&sample(Kind::NotFound), &head);
        assert_eq!(full.headers(), bare.headers());
        assert!(bare.body().is_end_stream() && !full.body().is_end_stream());
    }

    #[test]
    fn our_own_mistakes_keep_their_inside_to_the_log() {
        let fault = Sample { kind: Kind::Internal, source: Some(std::io::Error::other("/secret/path")) };
        assert_eq!(with_causes(&fault), "`wdth` is no option: /secret/path");
        let response = problem(&fault, &asked("GET"));
        let text = String::from_utf8(response.body().as_bytes().unwrap().to_vec()).unwrap();
        assert!(!text.contains("is no option") && !text.contains("secret"), "{text}");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    }

    #[test]
    fn errors_are_stored_for_a_minute_at_most_and_never_if_they_pass() {
        let kinds = [
            (Kind::BadRequest, 400, true),
            (Kind::Unauthorized, 401, false),
            (Kind::Forbidden, 403, false),
            (Kind::NotFound, 404, true),
            (Kind::MethodNotAllowed, 405, false),
            (Kind::Conflict, 409, false),
            (Kind::Expired, 410, true),
            (Kind::PreconditionFailed, 412, false),
            (Kind::ChecksumMismatch, 460, false),
            (Kind::TooLarge, 413, false),
            (Kind::UnsupportedMedia, 415, true),
            (Kind::Unprocessable, 422, true),
            (Kind::RangeNotSatisfiable, 416, false),
            (Kind::RateLimited, 429, false),
            (Kind::SourceFailed, 502, false),
            (Kind::SourceTimeout, 504, false),
            (Kind::Overloaded, 503, false),
            (Kind::OutOfSpace, 507, false),
            (Kind::Internal, 500, false),
        ];
        for (kind, status, stored) in kinds {
            let response = problem(&sample(kind), &asked("GET"));
            assert_eq!(response.status(), status);
            let value = response.headers()[CACHE_CONTROL].to_str().unwrap();
            assert_eq!(value.contains("max-age=10"), stored, "{kind:?}");
            assert_eq!(value == "no-store", !stored, "{kind:?}");
        }
    }

    #[test]
    fn an_unknown_path_is_led_to_the_nearest_known_one() {
        let prefixes = ["/i/", "/r/", "/info/", "/explain/", "/docs/a", "/docs/errors", "/healthz", "/_ipx/"];
        let meant = |path: &str| {
            let response = no_route(path, &prefixes, &asked("GET"));
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            json(&response)["did_you_mean"].as_str().map(ToOwned::to_owned)
        };
        assert_eq!(meant("/explian/i/demo").as_deref(), Some("/explain/"));
        assert_eq!(meant("/healtz").as_deref(), Some("/healthz"));
        assert_eq!(meant("/I/demo").as_deref(), Some("/i/"));
        assert_eq!(meant("/docs/error").as_deref(), Some("/docs/errors"));
        assert_eq!(meant("/ipx/w_300/demo").as_deref(), Some("/_ipx/"));
        assert_eq!(meant("/x"), None);
        assert_eq!(meant("/wp-login.php"), None);
        assert_eq!(meant("/"), None);
        assert!(json(&no_route(&"/é".repeat(9000), &prefixes, &asked("GET"))).to_string().len() < 1000);
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let response = wrong_method(&Method::DELETE, "GET, HEAD, OPTIONS", &asked("DELETE"));
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD, OPTIONS");
        assert_eq!(json(&response)["allowed"], "GET, HEAD, OPTIONS");
        assert_eq!(json(&response)["code"], "method_not_allowed");
    }
}
