//! Moves originals from one storage to another, image by image: the object is copied and compared with its hash, then
//! the row and both counts of references change in one transaction. So it can end anywhere and begin again, what is
//! shown meanwhile comes from one place or the other, and the sweep removes what was left behind.

use serde::{Deserialize, Serialize};

use super::store::{self, objects};
use super::usage::account;
use super::{Image, Library, LibraryError, OwnedError};
use crate::storage::{OWNED, Storage, StorageError};

/// What is to be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocation {
    /// Names as they stand in rows of images.
    pub from: String,
    pub to: String,
    /// Only this user's images.
    pub owner: Option<i64>,
}

/// How far it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relocated {
    pub images: u64,
    pub bytes: u64,
    /// Ids of images whose objects are missing or damaged; they stay as they are.
    pub failed: Vec<String>,
    /// Images that are still to be looked at.
    pub left: u64,
}

impl Relocation {
    /// Of the jobs that do it.
    pub const KIND: &'static str = "storage_migrate";
}

impl Library {
    /// How many images there are to move.
    pub async fn to_relocate(&self, plan: &Relocation) -> Result<u64, LibraryError> {
        Ok(store::relocate::count(&self.db, plan, 0).await?)
    }

    /// Whether it can be begun.
    pub async fn check_relocation(&self, plan: &Relocation) -> Result<(Storage, Storage), LibraryError> {
        if plan.from == plan.to {
            return Err(LibraryError::SameStorage { name: plan.from.clone() });
        }
        let named = async |name: &str| match self.storage_named(name).await {
            Err(LibraryError::Storage(StorageError::Unknown { name })) => {
                Err(LibraryError::Missing { what: "storage", id: name })
            }
            found => found,
        };
        let (from, to) = (named(&plan.from).await?, named(&plan.to).await?);
        if let Some(id) = plan.to.strip_prefix(OWNED)
            && !store::owned::find(&self.db, id)
                .await?
                .is_some_and(|row| row.owner == plan.owner && row.owner.is_some())
        {
            return Err(OwnedError::OthersPictures.into());
        }
        Ok((from, to))
    }

    /// Moves everything, and tells after each image how far it is; `false` from `go_on` ends it early. What comes into
    /// the old storage meanwhile is moved too.
    pub async fn relocate(
        &self,
        plan: &Relocation,
        clock: fn() -> i64,
        mut go_on: impl FnMut(&Relocated) -> bool + Send,
    ) -> Result<Relocated, LibraryError> {
        let (from, to) = self.check_relocation(plan).await?;
        let mut done = Relocated { left: self.to_relocate(plan).await?, ..Relocated::default() };
        let mut after = 0;
        loop {
            let images = store::relocate::after(&self.db, plan, after, AT_ONCE).await?;
            if images.is_empty() {
                done.left = 0;
                return Ok(done);
            }
            for image in images {
                after = image.pk;
                done.left = done.left.saturating_sub(1);
                match self.relocate_one(&image, &from, &to, clock()).await {
                    Ok(true) => {
                        done.images += 1;
                        done.bytes += image.bytes;
                    }
                    Ok(false) => {}
                    Err(LibraryError::Storage(
                        error @ (StorageError::Missing { .. } | StorageError::Changed),
                    )) => {
                        tracing::warn!(id = %image.id, %error, "an image cannot be moved to another storage");
                        done.failed.push(image.id.to_string());
                    }
                    // Whatever else it is, the next image would fare no better.
                    Err(error) => return Err(error),
                }
                if !go_on(&done) {
                    return Ok(done);
                }
            }
        }
    }

    /// `false` = it was changed or deleted meanwhile.
    async fn relocate_one(
        &self,
        image: &Image,
        from: &Storage,
        to: &Storage,
        now: i64,
    ) -> Result<bool, LibraryError> {
        for _ in 0..TRIES {
            self.announce(to.name(), &image.key, &image.sha256, image.bytes, now).await?;
            self.copy(image, from, to).await?;
            self.storages.crash().hit("library.relocate_copied");
            let mut tx = self.locked(account(image.owner)).await?;
            // Once more: now nobody else can change it.
            let current = store::by_id_in(&mut tx, &image.id).await?;
            if !current.is_some_and(|now| now.storage == image.storage && now.key == image.key) {
                return Ok(false);
            }
            if !objects::add_ref(&mut tx, to.name(), &image.key).await? {
                // It took so long that the sweep began to remove the copy.
                continue;
            }
            objects::drop_ref(&mut tx, &image.storage, &image.key, now).await?;
            store::relocate::set_storage(&mut tx, image, to.name()).await?;
            self.storages.crash().hit("library.before_relocate");
            tx.commit().await?;
            self.known.forget(image.id.as_str());
            return Ok(true);
        }
        Err(LibraryError::Busy)
    }

    /// The bytes are hashed on the way, and nothing is kept that is not what the key promises.
    async fn copy(&self, image: &Image, from: &Storage, to: &Storage) -> Result<(), LibraryError> {
        let there = match to.stat(&image.key).await {
            Ok(len) => len == image.bytes,
            Err(StorageError::Missing { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if there {
            return Ok(());
        }
        let held = from.stat(&image.key).await?;
        if held != image.bytes {
            return Err(StorageError::Changed.into());
        }
        let pieces = from.stream(&image.key, 0..image.bytes).await?;
        to.put_verified(&image.key, &image.sha256, image.bytes, pieces).await?;
        let stored = to.stat(&image.key).await?;
        if stored == image.bytes { Ok(()) } else { Err(StorageError::Changed.into()) }
    }
}

const AT_ONCE: u32 = 100;
const TRIES: u32 = 3;

#[cfg(test)]
mod tests;
