//! Pages behind links that do one thing: the first account, another password, the end of an account or of a picture. A GET
//! shows what would be done and does nothing, since programs that look through mail open every link; the form on it acts.
//! They need no script, and the secret in their address goes nowhere else.

mod words;

use std::collections::HashMap;

use base64::Engine as _;
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts as Head;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::api::call::Refused;
use super::context::Asked;
use super::page::STYLE;
use super::problem::status_of;
use super::router::Parts;
use crate::accounts::{Accounts, AccountsError, NewUser};
use crate::auth::RemovalKey;
use crate::delivery::body::Body;
use crate::error::Fault as _;
use crate::library::{Image, LibraryError, Reach, Visibility};
use crate::units::Language;

use words::Words;

/// As in `Allow`.
pub(super) const ALLOWED: &str = "GET, HEAD, POST";
/// What the paths of these pages begin with; the rest is the secret.
pub(super) const SET_UP: &str = "/setup/";
pub(super) const RECOVER: &str = "/recover/";
pub(super) const GOODBYE: &str = "/goodbye/";
pub(super) const DELETE: &str = "/delete/";

/// A form of three fields is a few hundred bytes.
const LONGEST: usize = 16 * 1024;

const FORM_STYLE: &str = "form{display:grid;gap:.8rem;max-width:22rem;margin:1.5rem 0}label{display:grid;gap:.2rem}\
    input,button{font:inherit;padding:.5rem .7rem;border:1px solid var(--line);border-radius:.4rem;\
    background:var(--card);color:var(--ink)}button{background:var(--link);color:var(--paper);border:0;cursor:pointer}\
    .wrong{padding:.6rem .8rem;border-left:.25rem solid #c33;background:var(--card)}";

/// What somebody typed into a form.
struct Form(HashMap<String, String>);

impl Form {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// One of the pages, or what its form does.
pub(super) async fn answer(parts: &Parts, request: &Head, body: Body, asked: &Asked) -> Response<Body> {
    let (accounts, library, now) = (&parts.api.accounts, &parts.api.library, (parts.api.clock)());
    let path = request.uri.path();
    let acts = request.method == Method::POST;
    let asked_for = request.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let words = Words::of(asked_for.and_then(Language::asked).unwrap_or_default());
    let form = if acts { read(body).await } else { Some(Form(HashMap::new())) };
    let Some(form) = form else {
        return page(
            words,
            StatusCode::PAYLOAD_TOO_LARGE,
            words.too_long,
            &html! { p { (words.not_whole) } },
        );
    };
    let found = if let Some(link) = path.strip_prefix(SET_UP) {
        set_up((accounts, words), link, acts.then_some(&form), now).await.map_err(Refused::from)
    } else if let Some(link) = path.strip_prefix(RECOVER) {
        recover((accounts, words), link, acts.then_some(&form), now).await.map_err(Refused::from)
    } else if let Some(link) = path.strip_prefix(DELETE) {
        delete((parts, words), link, acts, now).await
    } else {
        let link = path.strip_prefix(GOODBYE).unwrap_or_default();
        match goodbye((accounts, words), link, acts, now).await {
            // The account has ended already; should this fail, its pictures are its administrator's to remove.
            Ok((response, Some(user))) => {
                if let Err(error) = library.trash_all_of(user, now).await {
                    tracing::error!(user, %error, "the pictures of an account that ended are still there");
                }
                Ok(response)
            }
            Ok((response, None)) => Ok(response),
            Err(error) => Err(error.into()),
        }
    };
    let mut response = found.unwrap_or_else(|Refused(error)| {
        let status = status_of(error.kind());
        tracing::debug!(request_id = %asked.id, code = error.code(), "a link led nowhere");
        page(words, status, words.failed, &html! { p.wrong { (words.refusal(&*error)) } })
    });
    if request.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn set_up(
    (accounts, words): (&Accounts, &Words),
    link: &str,
    form: Option<&Form>,
    now: i64,
) -> Result<Response<Body>, AccountsError> {
    accounts.check_set_up(link, now).await?;
    let fields = |wrong: Option<&str>, name: &str| {
        html! {
            p { (words.no_accounts) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form method="post" {
                label { (words.name) input name="username" value=(name) required maxlength="64" autocomplete="username" autofocus; }
                label { (words.email) input name="email" type="email" maxlength="254"; }
                label { (words.password)
                    input name="password" type="password" required minlength="8" maxlength="128" autocomplete="new-password"; }
                button { (words.make) }
            }
        }
    };
    let Some(form) = form else { return Ok(page(words, StatusCode::OK, words.welcome, &fields(None, ""))) };
    let name = form.field("username").unwrap_or_default();
    // A password may begin or end with a space.
    let password = form.0.get("password").map(String::as_str);
    let new = NewUser { name, email: form.field("email"), password };
    match accounts.set_up(link, &new, now).await {
        Ok(signed) => {
            let said = html! {
                p { (words.made.0) strong { (signed.user.name) } (words.made.1) }
                p { (words.sign_in.0) code { "POST /v1/login" } (words.sign_in.1)
                    a href="/openapi.json" { (words.what_else) } }
            };
            Ok(page(words, StatusCode::CREATED, words.done, &said))
        }
        Err(error @ AccountsError::Invalid { .. }) => {
            Ok(page(words, StatusCode::BAD_REQUEST, words.welcome, &fields(Some(&words.error(&error)), name)))
        }
        Err(error) => Err(error),
    }
}

async fn recover(
    (accounts, words): (&Accounts, &Words),
    link: &str,
    form: Option<&Form>,
    now: i64,
) -> Result<Response<Body>, AccountsError> {
    let user = accounts.recovery(link, now).await?;
    let fields = |wrong: Option<&str>| {
        html! {
            p { (words.another.0) strong { (user.name) } (words.another.1) }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form method="post" {
                input name="username" value=(user.name) hidden autocomplete="username";
                label { (words.password_field)
                    input name="password" type="password" required minlength="8" maxlength="128" autocomplete="new-password" autofocus; }
                button { (words.change) }
            }
        }
    };
    let Some(form) = form else { return Ok(page(words, StatusCode::OK, words.new_password, &fields(None))) };
    match accounts.recover(link, form.0.get("password").map_or("", String::as_str), now).await {
        Ok(_) => {
            let said = html! { p { (words.changed) } };
            Ok(page(words, StatusCode::OK, words.done, &said))
        }
        Err(error @ AccountsError::Invalid { .. }) => {
            Ok(page(words, StatusCode::BAD_REQUEST, words.new_password, &fields(Some(&words.error(&error)))))
        }
        Err(error) => Err(error),
    }
}

/// The page, and the account that has ended if it did.
async fn goodbye(
    (accounts, words): (&Accounts, &Words),
    link: &str,
    acts: bool,
    now: i64,
) -> Result<(Response<Body>, Option<i64>), AccountsError> {
    let user = accounts.deletion(link, now).await?;
    if acts {
        accounts.delete_by_link(link, now).await?;
        let said = html! { p { (words.ended.0) strong { (user.name) } (words.ended.1) } };
        return Ok((page(words, StatusCode::OK, words.goodbye, &said), Some(user.pk)));
    }
    let ask = html! {
        p { (words.ends.0) strong { (user.name) } (words.ends.1) }
        form method="post" { button { (words.end) } }
    };
    Ok((page(words, StatusCode::OK, words.end_title, &ask), None))
}

/// Puts one picture into the trash. Programs that upload keep this link beside the picture's.
async fn delete(
    (parts, words): (&Parts, &Words),
    link: &str,
    acts: bool,
    now: i64,
) -> Result<Response<Body>, Refused> {
    let library = &parts.api.library;
    let nothing = || LibraryError::NotFound { id: RemovalKey::id_in(link).unwrap_or(link).to_owned() };
    let id = RemovalKey::id_in(link).ok_or_else(nothing)?;
    let image = library.get(Reach::Everybody, id, now).await?;
    // What nobody owns is deleted by nobody's link.
    let owner = image.owner.ok_or_else(nothing)?;
    if !parts.api.removal.holds(link, id, image.pk, owner) {
        return Err(nothing().into());
    }
    if acts {
        library.trash(Reach::Owner(owner), id, now).await?;
        let said = html! { p { (words.trashed.0) strong { (image.name) } (words.trashed.1) } };
        return Ok(page(words, StatusCode::OK, words.deleted, &said));
    }
    let (width, height) = image.oriented();
    let ask = html! {
        @if let Some(source) = preview(parts, &image) { p { img src=(source) alt=""; } }
        p { strong { (image.name) } ", " (width) " × " (height) (words.unseen) }
        form method="post" { button { (words.delete) } }
    };
    Ok(page(words, StatusCode::OK, words.delete_title, &ask))
}

/// Where the page finds what it is about, if whoever has the link may see that.
fn preview(parts: &Parts, image: &Image) -> Option<String> {
    let link = parts.delivery.link(image, "w_320,h_320").ok()?;
    let path = link.strip_prefix(parts.delivery.public_url())?.to_owned();
    (image.visibility == Visibility::Public).then_some(path)
}

async fn read(body: Body) -> Option<Form> {
    let bytes = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&bytes).ok()?;
    Some(Form(fields.into_iter().collect()))
}

/// The page about a link that led nowhere.
pub(super) fn status_page(
    language: &'static str,
    error: &AccountsError,
    title: &str,
    text: &str,
) -> Response<Body> {
    page_in(language, status_of(error.kind()), title, &html! { p.wrong { (text) } })
}

fn page(words: &Words, status: StatusCode, title: &str, content: &Markup) -> Response<Body> {
    page_in(words.tag(), status, title, content)
}

/// A page in this language that goes nowhere by itself.
pub(super) fn page_in(
    language: &'static str,
    status: StatusCode,
    title: &str,
    content: &Markup,
) -> Response<Body> {
    let style = format!("{STYLE}{FORM_STYLE}");
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&style));
    let html = html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · pixedge" }
                style { (PreEscaped(&style)) }
            }
            body { main { h1 { (title) } (content) } }
        }
    };
    let bytes = bytes::Bytes::from(html.into_string());
    let policy = format!(
        "default-src 'none'; img-src 'self'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    *response.body_mut() = Body::full(bytes);
    response
}
