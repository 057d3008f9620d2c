//! How much one caller may ask.

use std::time::Duration;

use serde::Deserialize;

use crate::units::Rate;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// For each address (of IPv6, each /64). `None`: no limit.
    pub per_address: Option<Limit>,
    /// For each key or user. `None`: no limit.
    #[serde(deserialize_with = "per_key")]
    pub per_key: Option<Limit>,
}

/// So much in a span of time, and so much at once.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limit {
    pub rate: Rate,
    pub burst: u64,
}

impl Limit {
    const fn per_second(count: u64, burst: u64) -> Self {
        Self { rate: Rate { count, per: Duration::from_secs(1) }, burst }
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::per_second(50, 200)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_address: Some(Limit::default()), per_key: Some(PER_KEY) }
    }
}

const PER_KEY: Limit = Limit::per_second(500, 2000);

impl Limits {
    pub fn validate(&self) -> Result<(), String> {
        for (key, limit) in [("per_address", self.per_address), ("per_key", self.per_key)] {
            let Some(limit) = limit else { continue };
            if limit.burst == 0 {
                return Err(format!("`limits.{key}.burst`: 0 refuses every request; give at least 1"));
            }
            if limit.burst > u64::from(u32::MAX) {
                return Err(format!(
                    "`limits.{key}.burst`: at most {}; for no limit write `{key}: null`",
                    u32::MAX
                ));
            }
        }
        Ok(())
    }
}

/// A key that leaves one of the two out gets the rest of its own default, not that of an address.
fn per_key<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Limit>, D::Error> {
    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct PerKey {
        rate: Rate,
        burst: u64,
    }
    impl Default for PerKey {
        fn default() -> Self {
            let Limit { rate, burst } = PER_KEY;
            Self { rate, burst }
        }
    }
    let given = Option::<PerKey>::deserialize(deserializer)?;
    Ok(given.map(|PerKey { rate, burst }| Limit { rate, burst }))
}
