//! API keys: for programs, with fewer rights than their owner and a life of their own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use subtle::ConstantTimeEq;

use super::store::tokens;
use super::{Accounts, AccountsError, Scopes, Token, Who, store, token};

/// What may be shown of a key. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub(super) pk: i64,
    pub id: String,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    /// Up to a flush behind.
    pub used_at: Option<i64>,
    pub(super) revoked_at: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    pub name: &'a str,
    pub scopes: Scopes,
    pub expires_at: Option<i64>,
}

/// When keys were used last, until [`Accounts::flush`]: a row written for every request would cost more than the request.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<i64, i64>>);

impl ApiKey {
    /// How the key begins, to know it by in lists and leaks.
    pub fn prefix(&self) -> String {
        format!("{}{}_", token::KEY, self.id)
    }
}

impl Uses {
    fn note(&self, key: i64, now: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
    }

    fn take(&self) -> HashMap<i64, i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Accounts {
    /// The key is in the answer and can never be read again. It gets no scope that `who` has not.
    pub async fn create_key(
        &self,
        who: &Who,
        new: &NewKey<'_>,
        now: i64,
    ) -> Result<(ApiKey, Token), AccountsError> {
        if let Some(scope) = new.scopes.iter().find(|scope| !who.scopes.has(*scope)) {
            return Err(AccountsError::MissingScope { scope });
        }
        let invalid = |field, why| Err(AccountsError::Invalid { field, why });
        let name = new.name.trim();
        if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
            return invalid("name", "must be 1 to 64 bytes without control characters");
        }
        if new.scopes == Scopes::default() {
            return invalid("scopes", "must name at least one of `read`, `upload`, `manage`, `admin`");
        }
        if new.expires_at.is_some_and(|at| at <= now) {
            return invalid("expires_at", "must be in the future");
        }
        let id = token::public_id()?;
        let secret = Token::key(&id)?;
        let hash = secret.hash();
        let row = tokens::NewKey {
            id: &id,
            user: who.user.pk,
            hash: &hash,
            name,
            scopes: new.scopes,
            expires_at: new.expires_at,
        };
        let mut tx = self.db.write().await?;
        tokens::insert_key(&mut tx, &row, now).await?;
        tx.commit().await?;
        let made = tokens::key(&self.db, &id).await?.ok_or(AccountsError::NotFound { what: "key" })?;
        Ok((made.0, secret))
    }

    pub async fn keys(&self, user: i64) -> Result<Vec<ApiKey>, AccountsError> {
        Ok(tokens::keys(&self.db, user).await?)
    }

    pub async fn revoke_key(&self, user: i64, id: &str, now: i64) -> Result<(), AccountsError> {
        let revoked = tokens::revoke_key(&self.db, user, id, now).await?;
        if revoked { Ok(()) } else { Err(AccountsError::NotFound { what: "key" }) }
    }

    /// Found by its open part and compared in constant time. It may at most what its owner may today.
    pub(super) async fn by_key(&self, key: &str, now: i64) -> Result<Who, AccountsError> {
        let id = token::key_id(key).ok_or(AccountsError::BadToken)?;
        let (found, hash, owner) = tokens::key(&self.db, id).await?.ok_or(AccountsError::BadToken)?;
        let right = bool::from(token::hash(key).as_bytes().ct_eq(hash.as_bytes()));
        if !right || found.revoked_at.is_some() {
            return Err(AccountsError::BadToken);
        }
        if found.expires_at.is_some_and(|at| at <= now) {
            return Err(AccountsError::TokenExpired);
        }
        let user = store::by_pk(&self.db, owner).await?.filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(AccountsError::BadToken)?;
        self.uses.note(found.pk, now);
        Ok(Who { scopes: found.scopes.and(user.role.scopes()), user, key: Some(found.id) })
    }

    /// Writes down when keys were used last. For a task that runs every few seconds, and for the end.
    pub async fn flush(&self) -> Result<(), AccountsError> {
        let uses = self.uses.take();
        if uses.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.write().await?;
        for (key, at) in uses {
            tokens::key_used(&mut tx, key, at).await?;
        }
        Ok(tx.commit().await?)
    }
}
