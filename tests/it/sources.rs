//! Originals from every kind of source: the same bytes from all of them, and what happens when one is away, slow, cuts
//! its answers off or changes them.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pixedge::codec::Format;

use crate::support::daemons::{Daemon, Daemons, S3_KEY, S3_SECRET, free_port, installed};
use crate::support::web::{self, Request, Web};
use crate::support::{Home, Server, certificate, pictures};

/// Away for this long, whatever is asked, is fast.
const FAST: Duration = Duration::from_secs(3);

fn photo() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources/photo.jpg")).unwrap()
}

/// A folder with the bucket `pictures`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sub = folder.path().join("pictures/sub");
    std::fs::create_dir_all(&sub).unwrap();
    std::fs::write(sub.join("photo.jpg"), photo()).unwrap();
    std::fs::write(sub.join("Été 1 + 2 & so #%.jpg"), photo()).unwrap();
    // Longer than what is read for a header.
    let large = pictures::encoded(Format::Jpeg, 1600, 1200, 7);
    assert!(large.len() > 200_000);
    std::fs::write(sub.join("large.jpg"), large).unwrap();
    std::fs::write(sub.join("other.jpg"), pictures::encoded(Format::Jpeg, 300, 200, 8)).unwrap();
    folder
}

fn s3(endpoint: &str) -> String {
    format!(
        "scheme: s3, endpoint: '{endpoint}', bucket: pictures, region: us-east-1, \
         access_key_id: {S3_KEY}, secret_access_key: {S3_SECRET}"
    )
}

fn every_source(folder: &Path, daemons: &Daemons) -> String {
    let (http, port) = (daemons.http.url(), daemons.http.port());
    let common = "unsigned: open, revalidate: 100ms, timeout: 2s";
    let own = "allow_addresses: [127.0.0.0/8]";
    // An original that is kept, decoded or not, would serve other widths without its source.
    format!(
        "images: {{ bitmap_cache: 0 }}\n\
         cache: {{ originals: 0 }}\n\
         sources:\n  \
         disk: {{ scheme: fs, root: '{}', {common} }}\n  \
         bucket: {{ {}, {common} }}\n  \
         dav: {{ scheme: webdav, endpoint: '{}', root: /pictures, {common} }}\n  \
         web: {{ scheme: http, endpoint: '{http}/pictures', {own}, {common} }}\n  \
         any: {{ scheme: http, hosts: ['127.0.0.1:{port}'], {own}, {common} }}\n",
        folder.join("pictures").display(),
        s3(&daemons.s3.url()),
        daemons.webdav.url(),
    )
}

fn by_url(url: &str) -> String {
    format!("~{}", BASE64_URL_SAFE_NO_PAD.encode(url))
}

/// As it stands in a URL of ours.
fn escaped(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2F", "/")
        .replace("%2E", ".")
}

#[test]
fn the_same_file_from_everywhere_and_what_happens_when_a_server_is_away() {
    let (folder, logs) = (folder(), tempfile::tempdir().unwrap());
    let Some(mut daemons) = Daemons::start("sources", folder.path(), logs.path()) else { return };
    let server = Home::new(&every_source(folder.path(), &daemons)).start();
    let http = daemons.http.url();

    for name in ["sub/photo.jpg", "sub/Été 1 + 2 & so #%.jpg", "sub/large.jpg"] {
        for spec in ["w_200,f_webp", "f_orig"] {
            let from = |source: &str, path: &str| {
                let reply = server.get(&format!("/r/{source}/{spec}/{path}"));
                assert_eq!(reply.status, 200, "{source} {path}: {}", reply.text());
                reply.body
            };
            let path = escaped(name);
            let disk = from("disk", &path);
            for source in ["bucket", "dav", "web"] {
                assert!(from(source, &path) == disk, "{source} {spec} {name}");
            }
            assert!(from("any", &by_url(&format!("{http}/pictures/{path}"))) == disk, "any {spec} {name}");
        }
    }
    for source in ["disk", "bucket", "dav", "web"] {
        for missing in ["sub/none.jpg", "none/photo.jpg", "sub"] {
            let reply = server.get(&format!("/r/{source}/w_100/-/{missing}"));
            // A web server's folder is a page of its own.
            let page = source == "web" && missing == "sub";
            let expected = if page { (415, "not_an_image") } else { (404, "not_found") };
            assert_eq!((reply.status, reply.code().as_str()), expected, "{source} {missing}");
        }
    }

    goes_away(&server, &mut daemons.s3, "bucket", "sub/photo.jpg", "sub/other.jpg");
    goes_away(&server, &mut daemons.webdav, "dav", "sub/photo.jpg", "sub/other.jpg");
    goes_away(&server, &mut daemons.http, "web", "sub/photo.jpg", "sub/other.jpg");
    let url = |name: &str| by_url(&format!("{http}/pictures/sub/{name}.jpg"));
    goes_away(&server, &mut daemons.http, "any", &url("photo"), &url("other"));
}

/// `known` has been asked for, `unknown` has not.
fn goes_away(server: &Server, daemon: &mut Daemon, source: &str, known: &str, unknown: &str) {
    let get = |spec: &str, path: &str| server.get(&format!("/r/{source}/{spec}/{path}"));
    daemon.kill();
    let since = Instant::now();
    // Through every age that what is known can have: fresh, aging, stale.
    while since.elapsed() < Duration::from_millis(1300) {
        let hit = get("w_200,f_webp", known);
        assert_eq!(hit.status, 200, "{source}: {}", hit.text());
        assert!(hit.header("cache-status").contains("hit"), "{source}: {}", hit.header("cache-status"));
        std::thread::sleep(Duration::from_millis(100));
    }
    for (spec, path) in [("w_210,f_webp", known), ("w_200,f_webp", unknown), ("w_220,f_webp", unknown)] {
        let since = Instant::now();
        let reply = get(spec, path);
        assert_eq!((reply.status, reply.code().as_str()), (502, "source_failed"), "{source} {spec} {path}");
        assert!(since.elapsed() < FAST, "{source}: {:?}", since.elapsed());
    }
    daemon.start_again();
    for (spec, path) in [("w_210,f_webp", known), ("w_200,f_webp", unknown)] {
        let since = Instant::now();
        loop {
            let reply = get(spec, path);
            if reply.status == 200 {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(15), "{source} does not heal: {}", reply.text());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn check_names_each_source_and_what_is_wrong() {
    let (folder, logs) = (folder(), tempfile::tempdir().unwrap());
    let Some(daemons) = Daemons::start("check", folder.path(), logs.path()) else { return };
    let config = every_source(folder.path(), &daemons);
    let said = Home::new(&config).run(&["check"]);
    for source in ["disk", "bucket", "dav", "web", "any"] {
        assert!(said.contains(&format!("source {source}")), "{said}");
    }
    for (wrong, words) in [
        (config.replace(S3_SECRET, "another-secret-of-it"), "source bucket"),
        (config.replace("root: /pictures,", "root: /none,"), "source dav"),
        (config.replace("allow_addresses: [127.0.0.0/8], ", ""), "not a public address (loopback)"),
    ] {
        let output = Home::new(&wrong).command(&["check"]).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.success(), words == "source dav", "{words}: {said}");
        assert!(said.contains(words), "{said}");
    }
}

/// A server whose source `web` is the given web server, and `urls` takes whole URLs of it.
fn over(web: &Web, more: &str) -> Server {
    let (url, port) = (web.url(), web.port);
    let own = "allow_addresses: [127.0.0.0/8], unsigned: open";
    Home::new(&format!(
        "images: {{ bitmap_cache: 0 }}\n\
         cache: {{ originals: 0 }}\n\
         sources:\n  \
         web: {{ scheme: http, endpoint: '{url}/base', {own}, {more} }}\n  \
         urls: {{ scheme: http, hosts: ['127.0.0.1:{port}'], {own}, {more} }}\n"
    ))
    .start()
}

#[test]
fn a_server_that_never_answers_is_a_timeout() {
    // Takes connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = format!(
        "sources: {{ web: {{ scheme: http, endpoint: 'http://127.0.0.1:{port}', timeout: 400ms, \
         allow_addresses: [127.0.0.1] }}, \
         dav: {{ scheme: webdav, endpoint: 'http://127.0.0.1:{port}', timeout: 400ms }} }}"
    );
    let server = Home::new(&config).start();
    for source in ["web", "dav"] {
        let since = Instant::now();
        let reply = server.get(&format!("/r/{source}/w_100/a.jpg"));
        assert_eq!((reply.status, reply.code().as_str()), (504, "source_timeout"), "{source}");
        assert!(since.elapsed() < FAST, "{source}: {:?}", since.elapsed());
    }
}

#[test]
fn a_failing_server_is_not_asked_by_every_request() {
    let web = Web::start(|request| web::answer(request, "503 Service Unavailable", &[], b""));
    let server = over(&web, "revalidate: 60s");
    for width in 100..130 {
        let reply = server.get(&format!("/r/web/w_{width}/a.jpg"));
        assert_eq!((reply.status, reply.code().as_str()), (502, "source_failed"));
    }
    // The first one, and twice more in case it was a hiccup.
    assert_eq!(web.requests().len(), 3);
}

#[test]
fn a_body_that_is_cut_off_is_never_taken() {
    let photo = photo();
    let cut = Arc::new(AtomicUsize::new(usize::MAX));
    let (serving, body) = (Arc::clone(&cut), photo);
    let web = Web::start(move |request| {
        let mut answer = web::answer(request, "200 OK", &[("ETag", "\"1\"")], &body);
        let whole = !request.headers.contains_key("range");
        if whole && request.method == "GET" && serving.load(Ordering::SeqCst) > 0 {
            serving.fetch_sub(1, Ordering::SeqCst);
            answer.truncate(answer.len() - 1000);
        }
        answer
    });
    let server = over(&web, "revalidate: 50ms");
    for _ in 0..2 {
        let reply = server.get("/r/web/w_100/a.jpg");
        assert_eq!((reply.status, reply.code().as_str()), (502, "source_failed"));
    }
    assert_eq!(server.count("pixedge_encodes_total"), 0.0);
    // Two hiccups are forgiven.
    cut.store(2, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(server.get("/r/web/w_100/a.jpg").status, 200);
    assert_eq!(server.get("/r/web/f_orig/a.jpg").status, 200);
}

/// Old and new bytes are never mixed: a header of one version and the body of another.
#[test]
fn a_file_that_changes_is_seen_as_one_version_or_the_other() {
    let versions =
        [pictures::encoded(Format::Jpeg, 400, 300, 1), pictures::encoded(Format::Jpeg, 300, 400, 2)];
    let changes_at = Arc::new(AtomicUsize::new(usize::MAX));
    let count = Arc::new(AtomicUsize::new(0));
    let (at, counted) = (Arc::clone(&changes_at), Arc::clone(&count));
    let web = Web::start(move |request| {
        let version = usize::from(counted.fetch_add(1, Ordering::SeqCst) >= at.load(Ordering::SeqCst));
        web::file(request, &[("ETag", &format!("\"v{version}\""))], &versions[version])
    });
    // At the first request (HEAD), the second (header), the third (body), after all.
    for (at, path) in [(0, "a"), (1, "b"), (2, "c"), (3, "d")] {
        count.store(0, Ordering::SeqCst);
        changes_at.store(at, Ordering::SeqCst);
        let server = over(&web, "revalidate: 60s");
        let reply = server.get(&format!("/r/web/w_200,h_200/{path}.jpg"));
        assert_eq!(reply.status, 200, "{at}: {}", reply.text());
        let header = pictures::header(&reply.body);
        let expected = if at < 3 { (150, 200) } else { (200, 150) };
        assert_eq!((header.width, header.height), expected, "{at}");
    }
}

#[test]
fn odd_servers_are_read_nonetheless() {
    let content = Arc::new(std::sync::Mutex::new(photo()));
    let serving = Arc::clone(&content);
    let web = Web::start(move |request| {
        let body = serving.lock().unwrap().clone();
        let date = [("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")];
        match request.target.trim_start_matches("/base") {
            "/nothing-to-go-by.jpg" => web::answer(request, "200 OK", &[], &body),
            "/only-a-date.jpg" => web::file(request, &date, &body),
            "/weak.jpg" => web::file(request, &[("ETag", "W/\"1\"")], &body),
            "/no-head.jpg" if request.method == "HEAD" => web::answer(request, "405 No", &[], b""),
            "/no-head.jpg" => web::file(request, &[("ETag", "\"1\"")], &body),
            "/chunked.jpg" => chunked(request, &body),
            "/part-of-nothing.jpg" if request.headers.contains_key("range") => web::file(request, &[], &body),
            "/part-of-nothing.jpg" => web::file(request, &[("ETag", "\"1\"")], &body),
            "/moved.jpg" => web::answer(request, "302 Found", &[("Location", "/base/weak.jpg")], b""),
            "/query.jpg?size=1&x=%2F" => web::file(request, &[("ETag", "\"q\"")], &body),
            _ => web::answer(request, "404 Not Found", &[], b""),
        }
    });
    let server = over(&web, "revalidate: 50ms");
    let expected = server.get("/r/web/w_120,f_png/weak.jpg");
    assert_eq!(expected.status, 200, "{}", expected.text());
    for name in ["nothing-to-go-by", "only-a-date", "no-head", "chunked", "part-of-nothing", "moved"] {
        let reply = server.get(&format!("/r/web/w_120,f_png/{name}.jpg"));
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        assert!(reply.body == expected.body, "{name}");
    }
    let url = by_url(&format!("{}/base/query.jpg?size=1&x=%2F#f", web.url()));
    let reply = server.get(&format!("/r/urls/w_120,f_png/{url}"));
    assert!(reply.status == 200 && reply.body == expected.body, "{}", reply.text());
    assert_eq!(server.get("/r/web/w_120/none.jpg").status, 404);

    // Without a validator a change is still seen, by the content.
    *content.lock().unwrap() = pictures::encoded(Format::Jpeg, 640, 480, 3);
    let since = Instant::now();
    while server.get("/r/web/w_120,f_png/nothing-to-go-by.jpg").body == expected.body {
        assert!(since.elapsed() < Duration::from_secs(10), "the change is not seen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn chunked(request: &Request, body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    if request.method != "HEAD" {
        for piece in body.chunks(10_000) {
            answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            answer.extend_from_slice(piece);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
    }
    answer
}

#[test]
fn what_must_not_be_taken_is_not() {
    let photo = photo();
    let web = Web::start(move |request| match request.target.trim_start_matches("/base") {
        "/loop.jpg" => web::answer(request, "302 Found", &[("Location", "loop.jpg")], b""),
        "/gzip.jpg" => web::file(request, &[("ETag", "\"1\""), ("Content-Encoding", "gzip")], &photo),
        // Its end is the end of the connection, so nobody knows whether that was meant.
        "/endless.jpg" => [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &photo].concat(),
        "/claims.jpg" => b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 999999999999\r\n\r\n".to_vec(),
        "/pours.jpg" => chunked(request, &vec![b'x'; 300_000]),
        _ => web::file(request, &[("ETag", "\"1\"")], &photo),
    });
    let server = over(&web, "revalidate: 60s, max_bytes: 100KB");
    for (name, status, code) in [
        ("loop", 502, "source_failed"),
        ("gzip", 502, "source_failed"),
        ("endless", 502, "source_failed"),
        ("claims", 413, "too_many_bytes"),
        ("pours", 413, "too_many_bytes"),
    ] {
        let reply = server.get(&format!("/r/web/w_100/{name}.jpg"));
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{name}: {}", reply.text());
    }
    let loops = web.requests().iter().filter(|request| request.target.ends_with("loop.jpg")).count();
    assert_eq!(loops, 4, "the first and three redirects");
    assert_eq!(server.get("/r/web/w_100/fine.jpg").status, 200);
}

#[test]
fn a_login_is_shown_to_its_server_only() {
    let photo = photo();
    let body = photo.clone();
    let other = Web::start(move |request| web::file(request, &[("ETag", "\"1\"")], &body));
    let elsewhere = format!("{}/elsewhere.jpg", other.url());
    let web = Web::start(move |request| match request.target.as_str() {
        "/a.jpg" => web::answer(request, "307 Temporary Redirect", &[("Location", &elsewhere)], b""),
        _ => web::file(request, &[("ETag", "\"1\"")], &photo),
    });
    let config = format!(
        "sources: {{ web: {{ scheme: http, endpoint: '{}', token: s3cret-token, hosts: ['127.0.0.1:{}', '127.0.0.1:{}'], \
         allow_addresses: [127.0.0.1] }} }}",
        web.url(),
        web.port,
        other.port
    );
    let server = Home::new(&config).start();
    let own_path_by_url = by_url(&format!("{}/c.jpg", web.url()));
    for path in ["a.jpg", "b.jpg", &own_path_by_url] {
        assert_eq!(server.get(&format!("/r/web/w_100/{path}")).status, 200, "{path}");
    }
    assert!(!other.requests().is_empty());
    assert!(other.requests().iter().all(|request| !request.headers.contains_key("authorization")));
    for request in web.requests() {
        // A path that a visitor wrote himself is none of those that the login is for.
        let expected = (request.target != "/c.jpg").then_some("Bearer s3cret-token");
        assert_eq!(request.headers.get("authorization").map(String::as_str), expected, "{request:?}");
    }
}

/// A certificate counts where its authority is one of the system's.
#[test]
fn https_is_checked() {
    let Some(python) = installed("https", "venv/bin/python") else { return };
    let folder = folder();
    let [key, certificate] = certificate::make(folder.path());
    let script = "import http.server, ssl, sys; \
                  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[2], sys.argv[3]); \
                  server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler); \
                  server.socket = context.wrap_socket(server.socket, server_side=True); server.serve_forever()";
    let port = free_port();
    let arguments = ["-c", script, &port.to_string(), certificate.to_str().unwrap(), key.to_str().unwrap()];
    let daemon = Daemon::in_folder(python, &arguments, folder.path(), port);
    let config = format!(
        "sources: {{ web: {{ scheme: http, endpoint: 'https://localhost:{port}/pictures', allow_addresses: [127.0.0.1] }} }}"
    );
    let trusting = Home::new(&config).start_with(|command| {
        command.env("SSL_CERT_FILE", &certificate);
    });
    let reply = trusting.get("/r/web/w_100/sub/photo.jpg");
    assert_eq!(reply.status, 200, "{}\n{}", reply.text(), trusting.log());
    let reply = Home::new(&config).start().get("/r/web/w_100/sub/photo.jpg");
    assert_eq!((reply.status, reply.code().as_str()), (502, "source_failed"));
    drop(daemon);
}
