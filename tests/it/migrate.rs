//! Libraries that move: from other systems by their databases, from a bucket, and from one pixedge to another. What came
//! in is asked of a running server: names, dates, albums, passwords, old addresses.

mod chevereto;
mod export;
mod lsky;
mod resume;
mod seeds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pixedge::codec::Format;
use serde_json::{Value, json};

use crate::support::engines::{Kind, Server as Database};
use crate::support::pictures::encoded;
use crate::support::{Home, Reply, Server};

const CONFIG: &str = "
auth:
  registration: closed
  users: [{ name: root, role: admin, password: password123 }]
";
/// Of all accounts in the dumps.
const PASSWORD: &str = "password123";

/// What a command said and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

fn run(home: &Home, arguments: &[&str]) -> Said {
    home.command(arguments).output().unwrap().into()
}

/// The last line of an import on standard error, before the reason for its code.
fn counts(said: &Said) -> &str {
    said.err
        .lines()
        .find(|line| line.contains(" already there, ") && line.contains(" skipped"))
        .unwrap_or_else(|| panic!("{}\n{}", said.out, said.err))
}

/// A PNG that no other test has.
fn picture(seed: u32) -> Vec<u8> {
    encoded(Format::Png, 20 + seed % 7, 16, 7000 + seed)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The dump of a database that is made by `tests/it/migrate/<name>.sql`: by MariaDB's own `mariadb-dump` where it is
/// installed, else the one in `fixtures/dumps`, which was made so.
fn dump(name: &str, into: &Path) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = into.join(format!("{name}.sql"));
    let program = ["mariadb-dump", "mysqldump"].into_iter().find(|program| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    let server = program.and_then(|_| Database::shared("migrate", Kind::MariaDb));
    let (Some(program), Some(server)) = (program, server) else {
        assert!(
            std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(),
            "mariadb-dump is missing; run scripts/test"
        );
        eprintln!("migrate: mariadb-dump is missing; the dump of fixtures/dumps is taken");
        std::fs::copy(root.join(format!("fixtures/dumps/{name}.sql")), &path).unwrap();
        return path;
    };
    let url = server.database();
    let database = url.rsplit('/').next().unwrap();
    let schema = std::fs::read_to_string(root.join(format!("tests/it/migrate/{name}.sql"))).unwrap();
    server.client(&format!("USE {database};\n{schema}")).unwrap();
    let output = server.dump(program, database);
    std::fs::write(&path, &output).unwrap();
    if std::env::var_os("PIXEDGE_NEW_FIXTURES").is_some() {
        std::fs::write(root.join(format!("fixtures/dumps/{name}.sql")), &output).unwrap();
    }
    path
}

fn login(server: &Server, name: &str) -> Reply {
    server.json("POST", "/v1/login", "", json!({ "username": name, "password": PASSWORD }))
}

fn token(server: &Server, name: &str) -> String {
    let reply = login(server, name);
    assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// One's own pictures by their names.
fn images(server: &Server, token: &str) -> BTreeMap<String, Value> {
    let list = server.json("GET", "/v1/images?limit=200", token, Value::Null);
    assert_eq!(list.status, 200, "{}", list.text());
    let images = list.json()["images"].as_array().unwrap().clone();
    images.into_iter().map(|image| (image["name"].as_str().unwrap().to_owned(), image)).collect()
}

/// The names of albums by their ids.
fn albums(server: &Server, token: &str) -> BTreeMap<String, String> {
    let list = server.json("GET", "/v1/albums?limit=100", token, Value::Null).json();
    let text = |album: &Value, key: &str| album[key].as_str().unwrap().to_owned();
    list["albums"].as_array().unwrap().iter().map(|album| (text(album, "id"), text(album, "name"))).collect()
}

/// Where an old address leads, and that the picture is there, with these bytes unless they are of another size.
fn leads_to(server: &Server, path: &str, bytes: Option<&[u8]>) -> String {
    let moved = server.get(path);
    assert_eq!(moved.status, 301, "{path}: {}", moved.text());
    let to = moved.header("location").to_owned();
    let there = server.get(&to);
    assert_eq!(there.status, 200, "{path} leads to {to}: {}", there.text());
    if let Some(bytes) = bytes {
        let original = server.get(&format!("{to}/f_orig"));
        assert!(original.body == bytes, "{path} leads to {to}, which is another picture");
    }
    to
}

fn number_of_rows(home: &Home, table: &str) -> i64 {
    use sqlx::Row as _;
    let url = format!("sqlite:{}", home.path().join("data/pixedge.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) AS n FROM {table}"));
        let row = sqlx::query(sql).fetch_one(&pool).await.unwrap();
        pool.close().await;
        row.get::<i64, _>("n")
    })
}
