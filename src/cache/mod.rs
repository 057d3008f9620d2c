//! The cache of results and originals: by key, in memory and on disk, and each made only once however many ask.

mod config;
mod disk;
mod entry;
mod flight;
mod handover;
mod hybrid;
mod key;
mod large;
mod negative;
mod originals;
#[cfg(test)]
mod tests;
mod weighed;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use config::Config;
pub use disk::DiskError;
pub use entry::Entry;
pub use flight::{Commit, Flights, Role};
pub use handover::Handover;
pub use hybrid::{DiskStatus, Hybrid, Tier};
pub use key::{ENGINE_VERSION, Identity, Key};
pub use large::LargeFile;
pub use negative::{LONGEST as LONGEST_NEGATIVE, Negative};
pub use originals::Originals;
pub use weighed::Weighed;

use crate::error::{Fault, Kind};
use crate::telemetry::metrics::{CacheTier, Metrics};
use large::Large;

/// Both tiers and the work that is under way. `E` is the error of the work.
pub struct Cache<E> {
    tiers: Arc<Hybrid>,
    large: Arc<Large>,
    /// What other processes made for this one; none where nothing is kept on disk.
    handover: Option<Handover>,
    originals: Originals,
    flights: Flights<Key, (Arc<Entry>, Outcome), E>,
}

/// An entry and how it was come by.
#[derive(Debug, Clone)]
pub struct Found {
    pub entry: Arc<Entry>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Memory,
    Disk,
    /// Made for this caller.
    Miss,
    /// Made for another caller, whom this one joined.
    Collapsed,
}

/// The work for a key ended without a result: it panicked, or the server is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work ended without a result")]
pub struct Lost;

impl<E: From<Lost> + Send + Sync + 'static> Cache<E> {
    /// `root` is the folder of the disk tier. Must be called on a tokio runtime.
    pub async fn open(config: &Config, root: PathBuf, metrics: Arc<Metrics>) -> Self {
        let large = Large::open(&root, config::Layout::new(config).large);
        let handover = (config.disk.0 > 0).then(|| Handover::new(&root));
        let originals = Originals::open(&root, usize::try_from(config.originals.0).unwrap_or(usize::MAX));
        let tiers = Hybrid::open(config, root, metrics).await;
        Self { tiers: Arc::new(tiers), large: Arc::new(large), handover, originals, flights: Flights::new() }
    }

    /// The entry for `key`, made by `work` if there is no fresh one. All who ask for the same key meanwhile share one
    /// run of the work and its error. The work is handed a [`Commit`], to be called when it has come so far that its
    /// result is worth having: until then it is cancelled if all who wait for it leave.
    pub async fn get_or_render<F, Fut>(&self, key: Key, work: F) -> Result<Found, Arc<E>>
    where
        F: FnOnce(Commit) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Entry, E>> + Send + 'static,
    {
        if let Some(found) = self.get_memory(&key) {
            return Ok(found);
        }
        let (tiers, large) = (Arc::clone(&self.tiers), Arc::clone(&self.large));
        let handover = self.handover.clone();
        let (result, role) = self
            .flights
            .join(key, move |commit| async move {
                // Memory again too: the flight before this one may have landed since the look above.
                if let Some((entry, tier)) = tiers.get(&key).await
                    && !entry.is_expired(now_ms())
                {
                    return Ok((entry, tier.into()));
                }
                if let Some(entry) = large.get(&key).filter(|entry| !entry.is_expired(now_ms())) {
                    return Ok((entry, Outcome::Disk));
                }
                let handed = match &handover {
                    Some(handover) => handover.take(&key).await,
                    None => None,
                };
                let (entry, outcome) = match handed.filter(|entry| !entry.is_expired(now_ms())) {
                    Some(entry) => (entry, Outcome::Disk),
                    None => (work(commit).await?, Outcome::Miss),
                };
                // For those who wait for it now and nobody else.
                if entry.is_expired(now_ms()) {
                    return Ok((Arc::new(entry), outcome));
                }
                let entry = match entry.encoded_len() > tiers.max_entry() {
                    true => large.put(key, entry).await,
                    false => Arc::new(entry),
                };
                if entry.file.is_none() {
                    tiers.insert(key, &entry);
                }
                Ok((entry, outcome))
            })
            .await;
        let (entry, outcome) = result?;
        let outcome = match (outcome, role) {
            (Outcome::Miss, Role::Follower) => Outcome::Collapsed,
            (outcome, _) => outcome,
        };
        Ok(Found { entry, outcome })
    }

    /// The entry if it is in memory, without waiting for anything.
    pub fn get_memory(&self, key: &Key) -> Option<Found> {
        let entry = self.tiers.get_memory(key).filter(|entry| !entry.is_expired(now_ms()))?;
        Some(Found { entry, outcome: Outcome::Memory })
    }

    /// Whether an entry is small enough to be kept at all.
    pub fn keeps(&self, entry: &Entry) -> bool {
        if entry.is_expired(now_ms()) {
            return false;
        }
        entry.encoded_len() <= self.tiers.max_entry() && entry.file.is_none()
            || self.large.keeps(usize::try_from(entry.len()).unwrap_or(usize::MAX))
    }

    /// The tiers without the single flight: for looking something up, and for what is made elsewhere.
    pub fn tiers(&self) -> &Hybrid {
        &self.tiers
    }

    /// What came over a network.
    pub fn originals(&self) -> &Originals {
        &self.originals
    }

    /// The graceful end: what is queued is written.
    pub async fn close(&self) {
        self.originals.flush().await;
        self.tiers.close().await;
    }
}

impl Outcome {
    /// The label under which it is counted.
    pub fn tier(self) -> CacheTier {
        match self {
            Self::Memory => CacheTier::Memory,
            Self::Disk => CacheTier::Disk,
            Self::Miss => CacheTier::Miss,
            Self::Collapsed => CacheTier::Collapsed,
        }
    }
}

impl From<Tier> for Outcome {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Memory => Self::Memory,
            Tier::Disk => Self::Disk,
        }
    }
}

impl Fault for Lost {
    fn kind(&self) -> Kind {
        Kind::Internal
    }

    fn code(&self) -> &'static str {
        "internal"
    }
}

impl Fault for DiskError {
    fn kind(&self) -> Kind {
        Kind::Internal
    }

    fn code(&self) -> &'static str {
        "internal"
    }

    /// For the operator's `check`; no request ever sees it.
    fn message(&self) -> Cow<'static, str> {
        Cow::Owned(self.to_string())
    }
}

/// Milliseconds since 1970, the clock of [`Entry`]'s times.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
