//! Other systems' clients: what they send, and byte for byte what they are answered.

mod document;
mod imageproxy;
mod mgek;
mod roadmap;
mod table;
mod vueflask;

use serde_json::{Value, json};

use crate::support::{Home, Reply, Server};
use crate::uploads::form;

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=XyZ");

/// One file in a field of a form.
fn send_file(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
    field: &str,
    name: &str,
    file: &[u8],
) -> Reply {
    let headers: Vec<_> = [FORM].into_iter().chain(headers.iter().copied()).collect();
    server.send("POST", path, &headers, &form(&[(field, Some(name), file)]))
}

/// Status and JSON of an answer.
fn told(reply: &Reply) -> (u16, Value) {
    (reply.status, reply.json())
}

/// The same values but where `"*"` is expected, which is any text, and objects have no other keys.
fn fits(expected: &Value, given: &Value) -> bool {
    match (expected, given) {
        (Value::String(any), Value::String(_)) if any == "*" => true,
        (Value::Object(expected), Value::Object(given)) => {
            expected.len() == given.len()
                && expected.iter().all(|(key, value)| given.get(key).is_some_and(|given| fits(value, given)))
        }
        (Value::Array(expected), Value::Array(given)) => {
            expected.len() == given.len() && expected.iter().zip(given).all(|(a, b)| fits(a, b))
        }
        _ => expected == given,
    }
}

#[track_caller]
fn assert_told(reply: &Reply, status: u16, expected: &Value) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(fits(expected, &reply.json()), "expected {expected}\ngot      {}", reply.json());
}

/// A `GET` with JSON in its body, as the clients of img_bed make it.
fn get_with_json(server: &Server, path: &str, body: &Value) -> Reply {
    server.send("GET", path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

#[test]
fn what_is_switched_off_is_not_there() {
    let server = Home::new(
        "auth: { registration: open }\n\
         dialects: { roadmap: false, vueflask: { enabled: false }, mgek: false, imageproxy: false }\n",
    )
    .start();
    for (method, path) in [
        ("POST", "/register"),
        ("GET", "/images?page=1"),
        ("GET", "/images/a.png"),
        ("GET", "/tasks/x/status"),
        ("POST", "/api/login"),
        ("GET", "/api/images"),
        ("GET", "/api/images/none"),
        ("GET", "/uploads/a.png"),
        ("POST", "/api/get_token"),
        ("GET", "/api/image_list?token=a"),
        ("GET", "/secure_get/0123456789abcdef0123456789abcdef?token=a"),
        ("GET", "/download_db?username=a&password=b"),
    ] {
        let reply = server.send(method, path, &[("content-type", "application/json")], b"{}");
        assert_eq!((reply.status, &*reply.code()), (404, "not_found"), "{method} {path} {}", reply.text());
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
    }
    // The native route of that path goes on, which knows no such options.
    let info = server.get("/info/0123456789abcdef0123456789abcdef?username=a&password=b");
    assert_eq!((info.status, info.header("content-type")), (400, "application/problem+json"));
    assert_eq!(info.code(), "unknown_option");
}

#[test]
fn a_page_of_another_origin_may_ask_after_a_preflight() {
    let server = Home::new("auth: { registration: open }").start();
    let asks = [
        ("origin", "http://localhost:5173"),
        ("access-control-request-method", "DELETE"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let allowed = server.request("OPTIONS", "/api/images/delete/7", &asks);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, "*"));
    let methods = allowed.header("access-control-allow-methods");
    assert!(["GET", "POST", "PUT", "DELETE"].iter().all(|method| methods.contains(method)), "{methods}");
    let headers = allowed.header("access-control-allow-headers");
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
    assert!(allowed.header("access-control-allow-credentials").is_empty());
    // What is refused may be read as well, or the page could not say why.
    let refused = server.get_with("/api/images", &[("origin", "http://localhost:5173")]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, "*"));

    // Where nobody needs an account, a foreign page would act as its visitor.
    let server = Home::new("auth: { required: false }").start();
    let allowed = server.request("OPTIONS", "/api/images/upload", &asks);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, ""));
    assert_eq!(told(&server.get("/api/images")), (200, json!([])));
}

#[test]
fn addresses_that_are_shut_out_hear_it_in_their_dialect() {
    let server = Home::new("http: { deny: [203.0.113.0/24] }").start();
    let from = [("x-forwarded-for", "203.0.113.9")];
    let refused = server.get_with("/api/images", &from);
    assert_told(&refused, 403, &json!({ "message": "该地址不允许访问" }));
    let refused = server.get_with("/api/image_list", &from);
    assert_told(&refused, 403, &json!({ "type": "error", "data": "该地址不允许访问" }));
    let refused = server.get_with("/images", &from);
    assert_eq!((refused.status, &*refused.code()), (403, "forbidden_address"));
}

#[test]
fn credentials_in_queries_are_in_no_log() {
    let server = Home::new(
        "auth: { registration: open }\nlog: { level: debug, access: all }\ndialects: { imageproxy: true }\n",
    )
    .start();
    for path in [
        "/api/image_list?token=S3cretS3cret",
        "/api/remove_token?mail=ana@example.org&check=S3cretS3cret",
        "/info/0123456789abcdef0123456789abcdef?username=ana&password=S3cretS3cret",
        "/secure_get/0123456789abcdef0123456789abcdef?token=S3cretS3cret",
    ] {
        let reply = server.get(path);
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
    }
    let home = server.stop();
    let log = std::fs::read_to_string(home.path().join("log.txt")).unwrap();
    assert!(log.contains("/api/image_list"), "{log}");
    assert!(!log.contains("S3cretS3cret") && !log.contains("ana@example.org"), "{log}");
}

#[test]
fn a_credential_counts_only_where_its_dialect_has_it() {
    let server = Home::new("auth: { registration: open }").start();
    let token = crate::uploads::account(&server, "ana");
    // In the query it is img_bed's own and nobody else's.
    for path in ["/images", "/api/images", "/v1/images"] {
        assert_eq!(server.get(&format!("{path}?token={token}")).status, 401, "{path}");
    }
    assert_eq!(server.get(&format!("/api/image_list?token={token}")).json()["type"], "ok");
    assert_eq!(server.json("GET", "/api/image_list", &token, Value::Null).json()["type"], "ok");
}
