//! HTTP as caches and browsers rely on it: validators, ranges, Vary, CORS, headers of hits and misses.

use crate::support::{Home, Reply, Server};

const PATH: &str = "/i/demo/w_120,f_webp";

fn demo() -> Server {
    Home::demo().start()
}

#[test]
fn validators_ranges_and_methods_hold_for_misses_and_hits() {
    let server = demo();
    let first = server.get(PATH);
    assert_eq!(first.status, 200, "{}", first.text());
    let etag = first.header("etag").to_owned();
    let modified = first.header("last-modified").to_owned();
    let len = first.body.len();
    assert!(etag.starts_with('"') && etag.len() > 12, "{etag}");
    let weak = format!("W/{etag}");
    let list = format!("\"other\", {etag}");
    let all_but_first = format!("bytes=1-{}", len - 1);
    let beyond = format!("bytes={len}-");
    let cases: [(&[(&str, &str)], u16, usize); 20] = [
        (&[("if-none-match", &etag)], 304, 0),
        (&[("if-none-match", &weak)], 304, 0),
        (&[("if-none-match", &list)], 304, 0),
        (&[("if-none-match", "*")], 304, 0),
        (&[("if-none-match", "\"other\"")], 200, len),
        (&[("if-modified-since", &modified)], 304, 0),
        (&[("if-modified-since", "Mon, 01 Jan 1990 00:00:00 GMT")], 200, len),
        (&[("if-modified-since", "rubbish")], 200, len),
        (&[("if-none-match", "\"other\""), ("if-modified-since", &modified)], 200, len),
        (&[("range", "bytes=0-9")], 206, 10),
        (&[("range", "bytes=-5")], 206, 5),
        (&[("range", &all_but_first)], 206, len - 1),
        (&[("range", "bytes=5-")], 206, len - 5),
        (&[("range", "bytes=0-999999999")], 206, len),
        (&[("range", &beyond)], 416, usize::MAX),
        (&[("range", "bytes=9-5")], 200, len),
        (&[("range", "lines=1-2")], 200, len),
        (&[("range", "bytes=0-9"), ("if-range", &etag)], 206, 10),
        (&[("range", "bytes=0-9"), ("if-range", &weak)], 200, len),
        (&[("range", "bytes=0-9"), ("if-range", "\"other\"")], 200, len),
    ];
    for (headers, status, bytes) in cases {
        let reply = server.get_with(PATH, headers);
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.text());
        if bytes != usize::MAX {
            assert_eq!(reply.body.len(), bytes, "{headers:?}");
        }
        if status == 304 {
            assert_eq!(reply.header("etag"), etag);
            assert!(!reply.header("cache-control").is_empty());
        }
    }
    let part = server.get_with(PATH, &[("range", "bytes=3-7")]);
    assert_eq!(part.header("content-range"), format!("bytes 3-7/{len}"));
    assert_eq!(part.body, first.body[3..8]);
    let none = server.get_with(PATH, &[("range", &beyond)]);
    assert_eq!(none.header("content-range"), format!("bytes */{len}"));
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let server = demo();
    let pick = |reply: &Reply| {
        ["content-type", "content-length", "etag", "cache-control", "last-modified", "link"]
            .map(|name| reply.header(name).to_owned())
    };
    let head = server.request("HEAD", PATH, &[]);
    let get = server.get(PATH);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(pick(&head), pick(&get));
    let wrong = server.request("HEAD", "/i/demo/widht_1", &[]);
    assert_eq!((wrong.status, wrong.body.len()), (400, 0));
}

#[test]
fn a_304_needs_no_picture() {
    let server = demo();
    let etag = server.get(PATH).header("etag").to_owned();
    let home = server.stop();
    std::fs::remove_dir_all(home.path().join("data/cache")).unwrap();
    let server = home.start();
    assert_eq!(server.get_with(PATH, &[("if-none-match", &etag)]).status, 304);
    assert_eq!(server.count("pixedge_decodes_total"), 0.0);
}

#[test]
fn pictures_carry_what_browsers_and_caches_need() {
    let server = demo();
    let reply = server.get(PATH);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("timing-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    assert!(
        reply.header("cache-control").starts_with("public, max-age="),
        "{}",
        reply.header("cache-control")
    );
    assert!(reply.header("link").contains("rel=\"canonical\""), "{}", reply.header("link"));
    assert!(reply.header("link").contains("/i/demo/w_120,f_webp"), "{}", reply.header("link"));
    let timing = reply.header("server-timing");
    for stage in ["queue", "fetch", "decode", "transform", "encode"] {
        assert!(timing.contains(&format!("{stage};dur=")), "{timing}");
    }
    let named = server.get("/i/demo/w_120/caf%C3%A9.webp?dl=1");
    assert_eq!(named.status, 200, "{}", named.text());
    assert!(named.header("content-disposition").starts_with("attachment"));
    assert!(named.header("content-disposition").contains("filename*=UTF-8''caf%C3%A9.webp"));
    let error = server.get("/i/demo/widht_1");
    assert!(!error.header("cache-control").contains("immutable"));
    let preflight = server.request("OPTIONS", PATH, &[("origin", "https://example.org")]);
    assert_eq!(preflight.status, 204);
}

#[test]
fn a_slow_header_does_not_hold_a_connection() {
    let server = demo();
    let started = std::time::Instant::now();
    let answer = server.raw("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ", std::time::Duration::from_secs(20));
    assert!(started.elapsed() < std::time::Duration::from_secs(15), "still open: {answer}");
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_request_under_way_survives_the_stop() {
    let home = Home::demo();
    let server = home.start();
    let url = server.url.clone();
    let before = server.count("pixedge_requests_total");
    let request = std::thread::spawn(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let response = agent.get(format!("{url}/i/demo/w_1200,f_avif")).call().unwrap();
        (response.status().as_u16(), response.into_body().read_to_vec().unwrap().len())
    });
    // The miss is under way once its source has been read.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.count("pixedge_source_reads_total") < 1.0 {
        assert!(std::time::Instant::now() < deadline, "the request never began (after {before})");
    }
    server.stop();
    let (status, len) = request.join().unwrap();
    assert_eq!(status, 200);
    assert!(len > 1000);
}
