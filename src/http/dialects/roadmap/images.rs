//! Pictures of the roadmap: one at a time in, and out as objects with their versions.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::super::answer::{json as answer, ok};
use super::super::call::{Receives, number_of};
use super::super::credentials::query_value;
use super::transform;
use crate::delivery::body::Body;
use crate::http::api::answer::nothing;
use crate::http::api::call::{Call, Refused};
use crate::http::api::images::{self, reach};
use crate::http::api::schema::Invalid;
use crate::library::{Image, LibraryError, Listing, Reach, Start};

const USUAL_LIMIT: u32 = 10;
const MOST: u32 = 100;
const FORMATS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "avif", "gif"];

pub(super) async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let mut parcel = call.receive(&Receives::default()).await?;
    parcel.files.truncate(1);
    let Some((_, kept)) = call.keep(parcel.files).await.pop() else {
        return Err(Invalid::one("file", "is missing: send one file in the form").into());
    };
    let done = kept?;
    let mut object = object(&call, done.image).await?;
    if done.duplicate {
        object["duplicate"] = Value::Bool(true);
    }
    Ok(answer(if done.duplicate { StatusCode::OK } else { StatusCode::CREATED }, &object))
}

pub(super) async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let page = whole(&call, "page", 1, u32::MAX)?.unwrap_or(1);
    let limit = whole(&call, "limit", 1, MOST)?.unwrap_or(USUAL_LIMIT);
    let owner = Reach::Owner(call.who()?.user.pk);
    let listing = Listing { reach: owner, start: Start::Page(page), limit, ..Listing::default() };
    let listed = call.api().library.page(&listing, call.now).await?;
    let total = listed.total.count;
    let mut objects = Vec::with_capacity(listed.images.len());
    for image in listed.images {
        objects.push(object(&call, image).await?);
    }
    Ok(ok(&json!({
        "images": objects,
        "page": page,
        "limit": limit,
        "total": total,
        "total_pages": total.div_ceil(u64::from(limit)),
    })))
}

pub(super) async fn get(call: Call) -> Result<Response<Body>, Refused> {
    let image = image(&call).await?;
    let format = query_value(call.head.uri.query(), "format").map(|word| word.to_ascii_lowercase());
    if format.as_ref().is_some_and(|word| !FORMATS.contains(&word.as_str())) {
        let reason = "must be `jpg`, `png`, `webp`, `avif` or `gif`";
        return Err(Invalid::one("format", reason).into());
    }
    let exif = call.api().library.exif(&image).await?;
    let link = match format.as_deref() {
        None => None,
        Some(word) => {
            let word = if word == "jpeg" { "jpg" } else { word };
            Some(call.parts.delivery.link(&image, &format!("f_{word}"))?)
        }
    };
    let mut object = object(&call, image).await?;
    if let Some(link) = link {
        object["url"] = Value::from(link);
    }
    if let Some(exif) = exif.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
        object["metadata"]["exif"] = exif;
    }
    Ok(ok(&object))
}

pub(super) async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    let image = image(&call).await?;
    call.api().library.trash(reach(&call)?, image.id.as_str(), call.now).await?;
    Ok(nothing())
}

/// The image that the path names, by its id or its number.
pub(super) async fn image(call: &Call) -> Result<Image, Refused> {
    let (id, reach) = (call.value("id"), reach(call)?);
    match number_of(id) {
        Some(number) => {
            let image = call.api().library.by_number(reach, number, call.now).await?;
            Ok(image.ok_or_else(|| LibraryError::NotFound { id: id.to_owned() })?)
        }
        None => Ok(call.api().library.get(reach, id, call.now).await?),
    }
}

async fn object(call: &Call, image: Image) -> Result<Value, Refused> {
    let versions = call.api().library.versions(&image).await?;
    let versions = versions.iter().map(|version| transform::version(call, &image, version));
    let versions: Vec<Value> = versions.collect::<Result<_, Refused>>()?;
    let answer = images::answer(&call.parts, image).await?;
    Ok(json!({
        "id": answer.id,
        "url": answer.url,
        "name": answer.name,
        "image_name": answer.name,
        "path": format!("/i/{}", answer.id),
        "size": answer.bytes,
        "width": answer.width,
        "height": answer.height,
        "format": answer.format,
        "mime_type": answer.mime_type,
        "created_at": answer.created_at,
        "metadata": {
            "md5": answer.md5,
            "sha256": answer.sha256,
            "frames": answer.frames,
            "has_alpha": answer.has_alpha,
            "views": answer.views,
            "tags": answer.tags,
            "expires_at": answer.expires_at,
        },
        "transformed_versions": versions,
    }))
}

fn whole(call: &Call, name: &str, min: u32, max: u32) -> Result<Option<u32>, Invalid> {
    let Some(text) = query_value(call.head.uri.query(), name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    match (number, max) {
        (Some(number), _) => Ok(Some(number)),
        (None, u32::MAX) => Err(Invalid::one(name, format!("must be a whole number from {min}"))),
        (None, _) => Err(Invalid::one(name, format!("must be a whole number from {min} to {max}"))),
    }
}
