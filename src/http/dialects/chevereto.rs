//! Chevereto 1.1: `/api/1/upload`. The key may be among the fields of the form, where it has to come before the picture:
//! from somebody who is not known nothing as large as a picture is taken.

use http::header::{HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Chevereto;
use super::Spoken;
use super::answer::{ok, whole};
use super::call::{Receives, is_urlencoded};
use super::credentials::{Spot, query_value, who};
use super::picture::{About, HostFault, Picture, date, keep_one, reason, said};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::error::Fault as _;
use crate::http::api::call::{Call, NoCredentials, Refused};
use crate::http::form;
use crate::upload::Expires;

const SPOTS: &[Spot] = &[Spot::Header("x-api-key"), Spot::Query("key"), Spot::Bearer];

/// Its documents write the path in both ways. Who asks is found out by the handler.
pub(super) const ROWS: &[Row] = &[
    Row::post(Chevereto, "/api/1/upload", |call| Box::pin(upload(call))).credentials(SPOTS).anyone().files(),
    Row::post(Chevereto, "/api/1/upload/", |call| Box::pin(upload(call))).credentials(SPOTS).anyone().files(),
];

const HOW: Receives = Receives { files: &[], texts: &["source"], naming: None };

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let code = match refusal.code {
        "unauthorized" | "bad_token" | "token_expired" | "missing_scope" => 100,
        "not_found" | "method_not_allowed" => 120,
        "no_file" => 130,
        _ => 310,
    };
    let status = refusal.status;
    let body = json!({
        "status_code": status.as_u16(),
        "error": { "message": words(spoken, refusal), "code": code, "context": refusal.code },
        "status_txt": reason(status),
    });
    Shape { status, body }
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    identify(&mut call).await?;
    let parcel = call.receive(&HOW).await?;
    let about = about(&call, &parcel.texts)?;
    let uploaded = keep_one(&call, parcel.files, about).await?;
    let picture = Picture::uploaded(&call.parts, uploaded, call.who()?)?;
    let url = &picture.links.url;
    let format = said(&parcel.texts, &["format"]).map(str::to_owned);
    let format = format.or_else(|| query_value(call.head.uri.query(), "format"));
    Ok(match format.as_deref() {
        Some("txt") => whole(StatusCode::OK, "text/plain; charset=utf-8", url.clone().into()),
        Some("redirect") => redirect(url),
        _ => ok(&json!({
            "status_code": 200,
            "success": { "message": "image uploaded", "code": 200 },
            "image": told(&picture),
            "status_txt": "OK",
        })),
    })
}

/// By the key in a header or the query, or else by the one in the form.
async fn identify(call: &mut Call) -> Result<(), Refused> {
    let known = who(call.api(), SPOTS, &call.head, (call.client, call.now)).await;
    let found = match known {
        Err(Refused(fault)) if fault.code() == NoCredentials.code() => {
            let key = key_in_body(call).await?.ok_or(NoCredentials)?;
            call.api().accounts.authenticate(&key, call.now).await?
        }
        known => known?,
    };
    found.needs(Scope::Upload)?;
    call.who = Some(found);
    Ok(())
}

async fn key_in_body(call: &mut Call) -> Result<Option<String>, Refused> {
    let headers = &call.head.headers;
    if !form::is_form(headers) && !is_urlencoded(headers) {
        return Ok(None);
    }
    let (texts, body) = form::look_ahead(headers, std::mem::take(&mut call.body)).await?;
    call.body = body;
    Ok(texts.into_iter().find(|(name, text)| name == "key" && !text.is_empty()).map(|(_, text)| text))
}

fn about(call: &Call, texts: &[(String, String)]) -> Result<About, Refused> {
    let query = call.head.uri.query();
    let field = |name: &str| said(texts, &[name]).map(str::to_owned).or_else(|| query_value(query, name));
    let expires = match field("expiration").filter(|text| !text.is_empty()) {
        None => Expires::Usual,
        Some(text) => {
            let seconds = interval(&text).ok_or(HostFault::Field {
                field: "expiration",
                why: "must be an interval, as P3D for three days or PT5M for five minutes",
            })?;
            Expires::At(call.now.saturating_add(seconds.saturating_mul(1000)))
        }
    };
    let tags = field("tags").unwrap_or_default();
    let tags = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let album = field("album_id").filter(|id| !id.is_empty());
    Ok(About {
        name: field("title").filter(|title| !title.is_empty()),
        album,
        tags,
        expires,
        ..About::default()
    })
}

/// Seconds of `P1DT2H`, `PT5M`, `P1W`, … A month has 30 days here and a year 365. `None`: no interval, or one without length.
fn interval(text: &str) -> Option<i64> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    let sum = |part: &str, units: &[(char, i64)]| {
        let (mut seconds, mut rest) = (0_i64, part);
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let count: i64 = rest[..end].parse().ok()?;
            let unit = rest[end..].chars().next()?;
            let (_, length) = units.iter().find(|(known, _)| *known == unit)?;
            seconds = seconds.checked_add(count.checked_mul(*length)?)?;
            rest = &rest[end + unit.len_utf8()..];
        }
        Some(seconds)
    };
    const DAY: i64 = 86_400;
    let days = sum(days, &[('Y', 365 * DAY), ('M', 30 * DAY), ('W', 7 * DAY), ('D', DAY)])?;
    let time = sum(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    days.checked_add(time).filter(|seconds| *seconds > 0)
}

fn redirect(url: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response
}

fn told(picture: &Picture) -> Value {
    let image = &picture.image;
    let (width, height) = image.oriented();
    let extension = &image.shape.format;
    let title = image.name.rsplit_once('.').map_or(&*image.name, |(title, _)| title);
    let (url, thumb) = (&picture.links.url, &picture.links.thumbnail);
    let file = |url: &str| {
        json!({
            "filename": picture.file,
            "name": image.id.as_str(),
            "mime": picture.mime,
            "extension": extension,
            "url": url,
        })
    };
    let mut original = file(url);
    original["size"] = image.bytes.into();
    json!({
        "name": image.id.as_str(),
        "title": title,
        "extension": extension,
        "filename": picture.file,
        "original_filename": image.name,
        "id_encoded": image.id.as_str(),
        "mime": picture.mime,
        "size": image.bytes,
        "size_formatted": formatted(image.bytes),
        "width": width,
        "height": height,
        "ratio": f64::from(width) / f64::from(height.max(1)),
        "md5": image.md5.to_string(),
        "date": date(image.created_at),
        "date_gmt": date(image.created_at),
        "time": image.created_at.div_euclid(1000),
        "expiration": image.expires_at.map_or(0, |at| at.div_euclid(1000)),
        "nsfw": 0,
        "views": image.views,
        "is_animated": u8::from(image.shape.frames > 1),
        "url": url,
        "url_viewer": url,
        "display_url": url,
        "delete_url": picture.delete,
        "image": original,
        "thumb": file(thumb),
        "medium": file(url),
    })
}

fn formatted(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "KB")];
    match UNITS.into_iter().find(|(length, _)| bytes >= *length) {
        Some((length, unit)) => format!("{:.1} {unit}", bytes as f64 / length as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_iso_8601_writes_them() {
        for (text, seconds) in [
            ("PT5M", Some(300)),
            ("P3D", Some(259_200)),
            ("P1DT2H3M4S", Some(93_784)),
            ("P1M", Some(2_592_000)),
            ("P2W", Some(1_209_600)),
            ("P1Y", Some(31_536_000)),
            ("P0D", None),
            ("P", None),
            ("PT", None),
            ("3D", None),
            ("P3", None),
            ("PT3D", None),
            ("P-3D", None),
            ("P99999999999999999999D", None),
        ] {
            assert_eq!(interval(text), seconds, "{text}");
        }
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!(formatted(999), "999 B");
        assert_eq!(formatted(146_802), "146.8 KB");
        assert_eq!(formatted(32_000_000), "32.0 MB");
    }
}
