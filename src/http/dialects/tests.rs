//! The table as a whole: who owns which path, and by which rule where two do.

use std::fmt::Write as _;

use http::Method;

use super::row::Row;
use super::table::{Found, rows};
use super::*;
use crate::http::router;

fn all(enabled: bool) -> Dialects {
    Dialects::new(|_| Setting { enabled, max_bytes: None }, false)
}

/// A path that the pattern takes, with this text for every name.
fn sample(pattern: &str, value: &str) -> String {
    let mut path = String::new();
    for part in pattern.split_inclusive(['{', '}']) {
        match part.strip_suffix('}') {
            Some(_) => path.push_str(value),
            None => path.push_str(part.trim_end_matches('{')),
        }
    }
    path
}

/// Whether one request could be for both.
fn meet(row: &Row, other: &Row) -> bool {
    let paths = |row: &Row| ["demo", "a.png"].map(|value| sample(row.path, value));
    row.method == other.method
        && (paths(row).iter().any(|path| other.raw_values(path).is_some())
            || paths(other).iter().any(|path| row.raw_values(path).is_some()))
}

/// `cargo test -- --nocapture the_table` shows it.
#[test]
fn the_table_has_one_owner_for_each_path_or_a_named_tie() {
    let mut table = String::new();
    let mut wrong = Vec::new();
    let all: Vec<&Row> = rows().collect();
    for row in &all {
        let tie = row.tie.map_or("", |tie| tie.name);
        let _ = writeln!(
            table,
            "{:6} {:32} {:10} {:?} {:?} {:?} {tie}",
            row.method, row.path, row.dialect, row.spots, row.needs, row.takes
        );
        let tied = row.tie.is_some();
        for other in all.iter().filter(|other| !std::ptr::eq(**other, *row) && meet(row, other)) {
            // At most one of them may be without a rule: it has what the others leave.
            if !tied && other.tie.is_none() {
                wrong
                    .push(format!("{} {} of {} and of {}", row.method, row.path, row.dialect, other.dialect));
            }
        }
        for value in ["demo", "a.png"] {
            let path = sample(row.path, value);
            if router::is_native(&path) && !(tied && router::is_shared(&path)) {
                wrong.push(format!("{} {} of {} and of the native API", row.method, row.path, row.dialect));
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "two owners without a tie that has a name:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_off_has_no_paths() {
    let (on, off) = (all(true), all(false));
    for row in rows() {
        let method: Method = row.method.parse().unwrap();
        // With what a tie may want, and without what would give the path to another one.
        let queries = [Some("username=a&password=b&token=c"), None];
        let paths =
            ["demo", "a.png", "0123456789abcdef0123456789abcdef"].map(|value| sample(row.path, value));
        let found = |dialects: &Dialects, path: &String| {
            queries.iter().any(|query| {
                let found = dialects.find(&method, path, *query);
                matches!(found, Some(Found::Row(found, _)) if std::ptr::eq(found, row))
            })
        };
        assert!(paths.iter().any(|path| found(&on, path)), "{} {}", row.method, row.path);
        for (path, query) in paths.iter().flat_map(|path| queries.map(|query| (path, query))) {
            assert!(off.find(&method, path, query).is_none(), "{path}");
        }
    }
}

#[test]
fn patterns_take_one_part_or_all_that_is_left() {
    let row = rows().find(|row| row.path == "/images/{id}/transform").unwrap();
    assert_eq!(row.values("/images/a%20b/transform").unwrap(), [("id", "a b".to_owned())]);
    for other in ["/images//transform", "/images/a", "/images/a/b/transform", "/images/a/transform/"] {
        assert!(row.values(other).is_none(), "{other}");
    }
    assert!(row.values("/images/%FF/transform").is_none());
}

#[test]
fn another_method_of_a_known_path_is_in_its_dialect() {
    let dialects = all(true);
    let found = dialects.find(&Method::PUT, "/images", None).unwrap();
    assert!(matches!(found, Found::Method(row) if row.dialect == Dialect::Roadmap));
    let Found::Method(row) = found else { panic!() };
    assert_eq!(dialects.methods(row), "GET, HEAD, OPTIONS, POST");
    let found = dialects.find(&Method::HEAD, "/images", None).unwrap();
    assert!(matches!(found, Found::Row(row, _) if row.method == "GET"));
}
