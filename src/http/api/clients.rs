//! Set-up files of programs that upload, made for whoever asks: each has an API key of its own, which can upload and
//! nothing else, and is ended under `/v1/keys` like any other.

use std::collections::BTreeMap;

use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::created;
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use crate::accounts::{NewKey, Scope, Scopes};
use crate::delivery::body::Body;
use crate::http::dialects::{Dialect, GENERIC_UPLOAD, SHAREX_UPLOAD};
use crate::http::problem::ShellFault;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/clients/sharex",
        "makeShareXFile",
        "Makes an API key and a file that sets up ShareX with it: save it as `.sxcu` and open it",
        |call| Box::pin(sharex(call)),
    )
    .scope(Scope::Manage)
    .gives::<CustomUploader>(201, "The file; the key in it is shown this once"),
    Endpoint::post(
        "/v1/clients/flameshot",
        "makeFlameshotScript",
        "Makes an API key and a shell script that uploads what Flameshot captures with it",
        |call| Box::pin(flameshot(call)),
    )
    .scope(Scope::Manage)
    .gives_media(201, "The script; the key in it is shown this once", "text/x-shellscript"),
];

/// What ShareX calls a custom uploader. Words in braces are read from our answer.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct CustomUploader {
    version: &'static str,
    name: String,
    destination_type: &'static str,
    request_method: &'static str,
    #[serde(rename = "RequestURL")]
    request_url: String,
    headers: BTreeMap<&'static str, String>,
    body: &'static str,
    file_form_name: &'static str,
    #[serde(rename = "URL")]
    url: &'static str,
    #[serde(rename = "ThumbnailURL")]
    thumbnail_url: &'static str,
    /// Opens a page that asks before it deletes.
    #[serde(rename = "DeletionURL")]
    deletion_url: &'static str,
    error_message: &'static str,
}

const SCRIPT: &str = include_str!("clients/flameshot.sh");

async fn sharex(call: Call) -> Result<Response<Body>, Refused> {
    spoken(&call, Dialect::Sharex)?;
    let server = call.parts.delivery.public_url().to_owned();
    let key = key_for(&call, "ShareX").await?;
    let file = CustomUploader {
        // The first that reads `{json:…}`; later ones read files of earlier versions.
        version: "14.0.0",
        name: host_of(&server).to_owned(),
        destination_type: "ImageUploader",
        request_method: "POST",
        request_url: format!("{server}{SHAREX_UPLOAD}"),
        headers: BTreeMap::from([("Authorization", format!("Bearer {key}"))]),
        body: "MultipartFormData",
        file_form_name: "file",
        url: "{json:url}",
        thumbnail_url: "{json:thumbnail}",
        deletion_url: "{json:delete}",
        error_message: "{json:error}",
    };
    Ok(as_file(created(&file), &format!("{}.sxcu", file_name(&server))))
}

async fn flameshot(call: Call) -> Result<Response<Body>, Refused> {
    spoken(&call, Dialect::Generic)?;
    let server = call.parts.delivery.public_url().to_owned();
    let key = key_for(&call, "Flameshot").await?;
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let script = SCRIPT
        .replace("{{url}}", &quoted(&format!("{server}{GENERIC_UPLOAD}?format=text")))
        .replace("{{key}}", &quoted(&key));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/x-shellscript"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(script.len()));
    *response.body_mut() = Body::full(script);
    Ok(as_file(response, &format!("flameshot-{}.sh", file_name(&server))))
}

/// A file for a dialect that is not spoken would set up a client that fails.
fn spoken(call: &Call, dialect: Dialect) -> Result<(), ShellFault> {
    if call.parts.dialects.is_on(dialect) {
        return Ok(());
    }
    Err(ShellFault::NoRoute { path: call.head.uri.path().to_owned(), nearest: None })
}

async fn key_for(call: &Call, program: &str) -> Result<String, Refused> {
    let new = NewKey { name: program, scopes: Scopes::of(&[Scope::Upload]), expires_at: None };
    let (_, secret) = call.api().accounts.create_key(call.who()?, &new, call.now).await?;
    Ok(secret.expose().to_owned())
}

fn as_file(mut response: Response<Body>, name: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// The host as part of a file name.
fn file_name(url: &str) -> String {
    host_of(url).chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_after_the_host() {
        assert_eq!(host_of("https://img.example/cdn"), "img.example");
        assert_eq!(file_name("http://127.0.0.1:8080"), "127.0.0.1-8080");
        assert_eq!(file_name("http://[::1]:8080"), "---1--8080");
    }
}
