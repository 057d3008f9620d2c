//! Credentials, lists, links, versions, backups, and the forms in which results are printed.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::{OPEN, Seat, key};
use crate::support::{Home, Server};
use crate::uploads::account;

const WITH_ROOT: &str = "
auth:
  registration: open
  users: [{ name: root, role: admin, password: password123 }]
";

fn path_of(server: &Server, url: &str) -> String {
    url.trim().strip_prefix(&*server.url).unwrap().to_owned()
}

#[test]
fn results_in_every_form() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    seat.picture("one [1].png", 1);
    seat.picture("two.png", 2);
    let urls = seat.out(&["upload", "one [1].png", "two.png"]);
    let [one, two] = urls.lines().collect::<Vec<_>>()[..] else { panic!("{urls}") };
    let form = |format: &str| seat.out(&["upload", "one [1].png", "two.png", "--format", format]);
    assert_eq!(form("markdown"), format!("![one \\[1\\].png]({one})\n![two.png]({two})\n"));
    assert!(form("html").contains(&format!("<img src=\"{two}\" alt=\"two.png\">")));
    assert_eq!(form("bbcode"), format!("[img]{one}[/img]\n[img]{two}[/img]\n"));
    assert_eq!(form("typora"), format!("Upload Success:\n{one}\n{two}\n"));
    let picgo: Value = serde_json::from_str(&form("picgo")).unwrap();
    assert_eq!(picgo["success"], true);
    assert_eq!(picgo["result"], json!([one, two]));
    assert_eq!(picgo["fullResult"][1]["imgUrl"], two);
    assert_eq!(picgo["fullResult"][1]["extname"], ".png");

    // What works is told although something else does not.
    let partly = seat.run(&["upload", "two.png", "none.png", "--format", "json"]);
    assert_eq!(partly.code, 5);
    let entries: Value = serde_json::from_str(&partly.out).unwrap();
    assert_eq!((&entries[0]["url"], &entries[1]["error"]["code"]), (&json!(two), &json!("no_such_file")));
    assert!(partly.err.contains("none.png: there is no such file"), "{}", partly.err);
    let zh = seat.run(&["upload", "none.png", "--lang", "zh"]);
    assert!(zh.err.contains("文件不存在: none.png"), "{}", zh.err);
    let picgo = seat.run(&["upload", "none.png", "--format", "picgo"]);
    assert_eq!(
        (picgo.code, picgo.out.starts_with("{\"fullResult\":[],\"message\":")),
        (5, true),
        "{}",
        picgo.out
    );
}

#[test]
fn paths_from_standard_input_and_from_the_clipboard() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    seat.picture("one.png", 1);
    let two = seat.picture("two ü.png", 2);
    let piped = seat.run_with(&["upload", "-"], "one.png\ntwo ü.png\n");
    assert_eq!((piped.code, piped.out.lines().count()), (0, 2), "{}", piped.err);
    // What file managers put there, by the program that reads it from the desktop.
    let script = format!(
        "#!/bin/sh\nprintf 'file://%s\\r\\n' '{}'\n",
        two.display().to_string().replace('ü', "%C3%BC").replace(' ', "%20")
    );
    let tool = seat.file("bin/wl-paste", script.as_bytes());
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = seat.command(&["upload", "--clipboard"]);
    let ran = super::ended(
        command.env("PATH", format!("{}:/bin:/usr/bin", seat.path("bin").display())).spawn().unwrap(),
    );
    assert_eq!((ran.code, Some(&*ran.out.replace('\n', ""))), (0, piped.out.lines().nth(1)), "{}", ran.err);
}

#[test]
fn lists_links_and_versions() {
    let server = Home::new(OPEN).start();
    let seat = Seat::new(&server, "ana");
    for seed in 1..=3 {
        seat.picture(&format!("p/cat {seed}.png"), seed);
    }
    seat.out(&["upload", "p", "--tag", "pets", "--tag", "home", "--visibility", "private"]);
    let listed = seat.json(&["list", "--tag", "pets", "--sort", "name"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!((&listed[2]["name"], &listed[2]["visibility"]), (&json!("cat 3.png"), &json!("private")));
    assert_eq!(seat.json(&["list", "--limit", "2"]).as_array().unwrap().len(), 2);
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    let plain = seat.out(&["list", "--search", "cat", "--sort", "name"]);
    let first: Vec<&str> = plain.lines().next().unwrap().split('\t').collect();
    assert_eq!((first[0], first[2], first[5]), (&*id, "24x16", "cat 1.png"));

    // A link opens what is private, as often as it may.
    let share = seat.out(&["share", "p/cat 1.png", "--max-views", "2", "--expires-in", "1h"]);
    assert_eq!(server.get(&format!("/i/{id}")).status, 404);
    let path = path_of(&server, &share);
    let statuses: Vec<u16> = (0..3).map(|_| server.get(&path).status).collect();
    assert_eq!(statuses, [200, 200, 410]);
    let guarded = seat.run_with(&["share", &id, "--password", "--json"], "open sesame\n");
    let guarded: Value = serde_json::from_str(&guarded.out).unwrap();
    assert_eq!(guarded["has_password"], true);
    let path = path_of(&server, guarded["url"].as_str().unwrap());
    assert_eq!(server.get_with(&path, &[("x-share-password", "open sesame")]).status, 200);
    assert_eq!(server.get(&path).status, 401);

    // A version has an address of its own, by a spec or by JSON.
    let version = seat.json(&["transform", listed[1]["url"].as_str().unwrap(), "w_12,f_webp"]);
    assert_eq!((&version["width"], &version["format"]), (&json!(12), &json!("webp")), "{version}");
    let url = seat.out(&["transform", "p/cat 2.png", r#"{"resize": {"width": 12}, "format": "webp"}"#]);
    assert_eq!(server.get(&path_of(&server, &url)).header("content-type"), "image/webp");
    let wrong = seat.run(&["transform", &id, "widht_3"]);
    assert!(wrong.code == 1 && wrong.err.contains("widht"), "{wrong:?}");

    // Gone, by id, URL and file; twice is once too often.
    seat.out(&["delete", &id, listed[1]["url"].as_str().unwrap(), "p/cat 3.png"]);
    assert_eq!(seat.out(&["list"]), "");
    assert_eq!(seat.json(&["list", "--trash"]).as_array().unwrap().len(), 3);
    for arguments in [["delete", &*id], ["share", "nope"], ["delete", "p/cat 3.png"]] {
        let twice = seat.run(&arguments);
        assert_eq!(twice.code, 5, "{arguments:?}: {twice:?}");
    }
}

#[test]
fn credentials_are_kept_where_nobody_else_can_read_them() {
    let server = Home::new(WITH_ROOT).start();
    account(&server, "ana");
    let seat = Seat::of("", "");
    let wrong = seat.run_with(&["login", &server.url, "--username", "ana"], "not this one\n");
    assert_eq!(wrong.code, 3, "{wrong:?}");
    let zh = seat.run_with(&["login", &server.url, "--username", "ana", "--lang", "zh"], "nor this\n");
    assert_eq!(zh.err, "pixedge-client: 该用户权限不足，请联系管理员\n");
    let path = seat.path(".config/pixedge/client.json");
    assert!(!path.exists());

    let done = seat.run_with(&["login", &server.url, "--username", "ana"], "password123\n");
    assert_eq!((done.code, &*done.out), (0, "ana\n"), "{done:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("password123"), "{text}");
    seat.picture("a.png", 1);
    let url = seat.out(&["upload", "a.png"]);
    assert_eq!(
        std::fs::metadata(seat.path(".cache/pixedge/client.db")).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The key of the file goes to no other server, and a file that others can read is refused.
    let elsewhere = Home::new(OPEN).start();
    let refused = seat.run(&["--server", &elsewhere.url, "list"]);
    assert_eq!((refused.code, refused.err.contains("unauthorized")), (3, true), "{refused:?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = seat.run(&["list"]);
    assert_eq!((open.code, open.err.contains("chmod 600")), (3, true), "{open:?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();

    // The configuration of image_proxy_project does as well.
    let (host, port) = server.address().split_once(':').unwrap();
    let old = json!({"server": {"domain": host, "port": port.parse::<u16>().unwrap()},
        "users": [{"username": "ana", "password": "password123"}]});
    seat.file("config/config.json", old.to_string().as_bytes());
    let by_old = seat.run(&["--config", "config/config.json", "upload", "a.png"]);
    assert_eq!((by_old.code, &by_old.out), (0, &url), "{by_old:?}");
    assert!(by_old.err.contains("others can read"), "{}", by_old.err);

    let kept: Value = serde_json::from_str(&text).unwrap();
    seat.out(&["logout"]);
    assert_eq!(seat.run(&["list"]).code, 3);
    let key = kept["key"].as_str().unwrap();
    assert_eq!(server.json("GET", "/v1/me", key, Value::Null).status, 401);
}

#[test]
fn the_database_for_administrators() {
    let server = Home::new(WITH_ROOT).start();
    let seat = Seat::of("", "");
    let done = seat.run_with(&["login", &server.url, "--username", "root", "--admin"], "password123\n");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(seat.out(&["backup"]), "images_server.db\n");
    let backup = seat.path("images_server.db");
    assert!(std::fs::read(&backup).unwrap().starts_with(b"SQLite format 3\0"));
    assert_eq!(std::fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let full = seat.json(&["backup", "full.db", "--full"]);
    assert_eq!(full["bytes"].as_u64(), Some(seat.path("full.db").metadata().unwrap().len()));

    let token = account(&server, "ana");
    let ana = Seat::of(&server.url, &key(&server, &token, &["read"]));
    let refused = ana.run(&["backup", "--lang", "zh"]);
    assert_eq!((refused.code, &*refused.err), (3, "pixedge-client: 该用户权限不足，请联系管理员\n"));
    assert_eq!(std::fs::read_dir(ana.path(".")).unwrap().count(), 0);
}
