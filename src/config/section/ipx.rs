//! Where `/_ipx/…` finds a path that is no id.

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ipx {
    /// A name from `sources`, or `library`. Unset: only ids are served.
    pub source: Option<String>,
}
