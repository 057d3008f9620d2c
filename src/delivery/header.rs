//! What the headers of source objects say: read once for all who ask at the same moment, remembered with the version
//! they belong to, failures for a moment too. A header of more than a few kilobytes is work like any other: its bytes
//! are reserved from the memory budget before they are read.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use lru::LruCache;

use crate::cache::{Flights, Key, Originals};
use crate::codec::{self, CodecError, Header, Limits, Probe};
use crate::delivery::error::DeliveryError;
use crate::source::{Identity, Source, SourcePath};
use crate::workers::{Class, Estimate, Workers};

/// Headers of the versions that were asked for last.
pub(crate) struct Headers {
    known: Mutex<LruCache<Slot, Known>>,
    /// Those that are being read.
    reading: Flights<(Slot, Identity), Header, DeliveryError>,
    reader: Reader,
}

/// Source name and path.
type Slot = (Arc<str>, Arc<str>);

struct Known {
    of: Identity,
    said: Result<Header, Failure>,
}

#[derive(Clone)]
struct Failure {
    error: Arc<DeliveryError>,
    until: Instant,
}

#[derive(Clone)]
struct Reader {
    limits: Limits,
    workers: Workers,
    kept: Originals,
}

/// Enough for almost every header, EXIF thumbnail included, and small enough to be read without asking anybody.
const PREFIX: u64 = 64 << 10;

/// Some ten megabytes at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

const NEGATIVE: Duration = Duration::from_secs(10);

impl Headers {
    pub(crate) fn new(limits: Limits, workers: Workers, kept: Originals) -> Self {
        Self {
            known: Mutex::new(LruCache::new(REMEMBERED)),
            reading: Flights::new(),
            reader: Reader { limits, workers, kept },
        }
    }

    /// The header of the version `of` of an object, whose bytes are kept under `key` if they may be.
    pub(crate) async fn of(
        &self,
        source: &Source,
        path: &SourcePath,
        of: &Identity,
        key: Option<Key>,
    ) -> Result<Header, DeliveryError> {
        let slot: Slot = (source.name().into(), path.as_str().into());
        if let Some(known) = self.remembered(&slot, of) {
            return known.map_err(|failure| DeliveryError::Shared(failure.error));
        }
        let (reader, source, path, version) = (self.reader.clone(), source.clone(), path.clone(), of.clone());
        let (read, _) = self
            .reading
            .join((slot.clone(), of.clone()), move |_| async move {
                reader.read(&source, &path, &version, key).await
            })
            .await;
        match read {
            Ok(header) => {
                self.known().put(slot, Known { of: of.clone(), said: Ok(header.clone()) });
                Ok(header)
            }
            Err(error) => {
                if error.is_lasting() {
                    let failure = Failure { error: Arc::clone(&error), until: Instant::now() + NEGATIVE };
                    self.known().put(slot, Known { of: of.clone(), said: Err(failure) });
                }
                Err(DeliveryError::Shared(error))
            }
        }
    }

    fn remembered(&self, slot: &Slot, of: &Identity) -> Option<Result<Header, Failure>> {
        let mut known = self.known();
        let said = &known.get(slot).filter(|known| known.of == *of)?.said;
        match said {
            Err(failure) if failure.until <= Instant::now() => None,
            said => Some(said.clone()),
        }
    }

    fn known(&self) -> MutexGuard<'_, LruCache<Slot, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Reads as much of the beginning as the header needs: 64 KiB at first, then what the format says it takes.
    async fn read(
        &self,
        source: &Source,
        path: &SourcePath,
        of: &Identity,
        key: Option<Key>,
    ) -> Result<Header, DeliveryError> {
        let len = of.len();
        if let Some(key) = key
            && let Some(header) = self.of_kept(len, key).await?
        {
            return Ok(header);
        }
        let prefix = beginning(source, path, of, PREFIX.min(len)).await?;
        // A small picture came whole.
        if let Some(key) = key.filter(|_| prefix.len() as u64 == len) {
            self.kept.put(key, &prefix);
        }
        let mut probed = codec::probe(&prefix, len, &self.limits)?;
        drop(prefix);
        let mut read = PREFIX;
        loop {
            let needed = match probed {
                Probe::Complete(header) => return Ok(header),
                Probe::NeedMore(_) if read >= len => return Err(CodecError::NotAnImage.into()),
                Probe::NeedMore(needed) => needed.max(read.saturating_mul(2)).min(len),
            };
            // Walking blocks is quick; what counts is the memory.
            let estimate = Estimate { seconds: 0.001, memory: needed };
            let permit = self.workers.admit(Class::Interactive, estimate).await?;
            let prefix = beginning(source, path, of, needed).await?;
            let limits = self.limits;
            probed = permit.run(move |_| codec::probe(&prefix, len, &limits)).await??;
            read = needed;
        }
    }
}

impl Reader {
    /// From the bytes that are here already. All of them are in memory for a moment, as they are when it is decoded.
    async fn of_kept(&self, len: u64, key: Key) -> Result<Option<Header>, DeliveryError> {
        if !self.kept.has(&key) {
            return Ok(None);
        }
        let estimate = Estimate { seconds: 0.001, memory: len };
        let permit = self.workers.admit(Class::Interactive, estimate).await?;
        let Some(bytes) = self.kept.get(&key).await else { return Ok(None) };
        let limits = self.limits;
        match permit.run(move |_| codec::probe(&bytes, len, &limits)).await?? {
            Probe::Complete(header) => Ok(Some(header)),
            Probe::NeedMore(_) => Err(CodecError::NotAnImage.into()),
        }
    }
}

/// The first bytes of exactly this version: a header must not be remembered for another one.
async fn beginning(
    source: &Source,
    path: &SourcePath,
    of: &Identity,
    upto: u64,
) -> Result<Bytes, DeliveryError> {
    let (read, mut pieces) = source.stream(path, |len| 0..upto.min(len)).await?;
    if read != *of {
        return Err(DeliveryError::Changed);
    }
    let mut prefix = BytesMut::with_capacity(usize::try_from(upto).unwrap_or(0));
    while let Some(piece) = pieces.try_next().await? {
        prefix.extend_from_slice(&piece);
    }
    if prefix.len() as u64 == upto { Ok(prefix.freeze()) } else { Err(DeliveryError::Changed) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::source::Sources;
    use crate::telemetry::metrics::Metrics;
    use crate::workers::{self, WorkersError};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sources");

    fn none() -> Originals {
        Originals::open(Path::new(""), 0)
    }

    fn headers(budget: &str) -> Headers {
        let config: workers::Config = yaml_serde::from_str(&format!("memory_budget: {budget}")).unwrap();
        let workers = Workers::start(&config, Arc::new(Metrics::new())).unwrap();
        Headers::new(Limits::default(), workers, none())
    }

    async fn source(file: &str, bytes: Bytes) -> (Source, SourcePath, Identity) {
        let configs = BTreeMap::from([(
            "s".to_owned(),
            yaml_serde::from_str("{ scheme: memory, revalidate: 0s }").unwrap(),
        )]);
        let source = Sources::new(&configs, Path::new("")).unwrap().get("s").unwrap().clone();
        let path = SourcePath::parse(file).unwrap();
        source.fill(&path, bytes).await.unwrap();
        let identity = source.identity(&path).await.unwrap();
        (source, path, identity)
    }

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{FOLDER}/{name}")).unwrap()
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_its_version_only() {
        let headers = headers("64MiB");
        let (source, path, first) = source("a", Bytes::from_static(b"no picture at all")).await;
        assert!(headers.of(&source, &path, &first, None).await.unwrap_err().is_lasting());
        let slot: Slot = ("s".into(), "a".into());
        assert!(matches!(headers.remembered(&slot, &first), Some(Err(_))));

        source.fill(&path, file("photo.jpg").into()).await.unwrap();
        // The store has moved on: what is read now does not belong to what was asked for.
        let second = source.stat(&path).await.unwrap().identity().clone();
        let fresh = Headers::new(Limits::default(), headers.reader.workers.clone(), none());
        assert!(fresh.of(&source, &path, &first, None).await.unwrap_err().is_change());
        assert!(fresh.remembered(&slot, &first).is_none());
        assert_eq!(headers.of(&source, &path, &second, None).await.unwrap().format, codec::Format::Jpeg);
    }

    #[tokio::test]
    async fn a_long_header_is_paid_for_from_the_memory_budget() {
        // A comment pushes the frame 300 KB away from the beginning of the file.
        let mut long = file("photo.jpg");
        let comment = [&[0xFF, 0xFE, 0xFF, 0xFF][..], &[b'x'; 65_533]].concat();
        for _ in 0..5 {
            long.splice(2..2, comment.iter().copied());
        }
        let (source, path, identity) = source("a", long.into()).await;
        assert_eq!(headers("1MiB").of(&source, &path, &identity, None).await.unwrap().frames, 1);
        let refused = headers("200KiB").of(&source, &path, &identity, None).await.unwrap_err();
        let DeliveryError::Shared(refused) = refused else { panic!("{refused}") };
        assert!(matches!(*refused, DeliveryError::Workers(WorkersError::TooLarge { .. })), "{refused}");
    }
}
