//! What we remember of an object, so that a request needs not ask the source. By age since the source was asked:
//!
//! - up to `revalidate`, or as long as the source says where it is followed: taken for true;
//! - up to ten times `revalidate` longer, at most `stale_while_revalidate`: used once more, while one task asks again
//!   behind it;
//! - older: the request waits for the answer, of which there is one for all who wait;
//! - «no such object»: taken for true up to `revalidate`, at most 10 s, then asked again before the answer, so an
//!   object that appears is seen within `revalidate`;
//! - the source fails: what was known last is taken for true for another `revalidate`, so a dead source is asked
//!   once in that time and not by everybody, and for no longer than `stale_if_error`; where nothing is known, and for
//!   reading, the failure itself is remembered for `revalidate`, at most 10 s.
//!
//! What a source over a network said is also written into a [`Ledger`], so that a restart neither asks for everything
//! anew nor forgets what there was while the source is away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Identity, Source, SourceError, SourcePath, Terms};

/// How long the answers of one source count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Belief {
    pub(super) revalidate: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    /// Whether the source's own word counts.
    pub(super) follow: bool,
}

/// What a source says of an object, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub identity: Identity,
    /// It has not been confirmed for so long that it ought to be: the source is being asked, or does not answer.
    pub stale: bool,
    /// How much longer the source itself would have its answer used, where it is followed and has said so.
    pub left: Option<Duration>,
}

/// What outlives the process.
pub trait Ledger: Send + Sync {
    fn recall<'a>(&'a self, source: &'a str, path: &'a str) -> BoxFuture<'a, Option<Sighting>>;
    fn note(&self, source: &str, path: &str, sighting: &Sighting);
    fn forget(&self, source: &str, path: &str);
}

/// What a source said, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub identity: Identity,
    pub asked: SystemTime,
}

/// What is remembered of one object.
#[derive(Default)]
pub(super) struct Slot {
    known: Mutex<Option<Known>>,
    /// The last failure, where nothing has succeeded since.
    failed: Mutex<Option<(Instant, SourceError)>>,
    /// What the ledger holds, and since when.
    noted: Mutex<Option<(Identity, Instant)>>,
    recalled: AtomicBool,
    refreshing: AtomicBool,
    /// Held by the one who asks the source while others wait.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    /// `Err` = there is no such object.
    said: Result<Identity, Missing>,
    asked: Moment,
    /// When the source itself said so last; older than `asked` while it fails.
    confirmed: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing;

/// A point in time that may lie before the machine was started.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    before: Duration,
}

enum Freshness {
    Fresh,
    /// To be used, and to be refreshed behind.
    Aging,
    Stale,
}

impl Slot {
    pub(super) async fn see(
        self: Arc<Self>,
        source: &Source,
        path: &SourcePath,
    ) -> Result<Seen, SourceError> {
        let belief = source.inner.belief;
        if let Some(known) = self.known()
            && let Some(seen) = self.usable(&known, source, path)
        {
            return seen;
        }
        let arrived = Instant::now();
        let _asking = self.asking.lock().await;
        // Somebody may have asked while we waited.
        if let Some(known) = self.known() {
            if known.asked.at > arrived || matches!(known.freshness(belief), Freshness::Fresh) {
                return known.seen(belief);
            }
        } else if let Some(known) = self.recall(source, path).await
            && let Some(seen) = self.usable(&known, source, path)
        {
            return seen;
        }
        Box::pin(self.ask(source, path)).await
    }

    /// What may be answered without waiting; asks behind it where that is due.
    fn usable(
        self: &Arc<Self>,
        known: &Known,
        source: &Source,
        path: &SourcePath,
    ) -> Option<Result<Seen, SourceError>> {
        match known.freshness(source.inner.belief) {
            Freshness::Fresh => {}
            Freshness::Aging => self.refresh_behind(source, path),
            Freshness::Stale => return None,
        }
        Some(known.seen(source.inner.belief))
    }

    pub(super) fn learn(&self, said: Result<Identity, Missing>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let now = Moment::now();
        self.set(Some(Known { said, asked: now, confirmed: now }));
    }

    /// What the ledger does not have yet, or has had for so long that a restart would take it for too old.
    pub(super) fn to_note(&self, said: &Result<Identity, Missing>, belief: Belief) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match (said, &*noted) {
            (Ok(identity), Some((known, at)))
                if known == identity
                    && known.terms() == identity.terms()
                    && at.elapsed() < belief.revalidate * AGING / 2 =>
            {
                false
            }
            (Ok(identity), _) => {
                *noted = Some((identity.clone(), Instant::now()));
                true
            }
            (Err(Missing), _) => noted.take().is_some(),
        }
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
        self.set(None);
    }

    fn set(&self, known: Option<Known>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    async fn recall(&self, source: &Source, path: &SourcePath) -> Option<Known> {
        let ledger = source.ledger()?;
        if self.recalled.swap(true, Ordering::AcqRel) {
            return None;
        }
        let Sighting { identity, asked } = ledger.recall(source.name(), path.as_str()).await?;
        // A clock that was set back tells nothing about the age.
        let before = SystemTime::now().duration_since(asked).ok()?;
        let asked = Moment { at: Instant::now(), before };
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some((identity.clone(), Instant::now()));
        let known = Known { said: Ok(identity), asked, confirmed: asked };
        self.set(Some(known.clone()));
        Some(known)
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

    async fn ask(&self, source: &Source, path: &SourcePath) -> Result<Seen, SourceError> {
        let belief = source.inner.belief;
        let said = match source.stat_again(path, self.last().as_ref()).await {
            Ok(stat) => Ok(stat.identity),
            Err(SourceError::NotFound) => Err(Missing),
            Err(error) => {
                let known = self.known().filter(|known| error.is_failure() && known.may_stand_in(belief));
                let Some(known) = known else { return Err(error) };
                tracing::warn!(source = source.name(), %path, %error, "using what was known last");
                let known = Known { asked: Moment::now(), ..known };
                self.set(Some(known.clone()));
                return known.seen(belief);
            }
        };
        source.learn(path, self, said.clone());
        let now = Moment::now();
        Known { said, asked: now, confirmed: now }.seen(belief)
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn freshness(&self, belief: Belief) -> Freshness {
        let age = self.asked.age();
        let fresh = if self.is_failing() { belief.revalidate } else { self.lifetime(belief) };
        if age <= fresh {
            Freshness::Fresh
        } else if self.said.is_ok() && age <= fresh.saturating_add(self.grace(belief)) {
            Freshness::Aging
        } else {
            Freshness::Stale
        }
    }

    /// From the source's answer on.
    fn lifetime(&self, belief: Belief) -> Duration {
        match &self.said {
            Ok(identity) => identity.terms().lifetime.filter(|_| belief.follow).unwrap_or(belief.revalidate),
            Err(Missing) => belief.revalidate.min(MISSING),
        }
    }

    /// How long after that it may be used while it is asked for again.
    fn grace(&self, belief: Belief) -> Duration {
        match self.must_be_asked(belief) {
            true => Duration::ZERO,
            false => (belief.revalidate * (AGING - 1)).min(belief.stale_while_revalidate),
        }
    }

    fn may_stand_in(&self, belief: Belief) -> bool {
        let longest = self.lifetime(belief).saturating_add(belief.stale_if_error);
        self.said.is_ok() && !self.must_be_asked(belief) && self.confirmed.age() <= longest
    }

    /// Whether the source forbids to use its answer beyond its time.
    fn must_be_asked(&self, belief: Belief) -> bool {
        let Terms { lifetime, must_revalidate, .. } =
            self.said.as_ref().map(Identity::terms).unwrap_or_default();
        belief.follow && (must_revalidate || lifetime == Some(Duration::ZERO))
    }

    fn is_failing(&self) -> bool {
        self.confirmed.age() > self.asked.age()
    }

    fn seen(&self, belief: Belief) -> Result<Seen, SourceError> {
        let Ok(identity) = &self.said else { return Err(SourceError::NotFound) };
        let (age, lifetime) = (self.confirmed.age(), self.lifetime(belief));
        let said = belief.follow && identity.terms().lifetime.is_some();
        Ok(Seen {
            identity: identity.clone(),
            // What came this instant is as fresh as it can be, even where it is to be asked for each time.
            stale: age > lifetime && (self.is_failing() || !self.must_be_asked(belief)),
            left: said.then(|| lifetime.saturating_sub(age)),
        })
    }
}

impl Moment {
    fn now() -> Self {
        Self { at: Instant::now(), before: Duration::ZERO }
    }

    fn age(self) -> Duration {
        self.at.elapsed().saturating_add(self.before)
    }
}

impl Sighting {
    /// In the form in which it is kept.
    pub fn encode(&self) -> Vec<u8> {
        let Terms { lifetime, no_store, private, must_revalidate } = self.identity.terms();
        let kept = Kept {
            validator: self.identity.validator().into(),
            len: self.identity.len(),
            modified_ms: self.identity.modified_ms(),
            asked_ms: self
                .asked
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            lifetime_s: lifetime.map(|lifetime| lifetime.as_secs()),
            no_store,
            private,
            must_revalidate,
        };
        serde_json::to_vec(&kept).unwrap_or_default()
    }

    /// `None` for what this version did not write.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        let terms = Terms {
            lifetime: kept.lifetime_s.map(Duration::from_secs),
            no_store: kept.no_store,
            private: kept.private,
            must_revalidate: kept.must_revalidate,
        };
        let asked = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(kept.asked_ms))?;
        let identity = Identity::known(&kept.validator, kept.len, kept.modified_ms).under(terms);
        Some(Self { identity, asked })
    }
}

/// A [`Sighting`] on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    validator: Box<str>,
    len: u64,
    modified_ms: Option<i64>,
    asked_ms: u64,
    lifetime_s: Option<u64>,
    no_store: bool,
    private: bool,
    must_revalidate: bool,
}

const MISSING: Duration = Duration::from_secs(10);
const AGING: u32 = 10;

#[cfg(test)]
impl Slot {
    /// Makes what is known older, in place of waiting.
    pub(super) fn age(&self, by: Duration) {
        if let Some(known) = self.known.lock().unwrap().as_mut() {
            known.asked.before += by;
            known.confirmed.before += by;
        }
        if let Some((at, _)) = self.failed.lock().unwrap().as_mut() {
            *at = at.checked_sub(by).unwrap();
        }
    }

    pub(super) fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Acquire)
    }
}
