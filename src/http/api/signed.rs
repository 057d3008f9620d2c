//! Signed uploads: an account asks for a URL, and whoever has it, a browser on any site, uploads one picture there
//! without credentials.

use http::{Method, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{created, json};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::image::VisibilityWord;
use super::schema::Invalid;
use super::time::Time;
use super::uploads::{Desk, Pictures, filing, owner};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::form::{self, Received};
use crate::upload::{Expires, Grant, UploadError};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/uploads/sign",
        "signUpload",
        "A URL that one picture can be sent to without credentials",
        |call| Box::pin(sign(call)),
    )
    .scope(Scope::Upload)
    .json::<Sign>()
    .gives::<Signed>(201, "The URL; it is shown this once"),
    Endpoint::post(
        "/v1/uploads/signed/{token}",
        "uploadBySignedForm",
        "Takes a picture in by a signed URL, as a file of a form",
        |call| Box::pin(upload(call)),
    )
    .anyone()
    .open()
    .media(&["multipart/form-data"])
    .gives::<Pictures>(201, "The picture")
    .gives::<Pictures>(200, "The account had it already"),
    Endpoint::put(
        "/v1/uploads/signed/{token}",
        "uploadBySignedUrl",
        "The same with the picture as the whole body",
        |call| Box::pin(upload(call)),
    )
    .anyone()
    .open()
    .media(&["image/*", "application/octet-stream"])
    .gives::<Pictures>(201, "The picture")
    .gives::<Pictures>(200, "The account had it already"),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sign {
    /// At most `uploads.max_bytes`, which it is if left out.
    #[schemars(range(min = 1))]
    max_bytes: Option<u64>,
    /// What may be sent, as in `image/png` or `image/*`; all that is taken here, if left out.
    #[serde(default)]
    #[schemars(length(max = 20))]
    types: Vec<String>,
    /// Seconds for which the URL is valid.
    #[serde(default = "usual_span")]
    #[schemars(range(min = 1, max = 86400))]
    expires_in: i64,
    /// What the picture will be called, whatever the file is.
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
    /// One picture and no more.
    #[serde(default = "yes")]
    once: bool,
}

#[derive(Serialize, JsonSchema)]
struct Signed {
    url: String,
    /// How a form is sent there; `PUT` takes the bytes alone.
    method: &'static str,
    /// What else has to be sent: nothing.
    headers: std::collections::BTreeMap<String, String>,
    expires_at: Time,
    max_bytes: u64,
}

async fn sign(mut call: Call) -> Result<Response<Body>, Refused> {
    let wish: Sign = call.json().await?;
    let user = call.who()?.user.pk;
    let uploads = &call.api().uploads;
    let filing = filing(uploads.library(), user, wish.album, wish.tags.iter().map(String::as_str)).await?;
    let later = |seconds: i64| call.now.saturating_add(seconds.saturating_mul(1000));
    let grant = Grant {
        max_bytes: wish.max_bytes.unwrap_or(u64::MAX).min(uploads.max_bytes()),
        types: wish.types,
        name: wish.name,
        visibility: wish.visibility.map(Into::into),
        expires: wish.image_expires_in.map_or(Expires::Usual, |seconds| Expires::At(later(seconds))),
        filing,
        once: wish.once,
        expires_at: later(wish.expires_in),
    };
    let token = uploads.grant(user, &grant, call.now).await?;
    Ok(created(&Signed {
        url: format!("{}/v1/uploads/signed/{token}", call.parts.delivery.public_url()),
        method: "POST",
        headers: std::collections::BTreeMap::new(),
        expires_at: Time(grant.expires_at),
        max_bytes: grant.max_bytes,
    }))
}

async fn upload(call: Call) -> Result<Response<Body>, Refused> {
    let claim = call.api().uploads.claim(call.value("token"), call.now).await?;
    // As it stands now: the account may have been closed since.
    let user = call.api().accounts.user(claim.owner).await?;
    if user.disabled_at.is_some() || !user.role.scopes().has(Scope::Upload) {
        return Err(UploadError::BadTicket.into());
    }
    let desk = Desk::of(&call, owner(&user));
    let (head, body) = (call.head, call.body);
    let file = if head.method == Method::POST {
        let form = form::receive(desk.uploads(), desk.owner, &claim.wish, &head.headers, body).await?;
        let [file] =
            <[Received; 1]>::try_from(form.files).map_err(|_| Invalid::one("file", "must be exactly one"))?;
        file
    } else {
        let session = desk.raw(&head.headers, claim.wish.clone(), body).await?;
        Received { field: String::new(), name: String::new(), session: Ok(session) }
    };
    let (status, pictures) = desk.finish(vec![file]).await?;
    claim.used(desk.now).await?;
    Ok(json(status, &pictures))
}

fn usual_span() -> i64 {
    3600
}

fn yes() -> bool {
    true
}
