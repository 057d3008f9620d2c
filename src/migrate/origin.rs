//! Where pictures come from: what each kind of place has beside its pictures, and its pictures one by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;

use super::files::Files;
use super::manifest::{self, Line, Lines};
use super::model::{Catalogue, Picture, whole};
use super::system::{SYSTEMS, System, Terms};
use super::tables::{Rows, Tables};
use super::{Kind, MigrateError};
use crate::source::{Entry, Source, SourceError};
use crate::upload::{Found, Walk};

/// A place that pictures come from.
pub(super) enum Origin {
    Folder { path: PathBuf, albums: bool },
    Bucket { source: Source, prefix: String, albums: bool },
    Export { folder: PathBuf },
    Database { tables: Tables, system: &'static System, prefix: String },
}

/// Pictures, one by one.
pub(super) enum Pictures {
    Folder { walk: Walk, albums: bool },
    Bucket { entries: BoxStream<'static, Result<Entry, SourceError>>, prefix: usize, albums: bool },
    Export(Lines),
    Database { rows: Rows, system: &'static System, path: PathBuf, table: String, found: bool },
}

pub(super) enum Item {
    Picture(Box<Picture>),
    /// Something that is no picture, and whether it should have been one.
    Neither {
        label: String,
        why: String,
        is_fault: bool,
    },
}

impl Origin {
    pub(super) fn folder(path: &Path, albums: bool) -> Self {
        // By whichever way it is named, it is the same one.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Self::Folder { path, albums }
    }

    pub(super) async fn database(
        path: &Path,
        kind: Kind,
        prefix: Option<&str>,
    ) -> Result<Self, MigrateError> {
        let system = SYSTEMS.iter().find(|system| system.name == kind.name());
        let system = system.ok_or_else(|| MigrateError::Usage(format!("{kind} has no database")))?;
        let prefix = prefix.unwrap_or(system.prefix).to_owned();
        Ok(Self::Database { tables: Tables::open(path).await?, system, prefix })
    }

    /// Everything but the pictures.
    pub(super) async fn catalogue(&self, terms: &Terms) -> Result<Catalogue, MigrateError> {
        let mut catalogue = Catalogue::default();
        match self {
            Self::Folder { .. } | Self::Bucket { .. } => {}
            Self::Export { folder } => {
                let mut lines = Lines::open(folder)?;
                while let Some(line) = lines.next()? {
                    manifest::note(line, &mut catalogue)?;
                }
            }
            Self::Database { tables, system, prefix } => {
                let wanted: BTreeSet<String> =
                    system.tables.iter().map(|table| format!("{prefix}{table}")).collect();
                let mut rows = tables.read(wanted).await?;
                while let Some(row) = rows.next().await? {
                    let table = row.table.strip_prefix(prefix.as_str()).unwrap_or(&row.table);
                    (system.note)(table, &row, terms, &mut catalogue)?;
                }
            }
        }
        Ok(catalogue)
    }

    pub(super) async fn pictures(&self) -> Result<Pictures, MigrateError> {
        Ok(match self {
            Self::Folder { path, albums } => {
                Pictures::Folder { walk: Walk::new(path).await?, albums: *albums }
            }
            Self::Bucket { source, prefix, albums } => {
                let entries = source.list(prefix).await?;
                Pictures::Bucket { entries, prefix: prefix.len(), albums: *albums }
            }
            Self::Export { folder } => Pictures::Export(Lines::open(folder)?),
            Self::Database { tables, system, prefix } => {
                let table = format!("{prefix}{}", system.pictures);
                let rows = tables.read(BTreeSet::from([table.clone()])).await?;
                Pictures::Database { rows, system, path: tables.path().to_owned(), table, found: false }
            }
        })
    }

    /// Where its files are, unless somebody says otherwise.
    pub(super) async fn files(&self) -> Result<Option<Files>, MigrateError> {
        Ok(match self {
            Self::Folder { path, .. } | Self::Export { folder: path } => Some(Files::folder(path).await?),
            Self::Bucket { source, .. } => {
                Some(Files::Source { source: source.clone(), prefix: String::new() })
            }
            Self::Database { .. } => None,
        })
    }

    /// What tells this place from others of its kind.
    pub(super) fn site(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Bucket { source, .. } => source.name().to_owned(),
            // Rows are told apart by their hashes and times, exports by ids.
            Self::Export { .. } | Self::Database { .. } => String::new(),
        }
    }

    /// Whether what is there is wished to be here, rather than that it comes along once.
    pub(super) fn is_kept_up(&self) -> bool {
        matches!(self, Self::Folder { .. } | Self::Bucket { .. })
    }
}

impl Pictures {
    pub(super) async fn next(
        &mut self,
        terms: &Terms,
        catalogue: &Catalogue,
    ) -> Result<Option<Item>, MigrateError> {
        match self {
            Self::Folder { walk, albums } => Ok(walk.next().await.map(|found| match found {
                Found::File { path } => Item::Picture(Box::new(file(path, 0, *albums, terms))),
                Found::Neither { path, why } => Item::Neither { label: path, why, is_fault: false },
            })),
            Self::Bucket { entries, prefix, albums } => {
                let Some(entry) = entries.try_next().await? else { return Ok(None) };
                let mark = entry.etag.unwrap_or_else(|| format!("{} {:?}", entry.len, entry.modified_ms));
                let mut picture = file(entry.path, *prefix, *albums, terms);
                (picture.mark, picture.created_at) = (mark, entry.modified_ms);
                Ok(Some(Item::Picture(Box::new(picture))))
            }
            Self::Export(lines) => {
                while let Some(line) = lines.next()? {
                    if let Line::Image(image) = line {
                        let label = image.name.clone();
                        return Ok(Some(item(manifest::picture(*image), label)));
                    }
                }
                Ok(None)
            }
            Self::Database { rows, system, path, table, found } => match rows.next().await? {
                Some(row) => {
                    *found = true;
                    let label = row.text("id").unwrap_or("a row without an id").to_owned();
                    Ok(Some(item((system.picture)(&row, terms, catalogue), label)))
                }
                None if *found => Ok(None),
                None => Err(MigrateError::NoTable {
                    path: path.clone(),
                    table: table.clone(),
                    system: system.name,
                }),
            },
        }
    }
}

fn item(read: Result<Picture, String>, label: String) -> Item {
    match read {
        Ok(picture) => Item::Picture(Box::new(picture)),
        Err(why) => Item::Neither { label, why, is_fault: true },
    }
}

/// A file by its path alone; albums and old paths begin behind the first `skip` bytes.
fn file(path: String, skip: usize, albums: bool, terms: &Terms) -> Picture {
    let inner = path.get(skip..).unwrap_or(&path).trim_start_matches('/');
    let (folder, name) = inner.rsplit_once('/').unwrap_or(("", inner));
    let old = terms.old_prefix.as_ref().map(|_| whole(format!("{}/{inner}", terms.prefix(""))));
    Picture {
        label: path.clone(),
        key: path.clone(),
        albums: Some(folder.to_owned()).filter(|folder| albums && !folder.is_empty()).into_iter().collect(),
        name: name.to_owned(),
        old: old.into_iter().collect(),
        files: vec![path],
        ..Picture::default()
    }
}
