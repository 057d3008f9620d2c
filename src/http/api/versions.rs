//! Results that are kept: `/v1/images/{id}/transform` and `/v1/images/{id}/versions`.

use http::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{accepted, created, nothing, ok};
use super::call::{Call, Refused};
use super::endpoint::Endpoint;
use super::images::reach;
use super::schema::Invalid;
use super::time::Time;
use crate::accounts::Scope;
use crate::delivery::Delivery;
use crate::delivery::body::Body;
use crate::delivery::door::Viewer;
use crate::delivery::keep::Wish;
use crate::delivery::words_of;
use crate::http::router::Parts;
use crate::library::{Image, Quota, Reach, Version, VersionOrder};
use crate::transform::json::spec_of;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::post(
        "/v1/images/{id}/transform",
        "transformImage",
        "Makes a version of an image and keeps it; the same request again gives the same one",
        |call| Box::pin(transform(call)),
    )
    .scope(Scope::Upload)
    .query::<How>()
    .json::<TransformWish>()
    .gives::<VersionAnswer>(200, "It was kept already")
    .gives::<VersionAnswer>(201, "The version")
    .gives::<Ordered>(202, "It is made later; the task tells when"),
    Endpoint::get(
        "/v1/images/{id}/versions",
        "listVersions",
        "The versions of an image, oldest first",
        |call| Box::pin(list(call)),
    )
    .scope(Scope::Read)
    .gives::<VersionList>(200, "All of them"),
    Endpoint::delete(
        "/v1/images/{id}/versions/{version}",
        "deleteVersion",
        "Ends a version for good",
        |call| Box::pin(delete(call)),
    )
    .scope(Scope::Manage)
    .gives_nothing(204, "It is gone"),
];

/// One of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TransformWish {
    /// As in a URL: `w_300,f_webp`.
    #[schemars(length(min = 1, max = 1024))]
    spec: Option<String>,
    /// An object, which runs in the order resize, crop, rotate, flip, mirror, filters, watermark, compress, format; or an
    /// array of objects with one of these keys each, which runs as it is written.
    transformations: Option<Value>,
    /// Answer at once, and let a task make it; `Prefer: respond-async` does the same.
    #[serde(default, rename = "async")]
    later: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// As the field of the body.
    #[serde(default, rename = "async")]
    later: bool,
}

#[derive(Serialize, JsonSchema)]
struct Ordered {
    task_id: String,
    /// `pending`.
    status: &'static str,
    /// What tells how far it is, and in the end the version.
    status_url: String,
}

#[derive(Serialize, JsonSchema)]
struct VersionAnswer {
    id: String,
    image_id: String,
    /// Where it is shown; signed if the image is private.
    url: String,
    /// Canonical, and always with a format.
    spec: String,
    width: u32,
    height: u32,
    bytes: u64,
    format: String,
    mime_type: String,
    sha256: String,
    created_at: Time,
}

#[derive(Serialize, JsonSchema)]
struct VersionList {
    versions: Vec<VersionAnswer>,
}

/// What became of a wish for a version.
pub(in crate::http) enum Made {
    Now { version: Version, was_known: bool },
    Later { task_id: String },
}

async fn transform(mut call: Call) -> Result<Response<Body>, Refused> {
    let How { later } = call.query()?;
    let wish: TransformWish = call.json().await?;
    let later = later || wish.later || prefers_async(&call);
    let image = call.api().library.get(reach(&call)?, call.value("id"), call.now).await?;
    let spec = match (wish.spec, wish.transformations) {
        (Some(spec), None) => spec,
        (None, Some(transformations)) => {
            spec_of("transformations", &transformations, image.oriented()).map_err(Invalid::all)?
        }
        _ => return Err(Invalid::one("spec", "or `transformations` must be given, and not both").into()),
    };
    match make(&call, &image, spec, later, None).await? {
        Made::Later { task_id } => {
            let status_url = format!("/v1/tasks/{task_id}");
            let location = status_url.clone();
            Ok(accepted(&Ordered { task_id, status: "pending", status_url }, &location))
        }
        Made::Now { version, was_known } => {
            let answer = answer(&call.parts.delivery, &image, version)?;
            Ok(if was_known { ok(&answer) } else { created(&answer) })
        }
    }
}

/// Makes a version, or leaves that to a task. `written` is the wish as the caller wrote it.
pub(in crate::http) async fn make(
    call: &Call,
    image: &Image,
    spec: String,
    later: bool,
    written: Option<&Value>,
) -> Result<Made, Refused> {
    let who = call.who()?;
    if later {
        call.parts.delivery.check_version(&spec)?;
        let order = VersionOrder {
            image: image.id.to_string(),
            spec,
            user: who.user.pk,
            client: call.client,
            wish: written.cloned(),
        };
        let task_id = call.api().library.order_version(&order, call.now).await?;
        return Ok(Made::Later { task_id });
    }
    let viewer = if who.scopes.has(Scope::Admin) { Viewer::Admin } else { Viewer::User(who.user.pk) };
    let quota = match image.owner {
        // The operator's own.
        None => Quota::default(),
        Some(owner) if owner == who.user.pk => {
            Quota { bytes: who.user.quota_bytes, files: who.user.quota_files }
        }
        Some(owner) => {
            let owner = call.api().accounts.user(owner).await?;
            Quota { bytes: owner.quota_bytes, files: owner.quota_files }
        }
    };
    let wish = Wish { spec: &spec, viewer, client: call.client, quota, now: call.now };
    let (version, was_known) = Box::pin(call.parts.delivery.keep(image, &wish)).await?;
    Ok(Made::Now { version, was_known })
}

/// RFC 7240 §4.1
pub(in crate::http) fn prefers_async(call: &Call) -> bool {
    let asked = call.header("prefer").unwrap_or_default();
    asked.split(',').any(|part| part.trim().eq_ignore_ascii_case("respond-async"))
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let image = call.api().library.get(reach(&call)?, call.value("id"), call.now).await?;
    let versions = call.api().library.versions(&image).await?;
    let versions = versions.into_iter().map(|version| answer(&call.parts.delivery, &image, version));
    Ok(ok(&VersionList { versions: versions.collect::<Result<_, _>>()? }))
}

async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    let library = &call.api().library;
    library.delete_version(reach(&call)?, call.value("id"), call.value("version"), call.now).await?;
    Ok(nothing())
}

/// What a task that made a version tells of it; `None` once it is gone.
pub(super) async fn made(
    parts: &Parts,
    reach: Reach,
    result: &Value,
    now: i64,
) -> Result<Option<Value>, Refused> {
    let Some((image, version)) = kept(parts, reach, result, now).await? else { return Ok(None) };
    Ok(serde_json::to_value(answer(&parts.delivery, &image, version)?).ok())
}

/// The version that a task made, if it is still there.
pub(in crate::http) async fn kept(
    parts: &Parts,
    reach: Reach,
    result: &Value,
    now: i64,
) -> Result<Option<(Image, Version)>, Refused> {
    let library = &parts.api.library;
    let (Some(image), Some(id)) = (result["image_id"].as_str(), result["version_id"].as_str()) else {
        return Ok(None);
    };
    let Ok(image) = library.get(reach, image, now).await else { return Ok(None) };
    Ok(library.version_by_id(&image, id).await?.map(|version| (image, version)))
}

fn answer(delivery: &Delivery, image: &Image, version: Version) -> Result<VersionAnswer, Refused> {
    let (format, mime_type) = words_of(&version.format);
    Ok(VersionAnswer {
        url: delivery.link(image, &version.spec)?,
        id: version.id,
        image_id: image.id.to_string(),
        spec: version.spec,
        width: version.width,
        height: version.height,
        bytes: version.bytes,
        format,
        mime_type,
        sha256: version.sha256.to_string(),
        created_at: Time(version.created_at),
    })
}
