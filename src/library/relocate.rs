//! Moves originals and versions from one storage to another, one by one: the object is copied and compared with its hash, then
//! the row and both counts of references change in one transaction. So it can end anywhere and begin again, what is
//! shown meanwhile comes from one place or the other, and the sweep removes what was left behind.

use serde::{Deserialize, Serialize};

use super::store::{self, objects};
use super::usage::account;
use super::{Image, ImageId, Library, LibraryError, OwnedError, Version};
use crate::storage::{ContentHash, OWNED, ObjectKey, Storage, StorageError};

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
    /// Results that are kept.
    pub versions: u64,
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
                break;
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
        self.relocate_versions(plan, (&from, &to), clock, &mut done, &mut go_on).await?;
        Ok(done)
    }

    /// After their images, so that a version that is made meanwhile is made where its image lies already.
    async fn relocate_versions(
        &self,
        plan: &Relocation,
        (from, to): (&Storage, &Storage),
        clock: fn() -> i64,
        done: &mut Relocated,
        go_on: &mut (impl FnMut(&Relocated) -> bool + Send),
    ) -> Result<(), LibraryError> {
        let mut after = 0;
        loop {
            let versions = store::versions::to_relocate(&self.db, plan, after, AT_ONCE).await?;
            if versions.is_empty() {
                return Ok(());
            }
            for (version, image, owner) in versions {
                after = version.pk;
                match self.relocate_version(&version, &image, owner, (from, to), clock()).await {
                    Ok(true) => {
                        done.versions += 1;
                        done.bytes += version.bytes;
                    }
                    Ok(false) => {}
                    Err(LibraryError::Storage(
                        error @ (StorageError::Missing { .. } | StorageError::Changed),
                    )) => {
                        tracing::warn!(id = %image, version = version.id, %error, "a version cannot be moved");
                        if !done.failed.contains(&image.to_string()) {
                            done.failed.push(image.to_string());
                        }
                    }
                    Err(error) => return Err(error),
                }
                if !go_on(done) {
                    return Ok(());
                }
            }
        }
    }

    /// `false` = it was deleted meanwhile.
    async fn relocate_version(
        &self,
        version: &Version,
        image: &ImageId,
        owner: Option<i64>,
        (from, to): (&Storage, &Storage),
        now: i64,
    ) -> Result<bool, LibraryError> {
        let Version { key, sha256, bytes, .. } = version;
        for _ in 0..TRIES {
            self.announce(to.name(), key, sha256, *bytes, now).await?;
            copy((key, sha256, *bytes), from, to).await?;
            let mut tx = self.locked(account(owner)).await?;
            store::changed(&mut tx, image).await?;
            if !store::versions::set_storage(&mut tx, version, to.name()).await? {
                return Ok(false);
            }
            // As always in the order of the names.
            let added = if version.storage.as_str() < to.name() {
                objects::drop_ref(&mut tx, &version.storage, key, now).await?;
                objects::add_ref(&mut tx, to.name(), key).await?
            } else {
                let added = objects::add_ref(&mut tx, to.name(), key).await?;
                objects::drop_ref(&mut tx, &version.storage, key, now).await?;
                added
            };
            if !added {
                continue;
            }
            tx.commit().await?;
            self.known.forget(image.as_str());
            return Ok(true);
        }
        Err(LibraryError::Busy)
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
            copy((&image.key, &image.sha256, image.bytes), from, to).await?;
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
}

/// The bytes are hashed on the way, and nothing is kept that is not what the key promises.
async fn copy(
    (key, sha256, bytes): (&ObjectKey, &ContentHash, u64),
    from: &Storage,
    to: &Storage,
) -> Result<(), LibraryError> {
    let there = match to.stat(key).await {
        Ok(len) => len == bytes,
        Err(StorageError::Missing { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if there {
        return Ok(());
    }
    if from.stat(key).await? != bytes {
        return Err(StorageError::Changed.into());
    }
    let pieces = from.stream(key, 0..bytes).await?;
    to.put_verified(key, sha256, bytes, pieces).await?;
    if to.stat(key).await? == bytes { Ok(()) } else { Err(StorageError::Changed.into()) }
}

const AT_ONCE: u32 = 100;
const TRIES: u32 = 3;

#[cfg(test)]
mod tests;
