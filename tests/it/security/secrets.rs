//! Every kind of secret that a server is given or gives away, in right and in wrong requests, with the most talkative log
//! there is: none of them stands in the log, in the text of an error, or in the metrics.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pixedge::codec::Format;
use serde_json::{Value, json};

use super::SOURCES;
use crate::support::pictures::encoded;
use crate::support::web::{Request, Web, answer};
use crate::support::{Home, Reply, Server};
use crate::uploads::post;

/// Says no, and repeats what it was sent, as pages for debugging do.
fn parrot(request: &Request) -> Vec<u8> {
    answer(request, "403 Forbidden", &[("Content-Type", "text/plain")], format!("{request:?}").as_bytes())
}

/// A mail server that refuses everybody who signs in.
fn mail_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut out = stream.try_clone().unwrap();
            let _ = out.write_all(b"220 here\r\n");
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let said = match line.split(' ').next().unwrap_or_default() {
                    "EHLO" => "250-here\r\n250 AUTH PLAIN LOGIN".to_owned(),
                    "AUTH" => "535 5.7.8 these are not the credentials".to_owned(),
                    _ => "250 fine".to_owned(),
                };
                let _ = out.write_all(format!("{said}\r\n").as_bytes());
            }
        }
    });
    port
}

const CONFIGURED: &[&str] = &[
    "Auth5ecret-signs-the-tokens",
    "Admin5ecret-of-the-operator",
    "User5ecret-of-root",
    "Sign5ecret-makes-urls",
    "S35ecret-of-the-storage",
    "Session5ecret-of-the-storage",
    "Source5ecret-of-s3",
    "Dav5ecret-of-a-source",
    "Web5ecret-of-a-source",
    "Redis5ecret",
    "Smtp5ecret",
    "Hook5ecret-of-the-cdn",
    "Trace5ecret-of-the-collector",
    "Pass5ecret-of-webdav",
    "Token5ecret-of-s3",
];

fn config(parrot: &str, smtp: u16) -> String {
    format!(
        "log: {{ level: trace, access: all }}\n\
         auth: {{ registration: open, secret_file: f0, admin_key_file: f1,\n  \
           users: [{{ name: root, role: admin, email: root@example.com, password: User5ecret-of-root }}] }}\n\
         keys: [{{ kid: k1, secret_file: f3 }}]\n\
         storages:\n  far: {{ scheme: s3, endpoint: '{parrot}', bucket: b, region: r, access_key_id: AKIAX, \
           secret_access_key: S35ecret-of-the-storage, session_token: Session5ecret-of-the-storage }}\n  \
           dav: {{ scheme: webdav, endpoint: '{parrot}', username: someone, password: Pass5ecret-of-webdav }}\n\
         sources:\n  s: {{ scheme: fs, root: {SOURCES}, unsigned: open }}\n  \
           s3: {{ scheme: s3, endpoint: '{parrot}', bucket: b, region: r, access_key_id: AKIAY, secret_access_key: Source5ecret-of-s3, session_token: Token5ecret-of-s3, unsigned: open }}\n  \
           dav: {{ scheme: webdav, endpoint: '{parrot}', username: someone, password: Dav5ecret-of-a-source, unsigned: open }}\n  \
           web: {{ scheme: http, endpoint: '{parrot}', token: Web5ecret-of-a-source, allow_addresses: [127.0.0.1], unsigned: open }}\n\
         redis: {{ url: 'redis://someone:Redis5ecret@127.0.0.1:1/0' }}\n\
         mail: {{ smtp: 'smtp://someone:Smtp5ecret@127.0.0.1:{smtp}?tls=none', from: 'a@example.com' }}\n\
         purge_hooks: {{ cdn: {{ url: '{parrot}/purge', token: Hook5ecret-of-the-cdn }} }}\n\
         traces: {{ otlp: '{parrot}/v1/traces', token: Trace5ecret-of-the-collector, sample: 1 }}\n\
         user_storages: {{ hosts: ['{}'], allow_addresses: [127.0.0.1], timeout: 2s }}\n\
         jobs: {{ poll: 100ms }}\n",
        parrot.trim_start_matches("http://")
    )
}

/// What was said in all answers that may not hold a secret.
struct Told {
    server: Server,
    text: String,
}

impl Told {
    fn note(&mut self, reply: Reply) -> Reply {
        if reply.status >= 400 {
            self.text.push_str(&reply.text());
            self.text.extend(reply.headers.values().filter_map(|value| value.to_str().ok()));
        }
        reply
    }

    fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let reply = self.server.get_with(path, headers);
        self.note(reply)
    }

    fn json(&mut self, method: &str, path: &str, bearer: &str, body: Value) -> Reply {
        let reply = self.server.json(method, path, bearer, body);
        self.note(reply)
    }
}

fn text(reply: &Reply, name: &str) -> String {
    reply.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", reply.text())).to_owned()
}

#[test]
fn no_secret_stands_in_logs_errors_or_metrics() {
    let parrot = Web::start(parrot);
    let home = Home::new(&config(&parrot.url(), mail_server()));
    for (n, secret) in CONFIGURED.iter().take(4).enumerate() {
        std::fs::write(home.path().join(format!("f{n}")), secret).unwrap();
    }
    let printed = home.run(&["sign", "/r/s/w_20,f_jpg/photo.jpg", "--kid", "k1"]);
    let signed = printed.lines().last().unwrap().to_owned();
    let mut secrets: Vec<String> = CONFIGURED.iter().map(|secret| (*secret).to_owned()).collect();
    let mut told = Told { server: home.start(), text: String::new() };

    signing_in(&mut told, &mut secrets);
    let root = secrets.iter().find(|secret| secret.matches('.').count() == 2).unwrap().clone();
    let id = sharing(&mut told, &mut secrets, &root);
    signatures(&mut told, &mut secrets, &signed);
    reaching_out(&mut told, &mut secrets, &root, &id, &parrot.url());

    let metrics = told.server.get("/metrics").text();
    let mut log = told.server.log();
    // As mail and purge hooks are sent by jobs.
    let since = Instant::now();
    while !(log.contains("535") && log.contains("cdn")) && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        log = told.server.log();
    }
    assert!(
        log.contains("TRACE") && log.contains("DEBUG") && log.contains("pixedge::access"),
        "the log is silent"
    );
    let asked: String = parrot.requests().iter().map(|request| format!("{request:?}")).collect();
    for sent in ["Web5ecret-of-a-source", "Hook5ecret-of-the-cdn", "Trace5ecret-of-the-collector"] {
        assert!(asked.contains(sent), "{sent} was never used");
    }
    // As they are, and as they go over the wire.
    let plain: Vec<String> = secrets.clone();
    for secret in plain {
        secrets.extend([STANDARD.encode(&secret), URL_SAFE_NO_PAD.encode(&secret)]);
        secrets.extend(["someone", "root", ""].map(|name| STANDARD.encode(format!("{name}:{secret}"))));
        secrets.extend(["someone", ""].map(|name| STANDARD.encode(format!("\0{name}\0{secret}"))));
    }
    for (place, text) in [("log", &log), ("error", &told.text), ("metrics", &metrics)] {
        for secret in &secrets {
            assert!(secret.len() >= 10, "{secret} is found anywhere");
            let around = text.find(secret.as_str()).map(|at| {
                let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
                text[start..].lines().next().unwrap_or_default().to_owned()
            });
            assert_eq!(around, None, "{secret} in {place}");
        }
    }
    eprintln!("{} secrets in {} kB of log", secrets.len(), log.len() / 1024);
}

/// Passwords, tokens, keys: right, wrong, in headers, bodies and queries.
fn signing_in(told: &mut Told, secrets: &mut Vec<String>) {
    let login = |password: &str| json!({"username": "root", "password": password});
    let session = told.json("POST", "/v1/login", "", login("User5ecret-of-root"));
    let (access, refresh) = (text(&session, "access_token"), text(&session, "refresh_token"));
    assert_eq!(told.json("POST", "/v1/login", "", login("Wrong5ecret-is-a-typo")).status, 401);
    assert_eq!(
        told.json(
            "POST",
            "/v1/login",
            "",
            json!({"username": "root", "password": ["Wrong5ecret-is-a-typo"]})
        )
        .status,
        400
    );
    let made = json!({"username": "ana", "password": "Fresh5ecret-of-ana", "mail": "Wrong5ecret-is-a-typo"});
    assert_eq!(told.json("POST", "/v1/register", "", made).status, 400);
    let key = told.json("POST", "/v1/keys", &access, json!({"name": "k", "scopes": ["read"]}));
    let key = text(&key, "key");
    for bearer in
        [&*access, &key, &refresh, "Wrong5ecret-is-a-typo", &format!("{access}x"), &format!("{key}x")]
    {
        told.json("GET", "/v1/me", bearer, Value::Null);
        told.json("POST", "/v1/purge", bearer, json!({"image": "none"}));
        told.json("POST", "/v1/keys", bearer, json!({"name": "", "scopes": []}));
        for name in ["token", "access_token", "key", "api_key", "password", "secret", "share"] {
            told.get(&format!("/v1/me?{name}={bearer}"), &[]);
            told.get(&format!("/r/s/w_20,f_jpg/photo.jpg?{name}={bearer}"), &[]);
        }
    }
    told.json("POST", "/v1/purge", "Admin5ecret-of-the-operator", json!({"image": "none"}));
    let basic = format!("Basic {}", STANDARD.encode("root:User5ecret-of-root"));
    assert_eq!(told.get("/v1/me", &[("authorization", &basic)]).status, 401);
    for token in [&*refresh, "Wrong5ecret-is-a-typo", &refresh] {
        told.json("POST", "/v1/refresh", "", json!({"refresh_token": token}));
    }
    for path in ["/setup/", "/recover/", "/goodbye/"] {
        told.get(&format!("{path}Wrong5ecret-is-a-typo"), &[]);
    }
    // The session ended when a refresh token was used twice.
    let again = told.json("POST", "/v1/login", "", login("User5ecret-of-root"));
    secrets.insert(0, text(&again, "access_token"));
    let others = [access, refresh, key, text(&again, "refresh_token")];
    secrets
        .extend(others.into_iter().chain(["Wrong5ecret-is-a-typo", "Fresh5ecret-of-ana"].map(str::to_owned)));
}

/// A picture with a share and upload tickets; returns its id.
fn sharing(told: &mut Told, secrets: &mut Vec<String>, root: &str) -> String {
    let picture = encoded(Format::Png, 40, 30, 1);
    let made = post(&told.server, root, &[], &[("file", Some("a.png"), &picture)]);
    let id = made.json()["images"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned();
    let wish = json!({"password": "Share5ecret-of-a-picture"});
    let share = told.json("POST", &format!("/v1/images/{id}/shares"), root, wish);
    let token = text(&share, "token");
    for path in [
        format!("/share/{token}"),
        format!("/share/{token}/w_20"),
        format!("/share/{token}/w_x"),
        format!("/i/{id}?share={token}"),
    ] {
        for given in ["Share5ecret-of-a-picture", "Wrong5ecret-is-a-typo", ""] {
            told.get(&path, &[("x-share-password", given), ("accept", "text/html")]);
            told.get(&path, &[("x-share-password", given)]);
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let reply = told.server.post(&path, &form, &format!("password={given}"));
            if let Some((_, cookie)) = reply.header("set-cookie").split_once('=') {
                let proof = cookie.split(';').next().unwrap().to_owned();
                told.get(&path, &[("cookie", &format!("pixedge_share_{}={proof}", text(&share, "id")))]);
                secrets.push(proof);
            }
            told.note(reply);
        }
    }
    let ticket = told.json("POST", "/v1/uploads/sign", root, json!({}));
    let url = text(&ticket, "url").replace(&told.server.url, "");
    for url in [format!("{url}x"), url.clone(), url.clone()] {
        let reply = told.server.send("PUT", &url, &[], &encoded(Format::Png, 30, 30, 2));
        told.note(reply);
    }
    let secret = url.strip_prefix("/v1/uploads/signed/").unwrap_or_else(|| panic!("{url}"));
    secrets.extend([token, secret.to_owned(), "Share5ecret-of-a-picture".to_owned()]);
    id
}

fn signatures(told: &mut Told, secrets: &mut Vec<String>, signed: &str) {
    let sig = signed.split_once("sig=").unwrap().1.split('&').next().unwrap().to_owned();
    assert_eq!(told.get(signed, &[]).status, 200);
    for forged in [
        signed.replace("w_20", "w_21"),
        signed.replace("kid=k1", "kid=k2"),
        format!("/s/k1.{sig}/r/s/w_21,f_jpg/photo.jpg"),
        format!("/explain/s/k1.{sig}.a/r/s/w_21,f_jpg/photo.jpg"),
        format!("/explain{signed}&sc=z"),
        format!("/s/{sig}/r/s/w_20,f_jpg/photo.jpg"),
        format!("{signed}&sig={sig}x"),
    ] {
        assert!(told.get(&forged, &[]).status >= 400, "{forged}");
    }
    assert_eq!(told.get(&format!("/s/k1.{sig}/r/s/w_20,f_jpg/photo.jpg"), &[]).status, 200);
    secrets.push(sig);
}

/// What goes to other servers, which answer with what they were sent.
fn reaching_out(told: &mut Told, secrets: &mut Vec<String>, root: &str, id: &str, endpoint: &str) {
    for source in ["s3", "dav", "web"] {
        let reply = told.get(&format!("/r/{source}/w_20/a/b.jpg"), &[]);
        assert!(reply.status >= 400, "{source}: {}", reply.text());
    }
    let own = json!({"label": "mine", "scheme": "s3", "endpoint": endpoint, "bucket": "pictures", "access_key_id": "AKIAZ", "secret": "Own5ecret-of-a-user"});
    told.json("POST", "/v1/storages/test", root, own.clone());
    told.json("POST", "/v1/storages", root, own);
    let dav = json!({"label": "mine", "scheme": "webdav", "endpoint": endpoint, "username": "someone", "secret": "Own5ecret-of-a-user"});
    told.json("POST", "/v1/storages", root, dav);
    secrets.push("Own5ecret-of-a-user".to_owned());
    assert_eq!(told.json("POST", "/v1/purge", root, json!({"image": id})).status, 200);
    told.json("POST", "/v1/recovery", "", json!({"email": "root@example.com"}));
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    // Hangs up at once; one that refuses connections would be tried again for a while.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(drop));
    for url in [
        &*format!("postgres://someone:Data5ecret@127.0.0.1:{port}/pixedge"),
        &*format!("mysql://someone:Data5ecret@127.0.0.1:{port}/pixedge"),
        "postgres://someone:Data5ecret@[not a host/pixedge",
        "oracle://someone:Data5ecret@127.0.0.1/pixedge",
    ] {
        let home = Home::new(&format!("database: {{ url: '{url}' }}\nlog: {{ level: trace }}\n"));
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["check"], &["user", "list"]] {
            let output = home.command(command).output().unwrap();
            let said = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .concat();
            assert!(!output.status.success() && !said.contains("Data5ecret"), "{command:?} {url}: {said}");
        }
    }
}
