//! Counters that a purge raises. They are part of every cache key, which must be made without a query, so a copy of
//! the table lives in memory: it holds purged names only and is small.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// What a purge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One image, by its id.
    Image,
    /// Whatever carries this word in `Cache-Tag`.
    Tag,
    /// Everything of a named source.
    Source,
    /// An object of a source and everything below it: `<source>/<path>`.
    Prefix,
    /// Everything.
    All,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) scope: Scope,
    pub(super) name: String,
    pub(super) counter: u64,
    /// Which purge raised it last.
    pub(super) seq: u64,
}

#[derive(Clone, Default)]
pub(super) struct Generations {
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    all: u64,
    images: HashMap<String, u64>,
    tags: HashMap<String, u64>,
    sources: HashMap<String, u64>,
    /// By source, so that objects of all others are done after one look-up.
    prefixes: HashMap<String, HashMap<String, u64>>,
    /// The last purge that was read from the table.
    seen: u64,
}

impl Generations {
    pub(super) fn image(&self, id: &str) -> u64 {
        let known = self.read();
        known.all + count(&known.images, id) + count(&known.tags, id)
    }

    pub(super) fn object(&self, source: &str, path: &str) -> u64 {
        let known = self.read();
        let below = known.prefixes.get(source).map_or(0, |prefixes| {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            ends.map(|end| count(prefixes, &path[..end])).sum()
        });
        known.all + count(&known.sources, source) + count(&known.tags, source) + below
    }

    /// The last purge that was read.
    pub(super) fn seen(&self) -> u64 {
        self.read().seen
    }

    /// Takes in what the table says; a counter never falls, so an answer that was overtaken does no harm.
    pub(super) fn learn(&self, news: impl IntoIterator<Item = Raised>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for Raised { scope, name, counter, seq } in news {
            known.seen = known.seen.max(seq);
            let held = match scope {
                Scope::All => &mut known.all,
                Scope::Image => known.images.entry(name).or_default(),
                Scope::Tag => known.tags.entry(name).or_default(),
                Scope::Source => known.sources.entry(name).or_default(),
                Scope::Prefix => {
                    let (source, path) = name.split_once('/').unwrap_or((&name, ""));
                    known.prefixes.entry(source.to_owned()).or_default().entry(path.to_owned()).or_default()
                }
            };
            *held = counter.max(*held);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(names: &HashMap<String, u64>, name: &str) -> u64 {
    // Hashing a name costs more than finding out that nothing was ever purged.
    if names.is_empty() { 0 } else { names.get(name).copied().unwrap_or(0) }
}

impl Scope {
    const ALL: [Self; 5] = [Self::Image, Self::Tag, Self::Source, Self::Prefix, Self::All];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Tag => "tag",
            Self::Source => "source",
            Self::Prefix => "prefix",
            Self::All => "all",
        }
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not `image`, `tag`, `source`, `prefix` or `all`"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
