//! One request's part of an upload. Nothing is locked: parts are written under names of their own, and the one whose
//! commit finds the upload where it expects it counts. What loses is removed, and its client asks where to go on.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::Checksum;
use crate::db::now_ms;
use crate::library::Image;
use crate::storage::{PieceKey, Storage, Temporary};
use crate::upload::store::pending::{self, Pending, Piece};
use crate::upload::ticket::Kept;
use crate::upload::{Owner, UploadError, Uploaded, Uploads};

/// How far an upload is after a request.
#[derive(Debug, Clone)]
pub struct Received {
    pub received: u64,
    pub expires_at: i64,
    /// What it became with its last byte.
    pub image: Option<Image>,
}

/// What a request brings.
struct Part {
    uploads: Uploads,
    owner: Owner,
    upload: Pending,
    storage: Storage,
    /// Where the next byte goes.
    at: u64,
    /// The part that grows.
    open: Option<(PieceKey, Temporary)>,
    /// Parts that must not count before the checksum is known to be right; where they begin.
    waiting: Vec<(u64, PieceKey, Temporary)>,
    checksum: Option<Checksum>,
}

impl Uploads {
    /// Takes bytes that go to `offset`. Where they end before they are whole, what came is kept, unless there is a checksum
    /// that nobody can know any more. It must run to its end, whoever still waits for it.
    pub async fn append<E>(
        &self,
        owner: Owner,
        id: &str,
        offset: u64,
        checksum: Option<Checksum>,
        bytes: impl Stream<Item = Result<Bytes, E>> + Send,
        now: i64,
    ) -> Result<Received, UploadError> {
        let upload = self.pending(owner.pk.unwrap_or(0), id, now).await?;
        if upload.staged.is_some() {
            return Err(UploadError::NoUpload);
        }
        if offset != upload.received {
            return Err(UploadError::Offset { received: upload.received });
        }
        let storage = self.library.storage_named(&upload.storage).await?;
        let mut part = Part {
            uploads: self.clone(),
            owner,
            upload,
            storage,
            at: offset,
            open: None,
            waiting: Vec::new(),
            checksum,
        };
        let mut bytes = std::pin::pin!(bytes);
        let mut torn = false;
        while let Some(piece) = bytes.next().await {
            match piece {
                Ok(piece) => part.take(piece).await?,
                Err(_) => {
                    torn = true;
                    break;
                }
            }
        }
        part.end(torn).await
    }
}

impl Part {
    async fn take(&mut self, bytes: Bytes) -> Result<(), UploadError> {
        let total = self.upload.total;
        if bytes.len() as u64 > total - self.at {
            return Err(UploadError::TooManyBytes { limit: total });
        }
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&bytes);
        }
        let (key, mut file) = match self.open.take() {
            Some(open) => open,
            None => self.storage.begin_piece(&self.upload.id, self.at).await?,
        };
        self.at += bytes.len() as u64;
        file.write(bytes).await?;
        self.uploads.library.storages().crash().hit("upload.piece");
        if file.len() < PIECE || self.at == total {
            self.open = Some((key, file));
            return Ok(());
        }
        let begins_at = self.at - file.len();
        if self.checksum.is_some() {
            self.waiting.push((begins_at, key, file));
            return Ok(());
        }
        self.keep(begins_at, key, file).await
    }

    /// No more bytes come.
    async fn end(mut self, torn: bool) -> Result<Received, UploadError> {
        if let Some(checksum) = self.checksum.take() {
            if torn {
                return Err(UploadError::Torn);
            }
            if !checksum.fits() {
                return Err(UploadError::Checksum);
            }
            for (begins_at, key, file) in std::mem::take(&mut self.waiting) {
                self.keep(begins_at, key, file).await?;
            }
        }
        if let Some((key, file)) = self.open.take() {
            if self.at == self.upload.total {
                return self.finish(file).await;
            }
            let begins_at = self.at - file.len();
            self.keep(begins_at, key, file).await?;
        }
        if torn {
            return Err(UploadError::Torn);
        }
        Ok(Received { received: self.at, expires_at: self.upload.expires_at, image: None })
    }

    /// Makes it count, if the upload still stands where it begins.
    async fn keep(&self, begins_at: u64, key: PieceKey, file: Temporary) -> Result<(), UploadError> {
        let crash = self.uploads.library.storages().crash();
        let bytes = self.storage.keep_piece(&key, file).await?;
        crash.hit("upload.piece_kept");
        let piece = Piece { begins_at, bytes, key };
        let kept = async {
            let mut tx = self.uploads.db.write().await?;
            if !pending::add_piece(&mut tx, &self.upload.id, &piece, MOST_PIECES).await? {
                return Ok(false);
            }
            tx.commit().await.map(|()| true)
        };
        match kept.await {
            Ok(true) => {
                crash.hit("upload.piece_counted");
                Ok(())
            }
            Ok(false) => {
                self.storage.discard_piece(&piece.key).await?;
                Err(self.overtaken(begins_at, UploadError::TooManyPieces).await)
            }
            // Whether it was committed is not known, so it is left for the sweep.
            Err(error) => Err(error.into()),
        }
    }

    /// Why a part that begins there did not count: the upload stands elsewhere, or is over, or there is this other reason.
    async fn overtaken(&self, begins_at: u64, otherwise: UploadError) -> UploadError {
        match self.uploads.pending(self.upload.owner, &self.upload.id, now_ms()).await {
            Ok(upload) if upload.received == begins_at => otherwise,
            Ok(upload) => UploadError::Offset { received: upload.received },
            Err(error) => error,
        }
    }

    /// The last bytes are in `file`.
    async fn finish(self, file: Temporary) -> Result<Received, UploadError> {
        let Self { uploads, owner, upload, .. } = &self;
        let now = now_ms();
        let promise = upload.promise.clone();
        let mut room = uploads.library.taken_up(owner.pk, owner.quota, promise, upload.total, now);
        let done = async {
            let mut whole = self.whole(file).await?;
            let digests = whole.finish().await?;
            uploads.record(*owner, &Kept::read(&upload.wish).wish(), whole, digests, &mut room).await
        };
        match done.await {
            Ok(Uploaded { image, .. }) => {
                pending::became(&uploads.db, &upload.id, image.id.as_str()).await?;
                room.release().await?;
                if let Err(error) = uploads.forget_pieces(&self.storage, &upload.id).await {
                    tracing::warn!(upload = upload.id, %error, "parts of an upload stay for now");
                }
                Ok(Received { received: upload.total, expires_at: upload.expires_at, image: Some(image) })
            }
            Err(error) => {
                room.leave();
                if error.ends_upload() && pending::fail(&uploads.db, &upload.id, now).await? {
                    uploads.clear(upload).await?;
                }
                Err(error)
            }
        }
    }

    /// All bytes in one file. What came in one part is that already.
    async fn whole(&self, mut last: Temporary) -> Result<Temporary, UploadError> {
        let total = self.upload.total;
        if last.len() == total {
            return Ok(last);
        }
        let begins_at = self.at - last.len();
        let lost = self.overtaken(begins_at, UploadError::Lost);
        let mut whole = self.storage.begin().await?;
        for piece in pending::pieces(&self.uploads.db, &self.upload.id).await? {
            // Somebody else was faster with other parts.
            if piece.begins_at != whole.len() || whole.len() + piece.bytes > begins_at {
                return Err(lost.await);
            }
            let mut bytes = self.storage.piece_stream(&piece.key, piece.bytes).await?;
            while let Some(bytes) = bytes.try_next().await? {
                // A server of somebody else's may answer as it likes.
                if whole.len() + bytes.len() as u64 > begins_at {
                    return Err(lost.await);
                }
                whole.write(bytes).await?;
            }
        }
        if whole.len() != begins_at {
            return Err(lost.await);
        }
        let mut bytes = last.stream().await?;
        while let Some(bytes) = bytes.try_next().await? {
            whole.write(bytes).await?;
        }
        Ok(whole)
    }
}

/// So much is lost at most when a process dies; and held in memory at most where a store takes an object only whole.
const PIECE: u64 = 4 << 20;
/// An upload that is cut more often is not worth its rows.
const MOST_PIECES: u32 = 4096;
