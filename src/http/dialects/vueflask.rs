//! The Vue 3 and Flask example: every answer is a `message`, pictures have numbers and lie in `/uploads`.
//!
//! Its pages look at the status and show the message, so messages are in the reader's language. They sign out at any
//! 401, so nothing but a token that is missing or wrong is one.

use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Dialect::Vueflask;
use super::answer::{json as answer, ok};
use super::call::{Fields, Receives, number_of};
use super::files;
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use super::{Spoken, language};
use crate::accounts::{NewUser, Scope};
use crate::delivery::body::Body;
use crate::http::api::bearer;
use crate::http::api::call::{Call, NoCredentials, Refused};
use crate::http::api::schema::Invalid;
use crate::http::form;
use crate::library::{Image, LibraryError, Listing, Reach, Start};

const REGISTER: &str = "/api/register";
const LOGIN: &str = "/api/login";
const LOGOUT: &str = "/api/logout";
const REFRESH: &str = "/api/refresh";
const LIST: &str = "/api/images";
/// One redirects to the other in Flask.
const LIST_TOO: &str = "/api/images/";
const UPLOAD: &str = "/api/images/upload";
const DELETE: &str = "/api/images/delete/{id}";

pub(super) const ROWS: &[Row] = &[
    Row::post(Vueflask, REGISTER, |call| Box::pin(register(call))).anyone(),
    Row::post(Vueflask, LOGIN, |call| Box::pin(login(call))).anyone(),
    Row::post(Vueflask, LOGOUT, |call| Box::pin(logout(call))).anyone(),
    Row::post(Vueflask, REFRESH, |call| Box::pin(refresh(call))).anyone(),
    Row::get(Vueflask, LIST, |call| Box::pin(list(call))).scope(Scope::Read),
    Row::get(Vueflask, LIST_TOO, |call| Box::pin(list(call))).scope(Scope::Read),
    Row::post(Vueflask, UPLOAD, |call| Box::pin(upload(call))).scope(Scope::Upload).files(),
    Row::delete(Vueflask, DELETE, |call| Box::pin(delete(call))).scope(Scope::Manage),
    Row::get(Vueflask, "/uploads/{*name}", |call| Box::pin(files::by_name(call))).picture(),
    Row::get(Vueflask, "/api/images/uploads/{*name}", |call| Box::pin(files::by_name(call))).picture(),
];

/// A list is never cut by its clients; this is for those who fill it by a program.
const MOST_LISTED: usize = 10_000;

async fn register(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let (username, password) = credentials(&fields)?;
    let (email, invite) = (fields.text("email"), fields.text("invite"));
    let new = NewUser { name: &username, email: email.as_deref(), password: Some(&password) };
    call.api().accounts.register(&new, invite.as_deref(), call.now).await?;
    Ok(said(&call, StatusCode::CREATED, "注册成功", "registered"))
}

async fn login(mut call: Call) -> Result<Response<Body>, Refused> {
    let fields = call.fields().await?;
    let (username, password) = credentials(&fields)?;
    let signed = call.api().accounts.login(&username, &password, call.client, call.now).await?;
    let message = call.pick("登录成功", "signed in");
    Ok(ok(&json!({ "token": signed.access, "message": message })))
}

/// Also without a token: a page that forgets its own has signed out.
async fn logout(call: Call) -> Result<Response<Body>, Refused> {
    if let Some(token) = bearer(&call.head.headers) {
        call.api().accounts.logout(token, call.now).await?;
    }
    Ok(said(&call, StatusCode::OK, "登出成功", "signed out"))
}

async fn refresh(call: Call) -> Result<Response<Body>, Refused> {
    let token = bearer(&call.head.headers).ok_or(NoCredentials)?;
    let (_, token) = call.api().accounts.renew(token, call.now).await?;
    let message = call.pick("token刷新成功", "token renewed");
    Ok(ok(&json!({ "token": token, "message": message })))
}

async fn list(call: Call) -> Result<Response<Body>, Refused> {
    let reach = Reach::Owner(call.who()?.user.pk);
    let mut listing = Listing { reach, limit: 500, ..Listing::default() };
    let mut images: Vec<Value> = Vec::new();
    loop {
        let listed = call.api().library.page(&listing, call.now).await?;
        images.extend(listed.images.iter().map(row_of));
        match listed.next {
            Some(next) if images.len() < MOST_LISTED => listing.start = Start::After(next),
            _ => break,
        }
    }
    Ok(ok(&Value::Array(images)))
}

async fn upload(mut call: Call) -> Result<Response<Body>, Refused> {
    let nothing = || Invalid::one("file", "is missing");
    if !form::is_form(&call.head.headers) {
        return Err(nothing().into());
    }
    let mut parcel = call.receive(&Receives { files: &["file"], ..Receives::default() }).await?;
    parcel.files.truncate(1);
    let (_, kept) = call.keep(parcel.files).await.pop().ok_or_else(nothing)?;
    let image = kept?.image;
    let url = call.parts.delivery.link(&image, "_")?.replacen("/_", "", 1);
    let message = call.pick("图片上传成功", "the picture was uploaded");
    Ok(answer(StatusCode::CREATED, &json!({ "message": message, "id": image.pk, "url": url })))
}

async fn delete(call: Call) -> Result<Response<Body>, Refused> {
    let id = call.value("id");
    let missing = || LibraryError::NotFound { id: id.to_owned() };
    let number = number_of(id).ok_or_else(missing)?;
    let reach = Reach::Owner(call.who()?.user.pk);
    let image = call.api().library.by_number(reach, number, call.now).await?.ok_or_else(missing)?;
    call.api().library.trash(reach, image.id.as_str(), call.now).await?;
    Ok(said(&call, StatusCode::OK, "图片删除成功", "the picture was deleted"))
}

fn credentials(fields: &Fields) -> Result<(String, String), Invalid> {
    let given = |name: &str| fields.text(name).filter(|text| !text.is_empty());
    given("username")
        .zip(given("password"))
        .ok_or_else(|| Invalid::one("username", "or `password` is missing"))
}

fn row_of(image: &Image) -> Value {
    let made = Timestamp::from_millisecond(image.created_at).unwrap_or_default();
    json!({
        "id": image.pk,
        "filename": image.name,
        "filepath": format!("/uploads/{}", image.file_name()),
        "created_at": made.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    })
}

fn said(call: &Call, status: StatusCode, chinese: &str, english: &str) -> Response<Body> {
    answer(status, &json!({ "message": call.pick(chinese, english) }))
}

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let pick = |chinese, english| language::pick(spoken.language, chinese, english);
    let field = refusal.field();
    let (status, message) = match (refusal.code, spoken.route) {
        ("unauthorized", _) => (401, pick("无效的token", "the token is missing")),
        ("token_expired", REFRESH) => (401, pick("token已过期", "the token has expired")),
        ("bad_token", REFRESH) => (401, pick("无效的token", "the token is wrong")),
        ("token_expired" | "bad_token", _) => {
            (401, pick("token已过期或无效", "the token has expired or is wrong"))
        }
        ("wrong_password", _) => (401, pick("用户名或密码错误", "the name or the password is wrong")),
        ("name_taken", _) => (400, pick("用户名已存在", "the name is taken")),
        ("invalid_fields" | "bad_body" | "unsupported_media_type", REGISTER | LOGIN) => {
            (400, pick("请提供用户名和密码", "give a name and a password"))
        }
        ("bad_value", REGISTER) if field == "password" => {
            (400, pick("密码长度须为8到128个字符", "a password has 8 to 128 characters"))
        }
        ("bad_value", REGISTER) if field == "email" => {
            (400, pick("邮箱格式错误", "this is no e-mail address"))
        }
        ("bad_value", REGISTER) => (400, pick("用户名无效", "this name cannot be had")),
        ("invalid_fields", UPLOAD) => (400, pick("请选择文件", "choose a file")),
        ("not_found", DELETE) => {
            (404, pick("图片不存在或无权访问", "there is no such picture, or it is not yours"))
        }
        (_, UPLOAD) if matches!(refusal.status.as_u16(), 415 | 422) => {
            (400, pick("不允许的文件类型", "files of this type are not taken"))
        }
        (_, route) if refusal.status == StatusCode::INTERNAL_SERVER_ERROR => (500, failed(spoken, route)),
        _ => (refusal.status.as_u16(), words(spoken, refusal)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(refusal.status);
    Shape { status, body: json!({ "message": message }) }
}

/// What did not work, without a word about why.
fn failed(spoken: &Spoken, route: &str) -> &'static str {
    let (chinese, english) = match route {
        REGISTER => ("注册失败", "the registration failed"),
        LOGIN => ("登录失败", "the sign-in failed"),
        LOGOUT => ("登出失败", "the sign-out failed"),
        REFRESH => ("token刷新失败", "the token could not be renewed"),
        LIST | LIST_TOO => ("获取图片列表失败", "the list could not be read"),
        UPLOAD => ("图片上传失败", "the upload failed"),
        DELETE => ("图片删除失败", "the picture could not be deleted"),
        _ => ("请求失败", "the request failed"),
    };
    language::pick(spoken.language, chinese, english)
}
