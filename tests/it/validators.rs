//! Validators, ranges, `HEAD`, `Vary`, methods and freshness as a table against the real server, over a raw connection.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::accepts::Accepts;
use crate::support::wire::{Answer, Wire};
use crate::support::{Home, Server};

const TABLE: &str = include_str!("validators.txt");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");

/// One line of the table, with its placeholders filled in.
struct Row {
    listed: bool,
    method: String,
    target: String,
    headers: Vec<String>,
    status: u16,
    expected: Vec<String>,
}

fn server(cors: &str) -> Server {
    let home = Home::demo_with(&format!(
        "http: {{ cors: {cors} }}\nsources:\n  s:\n    scheme: fs\n    root: pics\n    unsigned: open\n    \
         cache_control: {{ max_age: 5m, stale_while_revalidate: 1m }}\n"
    ));
    let pics = home.path().join("pics");
    std::fs::create_dir(&pics).unwrap();
    std::fs::copy(format!("{FIXTURES}/photo.jpg"), pics.join("photo.jpg")).unwrap();
    // Its header is whole, and its pixels are not.
    let mut broken = std::fs::read(format!("{FIXTURES}/gray.png")).unwrap();
    let (from, to) = (broken.len() / 2, broken.len() - 16);
    broken[from..to].iter_mut().for_each(|byte| *byte = !*byte);
    std::fs::write(pics.join("broken.png"), broken).unwrap();
    home.start()
}

#[test]
fn every_row_of_the_table_holds() {
    let (any, listed) = (server("[\"*\"]"), server("[\"https://a.example\"]"));
    let mut wires = [Wire::to(any.address()), Wire::to(listed.address())];
    let whole = wires[0].ask("GET", "/i/demo/w_120,f_webp", &[]);
    assert_eq!(whole.status, 200, "{}", whole.text());
    let rows: Vec<Row> = {
        let words = words(&whole);
        TABLE
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| row(line, &words))
            .collect()
    };
    assert!(rows.len() >= 150, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let headers: Vec<&str> = row.headers.iter().map(String::as_str).collect();
        let answer = wires[usize::from(row.listed)].ask(&row.method, &row.target, &headers);
        let mut complaints: Vec<String> =
            row.expected.iter().filter_map(|expected| complaint(expected, &answer, &whole.body)).collect();
        if answer.status != row.status {
            complaints.insert(0, format!("{} instead of {}", answer.status, row.status));
        }
        if !complaints.is_empty() {
            wrong.push(format!("{} {} {:?}: {}", row.method, row.target, row.headers, complaints.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// What the placeholders of the table stand for.
fn words(whole: &Answer) -> BTreeMap<&'static str, String> {
    let etag = whole.header("etag").unwrap().to_owned();
    let modified = whole.header("last-modified").unwrap().to_owned();
    let at = httpdate::parse_http_date(&modified).unwrap();
    let [weekday, day, month, year, time, _] = modified.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{modified}")
    };
    let weekday = weekday.trim_end_matches(',');
    let long = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        .into_iter()
        .find(|name| name.starts_with(weekday))
        .unwrap();
    assert!(at > UNIX_EPOCH);
    BTreeMap::from([
        ("{pic}", "/i/demo/w_120,f_webp".to_owned()),
        ("{auto}", "/i/demo/w_120".to_owned()),
        ("{terms}", whole.header("cache-control").unwrap().to_owned()),
        ("{opaque}", etag.trim_matches('"').to_owned()),
        ("{len}", whole.body.len().to_string()),
        ("{last}", (whole.body.len() - 1).to_string()),
        ("{rfc850}", format!("{long}, {day}-{month}-{} {time} GMT", &year[2..])),
        ("{asctime}", format!("{weekday} {month} {:>2} {time} {year}", day.trim_start_matches('0'))),
        ("{later}", httpdate::fmt_http_date(at + Duration::from_secs(1))),
        ("{earlier}", httpdate::fmt_http_date(at - Duration::from_secs(1))),
        ("{modified}", modified),
        ("{etag}", etag),
    ])
}

fn row(line: &str, words: &BTreeMap<&'static str, String>) -> Row {
    let filled = words.iter().fold(line.to_owned(), |line, (name, value)| line.replace(name, value));
    let mut columns = filled.split('|').map(str::trim);
    let mut next = || columns.next().unwrap_or_else(|| panic!("too few columns: {line}"));
    let list =
        |text: &str| text.split(" && ").filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
    let (method, target) = next().split_once(' ').unwrap();
    let (listed, target) = match target.strip_prefix('@') {
        Some(target) => (true, target),
        None => (false, target),
    };
    Row {
        listed,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: list(next()),
        status: next().parse().unwrap_or_else(|_| panic!("no status: {line}")),
        expected: list(next()),
    }
}

/// What is wrong with the answer, if it is not as expected.
fn complaint(expected: &str, answer: &Answer, whole: &[u8]) -> Option<String> {
    let (holds, found) = if let Some(name) = expected.strip_prefix('!') {
        let found = answer.header(&name.to_ascii_lowercase());
        (found.is_none(), found.map(ToOwned::to_owned))
    } else if let Some(extent) = expected.strip_prefix("body ") {
        let holds = match extent.split_once('-') {
            Some((first, last)) => answer.body == whole[first.parse().unwrap()..=last.parse().unwrap()],
            None => answer.body.len() == extent.parse::<usize>().unwrap(),
        };
        (holds, Some(format!("{} bytes", answer.body.len())))
    } else if let Some((name, part)) = expected.split_once(" ~ ") {
        let found = answer.all(&name.to_ascii_lowercase());
        (found.contains(part), Some(found))
    } else {
        let (name, value) = expected.split_once(':').unwrap_or_else(|| panic!("{expected}"));
        let found = answer.all(&name.to_ascii_lowercase());
        (found == value.trim(), Some(found))
    };
    (!holds).then(|| format!("`{expected}`, but {}", found.unwrap_or_default()))
}

#[test]
fn head_has_the_headers_of_get_on_every_route() {
    let server = server("[\"*\"]");
    let mut wire = Wire::to(server.address());
    for target in [
        "/",
        "/healthz",
        "/health",
        "/readyz",
        "/docs/errors",
        "/docs/transforms",
        "/info/demo",
        "/info/none",
        "/explain/i/demo/w_50",
        "/explain/_ipx/w_50/demo",
        "/explain/i/demo/w_50,h_50,c_fill,g_face",
        "/i/demo",
        "/i/demo/w_51",
        "/i/demo.jpg",
        "/i/demo/f_orig",
        "/i/demo/w_50,f_avif",
        "/i/demo/widht_5",
        "/i/none/w_50",
        "/r/s/w_50/photo.jpg",
        "/r/s/w_50/none.jpg",
        "/r/nosource/w_50/a.jpg",
        "/_ipx/w_50/demo",
        "/nothing",
    ] {
        // The miss by HEAD, the hit by GET, and the other way round on the next address.
        let head = wire.ask("HEAD", target, &[]);
        let get = wire.ask("GET", target, &[]);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{target}");
        // What tells one request from another.
        let same = |answer: &Answer| -> Vec<(String, String)> {
            let own = ["date", "server-timing", "cache-status", "x-request-id"];
            answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned().collect()
        };
        let (mut of_head, mut of_get) = (same(&head), same(&get));
        of_head.sort();
        of_get.sort();
        assert_eq!(of_head, of_get, "{target}");
        assert_eq!(get.body.len().to_string(), get.header("content-length").unwrap(), "{target}");
    }
}

#[test]
fn a_thousand_accept_headers_make_at_most_four_keys() {
    let server = Home::demo().start();
    let mut wire = Wire::to(server.address());
    let mut seen = BTreeMap::<_, usize>::new();
    for accept in Accepts::new(7).take(1000) {
        let answer = wire.ask("GET", "/i/demo/w_16", &[&format!("Accept: {accept}")]);
        assert_eq!(
            (answer.status, answer.header("vary")),
            (200, Some("Accept")),
            "{accept}: {}",
            answer.text()
        );
        let kind = answer.header("content-type").unwrap().to_owned();
        *seen.entry((answer.header("etag").unwrap().to_owned(), kind)).or_default() += 1;
    }
    assert!((3..=4).contains(&seen.len()), "{seen:?}");
    assert_eq!(server.count("pixedge_encodes_total"), seen.len() as f64);
}
