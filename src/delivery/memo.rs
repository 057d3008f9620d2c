//! What was made of the URLs that were asked for last, so that a hit parses, resolves and hashes nothing: from the raw
//! target to the key and the headers. Everything here can be made again, and nothing here outlives what it was made
//! of: an answer belongs to one version of its original and says so.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use lru::LruCache;

use super::conditional::{ETag, LastModified};
use super::origin::{Origin, Version};
use super::respond::{Extras, Vary};
use crate::auth::Caller;
use crate::cache::Key;
use crate::transform::plan::Plan;
use crate::transform::{Client, Target, Varies};

/// Bounded in number and, since long targets are not kept, in bytes.
pub(crate) struct Memo {
    shards: Box<[Mutex<LruCache<Box<[u8]>, Arc<Asked>>>]>,
    hasher: RandomState,
}

/// A target that was read, and what it came to.
pub(crate) struct Asked {
    pub(crate) target: Target,
    /// Whose signature the target carries. Only time can make it wrong again.
    pub(crate) caller: Caller,
    varies: Varies,
    /// Whether the answer to the owner may be another one: the bytes that were uploaded.
    pub(crate) is_original: bool,
    answers: Mutex<Vec<(Client, Arc<Answer>)>>,
}

/// The answer to one target, one kind of client and one version of the original, but for its bytes. It was allowed
/// when it was made.
pub(crate) struct Answer {
    pub(crate) version: Version,
    /// What is drawn on top.
    pub(crate) overlays: Vec<Origin>,
    pub(crate) plan: Plan,
    pub(crate) key: Key,
    pub(crate) etag: ETag,
    pub(crate) last_modified: Option<LastModified>,
    pub(crate) content_type: HeaderValue,
    /// `None` where it depends on the time.
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) vary: Vary,
    pub(crate) extras: Extras,
}

/// Few threads meet here at once, and never for long.
const SHARDS: usize = 8;
/// All shards together hold some 20 MB at most.
const TARGETS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// Longer ones are rare, and read anew each time.
const LONGEST: usize = 512;
/// Four classes of `Accept`, and some densities and widths.
const ANSWERS: usize = 8;

impl Answer {
    /// Of all pictures that are seen in it.
    pub(crate) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.overlays.iter().map(|origin| &origin.version).chain([&self.version])
    }

    pub(crate) fn is_private(&self) -> bool {
        self.versions().any(Version::is_private)
    }
}

impl Memo {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(LruCache::new(TARGETS))).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// What the target means; `read` is called where that is not known. Wrong ones are not remembered.
    pub(crate) fn asked<E>(
        &self,
        path: &str,
        query: Option<&str>,
        read: impl FnOnce() -> Result<(Target, Caller), E>,
    ) -> Result<Arc<Asked>, E> {
        let mut name = Vec::with_capacity(path.len() + 1 + query.map_or(0, str::len));
        name.extend_from_slice(path.as_bytes());
        if let Some(query) = query {
            // No path has one.
            name.push(b'?');
            name.extend_from_slice(query.as_bytes());
        }
        if name.len() > LONGEST {
            return Ok(Arc::new(Asked::new(read()?)));
        }
        let shard = &self.shards[self.hasher.hash_one(&name) as usize % SHARDS];
        if let Some(asked) = shard.lock().unwrap_or_else(PoisonError::into_inner).get(name.as_slice()) {
            return Ok(Arc::clone(asked));
        }
        let asked = Arc::new(Asked::new(read()?));
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.put(name.into_boxed_slice(), Arc::clone(&asked));
        Ok(asked)
    }
}

impl Asked {
    pub(crate) fn new((target, caller): (Target, Caller)) -> Self {
        let varies = target.spec.varies();
        let is_original = target.spec.is_original();
        Self { target, caller, varies, is_original, answers: Mutex::default() }
    }

    /// What of the client matters here.
    pub(crate) fn client(&self, client: Client) -> Client {
        Client {
            accepts: if self.varies.accept { client.accepts } else { Default::default() },
            dpr: client.dpr.filter(|_| self.varies.dpr),
            width: client.width.filter(|_| self.varies.width),
        }
    }

    pub(crate) fn answer(&self, client: &Client) -> Option<Arc<Answer>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.iter().find(|(known, _)| known == client).map(|(_, answer)| Arc::clone(answer))
    }

    pub(crate) fn remember(&self, client: Client, answer: Arc<Answer>) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|(known, _)| *known != client);
        if answers.len() == ANSWERS {
            answers.remove(0);
        }
        answers.push((client, answer));
    }
}
