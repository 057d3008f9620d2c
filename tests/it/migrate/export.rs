//! From one pixedge to another.

use super::*;
use crate::uploads::post;

/// What two servers have in common, if they hold the same library.
fn library(server: &Server, token: &str) -> Value {
    let list = |query: &str| {
        let list = server.json("GET", &format!("/v1/images?limit=200&{query}"), token, Value::Null);
        assert_eq!(list.status, 200, "{}", list.text());
        let same = [
            "id",
            "name",
            "stored_name",
            "bytes",
            "width",
            "height",
            "format",
            "md5",
            "sha256",
            "visibility",
            "focal",
            "tags",
            "created_at",
            "expires_at",
        ];
        let images = list.json()["images"].as_array().unwrap().clone();
        let images = images.iter().map(|image| {
            let kept: serde_json::Map<_, _> =
                same.iter().map(|key| ((*key).to_owned(), image[key].clone())).collect();
            (kept, image["albums"].as_array().unwrap().len())
        });
        json!(images.collect::<Vec<_>>())
    };
    let mut albums: Vec<Value> = Vec::new();
    for (id, name) in super::albums(server, token) {
        let album = server.json("GET", &format!("/v1/albums/{id}"), token, Value::Null).json();
        let inside =
            server.json("GET", &format!("/v1/images?album={id}&sort=album"), token, Value::Null).json();
        let ids: Vec<_> =
            inside["images"].as_array().unwrap().iter().map(|image| image["id"].clone()).collect();
        albums.push(json!([name, ids, album["cover"], album["created_at"]]));
    }
    albums.sort_by_key(Value::to_string);
    let tags = server.json("GET", "/v1/tags", token, Value::Null).json()["tags"].clone();
    let tags: Vec<_> =
        tags.as_array().unwrap().iter().map(|tag| json!([tag["name"], tag["images"]])).collect();
    let trash = server.json("GET", "/v1/trash", token, Value::Null).json()["images"].clone();
    let trash: Vec<_> = trash.as_array().unwrap().iter().map(|image| image["id"].clone()).collect();
    json!({ "images": list("sort=oldest"), "albums": albums, "tags": tags, "trash": trash })
}

/// Two people with pictures that differ in everything they can differ in.
fn filled() -> Server {
    let server = Home::new(&CONFIG.replace("closed", "open")).start();
    for name in ["ana", "bea"] {
        let new = json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.com") });
        assert_eq!(server.json("POST", "/v1/register", "", new).status, 201);
    }
    let (ana, bea) = (token(&server, "ana"), token(&server, "bea"));
    let album = server.json("POST", "/v1/albums", &ana, json!({ "name": "Été" })).json();
    let album = album["id"].as_str().unwrap();
    let mut ids = Vec::new();
    for seed in 40..45 {
        let bytes = picture(seed);
        let parts: [(&str, Option<&str>, &[u8]); 3] = [
            ("file", Some("same name.png"), &bytes),
            ("visibility", None, if seed == 41 { b"private" } else { b"public" }),
            ("tags", None, if seed % 2 == 0 { "Sea,夏天".as_bytes() } else { b"holiday" }),
        ];
        let answer = post(&server, &ana, &[], &parts);
        assert_eq!(answer.status, 201, "{}", answer.text());
        ids.push(answer.json()["images"][0]["id"].as_str().unwrap().to_owned());
    }
    let change = |id: &str, change: Value| {
        let changed = server.json("PATCH", &format!("/v1/images/{id}"), &ana, change);
        assert_eq!(changed.status, 200, "{}", changed.text());
    };
    change(&ids[0], json!({ "name": "第一.png", "focal": { "x": 0.25, "y": 0.75 } }));
    change(&ids[1], json!({ "expires_at": "2099-01-02T03:04:05Z" }));
    let fill = json!({ "ids": [ids[2], ids[0], ids[1]] });
    let filled = server.json("PUT", &format!("/v1/albums/{album}/images"), &ana, fill);
    assert_eq!(filled.status, 200, "{}", filled.text());
    server.json("PATCH", &format!("/v1/albums/{album}"), &ana, json!({ "cover": ids[0] }));
    assert_eq!(server.json("DELETE", &format!("/v1/images/{}", ids[4]), &ana, Value::Null).status, 204);
    // The same content of another person.
    assert_eq!(post(&server, &bea, &[], &[("f", Some("bea.png"), &picture(40))]).status, 201);
    put(server.home().path(), "pics/operator.png", &picture(50));
    server.home().run(&["import", "pics", "--old-urls", "/old"]);
    server
}

#[test]
fn a_library_is_the_same_elsewhere() {
    let server = filled();
    let (ana, bea) = (token(&server, "ana"), token(&server, "bea"));
    let folder = tempfile::tempdir().unwrap();
    let (safe, bare) = (folder.path().join("safe"), folder.path().join("bare"));
    let said = run(server.home(), &["export", safe.to_str().unwrap(), "--with-password-hashes"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), safe.to_str().unwrap()), "{}", said.err);
    assert!(said.err.contains("3 accounts, 1 albums, 7 pictures; 6 files written"), "{}", said.err);
    let again = run(server.home(), &["export", safe.to_str().unwrap(), "--with-password-hashes"]);
    assert!(again.err.contains("7 pictures; 0 files written"), "{}", again.err);
    let manifest = safe.join("manifest.jsonl");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&manifest).unwrap());
    assert_eq!(mode & 0o077, 0, "others can read it");
    server.home().run(&["export", bare.to_str().unwrap(), "--owner", "ana"]);
    let text = std::fs::read_to_string(bare.join("manifest.jsonl")).unwrap();
    assert!(!text.contains("argon2") && !text.contains("bea") && text.contains("ana@example.com"), "{text}");

    let there = Home::new(CONFIG);
    let arguments = ["import", safe.to_str().unwrap(), "--from", "pixedge"];
    let said = run(&there, &arguments);
    assert_eq!(
        (said.code, counts(&said)),
        (Some(0), "7 imported, 0 already there, 0 skipped"),
        "{}",
        said.err
    );
    let said = run(&there, &arguments);
    assert_eq!(
        (said.code, counts(&said)),
        (Some(0), "0 imported, 7 already there, 0 skipped"),
        "{}",
        said.err
    );
    let there = there.start();
    assert_eq!(library(&there, &token(&there, "ana")), library(&server, &ana));
    assert_eq!(library(&there, &token(&there, "bea@example.com")), library(&server, &bea));
    leads_to(&there, "/old/operator.png", Some(&picture(50)));
    let roles = server.json("GET", "/v1/admin/users?limit=9", &token(&server, "root"), Value::Null).json();
    assert_eq!(roles["users"].as_array().unwrap().len(), 3);

    // Without hashes there are accounts, and nobody gets in by an old password.
    let home = Home::new(CONFIG);
    let said = run(&home, &["import", bare.to_str().unwrap(), "--from", "pixedge"]);
    assert_eq!(
        (said.code, counts(&said)),
        (Some(0), "5 imported, 0 already there, 0 skipped"),
        "{}",
        said.err
    );
    assert!(said.err.contains("ana: has no password here"), "{}", said.err);
    let there = home.start();
    assert_eq!(login(&there, "ana").status, 401);
}

#[test]
fn what_is_damaged_is_told_and_left_out() {
    let home = Home::new(CONFIG);
    put(home.path(), "pics/a.png", &picture(60));
    put(home.path(), "pics/b.png", &picture(61));
    let printed = home.run(&["import", "pics"]);
    let first = printed.split_whitespace().next().unwrap().to_owned();
    home.run(&["export", "out"]);
    let text = std::fs::read_to_string(home.path().join("out/manifest.jsonl")).unwrap();
    let line: Value = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["id"] == *first)
        .unwrap();
    let file = line["file"].as_str().unwrap();
    // Not what was exported; and a line that leads outside.
    put(&home.path().join("out"), file, &picture(62));
    let there = Home::new(CONFIG);
    let out = home.path().join("out");
    let said = run(&there, &["import", out.to_str().unwrap(), "--from", "pixedge"]);
    assert_eq!(
        (said.code, counts(&said)),
        (Some(3), "1 imported, 0 already there, 1 skipped"),
        "{}",
        said.err
    );
    assert!(said.err.contains("its file is not the one that was exported"), "{}", said.err);
    std::fs::write(out.join("manifest.jsonl"), text.replace(file, "../pics/a.png")).unwrap();
    let said = run(&there, &["import", out.to_str().unwrap(), "--from", "pixedge"]);
    assert_eq!(
        (said.code, counts(&said)),
        (Some(3), "0 imported, 1 already there, 1 skipped"),
        "{}",
        said.err
    );
    assert!(said.err.contains("its file is not there"), "{}", said.err);
    let half = &text[..text.len() * 2 / 3];
    std::fs::write(out.join("manifest.jsonl"), &half[..=half.rfind('\n').unwrap()]).unwrap();
    let said = run(&there, &["import", out.to_str().unwrap(), "--from", "pixedge"]);
    assert!(said.code == Some(1) && said.err.contains("cut off"), "{}", said.err);

    // An object that is gone is no reason to keep the others back.
    let objects = home.path().join("data/objects");
    let gone = walk(&objects)
        .into_iter()
        .find(|path| path.to_string_lossy().contains(line["sha256"].as_str().unwrap()))
        .unwrap();
    std::fs::remove_file(gone).unwrap();
    let said = run(&home, &["export", "again"]);
    assert!(said.code == Some(3) && said.err.contains(&format!("left out {first}")), "{}", said.err);
    assert!(said.err.contains("0 accounts, 0 albums, 1 pictures"), "{}", said.err);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
