//! SM.MS 2: `/api/v2/upload`. Its clients look at `success` and `code` and lose the words of any other status than 200.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Smms;
use super::Spoken;
use super::answer::ok;
use super::call::Receives;
use super::credentials::Spot;
use super::picture::{About, Picture, keep_one};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};

pub(super) const ROWS: &[Row] = &[Row::post(Smms, "/api/v2/upload", |call| Box::pin(upload(call)))
    .credentials(&[Spot::Bare])
    .scope(Scope::Upload)
    .files()];

/// The field of the file; others with this path call it otherwise.
const HOW: Receives = Receives { files: &["smfile"], texts: &[], naming: None };

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let (status, message) = match refusal.code {
        // So that clients of another system with this path learn that it is not spoken.
        "no_file" => (StatusCode::NOT_FOUND, "No files were uploaded."),
        "not_found" | "method_not_allowed" => (refusal.status, words(spoken, refusal)),
        _ => (StatusCode::OK, words(spoken, refusal)),
    };
    let body = json!({
        "success": false,
        "code": refusal.code,
        "message": message,
        "RequestId": refusal.request_id,
    });
    Shape { status, body }
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let request_id = call.request_id();
    let files = call.receive(&HOW).await?.files;
    let uploaded = keep_one(&call, files, About::default()).await?;
    let duplicate = uploaded.duplicate;
    let picture = Picture::uploaded(&call.parts, uploaded, call.who()?)?;
    if duplicate {
        let url = &picture.links.url;
        return Ok(ok(&json!({
            "success": false,
            "code": "image_repeated",
            "message": format!("Image upload repeated limit, this image exists at: {url}"),
            "images": url,
            "RequestId": request_id,
        })));
    }
    Ok(ok(&json!({
        "success": true,
        "code": "success",
        "message": "Upload success.",
        "data": told(&picture),
        "RequestId": request_id,
    })))
}

fn told(picture: &Picture) -> Value {
    let image = &picture.image;
    let (width, height) = image.oriented();
    let hash = picture.delete.as_deref().and_then(|page| page.rsplit('/').next());
    json!({
        "file_id": 0,
        "width": width,
        "height": height,
        "filename": image.name,
        "storename": picture.file,
        "size": image.bytes,
        "path": format!("/i/{}", picture.file),
        "hash": hash,
        "url": picture.links.url,
        "delete": picture.delete,
        "page": picture.links.url,
    })
}
