//! Copies of the database for administrators who are not at the machine: written into a file that is sent and removed,
//! whoever leaves when.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream;
use tokio::io::AsyncReadExt as _;

use super::{Actor, Admin, AdminError};
use crate::db::{DbError, backup};

/// How copies are made.
#[derive(Debug, Clone)]
pub struct Backups {
    /// Where they lie until they are sent.
    pub folder: PathBuf,
    /// Statements that leave the secrets out of a copy.
    pub blank: &'static [&'static str],
}

/// A copy that was made to be sent; removed with the last that holds it.
#[derive(Debug)]
pub struct BackupFile {
    path: PathBuf,
    len: u64,
}

const PREFIX: &str = "download-";
/// Longer than any copy takes to be made and sent: what is older was left by a process that was killed.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
const PIECE: usize = 256 << 10;

impl Admin {
    /// A copy of the database as it is now, an SQLite file whatever the engine. Without `full` nothing in it opens
    /// anything.
    pub async fn backup(&self, actor: Actor<'_>, full: bool, now: i64) -> Result<BackupFile, AdminError> {
        let what = if full { "with secrets" } else { "without secrets" };
        self.note(actor, "backup.download", "database", what, now).await?;
        let (db, Backups { folder, blank }) = (self.db.clone(), self.backups.clone());
        let blank = if full { &[] } else { blank };
        // A task of its own: if the caller leaves, the copy comes to its end and is removed then, and not while it is
        // written.
        let made = tokio::spawn(async move {
            let mut file = BackupFile::new(&folder)?;
            backup::write(&db, &file.path, blank, &mut |_| {}).await?;
            let failed = |source| DbError::File { path: file.path.clone(), source };
            file.len = std::fs::metadata(&file.path).map_err(failed)?.len();
            Ok::<_, DbError>(file)
        });
        let lost =
            |_| DbError::File { path: self.backups.folder.clone(), source: std::io::ErrorKind::Other.into() };
        Ok(made.await.map_err(lost)??)
    }
}

impl BackupFile {
    fn new(folder: &Path) -> Result<Self, DbError> {
        let failed = |source| DbError::File { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        remove_forgotten(folder).map_err(failed)?;
        let mut chance = [0; 8];
        getrandom::fill(&mut chance).map_err(|error| DbError::Random(error.to_string()))?;
        let name = format!("{PREFIX}{:016x}", u64::from_ne_bytes(chance));
        Ok(Self { path: folder.join(name), len: 0 })
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes in pieces; the file goes with the stream.
    pub async fn stream(self) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send, AdminError> {
        let failed = |source| DbError::File { path: self.path.clone(), source };
        let file = tokio::fs::File::open(&self.path).await.map_err(failed)?;
        let state = (file.take(self.len), self);
        Ok(stream::try_unfold(state, |(mut file, held)| async move {
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = file.read_buf(&mut piece).await?;
            Ok((read > 0).then(|| (piece.freeze(), (file, held))))
        }))
    }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn remove_forgotten(folder: &Path) -> std::io::Result<()> {
    for file in std::fs::read_dir(folder)?.flatten() {
        let is_ours = file.file_name().to_string_lossy().starts_with(PREFIX);
        let modified = file.metadata().and_then(|meta| meta.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if is_ours && age.is_some_and(|age| age > FORGOTTEN) {
            let _ = std::fs::remove_file(file.path());
        }
    }
    Ok(())
}
