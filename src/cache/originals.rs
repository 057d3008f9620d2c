//! Originals that came over a network, a file each, so that further sizes of a picture do not fetch it again and a
//! source that is away is not missed at once. They outlive the process; what was asked for longest ago makes room.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::FlockOperation;
use tokio::sync::Semaphore;

use super::{Key, Weighed};

/// The folder of originals, if there is one. Cheap to clone.
#[derive(Clone)]
pub struct Originals {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    folder: PathBuf,
    kept: Weighed<Key, Key>,
    /// What is being written. Who asked for a header soon asks for the rest.
    pending: Mutex<HashMap<Key, Bytes>>,
    /// The longest that is kept: one picture must not push out all others.
    longest: usize,
    next: AtomicU64,
    /// Writes at once. What comes on top is not kept, so that a slow disk holds no pictures in memory.
    writes: Arc<Semaphore>,
    _lock: File,
}

/// Changes with the layout: these, then the BLAKE3 hash of what follows.
const MAGIC: [u8; 4] = *b"PXO1";
const HEADER: usize = 4 + 32;
/// Hashed at once; then others get their turn.
const STEP: usize = 1 << 20;
const WRITES: usize = 8;
const LONGEST: usize = 64 << 20;

impl Originals {
    /// Files below `root`, `capacity` bytes of them; 0 = none. A folder that cannot be used is a warning.
    pub fn open(root: &Path, capacity: usize) -> Self {
        let opened = (capacity > 0).then(|| Inner::open(root, capacity));
        let inner = opened.and_then(|opened| {
            opened.inspect_err(|error| tracing::warn!(%error, "originals of sources are not kept")).ok()
        });
        Self { inner: inner.map(Arc::new) }
    }

    /// Whether it is worth looking.
    pub fn has(&self, key: &Key) -> bool {
        self.inner
            .as_ref()
            .is_some_and(|inner| inner.kept.get(key).is_some() || inner.pending().contains_key(key))
    }

    pub async fn get(&self, key: &Key) -> Option<Bytes> {
        let inner = self.inner.as_ref()?;
        if let Some(bytes) = inner.pending().get(key) {
            return Some(bytes.clone());
        }
        inner.kept.get(key)?;
        let file = tokio::fs::read(inner.path(key)).await.map(Bytes::from);
        let whole = match &file {
            Ok(file) => checked(file).await,
            Err(_) => None,
        };
        if whole.is_none() {
            // Cut off by a crash, damaged, or removed by somebody.
            inner.kept.remove(key);
            let _ = tokio::fs::remove_file(inner.path(key)).await;
        }
        whole
    }

    /// Keeps it, soon. Where that fails it is fetched again one day.
    pub fn put(&self, key: Key, bytes: &Bytes) {
        let Some(inner) = self.inner.clone().filter(|inner| bytes.len() <= inner.longest) else { return };
        let Ok(turn) = Arc::clone(&inner.writes).try_acquire_owned() else { return };
        let bytes = bytes.clone();
        inner.pending().insert(key, bytes.clone());
        tokio::spawn(async move {
            if let Err(error) = inner.write(key, &bytes).await {
                tracing::warn!(%error, "an original could not be kept");
            }
            inner.pending().remove(&key);
            drop(turn);
        });
    }

    /// Returns when everything put so far is on disk or known not to get there.
    pub async fn flush(&self) {
        if let Some(inner) = &self.inner {
            let _ = inner.writes.acquire_many(WRITES as u32).await;
        }
    }
}

impl Inner {
    fn open(root: &Path, capacity: usize) -> io::Result<Self> {
        let folder = root.join("originals");
        fs::create_dir_all(&folder)?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let inner = Self {
            longest: (capacity / 4).min(LONGEST),
            kept: Weighed::new(capacity),
            pending: Mutex::default(),
            next: AtomicU64::new(0),
            writes: Arc::new(Semaphore::new(WRITES)),
            _lock: lock,
            folder,
        };
        let mut found: Vec<(SystemTime, PathBuf, Option<Key>, usize)> = Vec::new();
        for file in fs::read_dir(&inner.folder)?.flatten() {
            let (path, name) = (file.path(), file.file_name());
            if name == "lock" {
                continue;
            }
            let about = file.metadata()?;
            let key = name.to_str().and_then(Key::parse);
            let time = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push((time, path, key, usize::try_from(about.len()).unwrap_or(usize::MAX)));
        }
        found.sort();
        for (_, path, key, len) in found {
            match key.filter(|_| len <= capacity) {
                Some(key) => inner.make_room(key, len),
                // Half-written, or nothing of ours.
                None => drop(fs::remove_file(path)),
            }
        }
        Ok(inner)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<Key, Bytes>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.to_string())
    }

    async fn write(&self, key: Key, bytes: &Bytes) -> io::Result<()> {
        let mut file = Vec::with_capacity(HEADER + bytes.len());
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&hash(bytes).await);
        file.extend_from_slice(bytes);
        let len = file.len();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let new = self.folder.join(format!("{number}.new"));
        let written = async {
            tokio::fs::write(&new, file).await?;
            tokio::fs::rename(&new, self.path(&key)).await
        };
        if let Err(error) = written.await {
            let _ = tokio::fs::remove_file(&new).await;
            return Err(error);
        }
        self.make_room(key, len);
        Ok(())
    }

    fn make_room(&self, key: Key, len: usize) {
        for gone in self.kept.put(key, key, len) {
            // Of its own name the file is the new one.
            if gone != key {
                let _ = fs::remove_file(self.path(&gone));
            }
        }
    }
}

async fn checked(file: &Bytes) -> Option<Bytes> {
    let (magic, rest) = file.split_first_chunk::<4>()?;
    let (expected, _) = rest.split_first_chunk::<32>()?;
    let bytes = file.slice(HEADER..);
    (*magic == MAGIC && hash(&bytes).await == *expected).then_some(bytes)
}

async fn hash(bytes: &Bytes) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for step in bytes.chunks(STEP) {
        hasher.update(step);
        tokio::task::yield_now().await;
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Identity;

    fn key(n: u64) -> Key {
        Key::source(&Identity::Content([7; 32]), n)
    }

    fn bytes(n: u8, len: usize) -> Bytes {
        vec![n; len].into()
    }

    fn files(root: &Path) -> usize {
        fs::read_dir(root.join("originals")).unwrap().count() - 1
    }

    #[tokio::test]
    async fn they_outlive_the_process_and_the_oldest_makes_room() {
        let root = tempfile::tempdir().unwrap();
        let kept = Originals::open(root.path(), 100_000);
        for n in 1..=4 {
            kept.put(key(n.into()), &bytes(n, 20_000));
            kept.flush().await;
        }
        assert_eq!(kept.get(&key(1)).await.unwrap(), bytes(1, 20_000));
        kept.put(key(5), &bytes(5, 24_000));
        kept.flush().await;
        assert!(kept.get(&key(2)).await.is_none(), "was asked for longest ago");
        assert_eq!((kept.get(&key(1)).await.is_some(), files(root.path())), (true, 4));
        // One may take a quarter.
        kept.put(key(6), &bytes(6, 26_000));
        kept.flush().await;
        assert!(kept.get(&key(6)).await.is_none());
        // The same name again is the new content.
        kept.put(key(1), &bytes(9, 10));
        kept.flush().await;
        drop(kept);

        fs::write(root.path().join("originals/7.new"), "half").unwrap();
        let kept = Originals::open(root.path(), 100_000);
        assert_eq!(kept.get(&key(1)).await.unwrap(), bytes(9, 10));
        assert_eq!(files(root.path()), 4);
        drop(kept);
        let less = Originals::open(root.path(), 30_000);
        assert!(files(root.path()) <= 2 && less.get(&key(1)).await.is_some());
    }

    #[tokio::test]
    async fn what_is_damaged_was_never_there_and_a_folder_has_one_owner() {
        let root = tempfile::tempdir().unwrap();
        let kept = Originals::open(root.path(), 100_000);
        for n in 1..=3 {
            kept.put(key(n.into()), &bytes(n, 2000));
        }
        kept.flush().await;
        let path = |n| root.path().join("originals").join(key(n).to_string());
        let whole = fs::read(path(1)).unwrap();
        fs::write(path(1), &whole[..whole.len() - 1]).unwrap();
        fs::write(path(2), [&whole[..1000], b"!", &whole[1001..]].concat()).unwrap();
        fs::write(path(3), "").unwrap();
        for n in 1..=3 {
            assert!(kept.get(&key(n)).await.is_none(), "{n}");
        }
        assert_eq!(files(root.path()), 0);
        let second = Originals::open(root.path(), 100_000);
        second.put(key(1), &bytes(1, 10));
        second.flush().await;
        assert!(second.get(&key(1)).await.is_none());
        assert!(Originals::open(root.path(), 0).get(&key(1)).await.is_none());
    }
}
