//! Files beneath one folder, opened so that neither a name nor a symlink leads out of it. OpenDAL's fs checks names
//! only, so a link in the folder would serve any file of the machine; and it takes many hops through the blocking pool
//! for a read that here is one (a debug build, 4 MB cached by the system: 3 ms against 0.3).

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};

/// A folder that nothing is read outside of. It is opened anew each time, so a folder that is itself a link can be
/// switched to another release while we run.
#[derive(Debug, Clone)]
pub struct Root {
    path: Arc<Path>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    pub len: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i64,
}

/// An open regular file beneath a [`Root`]; it stays readable when it is deleted or replaced meanwhile.
#[derive(Debug, Clone)]
pub struct OpenFile {
    file: Arc<File>,
    pub stat: FileStat,
}

#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// No regular file by that name, or one that is not beneath the root.
    #[error("there is no such file")]
    NotFound,
    #[error("the file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the file changed while it was read")]
    Changed,
    #[error("the folder {} cannot be opened", path.display())]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

impl Root {
    /// The folder need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder is there and can be entered.
    pub async fn check(&self) -> Result<(), FsError> {
        let root = self.clone();
        blocking(move || root.handle().map(|_| ())).await
    }

    pub async fn open(&self, name: &str) -> Result<OpenFile, FsError> {
        let (root, name) = (self.clone(), name.to_owned());
        blocking(move || root.open_now(&name)).await
    }

    pub async fn stat(&self, name: &str) -> Result<FileStat, FsError> {
        Ok(self.open(name).await?.stat)
    }

    /// The whole file, all of one state of it.
    pub async fn read(&self, name: &str, limit: u64) -> Result<(FileStat, Bytes), FsError> {
        let (root, name) = (self.clone(), name.to_owned());
        blocking(move || {
            let opened = root.open_now(&name)?;
            let bytes = opened.read_now(limit)?;
            Ok((opened.stat, bytes))
        })
        .await
    }

    /// Opens without leaving the calling thread: for code that already runs where it may block.
    pub fn open_now(&self, name: &str) -> Result<OpenFile, FsError> {
        let file = self.open_beneath(name)?;
        let meta = file.metadata()?;
        // Folders, sockets, devices and named pipes hold no picture.
        if !meta.is_file() {
            return Err(FsError::NotFound);
        }
        Ok(OpenFile { file: Arc::new(file), stat: FileStat::of(&meta) })
    }

    /// The kernel resolves the name and refuses, in one step that nobody can race, what would leave the root. It
    /// refuses absolute links as well; those that do point inside are opened by their real name.
    #[cfg(target_os = "linux")]
    fn open_beneath(&self, name: &str) -> Result<File, FsError> {
        use rustix::fs::{Mode, ResolveFlags, openat2};
        use rustix::io::Errno;

        let handle = self.handle()?;
        let open = |name: &Path, resolve| {
            openat2(&handle, name, flags(), Mode::empty(), ResolveFlags::BENEATH | resolve)
        };
        match open(Path::new(name), ResolveFlags::NO_MAGICLINKS) {
            Ok(file) => Ok(file.into()),
            Err(Errno::XDEV) => {
                let real = self.real_name(name)?;
                open(&real, ResolveFlags::NO_SYMLINKS).map(Into::into).map_err(missing)
            }
            // Kernels before 5.6, and containers that filter the call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_checked(name),
            Err(error) => Err(missing(error)),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_beneath(&self, name: &str) -> Result<File, FsError> {
        self.open_checked(name)
    }

    /// Checks first and opens then; somebody who may write in the root could change it between.
    fn open_checked(&self, name: &str) -> Result<File, FsError> {
        let handle = self.handle()?;
        let real = self.real_name(name)?;
        let flags = flags() | rustix::fs::OFlags::NOFOLLOW;
        rustix::fs::openat(&handle, &real, flags, rustix::fs::Mode::empty()).map(Into::into).map_err(missing)
    }

    /// The name without links, relative to the root.
    fn real_name(&self, name: &str) -> Result<PathBuf, FsError> {
        let root = self.path.canonicalize().map_err(|source| self.broken(source))?;
        let real = root.join(name).canonicalize().map_err(|error| match error.raw_os_error() {
            Some(code) => missing(rustix::io::Errno::from_raw_os_error(code)),
            // A NUL byte, which is refused before the system sees it.
            None => FsError::NotFound,
        })?;
        real.strip_prefix(&root).map(Path::to_owned).map_err(|_| FsError::NotFound)
    }

    fn handle(&self) -> Result<rustix::fd::OwnedFd, FsError> {
        use rustix::fs::{Mode, OFlags, open};
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        let flags = OFlags::RDONLY;
        open(&*self.path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| self.broken(error.into()))
    }

    fn broken(&self, source: io::Error) -> FsError {
        FsError::Root { path: self.path.to_path_buf(), source }
    }
}

impl OpenFile {
    /// A file that is open already and `len` bytes long.
    pub(super) fn of(file: Arc<File>, len: u64) -> Self {
        Self { file, stat: FileStat { len, modified_ns: 0 } }
    }

    /// The bytes of a range that lies within the file as it was when it was opened.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, FsError> {
        let file = Arc::clone(&self.file);
        blocking(move || Ok(read_exactly(&file, range.start, (range.end - range.start) as usize)?)).await
    }

    /// A range in pieces of 256 KiB; a file that shrinks meanwhile ends the stream with an error, never early.
    pub fn stream(self, range: Range<u64>) -> impl Stream<Item = Result<Bytes, FsError>> + Send + 'static {
        stream::try_unfold((self, range), |(opened, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let end = range.end.min(range.start + PIECE);
            let piece = opened.read_range(range.start..end).await?;
            Ok(Some((piece, (opened, end..range.end))))
        })
    }

    fn read_now(&self, limit: u64) -> Result<Bytes, FsError> {
        if self.stat.len > limit {
            return Err(FsError::TooLarge { limit });
        }
        let mut bytes = Vec::with_capacity(self.stat.len as usize);
        // One byte more than promised, to notice a file that grows.
        (&*self.file).take(self.stat.len + 1).read_to_end(&mut bytes)?;
        if FileStat::of(&self.file.metadata()?) != self.stat || bytes.len() as u64 != self.stat.len {
            return Err(FsError::Changed);
        }
        Ok(bytes.into())
    }
}

impl FileStat {
    fn of(meta: &std::fs::Metadata) -> Self {
        let modified_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { len: meta.len(), modified_ns }
    }
}

const PIECE: u64 = 256 * 1024;

/// Non-blocking, because opening a named pipe would otherwise wait for somebody to write to it.
fn flags() -> rustix::fs::OFlags {
    use rustix::fs::OFlags;
    OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY
}

/// Everything that a name alone can cause is «no such file».
fn missing(error: rustix::io::Errno) -> FsError {
    use rustix::io::Errno;
    match error {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::XDEV
        | Errno::INVAL
        | Errno::NXIO
        | Errno::ISDIR
        | Errno::NODEV => FsError::NotFound,
        other => FsError::Io(other.into()),
    }
}

fn read_exactly(file: &File, offset: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

/// File I/O waits on a disk and not on a core, so it goes to tokio's pool and leaves the workers to the pixels.
#[allow(clippy::disallowed_methods, reason = "waiting for a disk is no work for the workers")]
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FsError> + Send + 'static,
) -> Result<T, FsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(gone) => Err(FsError::Io(io::Error::other(gone))),
    }
}

#[cfg(test)]
mod tests;
