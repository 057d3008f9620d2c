//! docs/seeds.md against the tests: each feature of the seeds names a test that there is, or says why there is none.

use std::path::{Path, PathBuf};

/// The files that a test of this name may be in: `it::a::b` below `tests/it`, everything else below `src`.
fn places(name: &str) -> Option<(Vec<PathBuf>, &str)> {
    let (path, test) = name.rsplit_once("::")?;
    let parts: Vec<&str> = path.split("::").collect();
    let (root, parts) = match parts.split_first() {
        Some((&"it", rest)) => ("tests/it", rest),
        _ => ("src", &parts[..]),
    };
    let mut places = vec![PathBuf::from(format!("{root}/{}.rs", parts.join("/")))];
    // Tests at the end of the file that they are about.
    if let Some((&"tests", front)) = parts.split_last() {
        places.push(PathBuf::from(format!("{root}/{}.rs", front.join("/"))));
    }
    Some((places, test))
}

/// What is wrong with the rows of a document.
fn wrong(root: &Path, document: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| feature"));
    for row in rows {
        let proof = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let names: Vec<&str> =
            proof.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
        if names.is_empty() && !proof.starts_with("no test: ") {
            wrong.push(format!("no proof: {row}"));
        }
        for name in names {
            let found = places(name).is_some_and(|(files, test)| {
                let texts = files.iter().filter_map(|file| std::fs::read_to_string(root.join(file)).ok());
                texts.into_iter().any(|text| text.contains(&format!("fn {test}()")))
            });
            if !found {
                wrong.push(name.to_owned());
            }
        }
    }
    wrong
}

#[test]
fn every_feature_of_the_seeds_is_shown_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/seeds.md")).unwrap();
    assert_eq!(wrong(root, &document), Vec::<String>::new());
    assert!(document.matches("\n| ").count() > 80);
    let example = "| feature | where | shown by |\n| a | b | `it::gone::gone` |\n| a | b | |\n| a | b | no test: none |\n\
                   | a | b | `it::dialects::document::every_feature_of_the_seeds_is_shown_by_a_test` |";
    assert_eq!(wrong(root, example), ["it::gone::gone", "no proof: | a | b | |"]);
}
