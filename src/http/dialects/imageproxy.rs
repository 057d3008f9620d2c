//! The wire of Image Proxy Project: a name and a password in the query of every request. Off unless it is switched on,
//! since queries are written down by everything that a request passes.

use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Imageproxy;
use super::Spoken;
use super::answer::ok;
use super::call::Receives;
use super::credentials::{Spot, query_value};
use super::files;
use super::row::{Row, Sight, Tie};
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};
use crate::http::api::schema::Invalid;
use crate::library::{AnyHash, Image, LibraryError};

const LOGIN: &[Spot] = &[Spot::Login("username", "password")];

pub(super) const ROWS: &[Row] = &[
    Row::post(Imageproxy, "/upload", |call| Box::pin(upload(call)))
        .scope(Scope::Upload)
        .credentials(LOGIN)
        .files()
        .tie(SIGNED_IN),
    Row::get(Imageproxy, "/info/{md5}", |call| Box::pin(info(call)))
        .scope(Scope::Read)
        .credentials(LOGIN)
        .tie(HASH),
    Row::get(Imageproxy, "/secure_get/{md5}", |call| Box::pin(picture(call)))
        .scope(Scope::Read)
        .credentials(&[Spot::Query("token")]),
    Row::get(Imageproxy, "/download_db", |call| Box::pin(database(call)))
        .scope(Scope::Admin)
        .credentials(LOGIN),
];

/// Nobody else's clients send both.
const SIGNED_IN: Tie = Tie { name: "name and password in the query", holds: is_signed_in };

/// Native ids are not 32 hexadecimal digits, and whoever asks for them sends no password.
const HASH: Tie = Tie {
    name: "name and password in the query, and an MD5",
    holds: |sight| is_signed_in(sight) && sight.value.len() == 32 && is_hex(sight.value),
};

fn is_signed_in(sight: &Sight<'_>) -> bool {
    sight.has_query("username") && sight.has_query("password")
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_hexdigit())
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let mut parcel = call.receive(&Receives { files: &["file"], ..Receives::default() }).await?;
    parcel.files.truncate(1);
    let kept = call.keep(parcel.files).await.pop();
    let (_, kept) = kept.ok_or_else(|| Invalid::one("file", "is missing"))?;
    let done = kept?;
    let status = if done.duplicate { "existing" } else { "uploaded" };
    Ok(ok(&object(&call, &done.image, status)?))
}

async fn info(call: Call) -> Result<Response<Body>, Refused> {
    let image = own(&call).await?;
    Ok(ok(&object(&call, &image, "existing")?))
}

async fn picture(call: Call) -> Result<Response<Body>, Refused> {
    let image = own(&call).await?;
    let token = query_value(call.head.uri.query(), "token").unwrap_or_default();
    files::show_to(call, &image, &token).await
}

async fn database(call: Call) -> Result<Response<Body>, Refused> {
    let file = call.admin().backup(call.actor()?, false, call.now).await?;
    let len = file.len();
    let mut response = Response::new(Body::sized(file.stream().await?, len));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"images.db\""));
    Ok(response)
}

/// One's own picture with the hash in the path.
async fn own(call: &Call) -> Result<Image, Refused> {
    let text = call.value("md5");
    let missing = || LibraryError::NotFound { id: text.to_owned() };
    let hash = text.to_ascii_lowercase().parse().map_err(|_| missing())?;
    let found = call.api().library.own_by_hash(call.who()?.user.pk, &AnyHash::Md5(hash), call.now).await?;
    Ok(found.ok_or_else(missing)?)
}

fn object(call: &Call, image: &Image, status: &str) -> Result<Value, Refused> {
    let (width, height) = image.oriented();
    Ok(json!({
        "status": status,
        "url": call.parts.delivery.link(image, "_")?.replacen("/_", "", 1),
        "name": image.name,
        "width": width,
        "height": height,
        "access_count": image.views,
        "expire_at": image.expires_at.map(|at| at.div_euclid(1000)),
        "md5": image.md5.to_string(),
    }))
}

/// What these clients compare is said in the words they know, whatever language is asked for.
pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let (status, detail) = match (refusal.status.as_u16(), refusal.code) {
        (_, "quota_exceeded" | "forbidden_address" | "banned") => (refusal.status, words(spoken, refusal)),
        (401 | 403, _) => (StatusCode::FORBIDDEN, "权限不足，请联系管理员"),
        (404, _) => (StatusCode::NOT_FOUND, "Not found"),
        _ => (refusal.status, words(spoken, refusal)),
    };
    Shape { status, body: json!({ "detail": detail }) }
}
