//! Objects on their way in: written under a name of their own while nobody knows yet what they are, and promoted to the
//! key of their content or discarded. What is forgotten is swept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::presign::Presigned;
use super::{ByteStream, KeyError, ObjectKey, Scheme, Storage, StorageError, TEMPORARY, WRITE_PIECE};

/// The name of an object that has no key yet; random, so that nobody meets somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StagedKey(String);

/// An object that is being written. Dropped without [`Staged::finish`] it leaves at most a temporary object behind,
/// which the sweep takes.
pub struct Staged {
    storage: Storage,
    key: StagedKey,
    len: u64,
    sink: Sink,
}

enum Sink {
    Writer(Box<opendal::Writer>),
    /// A server that takes an object in one request only.
    Pieces(Vec<Bytes>),
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: ObjectKey,
    pub bytes: u64,
    /// Milliseconds since 1970, where the store tells.
    pub modified_ms: Option<i64>,
}

impl StagedKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn path(&self) -> String {
        format!("{TEMPORARY}/{}", self.0)
    }
}

impl FromStr for StagedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() == 32 && text.bytes().all(hex) {
            return Ok(Self(text.to_owned()));
        }
        Err(KeyError::new(text, "the name of an object on its way in"))
    }
}

impl fmt::Display for StagedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Staged {
    pub fn key(&self) -> &StagedKey {
        &self.key
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub async fn write(&mut self, piece: Bytes) -> Result<(), StorageError> {
        self.len += piece.len() as u64;
        match &mut self.sink {
            Sink::Writer(writer) => {
                writer.write(piece).await.map_err(|error| self.storage.staged_failed(&self.key, error))
            }
            Sink::Pieces(pieces) => {
                pieces.push(piece);
                Ok(())
            }
        }
    }

    /// The object is there now, under its own name only.
    pub async fn finish(self) -> Result<StagedKey, StorageError> {
        let Self { storage, key, sink, .. } = self;
        let done = match sink {
            Sink::Writer(mut writer) => match writer.close().await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let _ = writer.abort().await;
                    Err(error)
                }
            },
            Sink::Pieces(pieces) => {
                storage.dal.write(&key.path(), opendal::Buffer::from(pieces)).await.map(|_| ())
            }
        };
        done.map_err(|error| storage.staged_failed(&key, error))?;
        Ok(key)
    }

    pub async fn abort(self) -> Result<(), StorageError> {
        match self.sink {
            Sink::Writer(mut writer) => {
                writer.abort().await.map_err(|error| self.storage.staged_failed(&self.key, error))
            }
            Sink::Pieces(_) => Ok(()),
        }
    }
}

impl Storage {
    /// Begins an object whose content is not known yet.
    pub async fn stage(&self) -> Result<Staged, StorageError> {
        let key = self.staged_key()?;
        let sink = if self.dal.info().capability().write_can_multi {
            let writer = self.dal.writer_with(&key.path()).chunk(WRITE_PIECE).await;
            Sink::Writer(Box::new(writer.map_err(|error| self.staged_failed(&key, error))?))
        } else {
            Sink::Pieces(Vec::new())
        };
        Ok(Staged { storage: self.clone(), key, len: 0, sink })
    }

    /// A name for an object that somebody else will bring by [`Storage::presign_put`].
    pub fn staged_key(&self) -> Result<StagedKey, StorageError> {
        StagedKey::random().map_err(|error| StorageError::from_io(&self.name, error))
    }

    /// Whether [`Storage::presign_put`] works here.
    pub fn can_presign(&self) -> bool {
        self.presigner.is_some()
    }

    /// A `PUT` of exactly so many bytes of this type, for whoever has the URL, until it expires (a week at most); `now`
    /// is in milliseconds since 1970. What arrived must be frozen before it is looked at: the URL still works.
    pub fn presign_put(
        &self,
        key: &StagedKey,
        size: u64,
        media_type: &str,
        expires: Duration,
        now: i64,
    ) -> Result<Presigned, StorageError> {
        let presigner = self
            .presigner
            .as_ref()
            .ok_or_else(|| StorageError::NoPresigning { name: self.name.to_string() })?;
        Ok(presigner.put(&key.path(), size, media_type, expires, now))
    }

    /// Moves an object that somebody may still write to under a name that only we know.
    pub async fn freeze(&self, key: &StagedKey) -> Result<StagedKey, StorageError> {
        let frozen = self.staged_key()?;
        self.shift(key, &frozen.path()).await?;
        Ok(frozen)
    }

    /// The length in bytes.
    pub async fn staged_len(&self, key: &StagedKey) -> Result<u64, StorageError> {
        let stat = self.dal.stat(&key.path()).await;
        Ok(stat.map_err(|error| self.staged_failed(key, error))?.content_length())
    }

    pub async fn staged_stream(&self, key: &StagedKey, len: u64) -> Result<ByteStream, StorageError> {
        let (storage, path) = (self.clone(), key.path());
        let reader = self.dal.reader_with(&path).chunk(1 << 20).await;
        let stream = match reader {
            Ok(reader) => reader.into_bytes_stream(0..len).await,
            Err(error) => Err(error),
        };
        let stream = stream.map_err(|error| self.staged_failed(key, error))?;
        Ok(stream.map_err(move |error| StorageError::from_io(&storage.name, error)).boxed())
    }

    /// Puts a finished object of `len` bytes under the key of its content, in one step; an object that is there
    /// already stays. That the content is the key's is the caller's word, who hashed it.
    pub async fn promote(&self, staged: &StagedKey, key: &ObjectKey, len: u64) -> Result<(), StorageError> {
        if self.holds(key, len).await? {
            return self.discard(staged).await;
        }
        self.shift(staged, key.as_str()).await?;
        self.sync_folders(key).await
    }

    /// Discarding what is not there is no error.
    pub async fn discard(&self, key: &StagedKey) -> Result<(), StorageError> {
        self.dal.delete(&key.path()).await.map_err(|error| self.staged_failed(key, error))
    }

    /// Removes what nobody finished: temporary objects older than `age`. Returns how many went.
    pub async fn sweep_staged(&self, age: Duration, now: i64) -> Result<u64, StorageError> {
        let before = now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        let failed = |error| StorageError::from_dal(&self.name, TEMPORARY, error);
        let mut entries = match self.dal.lister(&format!("{TEMPORARY}/")).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed(error)),
        };
        let mut swept = 0;
        while let Some(entry) = entries.try_next().await.map_err(failed)? {
            if entry.metadata().is_dir() {
                continue;
            }
            let known = entry.metadata().last_modified();
            let modified = match known {
                Some(modified) => Some(modified),
                None => match self.dal.stat(entry.path()).await {
                    Ok(stat) => stat.last_modified(),
                    Err(error) if error.kind() == opendal::ErrorKind::NotFound => continue,
                    Err(error) => return Err(failed(error)),
                },
            };
            if modified.is_some_and(|modified| modified.into_inner().as_millisecond() < before) {
                self.dal.delete(entry.path()).await.map_err(failed)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Every object, in no order; what is no object of ours is left out.
    pub async fn list(
        &self,
    ) -> Result<impl Stream<Item = Result<Listed, StorageError>> + Send + 'static, StorageError> {
        let storage = self.clone();
        let entries = self.dal.lister_with("").recursive(true).await;
        let entries = entries.map_err(|error| StorageError::from_dal(&self.name, "", error))?;
        Ok(entries.filter_map(move |entry| {
            let storage = storage.clone();
            async move { storage.listed(entry).await.transpose() }
        }))
    }

    async fn listed(&self, entry: opendal::Result<opendal::Entry>) -> Result<Option<Listed>, StorageError> {
        let entry = entry.map_err(|error| StorageError::from_dal(&self.name, "", error))?;
        let Ok(key) = entry.path().parse::<ObjectKey>() else { return Ok(None) };
        let (_, mut metadata) = entry.into_parts();
        // A listing of a folder holds names only.
        if metadata.last_modified().is_none() {
            metadata = match self.dal.stat(key.as_str()).await {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(self.failed(&key, error)),
            };
        }
        let modified_ms = metadata.last_modified().map(|modified| modified.into_inner().as_millisecond());
        Ok(Some(Listed { key, bytes: metadata.content_length(), modified_ms }))
    }

    /// To another path, which shows nothing or everything meanwhile.
    async fn shift(&self, from: &StagedKey, to: &str) -> Result<(), StorageError> {
        let failed = |error| self.staged_failed(from, error);
        let source = from.path();
        let scheme = self.dal.info().scheme();
        if scheme == Scheme::Fs.name() || scheme == Scheme::Webdav.name() {
            return self.dal.rename(&source, to).await.map_err(failed);
        }
        if self.dal.info().capability().copy {
            self.dal.copy(&source, to).await.map_err(failed)?;
        } else {
            let content = self.dal.read(&source).await.map_err(failed)?;
            self.dal.write(to, content).await.map_err(failed)?;
        }
        self.discard(from).await
    }

    fn staged_failed(&self, key: &StagedKey, error: opendal::Error) -> StorageError {
        StorageError::from_dal(&self.name, &key.path(), error)
    }
}
