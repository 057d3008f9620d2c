//! Bodies of requests that are read whole: small, of one type, and no longer than they may be.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value};

use crate::delivery::body::Body;
use crate::error::{Fault, Kind};

/// What is wrong with a body.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyFault {
    #[error("the body is longer than {most} bytes")]
    TooLong { most: usize },
    #[error("the body is not `application/json`; say so in `Content-Type`")]
    Type,
    #[error("the body is no JSON object: {0}")]
    Syntax(String),
    #[error("the body did not arrive whole")]
    Torn,
}

/// A wish in words needs a hundred of them.
const MOST: usize = 64 * 1024;

impl Fault for BodyFault {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLong { .. } => Kind::TooLarge,
            Self::Type => Kind::UnsupportedMedia,
            Self::Syntax(_) | Self::Torn => Kind::BadRequest,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_many_bytes",
            Self::Type => "unsupported_media_type",
            Self::Syntax(_) | Self::Torn => "bad_body",
        }
    }
}

/// The fields of a JSON object.
pub(super) async fn json_object(headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, BodyFault> {
    json_object_of(headers, body, MOST).await
}

/// The same of at most so many bytes.
pub(super) async fn json_object_of(
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Map<String, Value>, BodyFault> {
    if !is_json(headers) {
        return Err(BodyFault::Type);
    }
    parsed(&read_whole(headers, body, most).await?)
}

/// The fields of a body that was read. One that does not say what it is, as of the simplest clients, may be JSON too.
pub(super) fn json_fields(headers: &HeaderMap, bytes: &[u8]) -> Result<Map<String, Value>, BodyFault> {
    if is_json(headers) || !headers.contains_key(CONTENT_TYPE) { parsed(bytes) } else { Err(BodyFault::Type) }
}

/// A body of at most so many bytes.
pub(super) async fn read_whole(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, BodyFault> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > most as u64) {
        return Err(BodyFault::TooLong { most });
    }
    let read = Limited::new(body, most).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { BodyFault::TooLong { most } } else { BodyFault::Torn }
    })?;
    Ok(read.to_bytes())
}

fn parsed(bytes: &[u8]) -> Result<Map<String, Value>, BodyFault> {
    serde_json::from_slice(bytes).map_err(|error| BodyFault::Syntax(error.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, text: impl Into<bytes::Bytes>) -> Result<usize, &'static str> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        let read = json_object(&headers, Body::full(text)).await;
        read.map(|fields| fields.len()).map_err(|fault| fault.code())
    }

    #[tokio::test]
    async fn reads_small_json_objects_and_nothing_else() {
        assert_eq!(read("application/json", r#"{"a":1,"b":"x"}"#).await, Ok(2));
        assert_eq!(read("Application/JSON; charset=utf-8", "{}").await, Ok(0));
        assert_eq!(read("text/plain", "{}").await, Err("unsupported_media_type"));
        assert_eq!(read("application/jsonp", "{}").await, Err("unsupported_media_type"));
        for text in ["", "[]", "{", "1", r#"{"a":1}x"#] {
            assert_eq!(read("application/json", text).await, Err("bad_body"), "{text}");
        }
        let fits = format!("{{{}}}", " ".repeat(MOST - 2));
        assert_eq!(read("application/json", fits.clone()).await, Ok(0));
        assert_eq!(read("application/json", fits + " ").await, Err("too_many_bytes"));
    }
}
