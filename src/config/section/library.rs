//! The pictures that people uploaded.

use std::time::Duration;

use serde::Deserialize;

use super::Policy;
use crate::units::Span;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Library {
    /// What may be asked without a signature.
    pub unsigned: Policy,
    /// Who may see a new picture.
    pub visibility: Visibility,
    /// How long a deleted picture can be restored.
    pub trash: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Public,
    Private,
}

impl Default for Library {
    fn default() -> Self {
        Self {
            unsigned: Policy::default(),
            visibility: Visibility::Public,
            trash: Span(Duration::from_secs(30 * 86_400)),
        }
    }
}
