//! Where an original of `/r/<source>/…` comes from: named folders and stores that are listed in the configuration.
//! Nothing is read outside of a source's root, and what a source last said of an object is remembered for a moment.

mod config;
mod error;
mod identity;
mod path;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use lru::LruCache;
use opendal::{Operator, services};
use tokio::sync::Semaphore;

use crate::storage::fs::{FileStat, FsError, Root};
use crate::storage::Scheme;

pub use crate::units::Policy;
pub use config::{CacheControl, Config};
pub use error::SourceError;
pub use identity::Identity;
pub use path::SourcePath;

use identity::{Missing, Slot};

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
    name: String,
    policy: Policy,
    cache_control: CacheControl,
    revalidate: Duration,
    timeout: Duration,
    store: Store,
    /// As many reads at once as the store can be asked for.
    reads: Semaphore,
    known: Mutex<LruCache<Box<str>, Arc<Slot>>>,
    /// How often the source was asked what an object is.
    asked: AtomicU64,
}

enum Store {
    Fs(Root),
    /// The store has neither ETag nor time, so its versions are counted here.
    Memory(Operator, Mutex<HashMap<String, u64>>),
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

impl Sources {
    /// Relative roots are relative to `base_dir`. A folder that is missing now is no error: it may be mounted later.
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
}

impl Source {
    fn new(name: &str, config: &Config, base_dir: &Path) -> Result<Self, SourceError> {
        let store = match (config.scheme, &config.root) {
            (Scheme::Fs, Some(root)) => Store::Fs(Root::new(&base_dir.join(root))),
            (Scheme::Memory, _) => {
                let dal = Operator::new(services::Memory::default()).map_err(|error| failed(name, error))?;
                Store::Memory(dal, Mutex::default())
            }
            (scheme, _) => {
                return Err(SourceError::NotBuilt { name: name.to_owned(), scheme: scheme.name() });
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                policy: config.unsigned,
                cache_control: config.cache_control,
                revalidate: config.revalidate().0,
                timeout: config.timeout.0,
                store,
                reads: Semaphore::new(config.concurrency.get()),
                known: Mutex::new(LruCache::new(REMEMBERED)),
                asked: AtomicU64::new(0),
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

    /// What the object is now, asked of the source itself.
    pub async fn stat(&self, path: &SourcePath) -> Result<Stat, SourceError> {
        self.bounded(self.ask(path)).await
    }

    /// What the object is, from memory where that is fresh enough; see `identity.rs` for what «enough» means.
    pub async fn identity(&self, path: &SourcePath) -> Result<Identity, SourceError> {
        let slot = {
            let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(path.as_str()) {
                Some(slot) => Arc::clone(slot),
                None => {
                    let slot = Arc::<Slot>::default();
                    known.put(path.as_str().into(), Arc::clone(&slot));
                    slot
                }
            }
        };
        slot.identity(self, path).await
    }

    /// The whole object with the identity of what was read, which may be newer than what was remembered: a result
    /// made of it belongs under *this* identity. More than `limit` bytes are refused before they are read.
    pub async fn read_all(&self, path: &SourcePath, limit: u64) -> Result<(Identity, Bytes), SourceError> {
        let read = self.bounded(async {
            match &self.inner.store {
                Store::Fs(root) => {
                    // A file that is being written is usually whole a moment later; a second torn read is reported.
                    let read = match root.read(path.as_str(), limit).await {
                        Err(FsError::Changed) => root.read(path.as_str(), limit).await,
                        read => read,
                    };
                    let (stat, bytes) = read.map_err(|error| self.fs_failed(error))?;
                    Ok((Identity::of_file(stat), bytes))
                }
                Store::Memory(dal, _) => {
                    let identity = self.ask(path).await?.identity;
                    if identity.len() > limit {
                        return Err(SourceError::TooManyBytes { limit });
                    }
                    let bytes = dal.read(path.as_str()).await.map_err(|error| self.dal_failed(error))?;
                    Ok((identity, bytes.to_bytes()))
                }
            }
        });
        let (identity, bytes) = match read.await {
            Err(SourceError::NotFound) => {
                self.learn(path, Err(Missing));
                return Err(SourceError::NotFound);
            }
            read => read?,
        };
        // Cut off on the way: never to be taken for the picture.
        if bytes.len() as u64 != identity.len() {
            return Err(failed(self.name(), "the object ended early"));
        }
        self.learn(path, Ok(identity.clone()));
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
        self.bounded(async {
            match &self.inner.store {
                Store::Fs(root) => {
                    let opened = root.open(path.as_str()).await.map_err(|error| self.fs_failed(error))?;
                    opened.read_range(range).await.map_err(|error| self.fs_failed(error))
                }
                Store::Memory(dal, _) => {
                    let read = dal.read_with(path.as_str()).range(range).await;
                    Ok(read.map_err(|error| self.dal_failed(error))?.to_bytes())
                }
            }
        })
        .await
    }

    /// The object in pieces, never whole in memory, with the identity of what the pieces are of; `range` is given the
    /// length and says which part is wanted. Opening is bounded in time; the pace then is the reader's.
    pub async fn stream(
        &self,
        path: &SourcePath,
        range: impl FnOnce(u64) -> Range<u64> + Send,
    ) -> Result<(Identity, ByteStream), SourceError> {
        let opened = self.bounded(async {
            match &self.inner.store {
                Store::Fs(root) => {
                    let opened = root.open(path.as_str()).await.map_err(|error| self.fs_failed(error))?;
                    let identity = Identity::of_file(opened.stat);
                    let source = self.clone();
                    let stream = opened.stream(range(identity.len()));
                    Ok((identity, stream.map_err(move |error| source.fs_failed(error)).boxed()))
                }
                Store::Memory(dal, _) => {
                    let identity = self.ask(path).await?.identity;
                    let range = range(identity.len());
                    let reader = dal.reader(path.as_str()).await.map_err(|error| self.dal_failed(error))?;
                    let stream =
                        reader.into_bytes_stream(range).await.map_err(|error| self.dal_failed(error))?;
                    let name = self.name().to_owned();
                    Ok((identity, stream.map_err(move |error| failed(&name, error)).boxed()))
                }
            }
        });
        let (identity, stream) = opened.await?;
        self.learn(path, Ok(identity.clone()));
        Ok((identity, stream))
    }

    /// Puts an object into a `memory` source, which is otherwise empty.
    pub async fn fill(&self, path: &SourcePath, bytes: Bytes) -> Result<(), SourceError> {
        let Store::Memory(dal, versions) = &self.inner.store else {
            return Err(SourceError::Config(format!("sources.{}: only memory can be filled", self.name())));
        };
        dal.write(path.as_str(), bytes).await.map_err(|error| self.dal_failed(error))?;
        let mut versions = versions.lock().unwrap_or_else(PoisonError::into_inner);
        *versions.entry(path.as_str().to_owned()).or_default() += 1;
        Ok(())
    }

    /// How often the source was asked what an object is, since the start.
    pub fn asked(&self) -> u64 {
        self.inner.asked.load(Ordering::Relaxed)
    }

    /// Whether the source can be reached at all, for `check` and the log at start.
    pub async fn check(&self) -> Result<(), SourceError> {
        self.bounded(async {
            match &self.inner.store {
                Store::Fs(root) => root.check().await.map_err(|error| self.fs_failed(error)),
                Store::Memory(dal, _) => dal.check().await.map_err(|error| self.dal_failed(error)),
            }
        })
        .await
    }

    async fn ask(&self, path: &SourcePath) -> Result<Stat, SourceError> {
        self.inner.asked.fetch_add(1, Ordering::Relaxed);
        match &self.inner.store {
            Store::Fs(root) => {
                let stat = root.stat(path.as_str()).await.map_err(|error| self.fs_failed(error))?;
                Ok(Stat::of_file(stat))
            }
            Store::Memory(dal, versions) => {
                let meta = dal.stat(path.as_str()).await.map_err(|error| self.dal_failed(error))?;
                if !meta.is_file() {
                    return Err(SourceError::NotFound);
                }
                let versions = versions.lock().unwrap_or_else(PoisonError::into_inner);
                let version = versions.get(path.as_str()).copied().unwrap_or(0);
                let etag = format!("\"{version}\"");
                let identity = Identity::new(&etag, meta.content_length());
                Ok(Stat { len: meta.content_length(), modified_ms: None, etag: Some(etag), identity })
            }
        }
    }

    fn learn(&self, path: &SourcePath, said: Result<Identity, Missing>) {
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = known.get(path.as_str()) {
            slot.learn(said);
        }
    }

    /// Waits for a place and for the store, together no longer than the source's time limit.
    async fn bounded<T>(&self, work: impl Future<Output = Result<T, SourceError>>) -> Result<T, SourceError> {
        let timed_out = || SourceError::Timeout { name: self.name().to_owned() };
        let work = async {
            let _place = self.inner.reads.acquire().await.map_err(|_| timed_out())?;
            work.await
        };
        tokio::time::timeout(self.inner.timeout, work).await.map_err(|_| timed_out())?
    }

    fn fs_failed(&self, error: FsError) -> SourceError {
        match error {
            FsError::NotFound => SourceError::NotFound,
            FsError::TooLarge { limit } => SourceError::TooManyBytes { limit },
            other => failed(self.name(), other),
        }
    }

    fn dal_failed(&self, error: opendal::Error) -> SourceError {
        match error.kind() {
            opendal::ErrorKind::NotFound
            | opendal::ErrorKind::IsADirectory
            | opendal::ErrorKind::NotADirectory => SourceError::NotFound,
            _ => failed(self.name(), error),
        }
    }
}

impl Stat {
    /// What tells this state of the object from another.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn of_file(stat: FileStat) -> Self {
        let modified_ms = Some(stat.modified_ns.div_euclid(1_000_000));
        Self { len: stat.len, modified_ms, etag: None, identity: Identity::of_file(stat) }
    }
}

/// Objects whose identity is remembered, a source: some 6 MB when all are in use.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

fn failed(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SourceError {
    SourceError::Failed { name: name.to_owned(), source: Arc::from(cause.into()) }
}

#[cfg(test)]
mod tests;
