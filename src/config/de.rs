//! Typed sections from the untyped tree. serde's own errors know neither the full name of a key nor the nearest
//! right one; this deserializer carries the path along and sees each section's list of keys.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{StrDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use yaml_serde::Value;

use super::path::KeyPath;
use super::tree::{Tree, is_secret, secret_variants};

/// Reads the whole tree. All unknown keys are reported, and the first value that does not fit.
pub(super) fn read<T: DeserializeOwned>(tree: &Tree) -> Result<T, Vec<(KeyPath, String)>> {
    let unknown = RefCell::default();
    let node = Node { value: &tree.root, path: KeyPath::default(), tree, unknown: &unknown };
    let result = T::deserialize(node);
    let mut problems = unknown.into_inner();
    match result {
        Ok(read) if problems.is_empty() => Ok(read),
        Ok(_) => Err(problems),
        Err(error) => {
            problems.push((error.path.unwrap_or_default(), error.text));
            Err(problems)
        }
    }
}

#[derive(Clone)]
struct Node<'a> {
    value: &'a Value,
    path: KeyPath,
    tree: &'a Tree,
    unknown: &'a RefCell<Vec<(KeyPath, String)>>,
}

impl<'a> Node<'a> {
    fn child(&self, value: &'a Value, path: KeyPath) -> Self {
        Self { value, path, ..self.clone() }
    }

    /// Runs a step on this node; an error that has no path yet happened here.
    fn here<V>(&self, result: Result<V, Error>) -> Result<V, Error> {
        result.map_err(|mut error| {
            if error.path.is_none() {
                let written = self.tree.written(&self.path);
                error.text = match (self.path.0.is_empty(), is_secret(&self.path)) {
                    (true, _) => error.text,
                    (_, true) => format!("`{written}`: the value does not fit (it is not shown, being a secret); write it in quotes"),
                    (_, false) => format!("`{written}`: {}", error.text),
                };
                error.path = Some(self.path.clone());
            }
            error
        })
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Sequence(_) => self.list(visitor),
            Value::Mapping(_) => self.section(visitor, None),
            Value::Tagged(tagged) => {
                Err(Error::custom(format_args!("YAML tags like `{}` have no meaning here", tagged.tag)))
            }
        }
    }

    fn list<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            // A list whose elements are all commented out.
            Value::Null => visitor.visit_seq(List { node: self, elements: [].iter(), index: 0 }),
            Value::Sequence(list) => visitor.visit_seq(List { node: self, elements: list.iter(), index: 0 }),
            _ => self.any(visitor),
        }
    }

    /// `known` is a section's list of keys; a map takes any.
    fn section<'de, V: Visitor<'de>>(
        &self,
        visitor: V,
        known: Option<&'static [&'static str]>,
    ) -> Result<V::Value, Error> {
        let mut entries = Vec::new();
        match self.value {
            // A section whose keys are all commented out.
            Value::Null => {}
            Value::Mapping(mapping) => {
                for (key, value) in mapping {
                    let key = key_text(key)?;
                    let path = self.path.key(&key);
                    match known {
                        Some(known) if !known.contains(&key.as_str()) => self.report_unknown(&path, known),
                        _ => entries.push((key, self.child(value, path))),
                    }
                }
            }
            _ => return self.any(visitor),
        }
        visitor.visit_map(Section { entries: entries.into_iter(), value: None })
    }

    fn report_unknown(&self, path: &KeyPath, known: &[&'static str]) {
        let path = self.tree.written(path);
        let variants = secret_variants(known);
        let candidates: Vec<&str> =
            known.iter().copied().chain(variants.iter().map(String::as_str)).collect();
        let hint = match path.last_key().and_then(|key| nearest(key, &candidates)) {
            Some(near) => format!("did you mean `{}`?", self.path.key(near)),
            None => format!("known here: {}", candidates.join(", ")),
        };
        self.unknown.borrow_mut().push((path.clone(), format!("unknown key `{path}`; {hint}")));
    }
}

/// YAML lets a key be a number or a list; ours are names.
fn key_text(key: &Value) -> Result<String, Error> {
    match key {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(Error::custom("a key must be a name")),
    }
}

/// The most similar candidate, if it is similar at all.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word = word.to_ascii_lowercase();
    candidates
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(self.any(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A variable that looks like a number is still text where text is wanted: a password may be 0123.
        match (self.value, self.tree.raw(&self.path)) {
            (Value::Bool(_) | Value::Number(_), Some(raw)) => self.here(visitor.visit_str(raw)),
            _ => self.here(self.any(visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => self.here(visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(self.list(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.here(self.section(visitor, None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.here(self.section(visitor, Some(fields)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::String(text) => {
                let word: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
                self.here(visitor.visit_enum(word))
            }
            _ => {
                let expected = one_of(variants);
                let result = Err(Error::invalid_type(unexpected(self.value), &expected.as_str()));
                self.here(result)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct identifier ignored_any
    }
}

struct List<'n, 'a> {
    node: &'n Node<'a>,
    elements: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for List<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(value) = self.elements.next() else { return Ok(None) };
        let node = self.node.child(value, self.node.path.index(self.index));
        self.index += 1;
        seed.deserialize(node.clone()).map(Some).or_else(|error| node.here(Err(error)))
    }
}

struct Section<'a> {
    entries: std::vec::IntoIter<(String, Node<'a>)>,
    value: Option<Node<'a>>,
}

impl<'de> MapAccess<'de> for Section<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        let key: StringDeserializer<Error> = key.into_deserializer();
        let result = seed.deserialize(key).map(Some);
        let result = node.here(result);
        self.value = Some(node);
        result
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(node) = self.value.take() else { return Err(Error::custom("a value without its key")) };
        // A type that reads text and then refuses it (`deserialize_with`) fails outside of the node.
        seed.deserialize(node.clone()).or_else(|error| node.here(Err(error)))
    }
}

/// What is wrong, and where.
#[derive(Debug)]
struct Error {
    path: Option<KeyPath>,
    text: String,
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self { path: None, text: text.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {}, found {}", plain(expected), shown(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(word: &str, allowed: &'static [&'static str]) -> Self {
        let hint = nearest(word, allowed).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Self::custom(format_args!("`{word}` is not {}{hint}", one_of(allowed)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the key `{field}` is missing"))
    }
}

fn one_of(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    format!("one of {}", words.join(", "))
}

/// serde's words for what it expects, for people who do not write Rust.
fn plain(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" => "a text".to_owned(),
        "path string" => "a path".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a section with keys".to_owned(),
        text if text.starts_with("struct ") => "a section with keys".to_owned(),
        _ => text,
    }
}

fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Unit => "no value".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a section with keys".to_owned(),
        other => other.to_string(),
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Unexpected::Signed(value),
            None => Unexpected::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Unexpected::Str(text),
        Value::Sequence(_) => Unexpected::Seq,
        Value::Mapping(_) => Unexpected::Map,
        Value::Tagged(_) => Unexpected::Other("a YAML tag"),
    }
}
