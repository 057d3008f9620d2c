//! Which frames of an animation a spec means: all where the output can hold them, else one.

use crate::codec::frames::is_animated;
use crate::codec::{Format, Header};
use crate::transform::error::{Place, SpecError};
use crate::transform::options::Key;
use crate::transform::plan::{Frames, Output};
use crate::transform::spec::Spec;
use crate::transform::value::Value;
use crate::transform::words::Wanted;

/// The frames of the result. A still picture has its own alone, whatever is asked, so that it has one key.
pub(crate) fn frames(spec: &Spec, header: &Header, output: &Output) -> Result<Frames, SpecError> {
    if let Some(page) = page(spec) {
        return one(spec, header, page);
    }
    let holds = matches!(output.format, Format::Webp | Format::Gif | Format::Png) && output.told.is_none();
    if !holds || !stay(spec, header) {
        return Ok(Frames::First);
    }
    Ok(Frames::All(limit(spec).filter(|&limit| limit < header.frames)))
}

/// Whether the spec lets an animation be one, as far as it can be said without the output's format.
pub(crate) fn stay(spec: &Spec, header: &Header) -> bool {
    let wanted = match spec.whole.get(Key::An) {
        Some(Value::Flag(flag)) => *flag,
        // Who asks for a PNG most often wants a picture to look at.
        _ => spec.format() != Wanted::Png,
    };
    // One frame is a still, which other formats write better.
    wanted && is_animated(header) && page(spec).is_none() && limit(spec) != Some(1)
}

/// Whether nothing of the file would be left out.
pub(crate) fn are_all(spec: &Spec, header: &Header) -> bool {
    let says_nothing = || page(spec).is_none() && spec.whole.get(Key::An).is_none() && limit(spec).is_none();
    if header.frames == 1 {
        return page(spec).is_none_or(|page| page == 0);
    }
    if is_animated(header) {
        return stay(spec, header) && limit(spec).is_none_or(|limit| limit >= header.frames);
    }
    says_nothing()
}

impl Frames {
    /// The frame that geometry and choices are made by.
    pub(crate) fn first(self) -> u32 {
        match self {
            Self::One(number) => number,
            Self::First | Self::All(_) => 0,
        }
    }

    /// How many frames of a file with this header are made.
    pub(crate) fn count(self, header: &Header) -> u32 {
        match self {
            Self::First | Self::One(_) => 1,
            Self::All(limit) => limit.unwrap_or(header.frames).min(header.frames),
        }
    }

    pub(crate) fn is_animated(self) -> bool {
        matches!(self, Self::All(_))
    }
}

fn page(spec: &Spec) -> Option<u32> {
    number(spec, Key::Pg)
}

fn limit(spec: &Spec) -> Option<u32> {
    number(spec, Key::Mf)
}

fn number(spec: &Spec, key: Key) -> Option<u32> {
    match spec.whole.get(key) {
        Some(Value::Number(number)) => number.as_whole().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    }
}

fn one(spec: &Spec, header: &Header, page: u32) -> Result<Frames, SpecError> {
    let place = |reason: String| {
        let position = spec.whole.entry(Key::Pg).and_then(|entry| entry.position());
        Place::option(format!("pg_{page}"), position, reason)
    };
    if page >= header.frames {
        let count = header.frames;
        let mut place = place(match count {
            1 => "the picture has one frame".to_owned(),
            _ => format!("the picture has {count} frames"),
        });
        place.allowed = Some(format!("0–{}", count - 1));
        return Err(SpecError::BadValue(place));
    }
    if page == 0 {
        return Ok(Frames::First);
    }
    Ok(Frames::One(page))
}
