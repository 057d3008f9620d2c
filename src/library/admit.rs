//! How an image gets its row and how it ends: with what its owner has and with the references to its object, in one
//! transaction. The object is announced before it appears, so that whoever dies in between leaves something that the
//! sweep knows of.

use std::time::Duration;

use super::listing::Reach;
use super::store::{self, objects, usage as rows};
use super::usage::{account, full};
use super::words::TagName;
use super::{DeriveOrder, Image, ImageId, Library, LibraryError, NewImage, Quota, Reservation, Sameness};
use crate::db::{Tx, now_ms};
use crate::storage::{ContentHash, ObjectKey};

impl Library {
    /// Says that this object is about to appear, or waits until its removal has ended. From then on there is time to
    /// store it and to record who needs it.
    pub async fn announce(
        &self,
        storage: &str,
        key: &ObjectKey,
        sha256: &ContentHash,
        bytes: u64,
        now: i64,
    ) -> Result<(), LibraryError> {
        for attempt in 0..REMOVAL_TRIES {
            match objects::find(&self.db, storage, key).await? {
                None => match objects::insert(&self.db, storage, key, sha256, bytes, now).await {
                    Ok(()) => return Ok(()),
                    // Somebody else brings the same.
                    Err(error) if error.is_unique_violation() => {}
                    Err(error) => return Err(error.into()),
                },
                Some(object) if object.removing => tokio::time::sleep(REMOVAL_WAIT * attempt).await,
                Some(object) if object.refs > 0 => return Ok(()),
                Some(_) if objects::touch(&self.db, storage, key, now).await? => return Ok(()),
                Some(_) => {}
            }
        }
        Err(LibraryError::Busy)
    }

    /// Records an announced image unless its owner has the same one already, which is then returned with `true`: out of
    /// the trash and with the new expiry, as if it had just come. Of two who bring the same at once, one is second.
    pub async fn admit(
        &self,
        new: &NewImage,
        same: Sameness,
        filing: &Filing,
        reservation: &mut Reservation,
        now: i64,
    ) -> Result<(Image, bool), LibraryError> {
        let mut tx = self.locked(account(new.owner)).await?;
        if let Some(image) = store::same(&mut tx, new, same).await? {
            let image = store::renew(&mut tx, image, new.expires_at, now).await?;
            filing.file(&mut tx, &image, now).await?;
            tx.commit().await?;
            self.known.forget(image.id.as_str());
            return Ok((image, true));
        }
        let bytes = new.stored.bytes;
        let kept = match &reservation.id {
            Some(id) => rows::keep_promise(&mut tx, id, reservation.owner, bytes).await?,
            None => false,
        };
        // Nothing was reserved, or too slowly.
        if !kept && !rows::add(&mut tx, reservation.owner, reservation.quota, bytes, 1).await? {
            drop(tx);
            let used = rows::read(&self.db, reservation.owner).await?.unwrap_or_default();
            return Err(full(reservation.quota, used, bytes, 1));
        }
        if !objects::add_ref(&mut tx, &new.stored.storage, &new.stored.key).await? {
            return Err(LibraryError::Busy);
        }
        let image = store::insert(&mut tx, new, now).await?;
        filing.file(&mut tx, &image, now).await?;
        self.derive(&mut tx, &image, now).await?;
        self.storages.crash().hit("library.before_commit");
        tx.commit().await?;
        self.storages.crash().hit("library.committed");
        if kept {
            reservation.bytes -= bytes;
        }
        Ok((image, false))
    }

    /// Records an image under a new id, or under the one that it brings, whose object is there.
    pub async fn insert(&self, new: &NewImage) -> Result<Image, LibraryError> {
        let now = now_ms();
        self.announce_new(new, now).await?;
        let mut tx = self.locked(account(new.owner)).await?;
        rows::add(&mut tx, account(new.owner), Quota::default(), new.stored.bytes, 1).await?;
        if !objects::add_ref(&mut tx, &new.stored.storage, &new.stored.key).await? {
            return Err(LibraryError::Busy);
        }
        let image = store::insert(&mut tx, new, now).await?;
        tx.commit().await?;
        Ok(image)
    }

    /// [`Library::admit`] for those whom nothing limits.
    pub async fn insert_once(&self, new: &NewImage, same: Sameness) -> Result<(Image, bool), LibraryError> {
        let now = now_ms();
        self.announce_new(new, now).await?;
        let mut nothing = self.reserve(new.owner, Quota::default(), 0, 0, now).await?;
        self.admit(new, same, &Filing::default(), &mut nothing, now).await
    }

    /// Puts other content under an existing id; the id, its key and its owner stay. The new object was announced.
    pub async fn replace(&self, id: &ImageId, new: &NewImage) -> Result<Image, LibraryError> {
        let now = now_ms();
        self.announce_new(new, now).await?;
        self.replace_within(id, new, Quota::default(), now).await
    }

    /// The same for an owner who may have only so much.
    pub async fn replace_within(
        &self,
        id: &ImageId,
        new: &NewImage,
        quota: Quota,
        now: i64,
    ) -> Result<Image, LibraryError> {
        let missing = || LibraryError::NotFound { id: id.to_string() };
        let owner = account(self.find_any(id).await?.ok_or_else(missing)?.owner);
        let mut tx = self.locked(owner).await?;
        // Once more: now nobody else can change it.
        let old = store::by_id_in(&mut tx, id).await?.ok_or_else(missing)?;
        let bytes = new.stored.bytes;
        rows::subtract(&mut tx, owner, old.bytes, 1).await?;
        // What is no larger always fits, even where the quota was lowered meanwhile.
        let quota = if bytes > old.bytes { quota } else { Quota::default() };
        if !rows::add(&mut tx, owner, quota, bytes, 1).await? {
            drop(tx);
            let used = rows::read(&self.db, owner).await?.unwrap_or_default();
            return Err(full(quota, used, bytes, 1));
        }
        // They are of the content that goes.
        super::versions::drop_all(&mut tx, &old, now).await?;
        let image = store::replace(&mut tx, id, new, now).await?;
        if !objects::add_ref(&mut tx, &new.stored.storage, &new.stored.key).await? {
            return Err(LibraryError::Busy);
        }
        objects::drop_ref(&mut tx, &old.storage, &old.key, now).await?;
        self.derive(&mut tx, &image, now).await?;
        tx.commit().await?;
        self.known.forget(id.as_str());
        Ok(image)
    }

    /// Ends images for good, whatever their state; ids that do not exist are passed over. Their objects go with the
    /// sweep, unless somebody needs them. Returns how many there were.
    pub async fn delete_forever(&self, ids: &[ImageId], now: i64) -> Result<u64, LibraryError> {
        self.delete_if(ids, |_| true, now).await
    }

    /// The same for those of which this holds when nobody else can change them any more.
    pub(super) async fn delete_if(
        &self,
        ids: &[ImageId],
        fits: impl Fn(&Image) -> bool,
        now: i64,
    ) -> Result<u64, LibraryError> {
        let mut deleted = 0;
        for id in ids {
            let Some(image) = self.find_any(id).await? else { continue };
            let mut tx = self.locked(account(image.owner)).await?;
            if let Some(image) = store::by_id_in(&mut tx, id).await?.filter(&fits) {
                self.delete_in(&mut tx, &image, now).await?;
                self.storages.crash().hit("library.before_delete");
                tx.commit().await?;
                self.storages.crash().hit("library.deleted");
                self.known.forget(id.as_str());
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    async fn delete_in(&self, tx: &mut Tx, image: &Image, now: i64) -> Result<(), LibraryError> {
        rows::subtract(tx, account(image.owner), image.bytes, 1).await?;
        store::changed(tx, &image.id).await?;
        super::versions::drop_all(tx, image, now).await?;
        store::delete(tx, image).await?;
        objects::drop_ref(tx, &image.storage, &image.key, now).await?;
        Ok(())
    }

    /// Leaves the derivatives of a picture to a job. What the operator brings along by thousands nobody looks at soon.
    async fn derive(&self, tx: &mut Tx, image: &Image, now: i64) -> Result<(), LibraryError> {
        if self.config.derive && image.owner.is_some() {
            DeriveOrder { image: image.id.to_string() }.enqueue(tx, now).await?;
        }
        Ok(())
    }

    async fn announce_new(&self, new: &NewImage, now: i64) -> Result<(), LibraryError> {
        let stored = &new.stored;
        self.announce(&stored.storage, &stored.key, &stored.sha256, stored.bytes, now).await
    }
}

/// Where an image belongs as soon as it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filing {
    /// The id of an album of the same owner.
    pub album: Option<String>,
    pub tags: Vec<TagName>,
}

impl Filing {
    async fn file(&self, tx: &mut Tx, image: &Image, now: i64) -> Result<(), LibraryError> {
        super::edit::tag(tx, image, &self.tags, now).await?;
        if let Some(album) = &self.album {
            let album = store::albums::find(tx, Reach::Owner(account(image.owner)), album).await?;
            super::edit::append(tx, album.pk, image).await?;
        }
        Ok(())
    }
}

/// Together some ten seconds: what a slow store takes to remove an object.
const REMOVAL_TRIES: u32 = 14;
const REMOVAL_WAIT: Duration = Duration::from_millis(100);
