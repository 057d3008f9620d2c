//! What a result is called: a hash over everything that decides its bytes, so that equal keys mean equal bytes and a
//! replaced original, an edited preset or a purge is a new name instead of a search for the old one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foyer::{Code, Error};

/// Raised whenever the same plan gives other bytes than before (a codec update, a changed default), so that no old
/// result is served under a new promise.
pub const ENGINE_VERSION: u32 = 4;

/// The name of one result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

/// Which original a result was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity<'a> {
    /// A picture of the library: the SHA-256 of its bytes.
    Content([u8; 32]),
    /// An object of a named source, and what its storage says about its version (ETag, else mtime and size).
    Object { source: &'a str, path: &'a str, validator: &'a str },
}

impl Key {
    /// The key of a variant: how the resolved spec turns this original into bytes. `overlays` are the content hashes
    /// of the further pictures that the spec names, in its order.
    pub fn variant(identity: &Identity<'_>, generation: u64, spec: &str, overlays: &[[u8; 32]]) -> Self {
        let mut parts = Parts::new(b"variant", identity, generation);
        parts.push(spec.as_bytes());
        for overlay in overlays {
            parts.push(overlay);
        }
        parts.finish()
    }

    /// The key of the original's own bytes, kept because its storage is remote or slow.
    pub fn source(identity: &Identity<'_>, generation: u64) -> Self {
        Parts::new(b"source", identity, generation).finish()
    }

    /// The name under which it is remembered what a source said of an object.
    pub fn sighting(source: &str, path: &str) -> Self {
        Parts::new(b"sighting", &Identity::Object { source, path, validator: "" }, 0).finish()
    }

    /// From lowercase hex.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// A strong `ETag`, quotes included. Half of the hash: 128 bits keep accidents away, and it travels often.
    pub fn etag(&self) -> String {
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(&self.0[..16]))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lowercase hex.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl Code for Key {
    fn encode(&self, writer: &mut impl std::io::Write) -> Result<(), Error> {
        writer.write_all(&self.0).map_err(Error::io_error)
    }

    fn decode(reader: &mut impl std::io::Read) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        reader.read_exact(&mut bytes).map_err(Error::io_error)?;
        Ok(Self(bytes))
    }

    fn estimated_size(&self) -> usize {
        32
    }
}

/// Hashes each part behind its length: without it a path could borrow its last letters from the validator.
struct Parts(blake3::Hasher);

impl Parts {
    fn new(kind: &[u8], identity: &Identity<'_>, generation: u64) -> Self {
        let mut parts = Self(blake3::Hasher::new());
        parts.push(kind);
        parts.push(&ENGINE_VERSION.to_le_bytes());
        match identity {
            Identity::Content(sha256) => {
                parts.push(b"content");
                parts.push(sha256);
            }
            Identity::Object { source, path, validator } => {
                parts.push(b"object");
                parts.push(source.as_bytes());
                parts.push(path.as_bytes());
                parts.push(validator.as_bytes());
            }
        }
        parts.push(&generation.to_le_bytes());
        parts
    }

    fn push(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn finish(self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn object<'a>(source: &'a str, path: &'a str, validator: &'a str) -> Identity<'a> {
        Identity::Object { source, path, validator }
    }

    #[test]
    fn every_part_counts_and_none_can_borrow_from_its_neighbour() {
        let all = [
            Key::variant(&object("s", "ab", "c"), 0, "w_1", &[]),
            Key::variant(&object("s", "a", "bc"), 0, "w_1", &[]),
            Key::variant(&object("sa", "b", "c"), 0, "w_1", &[]),
            Key::variant(&object("s", "ab", "c"), 1, "w_1", &[]),
            Key::variant(&object("s", "ab", "c"), 0, "w_11", &[]),
            Key::variant(&object("s", "ab", "c"), 0, "w_1", &[[1; 32]]),
            Key::variant(&object("s", "ab", "c"), 0, "w_1", &[[1; 32], [2; 32]]),
            Key::variant(&object("s", "ab", "c"), 0, "w_1", &[[2; 32], [1; 32]]),
            Key::variant(&Identity::Content([7; 32]), 0, "w_1", &[]),
            Key::variant(&Identity::Content([8; 32]), 0, "w_1", &[]),
            Key::variant(&Identity::Content([8; 32]), 0, "", &[]),
            Key::source(&Identity::Content([8; 32]), 0),
            Key::source(&Identity::Content([8; 32]), 1),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all[0], Key::variant(&object("s", "ab", "c"), 0, "w_1", &[]));
    }

    /// Few letters and short parts, so that many pairs look alike once they are joined.
    fn part() -> impl Strategy<Value = String> {
        "[ab/,_]{0,3}"
    }

    type Named = ((String, String, String), u64, String, Vec<[u8; 32]>);

    fn named() -> impl Strategy<Value = Named> {
        let overlays = prop::collection::vec((0_u8..2).prop_map(|n| [n; 32]), 0..3);
        ((part(), part(), part()), 0_u64..3, part(), overlays)
    }

    fn key(((source, path, validator), generation, spec, overlays): &Named) -> Key {
        Key::variant(&object(source, path, validator), *generation, spec, overlays)
    }

    proptest! {
        #[test]
        fn two_pictures_share_a_key_only_if_they_are_one(all in prop::collection::vec(named(), 2..40)) {
            let named: HashSet<_> = all.iter().collect();
            let keys: HashSet<_> = all.iter().map(key).collect();
            prop_assert_eq!(keys.len(), named.len());
            let sightings: HashSet<_> = all.iter().map(|((source, path, _), ..)| Key::sighting(source, path)).collect();
            let places: HashSet<_> = all.iter().map(|((source, path, _), ..)| (source, path)).collect();
            prop_assert_eq!(sightings.len(), places.len());
            prop_assert!(keys.is_disjoint(&sightings));
        }
    }

    #[test]
    fn prints_a_short_strong_etag_and_hex() {
        let key = Key::variant(&Identity::Content([0; 32]), 0, "_", &[]);
        let etag = key.etag();
        assert_eq!(etag.len(), 24);
        assert!(etag.starts_with('"') && etag.ends_with('"'));
        assert!(etag[1..23].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        for wrong in ["", "lock", "7.new", &"+1".repeat(32), &"é".repeat(32)] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn survives_the_way_to_disk_and_back() {
        let key = Key::source(&Identity::Content([3; 32]), 9);
        let mut bytes = Vec::new();
        key.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), key.estimated_size());
        assert_eq!(Key::decode(&mut bytes.as_slice()).unwrap(), key);
        assert!(Key::decode(&mut &bytes[..31]).is_err());
    }
}
