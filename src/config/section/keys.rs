//! The keys that URLs are signed with.

use serde::Deserialize;

use super::{MIN_SECRET, Policy};
use crate::auth::{KeyConfig, OWN_KEY, Scope};
use crate::units::Secret;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key's name in a URL: 1 to 16 of `A-Z a-z 0-9 _ -`.
    pub kid: String,
    /// By `secret_env` or `secret_file`.
    pub secret: Secret,
    /// Unix seconds before which the key is not valid.
    pub not_before: Option<u64>,
    /// Unix seconds after which the key is not valid.
    pub not_after: Option<u64>,
    /// What it may sign: `u` a URL, `c` its canonical form, `a` an image in all sizes, `p<N>` N path segments.
    #[serde(default = "url_scope")]
    pub scopes: Vec<String>,
    /// Names from `sources`, or `library`; empty for all.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What a signature of scope `a` or `p` may ask.
    #[serde(default)]
    pub policy: Policy,
    /// The shortest signature that is accepted, in bytes: 16 to 32.
    #[serde(default = "whole_signature")]
    pub min_signature: u8,
}

fn url_scope() -> Vec<String> {
    vec!["u".to_owned()]
}

fn whole_signature() -> u8 {
    32
}

impl Key {
    /// As the room `auth` takes it.
    pub fn to_room(&self) -> KeyConfig {
        KeyConfig {
            kid: self.kid.clone(),
            secret: self.secret.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            scopes: self.scopes.iter().filter_map(|scope| scope.parse().ok()).collect(),
            sources: self.sources.clone(),
            policy: self.policy,
            min_signature: self.min_signature.into(),
        }
    }

    /// `section` is the full name of the entry, `keys[0]`.
    pub fn validate(&self, section: &str) -> Result<(), String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=16).contains(&self.kid.len()) || !self.kid.bytes().all(legal) {
            return Err(format!("`{section}.kid`: `{}` is not 1 to 16 of `A-Z a-z 0-9 _ -`", self.kid));
        }
        if self.kid == OWN_KEY {
            return Err(format!("`{section}.kid`: `{OWN_KEY}` is the server's own key; take another name"));
        }
        if self.secret.expose().len() < MIN_SECRET {
            return Err(format!(
                "`{section}.secret` is shorter than {MIN_SECRET} bytes; make one with `openssl rand -hex 32`"
            ));
        }
        if let (Some(from), Some(to)) = (self.not_before, self.not_after)
            && from >= to
        {
            return Err(format!("`{section}.not_after`: {to} is not later than `not_before`, {from}"));
        }
        let known = |scope: &String| scope.parse::<Scope>().is_ok();
        if let Some(index) = self.scopes.iter().position(|scope| !known(scope)) {
            return Err(format!(
                "`{section}.scopes[{index}]`: `{}` is not one of `u`, `c`, `a`, `p1`, `p2`, …",
                self.scopes[index]
            ));
        }
        if self.scopes.is_empty() {
            return Err(format!(
                "`{section}.scopes` is empty: the key could sign nothing; leave it out for `[u]`"
            ));
        }
        if !(16..=32).contains(&self.min_signature) {
            return Err(format!("`{section}.min_signature`: {} is not from 16 to 32", self.min_signature));
        }
        Ok(())
    }
}
