//! Pictures of mgek: by the names of their files, which are found at `/images/<name>` and are never paths on a disk.

use http::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::super::answer::ok;
use super::super::call::{Fields, Receives};
use super::{done, failed};
use crate::delivery::body::Body;
use crate::delivery::words_of;
use crate::http::api::call::{Call, Refused};
use crate::http::api::schema::Invalid;
use crate::http::form;
use crate::library::{Image, Listing, Reach, Start};
use crate::upload::{Naming, Session};

/// As many as a page of the client shows.
const PAGE: u32 = 10;
/// As many as are told of where no page is asked for.
const MOST: usize = 1000;
/// A name may have folders.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

pub(super) async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let empty = |call: &Call| failed(call, "空的上传文件", "there is no file, or an empty one");
    if !form::is_form(&call.head.headers) {
        return Ok(empty(&call));
    }
    let how = Receives { files: &["file"], naming: Some(Naming::Base64), ..Receives::default() };
    let mut parcel = call.receive(&how).await?;
    parcel.files.retain(|file| !file.session.as_ref().is_ok_and(Session::is_empty));
    if parcel.files.is_empty() {
        return Ok(empty(&call));
    }
    let (mut images, mut first) = (Vec::new(), None);
    for (_, kept) in call.keep(parcel.files).await {
        match kept {
            Ok(done) => images.push(json!({
                "name": done.image.file_name(),
                "url": url(&call, &done.image)?,
            })),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) if images.is_empty() => Err(error.into()),
        _ => {
            let data = call.pick("文件上传成功", "the file was uploaded");
            Ok(ok(&json!({ "data": data, "type": "ok", "images": images })))
        }
    }
}

pub(super) async fn list(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let page = match fields.text("page").filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let page: Option<u32> = text.parse().ok().filter(|page| *page > 0);
            Some(page.ok_or_else(|| Invalid::one("page", "must be a whole number from 1"))?)
        }
    };
    let reach = Reach::Owner(call.who()?.user.pk);
    let mut listing = match page {
        Some(page) => Listing { reach, limit: PAGE, start: Start::Page(page), ..Listing::default() },
        None => Listing { reach, limit: 500, ..Listing::default() },
    };
    let mut images = Vec::new();
    let total = loop {
        let listed = call.api().library.page(&listing, call.now).await?;
        for image in &listed.images {
            images.push(short(&call, image)?);
        }
        match listed.next {
            Some(next) if page.is_none() && images.len() < MOST => listing.start = Start::After(next),
            _ => break listed.total.count,
        }
    };
    let pages = total.div_ceil(u64::from(PAGE));
    Ok(ok(&json!({ "type": "ok", "data": images, "total": total, "pages": pages })))
}

pub(super) async fn info(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let Some(image) = named(&call, fields.text("name")).await? else { return Ok(unknown(&call)) };
    let mut about = short(&call, &image)?;
    let (width, height) = image.oriented();
    let (format, mime_type) = words_of(&image.shape.format);
    about["filename"] = Value::from(image.name);
    about["size"] = Value::from(image.bytes);
    about["width"] = Value::from(width);
    about["height"] = Value::from(height);
    about["format"] = Value::from(format);
    about["mime_type"] = Value::from(mime_type);
    about["md5"] = Value::from(image.md5.to_string());
    Ok(ok(&json!({ "type": "ok", "data": about })))
}

pub(super) async fn format(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let Some(image) = named(&call, fields.text("name")).await? else { return Ok(unknown(&call)) };
    let url = url(&call, &image)?;
    let data = json!({
        "raw": url,
        "link": url,
        "html": format!("<img src={url} alt=image>"),
        "markdown": format!("![image]({url})"),
    });
    Ok(ok(&json!({ "type": "ok", "data": data })))
}

pub(super) async fn delete(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let (names, mut left) = (names(&fields), 0);
    let reach = Reach::Owner(call.who()?.user.pk);
    for name in &names {
        match named(&call, Some(name.clone())).await? {
            Some(image) => call.api().library.trash(reach, image.id.as_str(), call.now).await?,
            None => left += 1,
        }
    }
    if names.is_empty() || left > 0 {
        return Ok(failed(&call, "文件删除失败", "the file was not deleted"));
    }
    Ok(done(&call, "文件删除成功", "the file was deleted"))
}

fn names(fields: &Fields) -> Vec<String> {
    match (fields.get("namelist"), fields.text("name")) {
        (Some(Value::Array(list)), _) => {
            list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        }
        (_, Some(name)) => vec![name],
        _ => Vec::new(),
    }
}

/// One's own picture of this name.
async fn named(call: &Call, name: Option<String>) -> Result<Option<Image>, Refused> {
    let Some(name) = name else { return Ok(None) };
    let name = name.rsplit_once("/images/").map_or(name.as_str(), |(_, name)| name);
    let owner = call.who()?.user.pk;
    let image = call.api().library.by_file_name(name, call.now).await?;
    Ok(image.filter(|image| image.owner == Some(owner)))
}

fn short(call: &Call, image: &Image) -> Result<Value, Refused> {
    Ok(json!({
        "name": image.file_name(),
        "path": path(image),
        "url": url(call, image)?,
        "time": image.created_at.div_euclid(1000),
    }))
}

fn path(image: &Image) -> String {
    format!("/images/{}", utf8_percent_encode(&image.file_name(), PLAIN))
}

/// What is not for everybody is shown by a signed link only.
fn url(call: &Call, image: &Image) -> Result<String, Refused> {
    let delivery = &call.parts.delivery;
    let link = delivery.link(image, "_")?;
    let is_open = !link.contains('?');
    Ok(if is_open { format!("{}{}", delivery.public_url(), path(image)) } else { link.replacen("/_", "", 1) })
}

fn unknown(call: &Call) -> Response<Body> {
    failed(call, "图片信息获取失败", "there is no such picture")
}
