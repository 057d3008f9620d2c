//! The shared corpus through a running server: every good picture gives a picture, every bad one a clear error, nothing
//! a 5xx, a panic or a hang; and the pixels agree with the references that sharp made.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::shared::{Row, manifest, shared};
use crate::support::{Home, Reply, Server};

/// The formats that can be read so far; files of others must be refused clearly.
const READ: [&str; 12] =
    ["jpeg", "png", "apng", "webp", "gif", "avif", "heic", "jxl", "bmp", "ico", "tiff", "svg"];

/// Where the reference is not what should be shown: HDR whose brightness sharp leaves as it is, which is washed out, and
/// Adobe RGB whose blue is not what lcms makes of it.
const REFERENCE_IS_OFF: [&str; 5] = [
    "avif/libavif__colors_hdr_rec2020.avif",
    "avif/libavif__colors_text_hdr_srgb.avif",
    "avif/libavif__colors_text_wcg_hdr_rec2020.avif",
    "avif/libavif__cosmos1650_yuv444_10bpc_p3pq.avif",
    "tiff/sharp__tifftag-photoshop.tiff",
];

fn server(shared: &Path) -> Server {
    let root = shared.join("corpus");
    Home::new(&format!(
        "sources: {{ corpus: {{ scheme: fs, root: \"{}\", unsigned: open }} }}\n",
        root.display()
    ))
    .start()
}

/// `-` ends the spec, whatever the folders of the corpus are called.
fn path(spec: &str, row: &Row) -> String {
    let encoded: String = row
        .path
        .bytes()
        .map(|byte| match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => (byte as char).to_string(),
            byte if byte.is_ascii_alphanumeric() => (byte as char).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("/r/corpus/{spec}/-/{encoded}")
}

/// What is wrong with an answer, if anything.
fn complaint(row: &Row, reply: &Reply, spent: Duration) -> Option<String> {
    // Twelve megapixels of HEIC are two seconds of CPU, and other tests want theirs at the same time.
    if spent > Duration::from_secs(10) {
        return Some(format!("took {spent:?}"));
    }
    let readable = row.format.as_deref().is_some_and(|format| READ.contains(&format));
    match reply.status {
        200 if row.expect == "error" && !row.tolerated => Some("a picture, but an error is right".into()),
        200 => None,
        400..500 if reply.code().is_empty() => Some(format!("{} without a code", reply.status)),
        400..500 if row.expect == "ok" && !row.tolerated && readable => Some(reply.text()),
        400..500 => None,
        status => Some(format!("{status}: {}", reply.text())),
    }
}

#[test]
fn every_file_of_the_corpus_gets_the_right_kind_of_answer() {
    let Some(shared) = shared("every_file_of_the_corpus_gets_the_right_kind_of_answer") else { return };
    let mut server = server(&shared);
    let rows = manifest(&shared);
    let mut wrong = String::new();
    for row in &rows {
        let started = Instant::now();
        let reply = server.get(&path("w_300,f_png", row));
        if let Some(complaint) = complaint(row, &reply, started.elapsed()) {
            writeln!(wrong, "{} ({}, {}): {complaint}", row.path, row.expect, row.tolerated).unwrap();
        }
    }
    assert!(server.alive());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert!(rows.len() > 800, "the manifest has only {} rows", rows.len());
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn bombs_and_malformed_files_cost_no_memory() {
    let Some(shared) = shared("bombs_and_malformed_files_cost_no_memory") else { return };
    let server = server(&shared);
    let rows = manifest(&shared);
    let good = rows.iter().find(|row| row.path.starts_with("photo/")).unwrap();
    server.get(&path("w_300,f_png", good));
    let mut wrong = String::new();
    let mut most = 0;
    for row in rows.iter().filter(|row| matches!(row.category.as_str(), "bomb" | "malformed")) {
        let before = server.rss();
        server.reset_peak_rss();
        let started = Instant::now();
        let reply = server.get(&path("w_301,f_png", row));
        let rise = server.peak_rss().saturating_sub(before);
        most = most.max(rise);
        if rise > 64_000_000 || started.elapsed() > Duration::from_secs(10) || reply.status >= 500 {
            writeln!(
                wrong,
                "{}: {} in {:?}, {} MB",
                row.path,
                reply.status,
                started.elapsed(),
                rise / 1_000_000
            )
            .unwrap();
        }
    }
    eprintln!("largest rise of resident memory: {} MB", most / 1_000_000);
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn pixels_agree_with_the_references() {
    let Some(shared) = shared("pixels_agree_with_the_references") else { return };
    let Some(python) = std::env::var_os("PIXEDGE_TEST_PYTHON") else {
        assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "scripts/test sets PIXEDGE_TEST_PYTHON");
        eprintln!("pixels_agree_with_the_references: NOT RUN, scripts/test installs what it needs");
        return;
    };
    let server = server(&shared);
    let out = tempfile::tempdir().unwrap();
    let specs = [
        ("w300", "w_300,f_png"),
        ("cover200", "w_200,h_200,c_fill,f_png"),
        ("rot90", "a_90/w_100,f_png"),
        ("gray", "w_100,gray,f_png"),
    ];
    let mut pairs = String::new();
    let rows = manifest(&shared);
    let judged = rows.iter().filter(|row| {
        row.expect == "ok"
            && !row.is_contested()
            && row.format.as_deref().is_some_and(|format| READ.contains(&format))
    });
    for (number, row) in judged.enumerate() {
        for (op, spec) in specs {
            let Some(reference) = row.reference.get(op) else { continue };
            let reply = server.get(&path(spec, row));
            let candidate = out.path().join(format!("{number}.{op}.png"));
            std::fs::write(&candidate, if reply.status == 200 { &reply.body[..] } else { b"" }).unwrap();
            let side = row.width.unwrap_or(0).min(row.height.unwrap_or(0));
            writeln!(
                pairs,
                "{op}\t{side}\t{}\t{}\t{}",
                shared.join("corpus").join(reference).display(),
                candidate.display(),
                if REFERENCE_IS_OFF.contains(&row.path.as_str()) { "off" } else { "trusted" },
            )
            .unwrap();
        }
    }
    let list = out.path().join("pairs.tsv");
    std::fs::write(&list, pairs).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/compare_many.py");
    let output = Command::new(python).arg(script).arg(&shared).arg(&list).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    eprintln!("{report}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = 0;
    for line in report.lines().filter(|line| line.starts_with("rate ")) {
        let rate: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        // The references of `gray` are 100 px wide, made by sharp's fast shrink-on-load: its own careful mode fails the same
        // rows (docs/decisions/0017). What is reached is held here.
        let least = if line.starts_with("rate gray ") { 0.74 } else { 0.95 };
        assert!(rate >= least, "{line}");
        lines += 1;
    }
    assert_eq!(lines, specs.len(), "{report}");
}
