//! Who sees what: private images by tokens, signatures and shares, hotlink rules and lists of addresses, against a
//! running server with accounts.

use std::collections::BTreeMap;
use std::time::Duration;

use pixedge::codec::Format;
use pixedge::db::{Config, Db, Value};
use serde_json::json;

use crate::support::nginx::{Nginx, is_installed};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};

const PASSWORD: &str = "password123";

/// A home with the accounts ana, bea (users) and root (admin); `pictures` are (name, owner, visibility).
struct House {
    server: Server,
    ids: BTreeMap<String, String>,
}

fn sql(home: &Home, statement: &'static str, values: &[Value]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&Config::default(), &home.path().join("data")).await.unwrap();
        db.execute(statement, values).await.unwrap();
        db.close().await;
    });
}

fn furnished(config: &str, pictures: &[(&str, &str, &str)]) -> (Home, BTreeMap<String, String>) {
    let users = "auth: { users: [\
        { name: ana, password: password123 }, { name: bea, password: password123 }, \
        { name: root, role: admin, password: password123 }] }\n";
    let home = Home::new(&format!("{users}{config}"));
    let mut ids = BTreeMap::new();
    for (seed, (name, owner, visibility)) in pictures.iter().enumerate() {
        let folder = home.path().join(format!("in-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = encoded(Format::Png, 120 + seed as u32, 90, seed as u32 + 1);
        std::fs::write(folder.join(format!("{name}.png")), file).unwrap();
        let printed = home.run(&["import", folder.to_str().unwrap()]);
        let id = printed.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
        // Accounts of the configuration are made at start, in their order.
        let pk: i64 = match *owner {
            "ana" => 1,
            "bea" => 2,
            _ => 3,
        };
        let own = "UPDATE images SET owner = ?, visibility = ? WHERE id = ?";
        sql(&home, own, &[pk.into(), (*visibility).into(), id.as_str().into()]);
        ids.insert((*name).to_owned(), id);
    }
    (home, ids)
}

impl House {
    fn new(config: &str, pictures: &[(&str, &str, &str)]) -> Self {
        let (home, ids) = furnished(config, pictures);
        Self { server: home.start(), ids }
    }

    fn bearer(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": PASSWORD }).to_string();
        let reply = self.server.post("/v1/login", &[("content-type", "application/json")], &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        format!("Bearer {}", reply.json()["access_token"].as_str().unwrap())
    }

    fn get_as(&self, path: &str, bearer: &str) -> Reply {
        self.server.get_with(path, &[("authorization", bearer)])
    }

    fn post_as(&self, path: &str, bearer: &str, body: &serde_json::Value) -> Reply {
        let headers = [("content-type", "application/json"), ("authorization", bearer)];
        self.server.post(path, &headers, &body.to_string())
    }

    /// The path of a new share of ana's picture, and its name.
    fn share(&self, picture: &str, wish: &serde_json::Value) -> (String, String) {
        let reply =
            self.post_as(&format!("/v1/images/{}/shares", self.ids[picture]), &self.bearer("ana"), wish);
        assert_eq!(reply.status, 201, "{}", reply.text());
        let told = reply.json();
        let url = told["url"].as_str().unwrap();
        assert_eq!(url, format!("{}/share/{}", self.server.url, told["token"].as_str().unwrap()));
        (url[self.server.url.len()..].to_owned(), told["id"].as_str().unwrap().to_owned())
    }
}

fn is_personal(reply: &Reply) {
    assert_eq!(reply.header("cache-control"), "private, no-cache");
    for name in ["access-control-allow-origin", "timing-allow-origin"] {
        assert_eq!(reply.header(name), "", "{name}");
    }
}

#[test]
fn a_private_image_is_its_owners_and_the_administrators() {
    let pictures = [("mine", "ana", "private"), ("public", "ana", "public"), ("theirs", "bea", "private")];
    let house = House::new("library: { unsigned: open }\n", &pictures);
    let [ana, bea, root] = ["ana", "bea", "root"].map(|name| house.bearer(name));
    let (mine, public, theirs) = (&house.ids["mine"], &house.ids["public"], &house.ids["theirs"]);
    let path = format!("/i/{mine}/w_50,f_png");
    let nothing = house.server.get("/i/nothere1/w_50,f_png");
    // The first of all must not open the door to the next ones by what is remembered.
    for (bearer, status) in
        [(None, 404), (Some(&ana), 200), (None, 404), (Some(&bea), 404), (Some(&root), 200)]
    {
        let reply = match bearer {
            Some(bearer) => house.get_as(&path, bearer),
            None => house.server.get(&path),
        };
        assert_eq!(reply.status, status, "{bearer:?} {}", reply.text());
        if status == 200 {
            is_personal(&reply);
        } else {
            // As if there were none.
            assert_eq!(reply.code(), "not_found");
            assert_eq!(reply.header("cache-control"), nothing.header("cache-control"));
            assert_eq!(reply.header("vary"), nothing.header("vary"));
        }
    }
    for wrong in ["Bearer x", "Bearer ", "Basic eDp5", "bearer a.b.c", "Bearer pxk_abc_def"] {
        assert_eq!(house.get_as(&path, wrong).status, 404, "{wrong}");
    }
    // Nobody learns by a condition what he may not see.
    let etag = house.get_as(&path, &ana).header("etag").to_owned();
    let revalidated = house.server.get_with(&path, &[("authorization", &ana), ("if-none-match", &etag)]);
    assert_eq!(revalidated.status, 304);
    assert_eq!(house.server.get_with(&path, &[("if-none-match", &etag)]).status, 404);
    // Drawn on top and shown instead: by the same right.
    for spec in [format!("w_50,l_{mine},f_png"), format!("w_50,l_{theirs},f_png")] {
        let expected = u16::from(spec.contains(mine.as_str())) * 200;
        let own = house.get_as(&format!("/i/{public}/{spec}"), &ana);
        assert_eq!(own.status == 200, expected == 200, "{spec} {}", own.status);
        assert_eq!(house.server.get(&format!("/i/{public}/{spec}")).status, 404, "{spec}");
    }
    assert_eq!(house.server.get(&format!("/i/nothere1/w_50,d_{mine}")).status, 404);
    // What is public stays public, whoever sends a token.
    let seen = house.get_as(&format!("/i/{public}/w_50,f_png"), &ana);
    assert!(seen.header("cache-control").starts_with("public"), "{}", seen.header("cache-control"));
    for route in ["info", "explain/i"] {
        assert_eq!(house.get_as(&format!("/{route}/{mine}"), &ana).status, 200, "{route}");
        assert_eq!(house.get_as(&format!("/{route}/{mine}"), &bea).status, 404, "{route}");
        assert_eq!(house.server.get(&format!("/{route}/{mine}")).status, 404, "{route}");
    }
    // A key needs the scope `read`.
    for (scopes, status) in [(json!(["read"]), 200), (json!(["upload"]), 404)] {
        let made = house.post_as("/v1/keys", &ana, &json!({ "name": "k", "scopes": scopes }));
        let key = format!("Bearer {}", made.json()["key"].as_str().unwrap());
        assert_eq!(house.get_as(&path, &key).status, status);
    }
}

#[test]
fn ten_views_are_ten_and_then_the_share_has_ended() {
    let house = House::new("", &[("mine", "ana", "private"), ("other", "ana", "private")]);
    let (path, id) = house.share("mine", &json!({ "max_views": 10 }));
    let target = format!("{path}/w_64,f_png");
    // None of these is a view.
    for _ in 0..3 {
        assert_eq!(house.server.request("HEAD", &target, &[]).status, 200);
    }
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| house.server.get(&target).status);
        let asked: Vec<_> = (0..200).map(|_| ask()).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(200), count(410)), (10, 190), "{statuses:?}");
    let ended = house.server.get(&target);
    assert_eq!((ended.code().as_str(), ended.header("cache-control")), ("share_ended", "no-store"));
    assert_eq!(house.server.request("HEAD", &target, &[]).status, 410);
    let listed = house.get_as("/v1/shares", &house.bearer("ana")).json();
    let share = &listed["shares"][0];
    assert_eq!((&share["id"], &share["views"], &share["live"]), (&json!(id), &json!(10), &json!(false)));
    assert!(share["viewed_at"].is_string() && listed["meta"]["next"].is_null());
    assert_eq!(house.get_as("/v1/shares", &house.bearer("bea")).json()["shares"], json!([]));
    // Rights are not written into the log.
    assert!(!house.server.log().contains(path.rsplit('/').next().unwrap()));
}

#[test]
fn a_share_shows_one_image_and_counts_what_is_a_view() {
    let house = House::new("", &[("mine", "ana", "private"), ("other", "ana", "private")]);
    let [ana, bea] = ["ana", "bea"].map(|name| house.bearer(name));
    let (mine, other) = (&house.ids["mine"], &house.ids["other"]);
    let (path, id) = house.share("mine", &json!({ "max_views": 3 }));
    let token = path.rsplit('/').next().unwrap();
    let views = || {
        let listed = house.get_as(&format!("/v1/shares?image={mine}"), &ana).json();
        listed["shares"].as_array().unwrap().iter().find(|share| share["id"] == json!(id)).unwrap()["views"]
            .as_u64()
            .unwrap()
    };
    let first = house.server.get(&path);
    assert_eq!((first.status, views()), (200, 1));
    is_personal(&first);
    assert!(!format!("{:?}", first.headers).contains(mine.as_str()), "{:?}", first.headers);
    let etag = first.header("etag").to_owned();
    assert_eq!(house.server.get_with(&path, &[("if-none-match", &etag)]).status, 304);
    assert_eq!(views(), 1);
    // The rest without the beginning would be nearly all of it for nothing.
    let rest = house.server.get_with(&format!("{path}?f=png"), &[("range", "bytes=1-")]);
    assert_eq!((rest.status, views()), (200, 2));
    // By the image's own address, and of no other image.
    assert_eq!(house.server.get(&format!("/i/{other}/w_64?share={token}")).status, 404);
    assert_eq!(house.server.get(&format!("/i/{mine}/w_64?share={}x", &token[1..])).status, 404);
    assert_eq!(house.server.get(&format!("/i/{mine}/w_64,l_{other}?share={token}")).status, 403);
    let begun = house.server.get_with(&format!("/i/{mine}/w_64?share={token}"), &[("range", "bytes=0-9")]);
    assert_eq!((begun.status, begun.body.len(), views()), (206, 10, 3));
    is_personal(&begun);
    assert_eq!(house.server.get(&format!("/i/{mine}/w_64?share={token}")).code(), "share_ended");
    assert_eq!(house.server.get(&format!("/i/{mine}/w_64")).status, 404);

    // Time and the owner's word.
    let (path, id) = house.share("mine", &json!({}));
    assert_eq!(house.server.get(&path).status, 200);
    let delete = |bearer: &str| {
        house.server.request("DELETE", &format!("/v1/shares/{id}"), &[("authorization", bearer)]).status
    };
    assert_eq!((delete(&bea), house.server.get(&path).status), (404, 200));
    assert_eq!((delete(&ana), house.server.get(&path).status), (204, 410));
    let wish = json!({ "expires_at": "2020-01-01T00:00:00Z" });
    let past = house.post_as(&format!("/v1/images/{mine}/shares"), &ana, &wish);
    assert_eq!((past.status, past.code().as_str()), (400, "bad_value"));
    assert_eq!(house.post_as(&format!("/v1/images/{mine}/shares"), &bea, &json!({})).status, 404);
    assert_eq!(house.server.get("/share/AAAAAAAAAAAAAAAAAAAAAA").code(), "not_found");
    assert_eq!(house.server.get("/share/").code(), "not_found");
    let other = house.server.request("PUT", &path, &[]);
    assert_eq!((other.status, other.header("allow")), (405, "GET, HEAD, POST, OPTIONS"));
}

#[test]
fn a_password_is_asked_for_by_a_form_or_by_a_header() {
    let house = House::new("", &[("mine", "ana", "private")]);
    let (path, _) = house.share("mine", &json!({ "password": "sesame ü" }));
    let html = ("accept", "text/html,application/xhtml+xml,image/webp,*/*;q=0.8");
    let program = house.server.get(&path);
    assert_eq!((program.status, program.code().as_str()), (401, "share_password"));
    let page = house.server.get_with(&path, &[html]);
    assert_eq!((page.status, page.header("content-type")), (401, "text/html; charset=utf-8"));
    assert!(page.text().contains("<form method=\"post\">") && !page.text().contains("<script"));
    assert!(page.header("content-security-policy").contains("form-action 'self'"));

    let form = ("content-type", "application/x-www-form-urlencoded");
    let wrong = house.server.post(&path, &[form, html], "password=wrong");
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("not the password") && wrong.header("set-cookie").is_empty());
    let target = format!("{path}/w_64?dl=1");
    let right = house.server.post(&target, &[form, html], "password=sesame+%C3%BC");
    assert_eq!((right.status, right.header("location")), (303, target.as_str()));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let picture = house.server.get_with(&target, &[("cookie", &format!("a=b; {cookie}"))]);
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    assert_eq!(picture.header("content-disposition"), "attachment; filename=\"picture.png\"");
    // One share's proof opens no other.
    let (second, _) = house.share("mine", &json!({ "password": "sesame ü" }));
    assert_eq!(house.server.get_with(&second, &[("cookie", cookie)]).status, 401);
    assert_eq!(house.server.get_with(&second, &[("x-share-password", "sesame ü")]).status, 200);

    // Guesses wait.
    let guesses: Vec<u16> = (0..8)
        .map(|n| house.server.get_with(&second, &[("x-share-password", &format!("g{n}"))]).status)
        .collect();
    assert_eq!((guesses[0], guesses[7]), (401, 429), "{guesses:?}");
    assert_eq!(house.server.get_with(&path, &[("cookie", cookie)]).status, 200);
}

#[test]
fn private_answers_do_not_stay_in_nginx() {
    if !is_installed("private_answers_do_not_stay_in_nginx") {
        return;
    }
    let house = House::new("", &[("mine", "ana", "private")]);
    let ana = house.bearer("ana");
    let mine = &house.ids["mine"];
    let (path, _) = house.share("mine", &json!({ "max_views": 4 }));
    let token = path.rsplit('/').next().unwrap();
    let nginx = Nginx::before(&[house.server.address()]);
    let mut wire = nginx.wire();
    let own = format!("/i/{mine}/w_64,f_png");
    let bearer = format!("Authorization: {ana}");
    for _ in 0..2 {
        assert_eq!(wire.ask("GET", &own, &[&bearer]).status, 200);
        assert_eq!(wire.ask("GET", &own, &[]).status, 404);
    }
    let shared = format!("{own}?share={token}");
    for (target, statuses) in
        [(&shared, [200, 200]), (&format!("{path}/w_64"), [200, 200]), (&shared, [410, 410])]
    {
        for status in statuses {
            assert_eq!(wire.ask("GET", target, &[]).status, status, "{target}");
        }
    }
    let kept = [nginx.keys("share"), nginx.keys(token)].concat();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn pages_that_are_not_listed_may_not_embed() {
    let config =
        |answer: &str| format!("hotlink: {{ allow: [good.example, '*.good.example'], answer: {answer} }}\n");
    let pictures = [("mine", "ana", "public"), ("sign", "ana", "public")];
    let house = House::new(&config("403"), &pictures);
    let path = format!("/i/{}/w_64,f_png", house.ids["mine"]);
    let from = |page: &'static str| house.server.get_with(&path, &[("referer", page)]);
    let good = from("https://www.good.example/a");
    // Shared caches would give it to the pages of others.
    let kept = good.header("cache-control");
    assert_eq!(good.status, 200);
    assert!(kept.starts_with("private, max-age="), "{kept}");
    for round in 0..2 {
        let evil = from("https://evil.example/");
        assert_eq!((evil.status, evil.code().as_str()), (403, "hotlink"), "{round}");
        assert_eq!(evil.header("cache-control"), "no-store");
        assert_eq!(house.server.get(&path).status, 200);
    }
    let headers = [("referer", "https://evil.example/"), ("authorization", &*house.bearer("ana"))];
    assert_eq!(house.server.get_with(&path, &headers).status, 200);
    let (shared, _) = house.share("mine", &json!({}));
    assert_eq!(house.server.get_with(&shared, &headers[..1]).status, 200);
    assert_eq!(from(Box::leak(format!("{}/ui/", house.server.url).into_boxed_str())).status, 200);

    // Another picture in its place.
    let (home, ids) = furnished("", &pictures);
    let text = std::fs::read_to_string(home.path().join("config.yaml")).unwrap();
    std::fs::write(home.path().join("config.yaml"), format!("{text}{}", config(&ids["sign"]))).unwrap();
    let server = home.start();
    let path = format!("/i/{}/f_png", ids["mine"]);
    let evil = server.get_with(&path, &[("referer", "https://evil.example/")]);
    assert_eq!((evil.status, evil.header("fallback-image")), (200, "hotlink"), "{}", evil.text());
    assert_eq!(evil.header("cache-control"), "no-store");
    let usual = server.get_with(&path, &[("referer", "https://good.example/")]);
    assert_eq!((usual.status, usual.header("fallback-image")), (200, ""));
    assert_ne!(usual.body, evil.body);
}

#[test]
fn addresses_are_let_in_or_kept_out() {
    let house = House::new("http: { allow: [127.0.0.0/8, 192.0.2.0/24], deny: [192.0.2.128/25] }\n", &[]);
    let from = |address: &str, path: &str| {
        let reply = house.server.get_with(path, &[("x-forwarded-for", address)]);
        (reply.status, if reply.status < 400 { String::new() } else { reply.code() })
    };
    let refused = (403, "forbidden_address".to_owned());
    for path in ["/", "/v1/me", "/i/demo/w_64", "/share/x", "/nothing"] {
        assert_ne!(from("192.0.2.1", path), refused, "{path}");
        for address in ["192.0.2.200", "203.0.113.1", "2001:db8::1", "unknown"] {
            assert_eq!(from(address, path), refused, "{path} {address}");
        }
    }
    assert_eq!(from("203.0.113.1", "/healthz").0, 200);
    let metrics = house.server.metrics();
    assert_eq!(metrics["pixedge_refused_total{reason=\"address\"}"], 20.0);
}

/// As another process would do it, so that a running server has to notice.
fn change(home: &Home, id: &str, set: &'static str, value: i64) {
    sql(home, "UPDATE counters SET value = value + 1 WHERE name = 'image_changes'", &[]);
    let note =
        "INSERT INTO image_changes (seq, id) SELECT value, ? FROM counters WHERE name = 'image_changes'";
    sql(home, note, &[id.into()]);
    sql(home, set, &[value.into(), id.into()]);
}

fn now_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn no_copy_outlives_its_picture_and_views_are_written_down() {
    let pictures = [("gone", "ana", "public"), ("trashed", "ana", "public"), ("on", "ana", "public")];
    let (home, ids) = furnished("library: { unsigned: open }\n", &pictures);
    let ends = now_ms() + 4000;
    change(&home, &ids["gone"], "UPDATE images SET expires_at = ? WHERE id = ?", ends);
    let server = home.start();
    let path = |name: &str| format!("/i/{}/w_64,f_png", ids[name]);
    let overlaid = format!("/i/{}/w_64,l_{},f_png", ids["on"], ids["gone"]);
    let age = |reply: &Reply| -> i64 {
        let kept = reply.header("cache-control").to_owned();
        let seconds = kept.split("max-age=").nth(1).unwrap_or_else(|| panic!("{kept}"));
        assert!(!kept.contains("immutable") && !kept.contains("stale-while-revalidate"), "{kept}");
        seconds.split(',').next().unwrap().parse().unwrap()
    };
    for target in [&path("gone"), &path("gone"), &overlaid] {
        let reply = server.get(target);
        let told = now_ms();
        assert_eq!(reply.status, 200, "{}", reply.text());
        // It was decided before it arrived.
        assert!(age(&reply) * 1000 <= ends - told + 1000, "{target}");
    }
    assert_eq!(server.get(&path("trashed")).status, 200);
    change(server.home(), &ids["trashed"], "UPDATE images SET deleted_at = ? WHERE id = ?", now_ms());
    let until = now_ms() + 1500;
    while server.get(&path("trashed")).status == 200 {
        assert!(now_ms() < until, "a picture in the trash is still shown");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(u64::try_from(ends - now_ms()).unwrap_or(0) + 1));
    assert_eq!([path("gone"), overlaid].map(|target| server.get(&target).status), [404, 404]);

    // Written down at the end, if not before.
    for _ in 0..3 {
        server.get(&path("on"));
    }
    server.request("HEAD", &path("on"), &[]);
    let home = server.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (views, days) = runtime.block_on(async {
        let db = Db::open(&Config::default(), &home.path().join("data")).await.unwrap();
        let row =
            db.row("SELECT views FROM images WHERE id = ?", &[ids["on"].as_str().into()]).await.unwrap();
        let days = db.rows("SELECT bytes_served, bytes_saved FROM image_days", &[]).await.unwrap();
        (
            row.unwrap().int("views").unwrap(),
            days.iter().map(|day| day.int("bytes_served").unwrap()).sum::<i64>(),
        )
    });
    // The one that was drawn on is among them.
    assert_eq!(views, 4);
    assert!(days > 1000, "{days}");
}

#[test]
fn the_servers_own_links_open_one_private_image_for_a_while() {
    let house = House::new("", &[("mine", "ana", "private"), ("other", "ana", "private")]);
    let secret = std::fs::read_to_string(house.server.home().path().join("data/secret.key")).unwrap();
    let secret = pixedge::units::Secret::new(secret.trim());
    let keys = pixedge::auth::Keys::default().with_own(&secret);
    let (mine, other) = (&house.ids["mine"], &house.ids["other"]);
    let signed = |expires: i64| {
        let until = expires as u64;
        let scope = pixedge::auth::Scope::Image;
        let (kid, signature) = keys.sign_own(scope, until, &format!("i/{mine}")).unwrap();
        format!("sig={signature}&kid={kid}&exp={until}&sc=a")
    };
    let query = signed(now_ms() / 1000 + 100);
    for spec in ["_", "w_64", "w_128,f_webp"] {
        let reply = house.server.get(&format!("/i/{mine}/{spec}?{query}"));
        assert_eq!((reply.status, reply.header("cache-control")), (200, "private, no-cache"), "{spec}");
    }
    assert_eq!(house.server.get(&format!("/i/{other}/w_64?{query}")).code(), "bad_signature");
    let past = house.server.get(&format!("/i/{mine}/w_64?{}", signed(now_ms() / 1000 - 1)));
    assert_eq!((past.status, past.code().as_str()), (410, "expired"));
}

#[test]
fn a_share_of_an_album_shows_what_is_in_it() {
    let pictures = [
        ("one", "ana", "private"),
        ("two", "ana", "public"),
        ("out", "ana", "private"),
        ("theirs", "bea", "private"),
    ];
    let house = House::new("", &pictures);
    let [ana, bea] = ["ana", "bea"].map(|name| house.bearer(name));
    let html = ("accept", "text/html,application/xhtml+xml,image/webp,*/*;q=0.8");
    let id = |name: &str| house.ids[name].clone();
    let made = house.post_as("/v1/albums", &ana, &json!({ "name": "Sea & <sun>" })).json();
    let album = made["id"].as_str().unwrap().to_owned();
    let fill = |names: &[&str]| {
        let ids: Vec<String> = names.iter().map(|name| id(name)).collect();
        let reply = house.post_as(&format!("/v1/albums/{album}/images"), &ana, &json!({ "ids": ids }));
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    fill(&["two", "one"]);
    let share = |wish: serde_json::Value| {
        let reply = house.post_as(&format!("/v1/albums/{album}/shares"), &ana, &wish);
        assert_eq!(reply.status, 201, "{}", reply.text());
        let told = reply.json();
        assert_eq!((&told["album"], &told["image"]), (&json!(album), &json!(null)));
        (
            told["url"].as_str().unwrap()[house.server.url.len()..].to_owned(),
            told["id"].as_str().unwrap().to_owned(),
        )
    };
    // Somebody else's is not there.
    let stranger = house.post_as(&format!("/v1/albums/{album}/shares"), &bea, &json!({}));
    assert_eq!((stranger.status, stranger.code().as_str()), (404, "not_found"));
    assert_eq!(house.get_as(&format!("/v1/shares?album={album}"), &bea).status, 404);

    let (path, share_id) = share(json!({}));
    let list = house.server.get(&path);
    assert_eq!((list.status, list.header("content-type")), (200, "application/json"));
    is_personal(&list);
    let list = list.json();
    assert_eq!((list["album"].as_str(), list["meta"]["total"].as_u64()), (Some("Sea & <sun>"), Some(2)));
    let shown = |list: &serde_json::Value| -> Vec<String> {
        list["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(shown(&list), [id("two"), id("one")]);
    assert_eq!(list["images"][1]["url"], format!("{}{path}/{}", house.server.url, id("one")));
    let page = house.server.get_with(&path, &[html]);
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(
        page.text().contains("Sea &amp; &lt;sun&gt;") && !page.text().contains("<script"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains(&format!("<img src=\"{path}/{}/w_320,h_320\"", id("one"))),
        "{}",
        page.text()
    );
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(house.server.request("HEAD", &path, &[]).body.len(), 0);
    assert_eq!(house.server.get(&format!("{path}?page=2")).json()["images"], json!([]));

    let views = || {
        let listed = house.get_as(&format!("/v1/shares?album={album}"), &ana).json();
        let mut shares = listed["shares"].as_array().unwrap().iter();
        shares.find(|share| share["id"] == json!(share_id)).unwrap()["views"].as_u64().unwrap()
    };
    // To look at the list is no view; each picture is one.
    assert_eq!(views(), 0);
    let one = house.server.get(&format!("{path}/{}/w_64", id("one")));
    assert_eq!((one.status, views()), (200, 1));
    is_personal(&one);
    assert_eq!(house.server.get(&format!("{path}/{}", id("two"))).status, 200);
    let by_query = format!("/i/{}/w_64?share={}", id("one"), path.rsplit('/').next().unwrap());
    assert_eq!((house.server.get(&by_query).status, views()), (200, 3));
    // What is not in it, whosever it is.
    for name in ["out", "theirs"] {
        assert_eq!(house.server.get(&format!("{path}/{}", id(name))).code(), "not_found");
        assert_eq!(house.server.get(&by_query.replace(&id("one"), &id(name))).status, 404);
    }
    assert_eq!(house.server.get(&format!("{path}/w_64")).code(), "not_found");

    // Added later: seen. In the trash: gone, and back when it is restored.
    fill(&["out"]);
    assert_eq!(house.server.get(&format!("{path}/{}", id("out"))).status, 200);
    let delete =
        house.server.request("DELETE", &format!("/v1/images/{}", id("one")), &[("authorization", &ana)]);
    assert_eq!(delete.status, 204, "{}", delete.text());
    assert_eq!(house.server.get(&format!("{path}/{}/w_64", id("one"))).status, 404);
    assert_eq!(shown(&house.server.get(&path).json()), [id("two"), id("out")]);
    house.post_as(&format!("/v1/images/{}/restore", id("one")), &ana, &json!({}));
    assert_eq!(house.server.get(&format!("{path}/{}/w_64", id("one"))).status, 200);

    // A number of views, whose page does not use them up; a password; the owner's word.
    let (numbered, _) = share(json!({ "max_views": 2 }));
    assert!(!house.server.get_with(&numbered, &[html]).text().contains("<img"));
    let statuses = [0; 3].map(|_| house.server.get(&format!("{numbered}/{}/w_64", id("two"))).status);
    assert_eq!((statuses, house.server.get(&numbered).code().as_str()), ([200, 200, 410], "share_ended"));
    let (locked, locked_id) = share(json!({ "password": "sesame" }));
    assert_eq!(house.server.get(&locked).code(), "share_password");
    assert_eq!(house.server.get(&format!("{locked}/{}", id("two"))).code(), "share_password");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cookie = house.server.post(&locked, &[form, html], "password=sesame");
    let cookie = cookie.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(house.server.get_with(&locked, &[("cookie", &cookie), html]).status, 200);
    assert_eq!(house.server.get_with(&format!("{locked}/{}", id("two")), &[("cookie", &cookie)]).status, 200);
    let revoke = |bearer: &str| {
        house
            .server
            .request("DELETE", &format!("/v1/shares/{locked_id}"), &[("authorization", bearer)])
            .status
    };
    assert_eq!((revoke(&bea), revoke(&ana)), (404, 204));
    assert_eq!(house.server.get(&locked).code(), "share_ended");
    // The links go with the album.
    let gone = house.server.request("DELETE", &format!("/v1/albums/{album}"), &[("authorization", &ana)]);
    assert_eq!((gone.status, house.server.get(&path).code().as_str()), (204, "not_found"));
}
