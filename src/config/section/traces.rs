//! Traces by OpenTelemetry.

use serde::Deserialize;
use url::Url;

use crate::units::Secret;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traces {
    /// The collector's URL for traces by OTLP over HTTP; unset: no traces.
    pub otlp: Option<String>,
    /// A bearer token for it; better by `token_env` or `token_file`.
    pub token: Option<Secret>,
    /// The part of requests that is traced.
    pub sample: f64,
    /// What this server is called in traces.
    pub service: String,
}

impl Default for Traces {
    fn default() -> Self {
        Self { otlp: None, token: None, sample: 0.01, service: "pixedge".to_owned() }
    }
}

impl Traces {
    pub fn validate(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(format!(
                "`traces.sample` is {}: give a part between 0 (none) and 1 (every request)",
                self.sample
            ));
        }
        match &self.otlp {
            Some(url) if !Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) => {
                Err(format!("`traces.otlp`: `{url}` is not a URL like `http://127.0.0.1:4318/v1/traces`"))
            }
            _ => Ok(()),
        }
    }
}
