//! What administrators did: who, from where, when, to what. Entries are written with the deed, and never changed.

use std::net::IpAddr;

use crate::accounts::Who;

use super::{Admin, AdminError, store};

/// Who does something, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    pub who: &'a Who,
    pub address: IpAddr,
}

/// One entry. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Rises with each entry.
    pub number: i64,
    pub at: i64,
    /// The id of the account, and its name at that time.
    pub actor: String,
    pub actor_name: String,
    pub address: String,
    /// A stable word such as `user.create`.
    pub action: String,
    /// The id or name of what it was done to.
    pub subject: String,
    /// What exactly, in words without secrets.
    pub detail: String,
}

/// Which entries are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    pub actor: Option<&'a str>,
    pub action: Option<&'a str>,
    /// Older than this number.
    pub before: Option<i64>,
    pub limit: u32,
}

impl Admin {
    /// For use cases that are not here themselves.
    pub async fn note(
        &self,
        actor: Actor<'_>,
        action: &'static str,
        subject: &str,
        detail: &str,
        now: i64,
    ) -> Result<(), AdminError> {
        tracing::info!(actor = actor.who.user.id, action, subject, detail, "administration");
        Ok(store::note(&self.db, actor, action, subject, detail, now).await?)
    }

    /// Newest first.
    pub async fn audit(&self, wanted: &Wanted<'_>) -> Result<Vec<Entry>, AdminError> {
        Ok(store::entries(&self.db, wanted).await?)
    }
}
