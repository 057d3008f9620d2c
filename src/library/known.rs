//! Rows of images in memory, so that a request for a known image asks no database. Exact: what this process changes
//! is forgotten when it is committed, and what others change within the second after which they are asked.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::Image;

/// Shared by all clones of a library.
#[derive(Clone)]
pub(super) struct Known {
    state: Arc<Mutex<State>>,
}

struct State {
    rows: LruCache<Box<str>, Arc<Image>>,
    /// Raised whenever something is forgotten: a row that was read before that may be the old one.
    epoch: u64,
    /// The last change by anybody that was taken notice of.
    seen: u64,
}

/// To be taken before a row is read.
#[derive(Clone, Copy)]
pub(super) struct Epoch(u64);

/// Some 12 MB when all are in use.
const ROWS: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

impl Default for Known {
    fn default() -> Self {
        let state = State { rows: LruCache::new(ROWS), epoch: 0, seen: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

impl Known {
    pub(super) fn get(&self, id: &str) -> Result<Arc<Image>, Epoch> {
        let mut state = self.lock();
        match state.rows.get(id) {
            Some(image) => Ok(Arc::clone(image)),
            None => Err(Epoch(state.epoch)),
        }
    }

    pub(super) fn put(&self, image: &Arc<Image>, read_at: Epoch) {
        let mut state = self.lock();
        if state.epoch == read_at.0 {
            state.rows.put(image.id.as_str().into(), Arc::clone(image));
        }
    }

    pub(super) fn forget(&self, id: &str) {
        let mut state = self.lock();
        state.epoch += 1;
        state.rows.pop(id);
    }

    pub(super) fn seen(&self) -> u64 {
        self.lock().seen
    }

    /// Takes notice of changes up to `upto`; `None` = of more than can be listed.
    pub(super) fn learn(&self, changed: Option<&[String]>, upto: u64) {
        let mut state = self.lock();
        state.epoch += 1;
        match changed {
            Some(ids) => ids.iter().for_each(|id| {
                state.rows.pop(id.as_str());
            }),
            None => state.rows.clear(),
        }
        state.seen = upto;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
