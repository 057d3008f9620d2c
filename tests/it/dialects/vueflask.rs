//! The Vue 3 and Flask example, route by route.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{assert_told, send_file, told};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};

fn said(message: &str) -> Value {
    json!({ "message": message })
}

fn post(server: &Server, path: &str, body: Value) -> Reply {
    server.json("POST", path, "", body)
}

fn sign_in(server: &Server, name: &str) -> String {
    let wish = json!({ "username": name, "password": "password123" });
    assert_eq!(post(server, "/api/register", wish.clone()).status, 201);
    post(server, "/api/login", wish).json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn people_register_and_sign_in_and_out() {
    let server = Home::new("auth: { registration: open }").start();
    let ana = json!({ "username": "ana", "password": "password123" });
    assert_told(&post(&server, "/api/register", ana.clone()), 201, &said("注册成功"));
    assert_told(&post(&server, "/api/register", ana.clone()), 400, &said("用户名已存在"));
    for missing in [json!({}), json!({ "username": "bea" }), json!({ "username": "", "password": "x" })] {
        assert_told(&post(&server, "/api/register", missing.clone()), 400, &said("请提供用户名和密码"));
        assert_told(&post(&server, "/api/login", missing), 400, &said("请提供用户名和密码"));
    }
    let short = json!({ "username": "bea", "password": "short" });
    assert_told(&post(&server, "/api/register", short), 400, &said("密码长度须为8到128个字符"));

    let signed = post(&server, "/api/login", ana);
    assert_told(&signed, 200, &json!({ "token": "*", "message": "登录成功" }));
    let token = signed.json()["token"].as_str().unwrap().to_owned();
    let wrong = json!({ "username": "ana", "password": "not this" });
    assert_told(&post(&server, "/api/login", wrong), 401, &said("用户名或密码错误"));
    let nobody = json!({ "username": "nobody", "password": "not this" });
    assert_told(&post(&server, "/api/login", nobody), 401, &said("用户名或密码错误"));

    // The number of the account is where its pages look for it.
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    assert!(serde_json::from_slice::<Value>(&claims).unwrap()["user_id"].is_i64());

    assert_eq!(server.json("GET", "/api/images", &token, Value::Null).status, 200);
    assert_told(&post(&server, "/api/logout", Value::Null), 200, &said("登出成功"));
    assert_eq!(server.json("GET", "/api/images", &token, Value::Null).status, 200);
    assert_told(&server.json("POST", "/api/logout", &token, Value::Null), 200, &said("登出成功"));
    assert_told(&server.json("GET", "/api/images", &token, Value::Null), 401, &said("token已过期或无效"));
}

#[test]
fn too_many_guesses_wait_and_registration_may_be_closed() {
    let server = Home::new("auth: { registration: closed }").start();
    let bea = json!({ "username": "bea", "password": "password123" });
    assert_told(&post(&server, "/api/register", bea.clone()), 403, &said("注册未开放"));
    let refused = (0..30).map(|_| post(&server, "/api/login", bea.clone())).find(|reply| reply.status != 401);
    let refused = refused.expect("guessing ends");
    assert_told(&refused, 429, &said("尝试次数过多，请稍后再试"));
    assert!(!refused.header("retry-after").is_empty());
}

#[test]
fn a_token_is_exchanged_for_a_new_one() {
    let server = Home::new("auth: { registration: open }").start();
    let token = sign_in(&server, "ana");
    let renewed = server.json("POST", "/api/refresh", &token, Value::Null);
    assert_told(&renewed, 200, &json!({ "token": "*", "message": "token刷新成功" }));
    let next = renewed.json()["token"].as_str().unwrap().to_owned();
    for token in [&token, &next] {
        assert_eq!(server.json("GET", "/api/images", token, Value::Null).status, 200);
    }
    assert_told(&server.json("POST", "/api/refresh", "", Value::Null), 401, &said("无效的token"));
    assert_told(&server.json("POST", "/api/refresh", "rubbish", Value::Null), 401, &said("无效的token"));
    assert_eq!(server.json("POST", "/api/logout", &next, Value::Null).status, 200);
    assert_told(&server.json("POST", "/api/refresh", &next, Value::Null), 401, &said("token已过期"));
}

#[test]
fn pictures_are_listed_shown_and_deleted_by_number() {
    let server = Home::new("auth: { registration: open }").start();
    let (ana, bea) = (sign_in(&server, "ana"), sign_in(&server, "bea"));
    let bearer = format!("Bearer {ana}");
    let headers = [("authorization", &*bearer)];
    let upload = "/api/images/upload";
    let file = encoded(Format::Jpeg, 60, 40, 1);
    assert_eq!(send_file(&server, upload, &headers, "file", "猫 1.jpg", &file).status, 201);
    let second = encoded(Format::Png, 30, 20, 2);
    assert_eq!(send_file(&server, upload, &headers, "file", "b.png", &second).status, 201);

    let list = server.json("GET", "/api/images", &ana, Value::Null);
    let with_slash = server.json("GET", "/api/images/", &ana, Value::Null);
    assert_eq!(told(&list), told(&with_slash));
    let list = list.json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    let (newest, oldest) = (&list[0], &list[1]);
    assert_eq!((&newest["filename"], &oldest["filename"]), (&json!("b.png"), &json!("猫 1.jpg")));
    let keys: Vec<&String> = newest.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["created_at", "filename", "filepath", "id"]);
    let made = oldest["created_at"].as_str().unwrap();
    assert!(jiff_like(made), "{made}");
    let path = oldest["filepath"].as_str().unwrap();
    assert!(path.starts_with("/uploads/") && path.ends_with(".jpg"), "{path}");
    // The page shows it without a token.
    for path in [path.to_owned(), path.replacen("/uploads", "/api/images/uploads", 1)] {
        let shown = server.get(&path);
        assert_eq!((shown.status, shown.header("content-type")), (200, "image/jpeg"), "{path}");
        assert_eq!(shown.body, file, "{path}");
    }
    assert_told(&server.get("/uploads/none.jpg"), 404, &said("资源不存在"));

    let number = oldest["id"].as_i64().unwrap();
    let delete = format!("/api/images/delete/{number}");
    let gone = said("图片不存在或无权访问");
    assert_told(&server.json("DELETE", &delete, &bea, Value::Null), 404, &gone);
    assert_told(&server.json("DELETE", "/api/images/delete/abc", &ana, Value::Null), 404, &gone);
    assert_told(&server.json("DELETE", &delete, "", Value::Null), 401, &said("无效的token"));
    assert_told(&server.json("DELETE", &delete, &ana, Value::Null), 200, &said("图片删除成功"));
    assert_told(&server.json("DELETE", &delete, &ana, Value::Null), 404, &gone);
    assert_eq!(server.get(path).status, 404);
    assert_eq!(server.json("GET", "/api/images", &ana, Value::Null).json().as_array().unwrap().len(), 1);
    assert_eq!(told(&server.json("GET", "/api/images", &bea, Value::Null)), (200, json!([])));
    // Answered as gone, and still to be restored.
    assert_eq!(server.json("GET", "/v1/trash", &ana, Value::Null).json()["meta"]["total"], 1);
}

#[test]
fn what_is_no_upload_is_told_so() {
    let server = Home::new("auth: { registration: open }").start();
    let bearer = format!("Bearer {}", sign_in(&server, "ana"));
    let headers = [("authorization", &*bearer)];
    let upload = "/api/images/upload";
    let choose = said("请选择文件");
    let file = encoded(Format::Png, 30, 20, 1);
    assert_told(&send_file(&server, upload, &headers, "file", "", b""), 400, &choose);
    assert_told(&send_file(&server, upload, &headers, "picture", "a.png", &file), 400, &choose);
    assert_told(&server.send("POST", upload, &headers, b""), 400, &choose);
    // By its content and never by its name.
    let text = b"#!/bin/sh\necho this is no picture\n";
    assert_told(&send_file(&server, upload, &headers, "file", "a.png", text), 400, &said("不允许的文件类型"));
    assert_eq!(send_file(&server, upload, &headers, "file", "a.exe", &file).status, 201);
    assert_told(&server.get_with(upload, &headers), 405, &said("不支持的请求方式"));
    assert_told(&server.get_with("/api/images/other", &headers), 404, &said("资源不存在"));
}

#[test]
fn a_private_picture_has_no_address_for_others() {
    let server = Home::new("auth: { registration: open }\nlibrary: { visibility: private }").start();
    let token = sign_in(&server, "ana");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    let file = encoded(Format::Png, 30, 20, 1);
    assert_eq!(send_file(&server, "/api/images/upload", &headers, "file", "a.png", &file).status, 201);
    let list = server.json("GET", "/api/images", &token, Value::Null).json();
    let path = list[0]["filepath"].as_str().unwrap();
    assert_told(&server.get(path), 404, &said("资源不存在"));
    assert_eq!(server.get_with(path, &headers).body, file);
}

#[test]
fn messages_are_in_the_readers_language() {
    let server = Home::new("auth: { registration: open }").start();
    let english = [("content-type", "application/json"), ("accept-language", "en-GB,en;q=0.9,zh;q=0.2")];
    let ana = r#"{"username":"ana","password":"password123"}"#;
    assert_told(&server.post("/api/register", &english, ana), 201, &said("registered"));
    assert_told(&server.post("/api/register", &english, ana), 400, &said("the name is taken"));
    let chinese = [("content-type", "application/json"), ("accept-language", "zh-CN")];
    assert_told(&server.post("/api/register", &chinese, ana), 400, &said("用户名已存在"));
}

/// `YYYY-MM-DD HH:MM:SS`
fn jiff_like(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    shape == "9999-99-99 99:99:99"
}
