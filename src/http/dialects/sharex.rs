//! ShareX, by the file that `POST /v1/clients/sharex` makes: it says where we are and what it finds in our answers, so the
//! answers are as short as they can be.

use http::{Response, StatusCode};
use serde_json::json;

use super::Dialect::Sharex;
use super::Spoken;
use super::answer::json;
use super::call::Receives;
use super::picture::{About, Picture, keep_one};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};

pub(in crate::http) const UPLOAD: &str = "/api/sharex";

pub(super) const ROWS: &[Row] =
    &[Row::post(Sharex, UPLOAD, |call| Box::pin(upload(call))).scope(Scope::Upload).files()];

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    Shape { status: refusal.status, body: json!({ "error": words(spoken, refusal) }) }
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let files = call.receive(&Receives::default()).await?.files;
    let uploaded = keep_one(&call, files, About::default()).await?;
    let status = if uploaded.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let picture = Picture::uploaded(&call.parts, uploaded, call.who()?)?;
    let told = json!({
        "url": picture.links.url,
        "thumbnail": picture.links.thumbnail,
        "delete": picture.delete,
        "name": picture.image.name,
    });
    Ok(json(status, &told))
}
