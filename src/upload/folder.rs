//! What is in a folder with all its subfolders, one by one, for whoever takes it in.

use std::path::{Path, PathBuf};

use crate::storage::fs::{FsError, Root};

/// Files in the order of their names. Links to files are followed where they stay in the folder. Links to folders are
/// not: what is inside is found under its own name, and a circle has no end.
pub struct Walk {
    dir: PathBuf,
    root: Root,
    /// Last first, so that the next to be visited is at the end.
    ahead: Vec<Entry>,
}

/// Something that is no folder; paths are relative to the walk's folder, with `/` between their parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// What the bytes are is seen when they are read.
    File {
        path: String,
    },
    Neither {
        path: String,
        why: String,
    },
}

struct Entry {
    path: String,
    what: What,
}

enum What {
    Folder,
    File,
    Neither(&'static str),
}

impl Walk {
    pub async fn new(dir: &Path) -> Result<Self, FsError> {
        let root = Root::new(dir);
        root.check().await?;
        let ahead = vec![Entry { path: String::new(), what: What::Folder }];
        Ok(Self { dir: dir.to_owned(), root, ahead })
    }

    /// By which what was found is opened: not out of the folder.
    pub fn root(&self) -> &Root {
        &self.root
    }

    pub async fn next(&mut self) -> Option<Found> {
        while let Some(Entry { path, what }) = self.ahead.pop() {
            match what {
                What::File => return Some(Found::File { path }),
                What::Neither(why) => return Some(Found::Neither { path, why: why.to_owned() }),
                What::Folder => match entries(&self.dir, &path).await {
                    Ok(found) => self.ahead.extend(found.into_iter().rev()),
                    Err(error) => {
                        let why = format!("the folder cannot be read: {error}");
                        return Some(Found::Neither { path, why });
                    }
                },
            }
        }
        None
    }
}

/// What is in one folder, by name.
async fn entries(dir: &Path, folder: &str) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut reader = tokio::fs::read_dir(dir.join(folder)).await?;
    while let Some(entry) = reader.next_entry().await? {
        let name = entry.file_name();
        let path = match name.to_str() {
            Some(name) if folder.is_empty() => name.to_owned(),
            Some(name) => format!("{folder}/{name}"),
            None => {
                let path = format!("{folder}/{}", name.to_string_lossy());
                entries.push(Entry { path, what: What::Neither("its name is not UTF-8") });
                continue;
            }
        };
        let kind = entry.file_type().await?;
        let what = if path.rsplit('/').next().is_some_and(|name| name.starts_with('.')) {
            What::Neither("hidden")
        } else if kind.is_dir() {
            What::Folder
        } else if kind.is_file() {
            What::File
        } else if kind.is_symlink() {
            match tokio::fs::metadata(entry.path()).await {
                Ok(target) if target.is_dir() => What::Neither("a link to a folder"),
                _ => What::File,
            }
        } else {
            What::Neither("neither a file nor a folder")
        };
        entries.push(Entry { path, what });
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}
