//! What may be uploaded, and what is made of it at once.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::presets::validate_specs;
use crate::units::ByteSize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uploads {
    /// The largest file that is accepted.
    pub max_bytes: ByteSize,
    /// What a picture's stored name is made of.
    pub naming: Naming,
    /// Variants that are made right after an upload: a name and a spec each.
    pub derivatives: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// A random id.
    Random,
    /// The MD5 of the content.
    Md5,
    /// The base64 of the uploaded name.
    Base64,
}

impl Default for Uploads {
    fn default() -> Self {
        let derivatives = [("thumbnail", "w_200,h_200,c_fill"), ("preview", "w_800,h_600")];
        Self {
            max_bytes: ByteSize(32_000_000),
            naming: Naming::Random,
            derivatives: derivatives.map(|(name, spec)| (name.to_owned(), spec.to_owned())).into(),
        }
    }
}

impl Uploads {
    pub fn validate(&self) -> Result<(), String> {
        if self.max_bytes.0 == 0 {
            return Err("`uploads.max_bytes`: 0 refuses every file; give a size like `32MB`".to_owned());
        }
        validate_specs("uploads.derivatives", &self.derivatives)
    }
}
