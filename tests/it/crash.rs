//! Processes are killed in the middle of taking pictures in and of removing them. What they acknowledged is there
//! afterwards, whole; no row is without its object; and the sweep removes what they left, once.
//!
//! `PIXEDGE_CRASH_ROUNDS=500` kills more often than the usual three times at each place.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use pixedge::codec::Format;
use pixedge::db::{self, Db};
use pixedge::library::Library;
use pixedge::storage::{LOCAL, Storages};
use sha2::{Digest, Sha256};

use crate::support::Home;
use crate::support::pictures::encoded;

/// Every place where a process may be told to die while it imports.
const IMPORT: [&str; 10] = [
    "upload.begun",
    "upload.piece",
    "upload.written",
    "upload.announced",
    "storage.before_promote",
    "storage.renamed",
    "upload.promoted",
    "library.before_commit",
    "library.committed",
    "nowhere",
];
const SWEEP: [&str; 3] = ["sweep.marked", "sweep.removed", "sweep.forgotten"];

#[test]
fn what_was_acknowledged_survives_a_kill_and_the_rest_is_swept() {
    let rounds: usize = std::env::var("PIXEDGE_CRASH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3 * IMPORT.len());
    let home = Home::new("");
    let pictures = home.path().join("pictures");
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let _ = std::fs::remove_dir_all(&pictures);
        std::fs::create_dir(&pictures).unwrap();
        for i in 0..4 {
            let seed = (round * 4 + i) as u32;
            // Now and then one is more than one piece.
            let side = if i == 1 && round % 3 == 0 { 700 } else { 8 };
            std::fs::write(pictures.join(format!("{seed}.png")), encoded(Format::Png, side, side, seed))
                .unwrap();
        }
        let place = IMPORT[round % IMPORT.len()];
        let times = 1 + round / IMPORT.len() % 4;
        import(&home, &pictures, &format!("{place}:{times}"), &mut acknowledged);
    }
    assert!(acknowledged.len() >= rounds, "{} of {} pictures came in", acknowledged.len(), rounds * 4);
    every_one_is_whole(&home, &acknowledged);

    // Sweeps that die are taken up by others.
    for round in 0..rounds.min(12) {
        let place = format!("{}:{}", SWEEP[round % SWEEP.len()], 1 + round / SWEEP.len());
        let mut sweep = home.command(&["sweep", "--grace", "0s"]);
        let _ = sweep.env("PIXEDGE_CRASH_AT", place).output().unwrap();
    }
    let first = home.run(&["sweep", "--grace", "0s"]);
    assert!(first.ends_with("; 0 missing\n"), "{first}");
    let second = home.run(&["sweep", "--grace", "0s"]);
    let nothing = "removed 0 unneeded objects, 0 orphans, 0 half-written files, 0 reservations; 0 missing\n";
    assert_eq!(second, nothing, "after {first}");
    every_one_is_whole(&home, &acknowledged);
    let left = std::fs::read_dir(home.path().join("data/objects/.temporary")).unwrap().count();
    assert_eq!(left, 0, "half-written files are left");
}

/// Imports until the process dies; what it printed is acknowledged.
fn import(home: &Home, dir: &Path, die_at: &str, acknowledged: &mut BTreeMap<String, String>) {
    let mut command = home.command(&["import", dir.to_str().unwrap()]);
    command.env("PIXEDGE_CRASH_AT", die_at).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let (id, name) = line.split_once(' ').unwrap();
        let bytes = std::fs::read(dir.join(name)).unwrap();
        acknowledged.insert(id.to_owned(), hex(&Sha256::digest(&bytes)));
    }
    let status = child.wait().unwrap();
    // A picture may have fewer such places than it was to die at.
    assert!(status.success() || !die_at.starts_with("nowhere"), "{die_at}: {status}");
}

/// Read back as a server would.
fn every_one_is_whole(home: &Home, acknowledged: &BTreeMap<String, String>) {
    let data = home.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&db::Config::default(), &data).await.unwrap();
        let storages = Storages::open(&BTreeMap::new(), LOCAL, &data, &data).await.unwrap();
        let library = Library::new(db, storages).await.unwrap();
        for (id, sha256) in acknowledged {
            let image = library.find(id).await.unwrap().unwrap_or_else(|| panic!("{id} was acknowledged"));
            let bytes = library.read(&image, u64::MAX).await.unwrap();
            assert_eq!(hex(&Sha256::digest(&bytes)), *sha256, "{id}");
        }
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
