//! Where an original of `/r/<source>/…` comes from: named folders, stores and web servers that are listed in the
//! configuration. Nothing is read outside of a source's root, and what a source last said of an object is remembered
//! for a moment, its failures too.

mod bucket;
mod config;
mod error;
mod identity;
mod local;
mod path;
mod remote;
mod slot;
mod terms;
mod web;

use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use lru::LruCache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Fault as _;
use crate::storage::fs::Root;
use crate::storage::{Bounds, Scheme};
use crate::telemetry::metrics::Metrics;

pub use crate::units::Policy;
pub use config::{CacheControl, Config};
pub use error::SourceError;
pub use identity::Identity;
pub use path::SourcePath;
pub use slot::{Ledger, Seen, Sighting};
pub use terms::Terms;

use bucket::Bucket;
use error::failed;
use local::{Folder, Memory};
use remote::{ENDED_EARLY, exactly, retrying};
use slot::{Belief, Missing, Slot};
use web::Web;

/// Bytes that arrive in pieces; an error ends them.
pub type ByteStream = BoxStream<'static, Result<Bytes, SourceError>>;

/// All sources by name; cheap to clone.
#[derive(Clone, Default)]
pub struct Sources {
    all: Arc<BTreeMap<String, Source>>,
}

/// One named source; cheap to clone.
#[derive(Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    policy: Policy,
    cache_control: CacheControl,
    belief: Belief,
    timeout: Duration,
    store: Store,
    /// As many reads at once as the store can be asked for.
    reads: Arc<Semaphore>,
    known: Mutex<LruCache<Box<str>, Arc<Slot>>>,
    /// Since when nobody answers, and what was said about it.
    down: Mutex<Option<(Instant, SourceError)>>,
    /// How often the source was asked what an object is.
    asked: AtomicU64,
    /// Where what is known survives a restart.
    ledger: OnceLock<Arc<dyn Ledger>>,
    metrics: OnceLock<Arc<Metrics>>,
}

enum Store {
    Folder(Folder),
    Memory(Memory),
    Bucket(Bucket),
    Web(Box<Web>),
}

/// What a source says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    pub len: u64,
    /// Milliseconds since 1970, where the source knows it.
    pub modified_ms: Option<i64>,
    pub etag: Option<String>,
    identity: Identity,
}

/// An object that was found by listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub len: u64,
    /// Milliseconds since 1970, where the source says so.
    pub modified_ms: Option<i64>,
    pub etag: Option<String>,
}

impl Sources {
    /// Relative roots are relative to `base_dir`. What cannot be reached now is no error: it may come later.
    pub fn new(configs: &BTreeMap<String, Config>, base_dir: &Path) -> Result<Self, SourceError> {
        let mut all = BTreeMap::new();
        for (name, config) in configs {
            config.validate(name).map_err(SourceError::Config)?;
            all.insert(name.clone(), Source::new(name, config, base_dir)?);
        }
        Ok(Self { all: Arc::new(all) })
    }

    pub fn get(&self, name: &str) -> Option<&Source> {
        self.all.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.all.values()
    }

    /// Counts from now on how sources fail, and writes down what those over a network say. The first call counts.
    pub fn note_in(&self, ledger: &Arc<dyn Ledger>, metrics: &Arc<Metrics>) {
        for source in self.iter() {
            let _ = source.inner.metrics.set(Arc::clone(metrics));
            if source.is_remote() {
                let _ = source.inner.ledger.set(Arc::clone(ledger));
            }
        }
    }
}

impl Source {
    fn new(name: &str, config: &Config, base_dir: &Path) -> Result<Self, SourceError> {
        let name: Arc<str> = name.into();
        Ok(Self {
            inner: Arc::new(Inner {
                policy: config.unsigned,
                cache_control: config.cache_control,
                belief: config.belief(),
                timeout: config.timeout.0,
                store: Store::open(&name, config, base_dir)?,
                name,
                reads: Arc::new(Semaphore::new(config.concurrency.get())),
                known: Mutex::new(LruCache::new(REMEMBERED)),
                down: Mutex::default(),
                asked: AtomicU64::new(0),
                ledger: OnceLock::new(),
                metrics: OnceLock::new(),
            }),
        })
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What may be asked for without a signature.
    pub fn policy(&self) -> Policy {
        self.inner.policy
    }

    pub fn cache_control(&self) -> CacheControl {
        self.inner.cache_control
    }

    /// Whether its objects may be named by whole URLs.
    pub fn takes_urls(&self) -> bool {
        matches!(&self.inner.store, Store::Web(web) if web.takes_urls())
    }

    /// Whether reading from it is a matter of a network.
    pub fn is_remote(&self) -> bool {
        matches!(self.inner.store, Store::Bucket(_) | Store::Web(_))
    }

    /// Whether the operator lets the source say how long its objects may be kept.
    pub fn is_followed(&self) -> bool {
        self.inner.belief.follow
    }

    /// What the object is now, asked of the source itself.
    pub async fn stat(&self, path: &SourcePath) -> Result<Stat, SourceError> {
        self.stat_again(path, None).await
    }

    /// The same, where a version of it is known already: who has not changed needs not say it all.
    async fn stat_again(&self, path: &SourcePath, known: Option<&Identity>) -> Result<Stat, SourceError> {
        self.bounded(path, self.ask(path, known)).await
    }

    /// What the object is, from memory where that is fresh enough; see `slot.rs` for what «enough» means.
    pub async fn see(&self, path: &SourcePath) -> Result<Seen, SourceError> {
        self.slot(path).see(self, path).await
    }

    /// Which version of the object there is, as [`Source::see`] knows it.
    pub async fn identity(&self, path: &SourcePath) -> Result<Identity, SourceError> {
        Ok(self.see(path).await?.identity)
    }

    /// The whole object with the identity of what was read, which may be newer than what was remembered: a result
    /// made of it belongs under *this* identity. More than `limit` bytes are refused before they are read.
    pub async fn read_all(&self, path: &SourcePath, limit: u64) -> Result<(Identity, Bytes), SourceError> {
        let read = self.bounded(path, async {
            match &self.inner.store {
                Store::Folder(folder) => folder.read_all(path.as_str(), limit).await,
                Store::Memory(memory) => memory.read_all(path.as_str(), limit).await,
                Store::Bucket(bucket) => bucket.read_all(path.as_str(), limit).await,
                Store::Web(web) => web.read_all(path, limit).await,
            }
        });
        let (identity, bytes) = self.noted(path, read.await)?;
        // Cut off on the way: never to be taken for the picture.
        if bytes.len() as u64 != identity.len() {
            return Err(failed(self.name(), ENDED_EARLY));
        }
        self.learn(path, &self.slot(path), Ok(identity.clone()));
        Ok((identity, bytes))
    }

    /// A range of the object, or with `None` all of it, unless that is more than `limit` bytes.
    pub async fn read(
        &self,
        path: &SourcePath,
        range: Option<Range<u64>>,
        limit: u64,
    ) -> Result<Bytes, SourceError> {
        let Some(range) = range else { return Ok(self.read_all(path, limit).await?.1) };
        if range.end.saturating_sub(range.start) > limit {
            return Err(SourceError::TooManyBytes { limit });
        }
        let (_, mut pieces) = self.stream(path, |_| range).await?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// The object in pieces, never whole in memory, with the identity of what the pieces are of; `range` is given the
    /// length and says which part is wanted. Opening is bounded in time; the pace then is the reader's, and over a
    /// network he keeps his place among the reads until the end.
    pub async fn stream(
        &self,
        path: &SourcePath,
        range: impl FnOnce(u64) -> Range<u64> + Send,
    ) -> Result<(Identity, ByteStream), SourceError> {
        let opened = self.bounded_place(path, async {
            match &self.inner.store {
                Store::Folder(folder) => {
                    folder.stream(path.as_str(), range).await.map(|opened| (opened, None))
                }
                Store::Memory(memory) => {
                    memory.stream(path.as_str(), range).await.map(|opened| (opened, None))
                }
                Store::Bucket(_) | Store::Web(_) => {
                    let expected = self.expected(path).await?;
                    let range = range(expected.len());
                    let wanted = range.end - range.start;
                    if wanted <= SMALL {
                        let whole = self.gather(path, &expected, &range).await?;
                        return Ok(((expected, stream::iter([Ok(whole)]).boxed()), None));
                    }
                    let pieces = self.open(path, &expected, range).await?;
                    Ok(((expected, pieces), Some(wanted)))
                }
            }
        });
        let (((identity, pieces), wanted), place) = self.noted(path, opened.await)?;
        match wanted {
            Some(wanted) => Ok((identity, exactly(self.name(), wanted, pieces, place))),
            None => {
                self.learn(path, &self.slot(path), Ok(identity.clone()));
                Ok((identity, pieces))
            }
        }
    }

    /// A stream over the network, of exactly the expected version.
    async fn open(
        &self,
        path: &SourcePath,
        expected: &Identity,
        range: Range<u64>,
    ) -> Result<ByteStream, SourceError> {
        match &self.inner.store {
            Store::Bucket(bucket) => bucket.stream(path.as_str(), expected, range).await,
            Store::Web(web) => web.stream(path, expected, range).await,
            Store::Folder(_) | Store::Memory(_) => Err(failed(self.name(), "not over a network")),
        }
    }

    /// The bytes of a short range, read again where they were cut off on the way.
    async fn gather(
        &self,
        path: &SourcePath,
        expected: &Identity,
        range: &Range<u64>,
    ) -> Result<Bytes, SourceError> {
        let attempt = || async {
            // Opening has been tried often enough when it fails.
            let pieces = self.open(path, expected, range.clone()).await.map_err(|error| (error, false))?;
            let pieces: Result<Vec<Bytes>, SourceError> = pieces.try_collect().await;
            let bytes = pieces.map_err(|error| (error, true))?.concat();
            let whole = bytes.len() as u64 == range.end - range.start;
            if whole { Ok(bytes.into()) } else { Err((failed(self.name(), ENDED_EARLY), true)) }
        };
        retrying(attempt, |(error, again)| *again && error.is_failure()).await.map_err(|(error, _)| error)
    }

    /// All objects of a store on the network whose path begins with `prefix`. Each page of the list has its own time
    /// limit; what is listed may be gone when it is read.
    pub async fn list(
        &self,
        prefix: &str,
    ) -> Result<BoxStream<'static, Result<Entry, SourceError>>, SourceError> {
        match &self.inner.store {
            Store::Bucket(bucket) => bucket.list(prefix).await,
            Store::Folder(_) | Store::Memory(_) | Store::Web(_) => Err(SourceError::Config(format!(
                "sources.{}: only `s3` and `webdav` can be listed",
                self.name()
            ))),
        }
    }

    /// Puts an object into a `memory` source, which is otherwise empty.
    pub async fn fill(&self, path: &SourcePath, bytes: Bytes) -> Result<(), SourceError> {
        match &self.inner.store {
            Store::Memory(memory) => memory.fill(path.as_str(), bytes).await,
            _ => Err(SourceError::Config(format!("sources.{}: only memory can be filled", self.name()))),
        }
    }

    /// How often the source was asked what an object is, since the start.
    pub fn asked(&self) -> u64 {
        self.inner.asked.load(Ordering::Relaxed)
    }

    /// Whether the source can be reached at all, for `check` and the log at start.
    pub async fn check(&self) -> Result<(), SourceError> {
        let check = async {
            match &self.inner.store {
                Store::Folder(folder) => folder.check().await,
                Store::Memory(_) => Ok(()),
                Store::Bucket(bucket) => bucket.check().await,
                Store::Web(web) => web.check().await,
            }
        };
        tokio::time::timeout(self.inner.timeout, check).await.map_err(|_| self.timed_out())?
    }

    async fn ask(&self, path: &SourcePath, known: Option<&Identity>) -> Result<Stat, SourceError> {
        self.inner.asked.fetch_add(1, Ordering::Relaxed);
        if path.is_url() && !self.takes_urls() {
            return Err(SourceError::NotFound);
        }
        match &self.inner.store {
            Store::Folder(folder) => folder.stat(path.as_str()).await,
            Store::Memory(memory) => memory.stat(path.as_str()).await,
            Store::Bucket(bucket) => bucket.stat(path.as_str()).await,
            Store::Web(web) => web.stat(path, known).await,
        }
    }

    /// The version that a stream over the network has to be of: the last one known, however old, since the answer is
    /// compared with it.
    async fn expected(&self, path: &SourcePath) -> Result<Identity, SourceError> {
        let slot = self.slot(path);
        match slot.last() {
            Some(identity) => Ok(identity),
            None => {
                let identity = self.ask(path, None).await?.identity;
                self.learn(path, &slot, Ok(identity.clone()));
                Ok(identity)
            }
        }
    }

    fn slot(&self, path: &SourcePath) -> Arc<Slot> {
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(path.as_str()) {
            Some(slot) => Arc::clone(slot),
            None => {
                let slot = Arc::<Slot>::default();
                known.put(path.as_str().into(), Arc::clone(&slot));
                slot
            }
        }
    }

    fn ledger(&self) -> Option<&Arc<dyn Ledger>> {
        self.inner.ledger.get()
    }

    /// What the source has said this instant.
    fn learn(&self, path: &SourcePath, slot: &Slot, said: Result<Identity, Missing>) {
        if let Some(ledger) = self.ledger().filter(|_| slot.to_note(&said, self.inner.belief)) {
            match &said {
                Ok(identity) => {
                    let sighting = Sighting { identity: identity.clone(), asked: SystemTime::now() };
                    ledger.note(self.name(), path.as_str(), &sighting);
                }
                Err(Missing) => ledger.forget(self.name(), path.as_str()),
            }
        }
        slot.learn(said);
    }

    /// What reading has shown of the object itself.
    fn noted<T>(&self, path: &SourcePath, read: Result<T, SourceError>) -> Result<T, SourceError> {
        match &read {
            Err(SourceError::NotFound) => self.learn(path, &self.slot(path), Err(Missing)),
            // What is known is wrong, and the next question has to be a real one.
            Err(SourceError::Changed) => self.slot(path).forget(),
            _ => {}
        }
        read
    }

    async fn bounded<T>(
        &self,
        path: &SourcePath,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        Ok(self.bounded_place(path, work).await?.0)
    }

    /// Waits for a place and for the store, together no longer than the source's time limit. What failed a moment ago
    /// fails at once.
    async fn bounded_place<T>(
        &self,
        path: &SourcePath,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<(T, OwnedSemaphorePermit), SourceError> {
        self.fresh_failure(path)?;
        let until = tokio::time::Instant::now() + self.inner.timeout;
        let place = tokio::time::timeout_at(until, Arc::clone(&self.inner.reads).acquire_owned()).await;
        // That we have no place is no failure of the source.
        let place = place.ok().and_then(Result::ok).ok_or_else(|| self.timed_out())?;
        self.fresh_failure(path)?;
        match tokio::time::timeout_at(until, work).await.unwrap_or_else(|_| Err(self.timed_out())) {
            Ok(done) => Ok((done, place)),
            Err(error) => {
                self.note_failure(path, &error);
                Err(error)
            }
        }
    }

    fn fresh_failure(&self, path: &SourcePath) -> Result<(), SourceError> {
        let down = self.inner.down.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, error)) = &*down
            && !path.is_url()
            && since.elapsed() < self.inner.belief.revalidate.min(DOWN)
        {
            return Err(error.clone());
        }
        drop(down);
        self.slot(path).failure(self.inner.belief.revalidate).map_or(Ok(()), Err)
    }

    fn note_failure(&self, path: &SourcePath, error: &SourceError) {
        if !error.is_failure() {
            return;
        }
        if let Some(metrics) = self.inner.metrics.get() {
            metrics.source_error(self.name(), error.code());
        }
        self.slot(path).fail(error.clone());
        // One server behind all paths, but not behind all URLs.
        if matches!(error, SourceError::Unreachable { .. }) && !path.is_url() {
            let mut down = self.inner.down.lock().unwrap_or_else(PoisonError::into_inner);
            *down = Some((Instant::now(), error.clone()));
        }
    }

    fn timed_out(&self) -> SourceError {
        SourceError::Timeout { name: self.name().to_owned() }
    }
}

impl Store {
    fn open(name: &Arc<str>, config: &Config, base_dir: &Path) -> Result<Self, SourceError> {
        let name = Arc::clone(name);
        let max_bytes = config.max_bytes();
        Ok(match (config.scheme, &config.root) {
            (Scheme::Fs, root) => {
                let root = Root::new(&base_dir.join(root.as_deref().unwrap_or(Path::new(""))));
                Self::Folder(Folder { name, root })
            }
            (Scheme::Memory, _) => Self::Memory(Memory::new(name)?),
            (Scheme::Http, _) => Self::Web(Box::new(config.web(&name)?)),
            (scheme @ (Scheme::S3 | Scheme::Webdav), root) => {
                let root = root.as_deref().unwrap_or(Path::new("")).to_string_lossy();
                let bounds = Bounds {
                    timeout: config.timeout.0,
                    concurrency: config.concurrency,
                    max_bytes,
                    immutable: false,
                };
                let dal = config.remote.open(scheme, &root, bounds);
                let dal = dal.map_err(|error| SourceError::Config(format!("sources.{name}: {error}")))?;
                Self::Bucket(Bucket { name, dal, max_bytes })
            }
        })
    }
}

impl Stat {
    /// What tells this state of the object from another.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// Objects whose identity is remembered, a source: some 6 MB when all are in use.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// What is read at once and not in pieces.
const SMALL: u64 = 64 << 10;

/// How long a server that nobody reaches is left alone; `revalidate` where that is shorter.
const DOWN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
