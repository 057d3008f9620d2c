//! Users' storages by the API, and pictures that are moved while they are served, with real servers.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::daemons::{Daemons, S3_KEY, S3_SECRET, webdav_with_login};
use crate::support::{Home, Server, pictures};

fn signed_up(server: &Server, name: &str) -> String {
    let reply = server.json("POST", "/v1/register", "", json!({"username": name, "password": "password123"}));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

fn config(ports: &[u16]) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect();
    format!(
        "auth: {{ registration: open }}\n\
         user_storages: {{ max_per_user: 2, hosts: [{}], allow_addresses: [127.0.0.1], timeout: 3s }}\n",
        hosts.join(", ")
    )
}

#[test]
fn a_life_of_a_storage_by_the_api() {
    let (folder, logs, login) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let Some(daemons) = Daemons::start("storages_api", folder.path(), logs.path()) else { return };
    let Some(dav) = webdav_with_login("storages_api", folder.path(), ("ana", "right"), login.path()) else {
        return;
    };
    let server = Home::new(&config(&[daemons.s3.port(), dav.port()])).start();
    let (ana, bea) = (signed_up(&server, "ana"), signed_up(&server, "bea"));
    let by = |who: &str, method: &str, path: &str, body: Value| server.json(method, path, who, body);

    let s3 = json!({
        "label": "my bucket", "scheme": "s3", "endpoint": daemons.s3.url(), "bucket": "pictures",
        "access_key_id": S3_KEY, "secret": S3_SECRET
    });
    let with = |key: &str, value: Value| {
        let mut changed = s3.clone();
        changed[key] = value;
        changed
    };
    // Nobody's without an account, and nothing that fails its test.
    assert_eq!(by("", "POST", "/v1/storages", s3.clone()).status, 401);
    for (wish, status, code, word) in [
        (with("secret", json!("wrong")), 422, "storage_test_failed", "credentials"),
        (with("bucket", json!("no-such-bucket")), 422, "storage_test_failed", "bucket"),
        (with("endpoint", json!("http://127.0.0.1:1")), 422, "storage_test_failed", "not_allowed"),
        (with("endpoint", json!("http://169.254.169.254")), 422, "storage_test_failed", "not_allowed"),
        (with("endpoint", json!("ftp://a")), 400, "invalid_fields", "endpoint"),
        (with("access_key_id", Value::Null), 400, "invalid_fields", "access_key_id"),
        (with("secret", json!("")), 400, "invalid_fields", "secret"),
        (with("scheme", json!("fs")), 400, "invalid_fields", "scheme"),
        (with("role_arn", json!("arn:aws:iam::1:role/x")), 400, "invalid_fields", "role_arn"),
    ] {
        for path in ["/v1/storages", "/v1/storages/test"] {
            let reply = by(&ana, "POST", path, wish.clone());
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (status, code),
                "{path} {wish}: {}",
                reply.text()
            );
            assert!(reply.text().contains(word), "{path} {wish}: {}", reply.text());
            assert!(!reply.text().contains(S3_SECRET), "{}", reply.text());
        }
    }
    assert_eq!(by(&ana, "POST", "/v1/storages/test", s3.clone()).json()["works"], true);
    assert_eq!(by(&ana, "GET", "/v1/storages", Value::Null).json()["storages"].as_array().unwrap().len(), 0);

    let made = by(&ana, "POST", "/v1/storages", s3);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let here = format!("/v1/storages/{id}");
    for shown in [made, by(&ana, "GET", &here, Value::Null), by(&ana, "GET", "/v1/storages", Value::Null)] {
        assert!(!shown.text().contains("secret") && !shown.text().contains(S3_SECRET), "{}", shown.text());
    }
    assert_eq!(by(&ana, "POST", &format!("{here}/test"), Value::Null).status, 200);
    for (method, path) in [("GET", &here), ("DELETE", &here), ("POST", &format!("{here}/test"))] {
        let reply = by(&bea, method, path, Value::Null);
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{method} {path}");
    }
    assert_eq!(by(&bea, "PATCH", &here, json!({"label": "x"})).status, 404);
    assert_eq!(by(&bea, "PUT", "/v1/me/storage", json!({"storage": id})).status, 404);

    // Changes, and what they must not do.
    let renamed = by(&ana, "PATCH", &here, json!({"label": "renamed"}));
    assert_eq!(
        (renamed.status, renamed.json()["label"].as_str()),
        (200, Some("renamed")),
        "{}",
        renamed.text()
    );
    let moved = by(&ana, "PATCH", &here, json!({"endpoint": dav.url()}));
    assert_eq!((moved.status, moved.code().as_str()), (400, "invalid_fields"), "{}", moved.text());
    let rekeyed = by(&ana, "PATCH", &here, json!({"secret": "wrong"}));
    assert_eq!((rekeyed.status, rekeyed.code().as_str()), (422, "storage_test_failed"));
    assert_eq!(by(&ana, "POST", &format!("{here}/test"), Value::Null).status, 200);

    let chosen = by(&ana, "PUT", "/v1/me/storage", json!({"storage": id}));
    assert_eq!(chosen.status, 200, "{}", chosen.text());
    assert_eq!(by(&ana, "GET", &here, Value::Null).json()["default"], true);
    let webdav = json!({"scheme": "webdav", "endpoint": dav.url(), "root": "mine", "username": "ana", "secret": "right"});
    let second = by(&ana, "POST", "/v1/storages", webdav.clone());
    assert_eq!(second.status, 201, "{}", second.text());
    let third = by(&ana, "POST", "/v1/storages", webdav);
    assert_eq!((third.status, third.code().as_str()), (409, "too_many_storages"));
    assert_eq!(by(&ana, "DELETE", &here, Value::Null).status, 204);
    let all = by(&ana, "GET", "/v1/storages", Value::Null).json();
    assert_eq!(all["storages"].as_array().unwrap().len(), 1);
    assert_eq!(all["server"][0], json!({"name": "local", "scheme": "fs", "default": true}));

    // Another secret of the server locks what was sealed with the first.
    let home = server.stop();
    let path = home.path().join("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(home.path().join("other.key"), "another-secret-of-this-server-of-some-length").unwrap();
    std::fs::write(&path, text.replace("auth: { ", "auth: { secret_file: other.key, ")).unwrap();
    let server = home.start();
    let reply =
        server.json("POST", "/v1/login", "", json!({"username": "ana", "password": "password123"})).json();
    let ana = reply["access_token"].as_str().unwrap();
    let id = second.json()["id"].as_str().unwrap().to_owned();
    let locked = server.json("POST", &format!("/v1/storages/{id}/test"), ana, Value::Null);
    assert_eq!((locked.status, locked.code().as_str()), (409, "storage_locked"), "{}", locked.text());
    assert!(locked.text().contains("auth.secret"), "{}", locked.text());
    let again = server.json("PATCH", &format!("/v1/storages/{id}"), ana, json!({"secret": "right"}));
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(server.json("POST", &format!("/v1/storages/{id}/test"), ana, Value::Null).status, 200);
}

fn objects(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.file_name().to_string_lossy().starts_with('.') {
            true => 0,
            false if entry.path().is_dir() => objects(&entry.path()),
            false => 1,
        })
        .sum()
}

/// Killed in the middle, begun again, and nobody who looks at the pictures notices.
#[test]
fn pictures_are_moved_while_they_are_served() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let Some(daemons) = Daemons::start("storages_api", folder.path(), logs.path()) else { return };
    let home = Home::new(&format!(
        "images: {{ bitmap_cache: 0 }}\n\
         storages: {{ bucket: {{ scheme: s3, endpoint: '{}', bucket: pictures, root: kept, access_key_id: {S3_KEY}, \
         secret_access_key: {S3_SECRET} }} }}\n",
        daemons.s3.url()
    ));
    let from = home.path().join("from");
    std::fs::create_dir(&from).unwrap();
    for seed in 0..40 {
        let picture = pictures::encoded(pixedge::codec::Format::Jpeg, 200, 150, 100 + seed);
        std::fs::write(from.join(format!("{seed}.jpg")), picture).unwrap();
    }
    let imported = home.run(&["import", from.to_str().unwrap()]);
    let mut ids: Vec<String> =
        imported.lines().filter_map(|line| Some(line.split_whitespace().next()?.to_owned())).collect();
    ids.retain(|id| id.len() >= 6);
    let server = home.start();
    ids.retain(|id| server.get(&format!("/i/{id}/w_64")).status == 200);
    assert_eq!(ids.len(), 40, "{imported}");
    let listed = server.home().run(&["storage", "list"]);
    assert!(
        listed.contains("local fs 40 images default") && listed.contains("bucket s3 0 images"),
        "{listed}"
    );

    let migrate = ["storage", "migrate", "--from", "local", "--to", "bucket"];
    let mut first = server.home().command(&migrate);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (since, bucket) = (Instant::now(), folder.path().join("pictures/kept"));
    while objects(&bucket) < 5 {
        assert!(since.elapsed() < Duration::from_secs(60), "nothing is moved");
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let still_there = || {
        for (at, id) in ids.iter().enumerate() {
            // Other widths than before: from the original, wherever it is by now.
            let reply = server.get(&format!("/i/{id}/w_{}", 66 + 2 * at));
            assert_eq!(reply.status, 200, "{id}: {}", reply.text());
            assert_eq!(server.get(&format!("/i/{id}/f_orig")).status, 200, "{id}");
        }
    };
    still_there();
    assert!(objects(&bucket) < 40, "it was not killed in the middle");
    let moved: usize = server.home().run(&migrate).lines().last().unwrap().parse().unwrap();
    assert!(moved > 0 && moved < 40, "{moved}");
    still_there();
    let listed = server.home().run(&["storage", "list"]);
    assert!(
        listed.contains("local fs 0 images default") && listed.contains("bucket s3 40 images"),
        "{listed}"
    );
    assert_eq!(objects(&bucket), 40);
    assert_eq!(server.home().run(&migrate).trim(), "0");

    // And from there alone: what was left behind is not needed any more.
    let home = server.stop();
    std::fs::remove_dir_all(home.path().join("data/objects")).unwrap();
    let server = home.start();
    assert_eq!(server.get(&format!("/i/{}/w_150", ids[0])).status, 200);
    let tested = server.home().run(&["storage", "test"]);
    assert!(tested.contains("local works") && tested.contains("bucket works"), "{tested}");
    let wrong =
        server.home().command(&["storage", "migrate", "--from", "local", "--to", "none"]).output().unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("`none`"));
}

/// What a user's storage holds is looked through like the server's own, but what is not known there may be anybody's.
#[test]
fn a_sweep_looks_through_users_storages() {
    let (folder, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let Some(daemons) = Daemons::start("storages_api", folder.path(), logs.path()) else { return };
    let server = Home::new(&config(&[daemons.s3.port(), daemons.webdav.port()])).start();
    let ana = signed_up(&server, "ana");
    let by = |method: &str, path: &str, body: Value| server.json(method, path, &ana, body);
    let s3 = json!({
        "label": "my bucket", "scheme": "s3", "endpoint": daemons.s3.url(), "bucket": "pictures",
        "access_key_id": S3_KEY, "secret": S3_SECRET
    });
    let made = by("POST", "/v1/storages", s3);
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(by("PUT", "/v1/me/storage", json!({ "storage": id })).status, 200);
    let upload = |seed: u32| {
        let png = pictures::encoded(pixedge::codec::Format::Png, 40, 30, seed);
        let made = crate::uploads::post(&server, &ana, &[], &[("file", Some("a.png"), &png)]);
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["images"][0]["id"].as_str().unwrap().to_owned()
    };
    let (kept, lost) = (upload(1), upload(2));
    // Versions go there, too.
    let version = by("POST", &format!("/v1/images/{kept}/transform"), json!({ "spec": "w_20,f_png" }));
    assert_eq!(version.status, 201, "{}", version.text());
    let bucket = folder.path().join("pictures");
    assert_eq!(objects(&bucket), 3);

    // Gone without our doing; unknown; half-written and forgotten.
    let list = server.json("GET", &format!("/v1/images/{lost}"), &ana, Value::Null).json();
    let sha256 = list["sha256"].as_str().unwrap().to_owned();
    let find = |hash: &str| {
        let file = bucket.join(&hash[..2]).join(&hash[2..4]);
        std::fs::read_dir(file).unwrap().next().unwrap().unwrap().path()
    };
    let there = find(&sha256);
    let stranger = bucket.join(there.strip_prefix(&bucket).unwrap().to_str().unwrap().replace(&sha256, &{
        let mut other = sha256.clone();
        other.replace_range(60.., "0000");
        other
    }));
    std::fs::rename(&there, &stranger).unwrap();
    let half = bucket.join(".temporary").join("0".repeat(32));
    std::fs::create_dir_all(half.parent().unwrap()).unwrap();
    std::fs::write(&half, "half").unwrap();
    let output = server.home().command(&["sweep", "--grace", "0s"]).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && said.contains("1 missing"), "{said}");
    assert!(said.contains(&format!("missing ~{id}/")) && said.contains("0 orphans"), "{said}");
    assert!(said.contains("1 half-written") && !half.exists(), "{said}");
    assert!(said.contains("1 files in the storages are not ours") && stranger.exists(), "{said}");
    std::fs::rename(&stranger, &there).unwrap();
    assert!(server.home().run(&["sweep", "--grace", "0s"]).contains("0 missing"));

    // A storage that is away keeps nothing else from being swept, and loses nothing.
    drop(daemons);
    let output = server.home().command(&["sweep", "--grace", "0s"]).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        output.status.success() && said.contains(&format!("~{id} of a user cannot be looked through")),
        "{said}"
    );
}
