//! The images that we keep: their rows, the generations that a purge raises, and the way from a row to its bytes.

mod admit;
mod albums;
mod aliases;
mod batch;
mod config;
mod derive;
mod edit;
mod error;
mod generations;
mod id;
mod image;
mod imported;
mod known;
mod listing;
mod owned;
mod redirects;
mod relocate;
mod seed;
mod shares;
mod store;
mod sweep;
mod tags;
mod trash;
mod usage;
mod versions;
mod views;
mod words;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::db::queue::{self, NewJob};
use crate::db::{Db, now_ms};
use crate::storage::{ByteStream, ContentHash, OWNED, Storage, Storages};

pub use crate::storage::{Credential, Md5, OwnedScheme, Settings};
pub use admit::Filing;
pub use albums::{Album, AlbumEdit, Albums, Place};
pub use batch::{Action, Done, MOST_AT_ONCE};
pub use config::Config;
pub use derive::DeriveOrder;
pub use edit::Edit;
pub use error::LibraryError;
pub use generations::Scope;
pub use id::{IdError, ImageId};
pub use image::{Image, Page, Sameness, Shape, Visibility};
pub use image::{NewImage, Past, Stored};
pub use imported::Note;
pub use listing::{Cursor, Filter, LONGEST_PAGE, Labels, Listed, Listing, Reach, Sort, Start, Total};
pub use owned::{OwnedConfig, OwnedError, OwnedInput, OwnedStorage};
pub use redirects::{Moved, OldPath};
pub use relocate::{Relocated, Relocation};
pub use seed::Seed;
pub use shares::{NewShare, SHARED_PAGE, Share, SharePassword, ShareToken, Shared, is_share_token};
pub use sweep::{Coverage, SweepPlan, Swept};
pub use tags::{Tag, Tags};
pub use usage::{Quota, Reservation, Usage};
pub use versions::{NewVersion, Version, VersionOrder};
pub use views::{Count, Day};
pub use words::TagName;

use generations::{Generations, Raised};
use known::Known;
use owned::Instances;
use redirects::Redirects;
use views::Views;

/// A hash of a picture's content, by whichever function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyHash {
    Sha256(ContentHash),
    Md5(Md5),
}

/// Cheap to clone; clones share what they know of generations and images.
#[derive(Clone)]
pub struct Library {
    db: Db,
    storages: Storages,
    generations: Generations,
    known: Known,
    views: Views,
    redirects: Redirects,
    owned: Arc<Instances>,
    config: Config,
}

impl Library {
    /// Reads the generations once; [`Library::poll`] keeps them current.
    pub async fn new(db: Db, storages: Storages) -> Result<Self, LibraryError> {
        let (generations, known) = (Generations::default(), Known::default());
        let owned = Arc::new(Instances::new(None, OwnedConfig::default()));
        let (views, config) = (Views::default(), Config::default());
        let redirects = Redirects::default();
        let library = Self { db, storages, generations, known, views, redirects, config, owned };
        library.poll().await?;
        store::terms::make(&library.db).await?;
        Ok(library)
    }

    #[must_use]
    pub fn with_config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// An image that may be shown: neither in the trash nor expired. `id` is what stood in the URL; what could be no
    /// id is simply not found.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Image>>, LibraryError> {
        let image = match self.known.get(id) {
            Ok(image) => image,
            Err(_) if id.parse::<ImageId>().is_err() => return Ok(None),
            Err(epoch) => {
                let Some(image) = Box::pin(store::by_id(&self.db, id)).await? else { return Ok(None) };
                let image = Arc::new(image);
                self.known.put(&image, epoch);
                image
            }
        };
        Ok(Some(image).filter(|image| image.is_live(now_ms())))
    }

    /// The same, whatever its state.
    pub async fn find_any(&self, id: &ImageId) -> Result<Option<Image>, LibraryError> {
        Ok(store::by_id(&self.db, id.as_str()).await?)
    }

    /// All images with this content, oldest first, whatever their state.
    pub async fn find_by_sha256(&self, hash: &ContentHash) -> Result<Vec<Image>, LibraryError> {
        Ok(store::by_sha256(&self.db, hash).await?)
    }

    /// Live images, newest first.
    pub async fn list(&self, page: &Page) -> Result<Vec<Image>, LibraryError> {
        Ok(store::list(&self.db, page, now_ms()).await?)
    }

    /// How many live images there are.
    pub async fn count(&self) -> Result<u64, LibraryError> {
        Ok(store::count(&self.db, now_ms()).await?)
    }

    /// All that the file says of itself, as a JSON object; for its owner alone.
    pub async fn exif(&self, image: &Image) -> Result<Option<String>, LibraryError> {
        Ok(store::exif(&self.db, image.pk).await?)
    }

    /// The point that should stay when the picture is cropped: fractions of its upright width and height.
    pub async fn set_focal(&self, id: &ImageId, focal: Option<(f64, f64)>) -> Result<(), LibraryError> {
        let inside = |(x, y): (f64, f64)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
        if !focal.is_none_or(inside) {
            return Err(LibraryError::Focal);
        }
        let mut tx = self.db.write().await?;
        store::set_focal(&mut tx, id, focal, now_ms()).await?;
        tx.commit().await?;
        self.known.forget(id.as_str());
        Ok(())
    }

    /// The original, unless it is larger than `limit` bytes.
    pub async fn read(&self, image: &Image, limit: u64) -> Result<Bytes, LibraryError> {
        Ok(self.storage(image).await?.read(&image.key, limit).await?)
    }

    /// Bytes of a range that lies within the original.
    pub async fn read_range(&self, image: &Image, range: Range<u64>) -> Result<Bytes, LibraryError> {
        Ok(self.storage(image).await?.read_range(&image.key, range).await?)
    }

    /// The original or a part of it in pieces, never whole in memory.
    pub async fn stream(&self, image: &Image, range: Option<Range<u64>>) -> Result<ByteStream, LibraryError> {
        let range = range.unwrap_or(0..image.bytes);
        Ok(self.storage(image).await?.stream(&image.key, range).await?)
    }

    /// Where the original lies, if it is a file of this machine.
    pub fn path(&self, image: &Image) -> Result<Option<PathBuf>, LibraryError> {
        // Users' own storages are on the network.
        if image.storage.starts_with(OWNED) {
            return Ok(None);
        }
        Ok(self.storages.get(&image.storage)?.path(&image.key))
    }

    /// The newest live image of the owner with this content.
    pub async fn own_by_hash(
        &self,
        owner: i64,
        hash: &AnyHash,
        now: i64,
    ) -> Result<Option<Image>, LibraryError> {
        let images = match hash {
            AnyHash::Sha256(hash) => store::by_sha256(&self.db, hash).await?,
            AnyHash::Md5(hash) => store::by_md5(&self.db, hash).await?,
        };
        Ok(images.into_iter().rev().find(|image| image.owner == Some(owner) && image.is_live(now)))
    }

    /// The database that it is in, for rooms that keep something beside it.
    pub fn db(&self) -> &Db {
        &self.db
    }

    pub fn storages(&self) -> &Storages {
        &self.storages
    }

    /// The part of an image's cache key that any purge of it changes; from memory.
    pub fn image_generation(&self, id: &str) -> u64 {
        self.generations.image(id)
    }

    /// The same for an object of a named source.
    pub fn object_generation(&self, source: &str, path: &str) -> u64 {
        self.generations.object(source, path)
    }

    /// Makes everything of a scope unreachable in every cache, for good; returns the new counter. `name` is empty for
    /// [`Scope::All`] and `<source>/<path>` for [`Scope::Prefix`].
    pub async fn purge(&self, scope: Scope, name: &str) -> Result<u64, LibraryError> {
        self.purge_and_leave(scope, name, |_| Vec::new()).await
    }

    /// The same, leaving work for the queue with it, which is told the new counter: both are there or neither.
    pub async fn purge_and_leave(
        &self,
        scope: Scope,
        name: &str,
        work: impl FnOnce(u64) -> Vec<NewJob>,
    ) -> Result<u64, LibraryError> {
        let mut tx = self.db.write().await?;
        let counter = store::raise(&mut tx, scope, name).await?;
        for job in work(counter) {
            queue::enqueue(&mut tx, &job).await?;
        }
        tx.commit().await?;
        // 0: of the purges by others in between nothing is known yet.
        self.generations.learn([Raised { scope, name: name.to_owned(), counter, seq: 0 }]);
        Ok(counter)
    }

    /// Learns of purges and changes by other processes; a running server calls this each second.
    pub async fn poll(&self) -> Result<(), LibraryError> {
        let upto = store::changes(&self.db).await?;
        let seen = self.known.seen();
        if upto > seen {
            let changed = match upto - seen {
                0..=MOST_CHANGES => Some(store::changed_since(&self.db, seen, upto).await?),
                _ => None,
            };
            self.known.learn(changed.as_deref(), upto);
        }
        self.generations.learn(store::purged_since(&self.db, self.generations.seen()).await?);
        self.redirects.poll(&self.db).await?;
        self.poll_storages().await
    }

    /// Whether the database answers.
    pub async fn check(&self) -> Result<(), LibraryError> {
        Ok(self.db.ping().await?)
    }

    async fn storage(&self, image: &Image) -> Result<Storage, LibraryError> {
        self.storage_named(&image.storage).await
    }
}

/// Who has missed more than these forgets all images instead.
const MOST_CHANGES: u64 = 1000;

#[cfg(test)]
mod tests;
