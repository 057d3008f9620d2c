//! Chevereto's ways of sending a picture, and what any form and any JSON may look like.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, key, only_picture, path_of, send_form};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply};
use crate::uploads::{account, form};

const URLENCODED: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn code(reply: &Reply) -> (u16, i64) {
    (reply.status, reply.json()["error"]["code"].as_i64().unwrap())
}

#[test]
fn a_source_is_a_file_base64_or_an_address_and_the_key_may_be_a_field() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let key = key(&server, &ana, &["upload"]);
    // Larger than what is looked at for a key.
    let png = encoded(Format::Png, 200, 200, 1);
    assert!(png.len() > 80_000, "{}", png.len());
    let text = STANDARD.encode(&png);
    let field =
        |parts: &[(&str, Option<&str>, &[u8])]| send_form(&server, "/api/1/upload", ("x-none", "1"), parts);

    let first = field(&[("key", None, key.as_bytes()), ("source", Some("cat.png"), &png)]);
    assert_eq!(first.status, 200, "{}", first.text());
    let url = first.json()["image"]["url"].as_str().unwrap().to_owned();
    assert_eq!(server.get(path_of(&server, &url)).body, png);
    let as_text = field(&[("key", None, key.as_bytes()), ("source", None, text.as_bytes())]);
    assert_eq!(as_text.json()["image"]["url"], url, "{}", as_text.text());
    let encoded_text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    for body in [format!("key={key}&source={encoded_text}"), format!("key={key}&x=1&source={encoded_text}")] {
        let sent = server.post("/api/1/upload/", &[URLENCODED], &body);
        assert_eq!(sent.json()["image"]["url"], url, "{}", sent.text());
    }
    let sent =
        server.post(&format!("/api/1/upload?key={key}"), &[URLENCODED], &format!("source={encoded_text}"));
    assert_eq!(sent.status, 200, "{}", sent.text());

    // From somebody who is not known yet a picture is not taken.
    assert_eq!(code(&field(&[("source", Some("cat.png"), &png), ("key", None, key.as_bytes())])), (401, 100));
    assert_eq!(code(&field(&[("source", Some("cat.png"), &png)])), (401, 100));
    assert_eq!(code(&field(&[("key", None, b"wrong"), ("source", Some("cat.png"), &png)])), (401, 100));
    assert_eq!(
        code(&server.post("/api/1/upload", &[URLENCODED], &format!("source={encoded_text}&key={key}"))),
        (401, 100)
    );
    // A small one is seen as a whole.
    let small = encoded(Format::Png, 20, 20, 1);
    let behind = field(&[("source", Some("small.png"), &small), ("key", None, key.as_bytes())]);
    assert_eq!(behind.status, 200, "{}", behind.text());

    assert_eq!(code(&field(&[("key", None, key.as_bytes())])), (400, 130));
    assert_eq!(code(&field(&[("key", None, key.as_bytes()), ("source", None, b"%%%")])), (400, 310));
    let local = field(&[("key", None, key.as_bytes()), ("source", None, b"http://127.0.0.1:1/a.png")]);
    assert_eq!(code(&local), (400, 310), "{}", local.text());
    assert_eq!(code(&server.post("/api/1/upload", &[("x-api-key", &key)], "")).0, 415);
    let reader = super::key(&server, &ana, &["read"]);
    assert_eq!(
        code(&field(&[("key", None, reader.as_bytes()), ("source", Some("a.png"), &png)])),
        (403, 100)
    );
    assert!(!server.log().contains(&key), "the key is in the log");
}

#[test]
fn what_is_said_beside_the_source_is_recorded_and_answers_have_three_forms() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let key = key(&server, &ana, &["upload"]);
    let album = server.json("POST", "/v1/albums", &ana, json!({ "name": "Sea" })).json();
    let album = album["id"].as_str().unwrap().to_owned();
    let png = encoded(Format::Png, 20, 20, 1);
    let send = |texts: &[(&str, &str)]| {
        let mut parts: Vec<(&str, Option<&str>, &[u8])> = vec![("source", Some("cat.png"), &png)];
        parts.extend(texts.iter().map(|(name, text)| (*name, None, text.as_bytes())));
        send_form(&server, "/api/1/upload", ("x-api-key", &key), &parts)
    };
    for (name, text) in [("expiration", "3D"), ("expiration", "P0D"), ("expiration", "soon")] {
        assert_eq!(code(&send(&[(name, text)])), (400, 310), "{text}");
    }
    assert_eq!(code(&send(&[("album_id", "nothere")])), (404, 120));
    let texts = [
        ("title", "A cat"),
        ("tags", "sea, town"),
        ("album_id", &album),
        ("expiration", "P3D"),
        ("format", "json"),
    ];
    let kept = send(&texts);
    assert_eq!(kept.status, 200, "{}", kept.text());
    let image = only_picture(&server, &ana);
    assert_eq!((&image["name"], &image["albums"]), (&json!("A cat"), &json!([album])));
    assert_eq!(image["tags"], json!(["sea", "town"]));
    let seconds = |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let span = seconds(&image["expires_at"]) - seconds(&image["created_at"]);
    assert!((3 * 86_400 - 2..=3 * 86_400 + 2).contains(&span), "{span}");
    assert_eq!(kept.json()["image"]["expiration"], seconds(&image["expires_at"]));

    let url = image["url"].as_str().unwrap();
    let plain = send(&[("format", "txt")]);
    assert_eq!((plain.text().as_str(), plain.header("content-type")), (url, "text/plain; charset=utf-8"));
    let moved = send(&[("format", "redirect")]);
    assert_eq!((moved.status, moved.header("location")), (302, url));
}

#[test]
fn sm_ms_takes_its_own_field_and_no_other() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let png = encoded(Format::Png, 20, 20, 1);
    let send = |value: &str, field: &str| {
        send_form(&server, "/api/v2/upload", ("authorization", value), &[(field, Some("a.png"), &png)])
    };
    let other = send(&ana, "file");
    let expected = json!({
        "success": false, "code": "no_file", "message": "No files were uploaded.",
        "RequestId": other.header("x-request-id"),
    });
    assert_eq!((other.status, other.json()), (404, expected));
    assert_eq!(server.json("GET", "/v1/images", &ana, Value::Null).json()["meta"]["total"], 0);
    assert_eq!(send(&ana, "smfile").json()["code"], "success");
    assert_eq!(send(&format!("Bearer {ana}"), "smfile").json()["code"], "image_repeated");
    // Its clients send the token alone; elsewhere that is none.
    assert_eq!(server.get_with("/v1/me", &[("authorization", &ana)]).status, 401);
}

#[test]
fn any_form_and_any_json_is_taken_where_one_says_oneself_what_is_sent() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let key = key(&server, &ana, &["upload"]);
    let png = encoded(Format::Png, 20, 20, 1);
    let base64 = STANDARD.encode(&png);
    let data = format!("data:image/png;base64,{base64}");
    let mut seen = Vec::new();
    for body in [
        json!({ "image": base64 }),
        json!({ "base64": base64, "name": "named.png" }),
        json!({ "file": data, "filename": "x.png" }),
        json!({ "data": base64.replace('+', "-").replace('/', "_") }),
    ] {
        let sent = server.json("POST", "/api/upload", &key, body);
        assert!([200, 201].contains(&sent.status), "{}", sent.text());
        seen.push(sent.json()["url"].as_str().unwrap().to_owned());
    }
    assert!(seen.iter().all(|url| *url == seen[0]), "{seen:?}");
    // Longer than texts in forms are otherwise.
    let large = encoded(Format::Png, 100, 100, 2);
    let text = STANDARD.encode(&large);
    for header in [("x-api-key", &*key), ("token", &*key), ("authorization", &*format!("Bearer {key}"))] {
        let sent = send_form(&server, "/api/upload?format=text", header, &[("image", None, text.as_bytes())]);
        assert!([200, 201].contains(&sent.status), "{}", sent.text());
        let url = sent.text();
        assert_eq!(server.get(path_of(&server, url.strip_suffix('\n').unwrap())).body, large);
    }
    for (body, said) in [
        (json!({}), "no file was sent"),
        (json!({ "image": "" }), "no file was sent"),
        (json!({ "picture": base64 }), "no file was sent"),
    ] {
        let refused = server.json("POST", "/api/upload", &key, body);
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!(said)), "{}", refused.text());
    }
    assert_eq!(server.json("POST", "/api/upload?format=xml", &key, json!({ "image": base64 })).status, 400);
    assert_eq!(
        server.json("POST", &format!("/api/upload?key={key}"), "", json!({ "image": base64 })).status,
        401
    );
    let long = [("image", None, text.as_bytes()), ("file", None, text.as_bytes())];
    let twice = server.send(
        "POST",
        "/api/upload",
        &[("content-type", "multipart/form-data; boundary=XyZ"), ("x-api-key", &key)],
        &form(&long),
    );
    assert_eq!(twice.status, 413, "{}", twice.text());
}
