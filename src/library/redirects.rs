//! Old paths of images that came from elsewhere. Which paths there are is kept in memory, as eight bytes each, so that
//! the many paths that were never ours cost neither a look-up nor a place in a cache.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::imported::Note;
use super::{Library, LibraryError, store};
use crate::db::{Db, Tx};

/// Where an image was, and what was shown of it there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OldPath {
    /// Decoded, from its first slash on.
    pub path: String,
    /// As in the image's URL; empty for the image as it is.
    pub spec: String,
}

/// Where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The public id.
    pub image: String,
    pub spec: String,
}

/// Shared by all clones of a library.
#[derive(Clone, Default)]
pub(super) struct Redirects {
    state: Arc<RwLock<State>>,
}

#[derive(Default)]
struct State {
    /// The beginnings of the hashes. One whose row is gone costs a look-up in vain.
    known: HashSet<u64>,
    /// There are more than are kept here, so every path is asked for.
    is_full: bool,
    last: i64,
    seen: u64,
}

impl Redirects {
    fn may_know(&self, hash: &[u8; 32]) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.is_full || state.known.contains(&beginning(hash))
    }

    fn is_empty(&self) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        !state.is_full && state.known.is_empty()
    }

    /// Learns of paths that were added since, here or by other processes.
    pub(super) async fn poll(&self, db: &Db) -> Result<(), LibraryError> {
        let now = store::redirects::state(db).await?;
        let (mut last, mut is_full) = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            if state.seen == now {
                return Ok(());
            }
            (state.last, state.is_full)
        };
        while !is_full {
            let hashes = store::redirects::hashes(db, last, AT_ONCE).await?;
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.known.extend(hashes.iter().filter_map(|(_, hash)| {
                hash.get(..16).and_then(|begin| u64::from_str_radix(begin, 16).ok())
            }));
            last = hashes.last().map_or(last, |(pk, _)| *pk);
            state.last = last;
            if state.known.len() > MOST {
                state.known = HashSet::new();
                state.is_full = true;
            }
            is_full = state.is_full;
            if hashes.len() < AT_ONCE as usize {
                break;
            }
        }
        self.state.write().unwrap_or_else(PoisonError::into_inner).seen = now;
        Ok(())
    }
}

impl Library {
    /// Whether it is worth asking where something at this path is now: `path` is that of a request, as it was sent.
    pub fn may_have_moved(&self, path: &str) -> bool {
        !self.redirects.is_empty() && self.redirects.may_know(&sent(path))
    }

    /// The image that was at this path elsewhere, if it can still be shown.
    pub async fn moved(&self, path: &str) -> Result<Option<Moved>, LibraryError> {
        let hash = sent(path);
        if !self.redirects.may_know(&hash) {
            return Ok(None);
        }
        let Some(moved) = store::redirects::find(&self.db, &hex(&hash)).await? else { return Ok(None) };
        Ok(self.find(&moved.image).await?.map(|_| moved))
    }
}

/// Puts old paths of images into the table; returns how many are new.
pub(super) async fn add(tx: &mut Tx, notes: &[Note], now: i64) -> Result<u64, LibraryError> {
    if notes.iter().all(|note| note.old.is_empty()) {
        return Ok(0);
    }
    store::redirects::raise(tx).await?;
    let mut added = 0;
    for note in notes {
        for old in &note.old {
            let hash = hex(&Sha256::digest(&old.path).into());
            added += u64::from(store::redirects::add(tx, &hash, old, note.image, now).await?);
        }
    }
    Ok(added)
}

/// What was sent is decoded once; what then is no text is taken as it is.
fn sent(path: &str) -> [u8; 32] {
    let decoded = percent_decode_str(path).decode_utf8();
    Sha256::digest(decoded.as_deref().unwrap_or(path)).into()
}

fn beginning(hash: &[u8; 32]) -> u64 {
    let mut begin = [0; 8];
    begin.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(begin)
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Some 70 MB.
const MOST: usize = 4_000_000;
const AT_ONCE: u32 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::tests::{library, new};

    fn old(path: &str, spec: &str) -> OldPath {
        OldPath { path: path.to_owned(), spec: spec.to_owned() }
    }

    #[tokio::test]
    async fn an_old_path_leads_to_its_image_for_as_long_as_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let library = library(dir.path()).await;
        assert!(!library.may_have_moved("/uploads/a.jpg"));
        let one = library.insert(&new(b"one", "one.jpg")).await.unwrap();
        let two = library.insert(&new(b"two", "two.jpg")).await.unwrap();
        let paths = [old("/uploads/猫 1.jpg", ""), old("/uploads/a.th.jpg", "w_160")];
        let note = |image: &crate::library::Image, origin: &str| {
            [Note { image: image.pk, origin: origin.to_owned(), old: paths.to_vec() }]
        };
        assert_eq!(library.note_imported(&note(&one, "a"), 5).await.unwrap(), 2);
        // Who came first keeps a path.
        assert_eq!(library.note_imported(&note(&two, "b"), 6).await.unwrap(), 0);
        assert_eq!(library.imported("b").await.unwrap().unwrap().id, two.id);
        library.poll().await.unwrap();
        let to = |spec: &str| Some(Moved { image: one.id.to_string(), spec: spec.to_owned() });
        for path in ["/uploads/猫 1.jpg", "/uploads/%E7%8C%AB%201.jpg"] {
            assert!(library.may_have_moved(path));
            assert_eq!(library.moved(path).await.unwrap(), to(""), "{path}");
        }
        assert_eq!(library.moved("/uploads/a.th.jpg").await.unwrap(), to("w_160"));
        for path in ["/uploads/A.th.jpg", "/uploads/", "/", "/%ff", "/uploads/a.th.jpg/"] {
            assert!(!library.may_have_moved(path), "{path}");
            assert_eq!(library.moved(path).await.unwrap(), None);
        }
        // Another process learns of it from the table.
        let again = crate::library::tests::library(dir.path()).await;
        assert_eq!(again.moved("/uploads/a.th.jpg").await.unwrap(), to("w_160"));
        library.delete_forever(std::slice::from_ref(&one.id), 7).await.unwrap();
        assert_eq!(library.moved("/uploads/a.th.jpg").await.unwrap(), None);
        // And the path is free.
        assert_eq!(library.imported("a").await.unwrap(), None);
        assert_eq!(library.note_imported(&note(&two, "b"), 8).await.unwrap(), 2);
        // Nothing is noted of what is gone.
        assert_eq!(library.note_imported(&note(&one, "a"), 9).await.unwrap(), 0);
    }
}
