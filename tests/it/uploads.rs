//! Pictures coming in over HTTP: forms, base64, URLs, repeats, limits, quotas and signed uploads.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use pixedge::codec::Format;
use pixedge::db::{self, Db};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::pictures::{encoded, header};
use crate::support::{Home, Reply, Server};

const OPEN: &str = "auth: { registration: open }\n";

/// An account's access token.
pub fn account(server: &Server, name: &str) -> String {
    let made = server.json("POST", "/v1/register", "", json!({"username": name, "password": "password123"}));
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["access_token"].as_str().unwrap().to_owned()
}

/// A form with files and texts.
pub fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file =
            file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream"));
        let head = format!(
            "--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{}\r\n\r\n",
            file.unwrap_or_default()
        );
        body.extend(head.as_bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XyZ--\r\n");
    body
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=XyZ");

pub fn post(
    server: &Server,
    token: &str,
    more: &[(&str, &str)],
    parts: &[(&str, Option<&str>, &[u8])],
) -> Reply {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![FORM];
    if !token.is_empty() {
        headers.push(("authorization", &bearer));
    }
    headers.extend(more);
    server.send("POST", "/v1/images", &headers, &form(parts))
}

fn picture(side: u32, seed: u32) -> Vec<u8> {
    encoded(Format::Png, side, side, seed)
}

/// Runs one statement on the server's database.
pub fn sql(home: &Home, statement: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&db::Config::default(), &home.path().join("data")).await.unwrap();
        db.execute(statement, &[]).await.unwrap();
        db.close().await;
    });
}

#[test]
fn a_form_with_files_and_what_is_to_be_recorded() {
    let server = Home::new(OPEN).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let png = picture(40, 1);
    let parts: [(&str, Option<&str>, &[u8]); 5] = [
        ("file", Some("Été [1].png"), &png),
        ("whatever", Some("note.txt"), b"this is no picture"),
        ("visibility", None, b"private"),
        ("tags", None, b"Sea, holiday"),
        ("expires_in", None, b"3600"),
    ];
    let answer = post(&server, &ana, &[], &parts);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = answer.json();
    let image = &answer["images"][0];
    assert_eq!((image["width"].as_u64(), image["format"].as_str()), (Some(40), Some("png")));
    assert_eq!((&image["visibility"], &image["duplicate"]), (&json!("private"), &json!(false)));
    assert!(image["expires_at"].is_string());
    let sha256: String = Sha256::digest(&png).iter().map(|byte| format!("{byte:02x}")).collect();
    let md5: String = Md5::digest(&png).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((image["sha256"].as_str(), image["md5"].as_str()), (Some(&*sha256), Some(&*md5)));
    let markdown = image["links"]["markdown"].as_str().unwrap();
    assert!(markdown.starts_with("![Été \\[1\\].png](http"), "{markdown}");
    assert_eq!(answer["errors"][0]["code"], "not_an_image");
    assert_eq!(
        (&answer["errors"][0]["index"], &answer["errors"][0]["name"]),
        (&json!(1), &json!("note.txt"))
    );

    for hash in [&sha256, &md5, &md5.to_uppercase()] {
        let found = server.json("GET", &format!("/v1/images/by-hash/{hash}"), &ana, Value::Null);
        assert_eq!((found.status, &found.json()["id"]), (200, &image["id"]), "{}", found.text());
        assert_eq!(server.json("GET", &format!("/v1/images/by-hash/{hash}"), &bea, Value::Null).status, 404);
    }
    assert_eq!(server.json("GET", "/v1/images/by-hash/xyz", &ana, Value::Null).status, 400);

    let again = post(&server, &ana, &[], &[("f", Some("again.png"), &png)]);
    assert_eq!((again.status, &again.json()["images"][0]["id"]), (200, &image["id"]));
    let others = post(&server, &bea, &[], &[("f", Some("b.png"), &png)]);
    assert_eq!(others.status, 201);
    let other = others.json()["images"][0].clone();
    assert_ne!(other["id"], image["id"]);
    // At once under /i/, and the bytes are those that came.
    let id = other["id"].as_str().unwrap();
    let served = server.get(&format!("/i/{id}/w_20,fmt_webp"));
    assert_eq!((served.status, served.header("content-type")), (200, "image/webp"));

    let only_bad = post(&server, &ana, &[], &[("f", Some("a.png"), b"nothing")]);
    assert_eq!((only_bad.status, &*only_bad.code()), (415, "not_an_image"));
    let misspelt = post(&server, &ana, &[], &[("f", Some("a.png"), &png), ("visibilty", None, b"public")]);
    assert_eq!((misspelt.status, &*misspelt.code()), (400, "invalid_fields"));
    assert!(misspelt.text().contains("visibility"), "{}", misspelt.text());
    assert_eq!(post(&server, &ana, &[], &[("visibility", None, b"public")]).status, 400);
    assert_eq!(post(&server, "", &[], &[("f", Some("a.png"), &png)]).status, 401);
    let album = post(&server, &ana, &[], &[("f", Some("a.png"), &png), ("album", None, b"nothere")]);
    assert_eq!(album.status, 404, "{}", album.text());
    assert_eq!(server.home().run(&["sweep", "--grace", "0s"]).split(';').nth(1), Some(" 0 missing\n"));
}

#[test]
fn base64_and_urls_in_json() {
    let there = Home::new(OPEN).start();
    let ana = account(&there, "ana");
    let png = picture(30, 2);
    let sent =
        there.json("POST", "/v1/images", &ana, json!({"base64": STANDARD.encode(&png), "name": "a b.png"}));
    assert_eq!(sent.status, 201, "{}", sent.text());
    let sent = sent.json()["images"][0].clone();
    assert_eq!((&sent["name"], &sent["bytes"]), (&json!("a b.png"), &json!(png.len())));
    let data = format!("data:image/png;base64,{}", STANDARD.encode(&png));
    assert_eq!(there.json("POST", "/v1/images", &ana, json!({"base64": data})).status, 200);
    for (wrong, field) in [
        (json!({"base64": "%%%"}), "base64"),
        (json!({"base64": 7}), "base64"),
        (json!({}), "base64"),
        (json!({"base64": "aaaa", "url": "http://x"}), "base64"),
        (json!({"base64": "aaaa", "expires_in": 0}), "expires_in"),
        (json!({"url": "http://x", "nam": "x"}), "nam"),
    ] {
        let refused = there.json("POST", "/v1/images", &ana, wrong.clone());
        assert_eq!(
            (refused.status, &*refused.code()),
            (400, "invalid_fields"),
            "{wrong}: {}",
            refused.text()
        );
        assert!(refused.text().contains(field), "{}", refused.text());
    }

    let here = Home::new(&format!(
        "{OPEN}uploads: {{ allow_addresses: [127.0.0.0/8], hosts: [\"{}\"] }}",
        there.address()
    ))
    .start();
    let bea = account(&here, "bea");
    let url = format!("{}/i/{}/fmt_png", there.url, sent["id"].as_str().unwrap());
    let fetched = here.json("POST", "/v1/images", &bea, json!({"url": url}));
    assert_eq!(fetched.status, 201, "{}", fetched.text());
    assert_eq!(fetched.json()["images"][0]["width"], 30);
    for (url, status, code) in [
        (format!("{}/i/nothere", there.url), 502, "source_failed"),
        ("file:///etc/passwd".to_owned(), 400, "bad_url"),
        ("http://user:word@127.0.0.1/".to_owned(), 400, "bad_url"),
        ("http://[::1]:1/".to_owned(), 400, "bad_url"),
        (format!("{}/", there.url), 415, "not_an_image"),
    ] {
        let refused = here.json("POST", "/v1/images", &bea, json!({"url": url}));
        assert_eq!((refused.status, &*refused.code()), (status, code), "{url}: {}", refused.text());
    }
    // Without the permission no address of this machine is asked.
    let refused = there.json("POST", "/v1/images", &ana, json!({"url": url}));
    assert_eq!((refused.status, &*refused.code()), (400, "bad_url"));
}

#[test]
fn a_repeat_with_the_same_key_gets_the_same_answer() {
    let server = Home::new(OPEN).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let (one, two) = (picture(20, 3), picture(20, 4));
    let key = [("idempotency-key", "k-1")];
    let first = post(&server, &ana, &key, &[("f", Some("a.png"), &one)]);
    let again = post(&server, &ana, &key, &[("f", Some("a.png"), &one)]);
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (201, 201, "true"));
    assert_eq!(first.text(), again.text());
    let other = post(&server, &ana, &key, &[("f", Some("a.png"), &two)]);
    assert_eq!((other.status, &*other.code()), (422, "idempotency_mismatch"));
    assert_eq!(post(&server, &bea, &key, &[("f", Some("a.png"), &two)]).status, 201);
    // What failed may be tried again.
    let key = [("idempotency-key", "k-2")];
    assert_eq!(post(&server, &ana, &key, &[("f", Some("a.png"), b"no")]).status, 415);
    assert_eq!(post(&server, &ana, &key, &[("f", Some("a.png"), &two)]).status, 201);
}

#[test]
fn limits_are_kept_while_bytes_arrive() {
    let server = Home::new(&format!("{OPEN}uploads: {{ max_bytes: 50kB, types: [image/png] }}")).start();
    let ana = account(&server, "ana");
    let large =
        post(&server, &ana, &[], &[("f", Some("a.png"), &[7; 60_000]), ("visibility", None, b"public")]);
    assert_eq!((large.status, &*large.code()), (413, "too_many_bytes"), "{}", large.text());
    let jpeg = encoded(Format::Jpeg, 20, 20, 1);
    let other = post(&server, &ana, &[], &[("f", Some("a.png"), &jpeg)]);
    assert_eq!((other.status, &*other.code()), (415, "type_not_allowed"));
    // The answer comes before an endless body has ended.
    let endless = format!(
        "POST /v1/images HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ana}\r\nContent-Type: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}",
        FORM.1,
        {
            let piece = form(&[("f", Some("a.png"), &[7; 70_000])]);
            let piece = String::from_utf8_lossy(&piece[..70_000]).into_owned();
            format!("{:x}\r\n{piece}\r\n", piece.len())
        }
    );
    let answer = server.raw(&endless, std::time::Duration::from_secs(20));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let left = std::fs::read_dir(server.home().path().join("data/objects/.temporary")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn of_two_hundred_at_once_ten_fit() {
    let server = Home::new(OPEN).start();
    for (name, by_bytes) in [("ana", false), ("bea", true)] {
        let token = account(&server, name);
        let pictures: Vec<Vec<u8>> = (0..200).map(bmp).collect();
        sql(
            server.home(),
            if by_bytes {
                // A picture has 54 + 3 × 4 × 100 bytes.
                "UPDATE users SET quota_bytes = 12540 WHERE name = 'bea'"
            } else {
                "UPDATE users SET quota_files = 10 WHERE name = 'ana'"
            },
        );
        let accepted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..20 {
                let (server, token, pictures, accepted) = (&server, &token, &pictures, &accepted);
                scope.spawn(move || {
                    for picture in pictures.iter().skip(thread * 10).take(10) {
                        let answer = post(server, token, &[], &[("f", Some("a.bmp"), picture)]);
                        match answer.status {
                            201 => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                            _ => assert_eq!((answer.status, &*answer.code()), (403, "quota_exceeded")),
                        }
                    }
                });
            }
        });
        assert_eq!(accepted.into_inner(), 10, "{name}");
    }
}

/// 40 × 10 pixels; all seeds give as many bytes.
fn bmp(seed: u8) -> Vec<u8> {
    let (width, height) = (40u32, 10u32);
    let mut bytes = Vec::from(*b"BM");
    for number in
        [54 + 3 * width * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, 3 * width * height, 0, 0, 0, 0]
    {
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(54 + (3 * width * height) as usize, seed);
    bytes
}

#[test]
fn other_content_under_the_same_url() {
    let server = Home::new(OPEN).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let made = post(&server, &ana, &[], &[("f", Some("a.png"), &picture(20, 5))]).json();
    let id = made["images"][0]["id"].as_str().unwrap();
    let put = |token: &str, bytes: &[u8]| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("content-type", "image/png")];
        server.send("PUT", &format!("/v1/images/{id}/content"), &headers, bytes)
    };
    let second = put(&ana, &picture(50, 6));
    assert_eq!((second.status, &second.json()["width"]), (200, &json!(50)), "{}", second.text());
    assert_eq!(second.json()["name"], "a.png");
    assert_eq!(header(&server.get(&format!("/i/{id}/fmt_png")).body).width, 50);
    assert_eq!(put(&bea, &picture(50, 7)).status, 404);
    assert_eq!(put(&ana, b"no picture").status, 415);
}

#[test]
fn a_signed_url_takes_one_picture_and_says_why_not() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let sign = |wish: Value| {
        let signed = server.json("POST", "/v1/uploads/sign", &ana, wish);
        assert_eq!(signed.status, 201, "{}", signed.text());
        let url = signed.json()["url"].as_str().unwrap().to_owned();
        url.strip_prefix(&server.url).unwrap().to_owned()
    };
    let png = picture(20, 8);
    let put =
        |path: &str, bytes: &[u8]| server.send("PUT", path, &[("origin", "https://app.example")], bytes);
    let url = sign(json!({"name": "given.png", "visibility": "private", "tags": ["x"]}));
    assert_eq!(put(&url, b"no picture").status, 415);
    // A failure does not use it up.
    let done = retry(|| put(&url, &png), 409);
    assert_eq!((done.status, done.header("access-control-allow-origin")), (201, "*"), "{}", done.text());
    let image = done.json()["images"][0].clone();
    assert_eq!((&image["name"], &image["visibility"]), (&json!("given.png"), &json!("private")));
    let used = put(&url, &png);
    assert_eq!((used.status, &*used.code()), (409, "ticket_used"));
    assert_eq!(used.header("access-control-allow-origin"), "*");
    let tampered = put(&format!("{url}x"), &png);
    assert_eq!((tampered.status, &*tampered.code()), (403, "bad_ticket"));

    let many = sign(json!({"once": false}));
    for seed in 20..23 {
        let form = form(&[("f", Some("a.png"), &picture(20, seed))]);
        assert_eq!(server.send("POST", &many, &[FORM], &form).status, 201);
    }
    let small = sign(json!({"max_bytes": 100}));
    assert_eq!(put(&small, &png).status, 413);
    let jpegs = sign(json!({"types": ["image/jpeg"]}));
    let other = put(&jpegs, &png);
    assert_eq!((other.status, &*other.code()), (415, "type_not_allowed"));
    let preflight = server.send(
        "OPTIONS",
        &jpegs,
        &[("origin", "https://app.example"), ("access-control-request-method", "PUT")],
        b"",
    );
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    let expired = sign(json!({"expires_in": 600}));
    sql(server.home(), "UPDATE upload_tickets SET expires_at = 1");
    let late = put(&expired, &png);
    assert_eq!((late.status, &*late.code()), (410, "expired"));
    let wrong =
        server.json("POST", "/v1/uploads/sign", &ana, json!({"expires_in": 86401, "types": ["text/html"]}));
    assert_eq!((wrong.status, &*wrong.code()), (400, "invalid_fields"));
    assert_eq!(server.json("POST", "/v1/uploads/sign", "", json!({})).status, 401);
}

/// Of many at once one is let in.
#[test]
fn a_signed_url_is_used_once_however_many_come() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let signed = server.json("POST", "/v1/uploads/sign", &ana, json!({})).json();
    let path = signed["url"].as_str().unwrap().strip_prefix(&server.url).unwrap().to_owned();
    let accepted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for seed in 0..16 {
            let (server, path, accepted) = (&server, &path, &accepted);
            scope.spawn(move || match server.send("PUT", path, &[], &picture(20, 100 + seed)).status {
                201 => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                status => assert_eq!(status, 409),
            });
        }
    });
    assert_eq!(accepted.into_inner(), 1);
}

/// Until the status is another one; what is given back in the background may take a moment.
fn retry(ask: impl Fn() -> Reply, while_status: u16) -> Reply {
    for _ in 0..200 {
        let reply = ask();
        if reply.status != while_status {
            return reply;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    ask()
}
