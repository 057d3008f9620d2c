//! Resolving what a step draws on top of its picture.

use crate::transform::error::{Place, SpecError};
use crate::transform::geometry::Size;
use crate::transform::number::Decimal;
use crate::transform::options::Key;
use crate::transform::picture::Picture;
use crate::transform::plan::{Drawn, Op, Overlay};
use crate::transform::spec::Options;
use crate::transform::value::{self, Gravity, Side, Value};

/// `l` and what modifies it.
pub(crate) fn draw_on_top(
    step: &Options,
    picture: &mut Picture<'_>,
    original: (u32, u32),
) -> Result<(), SpecError> {
    let what = match step.get(Key::L) {
        Some(Value::Overlay(value::Overlay::Image(_))) => {
            picture.drawn += 1;
            Drawn::Picture(picture.drawn - 1)
        }
        Some(Value::Overlay(value::Overlay::Text(text))) => words(step, text, picture.size),
        _ => return idle(step),
    };
    let side = |key, side: u64, original: u32| {
        Some(match step.get(key)? {
            Value::Side(Side::Pixels(pixels)) => *pixels,
            Value::Side(Side::Fraction(fraction)) => fraction.of(side as i64).max(1) as u32,
            Value::Side(Side::SourceWidth | Side::SourceHeight) => original,
            _ => return None,
        })
    };
    let (width, height) =
        (side(Key::Lw, picture.size.w, original.0), side(Key::Lh, picture.size.h, original.1));
    for (key, side) in [(Key::Lw, width), (Key::Lh, height)] {
        if let (Some(side), Some(entry)) = (side, step.entry(key)) {
            picture.check_overlay(side, entry)?;
        }
    }
    let number = |key, default| match step.get(key) {
        Some(Value::Number(number)) => *number,
        _ => default,
    };
    let opacity = number(Key::Lo, Decimal::whole(100));
    if opacity == Decimal::ZERO {
        return Ok(());
    }
    picture.work(Op::Overlay(Box::new(Overlay {
        what,
        width,
        height,
        gravity: gravity(step, picture.focus),
        offset: (number(Key::Lx, Decimal::ZERO), number(Key::Ly, Decimal::ZERO)),
        opacity,
        tile: step.get(Key::Lt) == Some(&Value::Flag(true)),
    })));
    Ok(())
}

/// Settings of an overlay without one mean that its `l` was forgotten.
fn idle(step: &Options) -> Result<(), SpecError> {
    let of_overlays =
        [Key::Lw, Key::Lh, Key::Lo, Key::Lg, Key::Lx, Key::Ly, Key::Lt, Key::Lf, Key::Lc, Key::Ls];
    match of_overlays.into_iter().find_map(|key| step.entry(key)) {
        None => Ok(()),
        Some(entry) => {
            let reason = "there is no overlay in this step: it needs `l` beside it";
            let option = format!("{}_{}", entry.key.name(), entry.value);
            Err(SpecError::BadValue(Place::option(option, entry.position(), reason)))
        }
    }
}

fn words(step: &Options, text: &str, size: Size) -> Drawn {
    let own = (size.w.min(size.h) / 12).clamp(10, 1000) as u32;
    Drawn::Text {
        text: text.into(),
        font: match step.get(Key::Lf) {
            Some(Value::Font(font)) => *font,
            _ => Default::default(),
        },
        size: match step.get(Key::Ls) {
            Some(Value::Number(size)) => size.as_whole().map_or(own, |size| size as u32),
            _ => own,
        },
        colour: match step.get(Key::Lc) {
            Some(Value::Colour(colour)) => Some(*colour),
            _ => None,
        },
    }
}

/// The focal point is known here and nowhere later.
fn gravity(step: &Options, focus: Option<(f64, f64)>) -> Gravity {
    let exact = |at: f64| Decimal::ten_thousandths((at.clamp(0.0, 1.0) * 1e4).round() as i64);
    match (step.get(Key::Lg), focus) {
        (Some(Value::Gravity(Gravity::Focus)), Some((x, y))) => Gravity::Point(exact(x), exact(y)),
        (Some(Value::Gravity(Gravity::Focus)), None) | (None, _) => Gravity::CENTRE,
        (Some(Value::Gravity(gravity)), _) => *gravity,
        _ => Gravity::CENTRE,
    }
}
