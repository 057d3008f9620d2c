//! Lsky Pro 1 (兰空图床): `/api/v1`. Every answer has status 200 and says in `status` whether it went well, since its
//! clients look there. Tokens are API keys with a number in front, as Laravel writes them.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Lsky;
use super::Spoken;
use super::answer::ok;
use super::call::Receives;
use super::credentials::Spot;
use super::paginator::Paginator;
use super::picture::{About, HostFault, Picture, date, keep_one, later, said};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::{NewKey, Scope, Scopes};
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};
use crate::library::{Album, Filter, Listing, Reach, Sort, Start, Visibility};
use crate::units::Language;
use crate::upload::Expires;

/// Some of its clients leave `Bearer` out.
const SPOTS: &[Spot] = &[Spot::Numbered];

pub(super) const ROWS: &[Row] = &[
    Row::post(Lsky, "/api/v1/tokens", |call| Box::pin(make_token(call))).anyone(),
    Row::delete(Lsky, "/api/v1/tokens", |call| Box::pin(end_tokens(call)))
        .credentials(SPOTS)
        .scope(Scope::Manage),
    Row::post(Lsky, "/api/v1/upload", |call| Box::pin(upload(call)))
        .credentials(SPOTS)
        .scope(Scope::Upload)
        .files(),
    Row::get(Lsky, "/api/v1/images", |call| Box::pin(images(call))).credentials(SPOTS).scope(Scope::Read),
    Row::delete(Lsky, "/api/v1/images/{key}", |call| Box::pin(delete_image(call)))
        .credentials(SPOTS)
        .scope(Scope::Manage),
    Row::get(Lsky, "/api/v1/albums", |call| Box::pin(albums(call))).credentials(SPOTS).scope(Scope::Read),
    Row::delete(Lsky, "/api/v1/albums/{id}", |call| Box::pin(delete_album(call)))
        .credentials(SPOTS)
        .scope(Scope::Manage),
    Row::get(Lsky, "/api/v1/profile", |call| Box::pin(profile(call))).credentials(SPOTS).scope(Scope::Read),
    Row::get(Lsky, "/api/v1/strategies", |call| Box::pin(strategies(call))).credentials(SPOTS),
];

/// By which its keys are known, so that they end together and no others do.
const KEY: &str = "Lsky";
/// As it has them.
const PER_PAGE: u32 = 40;
/// Kilobytes, for who may have as much as there is: its clients divide by it.
const BOUNDLESS: f64 = 1_099_511_627_776.0;
/// The one strategy there is: where the account's pictures go.
const STRATEGY: i64 = 1;

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let body = json!({ "status": false, "message": words(spoken, refusal), "data": {} });
    Shape { status: StatusCode::OK, body }
}

fn done(message: &str, data: &Value) -> Response<Body> {
    ok(&json!({ "status": true, "message": message, "data": data }))
}

async fn make_token(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let text = |name, why| {
        fields.text(name).filter(|text| !text.is_empty()).ok_or(HostFault::Field { field: name, why })
    };
    let (email, password) = (text("email", "is missing")?, text("password", "is missing")?);
    let who = call.api().accounts.by_password(&email, &password, call.client, call.now).await?;
    let wanted = Scopes::of(&[Scope::Read, Scope::Upload, Scope::Manage]).and(who.scopes);
    let new = NewKey { name: KEY, scopes: wanted, expires_at: None };
    let (_, secret) = call.api().accounts.create_key(&who, &new, call.now).await?;
    Ok(done("success", &json!({ "token": format!("{}|{}", who.user.pk, secret.expose()) })))
}

async fn end_tokens(call: Call) -> Result<Response<Body>, Refused> {
    let (accounts, user) = (&call.api().accounts, call.who()?.user.pk);
    for key in accounts.keys(user).await?.into_iter().filter(|key| key.name == KEY) {
        accounts.revoke_key(user, &key.id, call.now).await?;
    }
    Ok(done("success", &json!({})))
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let parcel = call.receive(&Receives::default()).await?;
    let about = about(&call, &parcel.texts).await?;
    let uploaded = keep_one(&call, parcel.files, about).await?;
    let picture = Picture::uploaded(&call.parts, uploaded, call.who()?)?;
    Ok(done(call.pick("上传成功", "Uploaded"), &told(&picture)))
}

/// A private picture there is one that the gallery leaves out, and its address works for everybody: so it is public here,
/// where the configuration says no other, or addresses in texts would end within a day.
async fn about(call: &Call, texts: &[(String, String)]) -> Result<About, Refused> {
    if said(texts, &["strategy_id"]).is_some_and(|id| id.parse() != Ok(STRATEGY)) {
        return Err(
            HostFault::Field { field: "strategy_id", why: "is not one of `/api/v1/strategies`" }.into()
        );
    }
    let expires = match said(texts, &["expired_at"]) {
        None => Expires::Usual,
        Some(text) => Expires::At(later(text, call.now).ok_or(HostFault::Field {
            field: "expired_at",
            why: "must be a time to come, as 2027-01-31 12:00:00 in UTC",
        })?),
    };
    let album = match said(texts, &["album_id"]) {
        Some("0") | None => None,
        Some(id) => Some(album_of(call, id).await?.id),
    };
    let visibility = match said(texts, &["permission"]) {
        Some("1") => Some(Visibility::Public),
        Some("0") | None => None,
        Some(_) => return Err(HostFault::Field { field: "permission", why: "must be 0 or 1" }.into()),
    };
    Ok(About { visibility, expires, album, ..About::default() })
}

async fn images(call: Call) -> Result<Response<Body>, Refused> {
    let pairs = query(&call);
    let asked = |name: &str| {
        pairs.iter().rev().find(|(key, text)| key == name && !text.is_empty()).map(|(_, text)| &**text)
    };
    let sort = match asked("order") {
        None | Some("newest") => Sort::Newest,
        Some("earliest") => Sort::Oldest,
        Some("utmost") => Sort::Size,
        Some("least") => Sort::Smallest,
        Some(_) => {
            let why = "must be newest, earliest, utmost or least";
            return Err(HostFault::Field { field: "order", why }.into());
        }
    };
    let visibility = match asked("permission") {
        None => None,
        Some("public" | "1") => Some(Visibility::Public),
        Some("private" | "0") => Some(Visibility::Private),
        Some(_) => {
            return Err(HostFault::Field { field: "permission", why: "must be public or private" }.into());
        }
    };
    let album = match asked("album_id") {
        None => None,
        Some(id) => Some(album_of(&call, id).await?.id),
    };
    let query = asked("keyword").map(str::to_owned);
    let who = call.who()?;
    let page = page_of(&pairs);
    let listing = Listing {
        reach: Reach::Owner(who.user.pk),
        filter: Filter { query, album, visibility, ..Filter::default() },
        sort,
        start: Start::Page(page),
        limit: PER_PAGE,
        ..Listing::default()
    };
    let listed = call.api().library.page(&listing, call.now).await?;
    let mut data = Vec::with_capacity(listed.images.len());
    for image in listed.images {
        let picture = Picture::listed(&call.parts, image, who)?;
        data.push(told_in_list(&picture, call.language(), call.now));
    }
    Ok(done("success", &paginator(&call, &pairs, page, listed.total.count).json(&data)))
}

async fn delete_image(call: Call) -> Result<Response<Body>, Refused> {
    let reach = Reach::Owner(call.who()?.user.pk);
    call.api().library.trash(reach, call.value("key"), call.now).await?;
    Ok(done(call.pick("删除成功", "Deleted"), &json!({})))
}

async fn albums(call: Call) -> Result<Response<Body>, Refused> {
    let pairs = query(&call);
    let page = page_of(&pairs);
    let skip = u64::from(page - 1) * u64::from(PER_PAGE);
    let (albums, total) = call.api().library.albums_from(call.who()?.user.pk, skip, PER_PAGE).await?;
    let told = |album: &Album| json!({ "id": album.number(), "name": album.name, "intro": "", "image_num": album.images });
    let data: Vec<Value> = albums.iter().map(told).collect();
    Ok(done("success", &paginator(&call, &pairs, page, total).json(&data)))
}

async fn delete_album(call: Call) -> Result<Response<Body>, Refused> {
    let album = album_of(&call, call.value("id")).await?;
    call.api().library.delete_album(Reach::Owner(call.who()?.user.pk), &album.id).await?;
    Ok(done(call.pick("删除成功", "Deleted"), &json!({})))
}

async fn profile(call: Call) -> Result<Response<Body>, Refused> {
    let (user, library) = (&call.who()?.user, &call.api().library);
    let used = library.usage(Some(user.pk)).await?;
    let listing = Listing { reach: Reach::Owner(user.pk), limit: 1, ..Listing::default() };
    let images = library.page(&listing, call.now).await?.total.count;
    let (_, albums) = library.albums_from(user.pk, 0, 1).await?;
    let kilobytes = |bytes: u64| bytes as f64 / 1024.0;
    Ok(done(
        "success",
        &json!({
            "name": user.name,
            "avatar": "",
            "email": user.email,
            "capacity": user.quota_bytes.map_or(BOUNDLESS, kilobytes),
            "used_capacity": kilobytes(used.bytes),
            "url": "",
            "image_num": images,
            "album_num": albums,
            "registered_ip": "",
        }),
    ))
}

async fn strategies(call: Call) -> Result<Response<Body>, Refused> {
    let (library, user) = (&call.api().library, call.who()?.user.pk);
    let name = match library.default_storage_of(user).await? {
        Some(name) if library.storages().get(&name).is_ok() => name,
        // One that the account brought itself.
        Some(_) => call.pick("我的存储", "My storage").to_owned(),
        None => library.storages().default().name().to_owned(),
    };
    Ok(done("success", &json!({ "strategies": [{ "id": STRATEGY, "name": name }] })))
}

/// An album by its number, or by the id that it has elsewhere.
async fn album_of(call: &Call, id: &str) -> Result<Album, Refused> {
    let (library, owner) = (&call.api().library, call.who()?.user.pk);
    match id.parse() {
        Ok(number) => Ok(library.numbered_album(owner, number).await?),
        Err(_) => Ok(library.album(Reach::Owner(owner), id).await?),
    }
}

fn told(picture: &Picture) -> Value {
    let (image, links) = (&picture.image, &picture.links);
    json!({
        "key": image.id.as_str(),
        "name": picture.file,
        "pathname": format!("i/{}", picture.file),
        "origin_name": image.name,
        "size": picture.kilobytes(),
        "mimetype": picture.mime,
        "extension": image.shape.format,
        "md5": image.md5.to_string(),
        // Nobody keeps it here; clients that read all fields find it.
        "sha1": "",
        "links": {
            "url": links.url,
            "html": links.html,
            "bbcode": links.bbcode,
            "markdown": links.markdown,
            "markdown_with_link": format!("[{}]({})", links.markdown, links.url),
            "thumbnail_url": links.thumbnail,
            "delete_url": picture.delete,
        },
    })
}

fn told_in_list(picture: &Picture, language: Language, now: i64) -> Value {
    let mut told = told(picture);
    let (width, height) = picture.image.oriented();
    told["width"] = width.into();
    told["height"] = height.into();
    told["date"] = date(picture.image.created_at).into();
    told["human_date"] = ago(now - picture.image.created_at, language).into();
    told
}

/// How long ago that was, in the largest unit that is full.
fn ago(ms: i64, language: Language) -> String {
    const UNITS: [(i64, &str, &str); 7] = [
        (365 * 86_400, "年", "year"),
        (30 * 86_400, "个月", "month"),
        (7 * 86_400, "周", "week"),
        (86_400, "天", "day"),
        (3600, "小时", "hour"),
        (60, "分钟", "minute"),
        (1, "秒", "second"),
    ];
    let seconds = (ms / 1000).max(1);
    let unit = UNITS.into_iter().find(|(length, ..)| seconds >= *length).unwrap_or(UNITS[6]);
    let (length, chinese, english) = unit;
    let count = seconds / length;
    match language {
        Language::Chinese => format!("{count}{chinese}前"),
        Language::English => format!("{count} {english}{} ago", if count == 1 { "" } else { "s" }),
    }
}

fn query(call: &Call) -> Vec<(String, String)> {
    serde_urlencoded::from_str(call.head.uri.query().unwrap_or_default()).unwrap_or_default()
}

/// What is no page is the first one, as there.
fn page_of(pairs: &[(String, String)]) -> u32 {
    let asked = pairs.iter().rev().find(|(key, _)| key == "page");
    asked.and_then(|(_, text)| text.parse().ok()).filter(|page| *page > 0).unwrap_or(1)
}

fn paginator<'p>(call: &Call, pairs: &'p [(String, String)], page: u32, total: u64) -> Paginator<'p> {
    let path = format!("{}{}", call.parts.delivery.public_url(), call.head.uri.path());
    let query = pairs.iter().map(|(key, text)| (&**key, &**text)).collect();
    Paginator { path, query, page, per_page: PER_PAGE, total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, chinese, english) in [
            (0, "1秒前", "1 second ago"),
            (59, "59秒前", "59 seconds ago"),
            (61, "1分钟前", "1 minute ago"),
            (7300, "2小时前", "2 hours ago"),
            (6 * 86_400, "6天前", "6 days ago"),
            (8 * 86_400, "1周前", "1 week ago"),
            (70 * 86_400, "2个月前", "2 months ago"),
            (800 * 86_400, "2年前", "2 years ago"),
        ] {
            assert_eq!(ago(seconds * 1000, Language::Chinese), chinese);
            assert_eq!(ago(seconds * 1000, Language::English), english);
        }
    }
}
