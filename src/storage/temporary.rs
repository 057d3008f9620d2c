//! Bytes that are on their way to become an object: a file of this machine that is hashed while it grows and goes when
//! it is dropped. In a folder it becomes the object by a rename; to a store on the network it is sent whole, once it is
//! known that the store lacks it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use md5::{Digest, Md5 as Md5Hasher};
use sha2::Sha256;

use super::fs::{self, OpenFile};
use super::{ByteStream, ContentHash, Md5, ObjectKey, Storage, StorageError, sync_folders};

/// A file that is nobody's yet. Dropped before [`Temporary::promote`] or `Temporary::keep` it is removed.
pub struct Temporary {
    storage: Storage,
    file: Arc<File>,
    path: PathBuf,
    /// Bytes that were taken, those in `pending` included.
    len: u64,
    /// Written together: each write is a hop to another thread.
    pending: Vec<Bytes>,
    pending_len: usize,
    /// `None` = it is a part of something, and read once more if it is asked what it is.
    hashes: Option<Box<Hashes>>,
    /// Whether the file stays when this is dropped.
    kept: bool,
}

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    pub sha256: ContentHash,
    pub md5: Md5,
    pub bytes: u64,
}

/// Both hashes of one pass over the bytes.
#[derive(Default)]
struct Hashes {
    sha256: Sha256,
    md5: Md5Hasher,
}

impl Storage {
    /// A new temporary file for an object of this storage.
    pub async fn begin(&self) -> Result<Temporary, StorageError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| StorageError::from_io(&self.name, io::Error::other(error.to_string())))?;
        self.begin_as(&format!("{:032x}", u128::from_ne_bytes(random))).await
    }

    /// The same under a name. Names that begin with `kept-` are left alone when half-written files are swept.
    pub(super) async fn begin_as(&self, name: &str) -> Result<Temporary, StorageError> {
        let path = self.temporary_dir().join(name);
        let (file, path) = self.blocking(move || Ok((create(&path)?, path))).await?;
        let (storage, file) = (self.clone(), Arc::new(file));
        let hashes = Some(Box::default());
        Ok(Temporary {
            storage,
            file,
            path,
            len: 0,
            pending: Vec::new(),
            pending_len: 0,
            hashes,
            kept: false,
        })
    }

    /// Removes a half-written file; none is no error.
    pub async fn discard(&self, name: &str) -> Result<(), StorageError> {
        let path = self.temporary_dir().join(name);
        self.blocking(move || match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        fs::blocking(|| Ok(work()))
            .await
            .map_err(|error| StorageError::from_fs(&self.name, "", error))?
            .map_err(|error| StorageError::from_io(&self.name, error))
    }
}

impl Temporary {
    /// The name of the storage that the file is to become an object of.
    pub fn storage(&self) -> &str {
        self.storage.name()
    }

    /// Takes a piece in. It is written and hashed away from the threads that serve sockets.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), StorageError> {
        self.len += piece.len() as u64;
        self.pending_len += piece.len();
        self.pending.push(piece);
        if self.pending_len < WRITTEN_AT_ONCE { Ok(()) } else { self.flush().await }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts all bytes on the disk and says what they are.
    pub async fn finish(&mut self) -> Result<Digests, StorageError> {
        self.sync().await?;
        let bytes = self.len;
        let hashes = match self.hashes.take() {
            Some(hashes) => hashes,
            None => {
                let file = Arc::clone(&self.file);
                self.storage.blocking(move || Hashes::of_file(&file)).await?
            }
        };
        let (sha256, md5) = hashes.finish();
        Ok(Digests { sha256, md5, bytes })
    }

    /// Puts the bytes so far on the disk.
    pub async fn sync(&mut self) -> Result<(), StorageError> {
        self.flush().await?;
        let file = Arc::clone(&self.file);
        self.storage.blocking(move || file.sync_data()).await
    }

    /// Lets `work` read the file where it may block; what was written after the last [`Temporary::finish`] may be missing.
    pub async fn inspect<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> T + Send + 'static,
    ) -> Result<T, StorageError> {
        let file = Arc::clone(&self.file);
        self.storage.blocking(move || Ok(work(&file))).await
    }

    /// The bytes so far, in pieces.
    pub async fn stream(&mut self) -> Result<ByteStream, StorageError> {
        self.flush().await?;
        let (storage, len) = (self.storage.clone(), self.len);
        let pieces = OpenFile::of(Arc::clone(&self.file), len).stream(0..len);
        Ok(pieces.map_err(move |error| StorageError::from_fs(storage.name(), "", error)).boxed())
    }

    /// Makes it the object of that key, unless there is one already. It must have been finished.
    pub async fn promote(mut self, key: &ObjectKey, digests: &Digests) -> Result<(), StorageError> {
        let storage = self.storage.clone();
        if storage.holds(key, digests.bytes).await? {
            return Ok(());
        }
        storage.crash.hit("storage.before_promote");
        let Some(root) = storage.local.as_ref().map(|root| root.path().to_owned()) else {
            let opened = OpenFile::of(Arc::clone(&self.file), digests.bytes);
            let pieces = opened.stream(0..digests.bytes).map_err(io::Error::other);
            return storage.put_stream(key, &digests.sha256, digests.bytes, pieces).await;
        };
        let (from, key, crash) = (self.path.clone(), key.clone(), storage.crash.clone());
        // A rename that nobody waits for any more still happens; the file is then no longer where it was.
        storage
            .blocking(move || {
                let to = root.join(key.as_str());
                if let Some(folder) = to.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                std::fs::rename(&from, &to)?;
                crash.hit("storage.renamed");
                sync_folders(&to, &key)
            })
            .await?;
        self.kept = true;
        Ok(())
    }

    /// Leaves the file where it is, with all of its bytes on the disk.
    pub(super) async fn keep(mut self) -> Result<u64, StorageError> {
        self.sync().await?;
        self.kept = true;
        Ok(self.len)
    }

    /// For a file that is only a part of something: what it is nobody will ask.
    #[must_use]
    pub(super) fn unhashed(mut self) -> Self {
        self.hashes = None;
        self
    }

    pub(super) async fn flush(&mut self) -> Result<(), StorageError> {
        let pieces = std::mem::take(&mut self.pending);
        self.pending_len = 0;
        if pieces.is_empty() {
            return Ok(());
        }
        let (file, hashes) = (Arc::clone(&self.file), self.hashes.take());
        self.hashes = self.storage.blocking(move || write(&file, &pieces, hashes)).await?;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // One system call; whoever is gone leaves no more than an entry of a folder to be swept.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Hashes {
    fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.md5.update(piece);
    }

    fn of_file(mut file: &File) -> io::Result<Box<Self>> {
        let mut hashes = Box::<Self>::default();
        let mut piece = vec![0; WRITTEN_AT_ONCE];
        file.rewind()?;
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hashes),
                read => hashes.update(&piece[..read]),
            }
        }
    }

    fn finish(self) -> (ContentHash, Md5) {
        (ContentHash(self.sha256.finalize().into()), Md5(self.md5.finalize().into()))
    }
}

/// OpenDAL's fs takes its time for every write, and so does a hop to another thread: 1 MiB is hashed in some 3 ms.
const WRITTEN_AT_ONCE: usize = 1 << 20;

/// Readable by its owner alone: nobody has decided yet who may see it.
fn create(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            open()
        }
        done => done,
    }
}

fn write(
    mut file: &File,
    pieces: &[Bytes],
    mut hashes: Option<Box<Hashes>>,
) -> io::Result<Option<Box<Hashes>>> {
    for piece in pieces {
        file.write_all(piece)?;
        if let Some(hashes) = &mut hashes {
            hashes.update(piece);
        }
    }
    Ok(hashes)
}
