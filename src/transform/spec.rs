//! A spec: what a URL asks to be made of a picture. [`Spec`] is always canonical, so equal pictures are equal specs.

use std::fmt::{self, Display as _};

use crate::transform::canonical::fold;
use crate::transform::draft::Draft;
use crate::transform::error::SpecError;
use crate::transform::options::Key;
use crate::transform::plan::Metadata;
use crate::transform::presets::Presets;
use crate::transform::value::{Overlay, Side, Value};
use crate::transform::words::Wanted;

/// The longest spec, in bytes.
pub(crate) const MAX_BYTES: usize = 1024;
pub(crate) const MAX_STEPS: usize = 8;
pub(crate) const MAX_OPTIONS: usize = 32;

/// The canonical form of a spec. `Display` prints it, and parsing that gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Spec {
    /// None is empty.
    pub(crate) steps: Vec<Options>,
    /// Options of the whole spec.
    pub(crate) whole: Options,
    pub(crate) written: Written,
}

/// How a spec was written, which policies look at. It makes no difference between specs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    /// The first option beside presets.
    pub(crate) typed: Option<Key>,
    /// How many presets were named.
    pub(crate) presets: usize,
}

/// A picture that a spec names beside the one it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named<'a> {
    /// The option that names it: `l` or `d`.
    pub option: &'static str,
    pub id: &'a str,
    /// A preset of the configuration named it, not the URL.
    pub trusted: bool,
    /// It is shown where the source is missing or broken; else it is drawn on top.
    pub is_fallback: bool,
}

/// What of the client a spec depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Varies {
    pub accept: bool,
    pub width: bool,
    pub dpr: bool,
}

/// Options in canonical order, each at most once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Options(Vec<Entry>);

/// An option and its value. Where it was written is for messages and policies only and makes no difference.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Value,
    pub(crate) at: Option<u32>,
    /// From a preset of the configuration, with no part of the URL's own in it.
    pub(crate) trusted: bool,
}

impl Spec {
    pub fn parse(text: &str, presets: &Presets) -> Result<Self, SpecError> {
        let mut draft = Draft::new(presets);
        let mut at = 0;
        for step in text.split('/') {
            draft.step(step, at, &[','])?;
            at += step.len() + 1;
        }
        draft.finish()
    }

    pub fn varies(&self) -> Varies {
        let auto = |key| self.steps.iter().any(|step| matches!(step.get(key), Some(Value::Side(Side::Auto))));
        Varies {
            accept: matches!(self.format(), Wanted::Auto | Wanted::Best),
            width: auto(Key::W) || auto(Key::H),
            dpr: self.whole.get(Key::Dpr).is_some(),
        }
    }

    /// What `f` asks for.
    pub fn format(&self) -> Wanted {
        match self.whole.get(Key::F) {
            Some(Value::Format(wanted)) => *wanted,
            _ => Wanted::Auto,
        }
    }

    /// The same with another `f`, which may leave other options without effect.
    pub fn with_format(self, wanted: Wanted) -> Result<Self, SpecError> {
        let Self { steps, mut whole, written } = self;
        whole.set(Entry { key: Key::F, value: Value::Format(wanted), at: None, trusted: false });
        fold(steps, whole, written, true)
    }

    /// What `md` asks for; `All` is for the owner or a signed URL only.
    pub fn metadata(&self) -> Metadata {
        match self.whole.get(Key::Md) {
            Some(Value::Metadata(metadata)) => *metadata,
            _ => Metadata::default(),
        }
    }

    /// Whether metadata of the original may come along, down to its very bytes.
    pub fn is_original(&self) -> bool {
        self.format() == Wanted::Orig || self.metadata() == Metadata::All
    }

    /// The same for the owner, whose original is given out as it came unless the spec says something about metadata.
    #[must_use]
    pub fn untouched(mut self) -> Self {
        if self.format() == Wanted::Orig && self.whole.get(Key::Md).is_none() {
            let value = Value::Metadata(Metadata::All);
            self.whole.set(Entry { key: Key::Md, value, at: None, trusted: false });
        }
        self
    }

    /// Overlays (`l`) and the picture to show where the source is missing (`d`), in the order of the spec.
    pub fn named_pictures(&self) -> impl Iterator<Item = Named<'_>> {
        let entries = self.steps.iter().flat_map(Options::iter).chain(self.whole.iter());
        entries.filter_map(|entry| {
            let id = match &entry.value {
                Value::Id(id) | Value::Overlay(Overlay::Image(id)) => id,
                _ => return None,
            };
            let is_fallback = entry.key == Key::D;
            Some(Named { option: entry.key.name(), id, trusted: entry.trusted, is_fallback })
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, before)) = self.steps.split_last() else {
            if self.whole.is_empty() {
                return f.write_str("_");
            }
            return write_options(f, self.whole.iter());
        };
        for step in before {
            write_options(f, step.iter())?;
            f.write_str("/")?;
        }
        write_options(f, last.merged(&self.whole))
    }
}

fn write_options<'a>(f: &mut fmt::Formatter<'_>, options: impl Iterator<Item = &'a Entry>) -> fmt::Result {
    for (i, entry) in options.enumerate() {
        if i > 0 {
            f.write_str(",")?;
        }
        entry.fmt(f)?;
    }
    Ok(())
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Written {}

impl std::hash::Hash for Written {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// As it is written in a spec.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.key.name(), self.value)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Eq for Entry {}

impl std::hash::Hash for Entry {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.value.hash(state);
    }
}

impl Entry {
    pub(crate) fn position(&self) -> Option<usize> {
        self.at.map(|at| at as usize)
    }
}

impl Options {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Entry> {
        self.0.iter_mut()
    }

    pub(crate) fn entry(&self, key: Key) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Entry> {
        let at = self.0.iter().position(|entry| entry.key == key)?;
        Some(self.0.remove(at))
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Entry) -> bool) {
        self.0.retain(keep);
    }

    /// Puts the option in its place unless it is there with another value.
    pub(crate) fn insert(&mut self, entry: Entry) -> Result<(), Entry> {
        match self.0.iter().rposition(|other| other.key <= entry.key) {
            Some(at) if self.0[at].key == entry.key => {
                if self.0[at].value == entry.value {
                    Ok(())
                } else {
                    Err(entry)
                }
            }
            before => {
                self.0.insert(before.map_or(0, |at| at + 1), entry);
                Ok(())
            }
        }
    }

    /// Puts the option in its place, whatever stands there.
    pub(crate) fn set(&mut self, entry: Entry) {
        match self.0.iter_mut().find(|other| other.key == entry.key) {
            Some(old) => *old = entry,
            None => {
                let at = self.0.iter().position(|other| other.key > entry.key).unwrap_or(self.0.len());
                self.0.insert(at, entry);
            }
        }
    }

    /// Takes over all of `stronger`.
    pub(crate) fn override_with(&mut self, stronger: Self) {
        if self.is_empty() {
            *self = stronger;
        } else {
            stronger.0.into_iter().for_each(|entry| self.set(entry));
        }
    }

    /// Both lists in canonical order; they share no key.
    fn merged<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Entry> {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        std::iter::from_fn(move || match (ours.peek(), theirs.peek()) {
            (Some(a), Some(b)) if a.key > b.key => theirs.next(),
            (Some(_), _) => ours.next(),
            (None, _) => theirs.next(),
        })
    }
}
