//! A memory cache bounded in bytes: what was asked for longest ago makes room.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// A cache of values that are cheap to clone, each with a weight in bytes.
pub struct Weighed<K: Hash + Eq, V> {
    state: Mutex<State<K, V>>,
    capacity: usize,
}

struct State<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    weight: usize,
}

impl<K: Hash + Eq, V: Clone> Weighed<K, V> {
    /// `capacity` in bytes; 0 keeps nothing.
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::new(State { entries: LruCache::unbounded(), weight: 0 }), capacity }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.lock().entries.get(key).map(|(value, _)| value.clone())
    }

    pub fn remove(&self, key: &K) {
        let mut state = self.lock();
        if let Some((_, weight)) = state.entries.pop(key) {
            state.weight -= weight;
        }
    }

    /// What made room. What weighs more than the whole cache is not kept, and replaces nothing.
    pub fn put(&self, key: K, value: V, weight: usize) -> Vec<V> {
        let mut gone = Vec::new();
        if weight > self.capacity {
            return gone;
        }
        // Dropped after the lock: they may be large.
        let mut state = self.lock();
        state.weight += weight;
        if let Some((old, weight)) = state.entries.put(key, (value, weight)) {
            state.weight -= weight;
            gone.push(old);
        }
        while state.weight > self.capacity
            && let Some((_, (old, weight))) = state.entries.pop_lru()
        {
            state.weight -= weight;
            gone.push(old);
        }
        drop(state);
        gone
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_bounded_and_the_oldest_go() {
        let cache = Weighed::new(100);
        cache.put(1, "one", 40);
        cache.put(2, "two", 40);
        assert_eq!(cache.get(&1), Some("one"));
        cache.put(3, "three", 40);
        assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some("one"), None, Some("three")));
        cache.put(1, "ONE", 60);
        assert_eq!((cache.get(&1), cache.get(&3)), (Some("ONE"), Some("three")));
        cache.put(4, "too heavy", 101);
        assert_eq!((cache.get(&1), cache.get(&4)), (Some("ONE"), None));
        assert_eq!(cache.lock().weight, 100);
        let nothing = Weighed::new(0);
        nothing.put(1, "one", 1);
        assert_eq!(nothing.get(&1), None);
    }
}
