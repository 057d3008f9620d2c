//! One file, by every host's dialect, in every way that it can end: the exact answers. And dialects that are off.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, key, only_picture, send_form};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, sql};

/// How a host's clients send a file.
struct Host {
    name: &'static str,
    path: &'static str,
    field: &'static str,
    /// Where the key goes.
    header: &'static str,
    /// What stands in front of it.
    front: &'static str,
    /// The answer to a picture that is new, or was there.
    kept: fn(&Kept) -> (u16, Value),
    /// The answer to one that is refused.
    refused: fn(&Refused) -> (u16, Value),
}

/// A picture that was kept, as the API itself tells of it.
struct Kept {
    image: Value,
    /// Whoever may only upload can take back what is new, and nothing that was there.
    delete: Value,
    duplicate: bool,
    request_id: String,
}

/// Why one was not: its status in the API and its code, and what is said in English and in Chinese.
struct Refused {
    status: u16,
    reason: &'static str,
    code: &'static str,
    english: String,
    chinese: &'static str,
    request_id: String,
}

const HOSTS: [Host; 6] = [
    Host {
        name: "lsky",
        path: "/api/v1/upload",
        field: "file",
        header: "authorization",
        front: "Bearer 1|",
        kept: |kept| (200, json!({ "status": true, "message": "上传成功", "data": kept.lsky() })),
        refused: |why| (200, json!({ "status": false, "message": why.chinese, "data": {} })),
    },
    Host {
        name: "picgo",
        path: "/upload",
        field: "files",
        header: "x-picgo-secret",
        front: "",
        kept: |kept| {
            let full = json!({
                "imgUrl": kept.url(), "id": kept.id(), "fileName": "cat.png", "extname": ".png", "width": 40,
                "height": 40, "size": kept.image["bytes"], "mimeType": "image/png", "type": "pixedge",
                "delete": kept.delete,
            });
            (200, json!({ "success": true, "result": [kept.url()], "fullResult": [full] }))
        },
        refused: |why| (why.status, json!({ "success": false, "message": why.english })),
    },
    Host {
        name: "sharex",
        path: "/api/sharex",
        field: "file",
        header: "authorization",
        front: "Bearer ",
        kept: |kept| {
            let status = if kept.duplicate { 200 } else { 201 };
            let thumbnail = &kept.image["links"]["thumbnail"];
            let (url, delete) = (kept.url(), &kept.delete);
            (status, json!({ "url": url, "thumbnail": thumbnail, "delete": delete, "name": "cat.png" }))
        },
        refused: |why| (why.status, json!({ "error": why.english })),
    },
    Host {
        name: "chevereto",
        path: "/api/1/upload",
        field: "source",
        header: "x-api-key",
        front: "",
        kept: |kept| {
            let success = json!({ "message": "image uploaded", "code": 200 });
            let image = kept.chevereto();
            (200, json!({ "status_code": 200, "success": success, "image": image, "status_txt": "OK" }))
        },
        refused: |why| {
            let code = if ["unauthorized", "bad_token"].contains(&why.code) { 100 } else { 310 };
            let error = json!({ "message": why.english, "code": code, "context": why.code });
            (why.status, json!({ "status_code": why.status, "error": error, "status_txt": why.reason }))
        },
    },
    Host {
        name: "smms",
        path: "/api/v2/upload",
        field: "smfile",
        header: "authorization",
        front: "",
        kept: |kept| {
            let url = kept.url();
            if kept.duplicate {
                let message = format!("Image upload repeated limit, this image exists at: {url}");
                let body = json!({
                    "success": false, "code": "image_repeated", "message": message, "images": url,
                    "RequestId": kept.request_id,
                });
                return (200, body);
            }
            let body = json!({
                "success": true, "code": "success", "message": "Upload success.", "data": kept.smms(),
                "RequestId": kept.request_id,
            });
            (200, body)
        },
        refused: |why| {
            let body = json!({
                "success": false, "code": why.code, "message": why.english, "RequestId": why.request_id,
            });
            (200, body)
        },
    },
    Host {
        name: "generic",
        path: "/api/upload",
        field: "whatever",
        header: "x-api-key",
        front: "",
        kept: |kept| (if kept.duplicate { 200 } else { 201 }, kept.generic()),
        refused: |why| {
            let said = &why.english;
            let body = json!({
                "success": false, "code": why.status, "error": said, "message": said, "msg": said,
            });
            (why.status, body)
        },
    },
];

impl Host {
    fn send(&self, server: &Server, key: &str, from: &str, bytes: &[u8]) -> Reply {
        let credential = format!("{}{key}", self.front);
        let headers = [
            ("content-type", "multipart/form-data; boundary=XyZ"),
            ("x-forwarded-for", from),
            (self.header, &credential),
        ];
        let headers = if key.is_empty() { &headers[..2] } else { &headers[..] };
        server.send(
            "POST",
            self.path,
            headers,
            &crate::uploads::form(&[(self.field, Some("cat.png"), bytes)]),
        )
    }

    fn expect(&self, reply: &Reply, case: &str, expected: (u16, Value)) {
        let (status, body) = expected;
        assert_eq!(reply.json(), body, "{} {case}", self.name);
        assert_eq!(reply.status, status, "{} {case}", self.name);
        assert_eq!(reply.header("content-type"), "application/json", "{} {case}", self.name);
        assert_eq!(reply.header("cache-control"), "no-store", "{} {case}", self.name);
    }
}

impl Kept {
    fn of(image: Value, reply: &Reply, duplicate: bool) -> Self {
        // The right to delete is tried elsewhere; here it is only the same wherever it stands.
        let text = reply.text();
        let delete = text.split('"').find(|word| word.contains("/delete/")).map(Value::from);
        assert_eq!(delete.is_none(), duplicate, "{text}");
        let delete = delete.unwrap_or_default();
        let request_id = reply.json()["RequestId"].as_str().unwrap_or_default().to_owned();
        assert!([0, 16].contains(&request_id.len()), "{text}");
        Self { image, delete, duplicate, request_id }
    }

    fn id(&self) -> &str {
        self.image["id"].as_str().unwrap()
    }

    fn url(&self) -> &str {
        self.image["url"].as_str().unwrap()
    }

    fn file(&self) -> String {
        format!("{}.png", self.id())
    }

    fn lsky(&self) -> Value {
        let (links, url) = (&self.image["links"], self.url());
        let kilobytes = (self.image["bytes"].as_f64().unwrap() / 1024.0 * 100.0).round() / 100.0;
        json!({
            "key": self.id(), "name": self.file(), "pathname": format!("i/{}", self.file()),
            "origin_name": "cat.png", "size": kilobytes, "mimetype": "image/png", "extension": "png",
            "md5": self.image["md5"], "sha1": "",
            "links": {
                "url": url, "html": links["html"], "bbcode": links["bbcode"], "markdown": links["markdown"],
                "markdown_with_link": format!("[![cat.png]({url})]({url})"),
                "thumbnail_url": links["thumbnail"], "delete_url": self.delete,
            },
        })
    }

    fn chevereto(&self) -> Value {
        let (url, created) = (self.url(), self.image["created_at"].as_str().unwrap());
        let bytes = self.image["bytes"].as_u64().unwrap();
        let file = |url: &Value| json!({ "filename": self.file(), "name": self.id(), "mime": "image/png", "extension": "png", "url": url });
        let mut original = file(&self.image["url"]);
        original["size"] = bytes.into();
        let date = created.replace('T', " ").replace('Z', "");
        json!({
            "name": self.id(), "title": "cat", "extension": "png", "filename": self.file(),
            "original_filename": "cat.png", "id_encoded": self.id(), "mime": "image/png", "size": bytes,
            "size_formatted": format!("{:.1} KB", bytes as f64 / 1000.0), "width": 40, "height": 40, "ratio": 1.0,
            "md5": self.image["md5"], "date": date, "date_gmt": date,
            "time": created.parse::<jiff::Timestamp>().unwrap().as_second(), "expiration": 0, "nsfw": 0, "views": 0,
            "is_animated": 0, "url": url, "url_viewer": url, "display_url": url, "delete_url": self.delete,
            "image": original, "thumb": file(&self.image["links"]["thumbnail"]), "medium": file(&self.image["url"]),
        })
    }

    fn smms(&self) -> Value {
        let hash = self.delete.as_str().unwrap().rsplit('/').next().unwrap();
        json!({
            "file_id": 0, "width": 40, "height": 40, "filename": "cat.png", "storename": self.file(),
            "size": self.image["bytes"], "path": format!("/i/{}", self.file()), "hash": hash, "url": self.url(),
            "delete": self.delete, "page": self.url(),
        })
    }

    fn generic(&self) -> Value {
        let (url, links, delete) = (self.url(), &self.image["links"], &self.delete);
        json!({
            "success": true, "code": 200, "message": "success", "msg": "success", "id": self.id(), "url": url,
            "link": url, "thumbnail": links["thumbnail"], "delete": delete, "markdown": links["markdown"],
            "data": {
                "id": self.id(), "url": url, "link": url, "name": "cat.png", "size": self.image["bytes"], "width": 40,
                "height": 40, "mime": "image/png", "thumbnail": links["thumbnail"], "delete": delete,
            },
        })
    }
}

fn refused(reply: &Reply, status: u16, code: &'static str, english: &str, chinese: &'static str) -> Refused {
    let reason = match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        _ => unreachable!(),
    };
    let request_id = reply.header("x-request-id").to_owned();
    Refused { status, reason, code, english: english.to_owned(), chinese, request_id }
}

#[test]
fn one_file_by_every_dialect_in_every_way_that_it_can_end() {
    let server = Home::new(&format!("{OPEN}uploads: {{ max_bytes: 20000 }}\n")).start();
    let png = encoded(Format::Png, 40, 40, 1);
    assert!((1000..20_000).contains(&png.len()), "{}", png.len());
    let mut quotas = Vec::new();
    for host in &HOSTS {
        let token = account(&server, host.name);
        let key = key(&server, &token, &["upload"]);
        for duplicate in [false, true] {
            let reply = host.send(&server, &key, "203.0.113.1", &png);
            let kept = Kept::of(only_picture(&server, &token), &reply, duplicate);
            host.expect(&reply, if duplicate { "duplicate" } else { "ok" }, (host.kept)(&kept));
        }
        let large = host.send(&server, &key, "203.0.113.1", &[&png[..], &vec![0; 20_000]].concat());
        let said = "more than 20000 bytes are not taken";
        let why = refused(&large, 413, "too_many_bytes", said, "文件超过大小限制");
        host.expect(&large, "too big", (host.refused)(&why));
        let other = host.send(&server, &key, "203.0.113.1", b"this is no picture");
        let said = "these bytes are not a picture in a format that is known here";
        let why = refused(&other, 415, "not_an_image", said, "不支持的文件类型");
        host.expect(&other, "bad type", (host.refused)(&why));
        let stranger = host.send(&server, "", "203.0.113.1", &png);
        let said = "send an access token or an API key as `Authorization: Bearer …`";
        let why = refused(&stranger, 401, "unauthorized", said, "请先登录");
        host.expect(&stranger, "no auth", (host.refused)(&why));
        let forged = host.send(&server, &format!("{key}x"), "203.0.113.1", &png);
        let said = "the token is wrong or was revoked; sign in again";
        let why = refused(&forged, 401, "bad_token", said, "token无效或已被撤销");
        host.expect(&forged, "wrong key", (host.refused)(&why));
        quotas.push((host, key));
    }
    sql(server.home(), "UPDATE users SET quota_files = 1");
    let png = encoded(Format::Png, 40, 40, 2);
    for (host, key) in quotas {
        let full = host.send(&server, &key, "203.0.113.1", &png);
        let said = "there is room for 1 pictures and no more: delete some, and empty the trash";
        let why = refused(&full, 403, "quota_exceeded", said, "存储空间不足");
        host.expect(&full, "no quota", (host.refused)(&why));
    }
}

#[test]
fn a_rate_that_is_used_up_is_told_in_the_dialect_with_the_time_to_wait() {
    let server = Home::new(&format!("{OPEN}limits: {{ per_address: {{ rate: 1/h, burst: 3 }} }}\n")).start();
    let token = account(&server, "ana");
    let key = key(&server, &token, &["upload"]);
    let png = encoded(Format::Png, 40, 40, 1);
    for (at, host) in HOSTS.iter().enumerate() {
        let from = format!("203.0.113.{at}");
        for _ in 0..3 {
            let served = host.send(&server, &key, &from, &png);
            assert!(served.header("retry-after").is_empty(), "{}: {}", host.name, served.text());
        }
        let reply = host.send(&server, &key, &from, &png);
        let wait = reply.header("retry-after").to_owned();
        assert!((3000..=3600).contains(&wait.parse().unwrap()), "{wait}");
        let said = format!("too much was asked from this address; ask again in {wait} s");
        let why = refused(&reply, 429, "rate_limited", &said, "请求过于频繁，请稍后再试");
        host.expect(&reply, "rate limited", (host.refused)(&why));
    }
}

#[test]
fn what_is_not_there_and_other_methods_are_told_in_the_dialect() {
    let server = Home::new(OPEN).start();
    for (path, expected) in [
        ("/api/v1/nothing", (200, json!({ "status": false, "message": "资源不存在", "data": {} }))),
        ("/api/1/nothing", {
            let error = json!({ "message": "there is nothing at `/api/1/nothing`", "code": 120, "context": "not_found" });
            (404, json!({ "status_code": 404, "error": error, "status_txt": "Not Found" }))
        }),
    ] {
        let reply = server.get(path);
        assert_eq!((reply.status, reply.json()), expected, "{path}");
    }
    let reply = server.get("/upload");
    assert_eq!((reply.status, reply.header("allow")), (405, "OPTIONS, POST"));
    assert_eq!(reply.json(), json!({ "success": false, "message": "`GET` is not possible here" }));
    let reply = server.get_with("/api/v1/upload", &[("accept-language", "en")]);
    let said = json!({ "status": false, "message": "`GET` is not possible here", "data": {} });
    assert_eq!((reply.status, reply.json(), reply.header("allow")), (200, said, "OPTIONS, POST"));
    let reply = server.get("/api/v2/nothing");
    assert_eq!((reply.status, &reply.json()["success"]), (404, &json!(false)));
    // A page of another origin may send its user's key.
    let headers = [("origin", "https://blog.example"), ("access-control-request-method", "POST")];
    let preflight = server.request("OPTIONS", "/api/upload", &headers);
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (204, "*"),
        "{}",
        preflight.text()
    );
    assert!(preflight.header("access-control-allow-headers").contains("x-api-key"));
}

#[test]
fn a_dialect_that_is_off_is_not_there_and_the_others_are() {
    let png = encoded(Format::Png, 40, 40, 1);
    for off in &HOSTS {
        let server = Home::new(&format!("{OPEN}dialects: {{ {}: false }}\n", off.name)).start();
        let token = account(&server, "ana");
        let key = key(&server, &token, &["upload"]);
        for host in &HOSTS {
            let reply = host.send(&server, &key, "203.0.113.1", &png);
            if host.name == off.name {
                assert_eq!((reply.status, &*reply.code()), (404, "not_found"), "{}", host.name);
                assert_eq!(reply.header("content-type"), "application/problem+json", "{}", host.name);
            } else {
                assert!(reply.status < 300, "{} without {}: {}", host.name, off.name, reply.text());
            }
        }
        // Nobody gets a set-up for what would not work.
        for (client, needs) in [("sharex", "sharex"), ("flameshot", "generic")] {
            let made = server.json("POST", &format!("/v1/clients/{client}"), &token, Value::Null);
            assert_eq!(made.status, if needs == off.name { 404 } else { 201 }, "{client}: {}", made.text());
        }
    }
}

#[test]
fn a_dialect_may_take_less_than_the_others() {
    let config = format!("{OPEN}dialects: {{ lsky: {{ max_bytes: 1000 }} }}\n");
    let server = Home::new(&config).start();
    let token = account(&server, "ana");
    let bearer = format!("Bearer {token}");
    let png = encoded(Format::Png, 40, 40, 1);
    let sent = |path| send_form(&server, path, ("authorization", &bearer), &[("file", Some("a.png"), &png)]);
    assert_eq!(sent("/api/v1/upload").json()["message"], "文件超过大小限制");
    assert_eq!(sent("/api/sharex").status, 201);
}
