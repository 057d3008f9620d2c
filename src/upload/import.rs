//! Takes in a folder with all its subfolders. Running it again takes in only what is new.

use std::path::Path;

use futures_util::TryStreamExt;

use super::{Expires, Owner, UploadError, Uploaded, Uploads, Wish};
use crate::library::{Image, Sameness};
use crate::storage::fs::{FsError, OpenFile, Root};

/// What became of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported<'a> {
    /// Relative to the folder, with `/` between its parts.
    pub path: &'a str,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Added(Image),
    /// It was in the library already, with this content and name.
    Known(Image),
    /// Why it was not taken in.
    Skipped(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub added: u64,
    pub known: u64,
    pub skipped: u64,
}

impl Uploads {
    /// Files are visited in the order of their names and reported one by one. A file that is no picture is skipped; a
    /// full disk or a lost database ends the import, and what came in before stays.
    ///
    /// Links to files are followed where they stay in the folder. Links to folders are not: what is inside is found
    /// under its own name, and a circle has no end.
    pub async fn import_dir(
        &self,
        dir: &Path,
        mut progress: impl FnMut(&Imported<'_>),
    ) -> Result<Summary, UploadError> {
        let root = Root::new(dir);
        root.check().await?;
        let mut summary = Summary::default();
        // Last first, so that the next to be visited is at the end.
        let mut ahead = vec![Entry { path: String::new(), what: What::Folder }];
        while let Some(Entry { path, what }) = ahead.pop() {
            let outcome = match what {
                What::Folder => match entries(dir, &path).await {
                    Ok(found) => {
                        ahead.extend(found.into_iter().rev());
                        continue;
                    }
                    Err(error) => Outcome::Skipped(format!("the folder cannot be read: {error}")),
                },
                What::Picture => self.import_file(&root, &path).await?,
                What::Neither(why) => Outcome::Skipped(why.to_owned()),
            };
            match outcome {
                Outcome::Added(_) => summary.added += 1,
                Outcome::Known(_) => summary.known += 1,
                Outcome::Skipped(_) => summary.skipped += 1,
            }
            progress(&Imported { path: &path, outcome });
        }
        Ok(summary)
    }

    async fn import_file(&self, root: &Root, path: &str) -> Result<Outcome, UploadError> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let done = match root.open(path).await {
            Ok(file) => self.file(name, file).await,
            Err(FsError::NotFound) => {
                return Ok(Outcome::Skipped("a link that leads out of the folder, or to no file".to_owned()));
            }
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(Uploaded { image, duplicate: false }) => Ok(Outcome::Added(image)),
            Ok(Uploaded { image, duplicate: true }) => Ok(Outcome::Known(image)),
            Err(UploadError::File(FsError::Io(error))) => Ok(Outcome::Skipped(error.to_string())),
            Err(error) if error.is_about_the_file() => Ok(Outcome::Skipped(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The operator's own, for ever, the same by content and name: two files of a folder stay two.
    async fn file(&self, name: &str, file: OpenFile) -> Result<Uploaded, UploadError> {
        let len = file.stat.len;
        let wish = Wish {
            declared: Some(len),
            same: Sameness::ContentAndName,
            expires: Expires::Never,
            ..Wish::named(name)
        };
        let mut session = self.begin(Owner::default(), wish).await?;
        let mut pieces = std::pin::pin!(file.stream(0..len));
        while let Some(piece) = pieces.try_next().await? {
            session.write(piece).await?;
        }
        session.finish().await
    }
}

struct Entry {
    path: String,
    what: What,
}

enum What {
    Folder,
    /// Or so it seems: what the bytes are is seen when they are read.
    Picture,
    Neither(&'static str),
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
            What::Picture
        } else if kind.is_symlink() {
            match tokio::fs::metadata(entry.path()).await {
                Ok(target) if target.is_dir() => What::Neither("a link to a folder"),
                _ => What::Picture,
            }
        } else {
            What::Neither("neither a file nor a folder")
        };
        entries.push(Entry { path, what });
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}
