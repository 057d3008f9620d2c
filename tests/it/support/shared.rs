//! Finds the shared corpus beside the checkout. It is not part of the repository, so tests that need it say NOT RUN
//! when it is absent, unless `PIXEDGE_REQUIRE_ALL` makes that an error.

use std::path::PathBuf;

/// The folder `shared/` beside the checkout; `None` after saying so.
pub fn shared(test: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    if path.join("corpus/manifest.jsonl").exists() {
        return Some(path);
    }
    assert!(std::env::var_os("PIXEDGE_REQUIRE_ALL").is_none(), "{test}: the shared corpus is missing");
    eprintln!("{test}: NOT RUN, the shared corpus is not beside this checkout");
    None
}

/// One row of the corpus' manifest; see its README for the meaning of the fields.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Row {
    pub path: String,
    pub format: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub category: String,
    pub expect: String,
    #[serde(default)]
    pub tolerated: bool,
    #[serde(default)]
    contested: serde_json::Value,
    #[serde(default)]
    pub reference: std::collections::BTreeMap<String, String>,
}

impl Row {
    /// Decoders disagree on the picture, so its references judge nobody. The manifest says why, or just `true`.
    pub fn is_contested(&self) -> bool {
        !matches!(self.contested, serde_json::Value::Null | serde_json::Value::Bool(false))
    }
}

pub fn manifest(shared: &std::path::Path) -> Vec<Row> {
    std::fs::read_to_string(shared.join("corpus/manifest.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
