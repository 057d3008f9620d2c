//! `fixtures/vectors.jsonl`: what the design says must be equal, differ, be refused and come out at which size.

use serde::Deserialize;

use crate::codec::{Format, Rect};
use crate::transform::plan::Op;

use super::{canonical, parse, plan, source};

const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vectors.jsonl"));

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Vector {
    Equal { equal: Vec<String> },
    Differ { differ: Vec<String> },
    Reject { reject: String, code: String },
    Geometry { size: (u32, u32), spec: String, out: (u32, u32), crop: Option<(u32, u32, u32, u32)> },
}

#[test]
fn all_hold() {
    let mut count = 0;
    for line in VECTORS.lines() {
        count += 1;
        match serde_json::from_str(line).unwrap() {
            Vector::Equal { equal } => {
                for text in &equal {
                    assert_eq!(parse(text).unwrap(), parse(&equal[0]).unwrap(), "{text}");
                    assert_eq!(canonical(text), canonical(&equal[0]), "{text}");
                }
            }
            Vector::Differ { differ } => {
                assert_ne!(parse(&differ[0]).unwrap(), parse(&differ[1]).unwrap(), "{line}");
                assert_ne!(canonical(&differ[0]), canonical(&differ[1]), "{line}");
            }
            Vector::Reject { reject, code } => assert_eq!(canonical(&reject), code, "{reject}"),
            Vector::Geometry { size, spec, out, crop } => {
                let plan = plan(&source(Format::Png, size.0, size.1), &spec).unwrap();
                assert_eq!((plan.width, plan.height), out, "{line}");
                let whole = Rect { x: 0, y: 0, width: out.0, height: out.1 };
                let made = plan.ops.iter().find_map(|op| match op {
                    Op::Crop(rect) => Some(*rect),
                    _ => None,
                });
                if let Some((x, y, width, height)) = crop {
                    assert_eq!(made.unwrap_or(whole), Rect { x, y, width, height }, "{line}");
                } else {
                    assert_eq!(made, None, "{line}");
                }
            }
        }
    }
    assert!(count >= 65);
}

#[test]
fn the_copy_is_the_design() {
    let design = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/design/vectors.jsonl");
    if let Ok(design) = std::fs::read_to_string(design) {
        assert!(design == VECTORS, "fixtures/vectors.jsonl differs from the design's");
    }
}
