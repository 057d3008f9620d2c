//! One file by every dialect of the seeds: taken, known already, too large, of a wrong type, without a right, without
//! room, and too often.

use md5::Md5;
use pixedge::codec::Format;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{assert_told, send_file};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, sql};

const PASSWORD: &str = "password123";
const MOST: usize = 50_000;

#[derive(Clone, Copy, PartialEq)]
enum Case {
    Ok,
    Duplicate,
    TooBig,
    BadType,
    NoAuth,
    RateLimited,
    NoQuota,
}

use Case::{BadType, Duplicate, NoAuth, NoQuota, Ok, RateLimited, TooBig};

/// How a dialect uploads, and what it is told in each case.
struct Dialect {
    name: &'static str,
    path: fn(&str) -> String,
    bearer: bool,
    field: &'static str,
    answers: fn(Case, &Known) -> (u16, Value),
}

/// What the native API says of the picture.
struct Known {
    url: String,
    image: Value,
    number: i64,
}

const ALL: [Dialect; 4] = [
    Dialect {
        name: "roadmap",
        path: |_| "/images".to_owned(),
        bearer: true,
        field: "image",
        answers: roadmap,
    },
    Dialect {
        name: "vueflask",
        path: |_| "/api/images/upload".to_owned(),
        bearer: true,
        field: "file",
        answers: vueflask,
    },
    Dialect {
        name: "mgek",
        path: |token| match token {
            "" => "/api/image_upload".to_owned(),
            token => format!("/api/image_upload?token={token}"),
        },
        bearer: false,
        field: "file",
        answers: mgek,
    },
    Dialect {
        name: "imageproxy",
        path: |token| match token {
            "" => "/upload?username=imageproxy&password=wrong-password".to_owned(),
            _ => format!("/upload?username=imageproxy&password={PASSWORD}"),
        },
        bearer: false,
        field: "file",
        answers: imageproxy,
    },
];

fn roadmap(case: Case, known: &Known) -> (u16, Value) {
    let problem = |status: u16, title: &str, code: &str, detail: &str| {
        let kind = format!("/docs/errors#{code}");
        (
            status,
            json!({ "type": kind, "title": title, "status": status, "detail": detail, "code": code, "request_id": "*" }),
        )
    };
    let image = &known.image;
    let mut object = json!({
        "id": image["id"],
        "url": known.url,
        "name": "cat.png",
        "image_name": "cat.png",
        "path": format!("/i/{}", image["id"].as_str().unwrap()),
        "size": image["bytes"],
        "width": 40,
        "height": 30,
        "format": "png",
        "mime_type": "image/png",
        "created_at": image["created_at"],
        "metadata": {
            "md5": image["md5"],
            "sha256": image["sha256"],
            "frames": 1,
            "has_alpha": false,
            "views": 0,
            "tags": [],
            "expires_at": null,
        },
        "transformed_versions": [],
    });
    match case {
        Ok => (201, object),
        Duplicate => {
            object["duplicate"] = json!(true);
            (200, object)
        }
        TooBig => {
            problem(413, "Too many bytes", "too_many_bytes", &format!("more than {MOST} bytes are not taken"))
        }
        BadType => problem(415, "Not a type that is understood here", "not_an_image", "*"),
        NoAuth => problem(
            401,
            "Who are you?",
            "unauthorized",
            "send an access token or an API key as `Authorization: Bearer …`",
        ),
        RateLimited => problem(429, "Too many requests", "rate_limited", "*"),
        NoQuota => problem(403, "Not allowed", "quota_exceeded", "*"),
    }
}

fn vueflask(case: Case, known: &Known) -> (u16, Value) {
    let said = |status, message: &str| (status, json!({ "message": message }));
    match case {
        Ok | Duplicate => (201, json!({ "message": "图片上传成功", "id": known.number, "url": known.url })),
        TooBig => said(413, "文件超过大小限制"),
        BadType => said(400, "不允许的文件类型"),
        NoAuth => said(401, "无效的token"),
        RateLimited => said(429, "请求过于频繁，请稍后再试"),
        NoQuota => said(403, "存储空间不足"),
    }
}

fn mgek(case: Case, known: &Known) -> (u16, Value) {
    let said = |status, data: &str| (status, json!({ "type": "error", "data": data }));
    let name = known.image["stored_name"].as_str().unwrap();
    let base = known.url.split("/i/").next().unwrap();
    let images = json!([{ "name": name, "url": format!("{base}/images/{name}") }]);
    match case {
        Ok | Duplicate => (200, json!({ "type": "ok", "data": "文件上传成功", "images": images })),
        TooBig => said(413, "文件超过大小限制"),
        BadType => said(200, "不支持的文件类型"),
        NoAuth => (200, json!({ "type": "forbidden", "data": "401 No Authority" })),
        RateLimited => said(429, "请求过于频繁，请稍后再试"),
        NoQuota => said(200, "存储空间不足"),
    }
}

fn imageproxy(case: Case, known: &Known) -> (u16, Value) {
    let said = |status, detail: &str| (status, json!({ "detail": detail }));
    let object = |status: &str| {
        json!({
            "status": status,
            "url": known.url,
            "name": "cat.png",
            "width": 40,
            "height": 30,
            "access_count": 0,
            "expire_at": null,
            "md5": known.image["md5"],
        })
    };
    match case {
        Ok => (200, object("uploaded")),
        Duplicate => (200, object("existing")),
        TooBig => said(413, "文件超过大小限制"),
        BadType => said(415, "不支持的文件类型"),
        NoAuth => said(403, "权限不足，请联系管理员"),
        RateLimited => said(429, "请求过于频繁，请稍后再试"),
        NoQuota => said(403, "存储空间不足"),
    }
}

impl Dialect {
    fn send(&self, server: &Server, token: &str, from: &str, file: &[u8]) -> Reply {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("x-forwarded-for", from)];
        if self.bearer && !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        send_file(server, &(self.path)(token), &headers, self.field, "cat.png", file)
    }
}

#[test]
fn one_file_by_every_dialect_in_every_case() {
    let server = Home::new(&format!(
        "auth: {{ registration: open }}\n\
         uploads: {{ max_bytes: {MOST} }}\n\
         limits: {{ per_address: {{ rate: 1/h, burst: 100 }} }}\n\
         dialects: {{ imageproxy: true }}\n"
    ))
    .start();
    let picture = encoded(Format::Png, 40, 30, 1);
    let other = encoded(Format::Png, 40, 30, 2);
    let large = encoded(Format::Png, 400, 400, 3);
    assert!(large.len() > MOST, "{}", large.len());
    let md5: String = Md5::digest(&picture).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut tokens = Vec::new();
    for (at, dialect) in ALL.iter().enumerate() {
        let from = format!("203.0.113.{at}");
        let token = account(&server, dialect.name);
        let first = dialect.send(&server, &token, &from, &picture);
        let native = server.json("GET", &format!("/v1/images/by-hash/{md5}"), &token, Value::Null).json();
        let list = server.json("GET", "/api/images", &token, Value::Null).json();
        let known = Known {
            url: native["url"]
                .as_str()
                .unwrap_or_else(|| panic!("{}: {}", dialect.name, first.text()))
                .to_owned(),
            number: list[0]["id"].as_i64().unwrap(),
            image: native,
        };
        let check = |case: Case, reply: &Reply| {
            let (status, expected) = (dialect.answers)(case, &known);
            assert_told(reply, status, &expected);
        };
        check(Ok, &first);
        check(Duplicate, &dialect.send(&server, &token, &from, &picture));
        check(TooBig, &dialect.send(&server, &token, &from, &large));
        check(BadType, &dialect.send(&server, &token, &from, b"this is no picture at all"));
        check(NoAuth, &dialect.send(&server, "", &from, &picture));
        let hasty = format!("198.51.100.{at}");
        while server.get_with("/explain/i/none", &[("x-forwarded-for", &hasty)]).status != 429 {}
        let refused = dialect.send(&server, &token, &hasty, &picture);
        check(RateLimited, &refused);
        assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0, "{}", dialect.name);
        tokens.push((dialect, token, from, known));
    }
    sql(server.home(), "UPDATE users SET quota_bytes = 1");
    for (dialect, token, from, known) in tokens {
        let (status, expected) = (dialect.answers)(NoQuota, &known);
        assert_told(&dialect.send(&server, &token, &from, &other), status, &expected);
    }
}

#[test]
fn a_dialect_takes_no_more_than_it_is_told_to() {
    let server = Home::new(
        "auth: { registration: open }\n\
         uploads: { max_bytes: 1MB }\n\
         dialects: { vueflask: { max_bytes: 2kB }, mgek: { max_bytes: 5MB } }\n",
    )
    .start();
    let token = account(&server, "ana");
    let bearer = format!("Bearer {token}");
    let file = encoded(Format::Png, 40, 30, 1);
    assert!((2_001..1_000_000).contains(&file.len()), "{}", file.len());
    let headers = [("authorization", &*bearer)];
    let refused = send_file(&server, "/api/images/upload", &headers, "file", "cat.png", &file);
    assert_told(&refused, 413, &json!({ "message": "文件超过大小限制" }));
    let taken = send_file(&server, "/api/image_upload", &headers, "file", "cat.png", &file);
    assert_eq!(taken.json()["type"], "ok", "{}", taken.text());
    let large = encoded(Format::Png, 1000, 600, 2);
    assert!(large.len() > 1_000_000, "{}", large.len());
    let refused = send_file(&server, "/api/image_upload", &headers, "file", "cat.png", &large);
    assert_told(&refused, 413, &json!({ "type": "error", "data": "文件超过大小限制" }));
}
