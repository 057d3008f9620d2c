//! mgek img_bed: an account is an e-mail address and a token, every answer is `data` and `type`, nearly all with status
//! 200. The token stands in the query, or is sent as a bearer.
//!
//! Clients compare `type`, and of the texts `already exist` and `401 No Authority`; these stay as they are in every
//! language.

mod accounts;
mod images;
mod pages;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Dialect::Mgek;
use super::answer::ok;
use super::credentials::Spot;
use super::files;
use super::roadmap::FILE;
use super::row::Row;
use super::shape::{Refusal, Shape, words};
use super::{Spoken, language};
use crate::accounts::Scope;
use crate::delivery::body::Body;
use crate::http::api::call::{Call, Refused};

const GET_TOKEN: &str = "/api/get_token";
const REMOVE_TOKEN: &str = "/api/remove_token";
const RECOVER_TOKEN: &str = "/api/recover_token";
const RESET: &str = "/api/mail_for_reset";
const UPLOAD: &str = "/api/image_upload";
const LIST: &str = "/api/image_list";
const INFO: &str = "/api/image_info";
const FORMAT: &str = "/api/image_format";
const DELETE: &str = "/api/image_delete";
const INIT: &str = "/api/init_db";

const TOKEN: &[Spot] = &[Spot::Query("token"), Spot::Bearer];

pub(super) const ROWS: &[Row] = &[
    Row::post(Mgek, GET_TOKEN, |call| Box::pin(accounts::get_token(call))).anyone(),
    Row::get(Mgek, REMOVE_TOKEN, |call| Box::pin(accounts::remove_token(call))).anyone().credentials(TOKEN),
    Row::post(Mgek, REMOVE_TOKEN, |call| Box::pin(pages::remove(call))).anyone().credentials(TOKEN),
    Row::get(Mgek, RECOVER_TOKEN, |call| Box::pin(pages::ask_recover(call))).anyone().credentials(TOKEN),
    Row::post(Mgek, RECOVER_TOKEN, |call| Box::pin(pages::recover(call))).anyone().credentials(TOKEN),
    Row::post(Mgek, RESET, |call| Box::pin(accounts::mail_for_reset(call))).anyone(),
    Row::post(Mgek, UPLOAD, |call| Box::pin(images::upload(call)))
        .scope(Scope::Upload)
        .credentials(TOKEN)
        .files(),
    Row::get(Mgek, LIST, |call| Box::pin(images::list(call))).scope(Scope::Read).credentials(TOKEN),
    Row::get(Mgek, INFO, |call| Box::pin(images::info(call))).scope(Scope::Read).credentials(TOKEN),
    Row::get(Mgek, FORMAT, |call| Box::pin(images::format(call))).scope(Scope::Read).credentials(TOKEN),
    Row::post(Mgek, DELETE, |call| Box::pin(images::delete(call))).scope(Scope::Manage).credentials(TOKEN),
    Row::post(Mgek, INIT, |call| Box::pin(init(call))).scope(Scope::Admin).credentials(TOKEN),
    Row::get(Mgek, "/images/{*name}", |call| Box::pin(files::by_name(call))).picture().tie(FILE),
];

/// The tables are made at every start, and nothing is ever dropped.
async fn init(call: Call) -> Result<Response<Body>, Refused> {
    call.api().library.check().await?;
    Ok(told("ok", "database init success"))
}

fn told(kind: &str, data: &str) -> Response<Body> {
    ok(&json!({ "type": kind, "data": data }))
}

/// Something that went well, in the reader's language.
fn done(call: &Call, chinese: &str, english: &str) -> Response<Body> {
    told("ok", call.pick(chinese, english))
}

fn failed(call: &Call, chinese: &str, english: &str) -> Response<Body> {
    told("error", call.pick(chinese, english))
}

pub(super) fn refusal(spoken: &Spoken, refusal: &Refusal<'_>) -> Shape {
    let pick = |chinese, english| language::pick(spoken.language, chinese, english);
    let general = words(spoken, refusal);
    let (kind, data) = match (refusal.code, spoken.route) {
        ("unauthorized" | "bad_token" | "token_expired" | "missing_scope", INIT) => ("bad", general),
        ("unauthorized" | "bad_token" | "token_expired", _) => ("forbidden", "401 No Authority"),
        ("missing_scope", UPLOAD) => ("error", pick("无文件上传权限", "this token may not upload")),
        ("registration_closed" | "bad_invite", _) => ("error", pick("注册未开放", "registration is closed")),
        (_, UPLOAD) if matches!(refusal.status.as_u16(), 415 | 422) => {
            ("error", pick("不支持的文件类型", "files of this type are not taken"))
        }
        ("bad_body", UPLOAD) => ("error", pick("文件上传失败", "the upload failed")),
        (_, LIST) if refusal.status == StatusCode::BAD_REQUEST => {
            ("error", pick("图片列表获取失败", "there is no such list"))
        }
        (_, UPLOAD) if refusal.status.is_server_error() => {
            ("error", pick("文件上传失败", "the upload failed"))
        }
        _ => ("error", general),
    };
    let status = match refusal.status.as_u16() {
        // Without a token nothing is wrong yet; a wrong one is.
        401 if refusal.code == "unauthorized" => StatusCode::OK,
        // What stands between client and server looks at these.
        401 | 404 | 405 | 413 | 429 | 500.. => refusal.status,
        _ if refusal.code == "forbidden_address" => refusal.status,
        _ => StatusCode::OK,
    };
    let mut body = json!({ "type": kind, "data": data });
    if spoken.route == GET_TOKEN {
        body["token"] = Value::from("");
    }
    Shape { status, body }
}
