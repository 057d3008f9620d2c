//! Redis, for several nodes that share limits and purges; one node needs none.

use std::time::Duration;

use serde::Deserialize;

use crate::cluster::{self, Urls};
use crate::units::{Secret, Span};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://…` or `rediss://…`, several separated by commas; they may hold a password.
    pub url: Option<Secret>,
    /// What keys and channels begin with, where several systems share a Redis.
    pub prefix: String,
    /// How long connecting and each answer may take.
    pub timeout: Span,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: None, prefix: "pixedge".to_owned(), timeout: Span(Duration::from_millis(500)) }
    }
}

impl Redis {
    pub fn validate(&self) -> Result<(), String> {
        if let Some(url) = &self.url {
            Urls::parse(url).map_err(|error| format!("`redis.url` is {error}"))?;
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if !(1..=64).contains(&self.prefix.len()) || !self.prefix.bytes().all(legal) {
            return Err("`redis.prefix` is not 1 to 64 letters, digits and `-_.:`".to_owned());
        }
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(10));
        if !(least..=most).contains(&self.timeout.0) {
            return Err("`redis.timeout` is not between 10ms and 10s".to_owned());
        }
        Ok(())
    }

    /// `None` without a URL.
    pub fn to_room(&self) -> Option<cluster::Config> {
        let urls = Urls::parse(self.url.as_ref()?).ok()?;
        Some(cluster::Config { urls, prefix: self.prefix.clone(), timeout: self.timeout.0 })
    }
}
