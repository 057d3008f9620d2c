//! The wire of Image Proxy Project, route by route.

use std::io::Write as _;
use std::process::Stdio;

use md5::Md5;
use pixedge::codec::Format;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{assert_told, send_file, told};
use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::account;

const FORBIDDEN: &str = "权限不足，请联系管理员";

fn start() -> Server {
    Home::new("auth: { registration: open }\ndialects: { imageproxy: true }").start()
}

fn login(name: &str) -> String {
    format!("username={name}&password=password123")
}

#[test]
fn a_picture_is_found_by_its_md5_and_only_by_its_owner() {
    let server = start();
    let (ana, _) = (account(&server, "ana"), account(&server, "bea"));
    let file = encoded(Format::Png, 40, 30, 1);
    let md5: String = Md5::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let info = |query: &str| server.get(&format!("/info/{md5}?{query}"));
    assert_told(&info(&login("ana")), 404, &json!({ "detail": "Not found" }));
    let sent = send_file(&server, &format!("/upload?{}", login("ana")), &[], "file", "a.png", &file);
    assert_eq!(sent.json()["status"], "uploaded", "{}", sent.text());
    let found = info(&login("ana"));
    let mut expected = sent.json();
    expected["status"] = json!("existing");
    assert_eq!(told(&found), (200, expected));
    assert_eq!(found.header("referrer-policy"), "no-referrer");
    assert_told(&info(&login("bea")), 404, &json!({ "detail": "Not found" }));
    assert_told(&info("username=ana&password=wrong-password"), 403, &json!({ "detail": FORBIDDEN }));
    // Without both it is the native route.
    assert_eq!(info("username=ana").header("content-type"), "application/problem+json");

    let get = |token: &str| server.get(&format!("/secure_get/{md5}?token={token}"));
    let shown = get(&ana);
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/png"), "{}", shown.text());
    assert_eq!(shown.body, file);
    assert_told(&get("rubbish"), 403, &json!({ "detail": FORBIDDEN }));
    assert_told(&server.get(&format!("/secure_get/{md5}")), 403, &json!({ "detail": FORBIDDEN }));
    let none = server.get(&format!("/secure_get/{}?token={ana}", "0".repeat(32)));
    assert_told(&none, 404, &json!({ "detail": "Not found" }));

    // And by the native route that new clients use.
    let native = server.json("GET", &format!("/v1/images/by-hash/{md5}"), &ana, Value::Null);
    assert_eq!((native.status, &native.json()["md5"]), (200, &json!(md5)));
}

#[test]
fn the_end_of_a_picture_is_told_in_seconds() {
    let server = Home::new(
        "auth: { registration: open }\ndialects: { imageproxy: true }\ncleanup: { enable: true, expire_days: 30 }",
    )
    .start();
    account(&server, "ana");
    let file = encoded(Format::Png, 40, 30, 1);
    let sent = send_file(&server, &format!("/upload?{}", login("ana")), &[], "file", "a.png", &file);
    let ends = sent.json()["expire_at"].as_i64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((now + 30 * 86_400 - ends).abs() < 60, "{ends}");
}

#[test]
fn an_upload_without_a_file_is_told_so() {
    let server = start();
    account(&server, "ana");
    let empty = send_file(&server, &format!("/upload?{}", login("ana")), &[], "other", "a.png", b"x");
    assert_told(&empty, 400, &json!({ "detail": "参数错误" }));
    let refused = send_file(&server, "/upload?username=eve&password=password123", &[], "file", "a.png", b"x");
    assert_told(&refused, 403, &json!({ "detail": FORBIDDEN }));
}

#[test]
fn the_database_is_for_administrators() {
    let server = start();
    account(&server, "ana");
    let refused = server.get(&format!("/download_db?{}", login("ana")));
    assert_told(&refused, 403, &json!({ "detail": FORBIDDEN }));
    let mut made = server.home().command(&["user", "create", "root", "--role", "admin"]);
    let mut made = made.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(b"password123\n").unwrap();
    assert!(made.wait().unwrap().success());
    let file = server.get(&format!("/download_db?{}", login("root")));
    assert_eq!((file.status, file.header("content-type")), (200, "application/octet-stream"));
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"images.db\"");
    assert!(file.body.starts_with(b"SQLite format 3\0"));
}
