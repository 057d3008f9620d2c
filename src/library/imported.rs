//! What came in from elsewhere: that it did, so that it does not come twice, and where it was. And the library as a
//! whole, for those who carry it elsewhere.

use std::collections::HashMap;

use super::edit::check_name;
use super::listing::Reach;
use super::redirects::{self, OldPath};
use super::{Image, ImageId, Library, LibraryError, Place, store};

/// That an image came from somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The image's key.
    pub image: i64,
    /// A hash of where it was.
    pub origin: String,
    pub old: Vec<OldPath>,
}

impl Library {
    /// The image that came from this origin, whatever its state.
    pub async fn imported(&self, origin: &str) -> Result<Option<Image>, LibraryError> {
        Ok(store::imported::image(&self.db, origin).await?)
    }

    /// The id of the album that came from there.
    pub async fn imported_album(&self, origin: &str) -> Result<Option<String>, LibraryError> {
        Ok(store::imported::album(&self.db, origin).await?)
    }

    /// Notes which images came from where, and their old paths, of which the new ones are counted: all of it or nothing,
    /// so what is noted is complete. Images that are gone meanwhile are passed over.
    pub async fn note_imported(&self, notes: &[Note], now: i64) -> Result<u64, LibraryError> {
        if notes.is_empty() {
            return Ok(0);
        }
        let mut tx = self.db.write().await?;
        let added = redirects::add(&mut tx, notes, now).await?;
        for note in notes {
            store::imported::note_image(&mut tx, &note.origin, note.image).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    /// Makes the album that came from there, with a note that it did.
    pub async fn import_album(
        &self,
        owner: i64,
        name: &str,
        origin: &str,
        created_at: i64,
    ) -> Result<String, LibraryError> {
        check_name("name", name)?;
        let id = ImageId::random()?;
        let mut tx = self.db.write().await?;
        store::albums::insert(&mut tx, id.as_str(), owner, name.trim(), created_at).await?;
        let album = store::albums::find(&mut tx, Reach::Everybody, id.as_str()).await?;
        store::imported::note_album(&mut tx, origin, album.pk).await?;
        tx.commit().await?;
        Ok(id.to_string())
    }

    /// Puts these images of an album before all others, in this order; those that are not in it are passed over.
    pub async fn order_album(&self, id: &str, images: &[ImageId], now: i64) -> Result<(), LibraryError> {
        // From the last on, since each part goes before what is there.
        for part in images.rchunks(AT_ONCE) {
            let mut ids = Vec::with_capacity(part.len());
            for id in part {
                if let Some(image) = self.find_any(id).await?.filter(|image| image.is_live(now)) {
                    ids.push(image.id.to_string());
                }
            }
            self.fill_album(Reach::Everybody, id, &ids, Place::First, now).await?;
        }
        Ok(())
    }

    /// All images after the key `after`, in the order in which they came, whatever their state.
    pub async fn all_after(&self, after: i64, limit: u32) -> Result<Vec<Image>, LibraryError> {
        Ok(store::imported::all(&self.db, after, limit).await?)
    }

    /// The old paths of images, by their keys.
    pub async fn old_paths(&self, images: &[Image]) -> Result<HashMap<i64, Vec<OldPath>>, LibraryError> {
        let pks: Vec<i64> = images.iter().map(|image| image.pk).collect();
        let mut paths: HashMap<i64, Vec<OldPath>> = HashMap::new();
        for (pk, old) in store::redirects::of_images(&self.db, &pks).await? {
            paths.entry(pk).or_default().push(old);
        }
        Ok(paths)
    }

    /// The ids of all images of an album that are not in the trash, in its order.
    pub async fn album_order(&self, id: &str) -> Result<Vec<String>, LibraryError> {
        Ok(store::albums::order(&self.db, id).await?)
    }
}

const AT_ONCE: usize = 200;
