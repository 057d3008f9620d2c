//! What has to be told to other nodes and learnt from them, so that a caller's rate holds over all nodes together. Each
//! node counts for itself and asks nobody before it answers; what was spent is added up afterwards, and who has spent
//! too much elsewhere is in debt here.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use tokio::sync::Notify;

use super::store::Slot;
use super::{Buckets, Limiter};
use crate::cluster::Spent;

/// Buckets that were taken from, and what was taken.
#[derive(Debug)]
pub struct Spending {
    slots: Vec<Slot>,
    pub spent: Vec<Spent>,
}

/// What was spent since it was last told.
#[derive(Debug)]
pub(super) struct Ledger {
    shards: [Mutex<HashMap<Slot, u64>>; SHARDS],
    hashes: RandomState,
    is_open: AtomicBool,
    /// Rings at the first entry.
    begun: Notify,
    /// Rings when so much was taken from one bucket that the others should know now.
    pressing: Notify,
}

const SHARDS: usize = 16;
/// Buckets a shard takes up between two tellings, some megabyte in all. What exceeds that is counted here alone.
const MOST_IN_SHARD: usize = 2000;
/// Who has taken this part of a full bucket is told of at once.
const PRESSING: u64 = 8;

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            shards: Default::default(),
            hashes: RandomState::new(),
            is_open: AtomicBool::new(false),
            begun: Notify::new(),
            pressing: Notify::new(),
        }
    }

    pub(super) fn add(&self, slot: Slot, tokens: u32, burst: u32) {
        let shard = self.hashes.hash_one(slot) as usize % SHARDS;
        let held = {
            let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
            if shard.len() >= MOST_IN_SHARD && !shard.contains_key(&slot) {
                return;
            }
            let held = shard.entry(slot).or_default();
            *held += u64::from(tokens);
            *held
        };
        if !self.is_open.load(Ordering::Acquire) && !self.is_open.swap(true, Ordering::AcqRel) {
            self.begun.notify_one();
        }
        let pressing = u64::from(burst).div_ceil(PRESSING);
        if held >= pressing && held - u64::from(tokens) < pressing {
            self.pressing.notify_one();
        }
    }

    fn take(&self) -> Vec<(Slot, u64)> {
        // First, so that what comes in meanwhile rings again.
        self.is_open.store(false, Ordering::Release);
        let take =
            |shard: &Mutex<_>| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
        self.shards.iter().flat_map(take).collect()
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// Waits until something was spent, and then for as long as others may go without knowing.
    pub async fn spends(&self, at_most: Duration) {
        let Some(ledger) = &self.ledger else { return std::future::pending().await };
        ledger.begun.notified().await;
        // Or until a caller spends so fast that they must not.
        let _ = tokio::time::timeout(at_most, ledger.pressing.notified()).await;
    }

    /// What was spent since the last time.
    pub fn spending(&self) -> Spending {
        let mut spending = Spending { slots: Vec::new(), spent: Vec::new() };
        for (slot, tokens) in self.ledger.iter().flat_map(Ledger::take) {
            let Some(buckets) = self.buckets_of(slot) else { continue };
            spending.slots.push(slot);
            spending.spent.push(Spent {
                bucket: slot.name(),
                takes: buckets.comes_in(tokens),
                most: buckets.deepest(),
            });
        }
        spending
    }

    /// Takes note of how far the buckets are from full over all nodes; `None` where nobody knows.
    pub fn learn(&self, spending: &Spending, missing: &[Option<Duration>]) {
        for (slot, missing) in spending.slots.iter().zip(missing) {
            if let (Some(buckets), Some(missing)) = (self.buckets_of(*slot), missing) {
                buckets.owe(*slot, *missing);
            }
        }
    }

    fn buckets_of(&self, slot: Slot) -> Option<&Buckets<C>> {
        match slot {
            Slot::Key(_) => self.keys.as_ref(),
            _ => self.addresses.as_ref(),
        }
    }
}
