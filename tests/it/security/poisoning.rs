//! What one caller sends never shows in what another one gets: headers that are in no key, parameters that stand twice or
//! in another order, other spellings, requests with a body.

use std::collections::BTreeSet;

use pixedge::codec::Format;

use super::open_source;
use crate::support::accepts::Accepts;
use crate::support::nginx::{Nginx, is_installed};
use crate::support::pictures::encoded;
use crate::support::wire::{Answer, Wire};
use crate::support::{Home, Server};
use crate::uploads::{account, post};

fn server() -> Server {
    let config = "auth: { registration: open }\n";
    Home::demo_with(&format!("{config}{}", open_source())).start()
}

/// Everything that a stranger's next request could depend on; `cb` is what made the address a fresh one.
fn lasting(answer: &Answer, cb: &str) -> (u16, Vec<(String, String)>, Vec<u8>) {
    const OF_THE_MOMENT: [&str; 7] = [
        "date",
        "x-request-id",
        "cache-status",
        "server-timing",
        "ratelimit",
        "ratelimit-policy",
        "connection",
    ];
    let kept = answer.headers.iter().filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str()));
    let mut headers: Vec<_> = kept.map(|(name, value)| (name.clone(), value.replace(cb, "CB"))).collect();
    headers.sort();
    let is_problem = answer.header("content-type") == Some("application/problem+json");
    let body = if is_problem {
        answer.text().split("\"request_id\"").next().unwrap().into()
    } else {
        answer.body.clone()
    };
    (answer.status, headers, body)
}

/// Each is one attack: lines of headers.
fn attacks() -> Vec<Vec<String>> {
    let mut attacks: Vec<Vec<String>> = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Scheme: http",
        "X-Forwarded-Port: 1337",
        "X-Forwarded-Prefix: /evil.example",
        "X-Forwarded-For: 198.51.100.66",
        "Forwarded: for=1.2.3.4;host=evil.example;proto=http",
        "X-Host: evil.example",
        "X-Original-URL: /evil.example",
        "X-HTTP-Method-Override: HEAD",
        "Origin: https://evil.example",
        "Referer: https://evil.example/",
        "Cookie: theme=evil.example",
        "Cookie: pixedge_session=evil.example",
        "Authorization: Bearer evil.example",
        "Authorization: Basic ZXZpbDpldmls",
        "Accept-Encoding: gzip, br",
        "Accept-Encoding: identity;q=0, *;q=0",
        "Accept-Language: evil.example",
        "User-Agent: evil.example",
        "Save-Data: on",
        "DPR: 3",
        "Sec-CH-DPR: 3",
        "Width: 9",
        "Viewport-Width: 9",
        "Range: bytes=0-9",
        "Range: bytes=-1",
        "Range: bytes=99999999-",
        "If-Range: \"evil.example\"",
        "If-None-Match: *",
        "If-None-Match: \"evil.example\"",
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        "If-Match: \"evil.example\"",
        "If-Unmodified-Since: Mon, 01 Jan 1990 00:00:00 GMT",
        "Cache-Control: no-store",
        "Cache-Control: only-if-cached",
        "Pragma: no-cache",
        "Expect: evil.example",
        "X-Request-Id: evil.example",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "X-Share-Password: evil.example",
        "Content-Type: text/evil.example",
        "TE: trailers",
        "Upgrade: websocket",
    ]
    .map(|line| vec![line.to_owned()])
    .into();
    attacks.push((0..150).map(|n| format!("X-{n}: evil.example")).collect());
    attacks.push((0..3).map(|n| format!("X-{n}: {}", "e".repeat(7000))).collect());
    attacks
}

#[test]
fn what_is_in_no_key_is_in_no_answer() {
    if !is_installed("what_is_in_no_key_is_in_no_answer") {
        return;
    }
    let server = server();
    let nginx = Nginx::before(&[server.address()]);
    let paths = [
        "/r/s/w_40,f_jpg/photo.jpg",
        "/i/demo/w_40,f_png",
        "/r/s/w_41/photo.jpg",
        "/i/none/w_40",
        "/r/s/w_x/photo.jpg",
    ];
    // Through nginx's cache, and from pixedge itself.
    for (place, address) in [("nginx", nginx.http.to_string()), ("pixedge", server.address().to_owned())] {
        let expected: Vec<_> = paths
            .iter()
            .map(|path| lasting(&Wire::to(&*address).ask("GET", &format!("{path}?cb=clean"), &[]), "clean"))
            .collect();
        assert_eq!(expected.iter().map(|known| known.0).collect::<Vec<_>>(), [200, 200, 200, 404, 400]);
        for (n, lines) in attacks().iter().enumerate() {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            // One path each, and the first, which is a picture, always.
            for at in BTreeSet::from([0, 1 + n % (paths.len() - 1)]) {
                let cb = format!("{place}{n}q");
                let path = format!("{}?cb={cb}", paths[at]);
                let bad = Wire::to(&*address).ask("GET", &path, &lines);
                let told = format!(
                    "{}{}",
                    bad.headers.iter().map(|(k, v)| format!("{k}: {v}\n")).collect::<String>(),
                    bad.text()
                );
                let echo = lines[0].starts_with("X-Request-Id");
                assert!(echo || !told.contains("evil"), "{place} {lines:?}: {told}");
                let after = lasting(&Wire::to(&*address).ask("GET", &path, &[]), &cb);
                assert!(
                    after == expected[at],
                    "{place} {path} {lines:?}: {after:?} instead of {:?}",
                    expected[at]
                );
            }
        }
        // Another name, a whole address, and another method.
        for (n, head) in [
            "GET PATH HTTP/1.1\r\nHost: evil.example",
            "GET PATH HTTP/1.1\r\nHost: h:1337",
            "GET http://evil.examplePATH HTTP/1.1\r\nHost: h",
            "HEAD PATH HTTP/1.1\r\nHost: h",
            "POST PATH HTTP/1.1\r\nHost: h\r\nContent-Length: 0",
            "DELETE PATH HTTP/1.1\r\nHost: h",
            "OPTIONS PATH HTTP/1.1\r\nHost: h\r\nOrigin: https://evil.example",
            "GET PATH HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nw=9&f=png",
            "GET PATH HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nw=9&f=png\r\n0",
        ]
        .into_iter()
        .enumerate()
        {
            let cb = format!("{place}{n}h");
            let path = format!("{}?cb={cb}", paths[0]);
            let mut wire = Wire::to(&*address);
            let ends = if head.contains("w=9") && !head.contains("chunked") { "" } else { "\r\n\r\n" };
            wire.send(&format!("{}{ends}", head.replace("PATH", &path)));
            let bad = wire.answer(head.starts_with("HEAD"));
            assert!(!bad.text().contains("evil") && !bad.all("link").contains("evil"), "{head}");
            let after = lasting(&Wire::to(&*address).ask("GET", &path, &[]), &cb);
            assert!(after == expected[0], "{place} {head}: {after:?} instead of {:?}", expected[0]);
        }
    }
}

#[test]
fn parameters_twice_in_any_order_or_spelling_are_one_meaning_or_none() {
    let server = server();
    let one = server.get("/i/demo?w=24&f=png");
    assert_eq!(one.status, 200, "{}", one.text());
    for path in [
        "/i/demo?f=png&w=24",
        "/i/demo?%77=24&f=png",
        "/i/demo?w=%32%34&f=png",
        "/i/demo?width=24&format=png",
        "/i/demo/w_24,f_png",
        "/i/demo/f_png,w_24",
        "/i/demo/f=png,width=24",
        "/i/demo/w_24,f_png?cb=7",
        "/i/demo/w_24,f_png/any-name.png",
        "/_ipx/f_png&w_24/demo",
    ] {
        let other = server.get(path);
        assert_eq!(
            (other.status, other.header("etag")),
            (200, one.header("etag")),
            "{path}: {}",
            other.text()
        );
        assert!(other.body == one.body, "{path}");
    }
    assert_eq!(server.count("pixedge_encodes_total"), 1.0);
    for path in [
        "/i/demo?w=24&w=25",
        "/i/demo?w=24&width=25",
        "/i/demo?w=24&%77=25",
        "/i/demo?w=24;w=25",
        "/i/demo?w=24&amp;f=png",
        "/i/demo?w[]=24",
        "/i/demo?w=24%00",
        "/i/demo?w=24&utm_source=x",
        "/i/demo?w=24?f=png",
        "/i/demo/w_24,w_25",
        "/i/demo/w_24?w=25",
        "/i/demo/w_24?cb=1&cb=2",
        "/i/demo/w_24?sig=a&sig=b",
        "/i/demo/w_24?kid=a&kid=b",
    ] {
        let refused = server.get(path);
        assert!(matches!(refused.status, 400 | 403), "{path}: {}", refused.status);
    }
    assert_eq!(server.count("pixedge_encodes_total"), 1.0);
}

#[test]
fn a_thousand_accept_headers_are_four_results_at_most() {
    let server = server();
    let mut wire = Wire::to(server.address());
    let mut tags = BTreeSet::new();
    for accept in Accepts::new(99).take(1000) {
        let answer = wire.ask("GET", "/r/s/w_20/photo.jpg", &[&format!("Accept: {accept}")]);
        assert_eq!(
            (answer.status, answer.header("vary")),
            (200, Some("Accept")),
            "{accept}: {}",
            answer.text()
        );
        tags.insert(answer.header("etag").unwrap().to_owned());
    }
    assert!((2..=4).contains(&tags.len()), "{tags:?}");
    assert_eq!(server.count("pixedge_encodes_total"), tags.len() as f64);
}

#[test]
fn links_begin_with_the_public_url_whoever_is_asked_for() {
    let server = server();
    let ana = account(&server, "ana");
    let evil = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("forwarded", "host=evil.example"),
        ("x-forwarded-prefix", "/evil.example"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let made = post(&server, &ana, &evil, &[("file", Some("a.png"), &encoded(Format::Png, 40, 30, 1))]);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["images"][0]["id"].as_str().unwrap().to_owned();
    assert!(made.text().contains(&format!("{}/i/{id}", server.url)), "{}", made.text());
    let bearer = format!("Bearer {ana}");
    let mine = [&evil[..], &[("authorization", &*bearer), ("content-type", "application/json")]].concat();
    let share = server.post(&format!("/v1/images/{id}/shares"), &mine, "{}");
    assert!(share.json()["url"].as_str().is_some_and(|url| url.starts_with(&server.url)), "{}", share.text());
    let ticket = server.post("/v1/uploads/sign", &mine, "{}");
    assert!(
        ticket.json()["url"].as_str().is_some_and(|url| url.starts_with(&server.url)),
        "{}",
        ticket.text()
    );
    let answers = [
        ("upload", made),
        ("share", share),
        ("ticket", ticket),
        ("list", server.request("GET", "/v1/images", &mine)),
        ("image", server.request("GET", &format!("/v1/images/{id}"), &mine)),
        ("picture", server.get_with(&format!("/i/{id}/w_20"), &evil)),
        ("explain", server.get_with(&format!("/explain/i/{id}/w_20"), &evil)),
        ("info", server.get_with(&format!("/info/{id}"), &evil)),
        ("page", server.get_with("/", &evil)),
        ("docs", server.get_with("/docs/transforms", &evil)),
        ("openapi", server.get_with("/openapi.json", &evil)),
        ("nothing", server.get_with("/nothing", &evil)),
    ];
    for (name, answer) in &answers {
        let headers: String =
            answer.headers.iter().map(|(k, v)| format!("{k}: {}\n", v.to_str().unwrap())).collect();
        assert!(
            !headers.contains("evil") && !answer.text().contains("evil"),
            "{name}: {headers}{}",
            answer.text()
        );
        assert!(*name == "nothing" || answer.status < 300, "{name}: {}", answer.text());
    }
}
