//! The operator's use cases. What they need to know of the configuration is handed to them; who may call them is for the
//! shells to check.

mod addresses;
mod audit;
mod backup;
mod error;
mod jobs;
mod purge;
mod storages;
mod store;
mod users;

use crate::accounts::Accounts;
use crate::db::Db;
use crate::library::Library;

pub use addresses::{AddressRule, Addresses, Verdict};
pub use audit::{Actor, Entry, Wanted};
pub use error::AdminError;
// The shells know no database.
pub use crate::db::queue::{Filter as JobFilter, Job, State as JobState};
pub use backup::{BackupFile, Backups};
pub use purge::{Purge, PurgeOrder, Purged, Purger};
pub use users::UserChange;

/// Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    db: Db,
    accounts: Accounts,
    library: Library,
    purger: Purger,
    backups: Backups,
}

impl Admin {
    pub fn new(
        db: Db,
        accounts: Accounts,
        library: Library,
        sources: impl IntoIterator<Item = String>,
        backups: Backups,
    ) -> Self {
        let purger = Purger::new(library.clone(), sources);
        Self { db, accounts, library, purger, backups }
    }

    /// With caches in front, by the names of the configuration, that are told of purges.
    #[must_use]
    pub fn with_hooks(self, hooks: impl IntoIterator<Item = String>) -> Self {
        Self { purger: self.purger.with_hooks(hooks), ..self }
    }

    /// See [`Purger::purge`].
    pub async fn purge(&self, what: &Purge) -> Result<Purged, AdminError> {
        self.purger.purge(what).await
    }
}
