//! Where the files of pictures are taken from: a folder that nothing is read outside of, or a source of the
//! configuration.

use std::path::Path;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};

use super::MigrateError;
use crate::source::{Source, SourceError, SourcePath};
use crate::storage::fs::{FsError, Root};

/// What names of files are relative to.
#[derive(Clone)]
pub enum Files {
    Folder(Root),
    /// A store on the network, and what every path in it begins with.
    Source {
        source: Source,
        prefix: String,
    },
}

/// A file that is open.
pub(super) struct Opened {
    pub(super) len: u64,
    /// Milliseconds since 1970.
    pub(super) modified_ms: Option<i64>,
    pub(super) pieces: BoxStream<'static, Result<Bytes, MigrateError>>,
}

impl Files {
    pub async fn folder(path: &Path) -> Result<Self, MigrateError> {
        let root = Root::new(path);
        root.check().await?;
        Ok(Self::Folder(root))
    }

    /// The first of several names that is that of a file.
    pub(super) async fn open_any(&self, names: &[String]) -> Result<Option<Opened>, MigrateError> {
        for name in names {
            if let Some(opened) = self.open(name).await? {
                return Ok(Some(opened));
            }
        }
        Ok(None)
    }

    /// What is not there, or would lead outside, is nothing.
    pub(super) async fn open(&self, name: &str) -> Result<Option<Opened>, MigrateError> {
        match self {
            Self::Folder(root) => match root.open(name).await {
                Ok(file) => {
                    let (len, modified_ns) = (file.stat.len, file.stat.modified_ns);
                    let pieces = file.stream(0..len).map_err(MigrateError::from).boxed();
                    Ok(Some(Opened { len, modified_ms: Some(modified_ns / 1_000_000), pieces }))
                }
                Err(FsError::NotFound) => Ok(None),
                Err(error) => Err(error.into()),
            },
            Self::Source { source, prefix } => {
                let Ok(path) = SourcePath::parse(&format!("{prefix}{name}")) else { return Ok(None) };
                match source.stream(&path, |len| 0..len).await {
                    Ok((identity, pieces)) => {
                        let pieces = pieces.map_err(MigrateError::from).boxed();
                        let modified_ms = identity.modified_ms();
                        Ok(Some(Opened { len: identity.len(), modified_ms, pieces }))
                    }
                    Err(SourceError::NotFound) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}
