//! Whole files: what a viewer would see, and how long.

use std::time::Duration;

use super::super::{Limits, Probe, probe};
use super::*;

fn header(bytes: &[u8]) -> Header {
    match probe(bytes, bytes.len() as u64, &Limits::default()).unwrap() {
        Probe::Complete(header) => header,
        Probe::NeedMore(_) => panic!("cut"),
    }
}

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

#[test]
fn dump() {
    let Ok(out) = std::env::var("DUMP") else { return };
    let manifest = std::fs::read_to_string(format!("{CORPUS}/manifest.jsonl")).unwrap();
    for line in manifest.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let format = row["format"].as_str().unwrap();
        if !["gif", "webp", "apng"].contains(&format) || row["frames"].as_u64().unwrap() < 2 || row["expect"] != "ok" {
            continue;
        }
        let path = row["path"].as_str().unwrap();
        let bytes = std::fs::read(format!("{CORPUS}/{path}")).unwrap();
        let header = header(&bytes);
        let mut reader = FrameReader::new(&bytes, &header, Instant::now() + Duration::from_secs(60)).unwrap();
        let mut count = 0;
        let mut text = String::new();
        while let Some(frame) = reader.next().unwrap() {
            let name = path.replace('/', "_");
            std::fs::write(format!("{out}/{name}.{count}"), &frame.bitmap.data).unwrap();
            count += 1;
            text += &format!(" {}", frame.delay_ms);
        }
        println!("{path} {}x{} {count} of {} = {} plays {} alpha {}: {text}", header.width, header.height, row["frames"], header.frames, reader.plays(), header.has_alpha);
    }
}
