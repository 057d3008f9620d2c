//! Uploads that come in several requests, over days and by any node: what was received for good is kept in parts, and
//! the row says how far it goes. The last bytes count only together with the image, so an upload that is whole is one.

mod append;
mod checksum;

use super::store::pending::{self, Pending};
use super::ticket::Kept;
use super::{Owner, UploadError, Uploads, Wish};
use crate::storage::Storage;

pub use append::Received;
pub use checksum::Checksum;

/// An upload as it stands.
#[derive(Debug, Clone)]
pub struct Progress {
    pub id: String,
    pub total: u64,
    /// So much of it is safe.
    pub received: u64,
    /// What the client said of it, as it was written.
    pub metadata: Option<String>,
    pub expires_at: i64,
    /// The id of the image that it became.
    pub image: Option<String>,
    /// Whether it comes by a presigned URL, and not through us.
    pub direct: bool,
}

impl Uploads {
    /// Begins an upload of exactly `total` bytes; room for all of them is reserved until it expires.
    pub async fn open(
        &self,
        owner: Owner,
        wish: &Wish,
        total: u64,
        metadata: Option<&str>,
        now: i64,
    ) -> Result<Progress, UploadError> {
        let storage = self.library.storage_for(owner.pk).await?;
        let row = Pending {
            id: random_id()?,
            owner: owner.pk.unwrap_or(0),
            storage: storage.name().to_owned(),
            total,
            received: 0,
            metadata: metadata.map(str::to_owned),
            wish: Kept::of(wish, &[]).text(),
            promise: None,
            staged: None,
            image: None,
            expires_at: later(now, self.config.unfinished_for),
            ended: false,
        };
        Ok(self.announce_upload(owner, wish, row, now).await?.into())
    }

    /// Somebody's own upload.
    pub async fn progress(&self, owner: i64, id: &str, now: i64) -> Result<Progress, UploadError> {
        Ok(self.pending(owner, id, now).await?.into())
    }

    /// Ends an upload and removes what was received. The image that one became stays.
    pub async fn terminate(&self, owner: i64, id: &str, now: i64) -> Result<(), UploadError> {
        let upload = self.pending(owner, id, now).await?;
        if pending::end(&self.db, id, now).await? {
            self.clear(&upload).await?;
        }
        Ok(())
    }

    /// Reserves room for an upload and writes it down.
    pub(super) async fn announce_upload(
        &self,
        owner: Owner,
        wish: &Wish,
        mut row: Pending,
        now: i64,
    ) -> Result<Pending, UploadError> {
        let limit = self.limit(owner, wish);
        if row.total > limit {
            return Err(UploadError::TooManyBytes { limit });
        }
        let room = self.library.reserve(owner.pk, owner.quota, row.total, 1, now).await?;
        row.promise = room.leave_until(row.expires_at.saturating_add(HOUR)).await?;
        if let Err(error) = pending::insert(&self.db, &row, now).await {
            if let Some(promise) = &row.promise {
                self.library.give_back(promise).await?;
            }
            return Err(error.into());
        }
        Ok(row)
    }

    /// An upload that is not over.
    pub(super) async fn pending(&self, owner: i64, id: &str, now: i64) -> Result<Pending, UploadError> {
        match pending::find(&self.db, owner, id).await? {
            Some(upload) if upload.ended => Err(UploadError::NoUpload),
            Some(upload) if upload.expires_at <= now => Err(UploadError::UploadExpired),
            Some(upload) => Ok(upload),
            None => Err(UploadError::NoUpload),
        }
    }

    /// Removes what an upload holds that is over: its room and its parts.
    pub(super) async fn clear(&self, upload: &Pending) -> Result<(), UploadError> {
        if let Some(promise) = &upload.promise {
            self.library.give_back(promise).await?;
        }
        let storage = self.library.storage_named(&upload.storage).await?;
        if let Some(staged) = &upload.staged {
            storage.discard_staged(staged).await?;
        }
        self.forget_pieces(&storage, &upload.id).await
    }

    /// Removes the parts that rows know of.
    async fn forget_pieces(&self, storage: &Storage, upload: &str) -> Result<(), UploadError> {
        for piece in pending::pieces(&self.db, upload).await? {
            storage.discard_piece(&piece.key).await?;
        }
        Ok(pending::forget_pieces(&self.db, upload).await?)
    }

    /// Forgets uploads whose time is over, with all that they left in storages. A storage that does not answer keeps
    /// its rows for a week.
    pub(super) async fn sweep_pending(&self, now: i64) -> Result<u64, UploadError> {
        let (mut swept, mut after) = (0, String::new());
        loop {
            let over = pending::expired(&self.db, now, &after).await?;
            let Some(last) = over.last() else { return Ok(swept) };
            after.clone_from(&last.id);
            for upload in over {
                match self.clear_wholly(&upload).await {
                    Ok(()) => {}
                    Err(error) if upload.expires_at > now.saturating_sub(7 * super::DAY) => {
                        tracing::warn!(upload = upload.id, %error, "an upload that is over stays for now");
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(upload = upload.id, %error, "parts of an upload may be left");
                    }
                }
                pending::delete(&self.db, &upload.id).await?;
                swept += 1;
            }
        }
    }

    /// Also what a crash left, of which no row knows.
    async fn clear_wholly(&self, upload: &Pending) -> Result<(), UploadError> {
        self.clear(upload).await?;
        self.library.storage_named(&upload.storage).await?.discard_pieces(&upload.id).await?;
        Ok(())
    }
}

impl From<Pending> for Progress {
    fn from(row: Pending) -> Self {
        Self {
            id: row.id,
            total: row.total,
            received: row.received,
            metadata: row.metadata,
            expires_at: row.expires_at,
            image: row.image,
            direct: row.staged.is_some(),
        }
    }
}

/// A promise outlasts its upload, so that the room of one that is being finished is not given to others.
const HOUR: i64 = 3_600_000;

pub(super) fn later(now: i64, span: std::time::Duration) -> i64 {
    now.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// 32 hexadecimal digits.
pub(super) fn random_id() -> Result<String, UploadError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| UploadError::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests;
