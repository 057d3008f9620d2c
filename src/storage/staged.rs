//! Objects that somebody else puts into a storage: under a name of their own while nobody knows yet what they are, and
//! promoted to the key of their content or discarded. What is forgotten is swept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};

use super::presign::Presigned;
use super::{ByteStream, KEPT, KeyError, ObjectKey, PieceKey, Scheme, Storage, StorageError, TEMPORARY};

/// The name of an object that has no key yet; random, so that nobody meets somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StagedKey(String);

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
        if text.len() == 32 && text.bytes().all(hex) || text.parse::<PieceKey>().is_ok() {
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

impl Storage {
    /// A name for an object that somebody else will bring by [`Storage::presign_put`].
    pub fn staged_key(&self) -> Result<StagedKey, StorageError> {
        StagedKey::random().map_err(|error| StorageError::from_io(&self.name, error))
    }

    /// The same for one that waits until somebody says that it is there: it is swept with its upload and not by its age.
    pub fn staged_key_for(&self, upload: &str) -> Result<StagedKey, StorageError> {
        let key = PieceKey::random(upload, 0).map_err(|error| StorageError::from_io(&self.name, error))?;
        Ok(StagedKey(key.to_string()))
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
    pub async fn promote_staged(
        &self,
        staged: &StagedKey,
        key: &ObjectKey,
        len: u64,
    ) -> Result<(), StorageError> {
        if self.holds(key, len).await? {
            return self.discard_staged(staged).await;
        }
        self.shift(staged, key.as_str()).await?;
        self.sync_folders(key).await
    }

    /// Discarding what is not there is no error.
    pub async fn discard_staged(&self, key: &StagedKey) -> Result<(), StorageError> {
        self.dal.delete(&key.path()).await.map_err(|error| self.staged_failed(key, error))
    }

    /// Removes what nobody finished: temporary objects older than `age`, but for parts of uploads that go on. Returns how
    /// many went.
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
            if entry.metadata().is_dir() || entry.name().starts_with(KEPT) {
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
        self.discard_staged(from).await
    }

    fn staged_failed(&self, key: &StagedKey, error: opendal::Error) -> StorageError {
        StorageError::from_dal(&self.name, &key.path(), error)
    }
}
