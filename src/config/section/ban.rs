//! Which addresses are answered nothing for a while.

use std::time::Duration;

use serde::Deserialize;

use crate::units::Span;

/// More than `requests` that count `within` a time keep an address out for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    pub requests: u32,
    pub within: Span,
    #[serde(rename = "for")]
    pub lasts: Span,
    #[serde(default)]
    pub count: Counted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Counted {
    /// Those that were refused as misuse.
    #[default]
    Misuse,
    All,
}

impl Ban {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.requests == 0 {
            return Err(
                "`http.ban.requests`: 0 bans for a single mistake; give at least 1, rather 100".to_owned()
            );
        }
        let (day, month) = (Duration::from_secs(86_400), Duration::from_secs(30 * 86_400));
        for (key, span, most, name) in [("within", self.within, day, "1d"), ("for", self.lasts, month, "30d")]
        {
            if !(Duration::from_secs(1)..=most).contains(&span.0) {
                return Err(format!("`http.ban.{key}`: give a time from `1s` to `{name}`"));
            }
        }
        Ok(())
    }
}
