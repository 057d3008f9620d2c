//! What another system had, in words of our own: people, albums and pictures. Nothing here is believed yet.

use std::collections::{BTreeMap, HashMap};

use super::MigrateError;
use crate::library::{OldPath, Visibility};

/// All but the pictures, which may be very many and come one by one.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// By the keys that pictures and albums refer to.
    pub(super) people: BTreeMap<String, Person>,
    pub(super) albums: BTreeMap<String, Collection>,
    /// Where the files of a storage were on the web, and what else is known of it.
    pub(super) places: HashMap<String, Place>,
    /// By the picture's key.
    pub(super) tags: HashMap<String, Vec<String>>,
    /// Names of tags by their keys.
    pub(super) tag_names: HashMap<String, String>,
    counted: usize,
    ordered: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) password_hash: Option<String>,
    pub(super) role: String,
    pub(super) disabled: bool,
    pub(super) quota_bytes: Option<u64>,
    pub(super) quota_files: Option<u64>,
    pub(super) created_at: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Collection {
    /// `None` = the operator's.
    pub(super) owner: Option<String>,
    pub(super) name: String,
    pub(super) created_at: Option<i64>,
    pub(super) reach: Reach,
    /// The keys of its pictures in their order, and of the one that stands for it, where the system says so.
    pub(super) order: Vec<String>,
    pub(super) cover: Option<String>,
}

/// A storage of the other system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The path of its URL, without a slash at its end.
    pub(super) url_path: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Picture {
    /// What it is called in reports.
    pub(super) label: String,
    pub(super) key: String,
    /// What else makes it this one and no other: a hash, a size.
    pub(super) mark: String,
    pub(super) owner: Option<String>,
    pub(super) albums: Vec<String>,
    /// Where its file may be, the likeliest first; relative to the folder of the files.
    pub(super) files: Vec<String>,
    /// Which of several such folders.
    pub(super) place: Option<String>,
    pub(super) name: String,
    pub(super) created_at: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) deleted_at: Option<i64>,
    pub(super) reach: Reach,
    pub(super) views: u64,
    pub(super) tags: Vec<String>,
    pub(super) old: Vec<OldPath>,
    /// By which clients of the other system know it, where they do.
    pub(super) stored_name: Option<String>,
    pub(super) id: Option<String>,
    /// What its file must be.
    pub(super) sha256: Option<String>,
    pub(super) focal: Option<(f64, f64)>,
}

/// Who could see a picture there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reach {
    /// The system does not say.
    #[default]
    Unsaid,
    Everybody,
    /// It was called private, and yet whoever had its address saw it.
    Unlisted,
    /// It was shown to some only.
    Guarded,
}

impl Reach {
    /// `hide` says that what was called private shall be so.
    pub(super) fn visibility(self, hide: bool) -> Option<Visibility> {
        match self {
            Self::Unsaid => None,
            Self::Unlisted if !hide => Some(Visibility::Public),
            Self::Everybody => Some(Visibility::Public),
            Self::Unlisted | Self::Guarded => Some(Visibility::Private),
        }
    }
}

impl Catalogue {
    /// To be called for each row: what is held in memory has an end.
    pub(super) fn count(&mut self) -> Result<(), MigrateError> {
        self.counted += 1;
        match self.counted {
            0..=MOST => Ok(()),
            _ => Err(MigrateError::TooMany { what: "accounts, albums and tags", limit: MOST }),
        }
    }

    /// The same for each place in an album.
    pub(super) fn counted_order(&mut self) -> Result<(), MigrateError> {
        self.ordered += 1;
        match self.ordered {
            0..=MOST => Ok(()),
            _ => Err(MigrateError::TooMany { what: "pictures in albums", limit: MOST }),
        }
    }
}

/// The path of a URL, or of what may be one, decoded and without a slash at its end.
pub(super) fn url_path(url: &str) -> Option<String> {
    let path = match url::Url::parse(url) {
        Ok(url) if url.has_host() => url.path().to_owned(),
        _ => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    let decoded = percent_encoding::percent_decode_str(&path).decode_utf8().ok()?;
    let path = decoded.trim_end_matches('/');
    match path.strip_prefix('/') {
        Some(_) => Some(path.to_owned()),
        None if path.is_empty() => Some(String::new()),
        None => Some(format!("/{path}")),
    }
}

/// An old path that shows the picture as it is.
pub(super) fn whole(path: String) -> OldPath {
    OldPath { path, spec: String::new() }
}

/// The last part of a path, of whichever system.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Of all tables together; a million of them are some 300 MB.
const MOST: usize = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_urls() {
        for (url, path) in [
            ("https://img.example.com/i", "/i"),
            ("https://img.example.com/i/", "/i"),
            ("https://img.example.com", ""),
            ("http://localhost:5000/images/%E7%8C%AB.png?x=1", "/images/猫.png"),
            ("/uploads/a b.jpg", "/uploads/a b.jpg"),
            ("uploads/a.jpg", "/uploads/a.jpg"),
        ] {
            assert_eq!(url_path(url).as_deref(), Some(path), "{url}");
        }
        assert_eq!(file_name("C:\\pictures\\a.jpg"), "a.jpg");
    }

    #[test]
    fn what_was_called_private_is_hidden_where_that_is_wished() {
        use Reach::{Everybody, Guarded, Unlisted, Unsaid};
        let (public, private) = (Some(Visibility::Public), Some(Visibility::Private));
        for (reach, usually, hidden) in [
            (Unsaid, None, None),
            (Everybody, public, public),
            (Unlisted, public, private),
            (Guarded, private, private),
        ] {
            assert_eq!((reach.visibility(false), reach.visibility(true)), (usually, hidden));
        }
    }
}
