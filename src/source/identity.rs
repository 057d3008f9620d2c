//! Which version of an object is meant: the source's own word for it, and what came along with that word.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Terms;
use crate::storage::fs::FileStat;

/// What tells one state of an object from another: the ETag, or else time and size, or else a hash of the content.
#[derive(Debug, Clone)]
pub struct Identity {
    validator: Arc<str>,
    len: u64,
    modified_ms: Option<i64>,
    terms: Terms,
}

impl Identity {
    /// `validator` is the source's own word for this state.
    pub(super) fn new(validator: &str, len: u64) -> Self {
        Self { validator: validator.into(), len, modified_ms: None, terms: Terms::default() }
    }

    pub(super) fn of_file(stat: FileStat) -> Self {
        Self {
            validator: format!("{:x}-{:x}", stat.modified_ns, stat.len).into(),
            len: stat.len,
            modified_ms: Some(stat.modified_ns.div_euclid(1_000_000)),
            terms: Terms::default(),
        }
    }

    /// What a server said of a version. Two of its answers may differ in quotes and weakness and mean the same.
    pub(super) fn of_validators(etag: Option<&str>, modified_ms: Option<i64>, len: u64) -> Option<Self> {
        let etag =
            etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"')).filter(|etag| !etag.is_empty());
        let validator = match (etag, modified_ms) {
            (Some(etag), _) => etag.into(),
            (None, Some(modified)) => dated(modified, len).into(),
            (None, None) => return None,
        };
        Some(Self { validator, len, modified_ms, terms: Terms::default() })
    }

    /// Of an object whose source has no word for its versions.
    pub(super) fn of_content(bytes: &[u8]) -> Self {
        let validator = format!("{CONTENT}{}", blake3::hash(bytes).to_hex()).into();
        Self { validator, len: bytes.len() as u64, modified_ms: None, terms: Terms::default() }
    }

    /// The server's own tag, where it is one.
    pub(super) fn etag(&self) -> Option<&str> {
        let dated = self.modified_ms.map(|modified| dated(modified, self.len));
        (!self.is_content() && dated.as_deref() != Some(&*self.validator)).then_some(&*self.validator)
    }

    pub(super) fn modified(&self) -> Option<SystemTime> {
        let modified = Duration::from_millis(u64::try_from(self.modified_ms?).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(modified)
    }

    pub(super) fn is_content(&self) -> bool {
        self.validator.starts_with(CONTENT)
    }

    /// One that was written down.
    pub(super) fn known(validator: &str, len: u64, modified_ms: Option<i64>) -> Self {
        Self { modified_ms, ..Self::new(validator, len) }
    }

    /// With what the source said of keeping it.
    pub(super) fn under(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    /// How long the source would have it kept, when it said so.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Part of the cache key.
    pub fn validator(&self) -> &str {
        &self.validator
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Milliseconds since 1970, for `Last-Modified`.
    pub fn modified_ms(&self) -> Option<i64> {
        self.modified_ms
    }
}

/// The time and the terms are told to clients and do not tell versions apart beyond what the validator does: one server
/// may give them with one answer and leave them out of another.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        (&self.validator, self.len) == (&other.validator, other.len)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.validator, self.len).hash(state);
    }
}

/// The validator of what has no tag.
fn dated(modified_ms: i64, len: u64) -> String {
    format!("{modified_ms:x}-{len:x}")
}

/// What a validator begins with that is a hash of the content; `"` ends an ETag and so begins none.
const CONTENT: &str = "\"blake3 ";
