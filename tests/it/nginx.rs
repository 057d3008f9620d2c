//! The configuration in `nginx/`, run by the real nginx before two real nodes: what is a hit, what is kept apart, what
//! is never kept, and what happens when nodes go away.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::accepts::Accepts;
use crate::support::nginx::{Nginx, check_shipped, is_installed};
use crate::support::web::{Web, answer};
use crate::support::wire::{Answer, Wire};
use crate::support::{Home, Server};

const CHROME: &str = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const SAFARI: &str = "Accept: image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5";
const AVIF: &str = "Accept: image/avif,*/*;q=0.1";
const OLD: &str = "Accept: image/png,image/*;q=0.8,*/*;q=0.5";

/// A node whose pictures are fresh for `max_age`.
fn node(max_age: &str) -> Server {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");
    let terms = format!("cache_control: {{ max_age: {max_age}, stale_while_revalidate: 0s }}");
    Home::new(&format!("sources: {{ s: {{ scheme: fs, root: {root}, unsigned: open, {terms} }} }}\n")).start()
}

fn two_nodes(max_age: &str) -> (Server, Server, Nginx) {
    let (one, two) = (node(max_age), node(max_age));
    let nginx = Nginx::before(&[one.address(), two.address()]);
    (one, two, nginx)
}

#[test]
fn the_files_as_shipped_are_accepted() {
    if is_installed("the_files_as_shipped_are_accepted") {
        check_shipped().unwrap_or_else(|said| panic!("{said}"));
    }
}

#[test]
fn hits_validators_ranges_and_head_are_right() {
    if !is_installed("hits_validators_ranges_and_head_are_right") {
        return;
    }
    let (one, two, nginx) = two_nodes("1h");
    let mut wire = nginx.wire();
    let path = "/r/s/w_120,f_webp/photo.jpg";
    let first = wire.ask("GET", path, &[]);
    assert_eq!(first.status, 200, "{}\n{}", first.text(), nginx.log());
    assert_eq!(first.all("cache-status"), "pixedge; fwd=miss; stored, nginx; fwd=uri-miss");
    assert!(first.header("server-timing").is_some());
    let (etag, len) = (first.header("etag").unwrap(), first.body.len());
    assert!(etag.starts_with('"'), "{etag}");
    let hit = wire.ask("GET", path, &["X-Request-Id: mine"]);
    assert_eq!((hit.status, &hit.body), (200, &first.body));
    assert_eq!(hit.all("cache-status"), "pixedge; fwd=miss; stored, nginx; hit");
    assert!(hit.header("server-timing").is_none());
    assert_ne!(hit.header("x-request-id"), first.header("x-request-id"));
    assert!(hit.header("content-encoding").is_none() && hit.header("server") == Some("nginx"));

    for (header, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        (format!("If-None-Match: \"x\", {etag}"), 304),
        ("If-None-Match: *".to_owned(), 304),
        ("If-None-Match: \"x\"".to_owned(), 200),
        (format!("If-Modified-Since: {}", first.header("last-modified").unwrap()), 304),
        ("If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT".to_owned(), 200),
    ] {
        let answer = wire.ask("GET", path, &[&header]);
        assert_eq!((answer.status, answer.header("etag")), (status, Some(etag)), "{header}");
        assert_eq!(answer.body.len(), if status == 304 { 0 } else { len }, "{header}");
    }
    for (range, status, bytes) in [
        ("bytes=0-9", 206, 0..10),
        ("bytes=-5", 206, len - 5..len),
        ("bytes=7-", 206, 7..len),
        ("bytes=0-99999999", 206, 0..len),
        ("bytes=0-1,4-5", 200, 0..len),
        ("bytes=99999999-", 416, 0..0),
        ("lines=1-2", 200, 0..len),
        ("bytes=9-5", 416, 0..0),
    ] {
        // Of a copy in the cache, and of one that is made for this very request.
        for path in
            [path.to_owned(), format!("/r/s/w_120,f_webp/photo.jpg?cb={status}{}{}", bytes.start, bytes.end)]
        {
            let answer = wire.ask("GET", &path, &[&format!("Range: {range}")]);
            assert_eq!(answer.status, status, "{range} {path}");
            if status != 416 {
                assert_eq!(answer.body, first.body[bytes.clone()], "{range} {path}");
            } else {
                assert_eq!(answer.all("content-range"), format!("bytes */{len}"));
            }
        }
    }
    let part = wire.ask("GET", path, &["Range: bytes=3-7", &format!("If-Range: {etag}")]);
    assert_eq!((part.status, part.all("content-range")), (206, format!("bytes 3-7/{len}")));
    assert_eq!(wire.ask("GET", path, &["Range: bytes=3-7", "If-Range: \"x\""]).status, 200);

    for path in [path, "/r/s/w_121,f_webp/photo.jpg"] {
        let head = wire.ask("HEAD", path, &[]);
        let get = wire.ask("GET", path, &[]);
        for name in
            ["content-type", "content-length", "etag", "last-modified", "cache-control", "accept-ranges"]
        {
            assert_eq!(head.header(name), get.header(name), "{name} {path}");
            assert!(head.header(name).is_some(), "{name}");
        }
        assert!(get.all("cache-status").ends_with("nginx; hit"), "{}", get.all("cache-status"));
    }
    let refused = wire.ask("POST", path, &["Content-Length: 0"]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    for hidden in ["/metrics", "/readyz", "/%6detrics", "/i/../metrics", "//metrics", "/metrics?x=1"] {
        let answer = wire.ask("GET", hidden, &["X-Forwarded-For: 127.0.0.1"]);
        assert_eq!(answer.status, 404, "{hidden}");
        assert!(!answer.text().contains("pixedge_requests_total"), "{hidden}");
    }
    assert_eq!(wire.ask("GET", "/healthz", &[]).status, 200);
    assert_eq!(wire.ask("GET", "/r/s/w_120,f_webp/../photo.jpg", &[]).status, 400);
    // A picture through nginx was made once: the misses of `cb`, `w_121` and the first were different URLs.
    assert_eq!(one.count("pixedge_encodes_total") + two.count("pixedge_encodes_total"), 2.0);
}

#[test]
fn four_kinds_of_clients_are_told_apart_and_no_more() {
    if !is_installed("four_kinds_of_clients_are_told_apart_and_no_more") {
        return;
    }
    let (one, two, nginx) = two_nodes("1h");
    let mut wire = nginx.wire();
    let kinds = [(CHROME, "image/avif"), (SAFARI, "image/webp"), (AVIF, "image/avif"), (OLD, "image/jpeg")];
    let negotiated = ["/r/s/w_64/photo.jpg", "/r/s/w_64,f_auto/photo.jpg", "/r/s/w_64/f_webp/x/../photo.jpg"];
    for path in &negotiated[..2] {
        for round in ["fwd=uri-miss", "hit"] {
            for (accept, kind) in kinds {
                let answer = wire.ask("GET", path, &[accept]);
                assert_eq!(
                    (answer.status, answer.header("content-type")),
                    (200, Some(kind)),
                    "{path} {accept}"
                );
                assert_eq!(answer.all("vary"), "Accept");
                assert!(answer.all("cache-status").ends_with(round), "{}", answer.all("cache-status"));
            }
        }
        assert_eq!(nginx.keys(path).len(), 4);
    }
    // Where the URL names the format, all share one entry.
    for path in [
        "/r/s/w_64,f_webp/photo.jpg",
        "/r/s/FMT=png,w_64/photo.jpg",
        "/_ipx/f_jpg&w_64/photo.jpg",
        "/i/none/w_64/name.jpg",
        "/i/none.webp",
    ] {
        for (accept, _) in kinds {
            assert!(matches!(wire.ask("GET", path, &[accept]).status, 200 | 404), "{path}");
        }
        assert_eq!(nginx.keys(path).len(), 1, "{path}");
    }
    // Names and folders that only look like an option, and presets, are kept apart.
    for path in [
        "/r/s/w_64/f_webp,x/photo.jpg",
        "/i/none/t_x/name.jpg",
        "/i/none/f_auto/name.jpg",
        "/i/none/f_%61uto/a.jpg",
    ] {
        for (accept, _) in kinds {
            wire.ask("GET", path, &[accept]);
        }
        assert!(nginx.keys(path).len() >= 3, "{path}: {:?}", nginx.keys(path));
    }

    let strength = |kind: &str| match kind {
        "image/avif" => 2,
        "image/webp" => 1,
        _ => 0,
    };
    let path = "/r/s/w_32/photo.jpg";
    let mut direct = Wire::to(one.address());
    let (mut weaker, mut tags) = (0, BTreeSet::new());
    for (n, accept) in Accepts::new(7).take(1000).enumerate() {
        let accept = format!("Accept: {accept}");
        // Callers enough that none is over its limit.
        let through = wire.ask("GET", path, &[&accept, &format!("X-Forwarded-For: 198.51.100.{}", n % 200)]);
        let alone = direct.ask("GET", path, &[&accept]);
        assert_eq!((through.status, alone.status), (200, 200), "{accept}");
        let kind = |answer: &Answer| answer.header("content-type").unwrap().to_owned();
        let (given, right) = (kind(&through), kind(&alone));
        assert!(strength(&given) <= strength(&right), "{accept}: {given} instead of {right}");
        weaker += usize::from(given != right);
        tags.insert(through.header("etag").unwrap().to_owned());
    }
    assert!(tags.len() <= 4, "{tags:?}");
    let keys = nginx.keys(path);
    assert!((3..=4).contains(&keys.len()), "{keys:?}");
    eprintln!(
        "of 1000 random Accept headers {weaker} were given a weaker format than pixedge alone would give"
    );
    drop(two);
}

#[test]
fn each_picture_stays_on_its_node_until_the_node_goes() {
    if !is_installed("each_picture_stays_on_its_node_until_the_node_goes") {
        return;
    }
    let (one, two, nginx) = two_nodes("1h");
    let mut wire = nginx.wire();
    let made = |node: &Server| {
        node.metrics().get("pixedge_requests_total{route=\"r\",status=\"200\"}").copied().unwrap_or(0.0)
    };
    let pictures = (1..=8).flat_map(|n| [format!("landscape-exif{n}.jpg"), format!("portrait-exif{n}.jpg")]);
    let mut homes = BTreeMap::new();
    for picture in pictures {
        let before = (made(&one), made(&two));
        for spec in ["w_20,f_jpg", "w_30,f_png", "w_40,h_40,c_fill,f_jpg"] {
            let answer = wire.ask("GET", &format!("/r/s/{spec}/{picture}"), &[]);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let home = match (made(&one) - before.0, made(&two) - before.1) {
            (3.0, 0.0) => 1,
            (0.0, 3.0) => 2,
            both => panic!("{picture} went to {both:?}"),
        };
        homes.insert(picture, home);
    }
    assert!((1..=2).all(|home| homes.values().filter(|node| **node == home).count() >= 2), "{homes:?}");
    one.stop();
    for picture in homes.keys() {
        let answer = wire.ask("GET", &format!("/r/s/w_24,f_jpg/{picture}"), &[]);
        assert_eq!(answer.status, 200, "{picture}: {}", answer.text());
    }
}

#[test]
fn a_stale_copy_is_served_when_all_nodes_are_gone() {
    if !is_installed("a_stale_copy_is_served_when_all_nodes_are_gone") {
        return;
    }
    let (one, two, nginx) = two_nodes("1s");
    let mut wire = nginx.wire();
    let path = "/r/s/w_64,f_webp/photo.jpg";
    let first = wire.ask("GET", path, &[]);
    assert_eq!((first.status, first.header("cache-control")), (200, Some("public, max-age=1")));
    // While a node answers, an expired copy is checked behind the back of whoever asks.
    let until = |wire: &mut Wire, wanted: &str| {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let answer = wire.ask("GET", path, &[]);
            assert_eq!((answer.status, &answer.body), (200, &first.body), "{}", answer.text());
            if answer.all("cache-status").ends_with(wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{}", answer.all("cache-status"));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until(&mut wire, "nginx; hit; detail=stale");
    until(&mut wire, "nginx; hit");
    assert_eq!(one.count("pixedge_encodes_total") + two.count("pixedge_encodes_total"), 1.0);
    one.stop();
    two.kill();
    for _ in 0..5 {
        until(&mut wire, "nginx; hit; detail=stale");
    }
    // What is in no cache is an error that nobody keeps.
    let gone = wire.ask("GET", "/r/s/w_65,f_webp/photo.jpg", &[]);
    assert_eq!((gone.status, gone.header("cache-control")), (503, Some("no-store")));
    assert_eq!(
        (gone.header("content-type"), gone.header("retry-after")),
        (Some("application/problem+json"), Some("5"))
    );
    assert!(gone.text().contains("\"code\":\"overloaded\""));
}

#[test]
fn private_pictures_and_errors_are_not_kept() {
    if !is_installed("private_pictures_and_errors_are_not_kept") {
        return;
    }
    let home = Home::new("library: { visibility: private }\n");
    std::fs::create_dir(home.path().join("in")).unwrap();
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/photo.jpg"),
        home.path().join("in/a.jpg"),
    )
    .unwrap();
    let id = home
        .run(&["import", "in"])
        .lines()
        .find_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .unwrap();
    let node = home.start();
    let nginx = Nginx::before(&[node.address()]);
    let mut wire = nginx.wire();
    for path in [format!("/i/{id}"), format!("/i/{id}/w_64,f_jpg"), format!("/i/{id}/f_orig")] {
        let answer = wire.ask("GET", &path, &[]);
        assert_eq!(
            (answer.status, answer.header("cache-control")),
            (404, Some("public, max-age=10")),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let refused = wire.ask("GET", &format!("/i/{id}/w_64,md_all"), &[]);
    assert_eq!((refused.status, refused.header("cache-control")), (403, Some("no-store")));
    assert!(nginx.keys("md_all").is_empty());
}

/// What a node says of a picture, by the last segment of its path.
fn said(path: &str) -> &'static [(&'static str, &'static str)] {
    match path.rsplit('/').next().unwrap() {
        "private" => &[("Cache-Control", "private, max-age=60")],
        "no-store" => &[("Cache-Control", "no-store")],
        "no-cache" => &[("Cache-Control", "no-cache")],
        "silent" => &[],
        "cookie" => &[("Cache-Control", "public, max-age=60"), ("Set-Cookie", "a=b")],
        "vary-cookie" => &[("Cache-Control", "public, max-age=60"), ("Vary", "Accept, Cookie")],
        "vary-hint" => &[("Cache-Control", "public, max-age=60"), ("Vary", "Accept, Sec-CH-DPR, DPR")],
        "vary-accept" => &[("Cache-Control", "public, max-age=60"), ("Vary", "Accept")],
        _ => &[("Cache-Control", "public, max-age=60"), ("RateLimit", REST)],
    }
}

const REST: &str = "\"address\";r=5;t=1";

#[test]
fn what_a_node_forbids_or_the_key_does_not_say_is_not_kept() {
    if !is_installed("what_a_node_forbids_or_the_key_does_not_say_is_not_kept") {
        return;
    }
    let node = Web::start(|request| answer(request, "200 OK", said(&request.target), b"ok"));
    let nginx = Nginx::before(&[node.url().trim_start_matches("http://")]);
    let mut wire = nginx.wire();
    // (target, headers, how many of three requests reach the node)
    let rows: [(&str, &[&str], usize); 20] = [
        ("/i/a/public", &[], 1),
        ("/i/a/public?cb=2", &[], 1),
        ("/i/a/w_5/vary-accept", &[], 1),
        ("/i/a/private", &[], 3),
        ("/i/a/no-store", &[], 3),
        ("/i/a/no-cache", &[], 3),
        ("/i/a/silent", &[], 3),
        ("/i/a/cookie", &[], 3),
        ("/i/a/vary-cookie", &[], 3),
        ("/i/a/vary-hint", &[], 3),
        // Here the key leaves out what the node says it depends on.
        ("/i/a/f_webp/vary-accept", &[], 3),
        ("/i/a/w_auto/public", &[], 3),
        ("/i/a/public?w=5&dpr=auto", &[], 3),
        ("/i/a/public?sig=x&exp=1", &[], 3),
        ("/s/k.sig.123/i/a/public", &[], 3),
        ("/s/k.sig.123.a/i/a/public", &[], 3),
        ("/s/k.sig.a/i/a/public", &[], 1),
        ("/s/k.sig/i/a/public", &[], 1),
        ("/i/b/public", &["Authorization: Bearer x"], 3),
        ("/i/c/public", &["Cookie: theme=1; pixedge_session=x"], 3),
    ];
    for (target, headers, expected) in rows {
        let before = node.requests().len();
        for _ in 0..3 {
            assert_eq!(wire.ask("GET", target, headers).status, 200, "{target}");
        }
        assert_eq!(node.requests().len() - before, expected, "{target} {headers:?}");
    }
    // What is left to one caller is nobody else's business.
    let rests = [0; 2].map(|_| wire.ask("GET", "/i/a/rest", &[]).header("ratelimit").map(ToOwned::to_owned));
    assert_eq!(rests, [Some(REST.to_owned()), None]);
    // Who shows no token must not get what was made for one, and the other way round.
    assert_eq!(wire.ask("GET", "/i/b/public", &[]).all("cache-status"), "nginx; fwd=uri-miss");
    assert_eq!(
        wire.ask("GET", "/i/b/public", &["Authorization: Bearer x"]).all("cache-status"),
        "nginx; fwd=bypass"
    );
    // Foreign cookies change nothing.
    assert_eq!(wire.ask("GET", "/i/b/public", &["Cookie: theme=1"]).all("cache-status"), "nginx; hit");

    // What a client claims about itself does not get through, and what the proxy in front says does.
    let claimed = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "Accept: image/webp;q=0, image/avif;q=0.3",
    ];
    wire.ask("GET", "/i/a/f1", &claimed);
    let sent = node.requests().pop().unwrap().headers;
    for (name, value) in
        [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http"), ("accept", "image/avif")]
    {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{sent:?}");
    }
    assert!(!sent.contains_key("accept-encoding"), "{sent:?}");
    let output = Command::new("curl")
        .args(["-sS", "--interface", "127.0.0.2", "-o", "/dev/null"])
        .args(["-H", claimed[0], "-H", "Forwarded: for=203.0.113.9"])
        .arg(format!("http://{}/i/a/f2", nginx.http))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sent = node.requests().pop().unwrap();
    assert_eq!((&*sent.target, &*sent.headers["x-forwarded-for"]), ("/i/a/f2", "127.0.0.2"));
    assert!(!format!("{sent:?}").contains("203.0.113.9"), "{sent:?}");
}

#[test]
fn http_2_over_tls_and_limits() {
    if !is_installed("http_2_over_tls_and_limits") {
        return;
    }
    let node = node("1h");
    let nginx = Nginx::before(&[node.address()]);
    for round in ["nginx; fwd=uri-miss", "nginx; hit"] {
        let output = Command::new("curl")
            .args(["-sSk", "--http2", "-o", "/dev/null", "-D", "-", "-H", SAFARI])
            .arg(format!("https://{}/r/s/w_64/photo.jpg", nginx.https))
            .output()
            .unwrap();
        let head = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(head.starts_with("HTTP/2 200"), "{head}{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            head.contains(&format!("cache-status: {round}\r\n")) && head.contains("content-type: image/webp"),
            "{head}"
        );
    }

    // More at once than an address may: the rest is told so, others are served.
    let mut wire = nginx.wire();
    let request = "GET /r/s/w_64/photo.jpg HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
    let mut refused = 0;
    for _ in 0..20 {
        wire.send(&request.repeat(50));
        for _ in 0..50 {
            let answer = wire.answer(false);
            assert!(matches!(answer.status, 200 | 429), "{}", answer.status);
            if answer.status == 429 {
                refused += 1;
                assert_eq!(answer.header("retry-after"), Some("1"));
                assert_eq!(answer.header("cache-control"), Some("no-store"));
                assert!(answer.text().contains("\"code\":\"rate_limited\""));
            }
        }
    }
    assert!(refused > 0);
    let other = nginx.wire().ask("GET", "/r/s/w_64/photo.jpg", &["X-Forwarded-For: 198.51.100.2"]);
    assert_eq!(other.status, 200);
    let long = format!("/i/{}", "x".repeat(9000));
    assert_eq!(nginx.wire().ask("GET", &long, &[]).status, 414);
}
