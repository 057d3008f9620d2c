//! How a picture comes in: streamed into a temporary file while it is hashed, sniffed and measured before anything is
//! kept, stored once per content, recorded. An object is announced before it appears and appears before its row is
//! written, so whatever dies in between leaves no row without its bytes.

mod direct;
mod error;
mod fetch;
mod folder;
mod naming;
mod once;
mod resumable;
mod session;
mod store;
mod ticket;
mod types;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::accounts::Quota;
use crate::codec::Limits;
use crate::db::{Db, now_ms};
use crate::library::{self, Filing, Image, ImageId, Library, NewImage, Past, Sameness, Visibility};
use crate::net::Client;

pub use direct::Direct;
pub use error::UploadError;
pub use folder::{Found, Walk};
pub use naming::{Naming, Pattern};
pub use once::{Attempt, Seen};
pub use resumable::{Checksum, Progress, Received};
pub use session::Session;
pub use ticket::{Claim, Grant};
pub use types::Types;

/// What holds for all uploads.
#[derive(Debug, Clone)]
pub struct Config {
    pub limits: Limits,
    pub max_bytes: u64,
    pub types: Types,
    pub naming: Naming,
    /// That of new images.
    pub visibility: Visibility,
    /// When an image ends that says nothing about it; `None` = never.
    pub expire_after: Option<Duration>,
    /// How long an upload in several requests may take.
    pub unfinished_for: Duration,
}

/// The use cases of taking pictures in; cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    library: Library,
    db: Db,
    /// `None` = nothing is fetched.
    client: Option<Client>,
    config: Arc<Config>,
}

/// Whose a picture will be, and how much they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// `None` = the operator's own.
    pub pk: Option<i64>,
    pub quota: library::Quota,
}

/// What is to be recorded beside the bytes, and what they must keep to.
#[derive(Debug, Clone)]
pub struct Wish {
    pub name: String,
    /// How many bytes will come, if that is known; at least as many, if it is known roughly.
    pub declared: Option<u64>,
    /// Less than is allowed anyway.
    pub max_bytes: Option<u64>,
    pub types: Option<Types>,
    pub visibility: Option<Visibility>,
    pub expires: Expires,
    /// Which of the owner's images this one would repeat.
    pub same: Sameness,
    pub id: Option<ImageId>,
    /// By which rule its stored name is made where `uploads.naming` leaves it to chance.
    pub naming: Option<Naming>,
    /// Instead of a name by the rule of `uploads.naming`.
    pub stored_name: Option<String>,
    pub past: Past,
    pub filing: Filing,
}

/// When an image ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expires {
    /// As the configuration says.
    #[default]
    Usual,
    Never,
    /// Milliseconds since 1970.
    At(i64),
}

/// A picture that is in the library now.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    pub image: Image,
    /// The owner had it already; `image` is that one.
    pub duplicate: bool,
}

impl Wish {
    /// The usual in everything, the same by content.
    pub fn named(name: &str) -> Self {
        Self {
            // What comes with a name of a page's length is no name, and no engine but SQLite keeps a NUL.
            name: naming::cut(&name.replace(char::is_control, ""), LONGEST_NAME).to_owned(),
            declared: None,
            max_bytes: None,
            types: None,
            visibility: None,
            expires: Expires::Usual,
            same: Sameness::Content,
            id: None,
            naming: None,
            stored_name: None,
            past: Past::default(),
            filing: Filing::default(),
        }
    }
}

impl Owner {
    pub fn new(pk: i64, quota: Quota) -> Self {
        Self { pk: Some(pk), quota: library::Quota { bytes: quota.bytes, files: quota.files } }
    }
}

impl Expires {
    fn at(self, usual: Option<Duration>, now: i64) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::At(at) => Some(at),
            Self::Usual => {
                usual.map(|after| now.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
            }
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_bytes: 32_000_000,
            types: Types::all(),
            naming: Naming::Random,
            visibility: Visibility::Public,
            expire_after: None,
            unfinished_for: Duration::from_secs(86_400),
        }
    }
}

impl Uploads {
    pub fn new(library: Library, config: Config) -> Self {
        Self { db: library.db().clone(), library, client: None, config: Arc::new(config) }
    }

    /// The same, with a way out for pictures by URL.
    #[must_use]
    pub fn fetching_by(self, client: Client) -> Self {
        Self { client: Some(client), ..self }
    }

    pub fn max_bytes(&self) -> u64 {
        self.config.max_bytes
    }

    /// Forgets what ended long ago. For a job that runs now and then.
    pub async fn sweep(&self, now: i64) -> Result<u64, UploadError> {
        // An old ticket says for a while yet that it has expired.
        Ok(store::sweep(&self.db, now, now - 30 * DAY).await? + self.sweep_pending(now).await?)
    }

    /// How many [`Uploads::sweep`] would find.
    pub async fn sweepable(&self, now: i64) -> Result<u64, UploadError> {
        Ok(store::sweepable(&self.db, now, now - 30 * DAY).await?)
    }

    pub fn library(&self) -> &Library {
        &self.library
    }

    /// A picture that is in memory already.
    pub async fn bytes(&self, owner: Owner, wish: Wish, bytes: Bytes) -> Result<Uploaded, UploadError> {
        let mut session = self.begin(owner, Wish { declared: Some(bytes.len() as u64), ..wish }).await?;
        session.write(bytes).await?;
        session.finish().await
    }

    /// Sees to it that each picture is there under its fixed id, with this content. Doing it again does nothing.
    pub async fn ensure_demo(&self, pictures: &[(&str, &str, Bytes)]) -> Result<(), UploadError> {
        for (id, name, bytes) in pictures {
            let id: ImageId = id.parse().map_err(UploadError::Id)?;
            let wish = Wish { id: Some(id.clone()), ..Wish::named(name) };
            let mut file = self.library.storages().default().begin().await?;
            file.write(bytes.clone()).await?;
            let digests = file.finish().await?;
            let checked = self.store(file, digests, &wish).await?;
            let new = NewImage {
                id: Some(id.clone()),
                name: wish.name,
                shape: session::shape(&checked.header),
                stored: checked.stored,
                visibility: Visibility::Public,
                owner: None,
                expires_at: None,
                stored_name: None,
                exif: checked.exif,
                past: Past::default(),
            };
            match self.library.find_any(&id).await? {
                None => drop(self.library.insert(&new).await?),
                Some(image) if image.sha256 == new.stored.sha256 && image.is_live(now_ms()) => {}
                Some(_) => drop(self.library.replace(&id, &new).await?),
            }
        }
        Ok(())
    }
}

const DAY: i64 = 86_400_000;
/// As many bytes as a name of 255 characters may have in the database.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests;
