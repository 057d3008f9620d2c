//! The Python package, installed by pip: its two functions, the old import lines, and the cache that it shares.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{OPEN, Ran, Seat, all_asked, asked};
use crate::support::daemons::installed;
use crate::support::{Home, Server};
use crate::uploads::account;

/// The package in a folder of its own, as pip puts it there without a network.
struct Package {
    folder: TempDir,
}

impl Package {
    fn install() -> Option<Self> {
        let pip = installed("client", "venv/bin/pip")?;
        installed("client", "venv/setuptools.ready")?;
        let folder = tempfile::tempdir().unwrap();
        // pip builds beside the sources.
        let sources = folder.path().join("sources");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("client/python"), &sources);
        let quiet =
            ["--no-index", "--no-build-isolation", "--disable-pip-version-check", "--no-compile", "-q"];
        let output = Command::new(pip)
            .arg("install")
            .args(quiet)
            .arg("--target")
            .arg(folder.path().join("site"))
            .arg(&sources)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { folder })
    }

    /// Runs a program on somebody's seat.
    fn run(&self, seat: &Seat, args: &[&str]) -> Ran {
        let python = installed("client", "venv/bin/python").unwrap();
        let mut command = Command::new(python);
        seat.place(&mut command);
        command.env("PYTHONPATH", self.folder.path().join("site")).env("PYTHONIOENCODING", "utf-8");
        command.env("PYTHONDONTWRITEBYTECODE", "1").args(args);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What an expression comes to, after the import line.
    fn ask(&self, seat: &Seat, import: &str, expression: &str) -> Value {
        let program = format!("import json\n{import}\nprint(json.dumps({expression}))");
        let ran = self.run(seat, &["-c", &program]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }
}

const NEW: &str = "from pixedge_client import get_image_url, upload_or_get";
const OLD: [&str; 2] = [
    "from image_proxy_project.client.client import get_image_url, upload_or_get",
    "from client.client import get_image_url, upload_or_get",
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target: PathBuf = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn old_config(server: &Server, seat: &Seat, password: &str) {
    let (host, port) = server.address().split_once(':').unwrap();
    let old = json!({
        "server": {"domain": host, "port": port.parse::<u16>().unwrap()},
        "cleanup": {"enable": true, "expire_days": 30, "cleanup_time": "03:00:00"},
        "users": [{"username": "alice", "password": password}],
    });
    seat.file("config/config.json", old.to_string().as_bytes());
}

#[test]
fn both_clients_know_what_either_uploaded() {
    let Some(package) = Package::install() else { return };
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    for seed in 0..3 {
        seat.picture(&format!("{seed} ü.png"), seed);
    }
    let url = seat.out(&["upload", "0 ü.png"]);
    let before = all_asked(&server);
    for import in [NEW, OLD[0], OLD[1]] {
        assert_eq!(package.ask(&seat, import, "get_image_url('0 ü.png')"), url.trim());
    }
    let known = package.ask(&seat, NEW, "upload_or_get('0 ü.png')");
    assert_eq!((&known["status"], &known["width"]), (&json!("existing"), &json!(24)));
    assert_eq!(all_asked(&server), before);

    let new = package.ask(&seat, OLD[0], "upload_or_get('1 ü.png')");
    assert_eq!(
        (&new["status"], &new["name"], &new["height"]),
        (&json!("uploaded"), &json!("1 ü.png"), &json!(16))
    );
    assert_eq!(
        (&new["access_count"], &new["expire_at"], new["md5"].as_str().unwrap().len()),
        (&json!(0), &Value::Null, 32)
    );
    let before = all_asked(&server);
    assert_eq!(seat.out(&["upload", "1 ü.png"]).trim(), new["url"]);
    assert_eq!(all_asked(&server), before);
    // The same picture, without a cache: its bytes stay here.
    let again = "__import__('os').environ.update(PIXEDGE_CLIENT_CACHE='off') or upload_or_get('1 ü.png')";
    assert_eq!(package.ask(&seat, NEW, again)["status"], "existing");
    assert_eq!(asked(&server, "/v1/images", None), 2);

    // A cached address is checked after a while, and one that is gone is not handed out.
    let id = new["id"].as_str().unwrap();
    for path in [&*format!("/v1/images/{id}"), "/v1/trash"] {
        assert!(server.json("DELETE", path, &seat.key, Value::Null).status < 300);
    }
    assert_eq!(package.ask(&seat, NEW, "get_image_url('1 ü.png')"), new["url"]);
    let config = json!({"server": server.url, "key": seat.key, "revalidate": 0});
    let path = seat.file("client.json", config.to_string().as_bytes());
    let checked =
        "__import__('os').environ.update(PIXEDGE_CLIENT_CONFIG='client.json') or upload_or_get('1 ü.png')";
    let refused = package.ask(&seat, NEW, checked);
    assert!(refused["error"].as_str().unwrap().contains("chmod 600"), "{refused}");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let anew = package.ask(&seat, NEW, checked);
    assert_eq!((&anew["status"], anew["id"] == new["id"]), (&json!("uploaded"), false), "{anew}");

    // And nothing is raised when nobody is there.
    drop(server);
    assert_eq!(package.ask(&seat, NEW, "get_image_url('0 ü.png')"), url.trim());
    assert_eq!(package.ask(&seat, NEW, "get_image_url('2 ü.png')"), Value::Null);
    let away = package.ask(&seat, NEW, "upload_or_get('2 ü.png')");
    assert!(away["error"].as_str().unwrap().starts_with("查询图片信息失败: "), "{away}");
    for nonsense in ["get_image_url(None)", "get_image_url('none.png')", "get_image_url('.')"] {
        assert_eq!(package.ask(&seat, NEW, nonsense), Value::Null);
    }
    assert_eq!(
        package.ask(&seat, NEW, "upload_or_get('none.png')"),
        json!({"error": "文件不存在: none.png"})
    );
}

#[test]
fn a_program_of_image_proxy_project_goes_on() {
    let Some(package) = Package::install() else { return };
    let server = Home::new(
        "auth: { registration: open, users: [{ name: root, role: admin, password: password123 }] }\n",
    )
    .start();
    account(&server, "alice");
    let seat = Seat::of("", "");
    seat.picture("example.png", 1);
    assert_eq!(package.ask(&seat, OLD[0], "get_image_url('example.png')"), Value::Null);
    old_config(&server, &seat, "alice123");
    let denied = package.ask(&seat, OLD[0], "upload_or_get('example.png')");
    assert_eq!(denied, json!({"error": "该用户权限不足，请联系管理员"}));
    old_config(&server, &seat, "password123");
    let info = package.ask(&seat, OLD[1], "upload_or_get('example.png')");
    assert_eq!(info["status"], "uploaded", "{info}");
    let path = info["url"].as_str().unwrap().trim_start_matches(&*server.url).to_owned();
    assert_eq!(server.get(&path).status, 200);
    let told = package.run(&seat, &["-m", "client.client", "example.png"]);
    assert_eq!(told.out.trim(), info["url"], "{}", told.err);

    let refused = package.run(&seat, &["-m", "image_proxy_project.client.download_db"]);
    assert_eq!((refused.code, &*refused.err), (1, "该用户权限不足，请联系管理员\n"));
    assert!(!seat.path("images_server.db").exists());
    let config = std::fs::read_to_string(seat.path("config/config.json")).unwrap().replace("alice", "root");
    seat.file("config/config.json", config.as_bytes());
    let saved = package.run(&seat, &["-m", "client.download_db"]);
    assert_eq!((saved.code, &*saved.out), (0, "images_server.db\n"), "{}", saved.err);
    assert!(std::fs::read(seat.path("images_server.db")).unwrap().starts_with(b"SQLite format 3\0"));
}
