//! Uploads that go past us into an S3 storage: a request that somebody else may make, and a call that says it was made.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, json};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::image::{ImageAnswer, VisibilityWord};
use super::images;
use super::time::Time;
use super::tus::to_its_end;
use super::uploads::{Desk, filing, owner};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::upload::{Expires, Wish};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/uploads/presign",
        "presignUpload",
        "A request by which one picture can be put straight into the S3 storage where yours are kept",
        |call| Box::pin(presign(call)),
    )
    .scope(Scope::Upload)
    .json::<Presign>()
    .gives::<Presented>(201, "The request; its URL is shown this once"),
    Endpoint::post(
        "/v1/uploads/{id}/complete",
        "completeUpload",
        "Says that the picture was put there; it is looked at and taken in",
        |call| Box::pin(complete(call)),
    )
    .scope(Scope::Upload)
    .gives::<ImageAnswer>(201, "The picture")
    .gives::<ImageAnswer>(200, "The account had it already"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Presign {
    /// Exactly so many will be sent.
    #[schemars(range(min = 1))]
    bytes: u64,
    /// What will be sent, as `image/png`.
    #[schemars(length(min = 1, max = 100))]
    r#type: String,
    /// Seconds for which the URL is valid.
    #[serde(default = "usual_span")]
    #[schemars(range(min = 1, max = 86400))]
    expires_in: u32,
    /// What the picture will be called.
    #[schemars(length(min = 1, max = 255))]
    name: Option<String>,
    #[schemars(length(max = 64))]
    album: Option<String>,
    #[serde(default)]
    #[schemars(length(max = 100))]
    tags: Vec<String>,
    visibility: Option<VisibilityWord>,
    /// Seconds after which the picture ends, counted from now.
    #[schemars(range(min = 1))]
    image_expires_in: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct Presented {
    id: String,
    method: &'static str,
    url: String,
    /// To be sent with exactly these values; browsers set `content-length` themselves.
    headers: BTreeMap<&'static str, String>,
    expires_at: Time,
    /// A `POST` there, afterwards, takes the picture in.
    complete_url: String,
    complete_before: Time,
}

async fn presign(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: Presign = call.json().await?;
    let user = &call.who()?.user;
    let uploads = &call.api().uploads;
    let filing = filing(uploads.library(), user.pk, wish.album, wish.tags.iter().map(String::as_str)).await?;
    let ends = |seconds: i64| Expires::At(call.now.saturating_add(seconds.saturating_mul(1000)));
    let record = Wish {
        visibility: wish.visibility.map(Into::into),
        expires: wish.image_expires_in.map_or(Expires::Usual, ends),
        filing,
        ..Wish::named(wish.name.as_deref().unwrap_or_default())
    };
    let valid = Duration::from_secs(wish.expires_in.into());
    let direct = uploads.open_direct(owner(user), &record, &wish.r#type, wish.bytes, valid, call.now).await?;
    Ok(created(&Presented {
        complete_url: format!("{}/v1/uploads/{}/complete", call.parts.delivery.public_url(), direct.id),
        id: direct.id,
        method: direct.request.method,
        url: direct.request.url,
        headers: direct.request.headers.into_iter().collect(),
        expires_at: Time(direct.url_expires_at),
        complete_before: Time(direct.expires_at),
    }))
}

async fn complete(call: Call) -> Result<Response<Body>, Refused> {
    let desk = Desk::of(&call, owner(&call.who()?.user));
    let (id, desk_) = (call.value("id").to_owned(), desk.clone());
    let task = tokio::spawn(async move { desk_.uploads().complete(desk_.owner, &id, desk_.now).await });
    let done = to_its_end(task).await?;
    let status = if done.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let answer = images::answer(&desk.parts, done.image).await?;
    Ok(json(status, &ImageAnswer { duplicate: Some(done.duplicate), ..answer }))
}

fn usual_span() -> u32 {
    3600
}
