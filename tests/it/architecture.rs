//! ARCHITECTURE.md against the code: its arrows block is the rule of who may import whom, and its paths must exist.
//!
//! `check` is a function of texts, so that the tests below can show that each kind of wrongness is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use self::arrows::Arrows;

mod arrows;
mod imports;
mod paths;

#[test]
fn the_document_and_the_code_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["src", "client/src"] {
        collect(root, folder, &mut files);
    }
    let wrong = check(&document, &files, &|path| root.join(path).exists());
    assert!(wrong.is_empty(), "ARCHITECTURE.md and the code disagree:\n  {}", wrong.join("\n  "));
}

/// Every Rust file below `folder`, as (path from the root, text).
fn collect(root: &Path, folder: &str, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(root.join(folder)).expect("a folder of sources") {
        let entry = entry.expect("an entry of a folder of sources");
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(root, &path, files);
        } else if path.ends_with(".rs") {
            files.push((path, std::fs::read_to_string(entry.path()).expect("a source in UTF-8")));
        }
    }
}

/// What is wrong, a sentence each.
fn check(document: &str, files: &[(String, String)], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let (arrows, mut wrong) = match Arrows::read(document) {
        Ok(read) => read,
        Err(text) => return vec![text],
    };
    if let Some(cycle) = arrows.cycle() {
        wrong.push(format!("the arrows run in a circle: {}", cycle.join(" -> ")));
    }

    let moved = moved(files);
    let mut rooms: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, text) in files {
        let Some(room) = room_of(path) else {
            // What is not the server's must build without it.
            let uses = imports::of(text, 0).into_iter().filter(|import| import.from_outside);
            wrong.extend(uses.map(|import| format!("{path}:{}: the client uses the server", import.line)));
            continue;
        };
        rooms.entry(room).or_insert(path);
        if room == "lib" && imports::has_use(text) {
            wrong.push(format!("{path}: lib.rs names the rooms and re-exports nothing"));
        }
        let depth = moved.get(path).copied().unwrap_or_else(|| depth_of(path));
        for import in imports::of(text, depth) {
            let at = format!("{path}:{}", import.line);
            let to = import.room.as_str();
            if to == "*" {
                wrong.push(format!("{at}: names the whole crate instead of a room"));
            } else if !arrows.knows(to) {
                wrong.push(format!("{at}: `crate::{to}` is no room of the arrows block"));
            } else if to != room && arrows.knows(room) && !arrows.allow(room, to) {
                wrong.push(format!("{at}: {room} imports {to}, and there is no arrow {room} -> {to}"));
            }
        }
    }

    for (room, path) in &rooms {
        if !arrows.knows(room) {
            wrong.push(format!("the arrows block lacks the room {room} ({path})"));
        } else if arrows.planned.contains(*room) {
            wrong.push(format!("{room} is built ({path}); take it off the `planned:` line"));
        }
        if !matches!(*room, "lib" | "main") && !paths::mentions_room(document, room) {
            wrong.push(format!("the code map says nothing of `src/{room}`"));
        }
    }
    let absent = arrows.rooms().filter(|room| !rooms.contains_key(room) && !arrows.planned.contains(*room));
    wrong.extend(absent.map(|room| format!("the arrows block has a room {room}, which is not in src")));

    let dead = paths::of(document).into_iter().filter(|path| !exists(path) && !exists(&format!("{path}.rs")));
    wrong.extend(dead.map(|path| format!("the document names `{path}`, which does not exist")));
    wrong
}

/// `src/cache/key.rs` and `src/cache.rs` are in the room `cache`.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let first = inside.split('/').next().unwrap_or(inside);
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

/// How many modules a file is below the crate's root.
fn depth_of(path: &str) -> usize {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let own = !matches!(inside, "lib.rs" | "main.rs") && !inside.ends_with("/mod.rs");
    inside.matches('/').count() + usize::from(own)
}

/// Files that a `#[path = "…"]` puts below the file that names them, with the depth that they have there.
fn moved(files: &[(String, String)]) -> BTreeMap<String, usize> {
    let mut moved = BTreeMap::new();
    for (path, text) in files {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let names =
            text.lines().filter_map(|line| line.trim().strip_prefix("#[path = \"")?.split('"').next());
        moved.extend(names.map(|name| (format!("{folder}/{name}"), depth_of(path) + 1)));
    }
    moved
}

/// A small house that is in order, for the tests to break.
const DOCUMENT: &str = "\
# House

| `src/app` | `src/http` | `src/cache` | `src/error` and `src/telemetry` | the file `src/cache/key.rs` |

```arrows
main lib app -> *   # all below
http -> cache limit
cache limit ->
error telemetry <- *
planned: limit
```
Not code: `GET /i/demo`, `image/webp`, `crate::x`; see [the changes](CHANGELOG.md).
";

const FILES: &[(&str, &str)] = &[
    ("src/main.rs", "fn main() { pixedge::app::run() }"),
    ("src/lib.rs", "pub mod app; pub mod cache; pub mod error; pub mod http; pub mod telemetry;"),
    ("src/app.rs", "use crate::{cache, http::{self, Router}};"),
    ("src/http/mod.rs", "use crate::cache::Cache; use crate::error::Fault; use self::x; use std::fmt;"),
    ("src/cache/mod.rs", "use crate::cache::key; use crate::{error, telemetry};"),
    ("src/cache/key.rs", "use super::Entry; use super::super::error;"),
    ("src/error.rs", ""),
    ("src/telemetry/mod.rs", "use crate::error::Kind;"),
    ("client/src/lib.rs", "use std::fmt;"),
];

/// What `check` says after `document` was put for the document and `changed` into the files.
fn verdict(document: &str, changed: &[(&str, &str)]) -> Vec<String> {
    let mut files: BTreeMap<&str, &str> = FILES.iter().copied().collect();
    files.extend(changed.iter().copied());
    let existing: BTreeSet<&str> = files.keys().copied().chain(["CHANGELOG.md"]).collect();
    let exists = |path: &str| {
        existing.contains(path)
            || existing.iter().any(|file| file.starts_with(&format!("{}/", path.trim_end_matches('/'))))
    };
    let files: Vec<_> = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    check(document, &files, &exists)
}

fn finds(wrong: &[String], words: &[&str]) {
    let hit = wrong.iter().any(|sentence| words.iter().all(|word| sentence.contains(word)));
    assert!(hit && wrong.len() == 1, "expected one sentence with {words:?}, got {wrong:#?}");
}

#[test]
fn a_house_in_order_passes() {
    assert_eq!(verdict(DOCUMENT, &[]), Vec::<String>::new());
}

#[test]
fn an_import_without_an_arrow_is_found_however_it_is_written() {
    for source in [
        "use crate::http::Router;",
        "use crate::{error, http};",
        "use crate::{\n    error::{Fault, Kind},\n    http::{self, Router},\n};",
        "use {std::fmt, crate::http::Router};",
        "pub(crate) use crate::http::Router as R;",
        "fn f() -> crate::http::Router { todo!() }",
        "fn f() { crate :: http :: run() }",
        "use super::super::http::Router;",
        "use super::{Entry, super::http::Router};",
        "mod inner { use super::super::super::http; }",
        "use pixedge::http::Router;",
        "macro_rules! m { () => { $crate::http::run() } }",
        "#[cfg(test)] mod tests { use crate::http::Router; }",
        "const A: char = '\"'; use crate::http::Router; const B: char = '\"';",
        "fn f<'a>(x: &'a str) { g(r#\"\"#, b'\\'', '\\\\') } use crate::http::Router;",
        "/* /* nested */ */ use crate::http::Router;",
    ] {
        finds(
            &verdict(DOCUMENT, &[("src/cache/key.rs", source)]),
            &["src/cache/key.rs", "no arrow cache -> http"],
        );
    }
    let wrong = verdict(DOCUMENT, &[("src/cache/mod.rs", "\n\nuse crate::http;")]);
    finds(&wrong, &["src/cache/mod.rs:3"]);
}

#[test]
fn what_only_looks_like_an_import_is_none() {
    for source in [
        "// use crate::http::Router;",
        "//! [`Router`](crate::http::Router)",
        "/* use crate::http; */",
        "const A: &str = \"use crate::http::Router;\";",
        "const A: &str = r##\"\"# use crate::http::Router; \"##;",
        "const A: &[u8] = b\"\\\" crate::http \";",
        "pub(crate) struct X; pub(super) struct Y; pub(in crate::cache) struct Z;",
        "mod inner { use super::http; mod more { use super::super::http; } } use super::http;",
        "use std::http; use other::crate_http::http;",
    ] {
        assert_eq!(verdict(DOCUMENT, &[("src/cache/key.rs", source)]), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn a_file_that_is_put_elsewhere_counts_from_there() {
    let key = ("src/cache/key.rs", "#[path = \"key_tests.rs\"]\nmod tests;");
    let tests = |source| verdict(DOCUMENT, &[key, ("src/cache/key_tests.rs", source)]);
    assert_eq!(tests("use super::super::http;"), Vec::<String>::new());
    finds(&tests("use super::super::super::http;"), &["no arrow cache -> http"]);
}

#[test]
fn nobody_imports_the_rooms_above() {
    finds(&verdict(DOCUMENT, &[("src/http/mod.rs", "use crate::app::App;")]), &["no arrow http -> app"]);
    finds(&verdict(DOCUMENT, &[("src/error.rs", "use crate::telemetry;")]), &["no arrow error -> telemetry"]);
    finds(&verdict(DOCUMENT, &[("src/error.rs", "use crate::cache;")]), &["no arrow error -> cache"]);
    finds(&verdict(DOCUMENT, &[("src/lib.rs", "pub use cache::Cache;")]), &["re-exports nothing"]);
    finds(
        &verdict(DOCUMENT, &[("client/src/lib.rs", "use pixedge::cache::Cache;")]),
        &["client uses the server"],
    );
}

#[test]
fn the_crate_cannot_be_named_as_a_whole() {
    for source in [
        "use crate::*;",
        "use crate::{error, *};",
        "use crate as house;",
        "extern crate self as house;",
        "use super::super::*;",
    ] {
        finds(&verdict(DOCUMENT, &[("src/cache/key.rs", source)]), &["whole crate"]);
    }
    finds(&verdict(DOCUMENT, &[("src/cache/key.rs", "use crate::Entry;")]), &["`crate::Entry` is no room"]);
}

#[test]
fn a_room_that_the_block_lacks_is_found() {
    let wrong = verdict(DOCUMENT, &[("src/mail/mod.rs", "")]);
    assert!(wrong.iter().any(|sentence| sentence.contains("lacks the room mail")), "{wrong:?}");
    assert!(
        wrong.iter().any(|sentence| sentence.contains("code map says nothing of `src/mail`")),
        "{wrong:?}"
    );
    let absent = DOCUMENT.replace("planned: limit\n", "");
    finds(&verdict(&absent, &[]), &["room limit, which is not in src"]);
    let mapped = DOCUMENT.replace("the file", "`src/limit`");
    finds(&verdict(&mapped, &[("src/limit.rs", "")]), &["limit is built", "planned"]);
    let unmapped = DOCUMENT.replace("| `src/http` ", "");
    finds(&verdict(&unmapped, &[]), &["code map says nothing of `src/http`"]);
}

#[test]
fn a_circle_is_found() {
    let circle = DOCUMENT.replace("cache limit ->", "limit ->\ncache -> http");
    finds(&verdict(&circle, &[]), &["circle", "http", "cache"]);
    let long = DOCUMENT.replace("cache limit ->", "limit -> cache\ncache -> limit");
    finds(&verdict(&long, &[]), &["cache -> limit -> cache"]);
}

#[test]
fn a_block_that_makes_no_sense_is_refused() {
    for (from, to, word) in [
        ("```arrows", "```text", "no fenced `arrows` block"),
        ("http -> cache limit", "http -> cache limit cluster", "`cluster`"),
        ("http -> cache limit", "http -> cache limit\nhttp -> cache", "`http` twice"),
        ("http -> cache limit", "http -> cache limit http", "itself"),
        ("http -> cache limit", "http cache limit", "no arrow"),
        ("planned: limit", "planned: limit mail", "`mail`"),
    ] {
        let document = DOCUMENT.replace(from, to);
        assert_ne!(document, DOCUMENT);
        finds(&verdict(&document, &[]), &[word]);
    }
}

#[test]
fn a_dead_path_is_found() {
    for (text, path) in [
        ("`src/cache/gone.rs`", "src/cache/gone.rs"),
        ("`src/gone/`", "src/gone"),
        ("`docs/gone.md`", "docs/gone.md"),
        ("`GONE.md`", "GONE.md"),
        ("[x](docs/gone.md#part)", "docs/gone.md"),
    ] {
        finds(&verdict(&format!("{DOCUMENT}{text}\n"), &[]), &[path, "does not exist"]);
    }
    let fine = format!(
        "{DOCUMENT}`src/cache/` `/i/<id>` `src/<room>` [x](https://a.example/docs/b.md) [y](#part)\n"
    );
    assert_eq!(verdict(&fine, &[]), Vec::<String>::new());
}
