//! Counters that a purge raises. They are part of every cache key, which must be made without a query, so a copy of
//! the table lives in memory: it holds purged names only and is small.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

/// What a purge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One image, by its id.
    Image,
    /// A user, an album or another tag.
    Tag,
    /// Everything of a named source.
    Source,
    /// Everything.
    All,
}

#[derive(Clone, Default)]
pub(super) struct Generations {
    known: Arc<RwLock<HashMap<Scope, HashMap<String, u64>>>>,
}

impl Generations {
    pub(super) fn get(&self, scope: Scope, name: &str) -> u64 {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&scope).and_then(|names| names.get(name)).copied().unwrap_or(0)
    }

    /// Takes in what the table says; a counter never falls, so an answer that was overtaken does no harm.
    pub(super) fn learn(&self, news: impl IntoIterator<Item = (Scope, String, u64)>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (scope, name, counter) in news {
            let held = known.entry(scope).or_default().entry(name).or_default();
            *held = counter.max(*held);
        }
    }
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Tag => "tag",
            Self::Source => "source",
            Self::All => "all",
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Image, Self::Tag, Self::Source, Self::All]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not `image`, `tag`, `source` or `all`"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
