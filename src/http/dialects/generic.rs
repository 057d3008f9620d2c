//! For programs in which one says oneself where to upload: `/api/upload` takes a file under any name, or base64 or a URL in
//! JSON, and answers under every name that they look for.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Generic;
use super::Spoken;
use super::answer::{json, whole};
use super::call::Receives;
use super::credentials::{Spot, query_value};
use super::picture::{About, HostFault, Picture, keep_one, said};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};

pub(in crate::http) const UPLOAD: &str = "/api/upload";

pub(super) const ROWS: &[Row] = &[Row::post(Generic, UPLOAD, |call| Box::pin(upload(call)))
    .credentials(&[Spot::Bearer, Spot::Header("x-api-key"), Spot::Header("token")])
    .scope(Scope::Upload)
    .files()];

const HOW: Receives = Receives {
    files: &[],
    texts: &["file", "image", "img", "data", "base64", "source", "content", "url"],
    naming: None,
};

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let said = words(spoken, refusal);
    let status = refusal.status;
    let body = json!({
        "success": false,
        "code": status.as_u16(),
        "error": said,
        "message": said,
        "msg": said,
    });
    Shape { status, body }
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let plain = match query_value(call.head.uri.query(), "format").as_deref() {
        None | Some("json") => false,
        Some("text" | "txt") => true,
        Some(_) => return Err(HostFault::Field { field: "format", why: "must be json or text" }.into()),
    };
    let parcel = call.receive(&HOW).await?;
    let name = said(&parcel.texts, &["name", "filename", "title"]).map(str::to_owned);
    let about = About { name, ..About::default() };
    let uploaded = keep_one(&call, parcel.files, about).await?;
    let status = if uploaded.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let picture = Picture::uploaded(&call.parts, uploaded, call.who()?)?;
    if plain {
        let text = format!("{}\n", picture.links.url);
        return Ok(whole(status, "text/plain; charset=utf-8", text.into()));
    }
    Ok(json(status, &told(&picture)))
}

/// The address stands where the most common programs look for it.
fn told(picture: &Picture) -> Value {
    let image = &picture.image;
    let (width, height) = image.oriented();
    let url = &picture.links.url;
    json!({
        "success": true,
        // Not the status of the answer: what is asked for is whether it went well.
        "code": 200,
        "message": "success",
        "msg": "success",
        "id": image.id.as_str(),
        "url": url,
        "link": url,
        "thumbnail": picture.links.thumbnail,
        "delete": picture.delete,
        "markdown": picture.links.markdown,
        "data": {
            "id": image.id.as_str(),
            "url": url,
            "link": url,
            "name": image.name,
            "size": image.bytes,
            "width": width,
            "height": height,
            "mime": picture.mime,
            "thumbnail": picture.links.thumbnail,
            "delete": picture.delete,
        },
    })
}
