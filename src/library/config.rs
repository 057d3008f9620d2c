//! What the library does unless an image says otherwise.

use std::time::Duration;

use serde::Deserialize;

use super::Visibility;
use crate::units::{Policy, Span};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What may be asked of an image without a signature: `open`, `ladder`, `presets` or `signed`.
    pub unsigned: Policy,
    /// `public` or `private`, for new images.
    pub visibility: Visibility,
    /// How long a deleted image can be restored.
    pub trash: Span,
    /// How long an image is kept that says nothing about it; `None` = for good.
    #[serde(skip)]
    pub expire_after: Option<Duration>,
    /// Whether a job makes derivatives of each new picture.
    #[serde(skip)]
    pub derive: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            unsigned: Policy::Ladder,
            visibility: Visibility::Public,
            trash: Span(Duration::from_secs(30 * 86_400)),
            expire_after: None,
            derive: false,
        }
    }
}

impl Config {
    pub fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
