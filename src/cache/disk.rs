//! The disk store: one foyer engine on one folder, and what is known about how it fails.
//!
//! foyer reports no failed write to whoever made it, drops what does not fit its buffers, and its own tasks keep each
//! other alive after the last handle is gone. So each store runs on a small runtime of its own, which ends all of it;
//! it is fed in batches that fit and waited for; and after each batch the index is asked whether everything arrived.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use foyer::{
    BlockEngineConfig, DeviceBuilder as _, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, HybridCacheProperties, Load, Location, PsyncIoEngineConfig, RecoverMode, Spawner,
};
use rustix::fs::FlockOperation;
use std::sync::Arc;
use tokio::runtime::Runtime;

use super::config::Layout;
use super::entry::{Entry, Stored};
use super::key::Key;

/// Why the disk does not cache. The server goes on without.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("cannot use {path}")]
    Unusable { path: PathBuf, source: io::Error },
    #[error("another process uses {path}")]
    InUse { path: PathBuf },
    #[error("cannot open the store in {path}")]
    Open { path: PathBuf, source: foyer::Error },
    #[error("the store in {path} failed while it was opened")]
    Panicked { path: PathBuf },
    #[error("{lost} of {batch} entries were not written")]
    Lost { lost: usize, batch: usize },
    #[error("the disk did not answer within {} s", WRITE_TIMEOUT.as_secs())]
    Stuck,
    #[error("{path} was removed")]
    Removed { path: PathBuf },
    #[error("reading failed")]
    Read(#[source] foyer::Error),
}

/// One change that the disk must learn of.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write(Arc<Entry>),
    Remove,
}

/// Longer than any batch takes on a disk that works.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Entries begin on a page, with a header before and the key behind.
const PAGE: usize = 4096;
const ENTRY_OVERHEAD: usize = 128;

/// An open store.
pub(super) struct Disk {
    store: HybridCache<Key, Stored>,
    folder: Folder,
    runtime: Option<Runtime>,
}

/// An error if the file system of `root` is all but full.
pub(super) fn has_room(root: &Path) -> Result<(), DiskError> {
    const LEAST: u64 = 1 << 20;
    match rustix::fs::statvfs(root) {
        Ok(room) if room.f_bavail.saturating_mul(room.f_frsize) < LEAST => {
            let source = std::io::ErrorKind::StorageFull.into();
            Err(DiskError::Unusable { path: root.to_owned(), source })
        }
        // A folder that is not there yet is made by opening.
        _ => Ok(()),
    }
}

/// The folder that the store was opened in, held against other processes.
struct Folder {
    path: PathBuf,
    inode: u64,
    _lock: File,
}

impl Disk {
    /// Opens what a former process left in `root`, or starts anew.
    pub(super) async fn open(root: &Path, layout: Layout) -> Result<Self, DiskError> {
        let unusable = |source| DiskError::Unusable { path: root.to_owned(), source };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_name("pixedge-disk")
            .enable_all()
            .build()
            .map_err(unusable)?;
        let spawner = Spawner::from(runtime.handle().clone());
        let folder = root.to_owned();
        // A task, so that its panics (foyer unwraps on the way) are contained, and off the caller's threads.
        let opening = runtime.spawn(async move {
            let folder = Folder::open(&folder, layout)?;
            let store = open_store(&folder.path, layout, spawner).await?;
            Ok((folder, store))
        });
        match opening.await {
            Ok(Ok((folder, store))) => Ok(Self { store, folder, runtime: Some(runtime) }),
            Ok(Err(error)) => {
                runtime.shutdown_background();
                Err(error)
            }
            Err(_) => {
                runtime.shutdown_background();
                Err(DiskError::Panicked { path: root.to_owned() })
            }
        }
    }

    pub(super) async fn read(&self, key: &Key) -> Result<Option<Arc<Entry>>, DiskError> {
        match self.store.storage().load(key).await {
            Ok(Load::Entry { value, .. }) => Ok(Some(value.0)),
            Ok(Load::Piece { piece, .. }) => Ok(Some(Arc::clone(&piece.value().0))),
            Ok(Load::Miss | Load::Throttled) => Ok(None),
            Err(error) => Err(DiskError::Read(error)),
        }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.store.storage().may_contains(key)
    }

    /// Returns when all changes have reached the file system, or it is known that they have not.
    pub(super) async fn write(&self, changes: &[(Key, Change)]) -> Result<(), DiskError> {
        self.folder.still_there()?;
        for (key, change) in changes {
            match change {
                Change::Write(entry) => {
                    let to_disk_only = HybridCacheProperties::default().with_location(Location::OnDisk);
                    self.store.insert_with_properties(*key, Stored(Arc::clone(entry)), to_disk_only);
                }
                Change::Remove => self.store.storage().delete(key),
            }
        }
        if tokio::time::timeout(WRITE_TIMEOUT, self.store.storage().wait()).await.is_err() {
            return Err(DiskError::Stuck);
        }
        let lost = changes
            .iter()
            .filter(|(key, change)| matches!(change, Change::Write(_)) && !self.contains(key))
            .count();
        if lost == 0 { Ok(()) } else { Err(DiskError::Lost { lost, batch: changes.len() }) }
    }

    /// Whether everything that was handed over has been dealt with. A store that hangs must not be dropped: its
    /// threads still use its files.
    pub(super) async fn close(&self) -> bool {
        matches!(tokio::time::timeout(WRITE_TIMEOUT, self.store.close()).await, Ok(Ok(())))
    }

    /// What one entry takes of a batch and of the store's buffers.
    pub(super) fn padded(entry: &Entry) -> usize {
        (entry.encoded_len() + ENTRY_OVERHEAD).next_multiple_of(PAGE)
    }

    #[cfg(test)]
    pub(super) fn written_bytes(&self) -> usize {
        self.store.statistics().disk_write_bytes()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Folder {
    /// `root/lock`, and beside it one folder named after the layout: blocks of another size or number would be read at
    /// the wrong places.
    fn open(root: &Path, layout: Layout) -> Result<Self, DiskError> {
        let unusable = |source| DiskError::Unusable { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DiskError::InUse { path: root.to_owned() });
            }
            Err(error) => return Err(unusable(error.into())),
        }
        let name = format!("{LAYOUT_PREFIX}{}x{}", layout.disk / layout.block, layout.block);
        for other in fs::read_dir(root).map_err(unusable)?.flatten() {
            let other_name = other.file_name();
            let other_name = other_name.to_string_lossy();
            if other_name.starts_with(LAYOUT_PREFIX) && other_name != name {
                let _ = fs::remove_dir_all(other.path());
            }
        }
        let path = root.join(name);
        fs::create_dir_all(&path).map_err(unusable)?;
        let inode = fs::metadata(&path).map_err(unusable)?.ino();
        Ok(Self { path, inode, _lock: lock })
    }

    /// A removed folder takes writes without an error until the process ends, and then all is gone.
    fn still_there(&self) -> Result<(), DiskError> {
        match fs::metadata(&self.path) {
            Ok(found) if found.ino() == self.inode => Ok(()),
            _ => Err(DiskError::Removed { path: self.path.clone() }),
        }
    }
}

const LAYOUT_PREFIX: &str = "blocks-1-";

async fn open_store(
    path: &Path,
    layout: Layout,
    spawner: Spawner,
) -> Result<HybridCache<Key, Stored>, DiskError> {
    let open = |source| DiskError::Open { path: path.to_owned(), source };
    let device = FsDeviceBuilder::new(path).with_capacity(layout.disk).build().map_err(open)?;
    // The largest entry must fit. Two buffers of this size are mapped, but only what batches touch becomes resident.
    let buffers = layout.batch.max(layout.max_entry) + layout.block.min(1 << 20);
    let engine = BlockEngineConfig::new(device)
        .with_block_size(layout.block)
        .with_flushers(1)
        .with_buffer_pool_size(buffers)
        .with_submit_queue_size_threshold(2 * buffers)
        .with_tombstone_log(true);
    HybridCacheBuilder::new()
        .with_name("pixedge")
        .with_policy(HybridCachePolicy::WriteOnInsertion)
        .with_flush_on_close(false)
        // Only a passage: the memory tier is ours, so that it outlives a store that is opened anew.
        .memory(1)
        .with_shards(1)
        .storage()
        .with_spawner(spawner)
        .with_io_engine_config(PsyncIoEngineConfig::new())
        .with_engine_config(engine)
        .with_recover_mode(RecoverMode::Quiet)
        .build()
        .await
        .map_err(open)
}
