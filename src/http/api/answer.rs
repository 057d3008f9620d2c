//! What handlers give back.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::delivery::body::Body;

pub(in crate::http) fn ok<T: Serialize>(value: &T) -> Response<Body> {
    json(StatusCode::OK, value)
}

pub(in crate::http) fn created<T: Serialize>(value: &T) -> Response<Body> {
    json(StatusCode::CREATED, value)
}

/// 202 with the address of what tells how far it is.
pub(in crate::http) fn accepted<T: Serialize>(value: &T, location: &str) -> Response<Body> {
    let mut response = json(StatusCode::ACCEPTED, value);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(in crate::http) fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(in crate::http) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    // The types given here are structs of strings, numbers and lists of them, which always serialise.
    let bytes = Bytes::from(serde_json::to_vec(value).unwrap_or_default());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = Body::full(bytes);
    response
}
