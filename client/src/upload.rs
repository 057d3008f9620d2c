//! An upload: what the cache knows is not asked, what the server has is not sent, and what is sent is sent once.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::answers::{Image, Taken};
use crate::api::Ask;
use crate::body::{Body, form};
use crate::cache::Known;
use crate::failure::During as _;
use crate::local::Local;
use crate::rfc3339;
use crate::{Client, Failure, Step};

/// How new pictures are to be recorded. Pictures that are there already stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wish {
    pub visibility: Option<Visibility>,
    /// The id of an album.
    pub album: Option<String>,
    pub tags: Vec<String>,
    pub expires_in: Option<Duration>,
    /// Ask the server even about what the cache was told a moment ago.
    #[serde(skip)]
    pub revalidate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    Public,
    Private,
}

/// A picture that is on the server now.
#[derive(Debug, Clone)]
pub struct Uploaded {
    pub status: Status,
    pub image: Image,
    /// Whether its bytes were sent; the server may have had them in the trash.
    pub sent: bool,
    /// The server could not be asked, and this is what it said some time ago.
    pub stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its bytes were sent.
    Uploaded,
    /// It was there.
    Existing,
}

/// Is told how far uploads are; from several threads.
pub trait Watch: Sync {
    /// So many more bytes went out; fewer than none where they have to be sent again.
    fn sent(&self, bytes: i64);
    /// A file is done with; of `unsent` bytes none went out.
    fn done(&self, path: &Path, unsent: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Watch for Silent {
    fn sent(&self, _: i64) {}
    fn done(&self, _: &Path, _: u64) {}
}

/// Addresses of private pictures end within a day.
const LONGEST_PRIVATE: Duration = Duration::from_secs(12 * 3600);

impl Client {
    /// Uploads a file, unless it is there.
    pub fn upload(&self, path: &Path, wish: &Wish, watch: &dyn Watch) -> Result<Uploaded, Failure> {
        let done = self.upload_one(path, wish, watch);
        let was_sent = done.as_ref().is_ok_and(|done| done.sent);
        let unsent = if was_sent { 0 } else { std::fs::metadata(path).map_or(0, |meta| meta.len()) };
        watch.done(path, unsent);
        done
    }

    /// Uploads files, so many at a time; the results are in the order of the files. After an interruption the rest is
    /// left alone.
    pub fn upload_all<P: AsRef<Path> + Sync>(
        &self,
        paths: &[P],
        wish: &Wish,
        parallel: usize,
        watch: &dyn Watch,
    ) -> Vec<Result<Uploaded, Failure>> {
        let next = AtomicUsize::new(0);
        let done: Vec<Mutex<Option<Result<Uploaded, Failure>>>> =
            paths.iter().map(|_| Mutex::default()).collect();
        std::thread::scope(|scope| {
            for _ in 0..parallel.clamp(1, 64).min(paths.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = paths.get(index) else { return };
                        let result = self.upload(path.as_ref(), wish, watch);
                        *done[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                    }
                });
            }
        });
        let result = |place: Mutex<Option<_>>| place.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.into_iter().map(|place| result(place).unwrap_or(Err(Failure::Interrupted))).collect()
    }

    fn upload_one(&self, path: &Path, wish: &Wish, watch: &dyn Watch) -> Result<Uploaded, Failure> {
        let file = Local::read(path, &self.api.stop)?;
        // The same bytes under another name are on their way, perhaps.
        let _turn = self.turns.take(&file.md5);
        self.api.stop.check()?;
        if let Some(known) = self.find_local(&file, wish.revalidate).during(Step::Lookup)? {
            return Ok(known);
        }
        let image = match &file.content {
            Some(content) => self.send_whole(&file, content, wish, watch),
            None => self.send_in_parts(&file, wish, watch),
        };
        let image = image.during(Step::Upload)?;
        if image.sha256 != file.sha256 {
            // What arrived is neither the file before nor after.
            self.api.call(&Ask::new("DELETE", format!("/v1/images/{}", image.id)))?;
            let reason = "was changed while it was sent; nothing was kept".to_owned();
            return Err(Failure::File { path: file.path, reason });
        }
        self.remember(&image);
        let status = if image.duplicate { Status::Existing } else { Status::Uploaded };
        Ok(Uploaded { status, image, sent: true, stale: false })
    }

    /// What is known of a file without sending it.
    pub(crate) fn find_local(&self, file: &Local, revalidate: bool) -> Result<Option<Uploaded>, Failure> {
        let now = rfc3339::now();
        let known = self.recall(&file.md5).filter(|known| known.image.sha256 == file.sha256);
        let known = known.filter(|known| known.image.expires_at.is_none_or(|at| at > now));
        let existing = |image, stale| Some(Uploaded { status: Status::Existing, image, sent: false, stale });
        if let Some(known) = known.as_ref().filter(|known| !revalidate && self.is_fresh(known, now)) {
            return Ok(existing(known.image.clone(), false));
        }
        match self.by_hash(&file.sha256) {
            Ok(Some(image)) => {
                self.remember(&image);
                Ok(existing(image, false))
            }
            Ok(None) => {
                self.cached(|cache| cache.forget(&file.md5));
                Ok(None)
            }
            // Nobody looks up with a key that may only upload; the server tells then.
            Err(Failure::Denied { code, .. }) if code == "missing_scope" => Ok(None),
            Err(failure) if failure.is_passing() => match known {
                Some(known) if known.is_within(LONGEST_PRIVATE, now) || !known.is_private() => {
                    Ok(existing(known.image, true))
                }
                _ => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    fn is_fresh(&self, known: &Known, now: i64) -> bool {
        let longest = if known.is_private() { self.revalidate.min(LONGEST_PRIVATE) } else { self.revalidate };
        known.is_within(longest, now)
    }

    fn send_whole(
        &self,
        file: &Local,
        content: &[u8],
        wish: &Wish,
        watch: &dyn Watch,
    ) -> Result<Image, Failure> {
        let (content_type, head, tail) = form(&file.name, &file.sha256, &wish.texts());
        let body = Body::Form { head: &head, file: content, tail: &tail };
        let ask = Ask::new("POST", "/v1/images").body(content_type, body).watched(watch).repeatable();
        let taken: Taken = self.api.json(&ask)?;
        taken.images.into_iter().next().ok_or_else(|| Failure::Strange {
            server: self.api.server.clone(),
            reason: "it took no picture and said nothing".to_owned(),
        })
    }
}

impl Wish {
    /// As the fields of a form, and of tus's metadata.
    pub(crate) fn texts(&self) -> Vec<(&'static str, String)> {
        let visibility = self.visibility.map(|visibility| match visibility {
            Visibility::Public => "public".to_owned(),
            Visibility::Private => "private".to_owned(),
        });
        let tags = (!self.tags.is_empty()).then(|| self.tags.join(","));
        let expires_in = self.expires_in.map(|span| span.as_secs().max(1).to_string());
        let fields = [
            ("visibility", visibility),
            ("album", self.album.clone()),
            ("tags", tags),
            ("expires_in", expires_in),
        ];
        fields.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }
}

impl Known {
    fn is_private(&self) -> bool {
        self.image.visibility != "public"
    }

    /// A clock that was put back makes nothing fresh.
    fn is_within(&self, span: Duration, now: i64) -> bool {
        let age = now - self.checked_at;
        age >= 0 && i128::from(age) < i128::try_from(span.as_millis()).unwrap_or(i128::MAX)
    }
}
