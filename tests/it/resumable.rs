//! Uploads in several requests, by the protocol tus: a real client through a proxy that cuts its connections, processes
//! that are killed in between, and everything a client may get wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pixedge::codec::Format;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::daemons::{Daemon, free_port, installed};
use crate::support::engines;
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, sql};

const OPEN: &str = "auth: { registration: open }\n";
const PART: (&str, &str) = ("content-type", "application/offset+octet-stream");

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request of the protocol.
fn ask(server: &Server, token: &str, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [&[("tus-resumable", "1.0.0"), ("authorization", bearer.as_str())], more].concat();
    server.send(method, path, &headers, body)
}

fn begin(server: &Server, token: &str, len: usize) -> String {
    let begun = ask(server, token, "POST", "/v1/uploads", &[("upload-length", &len.to_string())], b"");
    assert_eq!(begun.status, 201, "{}", begun.text());
    begun.header("location").to_owned()
}

fn patch(server: &Server, token: &str, path: &str, offset: usize, body: &[u8]) -> Reply {
    ask(server, token, "PATCH", path, &[PART, ("upload-offset", &offset.to_string())], body)
}

fn offset(server: &Server, token: &str, path: &str) -> usize {
    let head = ask(server, token, "HEAD", path, &[], b"");
    assert_eq!((head.status, head.header("cache-control")), (200, "no-store"));
    head.header("upload-offset").parse().unwrap()
}

#[test]
fn a_hundred_uploads_that_are_cut_at_random_arrive_whole() {
    let Some(toxiproxy) = installed("resumable", "go/bin/toxiproxy-server") else { return };
    let Some(tus) = installed("resumable", "tus/node_modules") else { return };
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for seed in 0..100 {
        // Mostly smaller than a part that counts by itself; some are several.
        let side = if seed % 25 == 7 { 2100 } else { 60 + seed % 20 * 15 };
        let path = folder.path().join(format!("{seed}.png"));
        std::fs::write(&path, encoded(Format::Png, side, side, seed)).unwrap();
        files.push(path);
    }
    let port = free_port();
    let arguments = ["-host", "127.0.0.1", "-port", &port.to_string()];
    let proxy = Daemon::in_folder(toxiproxy, &arguments, folder.path(), port);
    let seed = std::process::id().to_string();
    let since = std::time::Instant::now();
    let run = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/tus_client.mjs"))
        .arg(tus)
        .arg(server.address().rsplit(':').next().unwrap())
        .args([&proxy.url(), &ana, &seed])
        .args(&files)
        .output()
        .expect("node is needed: run scripts/test");
    let errors = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "seed {seed}: {errors}\n{}", server.log());
    let told = String::from_utf8(run.stdout).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 100, "{errors}");
    let cuts: u64 = told.iter().map(|upload| upload["cuts"].as_u64().unwrap()).sum();
    assert!(cuts >= 60, "only {cuts} connections were cut");
    let slowest = told.iter().map(|upload| upload["ms"].as_u64().unwrap()).max().unwrap();
    println!(
        "100 uploads, {cuts} cuts (seed {seed}), the slowest in {slowest} ms, all in {:?}",
        since.elapsed()
    );
    for upload in &told {
        let sent = std::fs::read(upload["file"].as_str().unwrap()).unwrap();
        let path = upload["url"].as_str().unwrap().split_once("/v1/").unwrap().1;
        let upload = server.json("GET", &format!("/v1/{path}"), &ana, Value::Null).json();
        assert_eq!(upload["image"]["sha256"], hash(&sent), "{upload}");
        let id = upload["image"]["id"].as_str().unwrap();
        assert_eq!(hash(&server.get(&format!("/i/{id}")).body), hash(&sent));
    }
    let list = server.json("GET", "/v1/images", &ana, Value::Null).json();
    assert_eq!(list["meta"]["total"], 100);
    let left = std::fs::read_dir(server.home().path().join("data/objects/.temporary")).unwrap().count();
    assert_eq!(left, 0, "parts are left");
}

/// Where a process may die while it takes a part or makes the picture of all.
const PLACES: [&str; 8] = [
    "upload.piece:5",
    "upload.piece_kept:1",
    "upload.piece_counted:1",
    "upload.piece_kept:2",
    "upload.announced:1",
    "storage.renamed:1",
    "library.before_commit:1",
    "library.committed:1",
];

#[test]
fn what_a_killed_process_promised_is_there_and_the_upload_goes_on() {
    // More than two parts that count by themselves; what stands behind the picture makes each another one.
    let mut bytes = encoded(Format::Png, 2100, 2100, 5);
    assert!(bytes.len() > 8 << 20, "{}", bytes.len());
    let mut home = Home::new(OPEN);
    for (round, place) in PLACES.iter().enumerate() {
        let server = home.start_with(|command| {
            command.env("PIXEDGE_CRASH_AT", place);
        });
        bytes.push(0);
        let name = format!("ana{round}");
        let ana = account(&server, &name);
        let path = begin(&server, &ana, bytes.len());
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ana}\r\nTus-Resumable: 1.0.0\r\n\
             Content-Type: {}\r\nUpload-Offset: 0\r\nContent-Length: {}\r\n\r\n",
            PART.1,
            bytes.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        let _ = stream.read(&mut [0; 100]);
        home = server.kill();

        let server = home.start();
        let at = offset(&server, &ana, &path);
        let whole =
            place.starts_with("upload.announced") || place.contains("library") || place.contains("renamed");
        assert_eq!(at > 0, whole || place.contains("counted") || place.ends_with("kept:2"), "{place}: {at}");
        assert!(at < bytes.len(), "{place}");
        let done = patch(&server, &ana, &path, at, &bytes[at..]);
        assert_eq!(done.status, 204, "{place}: {}", done.text());
        let upload = server.json("GET", &path, &ana, Value::Null).json();
        assert_eq!(upload["image"]["sha256"], hash(&bytes), "{place}");
        let list = server.json("GET", "/v1/images", &ana, Value::Null).json();
        assert_eq!(list["meta"]["total"], 1, "{place}");
        home = server.kill();
    }
    // What they left goes with the time of their uploads, and nothing else is left.
    let server = home.start();
    sql(server.home(), "UPDATE pending_uploads SET expires_at = 1");
    let home = server.stop();
    let swept = home.run(&["sweep", "--grace", "0s"]);
    assert!(swept.contains("; 0 missing"), "{swept}");
    let left = std::fs::read_dir(home.path().join("data/objects/.temporary")).unwrap().count();
    assert_eq!(left, 0, "{swept}");
}

#[test]
fn everything_that_is_wrong_is_told() {
    let config = "auth: { registration: open }\nuploads: { max_bytes: 100kB }\n\
                  http: { api_cors: [\"https://app.example\"] }\n";
    let server = Home::new(config).start();
    let (ana, bea) = (account(&server, "ana"), account(&server, "bea"));
    sql(server.home(), "UPDATE users SET quota_bytes = 200000, quota_files = 4 WHERE name = 'ana'");
    let post = |more: &[(&str, &str)]| ask(&server, &ana, "POST", "/v1/uploads", more, b"");
    let refused = |reply: Reply, status: u16, code: &str| {
        assert_eq!((reply.status, &*reply.code()), (status, code), "{}", reply.text());
        assert_eq!(reply.header("tus-resumable"), "1.0.0");
    };
    let what = server.send("OPTIONS", "/v1/uploads", &[], b"");
    assert_eq!(
        (what.status, what.header("tus-version"), what.header("tus-max-size")),
        (204, "1.0.0", "100000")
    );
    assert_eq!(what.header("tus-checksum-algorithm"), "md5,sha1,sha256");
    assert!(what.header("tus-extension").contains("creation-with-upload"));

    for length in ["", "-1", "+5", "0", "1e3", "0x10", "five"] {
        refused(post(&[("upload-length", length)]), 400, "invalid_fields");
    }
    for length in ["100001", "1000000000000000000", "18446744073709551615", "99999999999999999999999"] {
        refused(post(&[("upload-length", length)]), 413, "too_many_bytes");
    }
    refused(post(&[("upload-defer-length", "1")]), 400, "invalid_fields");
    for metadata in ["filename %%%", "filename", "a YQ==,a YQ==", "visibility c2VjcmV0", "album bm90aGVyZQ=="]
    {
        let reply = post(&[("upload-length", "10"), ("upload-metadata", metadata)]);
        match metadata {
            // A name may be empty; then there is none.
            "filename" => assert_eq!(reply.status, 201),
            "album bm90aGVyZQ==" => assert_eq!(reply.status, 404),
            _ => refused(reply, 400, "invalid_fields"),
        }
    }
    let old = server.send(
        "POST",
        "/v1/uploads",
        &[("authorization", &format!("Bearer {ana}")), ("upload-length", "9"), ("tus-resumable", "0.2.2")],
        b"",
    );
    assert_eq!(old.header("tus-version"), "1.0.0");
    refused(old, 412, "tus_version");
    assert_eq!(server.send("POST", "/v1/uploads", &[("tus-resumable", "1.0.0")], b"").status, 401);

    let png = encoded(Format::Png, 100, 100, 3);
    let path = begin(&server, &ana, png.len());
    assert!(ask(&server, &ana, "HEAD", &path, &[], b"").header("upload-expires").ends_with(" GMT"));
    for method in ["HEAD", "PATCH", "DELETE"] {
        let foreign = ask(&server, &bea, method, &path, &[PART, ("upload-offset", "0")], b"");
        assert_eq!(foreign.status, 404, "{method}");
        assert_eq!(ask(&server, "nobody", method, &path, &[PART], b"").status, 401);
    }
    let no_type = ask(&server, &ana, "PATCH", &path, &[("upload-offset", "0")], &png);
    refused(no_type, 415, "unsupported_media_type");
    refused(ask(&server, &ana, "PATCH", &path, &[PART], &png), 400, "invalid_fields");
    for wrong in [1, png.len(), usize::MAX] {
        refused(patch(&server, &ana, &path, wrong, b"x"), 409, "upload_offset");
    }
    refused(patch(&server, &ana, &path, 0, &[&png[..], b"x"].concat()), 413, "too_many_bytes");
    let sum = format!("sha1 {}", STANDARD.encode([7; 20]));
    let part = [PART, ("upload-offset", "0"), ("upload-checksum", sum.as_str())];
    refused(ask(&server, &ana, "PATCH", &path, &part, &png), 460, "checksum_mismatch");
    let part = [PART, ("upload-offset", "0"), ("upload-checksum", "crc32 AAAA")];
    refused(ask(&server, &ana, "PATCH", &path, &part, &png), 400, "invalid_fields");
    assert_eq!(offset(&server, &ana, &path), 0);

    // The room is promised while the upload is open, and only then.
    for _ in 0..2 {
        begin(&server, &ana, 50_000);
    }
    refused(post(&[("upload-length", "1000")]), 403, "quota_exceeded");
    sql(server.home(), "UPDATE pending_uploads SET expires_at = 1 WHERE total_bytes = 50000");
    assert_eq!(ask(&server, &ana, "DELETE", &path, &[], b"").status, 204);
    refused(patch(&server, &ana, &path, 0, &png), 404, "not_found");
    assert_eq!(ask(&server, &ana, "HEAD", &path, &[], b"").status, 404);
    begin(&server, &ana, 1000);

    // A browser's preflight is answered by the list of origins, and what it may read is named.
    let origin = [("origin", "https://app.example"), ("access-control-request-method", "PATCH")];
    let preflight = server.send("OPTIONS", &path, &origin, b"");
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    assert!(preflight.header("access-control-allow-headers").contains("upload-offset"));
    let seen = ask(&server, &bea, "HEAD", &path, &origin[..1], b"");
    assert!(seen.header("access-control-expose-headers").contains("upload-offset"), "{:?}", seen.headers);
}

#[test]
fn parts_are_counted_on_every_engine() {
    for (engine, config) in engines::each("parts_are_counted_on_every_engine") {
        let server = Home::new(&format!("{OPEN}{config}")).start();
        let ana = account(&server, "ana");
        let png = encoded(Format::Png, 90, 80, 2);
        let path = begin(&server, &ana, png.len());
        let first = png.len() / 3;
        // Of many who bring the same part one counts.
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| patch(&server, &ana, &path, 0, &png[..first]).status))
                .collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{engine}: {statuses:?}");
        assert!(statuses.iter().all(|status| [204, 409].contains(status)), "{engine}: {statuses:?}");
        assert_eq!(offset(&server, &ana, &path), first, "{engine}");
        let gone = begin(&server, &ana, 10);
        assert_eq!(ask(&server, &ana, "DELETE", &gone, &[], b"").status, 204, "{engine}");
        let home = server.kill();
        let server = home.start();
        let done = patch(&server, &ana, &path, first, &png[first..]);
        assert_eq!(done.status, 204, "{engine}: {}", done.text());
        let upload = server.json("GET", &path, &ana, Value::Null).json();
        assert_eq!(upload["image"]["sha256"], hash(&png), "{engine}");
        server.home().run(&["sweep", "--grace", "0s"]);
    }
}

#[test]
fn the_first_part_may_come_along_and_the_rest_as_post() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let png = encoded(Format::Png, 120, 100, 9);
    let metadata = format!(
        "filename {},filetype {},tags {},visibility {}",
        STANDARD.encode("Été.png"),
        STANDARD.encode("image/jpeg"),
        STANDARD.encode("Sea,sun"),
        STANDARD.encode("private")
    );
    let length = png.len().to_string();
    let more = [PART, ("upload-length", length.as_str()), ("upload-metadata", metadata.as_str())];
    let begun = ask(&server, &ana, "POST", "/v1/uploads", &more, &png[..50]);
    assert_eq!((begun.status, begun.header("upload-offset")), (201, "50"));
    let path = begun.header("location").to_owned();
    let head = ask(&server, &ana, "HEAD", &path, &[], b"");
    assert_eq!(head.header("upload-metadata"), metadata);
    let over = [PART, ("upload-offset", "50"), ("x-http-method-override", "PATCH")];
    let done = ask(&server, &ana, "POST", &path, &over, &png[50..]);
    assert_eq!((done.status, done.header("upload-offset")), (204, length.as_str()));
    let image = server.json("GET", &path, &ana, Value::Null).json()["image"].clone();
    assert_eq!(image["id"], done.header("pixedge-image"));
    assert_eq!(
        (&image["name"], &image["tags"], &image["visibility"]),
        (&json!("Été.png"), &json!(["sea", "sun"]), &json!("private"))
    );
    // All at once: one request. What one has already is no second picture.
    let whole = ask(&server, &ana, "POST", "/v1/uploads", &[PART, ("upload-length", &length)], &png);
    assert_eq!((whole.status, whole.header("pixedge-image")), (201, image["id"].as_str().unwrap()));
    let bad = ask(&server, &ana, "POST", "/v1/uploads", &[PART, ("upload-length", "5")], b"hello");
    assert_eq!((bad.status, &*bad.code()), (415, "not_an_image"));
    // Ended, it is forgotten; the picture stays.
    assert_eq!(ask(&server, &ana, "DELETE", &path, &[], b"").status, 204);
    assert_eq!(server.json("GET", "/v1/images", &ana, Value::Null).json()["meta"]["total"], 1);
}
