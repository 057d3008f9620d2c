//! Purges of a running server: by the command in another process, by the API, and across a restart.

use std::time::{Duration, Instant};

use pixedge::codec::Format;

use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};

const KEY: &str = "the operator's own key";
const BEARER: (&str, &str) = ("authorization", "Bearer the operator's own key");
const JSON: (&str, &str) = ("content-type", "application/json");
const CONFIG: &str = "\
auth: { admin_key_file: admin.txt }
sources:
  pics: { scheme: fs, root: pics }
  others: { scheme: fs, root: pics }
";
const MISS: &str = "pixedge; fwd=miss; stored";
const HIT: &str = "pixedge; hit; detail=memory";

struct Shop {
    server: Server,
    paths: Vec<String>,
}

/// A server with pictures in the library and in two sources, each asked for once.
fn start() -> Shop {
    let home = Home::new(CONFIG);
    std::fs::write(home.path().join("admin.txt"), KEY).unwrap();
    for (path, seed) in [("2026/11/a.png", 1), ("2026/12/a.png", 2), ("2025/a.png", 3)] {
        let file = home.path().join("pics").join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, encoded(Format::Png, 40, 30, seed)).unwrap();
    }
    let printed = home.run(&["import", home.path().join("pics").to_str().unwrap()]);
    let ids = printed.lines().map(|line| line.split_whitespace().next().unwrap());
    let mut paths: Vec<String> = ids.take(2).map(|id| format!("/i/{id}/w_32,f_png")).collect();
    for path in
        ["pics/w_32,f_png/2026/11/a.png", "pics/w_32,f_png/2026/12/a.png", "pics/w_32,f_png/2025/a.png"]
    {
        paths.push(format!("/r/{path}"));
    }
    paths.push("/r/others/w_32,f_png/2026/11/a.png".to_owned());
    let shop = Shop { server: home.start(), paths };
    assert_eq!(shop.state(), [false; 6]);
    assert_eq!(shop.state(), [true; 6]);
    shop
}

impl Shop {
    /// For each picture, whether it was a hit.
    fn state(&self) -> [bool; 6] {
        let hit = |path: &String| {
            let reply = self.server.get(path);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            match reply.header("cache-status") {
                HIT => true,
                MISS => false,
                other => panic!("{path}: {other}"),
            }
        };
        [0, 1, 2, 3, 4, 5].map(|index| hit(&self.paths[index]))
    }

    fn id(&self, index: usize) -> &str {
        self.paths[index].split('/').nth(2).unwrap()
    }

    fn purge(&self, body: &str) -> Reply {
        self.server.post("/v1/purge", &[BEARER, JSON], body)
    }
}

#[test]
fn the_api_purges_what_it_is_told_and_nothing_else() {
    let shop = start();
    let first = shop.id(0).to_owned();
    for (body, expected) in [
        (format!("{{\"image\":\"{first}\"}}"), [false, true, true, true, true, true]),
        (format!("{{\"tag\":\"{first}\"}}"), [false, true, true, true, true, true]),
        (format!("{{\"tag\":\"image:{first}\"}}"), [false, true, true, true, true, true]),
        ("{\"source\":\"pics\"}".to_owned(), [true, true, false, false, false, true]),
        ("{\"tag\":\"source:others\"}".to_owned(), [true, true, true, true, true, false]),
        ("{\"prefix\":\"pics/2026/\"}".to_owned(), [true, true, false, false, true, true]),
        ("{\"prefix\":\"pics/2026/12/a.png\"}".to_owned(), [true, true, true, false, true, true]),
        ("{\"prefix\":\"pics/202/\"}".to_owned(), [true; 6]),
        ("{\"all\":true}".to_owned(), [false; 6]),
    ] {
        let reply = shop.purge(&body);
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        assert_eq!(reply.header("cache-control"), "no-store");
        // At once, in the process that was asked.
        assert_eq!(shop.state(), expected, "{body}");
        assert_eq!(shop.state(), [true; 6], "{body}");
    }
    let said = shop.purge("{\"prefix\":\"pics/2026/\"}").json();
    assert_eq!(said, serde_json::json!({ "purged": "prefix", "name": "pics/2026", "generation": 2 }));
}

#[test]
fn the_command_reaches_a_running_server_within_a_second_and_survives_a_restart() {
    let mut shop = start();
    let first = shop.id(0).to_owned();
    let purges: [(&[&str], &str, [bool; 6]); 4] = [
        (&["--image", &first], "purged image", [false, true, true, true, true, true]),
        (&["--prefix", "pics/2026/"], "purged prefix pics/2026", [true, true, false, false, true, true]),
        (&["--source", "others"], "purged source others", [true, true, true, true, true, false]),
        (&["--all"], "purged all", [false; 6]),
    ];
    for (args, said, expected) in purges {
        let printed = shop.server.home().run(&[&["cache", "purge"], args].concat());
        assert!(printed.lines().last().unwrap().starts_with(said), "{printed}");
        let done = Instant::now();
        let watched = expected.iter().position(|hit| !hit).unwrap();
        let path = shop.paths[watched].clone();
        while shop.server.get(&path).header("cache-status") == HIT {
            assert!(done.elapsed() < Duration::from_secs(10), "the server never learned of {args:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut expected = expected;
        expected[watched] = true;
        assert_eq!(shop.state(), expected, "{args:?}");
    }
    // What was purged while nobody ran is not found on disk either.
    let home = shop.server.stop();
    home.run(&["cache", "purge", "--tag", "source:pics"]);
    shop.server = home.start();
    let status = |index: usize| shop.server.get(&shop.paths[index]).header("cache-status").to_owned();
    assert_eq!(status(2), MISS);
    assert_eq!(status(5), "pixedge; hit; detail=disk");
}

#[test]
fn caches_in_front_are_told_until_they_understand() {
    use crate::support::web::{Web, answer};
    // One that is busy at first, one that refuses, one that does not have it.
    let told = std::sync::atomic::AtomicU32::new(0);
    let busy = Web::start(move |request| {
        let is_first = told.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        answer(request, if is_first { "503 Service Unavailable" } else { "204 No Content" }, &[], b"")
    });
    let refusing = Web::start(|request| answer(request, "403 Forbidden", &[], b""));
    let without = Web::start(|request| answer(request, "404 Not Found", &[], b""));
    let home = Home::demo_with(&format!(
        "auth: {{ admin_key_file: admin.txt }}\njobs: {{ backoff: 10ms, poll: 100ms }}\npurge_hooks:\n  \
         busy: {{ url: '{}/purge?site=1', token_file: token.txt }}\n  refusing: {{ url: '{}' }}\n  \
         without: {{ url: '{}', method: PURGE }}\n",
        busy.url(),
        refusing.url(),
        without.url(),
    ));
    std::fs::write(home.path().join("admin.txt"), KEY).unwrap();
    std::fs::write(home.path().join("token.txt"), "open-sesame").unwrap();
    let server = home.start();
    let reply = server.post("/v1/purge", &[BEARER, JSON], "{\"image\":\"demo\"}");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let counted = |state: &str| {
        let name = format!("pixedge_jobs_total{{kind=\"purge-hook\",state=\"{state}\"}}");
        server.metrics().get(&name).copied().unwrap_or(0.0)
    };
    let since = Instant::now();
    while (counted("completed"), counted("retried"), counted("failed")) != (2.0, 1.0, 1.0) {
        assert!(since.elapsed() < Duration::from_secs(20), "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let requests = busy.requests();
    assert_eq!((requests.len(), refusing.requests().len(), without.requests().len()), (2, 1, 1));
    for request in &requests {
        assert_eq!((&*request.method, &*request.target), ("POST", "/purge?site=1"));
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        assert_eq!(header("authorization"), Some("Bearer open-sesame"));
        assert_eq!((header("cache-tag"), header("surrogate-key")), (Some("demo"), Some("demo")));
        let said: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let expected =
            serde_json::json!({"purged": "image", "name": "demo", "generation": 1, "cache_tags": ["demo"]});
        assert_eq!(said, expected);
    }
    assert_eq!(without.requests()[0].method, "PURGE");
    assert!(!server.log().contains("open-sesame"));
}

#[test]
fn only_the_operator_purges_and_wrong_wishes_say_what_is_wrong() {
    let shop = start();
    let all = "{\"all\":true}";
    let post = |headers: &[(&str, &str)], body: &str| {
        let reply = shop.server.post("/v1/purge", headers, body);
        (reply.status, reply.code())
    };
    let code = |status: u16, code: &str| (status, code.to_owned());
    for header in ["", "Bearer", "Bearer ", "Bearer wrong", "Basic the operator's own key", KEY] {
        let headers = [("authorization", header), JSON];
        assert_eq!(post(&headers, all), code(401, "unauthorized"), "{header}");
    }
    assert_eq!(post(&[JSON], all), code(401, "unauthorized"));
    let asked = shop.server.post("/v1/purge", &[JSON], all);
    assert_eq!(
        (asked.header("www-authenticate"), asked.header("access-control-allow-origin")),
        ("Bearer", "")
    );
    assert_eq!(post(&[BEARER], all), code(415, "unsupported_media_type"));
    let padded = format!("{{\"all\":true{}}}", " ".repeat(70_000));
    assert_eq!(post(&[BEARER, JSON], &padded), code(413, "too_many_bytes"));
    // The length need not be announced.
    let chunked = format!(
        "POST /v1/purge HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}: {}\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{padded}\r\n0\r\n\r\n",
        BEARER.0,
        BEARER.1,
        JSON.0,
        JSON.1,
        padded.len()
    );
    let answer = shop.server.raw(&chunked, Duration::from_secs(10));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    for (body, option) in [
        ("", None),
        ("[]", None),
        ("{}", Some("all")),
        ("{\"all\":false}", Some("all")),
        ("{\"image\":7}", Some("image")),
        ("{\"imgae\":\"x\"}", Some("imgae")),
        ("{\"source\":\"pics\",\"tag\":\"x\"}", Some("tag")),
        ("{\"prefix\":\"pics/../x\"}", Some("prefix")),
    ] {
        let reply = shop.purge(body);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert_eq!(reply.json()["option"].as_str(), option, "{body}");
    }
    for body in ["{\"image\":\"nosuchid\"}", "{\"source\":\"nosuch\"}", "{\"prefix\":\"nosuch/\"}"] {
        assert_eq!(post(&[BEARER, JSON], body), code(404, "not_found"), "{body}");
    }
    for method in ["GET", "HEAD", "DELETE", "PUT"] {
        let reply = shop.server.request(method, "/v1/purge", &[BEARER]);
        assert_eq!((reply.status, reply.header("allow")), (405, "POST, OPTIONS"), "{method}");
    }
    let options = shop.server.request("OPTIONS", "/v1/purge", &[("origin", "https://example.org")]);
    assert_eq!((options.status, options.header("allow")), (204, "POST, OPTIONS"));
    assert_eq!(options.header("access-control-allow-origin"), "");
    assert_eq!(shop.state(), [true; 6], "nothing was purged");

    let wrong = |args: &[&str]| {
        let output = shop.server.home().command(&[&["cache", "purge"], args].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for args in [&[][..], &["--all", "--image", "x"], &["--source", "nosuch"], &["--image", "nosuchid"]] {
        let (code, said) = wrong(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
    }

    // Without a key in the configuration nobody may.
    let server = Home::demo().start();
    let reply = server.post("/v1/purge", &[BEARER, JSON], all);
    assert_eq!((reply.status, reply.code()), code(403, "forbidden"));
}

#[test]
fn keys_cannot_be_tried_at_any_rate() {
    let server = Home::new("limits: { per_address: { rate: 1/m, burst: 3 } }\n").start();
    let statuses: Vec<u16> =
        (0..5).map(|_| server.post("/v1/purge", &[JSON], "{\"all\": true}").status).collect();
    assert_eq!(statuses, [403, 403, 403, 429, 429]);
}
