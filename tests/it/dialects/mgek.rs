//! mgek img_bed, route by route, and its mails over a real mail server.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{assert_told, get_with_json, send_file, told};
use crate::support::daemons::{Daemon, free_port, installed};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::form;

fn start(more: &str) -> Server {
    Home::new(&format!("auth: {{ registration: open }}\n{more}")).start()
}

fn ok(data: &str) -> Value {
    json!({ "type": "ok", "data": data })
}

fn error(data: &str) -> Value {
    json!({ "type": "error", "data": data })
}

fn post(server: &Server, path: &str, body: Value) -> Reply {
    server.json("POST", path, "", body)
}

fn token(server: &Server, mail: &str) -> String {
    post(server, "/api/get_token", json!({ "mail": mail })).json()["token"].as_str().unwrap().to_owned()
}

fn upload(server: &Server, token: &str, name: &str, file: &[u8]) -> Value {
    let sent = send_file(server, &format!("/api/image_upload?token={token}"), &[], "file", name, file);
    assert_eq!(sent.json()["type"], "ok", "{}", sent.text());
    sent.json()["images"][0].clone()
}

#[test]
fn a_token_is_had_once_for_an_address_and_given_back() {
    let server = start("");
    let made = post(&server, "/api/get_token", json!({ "mail": "ana@example.org" }));
    assert_told(&made, 200, &json!({ "token": "*", "data": "*", "type": "ok" }));
    let made = made.json();
    let key = made["token"].as_str().unwrap();
    assert_eq!(made["data"], made["token"]);
    let known = json!({ "token": "already exist", "data": "already exist", "type": "error" });
    assert_told(&post(&server, "/api/get_token", json!({ "mail": "ANA@example.org" })), 200, &known);
    let refused = |data: &str| json!({ "token": "", "data": data, "type": "error" });
    assert_told(&post(&server, "/api/get_token", json!({})), 200, &refused("请提供邮箱"));
    assert_told(&post(&server, "/api/get_token", json!({ "mail": "x" })), 200, &refused("邮箱格式错误"));

    let list = |key: &str| server.get(&format!("/api/image_list?token={key}"));
    assert_told(&list(key), 200, &json!({ "type": "ok", "data": [], "total": 0, "pages": 0 }));
    assert_eq!(server.json("GET", "/api/image_list", key, Value::Null).json()["type"], "ok");
    assert_told(&list("rubbish"), 401, &json!({ "type": "forbidden", "data": "401 No Authority" }));
    assert_told(
        &server.get("/api/image_list"),
        200,
        &json!({ "type": "forbidden", "data": "401 No Authority" }),
    );

    let remove = |query: &str| server.get(&format!("/api/remove_token?{query}"));
    assert_told(&remove("mail=ana@example.org"), 200, &error("密钥删除失败,信息不全"));
    assert_told(&remove(&format!("mail=bea@example.org&token={key}")), 200, &error("密钥删除失败"));
    assert_told(&remove("mail=ana@example.org&token=rubbish"), 200, &error("密钥删除失败"));
    let removed = remove(&format!("mail=Ana@example.org&token={key}"));
    assert_told(&removed, 200, &ok("密钥删除成功"));
    assert_eq!(removed.header("referrer-policy"), "no-referrer");
    assert_eq!(list(key).status, 401);
}

#[test]
fn where_registration_is_closed_there_is_no_token() {
    let server = Home::new("auth: { registration: closed }").start();
    let refused = json!({ "token": "", "data": "注册未开放", "type": "error" });
    assert_told(&post(&server, "/api/get_token", json!({ "mail": "ana@example.org" })), 200, &refused);
    // No mail server is configured either.
    let ask = json!({ "mail": "ana@example.org" });
    assert_told(&post(&server, "/api/mail_for_reset", ask), 200, &error("请求找回错误"));
}

#[test]
fn pictures_are_known_by_the_names_of_their_files() {
    let server = start("");
    let (ana, bea) = (token(&server, "ana@example.org"), token(&server, "bea@example.org"));
    let (first, second) = (encoded(Format::Png, 40, 30, 1), encoded(Format::Jpeg, 20, 30, 2));
    let image = upload(&server, &ana, "My Cat.PNG", &first);
    let name = image["name"].as_str().unwrap();
    // The name in small letters and the time, and the ending of what it really is.
    let plain = URL_SAFE_NO_PAD.decode(name.strip_suffix(".png").unwrap()).unwrap();
    let plain = String::from_utf8(plain).unwrap();
    let time: i64 = plain.strip_prefix("my cat.png").unwrap().parse().unwrap();
    assert_eq!(image["url"], format!("{}/images/{name}", server.url));
    let shown = server.get(&format!("/images/{name}"));
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/png"));
    assert_eq!(shown.body, first);
    assert_told(&server.get("/images/none.png"), 404, &error("资源不存在"));

    let several: [(&str, Option<&str>, &[u8]); 3] =
        [("file", Some("b.jpg"), &second), ("file", Some("c.txt"), b"no picture"), ("note", None, b"x")];
    let headers = [("content-type", "multipart/form-data; boundary=XyZ")];
    let path = format!("/api/image_upload?token={ana}");
    let sent = server.send("POST", &path, &headers, &form(&several));
    assert_eq!((&sent.json()["type"], sent.json()["images"].as_array().unwrap().len()), (&json!("ok"), 1));

    let list = server.get(&format!("/api/image_list?token={ana}")).json();
    assert_eq!((&list["total"], &list["pages"]), (&json!(2), &json!(1)));
    let entry = json!({ "name": name, "path": format!("/images/{name}"), "url": image["url"], "time": time });
    let given = list["data"][1].clone();
    assert!((given["time"].as_i64().unwrap() - time).abs() <= 1, "{given}");
    assert_eq!(
        (&given["name"], &given["path"], &given["url"]),
        (&entry["name"], &entry["path"], &entry["url"])
    );

    let about = format!("/api/image_info?token={ana}");
    let mut expected = given;
    for (key, value) in [("filename", json!("My Cat.PNG")), ("size", json!(first.len())), ("md5", json!("*"))]
    {
        expected[key] = value;
    }
    for (key, value) in [("width", json!(40)), ("height", json!(30)), ("format", json!("png"))] {
        expected[key] = value;
    }
    expected["mime_type"] = json!("image/png");
    let expected = json!({ "type": "ok", "data": expected });
    assert_told(&get_with_json(&server, &about, &json!({ "name": name })), 200, &expected);
    assert_told(&server.get(&format!("{about}&name={name}")), 200, &expected);
    let unknown = error("图片信息获取失败");
    assert_told(&server.get(&format!("{about}&name=none.png")), 200, &unknown);
    assert_told(&server.get(&format!("/api/image_info?token={bea}&name={name}")), 200, &unknown);

    let url = image["url"].as_str().unwrap();
    let formats = json!({
        "raw": url,
        "link": url,
        "html": format!("<img src={url} alt=image>"),
        "markdown": format!("![image]({url})"),
    });
    let path = format!("/api/image_format?token={ana}");
    let asked = get_with_json(&server, &path, &json!({ "name": name }));
    assert_told(&asked, 200, &json!({ "type": "ok", "data": formats }));
    assert_told(&server.get(&path), 200, &unknown);

    let delete = |token: &str, body: Value| post(&server, &format!("/api/image_delete?token={token}"), body);
    let not_done = error("文件删除失败");
    assert_told(&delete(&bea, json!({ "name": name })), 200, &not_done);
    assert_told(&delete(&ana, json!({})), 200, &not_done);
    assert_told(&delete(&ana, json!({ "name": name })), 200, &ok("文件删除成功"));
    assert_told(&delete(&ana, json!({ "name": name })), 200, &not_done);
    assert_eq!(server.get(&format!("/images/{name}")).status, 404);
    let other = &list["data"][0]["name"];
    assert_told(&delete(&ana, json!({ "namelist": [other] })), 200, &ok("文件删除成功"));
}

#[test]
fn lists_have_pages_of_ten() {
    let server = start("");
    let ana = token(&server, "ana@example.org");
    for seed in 1..=12 {
        upload(&server, &ana, "a.png", &encoded(Format::Png, 8, 8, seed));
    }
    let page = |page: &str| server.get(&format!("/api/image_list?token={ana}&page={page}"));
    for (number, expected) in [("1", 10), ("2", 2), ("3", 0)] {
        let told = page(number).json();
        assert_eq!(told["data"].as_array().unwrap().len(), expected, "{number}");
        assert_eq!((&told["total"], &told["pages"]), (&json!(12), &json!(2)));
    }
    assert_eq!(
        server.get(&format!("/api/image_list?token={ana}")).json()["data"].as_array().unwrap().len(),
        12
    );
    assert_told(&page("0"), 200, &error("图片列表获取失败"));
    let path = format!("/api/image_list?token={ana}");
    assert_eq!(
        get_with_json(&server, &path, &json!({ "page": 2 })).json()["data"].as_array().unwrap().len(),
        2
    );
}

#[test]
fn names_may_be_digests() {
    let server = start("uploads: { naming: md5 }\n");
    let ana = token(&server, "ana@example.org");
    let name =
        upload(&server, &ana, "a.gif", &encoded(Format::Png, 8, 8, 1))["name"].as_str().unwrap().to_owned();
    let stem = name.strip_suffix(".png").unwrap();
    assert!(stem.len() == 32 && stem.bytes().all(|c| c.is_ascii_hexdigit()), "{name}");
}

#[test]
fn what_is_no_upload_is_told_so() {
    let server = start("");
    let ana = token(&server, "ana@example.org");
    let path = format!("/api/image_upload?token={ana}");
    let empty = error("空的上传文件");
    assert_told(&send_file(&server, &path, &[], "file", "", b""), 200, &empty);
    assert_told(&send_file(&server, &path, &[], "file", "a.png", b""), 200, &empty);
    assert_told(&server.send("POST", &path, &[], b""), 200, &empty);
    let torn = [("content-type", "multipart/form-data; boundary=XyZ")];
    assert_told(&server.send("POST", &path, &torn, b"--XyZ\r\nnothing"), 200, &error("文件上传失败"));
    // A key that may only look.
    let reader = json!({ "name": "reader", "scopes": ["read"] });
    let reader = server.json("POST", "/v1/keys", &ana, reader).json()["key"].as_str().unwrap().to_owned();
    let file = encoded(Format::Png, 8, 8, 1);
    let refused =
        send_file(&server, &format!("/api/image_upload?token={reader}"), &[], "file", "a.png", &file);
    assert_told(&refused, 200, &error("无文件上传权限"));
    let english = [("accept-language", "en")];
    let taken = send_file(&server, &path, &english, "file", "a.png", &file);
    assert_eq!(told(&taken).1["data"], "the file was uploaded");
}

#[test]
fn only_administrators_initialise_and_nothing_is_dropped() {
    let server = start("");
    let ana = token(&server, "ana@example.org");
    upload(&server, &ana, "a.png", &encoded(Format::Png, 8, 8, 1));
    let init = |token: &str| server.json("POST", "/api/init_db", token, Value::Null);
    assert_told(&init(""), 200, &json!({ "type": "bad", "data": "请先登录" }));
    assert_told(&init(&ana), 200, &json!({ "type": "bad", "data": "权限不足" }));
    let mut made = server.home().command(&["user", "create", "root", "--role", "admin"]);
    let mut made = made.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(b"password123\n").unwrap();
    assert!(made.wait().unwrap().success());
    let login = json!({ "username": "root", "password": "password123" });
    let root =
        server.json("POST", "/v1/login", "", login).json()["access_token"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        assert_told(&init(&root), 200, &ok("database init success"));
    }
    assert_eq!(server.get(&format!("/api/image_list?token={ana}")).json()["total"], 1);
}

#[test]
fn without_accounts_nobody_needs_a_token() {
    let server = Home::new("auth: { required: false }").start();
    let file = encoded(Format::Png, 8, 8, 1);
    let sent = send_file(&server, "/api/image_upload", &[], "file", "a.png", &file);
    assert_eq!(sent.json()["type"], "ok", "{}", sent.text());
    assert_eq!(server.get("/api/image_list").json()["total"], 1);
}

/// The next mail, with what was done to its texts for the way undone.
fn mail(folder: &Path, number: usize, server: &Server) -> String {
    let file = folder.join(format!("{number}.eml"));
    let since = Instant::now();
    while !file.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = std::fs::read_to_string(file).unwrap().replace('\r', "");
    let mut plain = text.replace("=\n", "").replace("=3D", "=");
    for part in text.split("Content-Transfer-Encoding: base64\n\n").skip(1) {
        let lines = part.lines().take_while(|line| !line.starts_with("--"));
        let bytes = STANDARD.decode(lines.collect::<String>()).unwrap();
        plain.push_str(&String::from_utf8(bytes).unwrap());
    }
    plain
}

/// The path and query of a link in a mail.
fn link(mail: &str, path: &str) -> String {
    let (_, rest) = mail.split_once(path).unwrap_or_else(|| panic!("no {path} in\n{mail}"));
    let end = rest.find(|c: char| c.is_whitespace() || c == '"' || c == '<').unwrap_or(rest.len());
    format!("{path}{}", &rest[..end])
}

#[test]
fn a_lost_token_is_replaced_and_an_account_ended_by_mail() {
    const TEST: &str = "a_lost_token_is_replaced_and_an_account_ended_by_mail";
    let (Some(_), Some(python)) = (installed(TEST, "venv/bin/aiosmtpd"), installed(TEST, "venv/bin/python"))
    else {
        return;
    };
    let sink = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/smtp_sink.py");
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let arguments = [sink.to_str().unwrap(), &port.to_string()];
    let _sink = Daemon::in_folder(python, &arguments, folder.path(), port);
    let home = Home::new(&format!(
        "auth: {{ registration: open }}\n\
         jobs: {{ poll: 100ms, backoff: 50ms }}\n\
         mail: {{ smtp: \"smtp://127.0.0.1:{port}\", from: \"pixedge <noreply@example.com>\", templates: texts }}\n"
    ));
    // Of one's own: the English words of the letter.
    std::fs::create_dir(home.path().join("texts")).unwrap();
    let own = "Subject: Your token\n\nOur own words, {{name}}: {{link}}\n\nor {{goodbye}}\n";
    std::fs::write(home.path().join("texts/key.en.txt"), own).unwrap();
    let server = home.start();

    let old = token(&server, "ana@example.org");
    let file = encoded(Format::Png, 8, 8, 1);
    let name = upload(&server, &old, "a.png", &file)["name"].as_str().unwrap().to_owned();
    let sent = ok("找回邮件已发送");
    // The same whether somebody has the address or not, and under each name that the field has been given.
    for body in [json!({ "mail": "nobody@example.org" }), json!({ "maill": "ana@example.org" })] {
        assert_told(&post(&server, "/api/mail_for_reset", body), 200, &sent);
    }
    let letter = mail(folder.path(), 1, &server);
    assert!(letter.contains("To: ana@example.org"), "{letter}");
    let page = link(&letter, "/api/recover_token?check=");
    let list = |token: &str| server.get(&format!("/api/image_list?token={token}"));
    // To look at it changes nothing: programs do.
    for _ in 0..2 {
        let shown = server.get(&page);
        assert_eq!((shown.status, shown.header("referrer-policy")), (200, "no-referrer"));
        assert!(shown.text().contains("<form method=\"post\">") && shown.text().contains("生成新密钥"));
    }
    assert_eq!(list(&old).status, 200);
    let made = server.send("POST", &page, &[], b"").text();
    let (_, new) = made.split_once("<code>").unwrap_or_else(|| panic!("{made}"));
    let new = new.split('<').next().unwrap().to_owned();
    assert_eq!((list(&old).status, list(&new).json()["total"].clone()), (401, json!(1)));
    assert_eq!((server.send("POST", &page, &[], b"").status, server.get(&page).status), (410, 410));

    // The second link of the letter ends the account; its pictures go.
    let english = [("content-type", "application/json"), ("accept-language", "en")];
    let asked = server.post("/api/mail_for_reset", &english, r#"{"email":"ana@example.org"}"#);
    assert_told(&asked, 200, &ok("the mail is on its way"));
    let letter = mail(folder.path(), 2, &server);
    assert!(letter.contains("Our own words, ana-"), "{letter}");
    let goodbye = link(&letter, "/api/remove_token?mail=");
    let (front, check) = goodbye.split_once("&check=").unwrap();
    assert_eq!(front, "/api/remove_token?mail=ana%40example%2Eorg");
    let other = format!("/api/remove_token?mail=bea%40example.org&check={check}");
    assert_eq!((server.get(&other).status, server.send("POST", &other, &[], b"").status), (410, 410));
    let shown = server.get_with(&goodbye, &[("accept-language", "en")]);
    assert!(shown.status == 200 && shown.text().contains("End the account"), "{}", shown.text());
    assert_eq!((list(&new).status, server.get(&format!("/images/{name}")).status), (200, 200));
    let ended = server.send("POST", &goodbye, &[], b"");
    assert!(ended.status == 200 && ended.text().contains("密钥删除成功"), "{}", ended.text());
    assert_eq!((list(&new).status, server.get(&format!("/images/{name}")).status), (401, 404));
    assert_eq!((server.get(&goodbye).status, server.send("POST", &goodbye, &[], b"").status), (410, 410));
    let log = server.log();
    assert!(!log.contains(check) && !log.contains(&new), "{log}");
}
