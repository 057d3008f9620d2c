//! How images go: to the trash at once, by age with the clean-up, and from the trash for good.

use std::time::Duration;

use super::edit::missing;
use super::listing::Reach;
use super::{Image, ImageId, Library, LibraryError, store};

impl Library {
    /// Puts an image into the trash: nobody sees it any more, and it can be restored.
    pub async fn trash(&self, reach: Reach, id: &str, now: i64) -> Result<(), LibraryError> {
        let mut tx = self.db.write().await?;
        store::all_changed(&mut tx, &[id]).await?;
        let image = store::within(&mut tx, reach, &[id]).await?.into_iter().next();
        let image = image.filter(|image| image.is_live(now)).ok_or_else(|| missing(id))?;
        store::trash::put(&mut tx, &image, now).await?;
        tx.commit().await?;
        self.known.forget(id);
        Ok(())
    }

    /// Takes an image out of the trash. One that had expired gets the time that a new one has.
    pub async fn restore(&self, reach: Reach, id: &str, now: i64) -> Result<Image, LibraryError> {
        let mut tx = self.db.write().await?;
        store::all_changed(&mut tx, &[id]).await?;
        let image = store::within(&mut tx, reach, &[id]).await?.into_iter().next();
        let image = image.ok_or_else(|| missing(id))?;
        let expires_at = self.expiry_when_restored(&image, now);
        if store::trash::restore(&mut tx, &image, expires_at, now).await? {
            tx.commit().await?;
            self.known.forget(id);
        }
        self.get(reach, id, now).await
    }

    /// Puts all that somebody has into the trash, for when the account ends; returns how many there were.
    pub async fn trash_all_of(&self, owner: i64, now: i64) -> Result<u64, LibraryError> {
        let mut done = 0;
        loop {
            let images = store::trash::kept_by(&self.db, owner, AT_ONCE).await?;
            if images.is_empty() {
                return Ok(done);
            }
            let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
            let mut tx = self.db.write().await?;
            store::all_changed(&mut tx, &ids).await?;
            for image in store::within(&mut tx, Reach::Owner(owner), &ids).await? {
                done += u64::from(store::trash::put(&mut tx, &image, now).await?);
            }
            tx.commit().await?;
            ids.iter().for_each(|id| self.known.forget(id));
        }
    }

    /// Ends all that somebody has in the trash; returns how many there were.
    pub async fn empty_trash_of(&self, owner: i64, now: i64) -> Result<u64, LibraryError> {
        let mut ended = 0;
        loop {
            let images = store::trash::of_owner(&self.db, owner, AT_ONCE).await?;
            // Not what somebody has restored meanwhile.
            match self.delete_if(&ids(&images), |image| image.deleted_at.is_some(), now).await? {
                0 => return Ok(ended),
                some => ended += some,
            }
        }
    }

    /// Ends at most `batch` images that have been in the trash for as long as they are kept; returns how many. For a job
    /// that goes on until there are none.
    pub async fn empty_trash(&self, now: i64, batch: u32) -> Result<u64, LibraryError> {
        let then = now.saturating_sub(ms(self.config.trash.0));
        let images = store::trash::deleted_before(&self.db, then, batch).await?;
        self.delete_if(&ids(&images), |image| image.deleted_at.is_some_and(|at| at <= then), now).await
    }

    /// Puts at most `batch` images into the trash whose time has come; returns how many. For a job that goes on until
    /// there are none.
    pub async fn expire(&self, now: i64, batch: u32) -> Result<u64, LibraryError> {
        let images = store::trash::expired(&self.db, now, batch).await?;
        if images.is_empty() {
            return Ok(0);
        }
        let ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
        let mut tx = self.db.write().await?;
        store::all_changed(&mut tx, &ids).await?;
        let mut done = 0;
        // Once more: some may have been given more time, or have come a second time.
        for image in store::within(&mut tx, Reach::Everybody, &ids).await? {
            let is_due = image.expires_at.is_some_and(|at| at <= now);
            done += u64::from(is_due && store::trash::put(&mut tx, &image, now).await?);
        }
        tx.commit().await?;
        ids.iter().for_each(|id| self.known.forget(id));
        Ok(done)
    }

    /// How many [`Library::expire`] would find.
    pub async fn expired(&self, now: i64) -> Result<u64, LibraryError> {
        Ok(store::trash::count_expired(&self.db, now).await?)
    }

    /// How many [`Library::empty_trash`] would find.
    pub async fn emptied(&self, now: i64) -> Result<u64, LibraryError> {
        let then = now.saturating_sub(ms(self.config.trash.0));
        Ok(store::trash::count_deleted_before(&self.db, then).await?)
    }

    /// When an image ends that comes now and says nothing about it; `None` = never.
    pub fn expiry(&self, now: i64) -> Option<i64> {
        self.config.expire_after.map(|after| now.saturating_add(ms(after)))
    }

    pub(super) fn expiry_when_restored(&self, image: &Image, now: i64) -> Option<i64> {
        match image.expires_at {
            Some(at) if at <= now => self.expiry(now),
            at => at,
        }
    }
}

const AT_ONCE: u32 = 200;

fn ids(images: &[Image]) -> Vec<ImageId> {
    images.iter().map(|image| image.id.clone()).collect()
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
