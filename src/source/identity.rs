//! What we remember of an object, so that a request needs not ask the source. By age since the source was asked:
//!
//! - up to `revalidate`: taken for true;
//! - up to ten times that: used once more, while one task asks again behind it;
//! - older: the request waits for the answer, of which there is one for all who wait;
//! - «no such object»: taken for true up to `revalidate`, at most 10 s, then asked again before the answer, so an
//!   object that appears is seen within `revalidate`;
//! - the source fails: what was known last is taken for true for another `revalidate`, so a dead source is asked
//!   once in that time and not by everybody; where nothing is known, and for reading, the failure itself is remembered
//!   for `revalidate`, at most 10 s.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Source, SourceError, SourcePath};
use crate::storage::fs::FileStat;

/// What tells one state of an object from another: the ETag, or else time and size, or else a hash of the content.
#[derive(Debug, Clone)]
pub struct Identity {
    validator: Arc<str>,
    len: u64,
    modified_ms: Option<i64>,
}

/// What is remembered of one object.
#[derive(Default)]
pub(super) struct Slot {
    known: Mutex<Option<Known>>,
    /// The last failure, where nothing has succeeded since.
    failed: Mutex<Option<(Instant, SourceError)>>,
    refreshing: AtomicBool,
    /// Held by the one who asks the source while others wait.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    /// `Err` = there is no such object.
    said: Result<Identity, Missing>,
    asked: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing;

enum Freshness {
    Fresh,
    /// To be used, and to be refreshed behind.
    Aging,
    Stale,
}

impl Identity {
    /// `validator` is the source's own word for this state.
    pub(super) fn new(validator: &str, len: u64) -> Self {
        Self { validator: validator.into(), len, modified_ms: None }
    }

    pub(super) fn of_file(stat: FileStat) -> Self {
        Self {
            validator: format!("{:x}-{:x}", stat.modified_ns, stat.len).into(),
            len: stat.len,
            modified_ms: Some(stat.modified_ns.div_euclid(1_000_000)),
        }
    }

    /// What a server said of a version. Two of its answers may differ in quotes and weakness and mean the same.
    pub(super) fn of_validators(etag: Option<&str>, modified_ms: Option<i64>, len: u64) -> Option<Self> {
        let etag =
            etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"')).filter(|etag| !etag.is_empty());
        let validator = match (etag, modified_ms) {
            (Some(etag), _) => etag.into(),
            (None, Some(modified)) => format!("{modified:x}-{len:x}").into(),
            (None, None) => return None,
        };
        Some(Self { validator, len, modified_ms })
    }

    /// Of an object whose source has no word for its versions.
    pub(super) fn of_content(bytes: &[u8]) -> Self {
        let validator = format!("{CONTENT}{}", blake3::hash(bytes).to_hex()).into();
        Self { validator, len: bytes.len() as u64, modified_ms: None }
    }

    pub(super) fn is_content(&self) -> bool {
        self.validator.starts_with(CONTENT)
    }

    /// Part of the cache key.
    pub fn validator(&self) -> &str {
        &self.validator
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Milliseconds since 1970, for `Last-Modified`.
    pub fn modified_ms(&self) -> Option<i64> {
        self.modified_ms
    }
}

/// The time is told to clients and does not tell versions apart beyond what the validator does: one server may give
/// it with one answer and leave it out of another.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        (&self.validator, self.len) == (&other.validator, other.len)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.validator, self.len).hash(state);
    }
}

impl Slot {
    pub(super) async fn identity(
        self: Arc<Self>,
        source: &Source,
        path: &SourcePath,
    ) -> Result<Identity, SourceError> {
        let revalidate = source.inner.revalidate;
        if let Some(known) = self.known() {
            match known.freshness(revalidate) {
                Freshness::Fresh => return known.said.map_err(|Missing| SourceError::NotFound),
                Freshness::Aging => {
                    self.refresh_behind(source, path);
                    return known.said.map_err(|Missing| SourceError::NotFound);
                }
                Freshness::Stale => {}
            }
        }
        let _asking = self.asking.lock().await;
        // Somebody may have asked while we waited.
        if let Some(known) =
            self.known().filter(|known| matches!(known.freshness(revalidate), Freshness::Fresh))
        {
            return known.said.map_err(|Missing| SourceError::NotFound);
        }
        Box::pin(self.ask(source, path)).await
    }

    pub(super) fn learn(&self, said: Result<Identity, Missing>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.take_for_true(said);
    }

    pub(super) fn fail(&self, error: SourceError) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), error));
    }

    /// A failure of so short a time ago that it is still one.
    pub(super) fn failure(&self, revalidate: Duration) -> Option<SourceError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = failed.as_ref()?;
        (at.elapsed() < revalidate.min(MISSING)).then(|| error.clone())
    }

    /// The version that was known last, however long ago.
    pub(super) fn last(&self) -> Option<Identity> {
        self.known()?.said.ok()
    }

    pub(super) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take_for_true(&self, said: Result<Identity, Missing>) {
        let known = Known { said, asked: Instant::now() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    fn refresh_behind(self: &Arc<Self>, source: &Source, path: &SourcePath) {
        if self.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (slot, source, path) = (Arc::clone(self), source.clone(), path.clone());
        tokio::spawn(async move {
            // The next request finds what this one learnt, an error included.
            let _ = slot.ask(&source, &path).await;
            slot.refreshing.store(false, Ordering::Release);
        });
    }

    async fn ask(&self, source: &Source, path: &SourcePath) -> Result<Identity, SourceError> {
        match source.stat(path).await {
            Ok(stat) => {
                self.learn(Ok(stat.identity.clone()));
                Ok(stat.identity)
            }
            Err(SourceError::NotFound) => {
                self.learn(Err(Missing));
                Err(SourceError::NotFound)
            }
            Err(error) => match self.known() {
                Some(Known { said: Ok(identity), .. }) if error.is_failure() => {
                    tracing::warn!(source = source.name(), %path, %error, "using what was known last");
                    self.take_for_true(Ok(identity.clone()));
                    Ok(identity)
                }
                _ => Err(error),
            },
        }
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn freshness(&self, revalidate: Duration) -> Freshness {
        let age = self.asked.elapsed();
        let fresh = if self.said.is_ok() { revalidate } else { revalidate.min(MISSING) };
        if age <= fresh {
            Freshness::Fresh
        } else if self.said.is_ok() && age <= revalidate * AGING {
            Freshness::Aging
        } else {
            Freshness::Stale
        }
    }
}

/// What a validator begins with that is a hash of the content; `"` ends an ETag and so begins none.
const CONTENT: &str = "\"blake3 ";

const MISSING: Duration = Duration::from_secs(10);
const AGING: u32 = 10;

#[cfg(test)]
impl Slot {
    /// Makes what is known older, in place of waiting.
    pub(super) fn age(&self, by: Duration) {
        if let Some(known) = self.known.lock().unwrap().as_mut() {
            known.asked = known.asked.checked_sub(by).unwrap();
        }
        if let Some((at, _)) = self.failed.lock().unwrap().as_mut() {
            *at = at.checked_sub(by).unwrap();
        }
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Acquire)
    }
}
