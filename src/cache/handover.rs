//! Results on their way from a process that only works to the one that serves: a file each in a folder beside the store,
//! which nobody but the server may open. Keys name everything that decides the bytes, so what lies there is either
//! exactly what is asked for or never asked for again; the latter goes when it is too much or too old.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use foyer::Code as _;

use super::Key;
use super::entry::{Entry, Stored};

/// The folder of what is handed over.
#[derive(Debug, Clone)]
pub struct Handover {
    folder: PathBuf,
}

/// All that may wait there, and how long.
const ROOM: u64 = 256 << 20;
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// What would fill the folder with a few is not worth it.
const LARGEST: u64 = ROOM / 32;

/// What one file is called until it is whole.
const HALF: &str = "half";

impl Handover {
    /// `root` is the folder of the disk tier.
    pub fn new(root: &Path) -> Self {
        Self { folder: root.join("handed") }
    }

    /// Leaves an entry for the server. `false` = it is too large for that.
    pub async fn give(&self, key: Key, entry: &Entry) -> io::Result<bool> {
        if entry.file.is_some() || entry.len() > LARGEST {
            return Ok(false);
        }
        let mut bytes = Vec::with_capacity(entry.encoded_len());
        Stored(entry.clone().into()).encode(&mut bytes).map_err(io::Error::other)?;
        tokio::fs::create_dir_all(&self.folder).await?;
        self.make_room(bytes.len() as u64, SystemTime::now())?;
        // Workers of one machine share the folder; each has a name of its own for what it writes.
        let half = self.folder.join(format!("{key}.{}.{HALF}", std::process::id()));
        tokio::fs::write(&half, &bytes).await?;
        tokio::fs::rename(&half, self.path(&key)).await?;
        Ok(true)
    }

    /// What was left under this key, which is then no longer there.
    pub(super) async fn take(&self, key: &Key) -> Option<Entry> {
        let path = self.path(key);
        let bytes = tokio::fs::read(&path).await.ok()?;
        let _ = tokio::fs::remove_file(&path).await;
        let Stored(entry) = Stored::decode(&mut bytes.as_slice())
            .inspect_err(|error| tracing::warn!(%error, %key, "what a worker left cannot be read"))
            .ok()?;
        Some(std::sync::Arc::unwrap_or_clone(entry))
    }

    /// Removes what nobody came for, oldest first, until `more` bytes fit.
    fn make_room(&self, more: u64, now: SystemTime) -> io::Result<()> {
        let mut files = Vec::new();
        for file in fs::read_dir(&self.folder)?.flatten() {
            // Somebody may have taken it meanwhile.
            let Ok(meta) = file.metadata() else { continue };
            files.push((meta.modified().unwrap_or(now), meta.len(), file.path()));
        }
        files.sort_unstable();
        let mut held: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (modified, len, path) in files {
            let is_old = now.duration_since(modified).is_ok_and(|age| age > LONGEST);
            if !is_old && held + more <= ROOM {
                break;
            }
            let _ = fs::remove_file(path);
            held = held.saturating_sub(len);
        }
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cache::Identity;

    fn key(n: u64) -> Key {
        Key::source(&Identity::Content([7; 32]), n)
    }

    fn entry(len: usize) -> Entry {
        Entry {
            body: Bytes::from(vec![9; len]),
            mime: "image/webp".into(),
            width: 3,
            height: 4,
            created_ms: 1,
            modified_ms: 2,
            expires_ms: None,
            extra: Bytes::new(),
            file: None,
        }
    }

    fn left(root: &Path) -> usize {
        fs::read_dir(root.join("handed")).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn what_is_given_is_taken_once_and_damage_is_nothing() {
        let root = tempfile::tempdir().unwrap();
        let handover = Handover::new(root.path());
        assert_eq!(handover.take(&key(1)).await, None);
        assert!(handover.give(key(1), &entry(1000)).await.unwrap());
        assert_eq!(handover.take(&key(2)).await, None);
        assert_eq!(handover.take(&key(1)).await, Some(entry(1000)));
        assert_eq!((handover.take(&key(1)).await, left(root.path())), (None, 0));
        fs::write(root.path().join("handed").join(key(3).to_string()), "not an entry").unwrap();
        assert_eq!((handover.take(&key(3)).await, left(root.path())), (None, 0));
    }

    #[tokio::test]
    async fn what_nobody_comes_for_makes_room() {
        let root = tempfile::tempdir().unwrap();
        let handover = Handover::new(root.path());
        assert!(!handover.give(key(0), &entry(LARGEST as usize + 1)).await.unwrap());
        let now = SystemTime::now();
        for n in 1..=40_u32 {
            handover.give(key(n.into()), &entry(7 << 20)).await.unwrap();
            let path = handover.path(&key(n.into()));
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(now - Duration::from_secs(3600 - u64::from(n))).unwrap();
        }
        assert_eq!(left(root.path()), 36);
        assert_eq!(handover.take(&key(4)).await, None);
        assert!(handover.take(&key(5)).await.is_some());
        handover.make_room(0, now + LONGEST).unwrap();
        assert_eq!(left(root.path()), 0);
    }
}
