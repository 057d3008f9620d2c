//! The two tiers. Memory answers without waiting; the disk keeps what was made through a restart. What is inserted is
//! in memory at once and on disk a moment later, written by one task in batches, so that a burst is queued instead of
//! dropped and a full or broken disk is nobody's error: the task counts it, pauses and opens the store anew.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use foyer::{Cache as MemoryCache, CacheBuilder, S3FifoConfig};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::config::{Config, Layout};
use super::disk::{Change, Disk, DiskError, has_room};
use super::entry::Entry;
use super::key::Key;
use crate::telemetry::metrics::Metrics;

/// Where an entry was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Memory,
    Disk,
}

/// How the disk tier is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskStatus {
    /// Not configured.
    Off,
    Up,
    /// Not taking writes; the text says why. It is opened anew by itself.
    Down(String),
}

/// The cache of results and originals; reached through an `Arc`.
pub struct Hybrid {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// The first pause after a failure; doubled up to [`LONGEST_PAUSE`] while it fails again.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Stores that hang are kept, because their threads still use their files; after so many the disk is given up.
const MOST_HANGING: usize = 2;

/// Removals that wait for a broken disk are remembered up to here.
const MOST_REMOVALS: usize = 100_000;

impl Hybrid {
    /// `root` is the folder of the disk tier. A disk that cannot be used is a warning, not an error. Must be called on
    /// a tokio runtime.
    pub async fn open(config: &Config, root: PathBuf, metrics: Arc<Metrics>) -> Self {
        Self::open_with(Layout::new(config), root, metrics, FIRST_PAUSE).await
    }

    /// `pause` is the first after a failure.
    pub(super) async fn open_with(
        layout: Layout,
        root: PathBuf,
        metrics: Arc<Metrics>,
        pause: Duration,
    ) -> Self {
        let memory = CacheBuilder::new(layout.memory)
            .with_name("pixedge")
            .with_shards(layout.shards)
            // A hit takes only the shared lock and one atomic, unlike LRU and LFU.
            .with_eviction_config(S3FifoConfig::default())
            .with_weighter(|_: &Key, entry: &Arc<Entry>| entry.weight())
            .build();
        let shared = Arc::new(Shared {
            layout,
            memory,
            disk: RwLock::new(None),
            writable: AtomicBool::new(false),
            queue: Mutex::default(),
            removals: AtomicU64::new(0),
            wake: Notify::new(),
            idle: Notify::new(),
            status: watch::Sender::new(DiskStatus::Off),
            metrics,
        });
        let looked_at = Arc::downgrade(&shared);
        shared.metrics.before_encode(move |metrics| {
            if let Some(shared) = looked_at.upgrade() {
                metrics.cache_memory(shared.memory.usage());
            }
        });
        let mut writer = None;
        if layout.disk > 0 {
            let task = Writer { shared: Arc::clone(&shared), root, pause, hanging: Vec::new() };
            task.try_open().await;
            writer = Some(tokio::spawn(task.run()));
        }
        Self { shared, writer: Mutex::new(writer) }
    }

    /// The fast way: no waiting, no disk. Expired entries are returned too.
    pub fn get_memory(&self, key: &Key) -> Option<Arc<Entry>> {
        self.shared.memory.get(key).map(|record| Arc::clone(record.value()))
    }

    /// Expired entries are returned too; whether a stale one may be served is the caller's rule. An entry from disk
    /// is in memory afterwards and is not written again.
    pub async fn get(&self, key: &Key) -> Option<(Arc<Entry>, Tier)> {
        if let Some(entry) = self.get_memory(key) {
            return Some((entry, Tier::Memory));
        }
        match self.shared.queue().changes.get(key).map(|queued| &queued.change) {
            Some(Change::Write(entry)) => {
                self.shared.remember(key, entry);
                return Some((Arc::clone(entry), Tier::Memory));
            }
            Some(Change::Remove) => return None,
            None => {}
        }
        self.get_disk(key).await.map(|entry| (entry, Tier::Disk))
    }

    /// Keeps an entry: in memory from now on, on disk soon. Entries that are too large are not kept, and counted.
    pub fn insert(&self, key: Key, entry: &Arc<Entry>) {
        let shared = &self.shared;
        if entry.encoded_len() > shared.layout.max_entry {
            shared.metrics.cache_skipped("too_large");
            return;
        }
        let mut queue = shared.queue();
        shared.remember(&key, entry);
        if shared.layout.disk == 0 {
            return;
        }
        if !shared.writable.load(Ordering::Acquire) {
            shared.metrics.cache_skipped("disk_down");
        } else if queue.closed {
            shared.metrics.cache_skipped("closed");
        } else if queue.bytes + Disk::padded(entry) > shared.layout.queue {
            shared.metrics.cache_skipped("queue_full");
        } else {
            queue.push(key, Change::Write(Arc::clone(entry)));
            shared.wake.notify_one();
        }
    }

    /// Forgets an entry, in both tiers and through a restart (the record of removals is bounded, so correctness must
    /// not rest on it: what must never come back needs another key).
    pub fn remove(&self, key: &Key) {
        let shared = &self.shared;
        let mut queue = shared.queue();
        shared.removals.fetch_add(1, Ordering::AcqRel);
        shared.memory.remove(key);
        if shared.layout.disk > 0 && (queue.changes.len() < MOST_REMOVALS || queue.changes.contains_key(key))
        {
            queue.push(*key, Change::Remove);
            shared.wake.notify_one();
        }
    }

    /// The largest body that is kept, roughly: what is larger should be streamed and not be held whole.
    pub fn max_entry(&self) -> usize {
        self.shared.layout.max_entry
    }

    /// How the disk tier is, now and whenever it changes.
    pub fn disk_status(&self) -> watch::Receiver<DiskStatus> {
        self.shared.status.subscribe()
    }

    #[cfg(test)]
    pub(super) fn written_bytes(&self) -> usize {
        self.shared.disk().map_or(0, |disk| disk.written_bytes())
    }

    /// Returns when everything inserted so far is on disk or known not to get there.
    pub async fn flush(&self) {
        loop {
            let idle = self.shared.idle.notified();
            let mut idle = std::pin::pin!(idle);
            idle.as_mut().enable();
            {
                let queue = self.shared.queue();
                if queue.is_written() || !self.shared.writable.load(Ordering::Acquire) {
                    return;
                }
            }
            idle.await;
        }
    }

    /// The graceful end: what is queued is written, then the store is closed. Reads go on from memory.
    pub async fn close(&self) {
        self.shared.queue().closed = true;
        self.shared.wake.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the cache's writer failed");
        }
    }

    async fn get_disk(&self, key: &Key) -> Option<Arc<Entry>> {
        let shared = &self.shared;
        let disk = shared.disk()?;
        let removals = shared.removals.load(Ordering::Acquire);
        let entry = match disk.read(key).await {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "disk cache");
                return None;
            }
        };
        // Under the lock that removals take, or one that ran meanwhile would be undone.
        let queue = shared.queue();
        let removed = shared.removals.load(Ordering::Acquire) != removals
            && (queue.changes.contains_key(key) || !disk.contains(key));
        if removed {
            return None;
        }
        shared.remember(key, &entry);
        Some(entry)
    }
}

impl Drop for Hybrid {
    fn drop(&mut self) {
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            writer.abort();
        }
    }
}

struct Shared {
    layout: Layout,
    memory: MemoryCache<Key, Arc<Entry>>,
    /// Stays for reading while writes have failed.
    disk: RwLock<Option<Arc<Disk>>>,
    writable: AtomicBool,
    queue: Mutex<Queue>,
    /// Counts removals, so that a read can tell that one happened while it waited for the disk.
    removals: AtomicU64,
    wake: Notify,
    idle: Notify,
    status: watch::Sender<DiskStatus>,
    metrics: Arc<Metrics>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self) -> Option<Arc<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_disk(&self, disk: Option<Disk>) -> Option<Arc<Disk>> {
        let mut slot = self.disk.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *slot, disk.map(Arc::new))
    }

    fn set_status(&self, status: DiskStatus) {
        let up = status == DiskStatus::Up;
        self.metrics.cache_disk_up(up);
        self.writable.store(up, Ordering::Release);
        self.status.send_replace(status);
    }

    fn remember(&self, key: &Key, entry: &Arc<Entry>) {
        if entry.weight() <= self.layout.max_in_memory {
            self.memory.insert(*key, Arc::clone(entry));
        } else {
            // An older version must not outlive the new one.
            self.memory.remove(key);
        }
    }
}

/// What the disk has yet to learn, the last change of each key.
#[derive(Default)]
struct Queue {
    changes: HashMap<Key, Queued>,
    /// Keys of `changes` that are not being written right now.
    order: VecDeque<Key>,
    /// Of the entries in `changes`, padded.
    bytes: usize,
    next: u64,
    closed: bool,
}

struct Queued {
    change: Change,
    /// Tells a change from a later one of the same key.
    number: u64,
    in_order: bool,
}

impl Queue {
    fn push(&mut self, key: Key, change: Change) {
        let number = self.next;
        self.next += 1;
        self.bytes += cost(&change);
        let was_in_order = match self.changes.insert(key, Queued { change, number, in_order: true }) {
            Some(old) => {
                self.bytes -= cost(&old.change);
                old.in_order
            }
            None => false,
        };
        if !was_in_order {
            self.order.push_back(key);
        }
    }

    /// The next changes, at most `limit` bytes of them but at least one. They stay findable until they are `done`.
    fn take(&mut self, limit: usize) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while let Some(key) = self.order.front() {
            let Some(queued) = self.changes.get_mut(key) else {
                self.order.pop_front();
                continue;
            };
            bytes += cost(&queued.change).max(1);
            if bytes > limit && !batch.changes.is_empty() {
                break;
            }
            queued.in_order = false;
            batch.changes.push((*key, queued.change.clone()));
            batch.numbers.push(queued.number);
            self.order.pop_front();
        }
        batch
    }

    /// Forgets the changes of a batch, but not those that came for the same keys meanwhile. After a failure the
    /// removals stay: the disk must learn of them when it is back.
    fn done(&mut self, batch: &Batch, failed: bool) {
        for ((key, change), number) in batch.changes.iter().zip(&batch.numbers) {
            let Some(queued) = self.changes.get_mut(key).filter(|queued| queued.number == *number) else {
                continue;
            };
            if failed && matches!(change, Change::Remove) {
                queued.in_order = true;
                self.order.push_back(*key);
            } else {
                self.bytes -= cost(&queued.change);
                self.changes.remove(key);
            }
        }
    }

    /// Drops the entries that wait, and counts them.
    fn drop_writes(&mut self) -> usize {
        let before = self.changes.len();
        self.changes.retain(|_, queued| matches!(queued.change, Change::Remove));
        self.order.retain(|key| self.changes.contains_key(key));
        self.bytes = 0;
        before - self.changes.len()
    }

    fn is_written(&self) -> bool {
        self.changes.is_empty()
    }
}

#[derive(Default)]
struct Batch {
    changes: Vec<(Key, Change)>,
    numbers: Vec<u64>,
}

fn cost(change: &Change) -> usize {
    match change {
        Change::Write(entry) => Disk::padded(entry),
        Change::Remove => 0,
    }
}

/// The one task that writes to the disk.
struct Writer {
    shared: Arc<Shared>,
    root: PathBuf,
    pause: Duration,
    hanging: Vec<Arc<Disk>>,
}

impl Writer {
    async fn run(mut self) {
        let first_pause = self.pause;
        let mut retry = Instant::now() + self.pause;
        loop {
            if self.shared.writable.load(Ordering::Acquire) {
                let batch = self.shared.queue().take(self.shared.layout.batch);
                if batch.changes.is_empty() {
                    if self.shared.queue().closed {
                        break;
                    }
                    self.shared.wake.notified().await;
                } else if self.write(&batch).await {
                    self.pause = first_pause;
                } else {
                    retry = Instant::now() + self.pause;
                }
            } else {
                tokio::select! {
                    () = tokio::time::sleep_until(retry) => {
                        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                        self.reopen().await;
                        retry = Instant::now() + self.pause;
                    }
                    () = self.shared.wake.notified() => if self.shared.queue().closed {
                        break;
                    }
                }
            }
        }
        self.close_store().await;
        self.shared.set_status(DiskStatus::Down("closed".to_owned()));
        self.shared.idle.notify_waiters();
    }

    async fn write(&self, batch: &Batch) -> bool {
        let Some(disk) = self.shared.disk() else { return false };
        let result = disk.write(&batch.changes).await;
        let mut queue = self.shared.queue();
        queue.done(batch, result.is_err());
        if let Err(error) = &result {
            self.failed(error);
            let dropped = queue.drop_writes();
            for _ in 0..dropped + batch.changes.len() {
                self.shared.metrics.cache_skipped("disk_failed");
            }
        }
        if queue.is_written() || result.is_err() {
            self.shared.idle.notify_waiters();
        }
        result.is_ok()
    }

    /// After a failed write the engine's view of its block is wrong, so it is given no second one. It is still read.
    async fn reopen(&mut self) {
        if self.hanging.len() >= MOST_HANGING {
            return;
        }
        self.close_store().await;
        self.try_open().await;
    }

    async fn try_open(&self) {
        // On a full disk foyer panics over a tombstone log that it could not write.
        if let Err(error) = has_room(&self.root) {
            self.failed(&error);
            return;
        }
        match Disk::open(&self.root, self.shared.layout).await {
            Ok(disk) => {
                self.shared.set_disk(Some(disk));
                self.shared.set_status(DiskStatus::Up);
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn close_store(&mut self) {
        if let Some(disk) = self.shared.set_disk(None)
            && !disk.close().await
        {
            self.hanging.push(disk);
        }
    }

    fn failed(&self, error: &DiskError) {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            folder = %self.root.display(),
            "the disk cache takes no writes; going on in memory"
        );
        self.shared.set_status(DiskStatus::Down(error.to_string()));
    }
}
