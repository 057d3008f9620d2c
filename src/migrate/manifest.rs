//! A library in a folder: `manifest.jsonl`, one thing a line, beside `files/`, where each content lies once. What is
//! read here may have been made by anybody.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::MigrateError;
use super::model::{Catalogue, Collection, Person, Picture, Reach};
use crate::library::{OldPath, Visibility};

/// In the folder of an export.
pub(super) const MANIFEST: &str = "manifest.jsonl";
const VERSION: u32 = 1;

/// A line. All times are milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Export(Head),
    User(UserLine),
    Album(AlbumLine),
    Image(Box<ImageLine>),
    /// Some images of an album, in its order.
    Order(OrderLine),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) version: u32,
    pub(super) pixedge: String,
    pub(super) exported_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UserLine {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    pub(super) role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password_hash: Option<String>,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quota_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) quota_files: Option<u64>,
    pub(super) created_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AlbumLine {
    pub(super) id: String,
    /// The id of a user; none = the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    pub(super) name: String,
    /// The id of an image, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cover: Option<String>,
    pub(super) created_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ImageLine {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stored_name: Option<String>,
    /// Relative to the folder of the manifest.
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) md5: String,
    pub(super) bytes: u64,
    pub(super) format: String,
    pub(super) visibility: String,
    pub(super) created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deleted_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) focal: Option<(f64, f64)>,
    #[serde(default)]
    pub(super) views: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    /// Ids of albums.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) albums: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) old_paths: Vec<OldLine>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OldLine {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) spec: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderLine {
    pub(super) album: String,
    pub(super) images: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) users: u64,
    pub(super) albums: u64,
    pub(super) images: u64,
}

/// The lines of a manifest, from the first on.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: u64,
    ended: bool,
}

impl Head {
    pub(super) fn new(now: i64) -> Self {
        Self { version: VERSION, pixedge: env!("CARGO_PKG_VERSION").to_owned(), exported_at: now }
    }
}

impl Lines {
    pub(super) fn open(folder: &Path) -> Result<Self, MigrateError> {
        let path = folder.join(MANIFEST);
        let file = File::open(&path).map_err(|error| MigrateError::file(&path, error))?;
        let mut lines = Self { path, reader: BufReader::new(file), line: 0, ended: false };
        match lines.next()? {
            Some(Line::Export(head)) if head.version == VERSION => Ok(lines),
            Some(Line::Export(head)) => {
                Err(lines.wrong(format!("version {} is not known; use a newer pixedge", head.version)))
            }
            _ => Err(lines.wrong("it is not the manifest of an export")),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, MigrateError> {
        let mut text = String::new();
        let mut bounded = (&mut self.reader).take(LONGEST);
        let read = bounded.read_line(&mut text).map_err(|error| MigrateError::file(&self.path, error))?;
        if read == 0 {
            return match self.ended {
                true => Ok(None),
                false => Err(self.wrong("the manifest has no end; it was cut off")),
            };
        }
        self.line += 1;
        if read as u64 == LONGEST {
            return Err(self.wrong("the line is too long"));
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| self.wrong(error.to_string()))?;
        self.ended |= matches!(line, Line::End(_));
        Ok(Some(line))
    }

    fn wrong(&self, why: impl Into<String>) -> MigrateError {
        MigrateError::Manifest { path: self.path.clone(), line: self.line, why: why.into() }
    }
}

/// Puts what is no image into the catalogue.
pub(super) fn note(line: Line, into: &mut Catalogue) -> Result<(), MigrateError> {
    match line {
        Line::User(user) => {
            into.count()?;
            let person = Person {
                name: user.name,
                email: user.email,
                password_hash: user.password_hash,
                role: user.role,
                disabled: user.disabled,
                quota_bytes: user.quota_bytes,
                quota_files: user.quota_files,
                created_at: Some(user.created_at),
            };
            into.people.insert(user.id, person);
        }
        Line::Album(album) => {
            into.count()?;
            let AlbumLine { id, owner, name, cover, created_at } = album;
            let album =
                Collection { owner, name, cover, created_at: Some(created_at), ..Collection::default() };
            into.albums.insert(id, album);
        }
        Line::Order(OrderLine { album, images }) => {
            for _ in &images {
                into.counted_order()?;
            }
            if let Some(album) = into.albums.get_mut(&album) {
                album.order.extend(images);
            }
        }
        Line::Export(_) | Line::Image(_) | Line::End(_) => {}
    }
    Ok(())
}

pub(super) fn picture(image: ImageLine) -> Result<Picture, String> {
    let visibility: Visibility = image.visibility.parse()?;
    Ok(Picture {
        label: image.name.clone(),
        key: image.id.clone(),
        mark: image.sha256.clone(),
        owner: image.owner,
        albums: image.albums,
        files: vec![image.file],
        name: image.name,
        created_at: Some(image.created_at),
        expires_at: image.expires_at,
        deleted_at: image.deleted_at,
        reach: match visibility {
            Visibility::Public => Reach::Everybody,
            Visibility::Private => Reach::Guarded,
        },
        views: image.views,
        tags: image.tags,
        old: image.old_paths.into_iter().map(|OldLine { path, spec }| OldPath { path, spec }).collect(),
        stored_name: image.stored_name,
        id: Some(image.id),
        sha256: Some(image.sha256),
        focal: image.focal,
        place: None,
    })
}

const LONGEST: u64 = 1 << 20;
