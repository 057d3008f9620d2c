//! Who may do what here: accounts, how they sign in, the tokens and keys they act with, and how they come and go.
//!
//! Every use case is a method of [`Accounts`]; those that depend on the time take it as `now`, in milliseconds since
//! 1970. What is handed out as a secret is stored as a hash only.

mod error;
mod guard;
mod keyed;
mod keys;
mod links;
mod lockout;
mod mail;
mod manage;
mod password;
mod secret;
mod session;
mod settings;
mod settle;
mod store;
mod token;
mod user;

use std::sync::Arc;
use std::time::Duration;

use crate::auth::AccessKey;
use crate::db::Db;
use crate::units::Secret;
use crate::workers::Workers;

pub use error::AccountsError;
pub use keys::{ApiKey, NewKey};
pub use links::Invite;
pub use mail::MailOrder;
pub use manage::{Configured, Quota};
pub use password::{HashCost, PasswordHash};
pub use secret::load_or_make;
pub use session::{Signed, Who};
pub use settings::Settings;
pub use settle::{Newcomer, Settled};
pub use store::tokens::BLANK;
pub use token::{Token, random_password};
pub use user::{NewUser, Role, Scope, Scopes, User, WordError};

use keys::Uses;
use password::Hasher;

/// How accounts behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub registration: Registration,
    /// How long an access token is valid.
    pub access_token: Duration,
    /// How long a session lasts after its last refresh.
    pub refresh_token: Duration,
    /// What a guess of a password costs.
    pub hash: HashCost,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    Open,
    Invite,
    Closed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registration: Registration::Invite,
            access_token: Duration::from_secs(3600),
            refresh_token: Duration::from_secs(30 * 86_400),
            hash: HashCost::default(),
        }
    }
}

/// The use cases of accounts; cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    db: Db,
    config: Config,
    access: AccessKey,
    hasher: Hasher,
    uses: Arc<Uses>,
}

impl Accounts {
    /// `secret` signs access tokens: a new one ends them all.
    pub fn new(db: Db, workers: Workers, secret: &Secret, config: &Config) -> Result<Self, AccountsError> {
        Ok(Self {
            db,
            config: config.clone(),
            access: AccessKey::new(secret),
            hasher: Hasher::new(workers, config.hash)?,
            uses: Arc::default(),
        })
    }

    /// Removes what ended long ago. For a job that runs now and then.
    pub async fn sweep(&self, now: i64) -> Result<u64, AccountsError> {
        // A day later, so that a used refresh token is still known as stolen for a while.
        let swept = store::tokens::sweep(&self.db, now - DAY).await?;
        Ok(swept + store::sweep_failures(&self.db, now - DAY).await?)
    }

    /// How many rows [`Self::sweep`] would remove now.
    pub async fn sweepable(&self, now: i64) -> Result<u64, AccountsError> {
        Ok(store::tokens::sweepable(&self.db, now - DAY).await?)
    }
}

const DAY: i64 = 86_400_000;

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
pub(crate) mod tests;
