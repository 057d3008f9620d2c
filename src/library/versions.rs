//! Versions: results of an image that somebody wants kept. Each is an object of its own that outlives purges, counts as
//! one of its owner's files, and goes with its image.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::edit::missing;
use super::listing::Reach;
use super::store::{self, objects, usage as rows};
use super::usage::{account, full};
use super::{Image, ImageId, Library, LibraryError, Quota};
use crate::db::queue::{self, NewJob};
use crate::storage::{ContentHash, ObjectKey};

/// One version. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(super) pk: i64,
    pub id: String,
    pub(super) image_pk: i64,
    /// Canonical.
    pub spec: String,
    pub(super) storage: String,
    pub(super) key: ObjectKey,
    pub sha256: ContentHash,
    pub bytes: u64,
    /// By its usual extension.
    pub format: String,
    pub width: u32,
    pub height: u32,
    pub created_at: i64,
}

/// A result to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// Tells results of one image apart, whatever was purged.
    pub variant: String,
    /// Canonical.
    pub spec: String,
    /// By its usual extension.
    pub format: &'static str,
    pub width: u32,
    pub height: u32,
    pub bytes: Bytes,
}

/// A version's object.
pub(super) struct Kept {
    pub(super) storage: String,
    pub(super) key: ObjectKey,
    pub(super) sha256: ContentHash,
}

/// A version that is to be made later, by the job [`VersionOrder::KIND`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VersionOrder {
    /// The id of the image.
    pub image: String,
    pub spec: String,
    /// Who wants it: the key of the account.
    pub user: i64,
    /// Whose address pays for the work.
    pub client: IpAddr,
    /// The wish as it was written, for answers that repeat it.
    #[serde(default)]
    pub wish: Option<serde_json::Value>,
}

impl VersionOrder {
    pub const KIND: &'static str = "transform";
}

impl Library {
    /// Leaves the work to a job; returns the id of the task.
    pub async fn order_version(&self, order: &VersionOrder, now: i64) -> Result<String, LibraryError> {
        let job = NewJob {
            kind: VersionOrder::KIND,
            payload: serde_json::to_value(order).unwrap_or_default(),
            owner: Some(order.user),
            unique: None,
            run_at: now,
            max_attempts: 3,
        };
        let mut tx = self.db.write().await?;
        let id = queue::enqueue(&mut tx, &job).await?;
        tx.commit().await?;
        Ok(id.to_string())
    }

    /// A version by its own id.
    pub async fn version_by_id(&self, image: &Image, id: &str) -> Result<Option<Version>, LibraryError> {
        Ok(self.versions(image).await?.into_iter().find(|version| version.id == id))
    }

    /// Oldest first.
    pub async fn versions(&self, image: &Image) -> Result<Vec<Version>, LibraryError> {
        if image.versions == 0 {
            return Ok(Vec::new());
        }
        Ok(store::versions::of_image(&self.db, image.pk).await?)
    }

    /// The version of this name, if it is kept. An image without versions costs no query.
    pub async fn version(&self, image: &Image, variant: &str) -> Result<Option<Version>, LibraryError> {
        if image.versions == 0 {
            return Ok(None);
        }
        Ok(store::versions::by_variant(&self.db, image.pk, variant).await?)
    }

    pub async fn read_version(&self, version: &Version, limit: u64) -> Result<Bytes, LibraryError> {
        Ok(self.storage_named(&version.storage).await?.read(&version.key, limit).await?)
    }

    /// Whether there is a version of this canonical spec.
    pub async fn has_version(&self, image: &Image, spec: &str) -> Result<bool, LibraryError> {
        Ok(self.versions(image).await?.iter().any(|version| version.spec == spec))
    }

    /// Stores a version unless there is one of this name, which is then returned with `true`.
    pub async fn keep_version(
        &self,
        image: &Image,
        new: NewVersion,
        quota: Quota,
        now: i64,
    ) -> Result<(Version, bool), LibraryError> {
        let owner = account(image.owner);
        let gone = || missing(image.id.as_str());
        let bytes = new.bytes.len() as u64;
        let sha256 = ContentHash(Sha256::digest(&new.bytes).into());
        let storage = self.storage_named(&image.storage).await?;
        let key = ObjectKey::for_content(&sha256, new.format);
        let known = store::versions::by_variant(&self.db, image.pk, &new.variant).await?;
        if known.is_none() {
            self.announce(storage.name(), &key, &sha256, bytes, now).await?;
            storage.put_bytes(&key, new.bytes.clone()).await?;
        }
        let kept = Kept { storage: storage.name().to_owned(), key, sha256 };
        let mut tx = self.locked(owner).await?;
        store::changed(&mut tx, &image.id).await?;
        let current = store::by_id_in(&mut tx, &image.id).await?;
        let current = current.filter(|now| now.sha256 == image.sha256).ok_or_else(gone)?;
        if let Some(version) = store::versions::in_tx(&mut tx, current.pk, &new.variant).await? {
            return Ok((version, true));
        }
        if !rows::add(&mut tx, owner, quota, bytes, 1).await? {
            drop(tx);
            return Err(full(quota, self.usage(image.owner).await?, bytes, 1));
        }
        let id = ImageId::random()?;
        store::versions::insert(&mut tx, current.pk, id.as_str(), &new, &kept, now).await?;
        if !objects::add_ref(&mut tx, &kept.storage, &kept.key).await? {
            return Err(LibraryError::Busy);
        }
        let version = store::versions::in_tx(&mut tx, current.pk, &new.variant).await?.ok_or_else(gone)?;
        tx.commit().await?;
        self.known.forget(image.id.as_str());
        Ok((version, false))
    }

    /// Its object goes with the sweep, unless somebody else needs it.
    pub async fn delete_version(
        &self,
        reach: Reach,
        id: &str,
        version: &str,
        now: i64,
    ) -> Result<(), LibraryError> {
        let image = self.get(reach, id, now).await?;
        let mut tx = self.locked(account(image.owner)).await?;
        store::changed(&mut tx, &image.id).await?;
        let found = store::versions::by_id(&mut tx, image.pk, version).await?;
        let missing = || LibraryError::Missing { what: "version", id: version.to_owned() };
        let found = found.ok_or_else(missing)?;
        drop_version(&mut tx, account(image.owner), &found, now).await?;
        tx.commit().await?;
        self.known.forget(id);
        Ok(())
    }
}

/// Lets go of all versions of an image whose content goes.
pub(super) async fn drop_all(tx: &mut crate::db::Tx, image: &Image, now: i64) -> Result<(), LibraryError> {
    if image.versions > 0 {
        let mut versions = store::versions::all_of(tx, image.pk).await?;
        // Objects are locked in the order of their names.
        versions.sort_unstable_by(|one, other| {
            (&one.storage, one.key.as_str()).cmp(&(&other.storage, other.key.as_str()))
        });
        for version in versions {
            drop_version(tx, account(image.owner), &version, now).await?;
        }
    }
    Ok(())
}

async fn drop_version(
    tx: &mut crate::db::Tx,
    owner: i64,
    version: &Version,
    now: i64,
) -> Result<(), LibraryError> {
    if store::versions::remove(tx, version).await? {
        rows::subtract(tx, owner, version.bytes, 1).await?;
        objects::drop_ref(tx, &version.storage, &version.key, now).await?;
    }
    Ok(())
}
