//! How a picture comes in: sniffed and measured before anything is kept, hashed, stored once per content, recorded.
//! An object is stored before its row is written, so whatever dies in between leaves no row without its bytes.

mod error;
mod import;

use bytes::Bytes;
use futures_util::TryStreamExt;
use md5::{Digest, Md5 as Md5Hasher};
use sha2::Sha256;

use crate::codec::{Header, Limits, Probe, probe};
use crate::db::now_ms;
use crate::library::{Image, Library, NewImage, Sameness, Shape, Stored, Visibility};
use crate::storage::fs::OpenFile;
use crate::storage::{ContentHash, Md5, ObjectKey};

pub use error::UploadError;
pub use import::{Imported, Outcome, Summary};

/// The use case of taking pictures in.
#[derive(Clone)]
pub struct Ingest {
    library: Library,
    limits: Limits,
    visibility: Visibility,
}

/// What is to be recorded beside the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    pub name: String,
    pub owner: Option<i64>,
    /// Milliseconds since 1970.
    pub expires_at: Option<i64>,
    /// Which of the owner's images this one would repeat.
    pub same: Sameness,
}

/// A picture that is in the library now.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    pub image: Image,
    /// The owner had it already; `image` is that one.
    pub duplicate: bool,
}

impl Upload {
    /// Nobody's, for ever, the same by content and name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), owner: None, expires_at: None, same: Sameness::ContentAndName }
    }
}

impl Ingest {
    /// `visibility` is that of new images.
    pub fn new(library: Library, limits: Limits, visibility: Visibility) -> Self {
        Self { library, limits, visibility }
    }

    pub async fn bytes(&self, upload: &Upload, bytes: Bytes) -> Result<Ingested, UploadError> {
        let (header, stored) = self.store_bytes(bytes).await?;
        self.record(upload, &header, stored).await
    }

    /// The same from a file, which is never whole in memory unless its format needs that to be measured.
    pub async fn file(&self, upload: &Upload, file: &OpenFile) -> Result<Ingested, UploadError> {
        let header = self.measure_file(file).await?;
        let len = file.stat.len;
        let mut hashes = Hashes::default();
        let mut pieces = std::pin::pin!(file.clone().stream(0..len));
        while let Some(piece) = pieces.try_next().await? {
            hashes.update(&piece);
        }
        let (sha256, md5) = hashes.finish();
        let key = ObjectKey::for_content(&sha256, header.format.extension());
        let storage = self.library.storages().default();
        let pieces = file.clone().stream(0..len).map_err(std::io::Error::other);
        storage.put_stream(&key, &sha256, len, pieces).await?;
        let stored = Stored { storage: storage.name().to_owned(), key, sha256, md5, bytes: len };
        self.record(upload, &header, stored).await
    }

    /// Sees to it that each picture is there under its fixed id, with this content. Doing it again does nothing.
    pub async fn ensure_demo(&self, pictures: &[(&str, &str, Bytes)]) -> Result<(), UploadError> {
        for (id, name, bytes) in pictures {
            let id = id.parse().map_err(UploadError::Id)?;
            let (header, stored) = self.store_bytes(bytes.clone()).await?;
            let upload = Upload::named(name);
            let new = NewImage {
                id: Some(id),
                visibility: Visibility::Public,
                ..self.new_image(&upload, &header, stored)
            };
            let Some(id) = &new.id else { continue };
            match self.library.find_any(id).await? {
                None => drop(self.library.insert(&new).await?),
                Some(image) if image.sha256 == new.stored.sha256 && image.is_live(now_ms()) => {}
                Some(_) => drop(self.library.replace(id, &new).await?),
            }
        }
        Ok(())
    }

    async fn store_bytes(&self, bytes: Bytes) -> Result<(Header, Stored), UploadError> {
        let len = bytes.len() as u64;
        let header = match probe(&bytes, len, &self.limits)? {
            Probe::Complete(header) => header,
            Probe::NeedMore(needed) => return Err(UploadError::Unmeasured { needed, len }),
        };
        let mut hashes = Hashes::default();
        for piece in bytes.chunks(HASHED_AT_ONCE) {
            hashes.update(piece);
            // A large file takes a tenth of a second; others get their turn between.
            tokio::task::yield_now().await;
        }
        let (sha256, md5) = hashes.finish();
        let key = ObjectKey::for_content(&sha256, header.format.extension());
        let storage = self.library.storages().default();
        storage.put_bytes(&key, bytes).await?;
        Ok((header, Stored { storage: storage.name().to_owned(), key, sha256, md5, bytes: len }))
    }

    async fn measure_file(&self, file: &OpenFile) -> Result<Header, UploadError> {
        let len = file.stat.len;
        let mut wanted = FIRST_LOOK.min(len);
        loop {
            let prefix = file.read_range(0..wanted).await?;
            match probe(&prefix, len, &self.limits)? {
                Probe::Complete(header) => return Ok(header),
                Probe::NeedMore(needed) if wanted == len => {
                    return Err(UploadError::Unmeasured { needed, len });
                }
                // Doubling keeps the sum of all looks below twice the last.
                Probe::NeedMore(needed) => wanted = needed.max(wanted * 2).min(len),
            }
        }
    }

    async fn record(
        &self,
        upload: &Upload,
        header: &Header,
        stored: Stored,
    ) -> Result<Ingested, UploadError> {
        let new = self.new_image(upload, header, stored);
        let (image, duplicate) = self.library.insert_once(&new, upload.same).await?;
        Ok(Ingested { image, duplicate })
    }

    fn new_image(&self, upload: &Upload, header: &Header, stored: Stored) -> NewImage {
        NewImage {
            id: None,
            name: upload.name.clone(),
            stored,
            shape: shape(header),
            visibility: self.visibility,
            owner: upload.owner,
            expires_at: upload.expires_at,
            stored_name: None,
            exif: None,
        }
    }
}

/// Both hashes of one pass over the bytes.
#[derive(Default)]
struct Hashes {
    sha256: Sha256,
    md5: Md5Hasher,
}

impl Hashes {
    fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.md5.update(piece);
    }

    fn finish(self) -> (ContentHash, Md5) {
        (ContentHash(self.sha256.finalize().into()), Md5(self.md5.finalize().into()))
    }
}

/// Library rows hold words of their own, so that the library need not know codecs.
fn shape(header: &Header) -> Shape {
    Shape {
        format: header.format.extension().to_owned(),
        width: header.width,
        height: header.height,
        orientation: header.orientation.exif(),
        frames: header.frames,
        has_alpha: header.has_alpha,
        depth: header.depth,
        progressive: header.progressive,
    }
}

/// Holds the header of nearly every JPEG, EXIF thumbnail included.
const FIRST_LOOK: u64 = 64 * 1024;
const HASHED_AT_ONCE: usize = 256 * 1024;

#[cfg(test)]
mod tests;
