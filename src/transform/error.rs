//! What can be wrong with a spec or its URL. Everything here is found before any I/O or from the header alone.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;

use crate::error::{Detail, Fault, Kind};
use crate::transform::spec::Entry;

/// Why a spec is refused. All but the last two are the URL's own fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("unknown option {0}")]
    UnknownOption(Box<Place>),
    #[error("bad value{between}{0}", between = if .0.option.is_some() { " " } else { ": " })]
    BadValue(Box<Place>),
    #[error("conflict {0}")]
    Conflict(Box<Place>),
    #[error("too long: {0}")]
    TooLong(Box<Place>),
    #[error("unknown preset {0}")]
    UnknownPreset(Box<Place>),
    /// Legal, but its pixels are not built.
    #[error("unsupported {0}")]
    Unsupported(Box<Place>),
    /// More than an unsigned URL may ask for.
    #[error("needs a signature: {0}")]
    NeedsSignature(Box<Place>),
    /// No URL of ours looks like that.
    #[error("no such address: {0}")]
    NotFound(Box<Place>),
    #[error("too large: {0}")]
    ResultTooLarge(Box<Place>),
    #[error("too small: {0}")]
    ResultTooSmall(Box<Place>),
}

/// What is wrong, where, and what would be right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// As the caller wrote it where that is known, else the canonical key.
    pub option: Option<String>,
    pub position: Option<usize>,
    pub reason: Cow<'static, str>,
    pub allowed: Option<String>,
    pub did_you_mean: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.option, self.reason.as_ref()) {
            (Some(option), "") => write!(f, "`{option}`"),
            (Some(option), reason) => write!(f, "`{option}`: {reason}"),
            (None, reason) => f.write_str(reason),
        }
    }
}

impl Place {
    pub(crate) fn new(reason: impl Into<Cow<'static, str>>) -> Box<Self> {
        Box::new(Self { reason: reason.into(), ..Self::default() })
    }

    pub(crate) fn option(
        option: impl Into<String>,
        position: Option<usize>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Box<Self> {
        Box::new(Self { option: Some(option.into()), position, reason: reason.into(), ..Self::default() })
    }
}

impl SpecError {
    pub fn place(&self) -> &Place {
        match self {
            Self::UnknownOption(place)
            | Self::BadValue(place)
            | Self::Conflict(place)
            | Self::TooLong(place)
            | Self::UnknownPreset(place)
            | Self::Unsupported(place)
            | Self::NeedsSignature(place)
            | Self::NotFound(place)
            | Self::ResultTooLarge(place)
            | Self::ResultTooSmall(place) => place,
        }
    }
}

impl SpecError {
    /// The same, said of this option where nothing else is to blame yet.
    pub(crate) fn blamed_on(mut self, entry: Option<&Entry>) -> Self {
        if let (Self::ResultTooLarge(place), Some(entry)) = (&mut self, entry)
            && place.option.is_none()
        {
            place.option = Some(entry.to_string());
            place.position = entry.position();
        }
        self
    }
}

impl Fault for SpecError {
    fn kind(&self) -> Kind {
        match self {
            Self::NeedsSignature(_) => Kind::Forbidden,
            Self::NotFound(_) => Kind::NotFound,
            Self::ResultTooLarge(_) | Self::ResultTooSmall(_) => Kind::Unprocessable,
            _ => Kind::BadRequest,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownOption(_) => "unknown_option",
            Self::BadValue(_) => "bad_value",
            Self::Conflict(_) => "conflict",
            Self::TooLong(_) => "too_long",
            Self::UnknownPreset(_) => "unknown_preset",
            Self::Unsupported(_) => "unsupported_option",
            Self::NeedsSignature(_) => "needs_signature",
            Self::NotFound(_) => "not_found",
            Self::ResultTooLarge(_) => "result_too_large",
            Self::ResultTooSmall(_) => "result_too_small",
        }
    }

    fn detail(&self) -> Detail {
        let place = self.place();
        Detail {
            option: place.option.clone(),
            position: place.position,
            allowed: place.allowed.clone(),
            did_you_mean: place.did_you_mean.clone(),
            fields: Vec::new(),
            retry_after: None,
            quota: None,
        }
    }
}

/// The nearest of some words, if one is near enough to have been meant.
pub(crate) fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Nobody misspells a word this long; and the comparison is quadratic.
    const LONGEST: usize = 32;
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let distance = |word: &str| strsim::damerau_levenshtein(&text, word);
    let shared = |word: &str| text.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
    let (distance, word) = words
        .into_iter()
        .map(|word| (distance(word), word))
        .min_by_key(|(d, word)| (*d, Reverse(shared(word))))?;
    // A third of the letters wrong is a typing error; more is another word.
    (distance * 3 <= text.len().max(word.len())).then(|| word.to_owned())
}
