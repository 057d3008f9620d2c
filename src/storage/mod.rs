//! Where originals are kept: named OpenDAL storages behind one type, and how objects are named in them. An object
//! appears whole, on disk and under its final key, or not at all.

mod config;
mod crash;
mod error;
pub mod fs;
mod key;
mod list;
mod owned;
mod pieces;
mod presign;
mod probe;
mod remote;
mod seal;
mod staged;
mod temporary;
mod transport;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use opendal::{Operator, services};
use sha2::{Digest, Sha256};

pub(crate) use config::is_name;
pub use config::{Config, LOCAL, Scheme};
pub use crash::CrashPoint;
pub use error::StorageError;
pub use key::{ContentHash, KeyError, Md5, ObjectKey};
pub use list::Listed;
pub use owned::{Credential, OWNED, OwnedScheme, Settings, SettingsError};
pub use pieces::PieceKey;
pub use presign::Presigned;
pub use probe::{Problem, Step, Trouble};
pub use remote::{Bounds, Reach, Remote};
pub use seal::{Seal, SealError};
pub use staged::StagedKey;
pub use temporary::{Digests, Temporary};

use presign::Presigner;

/// Bytes that arrive in pieces; an error ends them.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// All storages by name; cheap to clone.
#[derive(Clone)]
pub struct Storages {
    all: Arc<BTreeMap<String, Storage>>,
    default: String,
    spool: Arc<Path>,
    crash: CrashPoint,
}

/// One place for objects; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    name: Arc<str>,
    dal: Operator,
    /// Reads of local objects go past OpenDAL, in one hop.
    local: Option<fs::Root>,
    /// S3 with keys.
    presigner: Option<Arc<Presigner>>,
    /// How long a read over a network may take, retries and what they take up half-way included.
    patience: Option<Duration>,
    /// Where bytes wait that are to be sent to a store on the network.
    spool: Arc<Path>,
    crash: CrashPoint,
}

impl Storages {
    /// `local` is files in `data_dir/objects` unless it is configured otherwise. Relative roots are relative to
    /// `base_dir`.
    pub async fn open(
        configs: &BTreeMap<String, Config>,
        default: &str,
        data_dir: &Path,
        base_dir: &Path,
    ) -> Result<Self, StorageError> {
        let mut all = BTreeMap::new();
        for (name, config) in configs {
            config.validate(name).map_err(StorageError::Config)?;
            all.insert(name.clone(), Storage::open(name, config, data_dir, base_dir).await?);
        }
        if !all.contains_key(LOCAL) {
            let config = Config { root: Some(data_dir.join("objects")), ..Config::default() };
            all.insert(LOCAL.to_owned(), Storage::open(LOCAL, &config, data_dir, base_dir).await?);
        }
        if !all.contains_key(default) {
            return Err(StorageError::Config(format!(
                "storage_default names `{default}`, which is not listed in storages"
            )));
        }
        Ok(Self {
            all: Arc::new(all),
            default: default.to_owned(),
            spool: spool(data_dir),
            crash: CrashPoint::default(),
        })
    }

    /// Where new objects go.
    pub fn default(&self) -> &Storage {
        &self.all[&self.default]
    }

    pub fn get(&self, name: &str) -> Result<&Storage, StorageError> {
        self.all.get(name).ok_or_else(|| StorageError::Unknown { name: name.to_owned() })
    }

    /// A user's storage under the name that rows of images know it by. Nothing is asked of it yet.
    pub fn owned(
        &self,
        name: &str,
        settings: &Settings,
        credential: &Credential,
        reach: &Reach,
        timeout: Duration,
    ) -> Result<Storage, StorageError> {
        settings.validate(credential).map_err(|error| StorageError::Config(error.to_string()))?;
        let config = settings.to_config(credential, timeout);
        let dal = config.remote.open_guarded(config.scheme, &settings.root, config.bounds(), reach);
        let dal = dal.map_err(|error| StorageError::from_dal(name, "", error))?;
        Ok(Storage::over(name, dal, &config, Arc::clone(&self.spool), self.crash.clone()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Storage> {
        self.all.values()
    }

    pub fn crash(&self) -> &CrashPoint {
        &self.crash
    }

    /// The same, which die at this point. For tests of what a crash leaves.
    #[must_use]
    pub fn dying_at(&self, crash: &CrashPoint) -> Self {
        let dying = |(name, storage): (&String, &Storage)| {
            (name.clone(), Storage { crash: crash.clone(), ..storage.clone() })
        };
        Self { all: Arc::new(self.all.iter().map(dying).collect()), crash: crash.clone(), ..self.clone() }
    }
}

impl Storage {
    async fn open(
        name: &str,
        config: &Config,
        data_dir: &Path,
        base_dir: &Path,
    ) -> Result<Self, StorageError> {
        let failed = |error| StorageError::from_dal(name, "", error);
        let (spool, crash) = (spool(data_dir), CrashPoint::default());
        let name_ = Arc::from(name);
        match (config.scheme, &config.root) {
            (Scheme::Fs, Some(root)) => {
                let root = base_dir.join(root);
                let dal = services::Fs::default()
                    .root(&root.to_string_lossy())
                    .atomic_write_dir(&root.join(TEMPORARY).to_string_lossy());
                let dal = Operator::new(dal).map_err(failed)?;
                let local = Some(fs::Root::new(&root));
                let storage = Self { name: name_, dal, local, presigner: None, patience: None, spool, crash };
                storage.sweep_temporary().await;
                Ok(storage)
            }
            (Scheme::Memory, _) => {
                let dal = Operator::new(services::Memory::default()).map_err(failed)?;
                Ok(Self { name: name_, dal, local: None, presigner: None, patience: None, spool, crash })
            }
            (scheme, root) => {
                let root = root.as_deref().unwrap_or(Path::new("")).to_string_lossy();
                let dal = config.remote.open(scheme, &root, config.bounds()).map_err(failed)?;
                Ok(Self::over(name, dal, config, spool, crash))
            }
        }
    }

    /// A store on the network.
    fn over(name: &str, dal: Operator, config: &Config, spool: Arc<Path>, crash: CrashPoint) -> Self {
        let root = config.root.as_deref().unwrap_or(Path::new("")).to_string_lossy();
        let presigner = match config.scheme {
            Scheme::S3 => Presigner::of(&config.remote, &root).map(Arc::new),
            _ => None,
        };
        let patience = Some(config.bounds().timeout * ATTEMPTS);
        Self { name: name.into(), dal, local: None, presigner, patience, spool, crash }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What speaks to the store: `fs`, `s3`, …
    pub fn scheme(&self) -> &'static str {
        self.dal.info().scheme()
    }

    /// Stores bytes under the key of their content; on return they are on disk. Storing them again does nothing.
    pub async fn put_bytes(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        if self.holds(key, bytes.len() as u64).await? {
            return Ok(());
        }
        self.write_whole(key, bytes).await?;
        self.sync_folders(key).await
    }

    /// The same from pieces that are `len` bytes together. They are hashed on the way: what is not the content that
    /// the key was made from must not be stored under it.
    pub async fn put_stream<S>(
        &self,
        key: &ObjectKey,
        hash: &ContentHash,
        len: u64,
        pieces: S,
    ) -> Result<(), StorageError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        if self.holds(key, len).await? {
            return Ok(());
        }
        if !self.dal.info().capability().write_can_multi {
            let whole = self.gather(hash, len, pieces).await?;
            return self.write_whole(key, whole).await;
        }
        let writer = self.dal.writer_with(key.as_str()).chunk(WRITE_PIECE).await;
        let mut writer = writer.map_err(|error| self.failed(key, error))?;
        match self.copy(key, hash, pieces, &mut writer).await {
            Ok(()) => self.sync_folders(key).await,
            Err(error) => {
                // The temporary file goes; should this fail too, the sweep at a later start has it.
                let _ = writer.abort().await;
                Err(error)
            }
        }
    }

    /// [`Storage::put_stream`] of what another storage holds.
    pub async fn put_verified(
        &self,
        key: &ObjectKey,
        hash: &ContentHash,
        len: u64,
        pieces: ByteStream,
    ) -> Result<(), StorageError> {
        self.put_stream(key, hash, len, pieces.map_err(std::io::Error::other)).await
    }

    /// The whole object, unless it is larger than `limit` bytes.
    pub async fn read(&self, key: &ObjectKey, limit: u64) -> Result<Bytes, StorageError> {
        if let Some(root) = &self.local {
            let read = root.read(key.as_str(), limit).await;
            return Ok(read.map_err(|error| self.fs_failed(key, error))?.1);
        }
        let read = async {
            if self.stat(key).await? > limit {
                return Err(StorageError::TooLarge { limit });
            }
            Ok(self.dal.read(key.as_str()).await.map_err(|error| self.failed(key, error))?.to_bytes())
        };
        self.bounded(read).await
    }

    /// Bytes of a range that lies within the object.
    pub async fn read_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, StorageError> {
        if let Some(root) = &self.local {
            let opened = root.open(key.as_str()).await.map_err(|error| self.fs_failed(key, error))?;
            return opened.read_range(range).await.map_err(|error| self.fs_failed(key, error));
        }
        let read = async {
            let read = self.dal.read_with(key.as_str()).range(range).await;
            Ok(read.map_err(|error| self.failed(key, error))?.to_bytes())
        };
        self.bounded(read).await
    }

    /// The same in pieces, never whole in memory. It is opened before this returns, so what is missing is an error
    /// here and not in the middle of an answer.
    pub async fn stream(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let (storage, key) = (self.clone(), key.clone());
        if let Some(root) = &self.local {
            let opened = root.open(key.as_str()).await.map_err(|error| self.fs_failed(&key, error))?;
            return Ok(opened.stream(range).map_err(move |error| storage.fs_failed(&key, error)).boxed());
        }
        let reader = self.dal.reader_with(key.as_str()).chunk(1 << 20).await;
        let stream = match reader {
            Ok(reader) => reader.into_bytes_stream(range).await,
            Err(error) => Err(error),
        };
        let stream = stream.map_err(|error| self.failed(&key, error))?;
        Ok(stream.map_err(move |error| StorageError::from_io(&storage.name, error)).boxed())
    }

    /// The object's length in bytes.
    pub async fn stat(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        if let Some(root) = &self.local {
            let stat = root.stat(key.as_str()).await;
            return Ok(stat.map_err(|error| self.fs_failed(key, error))?.len);
        }
        let stat = self.dal.stat(key.as_str()).await;
        Ok(stat.map_err(|error| self.failed(key, error))?.content_length())
    }

    /// Deleting what is not there is no error.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.dal.delete(key.as_str()).await.map_err(|error| self.failed(key, error))
    }

    /// Where the object lies, if it is a file of this machine.
    pub fn path(&self, key: &ObjectKey) -> Option<PathBuf> {
        self.local.as_ref().map(|root| root.path().join(key.as_str()))
    }

    /// Whether the storage works, for `/readyz` and `pixedge check`; the error says what is wrong.
    pub async fn check(&self) -> Result<(), StorageError> {
        self.probe().await.map_err(|trouble| StorageError::Broken { name: self.name.to_string(), trouble })
    }

    /// A connection that is cut again and again is one where each attempt comes a little further.
    async fn bounded<T>(
        &self,
        read: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match self.patience {
            Some(patience) => tokio::time::timeout(patience, read)
                .await
                .unwrap_or_else(|_| Err(StorageError::Timeout { name: self.name.to_string() })),
            None => read.await,
        }
    }

    async fn copy(
        &self,
        key: &ObjectKey,
        hash: &ContentHash,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
        writer: &mut opendal::Writer,
    ) -> Result<(), StorageError> {
        let mut pieces = pin!(pieces);
        let mut hasher = Sha256::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| StorageError::from_io(&self.name, error))?;
            hasher.update(&piece);
            writer.write(piece).await.map_err(|error| self.failed(key, error))?;
        }
        if ContentHash(hasher.finalize().into()) != *hash {
            return Err(StorageError::Changed);
        }
        writer.close().await.map_err(|error| self.failed(key, error)).map(|_| ())
    }

    /// A server that takes an object only in one request.
    async fn gather(
        &self,
        hash: &ContentHash,
        len: u64,
        pieces: impl Stream<Item = std::io::Result<Bytes>> + Send,
    ) -> Result<Bytes, StorageError> {
        let mut pieces = pin!(pieces);
        let mut whole = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        while let Some(piece) = pieces.next().await {
            whole.extend_from_slice(&piece.map_err(|error| StorageError::from_io(&self.name, error))?);
        }
        let same = ContentHash(Sha256::digest(&whole).into()) == *hash;
        if same { Ok(whole.into()) } else { Err(StorageError::Changed) }
    }

    async fn write_whole(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        self.write_now(key.as_str(), bytes).await.map_err(|error| self.failed(key, error))
    }

    /// A WebDAV server shows what it has of an object while it is being sent, so that happens under another name.
    async fn write_now(&self, path: &str, bytes: Bytes) -> opendal::Result<()> {
        if self.dal.info().scheme() != Scheme::Webdav.name() {
            let mut writer = self.dal.writer(path).await?;
            let written = match writer.write(bytes).await {
                Ok(()) => writer.close().await.map(|_| ()),
                Err(error) => Err(error),
            };
            if written.is_err() {
                // Or each try on a full disk would leave a file.
                let _ = writer.abort().await;
            }
            return written;
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| opendal::Error::new(opendal::ErrorKind::Unexpected, error.to_string()))?;
        let unfinished = format!("{TEMPORARY}/{:032x}", u128::from_ne_bytes(random));
        self.dal.write(&unfinished, bytes).await?;
        let renamed = self.dal.rename(&unfinished, path).await;
        if renamed.is_err() {
            let _ = self.dal.delete(&unfinished).await;
        }
        renamed
    }

    /// Content-addressed and written whole: an object of the right name and length is the right one.
    async fn holds(&self, key: &ObjectKey, len: u64) -> Result<bool, StorageError> {
        match self.stat(key).await {
            Ok(stored) => Ok(stored == len),
            Err(StorageError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn sync_folders(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let Some(path) = self.path(key) else { return Ok(()) };
        let key = key.clone();
        let synced = fs::blocking(move || Ok(sync_folders(&path, &key))).await;
        synced
            .map_err(|error| StorageError::from_fs(&self.name, "", error))?
            .map_err(|error| StorageError::from_io(&self.name, error))
    }

    /// What a killed process left half-written. Younger files may belong to another process that still writes.
    async fn sweep_temporary(&self) {
        for name in self.abandoned(ABANDONED).await {
            let removed = self.discard(&name).await;
            tracing::info!(storage = self.name(), name, ok = removed.is_ok(), "swept a half-written object");
        }
    }

    fn temporary_dir(&self) -> PathBuf {
        match &self.local {
            // Beneath the root, because a rename is atomic only within one file system.
            Some(root) => root.path().join(TEMPORARY),
            None => self.spool.to_path_buf(),
        }
    }

    fn failed(&self, key: &ObjectKey, error: opendal::Error) -> StorageError {
        StorageError::from_dal(&self.name, key.as_str(), error)
    }

    fn fs_failed(&self, key: &ObjectKey, error: fs::FsError) -> StorageError {
        StorageError::from_fs(&self.name, key.as_str(), error)
    }
}

/// OpenDAL's fs syncs the file before it renames it and leaves the folders unsynced, so the name could be lost with the
/// power although the bytes are there.
fn sync_folders(path: &Path, key: &ObjectKey) -> std::io::Result<()> {
    let mut folders = path.ancestors().skip(1).take(key.as_str().split('/').count());
    folders.try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
}

/// Where bytes wait that are to be sent to a store on the network.
fn spool(data_dir: &Path) -> Arc<Path> {
    data_dir.join("incoming").into()
}

/// As many as `remote.rs` makes.
const ATTEMPTS: u32 = 3;
const TEMPORARY: &str = ".temporary";
/// What begins so is there on purpose; who put it there removes it.
const KEPT: &str = "kept-";
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// OpenDAL's fs takes a hop through the blocking pool for every write.
const WRITE_PIECE: usize = 1 << 20;

#[cfg(test)]
mod tests;
