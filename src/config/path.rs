//! The full name of a key, `sources.samples.root` or `keys[0].kid`, and the line of a file on which it stands.

use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyPath(pub(super) Vec<Segment>);

impl KeyPath {
    /// Reads what `Display` prints.
    pub(super) fn parse(text: &str) -> Self {
        let mut segments = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, indices) = part.split_once('[').unwrap_or((part, ""));
            segments.push(Segment::Key(key.to_owned()));
            let indices = indices.split('[').filter_map(|index| index.trim_end_matches(']').parse().ok());
            segments.extend(indices.map(Segment::Index));
        }
        Self(segments)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }

    pub(super) fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }

    pub(super) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The line of the key in a YAML text, or of the nearest section around it that the text holds.
    pub(super) fn line_in(&self, text: &str) -> Option<usize> {
        (1..=self.0.len()).rev().find_map(|depth| {
            let deserializer = yaml_serde::Deserializer::from_str(text);
            match (Locate { path: &self.0[..depth] }).deserialize(deserializer) {
                Ok(()) => None,
                Err(error) => error.location().map(|location| location.line()),
            }
        })
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Walks to the path and fails there on purpose: an error is the only thing that tells a position in YAML.
struct Locate<'p> {
    path: &'p [Segment],
}

const FOUND: &str = "found";

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.path.split_first() else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        while let Some(hit) = map.next_key_seed(LocateKey { wanted, last: rest.is_empty() })? {
            if hit {
                map.next_value_seed(Locate { path: rest })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.path.split_first() else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        for _ in 0..*wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        if rest.is_empty() {
            seq.next_element_seed(Fail)?;
        } else {
            seq.next_element_seed(Locate { path: rest })?;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }
}

struct LocateKey<'p> {
    wanted: &'p str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for LocateKey<'_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for LocateKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.last => Err(E::custom(FOUND)),
            hit => Ok(hit),
        }
    }
}

/// The element itself is what was looked for.
struct Fail;

impl<'de> DeserializeSeed<'de> for Fail {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fail {
    type Value = ();

    /// No `visit_…` is given, so that every kind of element fails at its own position.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
http:
  listen: 127.0.0.1:1
  cors:
    - one
    - two

cache: { memory: 1,
  disk: 2 }
keys:
  - kid: a
    secret_env: A
  - { kid: b }
";

    #[test]
    fn prints_and_reads_itself() {
        for text in ["http.listen", "keys[0].kid", "a", "a[1][2].b"] {
            assert_eq!(KeyPath::parse(text).to_string(), text);
        }
    }

    #[test]
    fn knows_the_line_of_a_key() {
        for (path, line) in [
            ("http", 2),
            ("http.listen", 3),
            ("http.cors[1]", 6),
            ("cache.memory", 8),
            ("cache.disk", 9),
            ("keys[0].secret_env", 12),
            ("keys[1].kid", 13),
        ] {
            assert_eq!(KeyPath::parse(path).line_in(TEXT), Some(line), "{path}");
        }
    }

    #[test]
    fn a_key_that_is_not_written_has_the_line_of_its_section() {
        assert_eq!(KeyPath::parse("keys[0].secret").line_in(TEXT), Some(11));
        assert_eq!(KeyPath::parse("cache.path").line_in(TEXT), Some(8));
        assert_eq!(KeyPath::parse("redis.url").line_in(TEXT), None);
    }
}
