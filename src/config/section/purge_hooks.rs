//! Whom to tell of a purge: caches in front that keep copies of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::http::web_url;
use crate::units::{Secret, Span};

/// By name.
pub type PurgeHooks = BTreeMap<String, PurgeHook>;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PurgeHook {
    /// Where to.
    pub url: Option<Secret>,
    /// `POST`, or `PURGE` for caches that take that.
    pub method: String,
    /// Sent as `Authorization: Bearer …`.
    pub token: Option<Secret>,
    /// How long one attempt may take.
    pub timeout: Span,
}

impl Default for PurgeHook {
    fn default() -> Self {
        Self { url: None, method: "POST".to_owned(), token: None, timeout: Span(Duration::from_secs(10)) }
    }
}

/// What is wrong with the first hook that cannot be.
pub(in crate::config) fn validate(hooks: &PurgeHooks) -> Result<(), String> {
    for (name, hook) in hooks {
        let at = format!("purge_hooks.{name}");
        let Some(url) = &hook.url else { return Err(format!("`{at}.url` is missing")) };
        if web_url(url.expose()).is_none() {
            return Err(format!(
                "`{at}.url` is not an absolute http or https URL; a login goes into `{at}.token`"
            ));
        }
        if !["POST", "PURGE"].contains(&&*hook.method) {
            return Err(format!("`{at}.method`: `{}` is not `POST` or `PURGE`", hook.method));
        }
        let is_plain = |token: &Secret| token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if !hook.token.as_ref().is_none_or(is_plain) {
            return Err(format!("`{at}.token` holds a character that no header can"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&hook.timeout.0) {
            return Err(format!("`{at}.timeout` is not between 1s and 5m"));
        }
    }
    Ok(())
}
