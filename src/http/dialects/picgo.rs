//! The server inside PicGo and PicList: `/upload`, `/delete`, `/heartbeat`. There it opens files of the machine it runs on;
//! here it takes what is sent, and refuses paths.

use http::Response;
use serde_json::{Value, json};

use super::Dialect::Picgo;
use super::Spoken;
use super::answer::ok;
use super::call::Receives;
use super::credentials::Spot;
use super::picture::{HostFault, Picture};
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use crate::accounts::Scope;
use crate::auth::RemovalKey;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};
use crate::http::api::uploads::{Desk, owner};
use crate::http::form::{self, Received};
use crate::http::links::DELETE;
use crate::library::Reach;
use crate::upload::Wish;

/// PicGo has its secret in a header or the query, PicList a key in the query; note-taking programs can send neither header.
const SPOTS: &[Spot] =
    &[Spot::Bearer, Spot::Header("x-picgo-secret"), Spot::Query("secret"), Spot::Query("key")];

pub(super) const ROWS: &[Row] = &[
    Row::post(Picgo, "/upload", |call| Box::pin(upload(call)))
        .credentials(SPOTS)
        .scope(Scope::Upload)
        .files(),
    Row::post(Picgo, "/delete", |call| Box::pin(delete(call))).credentials(SPOTS),
    Row::post(Picgo, "/heartbeat", |_| {
        Box::pin(async { Ok(ok(&json!({ "success": true, "result": "alive" }))) })
    })
    .anyone(),
];

/// As many as a form may have.
const MOST: usize = 50;

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let body = json!({ "success": false, "message": words(spoken, refusal) });
    Shape { status: refusal.status, body }
}

/// Clients put the addresses where the files were, by their order: so one file that is refused refuses all.
async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let files = if form::is_form(&call.head.headers) {
        call.receive(&Receives::default()).await?.files
    } else {
        fetched(&mut call).await?
    };
    if files.is_empty() {
        return Err(HostFault::NoFile.into());
    }
    let mut pictures = Vec::with_capacity(files.len());
    for file in files {
        let uploaded = file.session?.finish().await?;
        pictures.push(Picture::uploaded(&call.parts, uploaded, call.who()?)?);
    }
    let result: Vec<&str> = pictures.iter().map(|picture| &*picture.links.url).collect();
    let full: Vec<Value> = pictures.iter().map(told).collect();
    Ok(ok(&json!({ "success": true, "result": result, "fullResult": full })))
}

/// `{"list": [URL, …]}`. What is no URL is a path on the caller's own machine, or, if we let it, on ours.
async fn fetched(call: &mut Call) -> Result<Vec<Received>, Refused> {
    let list = list_of(call).await?;
    if list.is_empty() {
        return Err(HostFault::Clipboard.into());
    }
    if list.len() > MOST {
        return Err(HostFault::Field { field: "list", why: "may have at most 50 entries" }.into());
    }
    let mut urls = Vec::with_capacity(list.len());
    for entry in list {
        match entry {
            Value::String(text) if is_url(&text) => urls.push(text),
            Value::String(_) => return Err(HostFault::LocalPath.into()),
            _ => return Err(HostFault::Field { field: "list", why: "must have URLs of pictures" }.into()),
        }
    }
    let desk = Desk::of(call, owner(&call.who()?.user));
    let wish = Wish { max_bytes: call.max_bytes(), ..Wish::named("") };
    let mut files = Vec::with_capacity(urls.len());
    for url in urls {
        files.push(desk.from_text(url, wish.clone()).await?);
    }
    Ok(files)
}

/// Takes out what is named by its id, its address or what `fullResult` said of it.
async fn delete(mut call: Call) -> Result<Response<Body>, Refused> {
    let list = list_of(&mut call).await?;
    if list.is_empty() || list.len() > MOST {
        return Err(HostFault::Field { field: "list", why: "must have 1 to 50 entries" }.into());
    }
    let (mut gone, mut first) = (0, None);
    for entry in &list {
        match delete_one(&call, entry).await {
            Ok(()) => gone += 1,
            Err(refused) => first = first.or(Some(refused)),
        }
    }
    match first {
        // Why, if it is not that nothing is there.
        Some(Refused(fault)) if gone == 0 && fault.code() != "not_found" => Err(Refused(fault)),
        _ => {
            let message = format!("delete success: {gone}, fail: {}", list.len() - gone);
            Ok(ok(&json!({ "success": gone > 0, "message": message })))
        }
    }
}

async fn delete_one(call: &Call, entry: &Value) -> Result<(), Refused> {
    let (who, library) = (call.who()?, &call.api().library);
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let shown = entry.as_str().or_else(|| text("id")).or_else(|| text("imgUrl")).or_else(|| text("url"));
    let id = shown.and_then(id_in).unwrap_or_default();
    let reach = Reach::Owner(who.user.pk);
    // A key that may only upload takes back what it brought: the answer to the upload had the right to that in it.
    let token = text("delete").and_then(|page| page.rsplit_once(DELETE)).map(|(_, token)| token);
    let granted = match token {
        Some(token) if RemovalKey::id_in(token) == Some(id) => {
            let image = library.get(reach, id, call.now).await?;
            call.api().removal.holds(token, id, image.pk, who.user.pk)
        }
        _ => false,
    };
    if !granted {
        who.needs(Scope::Manage)?;
    }
    Ok(library.trash(reach, id, call.now).await?)
}

/// The id in an address of ours, or the text if it may be one.
fn id_in(text: &str) -> Option<&str> {
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.split_once("/i/")?.1,
        None => text,
    };
    path.split(['/', '.', '?']).next().filter(|id| !id.is_empty())
}

async fn list_of(call: &mut Call) -> Result<Vec<Value>, Refused> {
    match call.fields().await?.get("list") {
        Some(Value::Array(list)) => Ok(list.clone()),
        Some(Value::Null) | None => Ok(Vec::new()),
        Some(_) => Err(HostFault::Field { field: "list", why: "must be a list" }.into()),
    }
}

fn is_url(text: &str) -> bool {
    let starts = |front: &str| text.get(..front.len()).is_some_and(|start| start.eq_ignore_ascii_case(front));
    starts("http://") || starts("https://")
}

/// As PicGo keeps a picture, and sends it back to have it deleted.
fn told(picture: &Picture) -> Value {
    let image = &picture.image;
    let (width, height) = image.oriented();
    json!({
        "imgUrl": picture.links.url,
        "id": image.id.as_str(),
        "fileName": image.name,
        "extname": format!(".{}", image.shape.format),
        "width": width,
        "height": height,
        "size": image.bytes,
        "mimeType": picture.mime,
        "type": "pixedge",
        "delete": picture.delete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_named_by_their_address_or_id() {
        for (text, id) in [
            ("k3Jd9s", Some("k3Jd9s")),
            ("k3Jd9s.jpg", Some("k3Jd9s")),
            ("https://img.example/i/k3Jd9s", Some("k3Jd9s")),
            ("http://img.example/cdn/i/k3Jd9s/w_300?sig=x", Some("k3Jd9s")),
            ("http://img.example/i/k3Jd9s.png", Some("k3Jd9s")),
            ("http://img.example/", None),
            ("", None),
        ] {
            assert_eq!(id_in(text), id, "{text}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_fetched() {
        assert!(is_url("http://x/a.png") && is_url("HTTPS://x/a.png"));
        for path in
            ["/home/ana/a.png", "C:\\a.png", "file:///etc/passwd", "ftp://x/a", "data:image/png;base64,", "h"]
        {
            assert!(!is_url(path), "{path}");
        }
    }
}
