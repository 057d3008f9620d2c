//! What we remember of an object, so that a request needs not ask the source. By age since the source was asked:
//!
//! - up to `revalidate`: taken for true;
//! - up to ten times that: used once more, while one task asks again behind it;
//! - older: the request waits for the answer, of which there is one for all who wait;
//! - «no such object»: taken for true up to `revalidate`, at most 10 s, then asked again before the answer, so an
//!   object that appears is seen within `revalidate`;
//! - the source fails: what was known last is taken for true for another `revalidate`, so a dead source is asked
//!   once in that time and not by everybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Source, SourceError, SourcePath};
use crate::storage::fs::FileStat;

/// What tells one state of an object from another: the ETag, or else time and size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    validator: Arc<str>,
    len: u64,
    modified_ms: Option<i64>,
}

/// What is remembered of one object.
#[derive(Default)]
pub(super) struct Slot {
    known: Mutex<Option<Known>>,
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
        self.ask(source, path).await
    }

    pub(super) fn learn(&self, said: Result<Identity, Missing>) {
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
                Some(Known { said: Ok(identity), .. }) => {
                    tracing::warn!(source = source.name(), %path, %error, "using what was known last");
                    self.learn(Ok(identity.clone()));
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

const MISSING: Duration = Duration::from_secs(10);
const AGING: u32 = 10;

#[cfg(test)]
impl Slot {
    /// Makes what is known older, in place of waiting.
    pub(super) fn age(&self, by: Duration) {
        if let Some(known) = self.known.lock().unwrap().as_mut() {
            known.asked = known.asked.checked_sub(by).unwrap();
        }
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Acquire)
    }
}
