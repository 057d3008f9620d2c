//! Lsky Pro beside its upload: tokens, lists, albums, deleting, the profile; each once right and once wrong.

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, key, only_picture, send_form};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, sql};

struct Client<'a> {
    server: &'a Server,
    token: String,
}

impl Client<'_> {
    fn ask(&self, method: &str, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let reply = self.server.request(method, &format!("/api/v1{path}"), &[("authorization", &bearer)]);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    }

    fn right(&self, method: &str, path: &str) -> Value {
        let answer = self.ask(method, path).json();
        assert_eq!(answer["status"], true, "{path}: {answer}");
        answer["data"].clone()
    }

    fn wrong(&self, method: &str, path: &str, message: &str) {
        let answer = self.ask(method, path).json();
        assert_eq!(answer, json!({ "status": false, "message": message, "data": {} }), "{path}");
    }

    fn upload(&self, name: &str, bytes: &[u8], texts: &[(&str, &str)]) -> Value {
        let mut parts: Vec<(&str, Option<&str>, &[u8])> = vec![("file", Some(name), bytes)];
        parts.extend(texts.iter().map(|(name, text)| (*name, None, text.as_bytes())));
        let bearer = format!("Bearer {}", self.token);
        let reply = send_form(self.server, "/api/v1/upload", ("authorization", &bearer), &parts);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn names(&self, query: &str) -> String {
        let page = self.right("GET", &format!("/images?{query}"));
        let names =
            page["data"].as_array().unwrap().iter().map(|image| image["origin_name"].as_str().unwrap());
        names.collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn tokens_are_made_by_the_password_and_end_together() {
    let server = Home::new(OPEN).start();
    let user = json!({ "username": "ana", "password": "password123", "email": "ana@example.org" });
    assert_eq!(server.json("POST", "/v1/register", "", user).status, 201);
    let asked = |body: Value| server.json("POST", "/api/v1/tokens", "", body).json();
    let made = asked(json!({ "email": "ana@example.org", "password": "password123" }));
    assert_eq!((&made["status"], &made["message"]), (&json!(true), &json!("success")));
    let token = made["data"]["token"].as_str().unwrap().to_owned();
    let (number, plain) = token.split_once('|').unwrap();
    assert!(number.parse::<i64>().is_ok() && plain.len() > 40, "{token}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sent = "email=ana%40example.org&password=password123";
    assert_eq!(server.post("/api/v1/tokens", &form, sent).json()["status"], true);

    let wrong = asked(json!({ "email": "ana@example.org", "password": "password124" }));
    assert_eq!(wrong, json!({ "status": false, "message": "用户名或密码错误", "data": {} }));
    let english = [("content-type", "application/json"), ("accept-language", "en-GB,en;q=0.8")];
    let body = r#"{"email":"ana@example.org","password":"password124"}"#;
    let said = server.post("/api/v1/tokens", &english, body).json();
    assert_eq!(said["message"], "the name or the password is wrong");
    assert_eq!(asked(json!({ "email": "ana@example.org" }))["status"], false);

    let client = Client { server: &server, token: token.clone() };
    let profile = client.right("GET", "/profile");
    let expected = json!({
        "name": "ana", "avatar": "", "email": "ana@example.org", "capacity": 1_099_511_627_776.0, "used_capacity": 0.0,
        "url": "", "image_num": 0, "album_num": 0, "registered_ip": "",
    });
    assert_eq!(profile, expected);
    // A token alone, without the word or without the number.
    for value in [token.clone(), plain.to_owned(), format!("Bearer {plain}")] {
        let reply = server.get_with("/api/v1/profile", &[("authorization", &value)]);
        assert_eq!(reply.json()["status"], true, "{value}");
    }
    // It is no token of the API, and no other place has it.
    let query = server.get(&format!("/api/v1/profile?token={plain}"));
    assert_eq!(query.json(), json!({ "status": false, "message": "请先登录", "data": {} }));

    let login = json!({ "username": "ana", "password": "password123" });
    let session =
        server.json("POST", "/v1/login", "", login).json()["access_token"].as_str().unwrap().to_owned();
    let other = key(&server, &session, &["read"]);
    client.right("DELETE", "/tokens");
    client.wrong("GET", "/profile", "token无效或已被撤销");
    let spared = Client { server: &server, token: other };
    spared.right("GET", "/profile");
    spared.wrong("DELETE", "/tokens", "权限不足");
}

#[test]
fn uploads_say_where_they_go_and_when_they_end() {
    let server = Home::new(OPEN).start();
    let token = account(&server, "ana");
    let client = Client { server: &server, token: key(&server, &token, &["read", "upload", "manage"]) };
    let png = |seed| encoded(Format::Png, 20, 20, seed);
    let made = server.json("POST", "/v1/albums", &token, json!({ "name": "Sea" })).json();
    let albums = client.right("GET", "/albums");
    let number = albums["data"][0]["id"].as_i64().unwrap();
    let expected = json!([{ "id": number, "name": "Sea", "intro": "", "image_num": 0 }]);
    assert_eq!((&albums["data"], &albums["per_page"]), (&expected, &json!(40)));

    let texts = [
        ("album_id", number.to_string()),
        ("permission", "1".to_owned()),
        ("strategy_id", "1".to_owned()),
        ("expired_at", "2100-01-31 12:00:00".to_owned()),
        ("ssl", "true".to_owned()),
    ];
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let kept = client.upload("图 1.png", &png(1), &texts);
    assert_eq!((&kept["status"], &kept["data"]["origin_name"]), (&json!(true), &json!("图 1.png")), "{kept}");
    let image = only_picture(&server, &token);
    assert_eq!((&image["albums"], &image["visibility"]), (&json!([made["id"]]), &json!("public")));
    assert_eq!(image["expires_at"], "2100-01-31T12:00:00Z");
    let by_id =
        client.upload("b.png", &png(2), &[("album_id", made["id"].as_str().unwrap()), ("permission", "0")]);
    assert_eq!(by_id["status"], true, "{by_id}");
    assert_eq!(client.right("GET", "/albums")["data"][0]["image_num"], 2);
    for (name, text, message) in [
        ("album_id", "999999", "资源不存在"),
        ("album_id", "nothere", "资源不存在"),
        ("strategy_id", "2", "参数错误"),
        ("expired_at", "2001-01-01 00:00:00", "参数错误"),
        ("expired_at", "soon", "参数错误"),
        ("permission", "2", "参数错误"),
    ] {
        let refused = client.upload("c.png", &png(3), &[(name, text)]);
        assert_eq!(refused, json!({ "status": false, "message": message, "data": {} }), "{name} {text}");
    }
    let strategies = client.right("GET", "/strategies");
    assert_eq!(strategies, json!({ "strategies": [{ "id": 1, "name": "local" }] }));
    assert_eq!(client.right("GET", "/profile")["album_num"], 1);
    client.right("DELETE", &format!("/albums/{number}"));
    client.wrong("DELETE", &format!("/albums/{number}"), "资源不存在");
    assert_eq!(client.right("GET", "/profile")["image_num"], 2);
    // Somebody else's.
    let bea = account(&server, "bea");
    let theirs = server.json("POST", "/v1/albums", &bea, json!({ "name": "Hers" })).json();
    client.wrong("DELETE", &format!("/albums/{}", theirs["id"].as_str().unwrap()), "资源不存在");
    client.wrong("DELETE", &format!("/albums/{}", number + 1), "资源不存在");
}

#[test]
fn lists_have_forty_a_page_in_the_order_that_is_asked() {
    let server = Home::new(OPEN).start();
    let token = account(&server, "ana");
    let client = Client { server: &server, token: key(&server, &token, &["read", "upload", "manage"]) };
    for (name, side) in [("cat big.png", 60), ("dog.png", 20), ("cat small.png", 10)] {
        client.upload(name, &encoded(Format::Png, side, side, side), &[]);
    }
    assert_eq!(client.names(""), "cat small.png dog.png cat big.png");
    for (query, names) in [
        ("order=newest", "cat small.png dog.png cat big.png"),
        ("order=earliest", "cat big.png dog.png cat small.png"),
        ("order=utmost", "cat big.png dog.png cat small.png"),
        ("order=least", "cat small.png dog.png cat big.png"),
        ("keyword=cat", "cat small.png cat big.png"),
        ("permission=public&keyword=", "cat small.png dog.png cat big.png"),
        ("permission=private", ""),
        ("page=2", ""),
        ("page=x", "cat small.png dog.png cat big.png"),
    ] {
        assert_eq!(client.names(query), names, "{query}");
    }
    client.wrong("GET", "/images?order=random", "参数错误");
    client.wrong("GET", "/images?permission=secret", "参数错误");
    client.wrong("GET", "/images?album_id=7", "资源不存在");

    let page = client.right("GET", "/images?keyword=dog");
    let dog = &page["data"][0];
    let image =
        server.json("GET", &format!("/v1/images/{}", dog["key"].as_str().unwrap()), &token, Value::Null);
    let image = image.json();
    assert_eq!((&dog["width"], &dog["height"], &dog["md5"]), (&json!(20), &json!(20), &image["md5"]));
    assert_eq!(dog["links"]["url"], image["url"]);
    assert_eq!(dog["date"], image["created_at"].as_str().unwrap().replace('T', " ").replace('Z', ""));
    assert!(dog["human_date"].as_str().unwrap().ends_with("秒前"), "{dog}");
    assert!(dog["links"]["delete_url"].as_str().unwrap().contains("/delete/"));
    let base = format!("{}/api/v1/images", server.url);
    let mut around = page.clone();
    around["data"].take();
    let expected = json!({
        "current_page": 1, "data": null, "first_page_url": format!("{base}?keyword=dog&page=1"), "from": 1,
        "last_page": 1, "last_page_url": format!("{base}?keyword=dog&page=1"),
        "links": [
            { "url": null, "label": "&laquo; Previous", "active": false },
            { "url": format!("{base}?keyword=dog&page=1"), "label": "1", "active": true },
            { "url": null, "label": "Next &raquo;", "active": false },
        ],
        "next_page_url": null, "path": base, "per_page": 40, "prev_page_url": null, "to": 1, "total": 1,
    });
    assert_eq!(around, expected);
    // Who may not delete is given no right to.
    let reader = Client { server: &server, token: key(&server, &token, &["read"]) };
    assert_eq!(reader.right("GET", "/images")["data"][0]["links"]["delete_url"], Value::Null);
    reader.wrong("DELETE", &format!("/images/{}", dog["key"].as_str().unwrap()), "权限不足");

    for seed in 0..38 {
        client.upload("more.png", &encoded(Format::Png, 8, 8, 1000 + seed), &[]);
    }
    let second = client.right("GET", "/images?page=2");
    assert_eq!((&second["from"], &second["to"], &second["total"]), (&json!(41), &json!(41), &json!(41)));
    assert_eq!(second["data"][0]["origin_name"], "cat big.png");
    assert_eq!(second["prev_page_url"], format!("{base}?page=1"));
}

#[test]
fn deleting_is_for_the_owner_and_can_be_undone() {
    let server = Home::new(OPEN).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    let client = Client { server: &server, token: ana.clone() };
    let kept = client.upload("a.png", &encoded(Format::Png, 20, 20, 1), &[]);
    let name = kept["data"]["key"].as_str().unwrap().to_owned();
    Client { server: &server, token: bea }.wrong("DELETE", &format!("/images/{name}"), "资源不存在");
    let deleted = client.ask("DELETE", &format!("/images/{name}")).json();
    assert_eq!(deleted, json!({ "status": true, "message": "删除成功", "data": {} }));
    client.wrong("DELETE", &format!("/images/{name}"), "资源不存在");
    assert_eq!(server.get(&format!("/i/{name}")).status, 404);
    assert_eq!(server.json("POST", &format!("/v1/images/{name}/restore"), &ana, Value::Null).status, 200);
    sql(server.home(), "UPDATE users SET quota_bytes = 1048576 WHERE name = 'ana'");
    let profile = client.right("GET", "/profile");
    assert_eq!(profile["capacity"], 1024.0);
    let bytes = server.json("GET", "/v1/me", &ana, Value::Null).json()["used_bytes"].as_f64().unwrap();
    assert_eq!(profile["used_capacity"].as_f64().unwrap(), bytes / 1024.0);
}
