//! Which other systems' wire formats are spoken.

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    pub seed002: bool,
    pub seed003: bool,
    pub seed004: bool,
    pub lsky: bool,
    pub picgo: bool,
    pub imageproxy: bool,
}

impl Default for Compat {
    fn default() -> Self {
        Self { seed002: true, seed003: true, seed004: true, lsky: true, picgo: true, imageproxy: false }
    }
}
