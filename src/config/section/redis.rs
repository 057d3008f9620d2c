//! Redis, for several nodes that share limits and purges; one node needs none.

use serde::Deserialize;

use crate::units::Secret;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://…` or `rediss://…`; it may hold a password.
    pub url: Option<Secret>,
}

impl Redis {
    pub fn validate(&self) -> Result<(), String> {
        let right = |url: &str| {
            ["redis://", "rediss://"].iter().any(|s| url.strip_prefix(s).is_some_and(|rest| !rest.is_empty()))
        };
        match &self.url {
            Some(url) if !right(url.expose()) => {
                Err("`redis.url` is not a URL that begins with `redis://` or `rediss://`".to_owned())
            }
            _ => Ok(()),
        }
    }
}
