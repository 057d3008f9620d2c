//! Uploads that go past us: somebody puts the bytes into the storage by a URL that we signed, and says so. Then they are
//! looked at like any others, under a name that only we know, since the URL works until it expires.

use std::time::Duration;

use futures_util::TryStreamExt;

use super::resumable::{later, random_id};
use super::store::pending::{self, Pending};
use super::ticket::Kept;
use super::{Owner, Types, UploadError, Uploaded, Uploads, Wish};
use crate::library::Reservation;
use crate::storage::{Presigned, StagedKey, StorageError};

/// An upload that somebody else may bring.
#[derive(Debug, Clone)]
pub struct Direct {
    pub id: String,
    pub request: Presigned,
    /// The URL is of no more use.
    pub url_expires_at: i64,
    /// Until then the upload must have been completed.
    pub expires_at: i64,
}

impl Uploads {
    /// A request by which somebody may put exactly `total` bytes of this type where the owner's pictures are kept.
    pub async fn open_direct(
        &self,
        owner: Owner,
        wish: &Wish,
        media_type: &str,
        total: u64,
        valid: Duration,
        now: i64,
    ) -> Result<Direct, UploadError> {
        let storage = self.library.storage_for(owner.pk).await?;
        if !storage.can_presign() {
            return Err(UploadError::NoPresigning);
        }
        let types: Types = media_type.parse().map_err(UploadError::Types)?;
        if media_type.contains('*') || types.and(&self.config.types).is_empty() {
            let text = format!("`{media_type}` is not one type, as `image/png`, that is taken here");
            return Err(UploadError::Types(text));
        }
        let id = random_id()?;
        let staged = storage.staged_key_for(&id)?;
        let row = Pending {
            owner: owner.pk.unwrap_or(0),
            storage: storage.name().to_owned(),
            total,
            received: 0,
            metadata: None,
            wish: Kept::of(wish, &[media_type.to_owned()]).text(),
            promise: None,
            staged: Some(staged.clone()),
            image: None,
            // Whoever begins to send in the last moment has time to finish and to say so.
            expires_at: later(now, valid + TO_COMPLETE),
            ended: false,
            id,
        };
        let row = self.announce_upload(owner, wish, row, now).await?;
        let request = storage.presign_put(&staged, total, media_type, valid, now)?;
        Ok(Direct { id: row.id, request, url_expires_at: later(now, valid), expires_at: row.expires_at })
    }

    /// Takes in what was put there. It must run to its end, whoever still waits for it.
    pub async fn complete(&self, owner: Owner, id: &str, now: i64) -> Result<Uploaded, UploadError> {
        let upload = self.pending(owner.pk.unwrap_or(0), id, now).await?;
        let Some(staged) = upload.staged.clone() else { return Err(UploadError::NoUpload) };
        if upload.image.is_some() {
            return Err(UploadError::Completed);
        }
        if !pending::claim(&self.db, id, now - DEAD_AFTER, now).await? {
            return Err(UploadError::Completing);
        }
        let promise = upload.promise.clone();
        let mut room = self.library.taken_up(owner.pk, owner.quota, promise, upload.total, now);
        match self.take_staged(owner, &upload, &staged, &mut room).await {
            Ok(done) => {
                pending::became(&self.db, id, done.image.id.as_str()).await?;
                room.release().await?;
                Ok(done)
            }
            Err(error) => {
                room.leave();
                if !error.ends_upload() {
                    pending::unclaim(&self.db, id, now).await?;
                } else if pending::fail(&self.db, id, now).await? {
                    // As it stands now: what was put there has another name.
                    let row = pending::find(&self.db, upload.owner, id).await?;
                    self.clear(&row.unwrap_or(upload)).await?;
                }
                Err(error)
            }
        }
    }

    async fn take_staged(
        &self,
        owner: Owner,
        upload: &Pending,
        staged: &StagedKey,
        room: &mut Reservation,
    ) -> Result<Uploaded, UploadError> {
        let storage = self.library.storage_named(&upload.storage).await?;
        let missing = |error| match error {
            StorageError::Missing { .. } => UploadError::NotArrived,
            other => other.into(),
        };
        let total = upload.total;
        let other_length = |found| UploadError::OtherLength { announced: total, found };
        let found = storage.staged_len(staged).await.map_err(missing)?;
        if found != total {
            return Err(other_length(found));
        }
        let frozen = storage.freeze(staged).await.map_err(missing)?;
        // Should the rest fail for now, the next try finds it there.
        pending::set_staged(&self.db, &upload.id, &frozen).await?;
        self.library.storages().crash().hit("upload.frozen");
        let mut file = storage.begin().await?;
        let mut pieces = storage.staged_stream(&frozen, total).await.map_err(missing)?;
        while let Some(piece) = pieces.try_next().await? {
            // A server of somebody else's may answer as it likes.
            let len = file.len() + piece.len() as u64;
            if len > total {
                return Err(other_length(len));
            }
            file.write(piece).await?;
        }
        // It may have been put again before it was out of reach.
        let frozen_len = storage.staged_len(&frozen).await.map_err(missing)?;
        if file.len() != total || frozen_len != total {
            return Err(other_length(file.len().max(frozen_len)));
        }
        let digests = file.finish().await?;
        let wish = Kept::read(&upload.wish).wish();
        let checked = self.check(&file, digests, &wish).await?;
        self.announce(&checked.stored).await?;
        storage.promote_staged(&frozen, &checked.stored.key, total).await?;
        self.library.storages().crash().hit("upload.promoted");
        self.admit(owner, &wish, checked, room).await
    }
}

const TO_COMPLETE: Duration = Duration::from_secs(15 * 60);
/// A claim older than any look at an object takes belongs to a process that died.
const DEAD_AFTER: i64 = 600_000;
