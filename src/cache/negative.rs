//! Failures that are worth remembering for a moment, so that a broken link on a busy page does not ask its source
//! again for every visitor. Bounded in number and in time.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// The most that a failure may be remembered: a repaired source must be visible to its owner right away.
pub const LONGEST: Duration = Duration::from_secs(10);

/// A small map of recent failures.
pub struct Negative<K: Hash + Eq, V> {
    entries: Mutex<LruCache<K, (Instant, V)>>,
}

impl<K: Hash + Eq, V: Clone> Negative<K, V> {
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self { entries: Mutex::new(LruCache::new(capacity)) }
    }

    /// Remembers `value` for `span`, at most [`LONGEST`].
    pub fn insert(&self, key: K, value: V, span: Duration, now: Instant) {
        let until = now + span.min(LONGEST);
        self.lock().put(key, (until, value));
    }

    pub fn get(&self, key: &K, now: Instant) -> Option<V> {
        let mut entries = self.lock();
        match entries.get(key) {
            Some((until, value)) if *until > now => Some(value.clone()),
            Some(_) => {
                entries.pop(key);
                None
            }
            None => None,
        }
    }

    pub fn remove(&self, key: &K) {
        self.lock().pop(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<K, (Instant, V)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Negative<u32, &'static str> {
        Negative::new(NonZeroUsize::new(2).unwrap())
    }

    #[test]
    fn forgets_after_its_span_and_never_later_than_ten_seconds() {
        let (negative, now) = (small(), Instant::now());
        negative.insert(1, "gone", Duration::from_secs(3), now);
        negative.insert(2, "gone", Duration::from_secs(3600), now);
        assert_eq!(negative.get(&1, now + Duration::from_millis(2999)), Some("gone"));
        assert_eq!(negative.get(&1, now + Duration::from_secs(3)), None);
        assert_eq!(negative.get(&2, now + Duration::from_millis(9999)), Some("gone"));
        assert_eq!(negative.get(&2, now + LONGEST), None);
    }

    #[test]
    fn is_bounded_and_drops_what_was_asked_for_longest_ago() {
        let (negative, now) = (small(), Instant::now());
        for key in [1, 2] {
            negative.insert(key, "gone", LONGEST, now);
        }
        negative.get(&1, now);
        negative.insert(3, "gone", LONGEST, now);
        assert_eq!(negative.get(&2, now), None);
        assert!(negative.get(&1, now).is_some() && negative.get(&3, now).is_some());
        negative.remove(&3);
        assert_eq!(negative.get(&3, now), None);
    }
}
