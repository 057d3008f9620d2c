//! What happens when something that the server needs is slow, reset, cut off, silent, full or read-only: what is cached
//! goes on, the rest is told clearly and in time, nothing half-done is left, nothing that failed is kept, and it heals
//! by itself. The table of it is in `docs/operations.md`.

mod disks;

use std::path::Path;
use std::time::{Duration, Instant};

use pixedge::codec::Format;
use pixedge::db::{self, Db};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET};
use crate::support::engines::{Kind, Server as Engine};
use crate::support::pictures::{encoded, header};
use crate::support::toxiproxy::{Toxic, Toxiproxy, Way};
use crate::support::{Home, Reply, Server};
use crate::uploads::{account, post};

/// Each of them, for what answers within a second.
const TOXICS: [Toxic; 4] =
    [Toxic::Latency(Duration::from_millis(150)), Toxic::Reset, Toxic::Cut { bytes: 1500 }, Toxic::Silence];
const OPEN: &str = "auth: { registration: open }\n";
/// Decoded pictures and originals that are kept would stand in for what is broken.
const FORGETFUL: &str = "images: { bitmap_cache: 0 }\ncache: { originals: 0 }\n";
/// What works again is used again within this time.
const HEALED: Duration = Duration::from_secs(15);

fn picture(seed: u32) -> Vec<u8> {
    encoded(Format::Png, 200, 150, seed)
}

fn s3(endpoint: &str) -> String {
    format!(
        "endpoint: '{endpoint}', bucket: pictures, region: us-east-1, access_key_id: {S3_KEY}, \
         secret_access_key: {S3_SECRET}"
    )
}

/// An answer that is there already, and says so.
fn is_hit(server: &Server, path: &str, about: &str) {
    let since = Instant::now();
    let hit = server.get(path);
    assert_eq!(hit.status, 200, "{about} {path}: {}", hit.text());
    assert!(hit.header("cache-status").contains("hit"), "{about} {path}: {}", hit.header("cache-status"));
    assert!(since.elapsed() < Duration::from_secs(2), "{about} {path}: {:?}", since.elapsed());
}

/// A failure that says what it is, in time, and that nobody keeps.
fn fails(reply: &Reply, expected: &[(u16, &str)], about: &str) {
    assert!(reply.status >= 400, "{about}: {}", reply.status);
    let told = (reply.status, reply.code());
    assert!(
        expected.iter().any(|(status, code)| (*status, *code) == (told.0, told.1.as_str())),
        "{about}: {told:?} instead of {expected:?}: {}",
        reply.text()
    );
    assert_eq!(reply.header("cache-control"), "no-store", "{about}");
    if told.0 == 503 {
        assert!(!reply.header("retry-after").is_empty(), "{about}");
    }
}

/// Asks until it is as it should be.
fn heals(about: &str, within: Duration, done: impl Fn() -> Result<(), String>) {
    let since = Instant::now();
    while let Err(still) = done() {
        assert!(since.elapsed() < within, "{about} does not heal: {still}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let since = Instant::now();
    (work(), since.elapsed())
}

/// A number from the server's database.
fn number(url: Option<&str>, home: &Home, sql: &'static str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = db::Config { url: url.map(str::to_owned) };
        let db = Db::open(&config, &home.path().join("data")).await.unwrap();
        let number = db.row(sql, &[]).await.unwrap().unwrap().int("n").unwrap();
        db.close().await;
        number
    })
}

const IMAGES: &str = "SELECT COUNT(*) AS n FROM images";
const SET_ASIDE: &str =
    "SELECT COUNT(*) AS n FROM user_usage WHERE reserved_files <> 0 OR reserved_bytes <> 0";

/// The files below a folder but those that are on their way and what a server of files keeps for itself.
fn objects(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || name == "ballast" {
            return 0;
        }
        if entry.file_type().unwrap().is_dir() { objects(&entry.path()) } else { 1 }
    };
    entries.flatten().map(count).sum()
}

fn unfinished(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count())
}

fn id_of(reply: &Reply) -> String {
    assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
    reply.json()["images"][0]["id"].as_str().unwrap().to_owned()
}

fn upload(server: &Server, token: &str, bytes: &[u8]) -> Reply {
    post(server, token, &[], &[("file", Some("a.png"), bytes)])
}

fn is_ready(server: &Server) -> Result<(), String> {
    let ready = server.get("/readyz");
    if ready.status == 200 { Ok(()) } else { Err(ready.text()) }
}

/// An answer of before holds for a second.
fn until_unready(server: &Server, about: &str) {
    heals(&format!("{about}: not told"), HEALED, || match is_ready(server) {
        Ok(()) => Err("it is ready".to_owned()),
        Err(_) => Ok(()),
    });
}

/// The picture that was uploaded, as it was.
fn is_whole(server: &Server, id: &str, bytes: &[u8]) {
    let original = server.get(&format!("/i/{id}/f_orig"));
    assert_eq!(original.status, 200, "{}", original.text());
    assert!(Sha256::digest(&original.body) == Sha256::digest(bytes), "{id} is another picture");
}

#[test]
fn a_source_that_is_slow_reset_cut_off_or_silent() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sub = folder.path().join("pictures");
    std::fs::create_dir(&sub).unwrap();
    for name in ["known", "0", "1", "2", "3"] {
        std::fs::write(sub.join(format!("{name}.jpg")), encoded(Format::Jpeg, 400, 300, 7)).unwrap();
    }
    let Some(daemons) = Daemons::start("faults", folder.path(), logs.path()) else { return };
    let Some(toxiproxy) = Toxiproxy::start("faults") else { return };
    let web = toxiproxy.to("web", daemons.http.port());
    let bucket = toxiproxy.to("bucket", daemons.s3.port());
    let common = "unsigned: open, revalidate: 100ms, timeout: 1500ms";
    let server = Home::new(&format!(
        "{FORGETFUL}sources:\n  \
         web: {{ scheme: http, endpoint: '{}/pictures', allow_addresses: [127.0.0.0/8], {common} }}\n  \
         bucket: {{ scheme: s3, {}, {common} }}\n",
        web.url(),
        s3(&bucket.url()),
    ))
    .start();
    std::thread::scope(|scope| {
        for (source, way) in [("web", &web), ("bucket", &bucket)] {
            let server = &server;
            scope.spawn(move || {
                for (row, toxic) in TOXICS.into_iter().enumerate() {
                    source_row(server, source, way, row, toxic);
                }
            });
        }
    });
    let metrics = server.metrics();
    for (source, error) in
        [("web", "failed"), ("web", "timeout"), ("bucket", "failed"), ("bucket", "timeout")]
    {
        let name = format!("pixedge_source_errors_total{{source=\"{source}\",error=\"source_{error}\"}}");
        assert!(metrics.get(&name).is_some_and(|count| *count > 0.0), "{name}: {metrics:?}");
    }
}

fn source_row(server: &Server, source: &str, way: &Way<'_>, row: usize, toxic: Toxic) {
    let about = format!("{source} {toxic:?}");
    let known = format!("/r/{source}/w_200,f_webp/known.jpg");
    let (other_size, unknown) = (
        format!("/r/{source}/w_{},f_png/known.jpg", 210 + row),
        format!("/r/{source}/w_120,f_png/{row}.jpg"),
    );
    assert_eq!(server.get(&known).status, 200, "{about}");
    way.spoil(toxic);
    for path in [&other_size, &unknown] {
        let (reply, took) = timed(|| server.get(path));
        match toxic {
            Toxic::Latency(_) | Toxic::Slow { .. } => {
                assert_eq!(reply.status, 200, "{about} {path}: {}", reply.text());
            }
            Toxic::Reset | Toxic::Cut { .. } => fails(&reply, &[(502, "source_failed")], &about),
            Toxic::Silence => fails(&reply, &[(504, "source_timeout")], &about),
        }
        assert!(took < Duration::from_secs(4), "{about} {path}: {took:?}");
    }
    // Fresh, aging and stale.
    for _ in 0..5 {
        is_hit(server, &known, &about);
        std::thread::sleep(Duration::from_millis(100));
    }
    way.heal(toxic);
    for (path, width) in [(&other_size, 210 + row as u32), (&unknown, 120)] {
        heals(&about, HEALED, || {
            let reply = server.get(path);
            if reply.status != 200 {
                return Err(reply.text());
            }
            // A picture, and all of it.
            assert_eq!(header(&reply.body).width, width, "{about}");
            Ok(())
        });
    }
}

#[test]
fn a_storage_that_is_slow_reset_cut_off_or_silent() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bucket = folder.path().join("pictures");
    std::fs::create_dir(&bucket).unwrap();
    let Some(daemons) = Daemons::start("faults", folder.path(), logs.path()) else { return };
    let Some(toxiproxy) = Toxiproxy::start("faults") else { return };
    let way = toxiproxy.to("storage", daemons.s3.port());
    let server = Home::new(&format!(
        "{OPEN}{FORGETFUL}library: {{ unsigned: open }}\nstorage_default: bucket\n\
         storages: {{ bucket: {{ scheme: s3, {}, timeout: 700ms }} }}\n",
        s3(&way.url()),
    ))
    .start();
    let ana = account(&server, "ana");
    let first = picture(100);
    let id = id_of(&upload(&server, &ana, &first));
    let known = format!("/i/{id}/w_50,f_webp");
    assert_eq!(server.get(&known).status, 200);
    for (row, toxic) in TOXICS.into_iter().enumerate() {
        let about = format!("storage {toxic:?}");
        let other_size = format!("/i/{id}/w_{},f_png", 51 + row);
        let next = picture(row as u32);
        let (objects_before, images_before) = (objects(&bucket), number(None, server.home(), IMAGES));
        way.spoil(toxic);
        let (made, took) = timed(|| server.get(&other_size));
        let (uploaded, upload_took) = timed(|| upload(&server, &ana, &next));
        is_hit(&server, &known, &about);
        assert!(took < Duration::from_secs(8), "{about}: {took:?}");
        assert!(upload_took < Duration::from_secs(12), "{about}: {upload_took:?}");
        if let Toxic::Latency(_) = toxic {
            assert_eq!((made.status, uploaded.status), (200, 201), "{about}: {}", uploaded.text());
        } else {
            let expected: &[(u16, &str)] = match toxic {
                Toxic::Silence => &[(504, "source_timeout")],
                // A read is taken up where it was cut, until its time is over.
                Toxic::Cut { .. } => &[(502, "source_failed"), (504, "source_timeout")],
                _ => &[(502, "source_failed")],
            };
            fails(&made, expected, &format!("{about}: another size"));
            fails(&uploaded, expected, &format!("{about}: an upload"));
            // What is small comes through before a cut.
            if !matches!(toxic, Toxic::Cut { .. }) {
                until_unready(&server, &about);
            }
            assert_eq!(objects(&bucket), objects_before, "{about}: a partial object");
            assert_eq!(unfinished(&server.home().path().join("data/incoming")), 0, "{about}");
            assert_eq!(number(None, server.home(), IMAGES), images_before, "{about}: a row");
            heals(&format!("{about}: what was set aside"), HEALED, || {
                let left = number(None, server.home(), SET_ASIDE);
                if left == 0 { Ok(()) } else { Err(format!("{left} accounts")) }
            });
        }
        way.heal(toxic);
        heals(&about, HEALED, || is_ready(&server));
        heals(&about, HEALED, || match server.get(&other_size) {
            reply if reply.status == 200 => Ok(()),
            reply => Err(reply.text()),
        });
        is_whole(&server, &id_of(&upload(&server, &ana, &next)), &next);
    }
    assert_eq!(objects(&bucket), 1 + TOXICS.len());
}

#[test]
fn a_database_that_is_slow_reset_cut_off_or_silent() {
    let Some(engine) = Engine::shared("faults", Kind::Postgres) else { return };
    let Some(toxiproxy) = Toxiproxy::start("faults") else { return };
    let direct = engine.database();
    let port: u16 = engine.address().rsplit(' ').next().unwrap().parse().unwrap();
    let way = toxiproxy.to("database", port);
    let url = direct.replace(&format!(":{port}/"), &format!(":{}/", way.port));
    // What makes derivatives looks at each picture.
    let config = format!(
        "{OPEN}{FORGETFUL}library: {{ unsigned: open }}\nuploads: {{ derivatives: {{}} }}\n\
                          database: {{ url: '{url}' }}\n"
    );
    let server = Home::new(&config).start();
    let ana = account(&server, "ana");
    let id = id_of(&upload(&server, &ana, &picture(100)));
    let known = format!("/i/{id}/w_50,f_webp");
    assert_eq!(server.get(&known).status, 200);
    let folder = server.home().path().join("data/objects");
    for (row, toxic) in TOXICS.into_iter().enumerate() {
        // An upload is dozens of questions and answers, and a single one is short.
        let toxic = match toxic {
            Toxic::Latency(_) => Toxic::Latency(Duration::from_millis(40)),
            Toxic::Cut { .. } => Toxic::Cut { bytes: 100 },
            other => other,
        };
        let about = format!("database {toxic:?}");
        // Nobody has looked at this one yet.
        let unseen = format!("/i/{}/w_40,f_png", id_of(&upload(&server, &ana, &picture(200 + row as u32))));
        let next = picture(row as u32);
        let (objects_before, images_before) =
            (objects(&folder), number(Some(&direct), server.home(), IMAGES));
        way.spoil(toxic);
        // At once, and more of them than there are connections: some meet one that worked a moment ago.
        let (lookups, (uploaded, took)): (Vec<(Reply, Duration)>, _) = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..12).map(|_| scope.spawn(|| timed(|| server.get(&unseen)))).collect();
            let uploaded = scope.spawn(|| timed(|| upload(&server, &ana, &next)));
            is_hit(&server, &known, &about);
            let lookups = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
            (lookups, uploaded.join().unwrap())
        });
        // What is known of a picture is enough to make another size of it.
        let other_size = server.get(&format!("/i/{id}/w_{},f_png", 51 + row));
        assert_eq!(other_size.status, 200, "{about}: {}", other_size.text());
        is_hit(&server, &known, &about);
        for (reply, took) in &lookups {
            assert!(*took < Duration::from_secs(20), "{about}: {took:?}");
            match toxic {
                Toxic::Latency(_) => assert_eq!(reply.status, 200, "{about}: {}", reply.text()),
                _ => fails(reply, &[(503, "overloaded")], &format!("{about}: an unseen picture")),
            }
        }
        assert!(took < Duration::from_secs(20), "{about}: {took:?}");
        if let Toxic::Latency(_) = toxic {
            assert_eq!(uploaded.status, 201, "{about}: {}", uploaded.text());
        } else {
            fails(&uploaded, &[(503, "overloaded")], &format!("{about}: an upload"));
            until_unready(&server, &about);
            assert_eq!(objects(&folder), objects_before, "{about}: an object");
            assert_eq!(unfinished(&folder.join(".temporary")), 0, "{about}");
            assert_eq!(number(Some(&direct), server.home(), IMAGES), images_before, "{about}: a row");
        }
        way.heal(toxic);
        heals(&about, HEALED, || is_ready(&server));
        heals(&about, HEALED, || match server.get(&unseen) {
            reply if reply.status == 200 => Ok(()),
            reply => Err(reply.text()),
        });
        heals(&about, HEALED, || match upload(&server, &ana, &next) {
            reply if matches!(reply.status, 200 | 201) => Ok(()),
            reply => Err(reply.text()),
        });
    }
    let list = server.json("GET", "/v1/images", &ana, Value::Null).json();
    assert_eq!(list["meta"]["total"], 1 + 2 * TOXICS.len());
    let log = server.log();
    for words in ["what other processes change cannot be read", "what other processes change is seen again"] {
        let told = log.matches(words).count();
        assert!((1..=12).contains(&told), "{told} times {words}");
    }
}
