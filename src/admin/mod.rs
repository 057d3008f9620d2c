//! The operator's use cases. What they need to know of the configuration is handed to them; who may call them is for the
//! shells to check.

mod addresses;
mod error;
mod purge;

use std::collections::BTreeSet;

use crate::library::Library;

pub use addresses::{AddressRule, Addresses, Verdict};
pub use error::AdminError;
pub use purge::{Purge, Purged};

/// Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    library: Library,
    /// Names of the configured sources.
    sources: BTreeSet<String>,
}

impl Admin {
    pub fn new(library: Library, sources: impl IntoIterator<Item = String>) -> Self {
        Self { library, sources: sources.into_iter().collect() }
    }
}
