//! The keys that URLs are signed with: checking a signature, and making one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::claim::{FULL, SHORTEST};
use super::{AuthError, Claim, Scope};
use crate::units::{Policy, Secret};

/// One entry of `keys`.
#[derive(Debug, Clone)]
pub struct KeyConfig {
    pub kid: String,
    pub secret: Secret,
    /// Unix seconds from and until which the key is valid.
    pub not_before: Option<u64>,
    pub not_after: Option<u64>,
    pub scopes: Vec<Scope>,
    /// Names of sources, or `library`; empty for all.
    pub sources: Vec<String>,
    /// What a signature that says only which image may ask of it.
    pub policy: Policy,
    /// The shortest signature that is accepted, in bytes.
    pub min_signature: usize,
}

/// All keys, in the order of the configuration, and the server's own.
#[derive(Clone, Default)]
pub struct Keys {
    listed: Vec<Arc<Key>>,
    own: Option<Arc<Key>>,
}

struct Key {
    config: KeyConfig,
    /// The secret as HMAC begins with it, so that each signature costs two blocks less.
    keyed: Hmac<Sha256>,
}

/// What a right signature gives, until [`Grant::check_time`] says otherwise.
#[derive(Clone)]
pub struct Grant {
    key: Arc<Key>,
    scope: Scope,
    expires: Option<u64>,
}

/// A signature that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// `None`: the first key that may.
    pub kid: Option<&'a str>,
    pub scope: Scope,
    pub expires: Option<u64>,
    /// The source of the picture, or `library`.
    pub source: &'a str,
}

/// More keys at once than a rotation needs would only make forged signatures dearer.
const TRIED: usize = 4;

/// The name of the server's own key, which no configuration may take.
pub const OWN_KEY: &str = "pixedge";

impl Keys {
    pub fn new(configs: impl IntoIterator<Item = KeyConfig>) -> Self {
        let keyed = |secret: &Secret| {
            Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of every length")
        };
        let key = |config: KeyConfig| Arc::new(Key { keyed: keyed(&config.secret), config });
        Self { listed: configs.into_iter().map(key).collect(), own: None }
    }

    /// With a key for links that the server itself hands out, derived from its secret: nobody has to configure one, and
    /// no program that signs can be mistaken for the server.
    #[must_use]
    pub fn with_own(self, secret: &Secret) -> Self {
        let derived = blake3::derive_key("pixedge 2026-11 links of the server", secret.expose().as_bytes());
        let config = KeyConfig {
            kid: OWN_KEY.to_owned(),
            secret: Secret::new(blake3::Hash::from_bytes(derived).to_hex().as_str()),
            not_before: None,
            not_after: None,
            scopes: vec![Scope::Image],
            sources: vec!["library".to_owned()],
            policy: Policy::Ladder,
            min_signature: SHORTEST,
        };
        let own = Self::new([config]).listed.pop();
        Self { own, ..self }
    }

    /// Signs `target` with the server's own key until `expires` (Unix seconds).
    pub fn sign_own(&self, scope: Scope, expires: u64, target: &str) -> Result<(&str, String), AuthError> {
        let key = self.own.as_ref().ok_or(AuthError::NoKeys)?;
        let whole = key.mac(scope, Some(expires), target).finalize().into_bytes();
        Ok((&key.config.kid, URL_SAFE_NO_PAD.encode(&whole[..SHORTEST])))
    }

    /// Whether `target` was signed as the claim says, by a key that may for `source`, and still holds at `now`
    /// (Unix seconds). A wrong signature never hears that it is expired.
    pub fn verify(
        &self,
        claim: &Claim<'_>,
        target: &str,
        source: &str,
        now: u64,
    ) -> Result<Grant, AuthError> {
        let key = match claim.kid {
            _ if self.listed.is_empty() && claim.kid != Some(OWN_KEY) => return Err(AuthError::NoKeys),
            Some(kid) => {
                let key = self.named(kid)?;
                if claim.signature().len() < key.config.min_signature {
                    let bytes = key.config.min_signature;
                    return Err(AuthError::Short { kid: kid.to_owned(), bytes });
                }
                Some(key).filter(|key| key.signed(claim, target))
            }
            None => self
                .listed
                .iter()
                .filter(|key| key.is_active(now))
                .take(TRIED)
                .filter(|key| claim.signature().len() >= key.config.min_signature)
                .find(|key| key.signed(claim, target)),
        };
        let key = key.ok_or(AuthError::Wrong)?;
        key.may_sign(claim.scope, source, now)?;
        let grant = Grant { key: Arc::clone(key), scope: claim.scope, expires: claim.expires };
        grant.check_time(now)?;
        Ok(grant)
    }

    /// Signs `target`: the key's name and the signature, as short as the key takes them.
    pub fn sign(&self, wish: &Wish<'_>, target: &str, now: u64) -> Result<(&str, String), AuthError> {
        let may = |key: &&Arc<Key>| key.may_sign(wish.scope, wish.source, now).is_ok();
        let key = match wish.kid {
            _ if self.listed.is_empty() => return Err(AuthError::NoKeys),
            Some(kid) => {
                let key = self.named(kid)?;
                key.may_sign(wish.scope, wish.source, now)?;
                key
            }
            None => self.listed.iter().find(may).ok_or_else(|| AuthError::NoneSigns {
                scope: wish.scope,
                source_name: wish.source.to_owned(),
            })?,
        };
        let whole = key.mac(wish.scope, wish.expires, target).finalize().into_bytes();
        let len = key.config.min_signature.clamp(SHORTEST, FULL);
        Ok((&key.config.kid, URL_SAFE_NO_PAD.encode(&whole[..len])))
    }

    fn named(&self, kid: &str) -> Result<&Arc<Key>, AuthError> {
        let found = self.own.iter().chain(&self.listed).find(|key| key.config.kid == kid);
        found.ok_or_else(|| AuthError::NoKey { kid: kid.to_owned() })
    }
}

impl Key {
    fn mac(&self, scope: Scope, expires: Option<u64>, target: &str) -> Hmac<Sha256> {
        let head = match expires {
            Some(at) => format!("v1\n{scope}\n{at}\n"),
            None => format!("v1\n{scope}\n\n"),
        };
        let mut mac = self.keyed.clone();
        mac.update(head.as_bytes());
        mac.update(target.as_bytes());
        mac
    }

    /// In constant time.
    fn signed(&self, claim: &Claim<'_>, target: &str) -> bool {
        self.mac(claim.scope, claim.expires, target).verify_truncated_left(claim.signature()).is_ok()
    }

    fn is_active(&self, now: u64) -> bool {
        let KeyConfig { not_before, not_after, .. } = &self.config;
        not_before.is_none_or(|from| from <= now) && not_after.is_none_or(|to| now <= to)
    }

    fn is_for(&self, source: &str) -> bool {
        self.config.sources.is_empty() || self.config.sources.iter().any(|name| name == source)
    }

    fn check_active(&self, now: u64) -> Result<(), AuthError> {
        if self.is_active(now) { Ok(()) } else { Err(AuthError::Inactive { kid: self.config.kid.clone() }) }
    }

    fn may_sign(&self, scope: Scope, source: &str, now: u64) -> Result<(), AuthError> {
        self.check_active(now)?;
        let kid = || self.config.kid.clone();
        if !self.config.scopes.contains(&scope) {
            let allowed: Vec<String> = self.config.scopes.iter().map(|scope| format!("`{scope}`")).collect();
            return Err(AuthError::Scope { kid: kid(), scope, allowed: allowed.join(", ") });
        }
        if !self.is_for(source) {
            return Err(AuthError::Source { kid: kid(), source_name: source.to_owned() });
        }
        Ok(())
    }
}

impl Grant {
    pub fn kid(&self) -> &str {
        &self.key.config.kid
    }

    /// Whether the server itself handed the URL out.
    pub fn is_own(&self) -> bool {
        self.kid() == OWN_KEY
    }

    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// What may be asked where the signature says only which image.
    pub fn policy(&self) -> Policy {
        self.key.config.policy
    }

    /// Unix seconds at which the same URL is refused at the latest.
    pub fn until(&self) -> Option<u64> {
        self.expires.into_iter().chain(self.key.config.not_after).min()
    }

    /// Whether it still holds. Nothing but time can end what was right once: a process keeps its keys.
    pub fn check_time(&self, now: u64) -> Result<(), AuthError> {
        self.key.check_active(now)?;
        match self.expires.filter(|at| *at <= now) {
            Some(at) => Err(AuthError::Expired { at }),
            None => Ok(()),
        }
    }

    /// Whether the key may also sign for pictures of this source (or `library`).
    pub fn check_source(&self, source: &str) -> Result<(), AuthError> {
        if self.key.is_for(source) {
            return Ok(());
        }
        Err(AuthError::Source { kid: self.kid().to_owned(), source_name: source.to_owned() })
    }
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant")
            .field("kid", &self.kid())
            .field("scope", &self.scope)
            .field("expires", &self.expires)
            .finish()
    }
}
