//! Frontends: URLs as unpic and @nuxt/image write them, the module at `/assets/pixedge.js`, and the pages of `examples/`
//! in a real browser. What is JavaScript is run by Node with the packages that `scripts/test` installs.

mod browser;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::Command;

use pixedge::codec::Format;
use serde_json::Value;

use crate::support::daemons::installed;
use crate::support::pictures::header;
use crate::support::web::{Web, answer};
use crate::support::{Home, Reply};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The folder with the packages, with Next's component among them.
fn tools() -> Option<PathBuf> {
    let next = installed("frontends", "frontends/node_modules/next")?;
    Some(next.parent()?.parent()?.to_owned())
}

/// Runs one of the scripts beside this file and gives what it printed.
fn node(script: &str, arguments: &[&str]) -> String {
    let run = Command::new("node")
        .arg(format!("{ROOT}/tests/it/frontends/{script}"))
        .args(arguments)
        .output()
        .expect("node is needed: run scripts/test");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{script}: {errors}");
    String::from_utf8(run.stdout).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pictures under names that must be escaped, in a folder that is a source.
fn folder_of_pictures(home: &Home) {
    let copies = [
        ("photo.jpg", "photo.jpg"),
        ("photo.jpg", "sub/photo.jpg"),
        ("photo.jpg", "a folder/größe & mehr, 100% #1?.jpg"),
        ("photo.jpg", "w_100/photo.jpg"),
        ("photo.jpg", "it's (1)+[2]=3;@!$*~.jpg"),
        ("animated.gif", "animated.gif"),
        ("drawing.svg", "drawing.svg"),
    ];
    for (from, to) in copies {
        let to = home.path().join("pictures").join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(format!("{ROOT}/fixtures/sources/{from}"), to).unwrap();
    }
}

fn format_of(name: &str) -> Format {
    match name {
        "jpg" => Format::Jpeg,
        "png" => Format::Png,
        "webp" => Format::Webp,
        "avif" => Format::Avif,
        "gif" => Format::Gif,
        _ => Format::Tiff,
    }
}

#[test]
fn every_url_of_unpic_and_nuxt_image_is_the_right_picture() {
    let Some(tools) = tools() else { return };
    let photo = std::fs::read(format!("{ROOT}/fixtures/sources/photo.jpg")).unwrap();
    let web = Web::start(move |request| match request.target.as_str() {
        "/a%20b.jpg?x=1&y=2" => answer(request, "200 OK", &[("ETag", "\"1\"")], &photo),
        _ => answer(request, "404 Not Found", &[], b""),
    });
    let open =
        "sources: { pictures: { scheme: fs, root: pictures, unsigned: open } }\nipx: { source: pictures }\n";
    let home = Home::demo_with(open);
    folder_of_pictures(&home);
    let server = home.start();
    let (url, port) = (web.url(), web.port);
    let fetching = Home::new(&format!(
        "sources: {{ web: {{ scheme: http, endpoint: \"{url}\", hosts: [\"127.0.0.1:{port}\"], allow_addresses: [127.0.0.1] }} }}\n\
         ipx: {{ source: web }}\n"
    ))
    .start();
    let elsewhere = format!("{url}/a%20b.jpg?x=1&y=2");
    let printed = node("urls.mjs", &[text(&tools), &server.url, &fetching.url, &elsewhere]);
    let all: Vec<Value> = serde_json::from_str(&printed).unwrap();
    assert!(all.len() > 150, "{}", all.len());
    let mut wrong = Vec::new();
    for case in &all {
        let url = case["url"].as_str().unwrap();
        let accept = case["accept"].as_str().unwrap_or("image/webp,*/*");
        let reply = match url.strip_prefix(&server.url) {
            Some(path) => server.get_with(path, &[("accept", accept)]),
            None => fetching.get_with(url.strip_prefix(&fetching.url).unwrap(), &[("accept", accept)]),
        };
        wrong.extend(
            fault(case, &reply).map(|fault| format!("{} {}: {url}: {fault}", case["by"], case["of"])),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Why the answer is not the picture that the case says.
fn fault(case: &Value, reply: &Reply) -> Option<String> {
    if reply.status != 200 {
        return Some(format!("{} {}", reply.status, reply.text()));
    }
    let header = header(&reply.body);
    let size = |key: &str, is: u32| case[key].as_u64().is_none_or(|wanted| wanted == u64::from(is));
    let format = case["format"].as_str().is_none_or(|name| format_of(name) == header.format);
    let right = size("width", header.width) && size("height", header.height) && format;
    (!right).then(|| format!("{}x{} {:?}", header.width, header.height, header.format))
}

#[test]
fn the_module_is_small_open_to_other_origins_and_kept() {
    let server = Home::new("http: { cors: [] }").start();
    let script = server.get_with("/assets/pixedge.js", &[("origin", "https://elsewhere.example")]);
    assert_eq!((script.status, script.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert!(script.body.len() < 2000, "{} bytes", script.body.len());
    assert_eq!(script.header("access-control-allow-origin"), "*");
    assert_eq!(script.header("cross-origin-resource-policy"), "cross-origin");
    assert_eq!(script.header("x-typescript-types"), "./pixedge.d.ts");
    assert!(script.header("cache-control").starts_with("public, max-age=86400"));
    let kept = server.get_with("/assets/pixedge.js", &[("if-none-match", script.header("etag"))]);
    assert_eq!((kept.status, kept.body.len()), (304, 0));
    let versioned = server.get(concat!("/assets/pixedge.js?v=", env!("CARGO_PKG_VERSION")));
    assert_eq!(versioned.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(versioned.body, script.body);
    let types = server.get("/assets/pixedge.d.ts");
    assert_eq!((types.status, types.header("content-type")), (200, "application/typescript; charset=utf-8"));
    let missing = server.get("/assets/pixedge.mjs");
    assert_eq!((missing.status, missing.code()), (404, "not_found".to_owned()));
    assert_eq!(server.request("POST", "/assets/pixedge.js", &[]).status, 405);

    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    let declarations = folder.path().join("pixedge.d.ts");
    std::fs::write(&declarations, &types.body).unwrap();
    let usage = format!("{ROOT}/tests/it/frontends/types.ts");
    let wrong = node("types.mjs", &[text(&tools), &usage, text(&declarations)]);
    assert!(wrong.trim().is_empty(), "{wrong}");
}

#[test]
fn browser_module_and_client_library_build_the_same_urls() {
    let path = format!("{ROOT}/fixtures/url-vectors.jsonl");
    let mut lines = String::new();
    for mut vector in vectors::asked() {
        let made = vectors::made(&vector);
        if let Some(url) = made.as_str().filter(|url| !url.contains(' ')) {
            vectors::check_meaning(&vector, url);
        }
        vector["out"] = made;
        lines.push_str(&format!("{vector}\n"));
    }
    if std::env::var_os("UPDATE_URL_VECTORS").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    assert!(lines.lines().count() >= 500, "{}", lines.lines().count());
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let different = kept.lines().zip(lines.lines()).find(|(kept, made)| kept != made);
    assert_eq!(different, None, "UPDATE_URL_VECTORS=1 accepts what is built now");
    assert!(kept == lines, "UPDATE_URL_VECTORS=1 accepts what is built now");
    let count = node("vectors.mjs", &[&format!("{ROOT}/src/http/assets/pixedge.js"), &path]);
    assert_eq!(count.trim(), lines.lines().count().to_string());
}

#[test]
fn every_example_is_what_its_framework_makes_of_it() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (examples, script) = (format!("{ROOT}/examples"), format!("{ROOT}/src/http/assets/pixedge.js"));
    node("pages.mjs", &[text(&tools), &examples, &script, text(folder.path())]);
    for framework in browser::FRAMEWORKS {
        let kept = format!("{examples}/{framework}/page.html");
        let made = std::fs::read_to_string(folder.path().join(format!("{framework}.html"))).unwrap();
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            std::fs::write(&kept, &made).unwrap();
        }
        let kept = std::fs::read_to_string(kept).unwrap_or_default();
        assert!(kept == made, "{framework}: UPDATE_EXAMPLES=1 accepts\n{made}");
    }
}

#[test]
fn what_the_document_shows_stands_in_an_example() {
    let document = std::fs::read_to_string(format!("{ROOT}/docs/frontends.md")).unwrap();
    let mut examples = Vec::new();
    for folder in std::fs::read_dir(format!("{ROOT}/examples")).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.is_dir() {
            let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            examples.extend(files.map(|file| std::fs::read_to_string(file).unwrap()));
        }
    }
    let mut blocks = 0;
    for block in document.split("\n```").skip(1).step_by(2) {
        let (language, code) = block.split_once('\n').unwrap();
        // What is typed into a shell is tried by hand.
        if language != "sh" {
            assert!(examples.iter().any(|example| example.contains(code)), "in no example:\n{code}");
            blocks += 1;
        }
    }
    assert!(blocks >= 10, "{blocks}");
}
