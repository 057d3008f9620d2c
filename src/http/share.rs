//! `/share/<token>` for people: the page that asks for a share's password by a form, without a script, and the pages
//! that show what is in an album, and the pages
//! that say why there is nothing to see. Programs get problems as everywhere.

use std::fmt::Write as _;
use std::sync::Arc;

use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts as Head;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::context::Asked;
use super::page::{escape, style_policy, styled};
use super::problem::problem;
use super::visitor::Visitors;
use crate::delivery::body::Body;
use crate::delivery::cors::AllowOrigin;
use crate::delivery::{Delivery, DeliveryError, SharedAlbum, words_of};
use crate::error::Fault;
use crate::library::Image;

/// The methods of this route.
pub(super) const ALLOWED: &str = "GET, HEAD, POST, OPTIONS";
/// A password and what a form adds to it.
const MOST: usize = 4096;

const FORM: &str = include_str!("page/share.html");

/// What is in a shared album: a page for browsers, JSON for everybody else.
pub(super) fn album(album: &SharedAlbum, asked: &HeaderMap) -> Response<Body> {
    let (text, media_type) = match wants_page(asked) {
        true => (album_page(album), "text/html; charset=utf-8"),
        false => (album_json(album).to_string(), "application/json"),
    };
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(policy) = HeaderValue::from_str(&style_policy("'none'")) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    *response.body_mut() = Body::full(text);
    response
}

fn album_json(album: &SharedAlbum) -> Value {
    let SharedAlbum { name, images, total, next, link, .. } = album;
    let image = |image: &Image| {
        let (width, height) = image.oriented();
        let (format, _) = words_of(&image.shape.format);
        let url = format!("{link}/{}", image.id);
        json!({ "id": image.id.as_str(), "url": url, "width": width, "height": height, "format": format })
    };
    let images: Vec<Value> = images.iter().map(image).collect();
    let next = next.map(|page| format!("{link}?page={page}"));
    json!({ "album": name, "images": images, "meta": { "total": total, "next": next } })
}

/// Where views are numbered the page shows no pictures, or to look at it would use them up.
fn album_page(album: &SharedAlbum) -> String {
    let SharedAlbum { name, images, next, path, is_numbered, .. } = album;
    let mut html = format!("<h1>{}</h1>\n<ul>\n", escape(name));
    for image in images {
        let (id, (width, height)) = (&image.id, image.oriented());
        // Writing to a string cannot fail.
        let _ = match is_numbered {
            true => writeln!(html, "<li><a href=\"{path}/{id}\">{width} × {height}</a></li>"),
            false => writeln!(
                html,
                "<li><a href=\"{path}/{id}\"><img src=\"{path}/{id}/w_320,h_320\" alt=\"\" loading=\"lazy\"></a></li>"
            ),
        };
    }
    html.push_str("</ul>\n");
    if let Some(page) = next {
        let _ = writeln!(html, "<p><a href=\"{path}?page={page}\">More · 更多</a></p>");
    }
    styled(&html)
}

/// The answer to a request that was not shown the picture.
pub(super) fn refused(fault: &dyn Fault, request: &Head, asked: Asked) -> Response<Body> {
    // Rights are in the address, so no other origin reads even the refusal.
    let mut response = problem(fault, &Asked { allow_origin: AllowOrigin::default(), ..asked });
    if request.method != Method::HEAD && wants_page(&request.headers) {
        page(&mut response, fault);
    }
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 9110 wants a scheme; no browser knows this one, so none asks by a window of its own.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Share-Password"));
    }
    response
}

/// `POST /share/<token>[/<spec>]` with the field `password`: on to the picture, or the form again.
pub(super) async fn unlock(
    delivery: &Delivery,
    visitors: &Arc<Visitors>,
    request: &Head,
    body: Body,
    client: std::net::IpAddr,
) -> Result<Response<Body>, Box<dyn Fault>> {
    let share = delivery.share(request.uri.path(), client).await.map_err(boxed)?;
    if let Some(hash) = share.password_hash.as_ref() {
        let given =
            password(body).await.ok_or_else(|| boxed(DeliveryError::SharePassword { given: false }))?;
        if !visitors.try_password(&share, &hash.0, &given, client).await.map_err(boxed)? {
            return Err(boxed(DeliveryError::SharePassword { given: true }));
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    if let Ok(target) = HeaderValue::from_str(target) {
        headers.insert(LOCATION, target);
    }
    let cookie = share.password_hash.as_ref().map(|hash| visitors.unlocking(&share, &hash.0));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(SET_COOKIE, cookie);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// The answer to `OPTIONS`: which methods there are, and to no other origin anything else.
pub(super) fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
    response
}

fn boxed(fault: impl Fault) -> Box<dyn Fault> {
    Box::new(fault)
}

/// The field of the form; a body that is none has none.
async fn password(body: Body) -> Option<String> {
    let read = Limited::new(body, MOST).collect().await.ok()?;
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&read.to_bytes()).ok()?;
    fields.into_iter().find(|(name, _)| name == "password").map(|(_, value)| value)
}

/// A browser that opens the address, and not an `<img>` or a program.
fn wants_page(headers: &HeaderMap) -> bool {
    let named = |line: &HeaderValue| line.as_bytes().windows(9).any(|part| part == b"text/html");
    headers.get_all(ACCEPT).iter().any(named)
}

fn page(response: &mut Response<Body>, fault: &dyn Fault) {
    let form = match response.status() {
        StatusCode::UNAUTHORIZED => FORM,
        _ => "",
    };
    let html = styled(&format!("<h1>{}</h1>\n{form}", escape(&fault.message())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(html.len()));
    if let Ok(policy) = HeaderValue::from_str(&style_policy("'self'")) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    *response.body_mut() = Body::full(html);
}
