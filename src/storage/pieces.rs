//! Parts of a file that comes in several requests. Each is an object of its own that never changes, beside the others of
//! its storage, so that any process may take the next one and nobody need append to anything. They bear the name of
//! their upload, by which what a crash left is found again.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::str::FromStr;

use futures_util::{StreamExt, TryStreamExt};

use super::{ByteStream, KEPT, KeyError, Storage, StorageError, TEMPORARY, Temporary, fs};

/// `kept-<upload>-<offset>-<random>`: of two that bring the same part neither meets the other's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PieceKey(String);

impl PieceKey {
    /// `upload` is 32 hexadecimal digits.
    pub(super) fn random(upload: &str, offset: u64) -> io::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self(format!("{KEPT}{upload}-{offset}-{:016x}", u64::from_ne_bytes(bytes))))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn path(&self) -> String {
        format!("{TEMPORARY}/{}", self.0)
    }
}

impl FromStr for PieceKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hex = |part: &str, len| {
            part.len() == len && part.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
        };
        let parts: Vec<&str> = text.strip_prefix(KEPT).unwrap_or_default().split('-').collect();
        match parts.as_slice() {
            [upload, offset, random]
                if hex(upload, 32) && hex(random, 16) && offset.parse::<u64>().is_ok() =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(KeyError::new(text, "the name of a part of an upload")),
        }
    }
}

impl fmt::Display for PieceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Storage {
    /// Begins the part of this upload that begins at `offset`. The file is a [`Temporary`] like any other, and may become
    /// an object as it is; only [`Storage::keep_piece`] makes it a part.
    pub async fn begin_piece(
        &self,
        upload: &str,
        offset: u64,
    ) -> Result<(PieceKey, Temporary), StorageError> {
        let key =
            PieceKey::random(upload, offset).map_err(|error| StorageError::from_io(&self.name, error))?;
        // In a folder it is where it will stay from the start.
        let file = match self.local {
            Some(_) => self.begin_as(key.as_str()).await?,
            None => self.begin().await?,
        };
        Ok((key, if offset == 0 { file } else { file.unhashed() }))
    }

    /// Puts the part where others find it; on return it is durable. Returns its length.
    pub async fn keep_piece(&self, key: &PieceKey, mut file: Temporary) -> Result<u64, StorageError> {
        let len = file.len();
        if let Some(root) = &self.local {
            let folder = root.path().join(TEMPORARY);
            file.keep().await?;
            let synced = fs::blocking(|| Ok(File::open(folder)?.sync_all())).await;
            synced
                .map_err(|error| StorageError::from_fs(&self.name, key.as_str(), error))?
                .map_err(|error| StorageError::from_io(&self.name, error))?;
            return Ok(len);
        }
        file.flush().await?;
        let whole = file.inspect(move |file| read_whole(file, len)).await?;
        let whole = whole.map_err(|error| StorageError::from_io(&self.name, error))?;
        let written = self.write_now(&key.path(), whole.into()).await;
        written.map_err(|error| self.piece_failed(key, error))?;
        Ok(len)
    }

    /// The `len` bytes of a part.
    pub async fn piece_stream(&self, key: &PieceKey, len: u64) -> Result<ByteStream, StorageError> {
        let storage = self.clone();
        let reader = self.dal.reader_with(&key.path()).chunk(1 << 20).await;
        let stream = match reader {
            Ok(reader) => reader.into_bytes_stream(0..len).await,
            Err(error) => Err(error),
        };
        let stream = stream.map_err(|error| self.piece_failed(key, error))?;
        Ok(stream.map_err(move |error| StorageError::from_io(&storage.name, error)).boxed())
    }

    /// Discarding what is not there is no error.
    pub async fn discard_piece(&self, key: &PieceKey) -> Result<(), StorageError> {
        self.dal.delete(&key.path()).await.map_err(|error| self.piece_failed(key, error))
    }

    /// Removes every part of an upload, those included that nobody wrote down. Returns how many there were.
    pub async fn discard_pieces(&self, upload: &str) -> Result<u64, StorageError> {
        let prefix = format!("{TEMPORARY}/{KEPT}{upload}-");
        let failed = |error| StorageError::from_dal(&self.name, &prefix, error);
        let mut entries = match self.dal.lister(&prefix).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed(error)),
        };
        let mut discarded = 0;
        loop {
            match entries.try_next().await {
                Ok(None) => return Ok(discarded),
                Ok(Some(entry)) if entry.path().starts_with(&prefix) => {
                    self.dal.delete(entry.path()).await.map_err(failed)?;
                    discarded += 1;
                }
                Ok(Some(_)) => {}
                Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(discarded),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    fn piece_failed(&self, key: &PieceKey, error: opendal::Error) -> StorageError {
        StorageError::from_dal(&self.name, &key.path(), error)
    }
}

fn read_whole(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut whole = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut whole, 0)?;
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_part_it_is() {
        let upload = "0123456789abcdef0123456789abcdef";
        let key = PieceKey::random(upload, 4_194_304).unwrap();
        assert!(key.as_str().starts_with(&format!("kept-{upload}-4194304-")), "{key}");
        assert_eq!(key.as_str().parse::<PieceKey>().unwrap(), key);
        assert_ne!(PieceKey::random(upload, 0).unwrap(), PieceKey::random(upload, 0).unwrap());
        for wrong in ["", "kept-", "kept-1", "../x", &format!("kept-{upload}-x-0123456789abcdef")] {
            assert!(wrong.parse::<PieceKey>().is_err(), "{wrong}");
        }
    }
}
