//! Results that are too large for the two tiers: a file each, so that they are never held in memory while somebody
//! slow takes them. They live as long as the process, and what was asked for longest ago makes room.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use rustix::fs::FlockOperation;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::{Entry, Key, Weighed};

/// The folder of large results, if there is one.
pub(super) struct Large {
    folder: Option<Folder>,
    kept: Weighed<Key, Arc<Entry>>,
}

struct Folder {
    path: PathBuf,
    next: AtomicU64,
    _lock: File,
}

/// A file with the bytes of one result; removed with its last user.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeFile {
    path: PathBuf,
    len: u64,
}

const CHUNK: usize = 256 << 10;

impl Large {
    /// Files below `root`, `capacity` bytes of them; 0 = none. A folder that cannot be used is a warning.
    pub(super) fn open(root: &Path, capacity: usize) -> Self {
        let folder = (capacity > 0).then(|| Folder::open(root));
        let folder = folder.and_then(|opened| {
            opened
                .inspect_err(
                    |error| tracing::warn!(%error, "large results stay in memory while they are sent"),
                )
                .ok()
        });
        Self { folder, kept: Weighed::new(capacity) }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        // Somebody may have emptied the folder, or the disk may be going; it can be made again.
        self.kept
            .get(key)
            .filter(|entry| entry.file.as_ref().is_some_and(|file| File::open(&file.path).is_ok()))
    }

    /// Moves the body of an entry into a file. Where that fails the entry stays as it is, and is not kept.
    pub(super) async fn put(&self, key: Key, entry: Entry) -> Arc<Entry> {
        let Some(folder) = &self.folder else { return Arc::new(entry) };
        let path = folder.path.join(folder.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = LargeFile { path, len: entry.body.len() as u64 };
        if let Err(error) = tokio::fs::write(&file.path, &entry.body).await {
            tracing::warn!(%error, "a large result could not be written");
            return Arc::new(entry);
        }
        let weight = entry.body.len();
        let entry = Arc::new(Entry { body: Bytes::new(), file: Some(Arc::new(file)), ..entry });
        self.kept.put(key, Arc::clone(&entry), weight);
        entry
    }

    pub(super) fn keeps(&self, len: usize) -> bool {
        self.folder.is_some() && len <= self.kept.capacity()
    }
}

impl Folder {
    fn open(root: &Path) -> io::Result<Self> {
        let path = root.join("large");
        fs::create_dir_all(&path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        // What a killed process left behind.
        for left in fs::read_dir(&path)?.flatten() {
            if left.file_name() != "lock" {
                let _ = fs::remove_file(left.path());
            }
        }
        Ok(Self { path, next: AtomicU64::new(0), _lock: lock })
    }
}

impl LargeFile {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of the bytes in pieces. It is opened before this returns, so a file that is gone is an error here.
    pub async fn stream(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let mut file = tokio::fs::File::open(&self.path).await?;
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let left = range.end.saturating_sub(range.start);
        // The file must not be removed before it was sent.
        let state = (file.take(left), Arc::clone(self));
        let pieces = stream::try_unfold(state, |(mut file, held)| async move {
            let mut piece = BytesMut::with_capacity(CHUNK.min(file.limit() as usize));
            let read = if file.limit() == 0 { 0 } else { file.read_buf(&mut piece).await? };
            Ok((read > 0).then(|| (piece.freeze(), (file, held))))
        });
        Ok(pieces.boxed())
    }
}

impl Drop for LargeFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::cache::Identity;

    fn key(n: u64) -> Key {
        Key::source(&Identity::Content([7; 32]), n)
    }

    fn entry(len: usize) -> Entry {
        Entry {
            body: (0..len).map(|i| (i / 3) as u8).collect(),
            mime: "image/png".into(),
            width: 1,
            height: 1,
            created_ms: 1,
            modified_ms: 1,
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        }
    }

    fn files(root: &Path) -> usize {
        fs::read_dir(root.join("large")).unwrap().count() - 1
    }

    async fn part(entry: &Entry, range: Range<u64>) -> Vec<u8> {
        let stream = entry.file.as_ref().unwrap().stream(range).await.unwrap();
        stream.try_collect::<Vec<Bytes>>().await.unwrap().concat()
    }

    #[tokio::test]
    async fn comes_back_whole_and_in_parts_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let large = Large::open(root.path(), 2_000_000);
        let kept = large.put(key(1), entry(1_000_000)).await;
        let bytes = entry(1_000_000).body;
        assert!(kept.body.is_empty() && kept.len() == 1_000_000);
        assert!(part(&kept, 0..1_000_000).await == bytes);
        assert!(part(&kept, 999_990..1_000_000).await == bytes[999_990..]);
        assert!(part(&kept, 5..5).await.is_empty());
        large.put(key(2), entry(900_000)).await;
        assert!(large.get(&key(1)).is_some());
        large.put(key(3), entry(900_000)).await;
        assert!(large.get(&key(2)).is_none());
        // More than all that may be kept is still sent from a file.
        let once = large.put(key(4), entry(2_000_001)).await;
        assert!(large.get(&key(4)).is_none());
        assert_eq!((once.len(), files(root.path())), (2_000_001, 3));
        drop(once);
        drop(large);
        assert!(part(&kept, 0..3).await == bytes[..3]);
        drop(kept);
        assert_eq!(files(root.path()), 0);
    }

    #[tokio::test]
    async fn a_folder_has_one_owner_and_an_unusable_one_is_no_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("large")).unwrap();
        fs::write(root.path().join("large/0"), "left behind").unwrap();
        let first = Large::open(root.path(), 1000);
        assert_eq!(files(root.path()), 0);
        let _kept = first.put(key(9), entry(10)).await;
        assert!(first.get(&key(9)).is_some());
        let second = Large::open(root.path(), 1000);
        assert_eq!(second.put(key(1), entry(10)).await.body.len(), 10);
        fs::remove_dir_all(root.path().join("large")).unwrap();
        assert!(first.get(&key(9)).is_none());
        assert_eq!(first.put(key(1), entry(10)).await.body.len(), 10);
        assert!(!second.keeps(10) && first.keeps(10) && !first.keeps(1001));
    }
}
