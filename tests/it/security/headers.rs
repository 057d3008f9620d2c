//! What every kind of answer says to browsers that must not trust it.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::open_source;
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, post};

fn server() -> Server {
    Home::demo_with(&format!("{}auth: {{ registration: open }}\n", open_source())).start()
}

fn nosniff(name: &str, reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{name}: {:?}", reply.headers);
    assert!(!reply.header("content-type").is_empty() || reply.body.is_empty(), "{name}: {:?}", reply.headers);
    assert_eq!((reply.header("server"), reply.header("x-powered-by")), ("", ""), "{name}");
}

#[test]
fn pages_load_nothing_foreign_and_stand_in_no_frame() {
    let server = server();
    let ana = account(&server, "ana");
    let made = post(&server, &ana, &[], &[("file", Some("a.png"), &encoded(Format::Png, 40, 30, 1))]).json();
    let id = made["images"][0]["id"].as_str().unwrap();
    let locked =
        server.json("POST", &format!("/v1/images/{id}/shares"), &ana, json!({"password": "a long password"}));
    assert_eq!(locked.status, 201, "{}", locked.text());
    let share = locked.json()["url"].as_str().unwrap().replace(&server.url, "");
    let html = [("accept", "text/html")];
    for (path, status) in [
        ("/", 200),
        ("/docs", 200),
        ("/docs/errors", 200),
        ("/docs/transforms", 200),
        ("/setup/wrong", 410),
        ("/recover/wrong", 410),
        ("/goodbye/wrong", 410),
        (&*share, 401),
        ("/share/wrong", 404),
    ] {
        let reply = server.get_with(path, &html);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, "text/html; charset=utf-8"),
            "{path}"
        );
        nosniff(path, &reply);
        let policy = reply.header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-eval") && !policy.contains("script-src *"), "{path}: {policy}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        if status != 200 {
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        }
    }
}

#[test]
fn the_api_is_kept_by_nobody_and_read_by_no_other_origin() {
    let server = server();
    let ana = account(&server, "ana");
    let made = post(&server, &ana, &[], &[("file", Some("a.png"), &encoded(Format::Png, 40, 30, 1))]).json();
    let id = made["images"][0]["id"].as_str().unwrap();
    let key = server.json("POST", "/v1/keys", &ana, json!({"name": "k"}));
    assert_eq!(key.status, 201, "{}", key.text());
    nosniff("a new key", &key);
    for (method, path, bearer, status) in [
        ("GET", "/v1/me", &*ana, 200),
        ("GET", "/v1/images", &ana, 200),
        ("GET", &format!("/v1/images/{id}"), &ana, 200),
        ("GET", "/v1/keys", &ana, 200),
        ("GET", "/v1/me", "", 401),
        ("GET", "/v1/me", "wrong", 401),
        ("GET", "/v1/admin/users", &ana, 403),
        ("GET", "/v1/images/none", &ana, 404),
        ("PUT", "/v1/me", &ana, 405),
        ("POST", "/v1/keys", &ana, 400),
        ("OPTIONS", "/v1/me", "", 204),
    ] {
        let authorization = format!("Bearer {bearer}");
        let mut headers = vec![("origin", "https://evil.example"), ("content-type", "application/json")];
        if !bearer.is_empty() {
            headers.push(("authorization", &authorization));
        }
        let body: &[u8] = if method == "POST" { b"{\"name\":1}" } else { b"" };
        let reply = server.send(method, path, &headers, body);
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert_eq!(reply.header("access-control-allow-origin"), "", "{method} {path}");
        assert_eq!(reply.header("access-control-allow-credentials"), "", "{method} {path}");
        if status != 204 {
            nosniff(path, &reply);
            assert!(reply.header("content-type").ends_with("json"), "{path}");
            assert_eq!(reply.header("cache-control"), "no-store", "{method} {path}");
        }
    }
    // A stranger's refusal in a cache would be the owner's next answer.
    let bea = account(&server, "bea");
    for bearer in ["", &*bea] {
        let refused = server.json("GET", &format!("/v1/images/{id}"), bearer, Value::Null);
        assert!(matches!(refused.status, 401 | 404), "{}", refused.text());
        assert_eq!(refused.header("cache-control"), "no-store");
    }
}

#[test]
fn pictures_say_what_they_are_and_that_they_may_be_embedded() {
    let server = server();
    for (path, kind) in [
        ("/i/demo/w_30,f_png", "image/png"),
        ("/i/demo/w_30,f_jpg", "image/jpeg"),
        ("/i/demo", "image/jpeg"),
        ("/i/demo/f_orig", "image/jpeg"),
        ("/r/s/f_orig/animated.gif", "image/gif"),
        ("/r/s/f_orig/drawing.svg", "image/svg+xml"),
    ] {
        for headers in [&[][..], &[("range", "bytes=0-9")][..]] {
            let reply = server.get_with(path, headers);
            assert!(matches!(reply.status, 200 | 206), "{path}: {}", reply.text());
            nosniff(path, &reply);
            assert_eq!(reply.header("content-type"), kind, "{path}");
            assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin", "{path}");
            let policy = reply.header("content-security-policy");
            assert_eq!(
                policy.contains("sandbox") && policy.contains("default-src 'none'"),
                kind.contains("svg"),
                "{path}"
            );
        }
        nosniff(path, &server.get_with(path, &[("range", "bytes=99999999-")]));
    }
    for (name, path) in [
        ("explain", "/explain/i/demo/w_30"),
        ("info", "/info/demo"),
        ("error", "/i/demo/w_x"),
        ("health", "/healthz"),
        ("metrics", "/metrics"),
        ("nothing", "/nothing"),
        ("openapi", "/openapi.json"),
    ] {
        nosniff(name, &server.get(path));
    }
    let asset =
        server.get("/docs").text().split('"').find(|part| part.starts_with("/docs/api/")).unwrap().to_owned();
    nosniff(&asset, &server.get(&asset));
}
