//! A spec while it is read: options are parsed step by step, presets expanded where they stand, and conflicts
//! found. [`Draft::finish`] makes it canonical.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::transform::canonical;
use crate::transform::domain::{Domain, flag};
use crate::transform::error::{Place, SpecError, nearest};
use crate::transform::number::Decimal;
use crate::transform::options::{self, Key, Scope};
use crate::transform::presets::Presets;
use crate::transform::spec::{Entry, MAX_BYTES, MAX_OPTIONS, MAX_STEPS, Options, Spec, Written};
use crate::transform::value::{Side, Value};
use crate::transform::words::{Fit, Wanted, Word as _};

const MAX_PRESETS: usize = 8;

/// The steps that were read so far, presets expanded, nothing folded.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'p> {
    presets: &'p Presets,
    pub(crate) steps: Vec<Options>,
    /// Options of the whole spec that were written out.
    whole: Options,
    /// Options of the whole spec that came from presets, and so lose against all others.
    weak: Options,
    sent_steps: usize,
    written: Written,
    bytes: usize,
}

/// One step as it was written: its own options and those of the whole spec.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    step: Options,
    whole: Options,
}

/// What is wrong with an option, cheap enough to be thrown away where a step may be the beginning of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) what: What,
    /// The option within its step.
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What {
    Empty,
    Unknown,
    Value(Key, Domain),
    Encoding,
    Preset,
    Conflict(Key),
    Box(Key),
    TooMany,
}

impl Layer {
    /// Reads a step. `_` is the empty one.
    pub(crate) fn read(text: &str, at: usize, separators: &[char], presets: &Presets) -> Result<Self, Wrong> {
        let mut layer = Self::default();
        if text == "_" {
            return Ok(layer);
        }
        let mut start = 0;
        for (i, option) in text.split(separators).enumerate() {
            let end = start + option.len();
            let wrong = |what| Wrong { what, start, end };
            if i == MAX_OPTIONS {
                return Err(wrong(What::TooMany));
            }
            let (key, value) = read_option(option).map_err(wrong)?;
            layer.add(key, value, at + start, presets).map_err(wrong)?;
            start = end + 1;
        }
        layer.open_box().map_err(|what| Wrong { what, start: 0, end: text.len() })?;
        Ok(layer)
    }

    /// Adds one option; `s` stays closed until [`Self::open_box`].
    pub(crate) fn add(&mut self, key: Key, value: Value, at: usize, presets: &Presets) -> Result<(), What> {
        if let Value::Names(names) = &value
            && !names.iter().all(|name| presets.get(name).is_some())
        {
            return Err(What::Preset);
        }
        let entry = Entry { key, value, at: u32::try_from(at).ok(), trusted: false };
        let options = if key.row().scope == Scope::Spec { &mut self.whole } else { &mut self.step };
        options.insert(entry).map_err(|_| What::Conflict(key))
    }

    /// Makes `w` and `h` of `s`, leaving a mark that the mode is `afill` unless there is another.
    pub(crate) fn open_box(&mut self) -> Result<(), What> {
        let Some(Entry { value: Value::Sides(width, height), at, .. }) = self.step.remove(Key::S) else {
            return Ok(());
        };
        for (key, side) in [(Key::W, width), (Key::H, height)] {
            if self.step.get(key).is_some() {
                return Err(What::Box(key));
            }
            self.step.set(Entry { key, value: Value::Side(Side::Pixels(side)), at, trusted: false });
        }
        self.step.set(Entry { key: Key::S, value: Value::Flag(true), at, trusted: false });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    pub(crate) fn first(&self) -> Option<&Entry> {
        self.step.iter().chain(self.whole.iter()).next()
    }
}

impl<'p> Draft<'p> {
    pub(crate) fn new(presets: &'p Presets) -> Self {
        Self {
            presets,
            steps: Vec::with_capacity(1),
            whole: Options::default(),
            weak: Options::default(),
            sent_steps: 0,
            written: Written::default(),
            bytes: 0,
        }
    }

    /// Reads the next step, which begins `at` bytes into the spec.
    pub(crate) fn step(&mut self, text: &str, at: usize, separators: &[char]) -> Result<(), SpecError> {
        self.count(text, at)?;
        let layer =
            Layer::read(text, at, separators, self.presets).map_err(|wrong| wrong.explain(text, at))?;
        self.push(layer)
    }

    /// Reads the next step if it is one; otherwise says so without a reason.
    pub(crate) fn try_step(&mut self, text: &str, at: usize) -> Result<bool, SpecError> {
        match Layer::read(text, at, &[','], self.presets) {
            Ok(layer) => {
                self.count(text, at)?;
                self.push(layer)?;
                Ok(true)
            }
            Err(Wrong {
                what: What::Empty | What::Unknown | What::Value(..) | What::Encoding | What::Preset,
                ..
            }) => Ok(false),
            Err(wrong) => Err(wrong.explain(text, at)),
        }
    }

    fn count(&mut self, text: &str, at: usize) -> Result<(), SpecError> {
        self.sent_steps += 1;
        self.bytes = at + text.len();
        if self.bytes > MAX_BYTES {
            return Err(SpecError::TooLong(Place::new(format!("a spec has at most {MAX_BYTES} bytes"))));
        }
        if self.sent_steps > MAX_STEPS {
            return Err(too_many_steps());
        }
        Ok(())
    }

    /// Adds a step, with its presets expanded.
    pub(crate) fn push(&mut self, layer: Layer) -> Result<(), SpecError> {
        let Layer { mut step, whole } = layer;
        let presets = step.remove(Key::T);
        let typed = step.iter().chain(whole.iter()).next().map(|entry| entry.key);
        self.written.typed = self.written.typed.or(typed);
        if let Some(Entry { value: Value::Names(names), .. }) = presets {
            self.written.presets += names.len();
            if self.written.presets > MAX_PRESETS {
                let reason = format!("a spec names at most {MAX_PRESETS} presets");
                return Err(SpecError::TooLong(Place::option("t", None, reason)));
            }
            let mut base = Options::default();
            for name in &names {
                let Some(preset) = self.presets.get(name) else { continue };
                if let Some((last, before)) = preset.steps.split_last() {
                    self.steps.extend_from_slice(before);
                    base.override_with(last.clone());
                }
                self.weak.override_with(preset.whole.clone());
            }
            base.override_with(step);
            step = base;
        }
        for entry in whole.iter() {
            if self.whole.insert(entry.clone()).is_err() {
                let reason = "stands twice in the spec with different values";
                return Err(SpecError::Conflict(Place::option(entry.key.name(), entry.position(), reason)));
            }
        }
        self.steps.push(step);
        if self.steps.len() > MAX_STEPS { Err(too_many_steps()) } else { Ok(()) }
    }

    /// The format of a file name: counts where the spec says nothing, and must agree where it says more than `auto`.
    pub(crate) fn name_format(&mut self, wanted: Wanted) -> Result<(), SpecError> {
        match self.whole.get(Key::F).or(self.weak.get(Key::F)) {
            Some(Value::Format(Wanted::Auto)) => Ok(()),
            Some(Value::Format(other)) if *other != wanted => {
                Err(SpecError::Conflict(Place::option("f", None, "disagrees with the extension of the name")))
            }
            _ => {
                let value = Value::Format(wanted);
                self.whole.set(Entry { key: Key::F, value, at: None, trusted: false });
                self.written.typed = self.written.typed.or(Some(Key::F));
                Ok(())
            }
        }
    }

    /// What a preset is made of: steps and whole options, not folded yet.
    pub(crate) fn into_parts(mut self) -> (Vec<Options>, Options) {
        self.weak.override_with(self.whole);
        (self.steps, self.weak)
    }

    pub(crate) fn finish(self) -> Result<Spec, SpecError> {
        let may_have_grown = self.written.presets > 0 || self.bytes > MAX_BYTES / 4;
        let written = self.written;
        let (steps, whole) = self.into_parts();
        canonical::fold(steps, whole, written, may_have_grown)
    }
}

pub(crate) fn too_many_steps() -> SpecError {
    SpecError::TooLong(Place::new(format!("a spec has at most {MAX_STEPS} steps")))
}

/// Whether a text is an option by itself, so that no id may look like it. Which presets exist does not matter.
pub(crate) fn is_option(text: &str) -> bool {
    read_option(text).is_ok()
}

fn read_option(text: &str) -> Result<(Key, Value), What> {
    if text.is_empty() {
        return Err(What::Empty);
    }
    let (key, spelling, value) = options::split(text).ok_or(What::Unknown)?;
    let Some(value) = value else { return read_value(key, spelling, None) };
    if !value.contains('%') {
        return read_value(key, spelling, Some(value));
    }
    read_value(key, spelling, Some(&decode(value).ok_or(What::Encoding)?))
}

/// Reads a decoded value, with the three rules by which the value decides what the key means.
pub(crate) fn read_value(key: Key, spelling: &str, text: Option<&str>) -> Result<(Key, Value), What> {
    let bool_of_a = |text: Option<&str>| match text {
        None => Some(true),
        Some(text) if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => flag(text),
        Some(_) => None,
    };
    let (key, domain) = match (spelling, text) {
        ("a", text) if let Some(animated) = bool_of_a(text) => return Ok((Key::An, Value::Flag(animated))),
        ("crop", Some(text)) if has_four_numbers(text) => (Key::Ex, Domain::Region),
        ("rotate", None) => return Ok((Key::Or, Value::Flag(true))),
        (_, Some(text)) if key == Key::A && text.eq_ignore_ascii_case("hflip") => {
            return Ok((Key::Flop, Value::Flag(true)));
        }
        (_, Some(text)) if key == Key::A && text.eq_ignore_ascii_case("vflip") => {
            return Ok((Key::Flip, Value::Flag(true)));
        }
        _ if key == Key::Fit => (Key::C, Domain::Fit),
        _ => (key, key.row().domain),
    };
    domain.read(text).map(|value| (key, value)).ok_or(What::Value(key, domain))
}

fn has_four_numbers(text: &str) -> bool {
    let mut count = 0;
    text.split([':', '_']).all(|part| {
        count += 1;
        Decimal::parse(part).is_some()
    }) && count == 4
}

/// Percent-decodes once; `None` where a `%` stands alone or the result is no text.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let escaped =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !bytes.iter().enumerate().all(|(at, byte)| *byte != b'%' || escaped(at)) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// `w_300` for `w300`. Keys that take any word explain nothing: every `dir` would be a `d_ir`.
pub(crate) fn with_separator(option: &str) -> Option<String> {
    let letters = option.bytes().take_while(u8::is_ascii_alphabetic).count();
    (1..=letters.min(option.len().saturating_sub(1))).rev().find_map(|end| {
        let (key, _) = options::find(&option[..end])?;
        if matches!(key.row().domain, Domain::Names | Domain::Id | Domain::Overlay) {
            return None;
        }
        let meant = format!("{}_{}", option[..end].to_ascii_lowercase(), &option[end..]);
        is_option(&meant).then_some(meant)
    })
}

/// `f_webp` for `webp`, `w_300` for `300`, `s_300x200` for `300x200`.
fn with_key(value: &str) -> Option<String> {
    let reads = |key: &Key| key.row().domain.read(Some(value)).is_some();
    let key = [Key::F, Key::W, Key::S, Key::C, Key::Fit].into_iter().find(reads)?;
    Some(format!("{}_{value}", key.name()))
}

/// `grayscale` for Cloudinary's `e_grayscale`.
fn effect(option: &str) -> Option<String> {
    let (_, value) = option.split_once(['_', '='])?;
    nearest(value.split(':').next()?, options::spellings())
}

/// `w_300,h_200` for `w_300&h_200`, `w_300` for `w_300px`, `w_0.5` for `w_50%`.
fn respelt(option: &str) -> Option<String> {
    let list = option.replace(['&', ';'], ",");
    let meant = if list != option {
        list
    } else if let Some(number) = option.strip_suffix("px") {
        number.to_owned()
    } else {
        let number = option.strip_suffix("%25").or_else(|| option.strip_suffix('%'))?;
        let (key, percent) = number.split_once(['_', '='])?;
        let percent = percent.parse::<u8>().ok().filter(|percent| (1..100).contains(percent))?;
        let is_side = matches!(options::find(key), Some((Key::W | Key::H, _)));
        is_side.then(|| format!("{key}_{}", f32::from(percent) / 100.0))?
    };
    meant.split(',').all(is_option).then_some(meant)
}

impl Wrong {
    /// The error for people, with what was written.
    pub(crate) fn explain(self, step: &str, at: usize) -> SpecError {
        self.what.explain(&step[self.start..self.end], at + self.start)
    }
}

impl What {
    /// `option` is the option as it was written, `position` where.
    pub(crate) fn explain(self, option: &str, position: usize) -> SpecError {
        let mut place = Place::option(option, Some(position), "");
        let written = option.find(['_', '=']).map_or(option, |end| &option[..end]);
        match self {
            Self::Empty => {
                place.reason = "an option is empty; the empty step is `_`".into();
                SpecError::BadValue(place)
            }
            Self::Unknown => {
                place.did_you_mean = with_separator(option)
                    .or_else(|| with_key(option))
                    .or_else(|| nearest(written, options::spellings()))
                    .or_else(|| effect(option));
                SpecError::UnknownOption(place)
            }
            Self::Value(key, domain) => {
                let value = option.split_once(['_', '=']).map_or("", |(_, value)| value);
                place.position = Some(position + option.len() - value.len());
                place.reason = format!("`{}` takes {domain}", key.name()).into();
                place.allowed = Some(domain.to_string());
                place.did_you_mean = match Fit::parse(value) {
                    Some(Fit(mode)) if key == Key::C => Some(mode.word().to_owned()),
                    _ => nearest(value, domain.words()).or_else(|| respelt(option)),
                };
                SpecError::BadValue(place)
            }
            Self::Encoding => {
                place.reason = "no percent-encoded UTF-8; a `%` itself is `%25`".into();
                place.did_you_mean = respelt(option);
                SpecError::BadValue(place)
            }
            Self::Preset => SpecError::UnknownPreset(place),
            Self::Conflict(key) => {
                place.reason = format!("`{}` stands twice with different values", key.name()).into();
                SpecError::Conflict(place)
            }
            Self::Box(key) => {
                place.reason = format!("`s` already sets `{}`", key.name()).into();
                SpecError::Conflict(place)
            }
            Self::TooMany => {
                place.reason = format!("a step has at most {MAX_OPTIONS} options").into();
                SpecError::TooLong(place)
            }
        }
    }
}
