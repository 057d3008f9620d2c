//! A server is killed while several people upload and delete, at every place where that could hurt and at any moment.
//! Afterwards all that was acknowledged and not deleted is there, whole; no row is without its object; what is counted
//! is what there is; and one sweep leaves nothing for a second.
//!
//! `PIXEDGE_CRASH_ROUNDS=500` kills more often than usual, `PIXEDGE_CRASH_DB=postgres` or `mariadb` does it over a server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pixedge::codec::Format;
use pixedge::db::{self, Db};
use pixedge::library::Library;
use pixedge::storage::{LOCAL, Storages};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::Home;
use crate::support::engines::{Kind, Server as Engine};
use crate::support::pictures::encoded;
use crate::uploads::{account, form};

/// Where the server dies, and how often at most it comes by before.
const PLACES: [(&str, u32); 12] = [
    ("upload.begun", 12),
    ("upload.piece", 12),
    ("upload.written", 12),
    ("upload.announced", 12),
    ("storage.before_promote", 12),
    ("storage.renamed", 12),
    ("upload.promoted", 12),
    ("library.before_commit", 12),
    ("library.committed", 12),
    ("library.before_delete", 4),
    ("library.deleted", 4),
    ("", 0),
];
const PEOPLE: usize = 4;

#[test]
fn a_server_that_is_killed_under_load_loses_nothing() {
    let rounds = std::env::var("PIXEDGE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(24);
    let url = match std::env::var("PIXEDGE_CRASH_DB").as_deref() {
        Ok("postgres") => Some(engine(Kind::Postgres)),
        Ok("mariadb") => Some(engine(Kind::MariaDb)),
        _ => None,
    };
    let line = url.as_ref().map(|url| format!("database: {{ url: '{url}' }}\n")).unwrap_or_default();
    let mut home = Home::new(&format!("auth: {{ registration: open }}\n{line}"));
    let mut people = Vec::new();
    for round in 0..rounds {
        let (place, most) = PLACES[round % PLACES.len()];
        let mut dice = Dice(round as u32 * 77 + 1);
        let mut server = if people.is_empty() || place.is_empty() {
            home.start()
        } else {
            let at = format!("{place}:{}", 1 + dice.below(most));
            home.start_with(|command| {
                command.env("PIXEDGE_CRASH_AT", at);
            })
        };
        if people.is_empty() {
            people = (0..PEOPLE).map(|number| Person::new(&server, number)).collect();
        }
        let stop = AtomicBool::new(false);
        let address = server.url.clone();
        home = std::thread::scope(|scope| {
            for person in &mut people {
                let (stop, address) = (&stop, &address);
                scope.spawn(move || person.live(address, stop, round as u32));
            }
            // At any moment, unless it came to its place before.
            let until = Instant::now() + Duration::from_millis(u64::from(150 + dice.below(700)));
            while server.alive()
                && (Instant::now() < until
                    || !place.is_empty() && Instant::now() < until + Duration::from_secs(1))
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            let home = server.kill();
            stop.store(true, Ordering::Relaxed);
            home
        });
    }
    let uploads: usize = people.iter().map(|person| person.acknowledged).sum();
    let kept: usize = people.iter().map(|person| person.has.len()).sum();
    eprintln!("{rounds} kills, {uploads} acknowledged, {kept} to be there");
    assert!(uploads >= rounds, "{uploads} uploads in {rounds} rounds");
    // It comes up, and what it does at a start is done.
    let server = home.start();
    assert_eq!(server.get("/readyz").status, 200);
    home = server.stop();
    agrees(&home, url.as_deref(), &people);
    let first = home.run(&["sweep", "--grace", "0s"]);
    eprintln!("{first}");
    assert!(first.ends_with("; 0 missing\n"), "{first}");
    let second = home.run(&["sweep", "--grace", "0s"]);
    let nothing = "removed 0 unneeded objects, 0 orphans, 0 half-written files, 0 reservations; 0 missing\n";
    assert_eq!(second, nothing, "after {first}");
    agrees(&home, url.as_deref(), &people);
    let left = std::fs::read_dir(home.path().join("data/objects/.temporary")).unwrap().count();
    assert_eq!(left, 0, "half-written files are left");
}

fn engine(kind: Kind) -> String {
    Engine::shared("a_server_that_is_killed_under_load_loses_nothing", kind)
        .expect("the server is asked for")
        .database()
}

/// Somebody with an account, who knows what was promised.
struct Person {
    number: usize,
    key: String,
    /// What must be there, and what it may be.
    has: BTreeMap<String, Vec<String>>,
    acknowledged: usize,
}

impl Person {
    fn new(server: &crate::support::Server, number: usize) -> Self {
        let token = account(server, &format!("person-{number}"));
        let made = server.json(
            "POST",
            "/v1/keys",
            &token,
            json!({"name": "k", "scopes": ["read", "upload", "manage"]}),
        );
        let key = made.json()["key"].as_str().unwrap_or_else(|| panic!("{}", made.text())).to_owned();
        Self { number, key, has: BTreeMap::new(), acknowledged: 0 }
    }

    /// Uploads and deletes until the server is gone.
    fn live(&mut self, address: &str, stop: &AtomicBool, round: u32) {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(20))).build().into();
        let mut dice = Dice(round * 31 + self.number as u32 * 7 + 5);
        let key = self.key.clone();
        let caller = Caller { agent, address, key: &key };
        let mut step = 0;
        let signed = caller.json("POST", "/v1/uploads/sign", &json!({"once": false}));
        let Some(signed) =
            signed.and_then(|(_, answer)| Some(answer["url"].as_str()?.strip_prefix(address)?.to_owned()))
        else {
            return;
        };
        while !stop.load(Ordering::Relaxed) {
            step += 1;
            // Now and then what others bring as well, at the same moment.
            let number = if dice.below(4) == 0 {
                round * 10 + step % 3
            } else {
                (round * 40 + step) * 8 + self.number as u32 + 1_000_000
            };
            let side = if dice.below(8) == 0 { 300 } else { 8 };
            let picture = encoded(Format::Png, side, side, number);
            let hash = hex(&Sha256::digest(&picture));
            let any = self.has.keys().nth(dice.below(self.has.len().max(1) as u32) as usize).cloned();
            let done = match (dice.below(10), any) {
                (0..=2, _) => self.took(
                    caller.send("POST", "/v1/images", FORM, &form(&[("f", Some("a.png"), &picture)])),
                    hash,
                ),
                (3..=4, _) => {
                    let body = json!({"base64": STANDARD.encode(&picture), "name": "b.png", "tags": ["sea"]});
                    self.took(caller.json("POST", "/v1/images", &body), hash)
                }
                (5, _) => self.took(caller.send("PUT", &signed, "image/png", &picture), hash),
                (6, Some(id)) => {
                    self.has.get_mut(&id).unwrap().push(hash.clone());
                    let path = format!("/v1/images/{id}/content");
                    caller.send("PUT", &path, "image/png", &picture).map(|(status, answer)| {
                        assert_eq!(status, 200, "{answer}");
                        self.has.insert(id, vec![hash]);
                    })
                }
                (7, Some(id)) => {
                    // Whether it is still there nobody knows until there is an answer.
                    self.has.remove(&id);
                    caller
                        .json("DELETE", &format!("/v1/images/{id}"), &Value::Null)
                        .map(|(status, answer)| assert_eq!(status, 204, "{answer}"))
                }
                (8, Some(id)) => {
                    self.has.remove(&id);
                    let body = json!({"ids": [id], "action": "delete"});
                    caller
                        .json("POST", "/v1/images/batch", &body)
                        .map(|(status, answer)| assert_eq!(status, 200, "{answer}"))
                }
                _ => caller
                    .json("DELETE", "/v1/trash", &Value::Null)
                    .map(|(status, answer)| assert_eq!(status, 200, "{answer}")),
            };
            if done.is_none() {
                return;
            }
        }
    }

    /// An answer to an upload, if there was one.
    fn took(&mut self, answer: Option<(u16, Value)>, hash: String) -> Option<()> {
        let (status, answer) = answer?;
        assert!(matches!(status, 200 | 201), "{status} {answer}");
        let id = answer["images"][0]["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        self.has.insert(id.to_owned(), vec![hash]);
        self.acknowledged += 1;
        Some(())
    }
}

const FORM: &str = "multipart/form-data; boundary=XyZ";

struct Caller<'a> {
    agent: ureq::Agent,
    address: &'a str,
    key: &'a str,
}

impl Caller<'_> {
    fn json(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, "application/json", &body)
    }

    /// `None`: the server was gone before its answer had come to the end.
    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<(u16, Value)> {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.address));
        if !body.is_empty() {
            request = request.header("content-type", kind);
        }
        if !path.contains('?') {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        let answer = self.agent.run(request.body(body).unwrap()).ok()?;
        let status = answer.status().as_u16();
        let text = answer.into_body().read_to_vec().ok()?;
        let answer = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text).ok()? };
        Some((status, answer))
    }
}

/// What is promised is there, and every count is that of what it counts.
fn agrees(home: &Home, url: Option<&str>, people: &[Person]) {
    let data = home.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&db::Config { url: url.map(str::to_owned) }, &data).await.unwrap();
        let storages = Storages::open(&BTreeMap::new(), LOCAL, &data, &data).await.unwrap();
        let library = Library::new(db.clone(), storages).await.unwrap();
        for (id, hashes) in people.iter().flat_map(|person| &person.has) {
            let image = library.find(id).await.unwrap().unwrap_or_else(|| panic!("{id} was acknowledged"));
            let bytes = library.read(&image, u64::MAX).await.unwrap();
            assert!(hashes.contains(&hex(&Sha256::digest(&bytes))), "{id}");
        }
        for (what, sql) in WRONG {
            let wrong = db.row(sql, &[]).await.unwrap().unwrap().int("wrong").unwrap();
            assert_eq!(wrong, 0, "{what}");
        }
        db.close().await;
    });
}

/// How many rows are as they must not be.
const WRONG: [(&str, &str); 7] = [
    (
        "images without an object",
        "SELECT COUNT(*) AS wrong FROM images LEFT JOIN objects ON objects.storage = images.storage \
         AND objects.object_key = images.object_key WHERE objects.pk IS NULL",
    ),
    (
        "objects whose references are not those of images",
        "SELECT COUNT(*) AS wrong FROM objects WHERE refs <> (SELECT COUNT(*) FROM images \
         WHERE images.storage = objects.storage AND images.object_key = objects.object_key)",
    ),
    (
        "accounts whose files are not their images",
        "SELECT COUNT(*) AS wrong FROM user_usage WHERE files <> (SELECT COUNT(*) FROM images \
         WHERE images.owner = user_usage.user_pk)",
    ),
    (
        "accounts whose bytes are not their images'",
        "SELECT COUNT(*) AS wrong FROM user_usage WHERE bytes <> (SELECT COALESCE(SUM(images.bytes), 0) FROM images \
         WHERE images.owner = user_usage.user_pk)",
    ),
    (
        "accounts with room set aside that nobody set aside",
        "SELECT COUNT(*) AS wrong FROM user_usage WHERE reserved_files <> (SELECT COALESCE(SUM(reservations.files), 0) \
         FROM reservations WHERE reservations.user_pk = user_usage.user_pk)",
    ),
    (
        "accounts whose counts of images are wrong",
        "SELECT COUNT(*) AS wrong FROM image_counts WHERE live + trashed <> (SELECT COUNT(*) FROM images \
         WHERE images.owner = image_counts.owner) OR trashed <> (SELECT COUNT(*) FROM images \
         WHERE images.owner = image_counts.owner AND images.trashed = 1)",
    ),
    (
        "tags whose counts are wrong",
        "SELECT COUNT(*) AS wrong FROM tags WHERE images <> (SELECT COUNT(*) FROM image_tags INNER JOIN images \
         ON images.pk = image_tags.image_pk WHERE image_tags.tag_pk = tags.pk AND images.trashed = 0)",
    ),
];

/// Numbers that are the same in each run, as far as threads allow.
struct Dice(u32);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % end
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
