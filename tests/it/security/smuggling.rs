//! One request that is two, and paths that nginx and pixedge might read differently: both think the same of it, or it is
//! refused.

use serde_json::Value;

use super::{exchange, open_source, statuses};
use crate::support::nginx::{Nginx, is_installed};
use crate::support::{Home, Server};
use crate::uploads::account;

fn pair() -> (Server, Nginx) {
    let home =
        Home::new(&format!("{}auth: {{ registration: open }}\nlog: {{ access: all }}\n", open_source()));
    let server = home.start();
    let nginx = Nginx::before(&[server.address()]);
    (server, nginx)
}

/// What must never be asked.
const HIDDEN: &str = "GET /info/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// Name, start line and headers without `Host`, body, and the first status: through nginx, and directly.
type Row = (&'static str, &'static str, &'static str, u16, u16);

const LOGIN: &str = "POST /v1/login HTTP/1.1\r\nHost: h\r\n";

const FRAMING: &[Row] = &[
    (
        "both lengths, the second hidden",
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "0\r\n\r\nHIDDEN",
        400,
        415,
    ),
    (
        "both lengths, the first hidden",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "28\r\nHIDDEN\r\n0\r\n\r\n",
        400,
        415,
    ),
    ("two lengths", "Content-Length: 0\r\nContent-Length: 40", "HIDDEN", 400, 400),
    ("a length with a plus", "Content-Length: +40", "HIDDEN", 400, 400),
    ("a length in hex", "Content-Length: 0x28", "HIDDEN", 400, 400),
    ("a negative length", "Content-Length: -1", "HIDDEN", 400, 400),
    ("a list of lengths", "Content-Length: 0, 40", "HIDDEN", 400, 400),
    ("a length, space before the colon", "Content-Length : 40", "HIDDEN", 400, 400),
    ("chunked, space before the colon", "Transfer-Encoding : chunked", "0\r\n\r\nHIDDEN", 400, 400),
    ("an encoding that is none", "Transfer-Encoding: xchunked", "0\r\n\r\nHIDDEN", 501, 400),
    ("a vertical tab before it", "Transfer-Encoding:\x0bchunked", "0\r\n\r\nHIDDEN", 501, 400),
    (
        "chunked, then something else",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "0\r\n\r\nHIDDEN",
        400,
        400,
    ),
    ("chunked on a folded line", "Transfer-Encoding:\r\n chunked", "0\r\n\r\nHIDDEN", 400, 400),
    ("a folded line", "X-A: b\r\n c", "", 400, 400),
    (
        "a chunk too large to count",
        "Transfer-Encoding: chunked",
        "ffffffffffffffff2a\r\nHIDDEN\r\n0\r\n\r\n",
        400,
        415,
    ),
    ("a chunk with 0x", "Transfer-Encoding: chunked", "0x28\r\nHIDDEN\r\n0\r\n\r\n", 400, 415),
    ("a second host", "Host: evil.example", "", 400, 400),
    ("a bare CR in a header", "X-A: b\rContent-Length: 40", "", 400, 400),
    ("NUL in a header", "X-A: b\0c", "", 400, 400),
    ("a space in a name", "X A: b", "", 400, 400),
];

/// Whole requests.
const REQUESTS: &[(&str, &str, u16, u16)] = &[
    ("no host", "GET /info/x HTTP/1.1\r\n\r\n", 400, 400),
    (
        "chunked in HTTP/1.0",
        "POST /v1/login HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
        400,
        400,
    ),
    ("the first header indented", "GET /info/x HTTP/1.1\r\n X-A: b\r\nHost: h\r\n\r\n", 400, 400),
    ("a space in the target", "GET /info/x y HTTP/1.1\r\nHost: h\r\n\r\n", 400, 400),
    ("two versions", "GET /info/x HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n", 400, 400),
    ("tabs in the first line", "GET\t/info/x\tHTTP/1.1\r\nHost: h\r\n\r\n", 400, 400),
    ("a version that is none", "GET /info/x HTTP/2.0\r\nHost: h\r\n\r\n", 505, 400),
    // What both take for the same single request.
    ("the whole address", "GET http://evil.example/info/x HTTP/1.1\r\nHost: h\r\n\r\n", 404, 404),
    (
        "a body that nobody wants",
        "GET /info/x HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nHIDDEN",
        404,
        404,
    ),
    (
        "the same in chunks",
        "GET /info/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n28\r\nHIDDEN\r\n0\r\n\r\n",
        404,
        404,
    ),
    (
        "of a picture",
        "GET /r/s/w_17,f_jpg/photo.jpg HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nHIDDEN",
        200,
        200,
    ),
    (
        "of a picture that nginx has",
        "GET /r/s/w_17,f_jpg/photo.jpg HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nHIDDEN",
        200,
        200,
    ),
    (
        "an upgrade",
        "GET /info/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        404,
        404,
    ),
    ("lines that end in LF only", "GET /info/x HTTP/1.1\nHost: h\nX-A: b\n\n", 404, 404),
];

#[test]
fn one_request_is_never_two() {
    if !is_installed("one_request_is_never_two") {
        return;
    }
    let (server, nginx) = pair();
    assert_eq!(HIDDEN.len(), 40);
    let framing = FRAMING.iter().map(|(name, headers, body, by_nginx, directly)| {
        (*name, format!("{LOGIN}{headers}\r\n\r\n{body}"), *by_nginx, *directly)
    });
    let whole = REQUESTS
        .iter()
        .map(|(name, text, by_nginx, directly)| (*name, (*text).to_owned(), *by_nginx, *directly));
    for (name, text, by_nginx, directly) in framing.chain(whole) {
        let text = text.replace("HIDDEN", HIDDEN);
        // Whoever goes on after it must get his own answer, and it is the last.
        let text = format!("{text}GET /info/afterwards HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        for (address, expected) in
            [(nginx.http.to_string(), by_nginx), (server.address().to_owned(), directly)]
        {
            let answers = exchange(&address, text.as_bytes());
            let statuses = statuses(&answers);
            assert_eq!(statuses.first(), Some(&expected), "{name}: {answers}");
            assert!(
                statuses.len() <= 2 && statuses[1..].iter().all(|status| *status == 404),
                "{name}: {answers}"
            );
        }
    }
    // On each connection that nginx keeps to pixedge, an answer belongs to its own question.
    let mut wire = nginx.wire();
    for n in 0..100 {
        let answer = wire.ask("GET", &format!("/info/question{n}"), &[]);
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, answer.header("x-request-id")), (404, said["request_id"].as_str()));
    }
    let log = server.log();
    assert!(log.contains("/info/question99") && !log.contains("smuggled"), "{log}");
}

#[test]
fn headers_that_would_change_the_request_count_for_nothing() {
    if !is_installed("headers_that_would_change_the_request_count_for_nothing") {
        return;
    }
    let (server, nginx) = pair();
    let ana = account(&server, "ana");
    let path = "/r/s/w_18,f_png/photo.jpg";
    let clean = nginx.wire().ask("GET", path, &[]);
    assert_eq!(clean.status, 200, "{}", clean.text());
    for header in [
        "X-Original-URL: /metrics",
        "X-Rewrite-URL: /metrics",
        "X-Forwarded-Uri: /metrics",
        "X-Forwarded-Prefix: /metrics/",
        "X-Forwarded-Path: /metrics",
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: PUT",
        "X-Method-Override: POST",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Server: evil.example",
        "X-Host: evil.example",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Scheme: nothttps",
        "X-Forwarded-Port: 1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "X-Client-IP: 127.0.0.1",
        "True-Client-IP: 127.0.0.1",
        "CF-Connecting-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=evil.example;proto=https",
        "Destination: /metrics",
    ] {
        for (n, path) in [path.to_owned(), format!("{path}?cb=2")].into_iter().enumerate() {
            let through = nginx.wire().ask("GET", &path, &[header]);
            let name = header.split_once(':').unwrap();
            let direct = server.get_with(&path, &[(name.0, name.1.trim())]);
            assert_eq!((through.status, &through.body), (200, &clean.body), "{header} {n}");
            assert_eq!((direct.status, &direct.body), (200, &clean.body), "{header} {n}");
            assert_eq!(through.header("etag"), clean.header("etag"), "{header}");
        }
        // Nobody who comes through nginx is this machine.
        for hidden in ["/metrics", "/readyz", "/metrics/"] {
            assert_eq!(nginx.wire().ask("GET", hidden, &[header]).status, 404, "{header} {hidden}");
        }
        // A GET stays one, whatever it says of itself.
        let bearer = format!("Authorization: Bearer {ana}");
        let me = nginx.wire().ask("GET", "/v1/me", &[header, &bearer]);
        assert!(matches!(me.status, 200 | 404 | 405), "{header}: {}", me.text());
        assert_eq!(server.json("GET", "/v1/me", &ana, Value::Null).status, 200, "{header}");
    }
}

/// Spellings of what is hidden or personal, and of pictures, that parsers disagree on elsewhere.
const PATHS: &[&str] = &[
    "/i/%2e%2e/metrics",
    "/i/..%2fmetrics",
    "/i/../metrics",
    "//metrics",
    "/./metrics",
    "/metrics;x",
    "/metrics;/..",
    "/metrics%00",
    "/metrics%20",
    "/metrics/",
    "/metrics?",
    "/metrics%3f",
    "/metrics%23",
    "/metrics#x",
    "/METRICS",
    "/%6detrics",
    "/v1/..%2f..%2fmetrics",
    "/x/..;/metrics",
    "/x/%252e%252e/metrics",
    "\\metrics",
    "/x\\..\\metrics",
    "/%c0%ae%c0%ae/metrics",
    "/%c0%af..%c0%afmetrics",
    "/%e0%80%ae./metrics",
    "/metrics%c0%80",
    "/%2fmetrics",
    "/%5cmetrics",
    "/x/%2e%2e%2fmetrics",
    "/..",
    "/../metrics",
    "/%u002e%u002e/metrics",
    "/metrics\0",
    "/metrics\x01",
    "/metrics\x7f",
    "/%zz/metrics",
    "/metrics%",
    "/i//metrics",
    "//i/demo/w_16,f_jpg",
    "/i/%2fmetrics",
    "/i/demo%00",
    "/r/s/w_16,f_jpg/x/..%2fphoto.jpg",
    "/r/s/w_16,f_jpg/%2e%2e/photo.jpg",
    "/r/s/w_16,f_jpg/x/../photo.jpg",
    "/r/s/w_16,f_jpg//photo.jpg",
    "/r/s/w_16,f_jpg/./photo.jpg",
    "/r/s/w_16,f_jpg/photo.jpg%00.png",
    "/r/s/w_16,f_jpg/p%c0%b2hoto.jpg",
    "/r/s/w_16,f_jpg/photo.jpg;a=b",
    "/r/s/w_16,f_jpg/photo.jpg%3fx",
    "/r/s/w_16,f_jpg/..%5cphoto.jpg",
    "/r/s/w_16,f_jpg/%252e%252e%252fphoto.jpg",
    "/r/s/../s/w_16,f_jpg/photo.jpg",
    "/r/s/w_16,f_jpg/",
    "/r/s/w_16%2cf_jpg/photo.jpg",
    "/R/s/w_16,f_jpg/photo.jpg",
    "/r%2fs/w_16,f_jpg/photo.jpg",
    "/%72/s/w_16,f_jpg/photo.jpg",
    "/v1/me/x.jpg",
    "/v1/me%2fx.jpg",
    "/v1/me;x.jpg",
    "/v1/%6de",
    "/v1//me",
    "//v1/me",
    "/v1/me/..%2f..%2fi/x.jpg",
    "/i/..%2fv1/me",
    "/i/%2e%2e/v1/me",
    "/i/../v1/me",
    "/v1/../i/demo/w_16,f_jpg",
    "/v1/me%3fx.jpg",
    "/v1/me%0d%0aX: y",
    "/i/..;/v1/me",
    "/V1/me",
];

#[test]
fn a_path_means_the_same_to_both_or_nothing() {
    if !is_installed("a_path_means_the_same_to_both_or_nothing") {
        return;
    }
    let (server, nginx) = pair();
    let ana = account(&server, "ana");
    for path in PATHS {
        // As somebody who may see something here that others must not find in a cache.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {ana}\r\nX-Forwarded-For: 198.51.100.7\r\n\
             Connection: close\r\n\r\n"
        );
        let [through, direct] = [nginx.http.to_string(), server.address().to_owned()]
            .map(|address| exchange(address, request.as_bytes()));
        let code = |answer: &str| {
            let code =
                answer.split_once("\"code\":\"").map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
            (statuses(answer), code)
        };
        let ((by_nginx, ours), (alone, directly)) = (code(&through), code(&direct));
        assert!(
            matches!(by_nginx[..], [400 | 404]) && matches!(alone[..], [400 | 404]),
            "{path:?}: {through} {direct}"
        );
        // nginx's own refusals come first; what passes is read in one way.
        if ours.is_some() {
            assert_eq!((by_nginx, ours), (alone, directly), "{path:?}");
        }
        for answer in [&through, &direct] {
            assert!(
                !answer.contains("pixedge_requests_total") && !answer.contains("\"username\""),
                "{path:?}"
            );
        }
    }
    // What is one's own stays so, whatever the address ends with.
    for path in ["/v1/me?x.jpg", "/v1/me?/i/x.jpg", "/v1/images?x=.png"] {
        let bearer = format!("Authorization: Bearer {ana}");
        let mine = nginx.wire().ask("GET", path, &[&bearer]);
        assert!(
            mine.header("cache-control") == Some("no-store") || mine.status == 400,
            "{path}: {}",
            mine.text()
        );
        assert!(matches!(nginx.wire().ask("GET", path, &[]).status, 400 | 401), "{path}");
        assert!(nginx.keys("/v1/").is_empty());
    }
    // Spellings of one picture are one to both.
    let plain = nginx.wire().ask("GET", "/r/s/w_16,f_jpg/photo.jpg", &[]);
    let spelled = nginx.wire().ask("GET", "/r/s/f_jpg,w_16/photo%2ejpg", &[]);
    assert_eq!((plain.status, plain.header("etag")), (200, spelled.header("etag")));
}
