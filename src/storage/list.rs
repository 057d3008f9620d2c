//! What lies in a storage, for whoever compares it with what should.

use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;
use opendal::EntryMode;

use super::{KEPT, ObjectKey, Storage, StorageError};

/// What was found beneath one of the 256 top folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    pub objects: Vec<ObjectKey>,
    /// Paths that are no keys of ours: somebody else's files.
    pub foreign: u64,
}

impl Storage {
    /// All objects whose hash begins with `byte`, in no order.
    pub async fn list(&self, byte: u8) -> Result<Listed, StorageError> {
        let folder = format!("{byte:02x}/");
        let failed = |error| StorageError::from_dal(self.name(), &folder, error);
        let lister = match self.dal.lister_with(&folder).recursive(true).await {
            Ok(lister) => lister,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(Listed::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut listed = Listed::default();
        let mut entries = std::pin::pin!(lister);
        loop {
            match entries.try_next().await {
                Ok(None) => return Ok(listed),
                Ok(Some(entry)) if entry.metadata().mode() == EntryMode::DIR => {}
                Ok(Some(entry)) => match entry.path().parse() {
                    Ok(key) => listed.objects.push(key),
                    Err(_) => listed.foreign += 1,
                },
                // A folder that another process removed meanwhile.
                Err(error) if error.kind() == opendal::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// How long ago the object was written; `None` = it is gone, or its store does not say.
    pub async fn age(&self, key: &ObjectKey) -> Result<Option<Duration>, StorageError> {
        let stat = match self.dal.stat(key.as_str()).await {
            Ok(stat) => stat,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(key, error)),
        };
        let written = stat.last_modified().map(SystemTime::from);
        Ok(written.map(|at| SystemTime::now().duration_since(at).unwrap_or_default()))
    }

    /// Half-written files that nothing was added to for so long. Parts of uploads that go on have rows.
    pub async fn abandoned(&self, age: Duration) -> Vec<String> {
        let mut found = Vec::new();
        let Ok(mut entries) = tokio::fs::read_dir(self.temporary_dir()).await else { return found };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let modified = entry.metadata().await.and_then(|meta| meta.modified());
            let idle = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if !name.starts_with(KEPT) && idle.is_some_and(|idle| idle > age) {
                found.push(name);
            }
        }
        found
    }
}
