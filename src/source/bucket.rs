//! Originals in a store on the network, S3 or WebDAV. What was read is told by the answer that carried the bytes, so
//! nothing can change between the question and the reading.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use opendal::{Buffer, BufferStream, BytesRange, ErrorKind, Metadata, Operator};

use super::error::{failed, from_net};
use super::remote::{part_of, retrying};
use super::terms::Told;
use super::{ByteStream, Entry, Identity, SourceError, Stat, Terms};
use crate::net::NetError;

pub(super) struct Bucket {
    pub(super) name: Arc<str>,
    pub(super) dal: Operator,
    /// The longest object that is read.
    pub(super) max_bytes: u64,
}

impl Bucket {
    pub(super) async fn stat(&self, path: &str) -> Result<Stat, SourceError> {
        let meta = retrying(|| self.dal.stat(path), opendal::Error::is_temporary).await;
        let meta = meta.map_err(|error| self.failed(error))?;
        if !meta.is_file() {
            return Err(SourceError::NotFound);
        }
        let identity = match identity_of(&meta) {
            Some(identity) => identity,
            None => self.read_all(path, self.max_bytes).await?.0,
        };
        Ok(Stat {
            len: identity.len(),
            modified_ms: identity.modified_ms(),
            etag: meta.etag().map(str::to_owned),
            identity,
        })
    }

    pub(super) async fn read_all(&self, path: &str, limit: u64) -> Result<(Identity, Bytes), SourceError> {
        let limit = limit.min(self.max_bytes);
        let read = retrying(|| self.whole(path, limit), opendal::Error::is_temporary).await;
        let (meta, bytes) = read.map_err(|error| self.failed(error))?;
        let bytes = bytes.ok_or(SourceError::TooManyBytes { limit })?;
        let identity = identity_of(&meta).unwrap_or_else(|| Identity::of_content(&bytes));
        Ok((identity, bytes))
    }

    /// A range of the version `expected`.
    pub(super) async fn stream(
        &self,
        path: &str,
        expected: &Identity,
        range: Range<u64>,
    ) -> Result<ByteStream, SourceError> {
        if expected.is_content() {
            let (identity, bytes) = self.read_all(path, self.max_bytes).await?;
            return part_of(&identity, expected, &bytes, range);
        }
        let open = || self.open(path, range.clone());
        let opened = retrying(open, opendal::Error::is_temporary).await;
        let (meta, pieces) = opened.map_err(|error| self.failed(error))?;
        if identity_of(&meta).is_some_and(|identity| identity != *expected) {
            return Err(SourceError::Changed);
        }
        let name = Arc::clone(&self.name);
        Ok(pieces.map_ok(|piece| piece.to_bytes()).map_err(move |error| of_dal(&name, error)).boxed())
    }

    /// Logging in is part of it, so a question about an object that is not there would tell less.
    pub(super) async fn check(&self) -> Result<(), SourceError> {
        match self.dal.check().await {
            // Keys that may read but not list.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                match self.dal.stat("pixedge-check").await {
                    Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(error)),
                    _ => Ok(()),
                }
            }
            checked => checked.map_err(|error| self.failed(error)),
        }
    }

    /// All objects whose path begins so, in the store's own order.
    pub(super) async fn list(
        &self,
        prefix: &str,
    ) -> Result<BoxStream<'static, Result<Entry, SourceError>>, SourceError> {
        // A folder is listed; what is no whole one is left to the filter.
        let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let lister = self.dal.lister_with(&folder).recursive(true).await;
        let (name, prefix) = (Arc::clone(&self.name), prefix.to_owned());
        let entries = lister.map_err(|error| self.failed(error))?.filter_map(move |entry| {
            let found = match entry {
                Ok(entry) if !entry.metadata().is_file() || !entry.path().starts_with(&prefix) => None,
                Ok(entry) => Some(Ok(Entry::of(&entry))),
                Err(error) => Some(Err(of_dal(&name, error))),
            };
            std::future::ready(found)
        });
        Ok(entries.boxed())
    }

    /// `None` where it is longer than `limit`.
    async fn whole(&self, path: &str, limit: u64) -> opendal::Result<(Metadata, Option<Bytes>)> {
        let (meta, pieces) = self.open(path, ..).await?;
        if meta.content_length() > limit {
            return Ok((meta, None));
        }
        let pieces: Vec<Buffer> = pieces.try_collect().await?;
        Ok((meta, Some(pieces.into_iter().flatten().collect::<Buffer>().to_bytes())))
    }

    /// The metadata is that of the answer which carries the bytes.
    async fn open(
        &self,
        path: &str,
        range: impl Into<BytesRange>,
    ) -> opendal::Result<(Metadata, BufferStream)> {
        let mut stream = self.dal.reader(path).await?.into_stream(range).await?;
        Ok((stream.metadata().await?, stream))
    }

    fn failed(&self, error: opendal::Error) -> SourceError {
        of_dal(&self.name, error)
    }
}

impl Entry {
    fn of(entry: &opendal::Entry) -> Self {
        let meta = entry.metadata();
        Self {
            path: entry.path().to_owned(),
            len: meta.content_length(),
            modified_ms: meta.last_modified().map(|time| time.into_inner().as_millisecond()),
            etag: meta.etag().map(str::to_owned),
        }
    }
}

fn identity_of(meta: &Metadata) -> Option<Identity> {
    let modified = meta.last_modified().map(|time| time.into_inner().as_millisecond());
    let told = Told { cache_control: meta.cache_control(), ..Told::default() };
    let terms = Terms::read(told, SystemTime::now());
    Some(Identity::of_validators(meta.etag(), modified, meta.content_length())?.under(terms))
}

fn of_dal(name: &Arc<str>, error: opendal::Error) -> SourceError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::NotADirectory => SourceError::NotFound,
        ErrorKind::ConditionNotMatch | ErrorKind::RangeNotSatisfied => SourceError::Changed,
        // OpenDAL has no kind for it; the layer's own text is all there is.
        _ if error.to_string().contains("timeout reached") => SourceError::Timeout { name: name.to_string() },
        _ => match NetError::within(&error) {
            Some(net) => from_net(name, net.clone()),
            None => failed(name, error),
        },
    }
}
