//! Copies of the database that are made by themselves.

use serde::Deserialize;

use crate::units::Span;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// How often. Unset: never.
    pub every: Option<Span>,
    /// How many are kept.
    pub keep: u32,
}

impl Default for Backup {
    fn default() -> Self {
        Self { every: None, keep: 7 }
    }
}

impl Backup {
    pub fn validate(&self) -> Result<(), String> {
        if self.every.is_some_and(|every| every.0.as_secs() < 60) {
            return Err(
                "`backup.every` is less than a minute; give a time like `1d`, or null for never".to_owned()
            );
        }
        if self.keep == 0 {
            return Err("`backup.keep`: 0 would keep no backup; give at least 1".to_owned());
        }
        Ok(())
    }
}
