//! Originals on this machine: a folder, or memory for tests.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use opendal::{Operator, services};

use super::error::failed;
use super::{ByteStream, Identity, SourceError, Stat};
use crate::storage::fs::{FileStat, FsError, Root};

pub(super) struct Folder {
    pub(super) name: Arc<str>,
    pub(super) root: Root,
}

/// The store has neither ETag nor time, so its versions are counted here.
pub(super) struct Memory {
    name: Arc<str>,
    dal: Operator,
    versions: Mutex<HashMap<String, u64>>,
}

impl Folder {
    pub(super) async fn stat(&self, path: &str) -> Result<Stat, SourceError> {
        let stat = self.root.stat(path).await.map_err(|error| self.failed(error))?;
        Ok(Stat::of_file(stat))
    }

    pub(super) async fn read_all(&self, path: &str, limit: u64) -> Result<(Identity, Bytes), SourceError> {
        // A file that is being written is usually whole a moment later; a second torn read is reported.
        let read = match self.root.read(path, limit).await {
            Err(FsError::Changed) => self.root.read(path, limit).await,
            read => read,
        };
        let (stat, bytes) = read.map_err(|error| self.failed(error))?;
        Ok((Identity::of_file(stat), bytes))
    }

    pub(super) async fn stream(
        &self,
        path: &str,
        range: impl FnOnce(u64) -> Range<u64>,
    ) -> Result<(Identity, ByteStream), SourceError> {
        let opened = self.root.open(path).await.map_err(|error| self.failed(error))?;
        let identity = Identity::of_file(opened.stat);
        let name = Arc::clone(&self.name);
        let stream = opened.stream(range(identity.len()));
        Ok((identity, stream.map_err(move |error| of_fs(&name, error)).boxed()))
    }

    pub(super) async fn check(&self) -> Result<(), SourceError> {
        self.root.check().await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: FsError) -> SourceError {
        of_fs(&self.name, error)
    }
}

impl Memory {
    pub(super) fn new(name: Arc<str>) -> Result<Self, SourceError> {
        let dal = Operator::new(services::Memory::default()).map_err(|error| failed(&name, error))?;
        Ok(Self { name, dal, versions: Mutex::default() })
    }

    pub(super) async fn stat(&self, path: &str) -> Result<Stat, SourceError> {
        let meta = self.dal.stat(path).await.map_err(|error| self.failed(error))?;
        if !meta.is_file() {
            return Err(SourceError::NotFound);
        }
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let version = versions.get(path).copied().unwrap_or(0);
        let etag = format!("\"{version}\"");
        let identity = Identity::new(&etag, meta.content_length());
        Ok(Stat { len: meta.content_length(), modified_ms: None, etag: Some(etag), identity })
    }

    pub(super) async fn read_all(&self, path: &str, limit: u64) -> Result<(Identity, Bytes), SourceError> {
        let identity = self.stat(path).await?.identity;
        if identity.len() > limit {
            return Err(SourceError::TooManyBytes { limit });
        }
        let bytes = self.dal.read(path).await.map_err(|error| self.failed(error))?;
        Ok((identity, bytes.to_bytes()))
    }

    pub(super) async fn stream(
        &self,
        path: &str,
        range: impl FnOnce(u64) -> Range<u64>,
    ) -> Result<(Identity, ByteStream), SourceError> {
        let (identity, bytes) = self.read_all(path, u64::MAX).await?;
        let Range { start, end } = range(identity.len());
        let piece = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let piece = piece.filter(|(start, end)| start <= end && *end <= bytes.len());
        let (start, end) = piece.ok_or_else(|| failed(&self.name, "the range lies outside of the object"))?;
        Ok((identity, stream::iter([Ok(bytes.slice(start..end))]).boxed()))
    }

    pub(super) async fn fill(&self, path: &str, bytes: Bytes) -> Result<(), SourceError> {
        self.dal.write(path, bytes).await.map_err(|error| self.failed(error))?;
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        *versions.entry(path.to_owned()).or_default() += 1;
        Ok(())
    }

    fn failed(&self, error: opendal::Error) -> SourceError {
        match error.kind() {
            opendal::ErrorKind::NotFound
            | opendal::ErrorKind::IsADirectory
            | opendal::ErrorKind::NotADirectory => SourceError::NotFound,
            _ => failed(&self.name, error),
        }
    }
}

impl Stat {
    fn of_file(stat: FileStat) -> Self {
        let modified_ms = Some(stat.modified_ns.div_euclid(1_000_000));
        Self { len: stat.len, modified_ms, etag: None, identity: Identity::of_file(stat) }
    }
}

fn of_fs(name: &str, error: FsError) -> SourceError {
    match error {
        FsError::NotFound => SourceError::NotFound,
        FsError::TooLarge { limit } => SourceError::TooManyBytes { limit },
        other => failed(name, other),
    }
}
