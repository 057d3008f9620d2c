//! Where what sources say is written down: small entries of the result cache, so that they are bounded, on disk and
//! gone with it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::cache::{Cache, Entry, Key, now_ms};
use crate::delivery::error::DeliveryError;
use crate::source::{Ledger, Sighting};

/// The ledger of all sources.
pub(crate) struct Sightings {
    cache: Arc<Cache<DeliveryError>>,
}

impl Sightings {
    pub(crate) fn new(cache: Arc<Cache<DeliveryError>>) -> Self {
        Self { cache }
    }
}

impl Ledger for Sightings {
    fn recall<'a>(&'a self, source: &'a str, path: &'a str) -> BoxFuture<'a, Option<Sighting>> {
        async move {
            let (entry, _) = self.cache.tiers().get(&Key::sighting(source, path)).await?;
            Sighting::decode(&entry.body)
        }
        .boxed()
    }

    fn note(&self, source: &str, path: &str, sighting: &Sighting) {
        let entry = Entry {
            body: Bytes::from(sighting.encode()),
            mime: Cow::Borrowed("application/json"),
            width: 0,
            height: 0,
            created_ms: now_ms(),
            modified_ms: 0,
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        };
        self.cache.tiers().insert(Key::sighting(source, path), &Arc::new(entry));
    }

    fn forget(&self, source: &str, path: &str) {
        self.cache.tiers().remove(&Key::sighting(source, path));
    }
}
