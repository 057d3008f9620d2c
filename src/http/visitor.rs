//! Who looks at a picture, read from a request: the one place where tokens, and what a browser keeps, become a
//! [`Viewer`].

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HeaderName};
use lru::LruCache;

use super::api::bearer;
use crate::accounts::{Accounts, AccountsError, Scope};
use crate::auth::UnlockKey;
use crate::delivery::door::{Door, DoorError, Password, Viewer};
use crate::error::{Fault, Kind};
use crate::library::Share;

/// Where programs put the password of a share.
pub const X_SHARE_PASSWORD: HeaderName = HeaderName::from_static("x-share-password");

/// How long a browser need not ask for the password of a share again, in seconds.
const UNLOCKED_S: u64 = 12 * 3600;
const PROVED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The accounts' answers to delivery.
pub struct Visitors {
    accounts: Accounts,
    unlock: UnlockKey,
    /// Cookies for `https` only.
    is_secure: bool,
    /// Passwords that were right a moment ago, as hashes under a key of this process, so that a program that sends one
    /// with each request pays the slow hash once.
    proved: Mutex<LruCache<[u8; 32], ()>>,
    process: [u8; 32],
}

impl Visitors {
    pub fn new(accounts: Accounts, unlock: UnlockKey, public_url: &str) -> Self {
        let mut process = [0; 32];
        // Without randomness the key is known; what it hides is in memory only.
        let _ = getrandom::fill(&mut process);
        let is_secure = public_url.starts_with("https://");
        Self { accounts, unlock, is_secure, proved: Mutex::new(LruCache::new(PROVED)), process }
    }

    /// Whether `given` is the password of `share`, which has the hash `hash`.
    pub(super) async fn try_password(
        &self,
        share: &Share,
        hash: &str,
        given: &str,
        client: IpAddr,
    ) -> Result<bool, AccountsError> {
        let name = format!("{}\n{hash}\n{given}", share.id);
        let name = *blake3::keyed_hash(&self.process, name.as_bytes()).as_bytes();
        if self.proved.lock().unwrap_or_else(PoisonError::into_inner).get(&name).is_some() {
            return Ok(true);
        }
        let what = format!("share {}", share.id);
        let right = self.accounts.verify_other(&what, hash, given, client, now_ms()).await?;
        if right {
            self.proved.lock().unwrap_or_else(PoisonError::into_inner).put(name, ());
        }
        Ok(right)
    }

    /// The cookie for a browser that has given the password of `share`.
    pub(super) fn unlocking(&self, share: &Share, hash: &str) -> String {
        let proof = self.unlock.prove(&share.id, hash, now_s() + UNLOCKED_S);
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = cookie_name(share);
        format!("{name}={proof}; Path=/; Max-Age={UNLOCKED_S}; HttpOnly; SameSite=Lax{secure}")
    }
}

impl Door for Visitors {
    fn knocks(&self, headers: &HeaderMap) -> bool {
        // The console's cookie belongs here too, once there is one.
        headers.contains_key(AUTHORIZATION)
    }

    fn viewer<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<Viewer, DoorError>> {
        async move {
            let Some(token) = bearer(headers) else { return Ok(Viewer::Stranger) };
            match self.accounts.authenticate(token, now_ms()).await {
                Ok(who) if !who.scopes.has(Scope::Read) => Ok(Viewer::Stranger),
                Ok(who) if who.scopes.has(Scope::Admin) => Ok(Viewer::Admin),
                Ok(who) => Ok(Viewer::User(who.user.pk)),
                Err(error) if matches!(error.kind(), Kind::Unauthorized | Kind::Forbidden) => {
                    Ok(Viewer::Stranger)
                }
                Err(error) => Err(Arc::new(error) as DoorError),
            }
        }
        .boxed()
    }

    fn password<'a>(
        &'a self,
        share: &'a Share,
        headers: &'a HeaderMap,
        client: IpAddr,
    ) -> BoxFuture<'a, Result<Password, DoorError>> {
        async move {
            let Some(hash) = share.password_hash.as_ref() else { return Ok(Password::Right) };
            let proof = cookie(headers, &cookie_name(share));
            if proof.is_some_and(|proof| self.unlock.holds(proof, &share.id, &hash.0, now_s())) {
                return Ok(Password::Right);
            }
            let Some(given) = headers.get(X_SHARE_PASSWORD) else { return Ok(Password::Missing) };
            let Ok(given) = std::str::from_utf8(given.as_bytes()) else { return Ok(Password::Wrong) };
            match self.try_password(share, &hash.0, given, client).await {
                Ok(true) => Ok(Password::Right),
                Ok(false) => Ok(Password::Wrong),
                Err(error) => Err(Arc::new(error) as DoorError),
            }
        }
        .boxed()
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

fn cookie_name(share: &Share) -> String {
    format!("pixedge_share_{}", share.id)
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn now_s() -> u64 {
    u64::try_from(now_ms()).unwrap_or(0) / 1000
}
