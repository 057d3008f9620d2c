//! The operator's use cases. What they need to know of the configuration is handed to them; who may call them is for the
//! shells to check.

mod addresses;
mod audit;
mod error;
mod jobs;
mod purge;
mod storages;
mod store;
mod users;

use std::collections::BTreeSet;

use crate::accounts::Accounts;
use crate::db::Db;
use crate::library::Library;

pub use addresses::{AddressRule, Addresses, Verdict};
pub use audit::{Actor, Entry, Wanted};
pub use error::AdminError;
// The shells know no database.
pub use crate::db::queue::{Filter as JobFilter, Job, State as JobState};
pub use purge::{Purge, PurgeOrder, Purged};
pub use users::UserChange;

/// Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    db: Db,
    accounts: Accounts,
    library: Library,
    /// Names of the configured sources.
    sources: BTreeSet<String>,
    /// Names of those in front who are told of purges.
    hooks: Vec<String>,
}

impl Admin {
    pub fn new(
        db: Db,
        accounts: Accounts,
        library: Library,
        sources: impl IntoIterator<Item = String>,
    ) -> Self {
        Self { db, accounts, library, sources: sources.into_iter().collect(), hooks: Vec::new() }
    }

    /// With caches in front, by the names of the configuration, that are told of purges.
    #[must_use]
    pub fn with_hooks(self, hooks: impl IntoIterator<Item = String>) -> Self {
        Self { hooks: hooks.into_iter().collect(), ..self }
    }
}
