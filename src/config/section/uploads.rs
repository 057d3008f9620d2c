//! What may be uploaded, and what is made of it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::presets::validate_specs;
use crate::net::{HostPattern, PatternError};
use crate::units::{ByteSize, Cidr, Span};
use crate::upload::{Naming, Types};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uploads {
    /// The largest file that is accepted.
    pub max_bytes: ByteSize,
    /// The types that are accepted, by content: `image/*` or `image/png`, …
    pub types: Vec<String>,
    /// The hosts that pictures may be fetched from by their URL; unset = all, by the usual ports.
    pub hosts: Option<Vec<String>>,
    /// Addresses beside the public ones that pictures may be fetched from by their URL.
    pub allow_addresses: Vec<Cidr>,
    /// What a picture's stored name is made of: `random`, `md5`, `base64` or a pattern.
    pub naming: String,
    /// How long an upload in several requests (tus) may take; what came of it is removed after that.
    pub unfinished_for: Span,
    /// Variants that are made right after an upload: a name and a spec each.
    pub derivatives: BTreeMap<String, String>,
}

impl Default for Uploads {
    fn default() -> Self {
        let derivatives = [("thumbnail", "w_200,h_200,c_fill"), ("preview", "w_800,h_600")];
        Self {
            max_bytes: ByteSize(32_000_000),
            types: vec!["image/*".to_owned()],
            hosts: None,
            allow_addresses: Vec::new(),
            naming: "random".to_owned(),
            unfinished_for: Span(Duration::from_secs(86_400)),
            derivatives: derivatives.map(|(name, spec)| (name.to_owned(), spec.to_owned())).into(),
        }
    }
}

impl Uploads {
    /// As the room `upload` takes them.
    pub fn types(&self) -> Result<Types, String> {
        Types::parse(&self.types)
    }

    pub fn hosts(&self) -> Result<Option<Vec<HostPattern>>, String> {
        let parse = |text: &String| text.parse().map_err(|error: PatternError| error.to_string());
        self.hosts.as_ref().map(|hosts| hosts.iter().map(parse).collect()).transpose()
    }

    pub fn naming(&self) -> Result<Naming, String> {
        self.naming.parse()
    }

    pub fn validate(&self) -> Result<(), String> {
        if self.max_bytes.0 == 0 {
            return Err("`uploads.max_bytes`: 0 refuses every file; give a size like `32MB`".to_owned());
        }
        if !(MINUTE..=30 * 24 * 60 * MINUTE).contains(&self.unfinished_for.0) {
            return Err("`uploads.unfinished_for`: give a span from `1m` to `30d`, as `24h`".to_owned());
        }
        self.types().map_err(|text| format!("`uploads.types`: {text}"))?;
        self.hosts().map_err(|text| format!("`uploads.hosts`: {text}"))?;
        self.naming().map_err(|text| format!("`uploads.naming`: {text}"))?;
        validate_specs("uploads.derivatives", &self.derivatives)
    }
}

const MINUTE: Duration = Duration::from_secs(60);
