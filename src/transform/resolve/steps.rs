//! One step of a spec on paper: what its options do to the picture as it stands, in the order of the table.

use crate::transform::canonical::mode;
use crate::transform::error::{Place, SpecError};
use crate::transform::geometry::{Size, Target, place, pull};
use crate::transform::number::{Decimal, round_div};
use crate::transform::options::Key;
use crate::transform::overlays::draw_on_top;
use crate::transform::picture::{Anchor, Picture};
use crate::transform::plan::{Adjust, Fill, Interest, Kernel, Op};
use crate::transform::resolve::Halt;
use crate::transform::spec::Options;
use crate::transform::value::{Background, Gravity, Side, Value};
use crate::transform::words::Mode;

/// One step, in the order of the table.
pub(super) fn run(step: &Options, picture: &mut Picture<'_>, original: (u32, u32)) -> Result<(), Halt> {
    let behind = behind(step);
    extract(step, picture)?;
    if let Some(Value::Trim(tolerance, colour)) = step.get(Key::Trim) {
        picture.trim(*tolerance, *colour).map_err(Halt::Look)?;
    }
    let blamed = |keys: &[Key]| {
        let entry = keys.iter().find_map(|key| step.entry(*key));
        move |error: SpecError| error.blamed_on(entry)
    };
    resize(step, picture, original, behind).map_err(blamed(&[Key::W, Key::H]))?;
    if let Some(Value::Number(angle)) = step.get(Key::A) {
        match quarters(*angle) {
            Some(quarters) => picture.rotate(quarters),
            None => picture.tilt(*angle, behind).map_err(blamed(&[Key::A]))?,
        }
    }
    if step.get(Key::Flip).is_some() {
        picture.flip();
    }
    if step.get(Key::Flop).is_some() {
        picture.flop();
    }
    effects(step, picture, original).map_err(blamed(&[Key::Bo]))?;
    if let Some(Value::Edges(edges)) = step.get(Key::Pad) {
        let [top, right, bottom, left] = edges.map(u64::from);
        let Size { w, h } = picture.size;
        let frame = Size { w: left + w + right, h: top + h + bottom };
        picture.canvas(frame, left, top, behind).map_err(blamed(&[Key::Pad]))?;
    }
    picture.underlay(behind);
    match step.get(Key::O) {
        Some(Value::Number(percent)) if *percent < Decimal::whole(100) => {
            picture.work(Op::Adjust(Adjust::Opacity(*percent)));
        }
        _ => {}
    }
    Ok(())
}

/// What lies behind the picture in this step.
fn behind(step: &Options) -> Fill {
    match step.get(Key::B) {
        Some(Value::Background(Background::Colour(colour))) => Fill::Colour(*colour),
        Some(Value::Background(Background::Auto)) => Fill::Edges,
        Some(Value::Background(Background::Blur(sigma))) => Fill::Soft(*sigma),
        _ => Fill::Clear,
    }
}

/// Colours, blurs and corners, in the order of the table. Canonical specs leave out what changes nothing.
fn effects(step: &Options, picture: &mut Picture<'_>, original: (u32, u32)) -> Result<(), SpecError> {
    let number = |key| match step.get(key) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    for adjust in adjusts(step) {
        picture.work(Op::Adjust(adjust));
    }
    let above_zero = |key| number(key).filter(|number| *number > Decimal::ZERO);
    if let Some(sigma) = above_zero(Key::Blur) {
        picture.work(Op::Blur(sigma));
    }
    if let Some(sigma) = above_zero(Key::Sharp) {
        picture.work(Op::Sharpen(sigma));
    }
    let whole = |key| number(key).and_then(Decimal::as_whole).and_then(|n| u32::try_from(n).ok());
    if let Some(side) = whole(Key::Pix).filter(|side| *side > 1) {
        picture.work(Op::Pixelate(side));
    }
    if let Some(size) = whole(Key::Median).filter(|size| *size > 1) {
        picture.work(Op::Median(size));
    }
    draw_on_top(step, picture, original)?;
    let half = picture.size.w.min(picture.size.h).div_ceil(2) as u32;
    let radii = match step.get(Key::R) {
        Some(Value::Max) => [half; 4],
        // What is rounder than round is round.
        Some(Value::Edges(radii)) => radii.map(|radius| radius.min(2 * half)),
        _ => [0; 4],
    };
    if radii != [0; 4] {
        picture.work(Op::Round(radii));
    }
    match step.get(Key::Bo) {
        Some(Value::Border(px, colour)) if *px > 0 => picture.border(*px, *colour, radii),
        _ => Ok(()),
    }
}

fn adjusts(step: &Options) -> impl Iterator<Item = Adjust> {
    let number = |key, make: fn(Decimal) -> Adjust| match step.get(key) {
        Some(Value::Number(number)) => Some(make(*number)),
        _ => None,
    };
    let flag = |key, adjust| (step.get(key) == Some(&Value::Flag(true))).then_some(adjust);
    let tint = match step.get(Key::Tint) {
        Some(Value::Colour(colour)) => Some(Adjust::Tint(*colour)),
        _ => None,
    };
    let duotone = match step.get(Key::Duo) {
        Some(Value::Duotone(dark, light, percent)) => Some(Adjust::Duotone(*dark, *light, *percent)),
        _ => None,
    };
    [
        number(Key::Bri, Adjust::Brightness),
        number(Key::Con, Adjust::Contrast),
        number(Key::Sat, Adjust::Saturation),
        number(Key::Hue, Adjust::Hue),
        number(Key::Gam, Adjust::Gamma),
        flag(Key::Gray, Adjust::Gray),
        number(Key::Sep, Adjust::Sepia),
        flag(Key::Neg, Adjust::Negate),
        tint,
        duotone,
    ]
    .into_iter()
    .flatten()
}

fn extract(step: &Options, picture: &mut Picture<'_>) -> Result<(), SpecError> {
    let Some(entry) = step.entry(Key::Ex) else { return Ok(()) };
    let Value::Region(region) = entry.value else { return Ok(()) };
    let Size { w, h } = picture.size;
    let (start, end) =
        ([region[0], region[1]], [region[0].raw() + region[2].raw(), region[1].raw() + region[3].raw()]);
    let sides = [w, h];
    let mut edges = [(0, 0); 2];
    for axis in 0..2 {
        let side = sides[axis] as i64;
        let end = Decimal::ten_thousandths(end[axis]);
        edges[axis] = match (region.map(Decimal::as_whole), end.as_whole()) {
            ([Some(_), Some(_), Some(_), Some(_)], Some(end)) => (start[axis].as_whole().unwrap_or(0), end),
            _ => {
                let from = start[axis].of(side).min(side - 1);
                (from, end.of(side).max(from + 1))
            }
        };
        if edges[axis].1 > side {
            let reason = format!("the region leaves the picture, which is {w}x{h} px here");
            let option = format!("ex_{}", entry.value);
            return Err(SpecError::BadValue(Place::option(option, entry.position(), reason)));
        }
    }
    let [(x, right), (y, bottom)] = edges.map(|(from, to)| (from as u64, to as u64));
    picture.cut(x, y, Size { w: right - x, h: bottom - y });
    Ok(())
}

fn resize(
    step: &Options,
    picture: &mut Picture<'_>,
    original: (u32, u32),
    behind: Fill,
) -> Result<(), SpecError> {
    let target = target(step, picture.size, original);
    if target.w.is_none() && target.h.is_none() {
        return Ok(());
    }
    let mode = mode(step);
    let placed = place(mode, picture.size, target);
    // What is scaled is never made as a whole where a part of it is kept.
    picture.check_size(placed.frame)?;
    let kernel = match step.get(Key::K) {
        Some(Value::Kernel(kernel)) => *kernel,
        _ => Kernel::default(),
    };
    picture.resize(placed.scaled, kernel)?;
    if placed.frame == placed.scaled {
        return Ok(());
    }
    let gravity = match step.get(Key::G) {
        Some(Value::Gravity(gravity)) => *gravity,
        _ if mode == Mode::Thumb => Gravity::Focus,
        _ => Gravity::CENTRE,
    };
    let offset = |key| match step.get(key) {
        Some(Value::Number(offset)) => *offset,
        _ => Decimal::ZERO,
    };
    let offset = (offset(Key::X), offset(Key::Y));
    let interest = match gravity {
        Gravity::Auto => Some(Interest::Attention),
        Gravity::Focus if picture.focus.is_none() => Some(Interest::Attention),
        Gravity::Entropy => Some(Interest::Entropy),
        _ => None,
    };
    if let Some(by) = interest.filter(|_| !mode.pads()) {
        picture.choose(placed.frame, by, offset);
        return Ok(());
    }
    let anchor = Anchor { pull: pull(gravity, picture.focus), offset };
    if mode.pads() {
        picture.pad(placed.frame, &anchor, behind)
    } else {
        picture.crop(placed.frame, &anchor);
        Ok(())
    }
}

/// The box of `w`, `h` and what is left of `ar`, in pixels.
fn target(step: &Options, size: Size, original: (u32, u32)) -> Target {
    let pixels = |key, side: u64| match step.get(key) {
        Some(Value::Side(Side::Pixels(pixels))) => Some(u64::from(*pixels)),
        Some(Value::Side(Side::Fraction(fraction))) => Some(fraction.of(side as i64).max(1) as u64),
        Some(Value::Side(Side::SourceWidth)) => Some(original.0.into()),
        Some(Value::Side(Side::SourceHeight)) => Some(original.1.into()),
        _ => None,
    };
    let (w, h) = (pixels(Key::W, size.w), pixels(Key::H, size.h));
    let Some(Value::Ratio(across, down)) = step.get(Key::Ar) else { return Target { w, h } };
    let other = |side: u64, by: u32, of: u32| {
        round_div(i128::from(side) * i128::from(by), i128::from(of)).max(1) as u64
    };
    match (w, h) {
        (Some(w), None) => Target { w: Some(w), h: Some(other(w, *down, *across)) },
        (None, Some(h)) => Target { w: Some(other(h, *across, *down)), h: Some(h) },
        _ => Target { w, h },
    }
}

pub(crate) fn quarters(angle: Decimal) -> Option<u8> {
    angle.as_whole().filter(|degrees| degrees % 90 == 0).map(|degrees| (degrees / 90 % 4) as u8)
}
