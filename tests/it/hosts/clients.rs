//! The programs themselves: PicGo with its plugins, the script for Flameshot, and ShareX as far as its set-up file goes.

use std::path::Path;
use std::process::{Command, Output};

use pixedge::codec::Format;
use serde_json::{Value, json};

use super::{OPEN, key, only_picture, path_of};
use crate::support::daemons::{Daemon, free_port, installed};
use crate::support::pictures::encoded;
use crate::support::{Home, Server, certificate};
use crate::uploads::{account, form};

/// What PicGo made of each step, and what it told its user.
fn picgo(modules: &Path, folder: &Path, steps: &[Value]) -> Vec<Value> {
    let run = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/picgo_client.mjs"))
        .args([modules, folder])
        .arg(Value::from(steps).to_string())
        .env("NODE_EXTRA_CA_CERTS", folder.join("cert.pem"))
        .output()
        .expect("node is needed: run scripts/test");
    let (said, wrong) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said}\n{wrong}"))
}

#[test]
fn picgo_uploads_by_each_of_its_plugins() {
    let Some(modules) = installed("hosts", "picgo/node_modules") else { return };
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let key = key(&server, &ana, &["upload", "manage"]);
    let folder = tempfile::tempdir().unwrap();
    certificate::make(folder.path());
    let [one, two] = ["图 1.png", "b.png"].map(|name| folder.path().join(name));
    let picture = encoded(Format::Png, 30, 20, 1);
    std::fs::write(&one, &picture).unwrap();
    std::fs::write(&two, encoded(Format::Png, 30, 20, 2)).unwrap();
    let run = |steps: &[Value]| picgo(&modules, folder.path(), steps);
    let step = |name: &str, settings: Value| json!({ "bed": [name, settings], "files": [one] });
    let first_url = |told: &Value| told["output"][0]["imgUrl"].as_str().unwrap_or_default().to_owned();
    let lankong = |version: &str, token: &str| {
        let (server, permission) = (&server.url, 1);
        let settings = json!({
            "lskyProVersion": version, "server": server, "token": token, "permission": permission, "syncDelete": true,
        });
        step("lankong", settings)
    };

    // Lsky Pro; its version 2 is what speaks to `/api/v1`. Two files, and deleting what is there.
    let bearer = format!("Bearer {key}");
    let (mut both, mut removed) = (lankong("V2", &bearer), lankong("V2", &bearer));
    both["files"] = json!([one, two]);
    removed["remove"] = true.into();
    let told = run(&[both, removed, lankong("V2", "Bearer wrong")]);
    assert_eq!((&told[0]["told"], told[0]["output"].as_array().unwrap().len()), (&json!([]), 2), "{told:?}");
    let url = first_url(&told[0]);
    assert_eq!(first_url(&told[1]), url, "{told:?}");
    assert_eq!(server.get(path_of(&server, &url)).status, 404, "{told:?}");
    assert!(told[2]["told"].to_string().contains("token无效或已被撤销"), "{told:?}");
    let id = told[0]["output"][0]["id"].as_str().unwrap();

    let web = |path: &str, field: &str, json_path: &str, header: Value| {
        let settings = json!({
            "url": format!("{}{path}", server.url), "paramName": field, "jsonPath": json_path,
            "customHeader": header.to_string(), "customBody": "",
        });
        step("web-uploader", settings)
    };
    // SM.MS is built in and asks for TLS.
    let port = free_port();
    let upstream = server.address().rsplit(':').next().unwrap().to_owned();
    let front = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/tls_front.mjs");
    let arguments = [front, folder.path().to_str().unwrap(), &upstream, &port.to_string()];
    let _front = Daemon::in_folder("node".into(), &arguments, folder.path(), port);
    let smms = || step("smms", json!({ "token": key, "backupDomain": format!("localhost:{port}") }));
    let told = run(&[
        // As to version 1 of Lsky Pro, whose path and words are those of any program.
        lankong("V1", &key),
        web("/api/upload", "anything", "data.url", json!({ "X-API-Key": key })),
        web("/upload", "files", "result.0", json!({ "x-picgo-secret": key })),
        web("/api/1/upload", "source", "image.url", json!({ "X-API-Key": key })),
        web("/v1/images", "file", "images.0.url", json!({ "Authorization": bearer })),
        // There already, which it takes for a success.
        smms(),
    ]);
    assert!(told.len() == 6 && told.iter().all(|told| first_url(told) == url), "{url}: {told:?}");
    assert_eq!(server.get(path_of(&server, &url)).body, picture);
    let image = server.json("GET", &format!("/v1/images/{id}"), &ana, Value::Null).json();
    assert_eq!((&image["name"], &image["url"]), (&json!("图 1.png"), &json!(url)));

    let other = encoded(Format::Png, 30, 20, 3);
    std::fs::write(&one, &other).unwrap();
    let told = run(&[smms()]);
    assert_eq!(server.get(path_of(&server, &first_url(&told[0]))).body, other, "{told:?}");
}

/// Runs the script with a folder of programs before all others.
fn flameshot(script: &Path, programs: &Path, captured: &Path, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.arg(script).args(arguments).env("PATH", path).env("CAPTURED", captured);
    command.env_remove("WAYLAND_DISPLAY").env("DISPLAY", ":0").output().unwrap()
}

#[test]
fn the_script_for_flameshot_uploads_what_was_captured() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let made = server.json("POST", "/v1/clients/flameshot", &ana, Value::Null);
    assert_eq!((made.status, made.header("content-type")), (201, "text/x-shellscript"), "{}", made.text());
    assert!(made.header("content-disposition").starts_with("attachment; filename=\"flameshot-127.0.0.1-"));
    assert_eq!(made.header("cache-control"), "no-store");
    let folder = tempfile::tempdir().unwrap();
    let (script, shot) = (folder.path().join("shot.sh"), folder.path().join("captured.png"));
    std::fs::write(&script, &made.body).unwrap();
    let programs = folder.path().join("bin");
    std::fs::create_dir(&programs).unwrap();
    // In the place of Flameshot and of the clipboard: one shows what was captured, the other keeps what it is given.
    for (name, text) in [
        (
            "flameshot",
            "#!/bin/sh\necho \"$@\" >\"$CAPTURED.arguments\"\n[ -e \"$CAPTURED\" ] && exec cat \"$CAPTURED\"\n",
        ),
        ("xclip", "#!/bin/sh\nexec cat >\"$CAPTURED.clipboard\"\n"),
        ("notify-send", "#!/bin/sh\n"),
    ] {
        use std::os::unix::fs::PermissionsExt as _;
        let path = programs.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let output = flameshot(&script, &programs, &shot, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let kept = |name: &str| std::fs::read_to_string(format!("{}.{name}", shot.display())).unwrap_or_default();

    let (done, _, _) = run(&[]);
    assert!(!done, "a capture that was given up was uploaded");
    std::fs::write(&shot, encoded(Format::Png, 40, 30, 1)).unwrap();
    let (done, said, wrong) = run(&["--delay", "2000"]);
    assert!(done, "{said}{wrong}");
    let image = only_picture(&server, &ana);
    assert_eq!(said.trim_end(), image["url"]);
    assert_eq!(
        (kept("clipboard"), kept("arguments")),
        (said.trim_end().to_owned(), "gui --raw --delay 2000\n".to_owned())
    );
    assert!(image["name"].as_str().unwrap().ends_with(".png"), "{image}");

    std::fs::write(&shot, "no picture").unwrap();
    let (done, said, wrong) = run(&[]);
    assert!(!done && said.is_empty() && wrong.contains("not uploaded (415)"), "{said}{wrong}");
    // The key uploads and does nothing else; without it nothing goes.
    let keys = server.json("GET", "/v1/keys", &ana, Value::Null).json();
    assert_eq!(
        (&keys["keys"][0]["name"], &keys["keys"][0]["scopes"]),
        (&json!("Flameshot"), &json!(["upload"]))
    );
    let id = keys["keys"][0]["id"].as_str().unwrap();
    assert_eq!(server.json("DELETE", &format!("/v1/keys/{id}"), &ana, Value::Null).status, 204);
    std::fs::write(&shot, encoded(Format::Png, 40, 30, 2)).unwrap();
    let (done, _, wrong) = run(&[]);
    assert!(!done && wrong.contains("not uploaded (401)"), "{wrong}");
    assert_eq!(server.json("POST", "/v1/clients/flameshot", "", Value::Null).status, 401);
}

/// As ShareX sends a file by a set-up file, and what it shows: its address, preview, deletion and, if it fails, why.
fn sharex(server: &Server, file: &Value, name: &str, bytes: &[u8]) -> Result<[String; 3], String> {
    let text = |key: &str| file[key].as_str().unwrap_or_else(|| panic!("{key}: {file}"));
    assert_eq!((text("RequestMethod"), text("Body")), ("POST", "MultipartFormData"));
    assert!(text("DestinationType").contains("ImageUploader"));
    let mut headers = vec![("content-type", "multipart/form-data; boundary=XyZ")];
    for (name, value) in file["Headers"].as_object().unwrap() {
        headers.push((name, value.as_str().unwrap()));
    }
    let path = path_of(server, text("RequestURL"));
    let answer = server.send("POST", path, &headers, &form(&[(text("FileFormName"), Some(name), bytes)]));
    let json = answer.json();
    let read = |key: &str| {
        let path = text(key).strip_prefix("{json:").unwrap().strip_suffix('}').unwrap();
        let value = path.split('.').fold(&json, |value, part| &value[part]);
        value.as_str().unwrap_or_default().to_owned()
    };
    if answer.status >= 300 {
        return Err(read("ErrorMessage"));
    }
    Ok([read("URL"), read("ThumbnailURL"), read("DeletionURL")])
}

#[test]
fn the_file_for_sharex_is_all_that_it_needs() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let made = server.json("POST", "/v1/clients/sharex", &ana, Value::Null);
    assert_eq!(made.status, 201, "{}", made.text());
    let disposition = format!("attachment; filename=\"{}.sxcu\"", server.address().replace(':', "-"));
    assert_eq!(made.header("content-disposition"), disposition);
    let file = made.json();
    assert_eq!((&file["Version"], &file["Name"]), (&json!("14.0.0"), &json!(server.address())));
    let png = encoded(Format::Png, 300, 200, 1);
    let [url, thumbnail, deletion] = sharex(&server, &file, "shot.png", &png).unwrap();
    assert_eq!(server.get(path_of(&server, &url)).body, png);
    assert_eq!(server.get(path_of(&server, &thumbnail)).status, 200);
    // It opens the address in a browser, in which somebody presses the button.
    assert_eq!(server.get(path_of(&server, &deletion)).status, 200);
    assert_eq!(server.get(path_of(&server, &url)).status, 200);
    assert_eq!(server.post(path_of(&server, &deletion), &[], "").status, 200);
    assert_eq!(server.get(path_of(&server, &url)).status, 404);
    let said = sharex(&server, &file, "note.png", b"no picture").unwrap_err();
    assert_eq!(said, "these bytes are not a picture in a format that is known here");
    // Each file has a key of its own.
    server.json("POST", "/v1/clients/sharex", &ana, Value::Null);
    let keys = server.json("GET", "/v1/keys", &ana, Value::Null).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
    assert!(keys["keys"].as_array().unwrap().iter().all(|key| key["scopes"] == json!(["upload"])));
    let reader = key(&server, &ana, &["read", "upload"]);
    assert_eq!(server.json("POST", "/v1/clients/sharex", &reader, Value::Null).status, 403);
}

#[test]
fn the_script_for_typora_answers_an_address_for_each_file() {
    let server = Home::new(OPEN).start();
    let ana = account(&server, "ana");
    let secret = key(&server, &ana, &["upload"]);
    let document = include_str!("../../../docs/clients.md");
    let script = document.split("## Typora").nth(1).unwrap().split("```sh\n").nth(1).unwrap();
    let script = script
        .split("```")
        .next()
        .unwrap()
        .replace("KEY", &secret)
        .replace("https://img.example", &server.url);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typora.sh");
    std::fs::write(&path, script).unwrap();
    let files = ["my cat, at 5;00.png", "图.png"].map(|name| folder.path().join(name));
    let pictures = [1, 2].map(|seed| encoded(Format::Png, 30, 20, seed));
    for (file, bytes) in files.iter().zip(&pictures) {
        std::fs::write(file, bytes).unwrap();
    }
    let run = |files: &[&Path]| Command::new("sh").arg(&path).args(files).output().unwrap();
    let done = run(&[&files[0], &files[1]]);
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let urls: Vec<&str> = said.lines().collect();
    assert_eq!(urls.len(), 2, "{said}");
    for (url, bytes) in urls.iter().zip(&pictures) {
        assert_eq!(server.get(path_of(&server, url)).body, *bytes);
    }
    assert!(!run(&[&path]).status.success(), "a script is no picture");
}
