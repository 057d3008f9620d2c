//! `pixedge-client` against the real server: nothing is sent twice, and nothing that changed is missed.

mod managing;
mod python;
mod trouble;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use pixedge::codec::Format;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::pictures::encoded;
use crate::support::{Home, Server};
use crate::uploads::account;

const OPEN: &str = "auth: { registration: open }\n";

/// Where somebody sits who uses the command: a home with a cache, and the key of an account.
pub struct Seat {
    folder: TempDir,
    server: String,
    key: String,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Seat {
    /// Of a new account, with a key that has all rights of it.
    pub fn new(server: &Server, name: &str) -> Self {
        let token = account(server, name);
        Self::of(&server.url, &key(server, &token, &["read", "upload", "manage"]))
    }

    pub fn of(url: &str, key: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: url.to_owned(), key: key.to_owned() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file there.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn picture(&self, name: &str, seed: u32) -> PathBuf {
        self.file(name, &encoded(Format::Png, 24, 16, seed))
    }

    /// The environment of every program that runs here, beside what it is to be told.
    pub fn place(&self, command: &mut Command) {
        command.env_clear().env("HOME", self.folder.path()).env("PATH", std::env::var_os("PATH").unwrap());
        command.env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        if !self.server.is_empty() {
            command.env("PIXEDGE_SERVER", &self.server).env("PIXEDGE_KEY", &self.key);
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        self.place(&mut command);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// With something on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = self.command(args).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ended(child)
    }

    /// What a command that succeeds prints.
    pub fn out(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        ran.out
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.out(&[args, &["--json"]].concat())).unwrap()
    }

    /// Values of the cache, which is a file that others may read as well.
    pub fn cached(&self, sql: &'static str) -> Vec<String> {
        use sqlx::{ConnectOptions as _, Connection as _, Row as _};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options =
                sqlx::sqlite::SqliteConnectOptions::new().filename(self.path(".cache/pixedge/client.db"));
            let mut cache = options.connect().await.unwrap();
            let rows = sqlx::query(sql).fetch_all(&mut cache).await.unwrap();
            cache.close().await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        })
    }
}

pub fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub fn key(server: &Server, token: &str, scopes: &[&str]) -> String {
    let made = server.json("POST", "/v1/keys", token, json!({"name": "client", "scopes": scopes}));
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["key"].as_str().unwrap().to_owned()
}

/// The command beside the server, as `cargo test --workspace` builds it.
fn program() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_pixedge")).with_file_name("pixedge-client");
    let built = path.metadata().and_then(|meta| meta.modified()).ok();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("client/src");
    let is_new = built.is_some_and(|built| built >= newest(&sources));
    assert!(is_new, "{} is missing or old: run `cargo build -p pixedge-client`", path.display());
    path
}

fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let of = |path: PathBuf| {
        if path.is_dir() { newest(&path) } else { path.metadata().unwrap().modified().unwrap() }
    };
    entries.map(|entry| of(entry.path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How many requests a route has answered, and how many of them with this status.
pub fn asked(server: &Server, route: &str, status: Option<u16>) -> u64 {
    let route = format!("route=\"{route}\"");
    let status = status.map(|status| format!("status=\"{status}\"")).unwrap_or_default();
    let metrics = server.metrics();
    let requests = metrics.iter().filter(|(name, _)| name.starts_with("pixedge_requests_total{"));
    requests.filter(|(name, _)| name.contains(&route) && name.contains(&status)).map(|(_, n)| *n as u64).sum()
}

/// Requests to the API, all together.
fn all_asked(server: &Server) -> u64 {
    let metrics = server.metrics();
    let of_api = metrics.iter().filter(|(name, _)| name.starts_with("pixedge_requests_total{route=\"/v1/"));
    of_api.map(|(_, n)| *n as u64).sum()
}

#[test]
fn a_hundred_files_are_sent_once() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    let mut files: Vec<String> = Vec::new();
    for seed in 0..100 {
        let folder = ["", "a/", "a/b/"][seed as usize % 3];
        files.push(seat.picture(&format!("pictures/{folder}{seed:03}.png"), seed).display().to_string());
    }
    // The same bytes twice, and what is no picture.
    std::fs::copy(&files[7], seat.path("pictures/twin.png")).unwrap();
    seat.file("pictures/notes.txt", b"no picture");

    let first = seat.json(&["upload", "pictures"]);
    let first = first.as_array().unwrap();
    assert_eq!(first.len(), 101);
    assert_eq!(asked(&server, "/v1/images", None), 100);
    assert_eq!(asked(&server, "/v1/images", Some(201)), 100);
    let sent = first.iter().filter(|entry| entry["sent"] == true && entry["status"] == "uploaded").count();
    assert_eq!(sent, 100);
    let url = |name: &str| {
        let of = |entry: &&Value| entry["file"].as_str().unwrap().ends_with(name);
        first.iter().find(of).unwrap()["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(url("twin.png"), url("007.png"));
    assert_eq!(server.get(url("050.png").trim_start_matches(&*server.url)).status, 200);

    // Again: nobody is asked anything. The order is that of the arguments.
    let before = all_asked(&server);
    let mut args = vec!["upload"];
    args.extend(files.iter().rev().map(String::as_str));
    let again = seat.out(&args);
    let urls: Vec<String> = (0..100).rev().map(|seed| url(&format!("{seed:03}.png"))).collect();
    assert_eq!(again.lines().collect::<Vec<_>>(), urls);
    assert_eq!(all_asked(&server), before);

    // Whoever wants to be sure asks for each file; its bytes stay here. So does another computer, without a cache.
    assert_eq!(seat.out(&["upload", "pictures", "--revalidate"]).lines().count(), 101);
    assert_eq!(seat.out(&["upload", "pictures", "--no-cache"]).lines().count(), 101);
    assert_eq!(asked(&server, "/v1/images", None), 100);
    assert_eq!(asked(&server, "/v1/images/by-hash/{hash}", Some(200)), 202);
}

#[test]
fn what_changed_ended_or_was_deleted_is_noticed() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    seat.picture("a.png", 1);
    let first = seat.out(&["upload", "a.png"]);
    seat.picture("a.png", 2);
    let second = seat.out(&["upload", "a.png"]);
    assert_ne!(first, second);

    // By somebody else: within the hour it is believed, then the server is asked.
    let id = second.trim().rsplit('/').next().unwrap().to_owned();
    let bearer = seat.key.clone();
    assert_eq!(server.json("DELETE", &format!("/v1/images/{id}"), &bearer, Value::Null).status, 204);
    assert_eq!(server.json("DELETE", "/v1/trash", &bearer, Value::Null).status, 200);
    assert_eq!(seat.out(&["upload", "a.png"]), second);
    let third = seat.json(&["upload", "a.png", "--revalidate"]);
    assert_eq!((&third[0]["status"], &third[0]["sent"]), (&json!("uploaded"), &json!(true)));
    assert_ne!(third[0]["id"], id.as_str());

    // By this client: it knows at once.
    assert_eq!(seat.out(&["delete", "a.png"]).trim(), third[0]["id"].as_str().unwrap());
    assert_eq!(seat.json(&["upload", "a.png"])[0]["sent"], true);

    // A picture that has ended is sent again, without anybody asking for it.
    seat.picture("b.png", 3);
    let short = seat.json(&["upload", "b.png", "--expires-in", "1s"]);
    assert!(short[0]["expires_at"].is_string(), "{short}");
    let path = format!("/v1/images/{}", short[0]["id"].as_str().unwrap());
    while server.json("GET", &path, &bearer, Value::Null).status == 200 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let anew = seat.json(&["upload", "b.png"]);
    assert_eq!((&anew[0]["sent"], &anew[0]["expires_at"]), (&json!(true), &Value::Null), "{anew}");
}

#[test]
fn two_runs_share_a_cache() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    for seed in 0..40 {
        seat.picture(&format!("pictures/{seed:02}.png"), seed);
    }
    let runs: Vec<Child> = (0..3)
        .map(|_| {
            seat.command(&["upload", "pictures", "--parallel", "8"]).stdin(Stdio::null()).spawn().unwrap()
        })
        .collect();
    let ran: Vec<Ran> = runs.into_iter().map(ended).collect();
    for one in &ran {
        assert_eq!((one.code, &*one.err, &one.out), (0, "", &ran[0].out));
    }
    assert_eq!(seat.cached("SELECT md5 FROM pictures").len(), 40);
    assert_eq!(seat.json(&["list", "--all"]).as_array().unwrap().len(), 40);
    assert!(seat.out(&["cache"]).starts_with("40\t"));
    assert!(seat.out(&["cache", "--clear"]).starts_with("0\t"));
}
