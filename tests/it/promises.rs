//! docs/promises.md against the tests: a promise whose proof was renamed or removed is not proved any more.

use std::path::Path;

/// What a text in backticks names that is not there.
fn missing(root: &Path, document: &str) -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let mut missing = Vec::new();
    for name in document.split('`').skip(1).step_by(2) {
        let name = name.split_whitespace().next().unwrap_or_default();
        let found = if let Some((path, test)) = name.rsplit_once("::") {
            let mut parts = path.split("::");
            let files = match parts.next() {
                Some("it") => vec![format!("tests/it/{}.rs", parts.collect::<Vec<_>>().join("/"))],
                Some(room) => {
                    let inside = parts.next().unwrap_or_default();
                    vec![format!("src/{room}/{inside}.rs"), format!("src/{room}/{inside}_tests.rs")]
                }
                None => Vec::new(),
            };
            let function = format!("fn {test}()");
            files.iter().filter_map(|file| read(file)).any(|text| text.contains(&function))
        } else if name.starts_with("benches/") || name.starts_with("fuzz/") || name.starts_with("scripts/") {
            root.join(name).exists()
        } else {
            true
        };
        if !found {
            missing.push(name.to_owned());
        }
    }
    missing
}

#[test]
fn every_promise_names_a_proof_that_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/promises.md")).unwrap();
    assert_eq!(missing(root, &document), Vec::<String>::new());
    assert!(document.matches("`it::").count() > 20);
    let wrong = "`it::load::gone` and `it::faults::disks::gone`, `auth::tests::gone`, `benches/gone.py --x`, `/healthz`";
    assert_eq!(
        missing(root, wrong),
        ["it::load::gone", "it::faults::disks::gone", "auth::tests::gone", "benches/gone.py"]
    );
}
