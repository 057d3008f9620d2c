//! One file on its way in. Until it is recorded everything can be undone, and is when the session is dropped: a caller
//! who leaves, a full disk and a panic all end the same way.

use std::io::Read;
use std::os::unix::fs::FileExt;

use bytes::Bytes;

use super::{Expires, Naming, Owner, UploadError, Uploaded, Uploads, Wish};
use crate::codec::{Format, Header, Limits, Probe, metadata, probe};
use crate::db::now_ms;
use crate::library::{Image, ImageId, NewImage, Past, Quota, Reservation, Shape, Stored};
use crate::storage::{Digests, ObjectKey, Temporary};

/// Takes bytes as they arrive. They are hashed and written in pieces; memory does not grow with the file.
pub struct Session {
    uploads: Uploads,
    owner: Owner,
    wish: Wish,
    file: Temporary,
    room: Reservation,
    limit: u64,
    /// Once no more bytes come.
    digests: Option<Digests>,
}

/// What a file is, and where it is in the storage or will be.
pub(super) struct Checked {
    pub(super) header: Header,
    pub(super) stored: Stored,
    pub(super) exif: Option<String>,
}

impl Uploads {
    /// Reserves room before a byte is taken: as much as was declared, or step by step.
    pub async fn begin(&self, owner: Owner, wish: Wish) -> Result<Session, UploadError> {
        let limit = self.limit(owner, &wish);
        if wish.declared.is_some_and(|declared| declared > limit) {
            return Err(UploadError::TooManyBytes { limit });
        }
        let room =
            self.library.reserve(owner.pk, owner.quota, wish.declared.unwrap_or(0), 1, now_ms()).await?;
        let file = self.library.storage_for(owner.pk).await?.begin().await?;
        self.library.storages().crash().hit("upload.begun");
        Ok(Session { uploads: self.clone(), owner, wish, file, room, limit, digests: None })
    }

    /// For [`Session::replace`]: the picture's own room counts, so nothing is reserved beside it.
    pub async fn begin_replacement(&self, owner: Owner, wish: Wish) -> Result<Session, UploadError> {
        let unlimited = Owner { quota: Quota::default(), ..owner };
        Ok(Session { owner, ..self.begin(unlimited, wish).await? })
    }

    /// The operator's own files need only be such as can be read again.
    pub(super) fn limit(&self, owner: Owner, wish: &Wish) -> u64 {
        let most = if owner.pk.is_none() { self.config.limits.max_bytes } else { self.config.max_bytes };
        wish.max_bytes.unwrap_or(u64::MAX).min(most)
    }
}

impl Session {
    /// The first byte too much ends it.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), UploadError> {
        let len = self.file.len().saturating_add(piece.len() as u64);
        if len > self.limit {
            return Err(UploadError::TooManyBytes { limit: self.limit });
        }
        self.make_room(len).await?;
        self.file.write(piece).await?;
        self.uploads.library.storages().crash().hit("upload.piece");
        Ok(())
    }

    /// No more bytes come: what they are.
    pub async fn seal(&mut self) -> Result<Digests, UploadError> {
        if let Some(digests) = self.digests {
            return Ok(digests);
        }
        self.make_room(self.file.len()).await?;
        let digests = self.file.finish().await?;
        self.uploads.library.storages().crash().hit("upload.written");
        self.digests = Some(digests);
        Ok(digests)
    }

    /// What tells this upload from another: the content of a sealed file, and what is to be recorded of it.
    pub fn fingerprint(&self) -> String {
        let Wish { name, visibility, expires, filing, .. } = &self.wish;
        let sha256 = self.digests.map(|digests| digests.sha256.to_string()).unwrap_or_default();
        // A span from now is another time with each attempt.
        let expires = match expires {
            Expires::Usual => "usual",
            Expires::Never => "never",
            Expires::At(_) => "at",
        };
        format!("{sha256}\n{name}\n{visibility:?}\n{expires}\n{filing:?}")
    }

    /// Whose quota counts when it replaces something.
    #[must_use]
    pub fn for_owner(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// What is to be recorded, for as long as it is not.
    pub fn wish_mut(&mut self) -> &mut Wish {
        &mut self.wish
    }

    pub fn name(&self) -> &str {
        &self.wish.name
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    pub fn is_empty(&self) -> bool {
        self.file.is_empty()
    }

    /// Checks the file, stores it and records it. On return it is safe.
    pub async fn finish(mut self) -> Result<Uploaded, UploadError> {
        let digests = self.seal().await?;
        let Self { uploads, owner, wish, file, mut room, .. } = self;
        let done = uploads.record(owner, &wish, file, digests, &mut room).await?;
        room.release().await?;
        Ok(done)
    }

    /// Puts the content under an image that exists, in place of what it shows now.
    pub async fn replace(mut self, id: &ImageId) -> Result<Image, UploadError> {
        let digests = self.seal().await?;
        let Self { uploads, owner, wish, file, room, .. } = self;
        let checked = uploads.store(file, digests, &wish).await?;
        let old = uploads.library.find_any(id).await?.filter(|image| image.owner == owner.pk);
        let old = old.ok_or_else(|| UploadError::no_image(id))?;
        room.release().await?;
        let new = NewImage {
            id: None,
            name: if wish.name.is_empty() { old.name } else { wish.name.clone() },
            shape: shape(&checked.header),
            stored: checked.stored,
            visibility: old.visibility,
            owner: old.owner,
            expires_at: old.expires_at,
            stored_name: None,
            exif: checked.exif,
            past: Past::default(),
        };
        Ok(uploads.library.replace_within(id, &new, owner.quota, now_ms()).await?)
    }

    async fn make_room(&mut self, len: u64) -> Result<(), UploadError> {
        let now = now_ms();
        self.room.renew(now).await?;
        if len <= self.room.bytes() {
            return Ok(());
        }
        let step = len.clamp(FIRST_STEP, LAST_STEP);
        let ahead = len.saturating_add(step).min(self.limit).max(len);
        match self.room.grow_to(ahead, now).await {
            // The rest may be less than a step.
            Err(_) if ahead > len => Ok(self.room.grow_to(len, now).await?),
            done => Ok(done?),
        }
    }
}

impl Uploads {
    /// Checks a file all of whose bytes have come, stores it and records it. On return it is safe.
    pub(super) async fn record(
        &self,
        owner: Owner,
        wish: &Wish,
        file: Temporary,
        digests: Digests,
        room: &mut Reservation,
    ) -> Result<Uploaded, UploadError> {
        let checked = self.store(file, digests, wish).await?;
        self.admit(owner, wish, checked, room).await
    }

    /// Records what is in the storage.
    pub(super) async fn admit(
        &self,
        owner: Owner,
        wish: &Wish,
        checked: Checked,
        room: &mut Reservation,
    ) -> Result<Uploaded, UploadError> {
        let (now, stored) = (now_ms(), checked.stored);
        let digests = Digests { sha256: stored.sha256, md5: stored.md5, bytes: stored.bytes };
        let extension = checked.header.format.extension();
        let usual = || self.naming(wish).name(&wish.name, &digests, extension, now);
        let new = NewImage {
            id: wish.id.clone(),
            name: wish.name.clone(),
            shape: shape(&checked.header),
            stored,
            visibility: wish.visibility.unwrap_or(self.config.visibility),
            owner: owner.pk,
            expires_at: wish.expires.at(self.config.expire_after, now),
            stored_name: wish.stored_name.clone().or_else(usual),
            exif: checked.exif,
            past: wish.past,
        };
        let (image, duplicate) = self.library.admit(&new, wish.same, &wish.filing, room, now).await?;
        Ok(Uploaded { image, duplicate })
    }

    fn naming<'w>(&'w self, wish: &'w Wish) -> &'w Naming {
        match (&self.config.naming, &wish.naming) {
            (Naming::Random, Some(wanted)) => wanted,
            (configured, _) => configured,
        }
    }

    /// From a temporary file to an object that is announced and there; nobody needs it yet.
    pub(super) async fn store(
        &self,
        file: Temporary,
        digests: Digests,
        wish: &Wish,
    ) -> Result<Checked, UploadError> {
        let crash = self.library.storages().crash();
        let checked = self.check(&file, digests, wish).await?;
        self.announce(&checked.stored).await?;
        crash.hit("upload.announced");
        file.promote(&checked.stored.key, &digests).await?;
        crash.hit("upload.promoted");
        Ok(checked)
    }

    /// What a file is that is on the disk, if it is one that is taken here.
    pub(super) async fn check(
        &self,
        file: &Temporary,
        digests: Digests,
        wish: &Wish,
    ) -> Result<Checked, UploadError> {
        let (limits, Digests { sha256, md5, bytes }) = (self.config.limits, digests);
        let (header, exif) = file.inspect(move |file| inspect(file, bytes, &limits)).await??;
        let allowed = &self.config.types;
        if !allowed.contains(header.format)
            || wish.types.as_ref().is_some_and(|types| !types.contains(header.format))
        {
            return Err(UploadError::Type { format: header.format });
        }
        let key = ObjectKey::for_content(&sha256, header.format.extension());
        let stored = Stored { storage: file.storage().to_owned(), key, sha256, md5, bytes };
        Ok(Checked { header, stored, exif })
    }

    /// Says that this object is about to appear.
    pub(super) async fn announce(&self, stored: &Stored) -> Result<(), UploadError> {
        let Stored { storage, key, sha256, bytes, .. } = stored;
        Ok(self.library.announce(storage, key, sha256, *bytes, now_ms()).await?)
    }
}

/// What the file is, before any decoder sees it.
fn inspect(file: &std::fs::File, len: u64, limits: &Limits) -> Result<(Header, Option<String>), UploadError> {
    let header = measure(file, len, limits)?;
    let exif = match header.format {
        Format::Gif | Format::Bmp | Format::Ico | Format::Svg => None,
        // One EXIF block with pixels in it, which would be read whole.
        Format::Tiff if len > LARGEST_TIFF => None,
        _ => {
            let told = metadata::everything(At { file, at: 0, len });
            (!told.is_empty()).then(|| serde_json::to_string(&told).ok()).flatten()
        }
    };
    Ok((header, exif))
}

fn measure(file: &std::fs::File, len: u64, limits: &Limits) -> Result<Header, UploadError> {
    let mut prefix = Vec::new();
    let mut wanted = FIRST_LOOK.min(len);
    loop {
        let have = prefix.len();
        prefix.resize(usize::try_from(wanted).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut prefix[have..], have as u64).map_err(UploadError::Unread)?;
        match probe(&prefix, len, limits)? {
            Probe::Complete(header) => return Ok(header),
            Probe::NeedMore(needed) if wanted == len => return Err(UploadError::Unmeasured { needed, len }),
            // Doubling keeps the sum of all looks below twice the last.
            Probe::NeedMore(needed) => wanted = needed.max(wanted * 2).min(len),
        }
    }
}

/// A file that is read from a place of its own, so that nobody else's place in it moves.
struct At<'a> {
    file: &'a std::fs::File,
    at: u64,
    len: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl std::io::Seek for At<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        use std::io::SeekFrom;
        let to = match to {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Library rows hold words of their own, so that the library need not know codecs.
pub(super) fn shape(header: &Header) -> Shape {
    Shape {
        format: header.format.extension().to_owned(),
        width: header.width,
        height: header.height,
        orientation: header.orientation.exif(),
        frames: header.frames,
        has_alpha: header.has_alpha,
        depth: header.depth,
        progressive: header.progressive,
    }
}

/// Holds the header of nearly every JPEG, EXIF thumbnail included.
const FIRST_LOOK: u64 = 64 * 1024;
const LARGEST_TIFF: u64 = 16 << 20;
/// How far ahead room is reserved where no length was declared: each step is a transaction.
const FIRST_STEP: u64 = 256 * 1024;
const LAST_STEP: u64 = 4 << 20;
