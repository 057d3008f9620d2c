//! Drawing another picture or a text on top.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use crate::codec::{self, Bitmap, DecodeRequest, Decoded, Header};
use crate::transform::choices::Choices;
use crate::transform::geometry::{pull, shift};
use crate::transform::number::Decimal;
use crate::transform::plan::{Colour, Drawn, Interest, Kernel, Overlay};
use crate::transform::render::{Other, RenderError, in_time};
use crate::transform::steps::blend::{draw, rgba};
use crate::transform::steps::fold::whole;
use crate::transform::steps::interest::least_interesting;
use crate::transform::steps::resample::{Area, resample};
use crate::transform::steps::text::{self, Style};
use crate::transform::steps::turn::Turn;
use crate::transform::value::Gravity;

/// `colour` gives what a colour of the spec is in the space that is worked in, `enter` does it for a picture.
pub(crate) struct Space<'a> {
    pub(crate) colour: &'a dyn Fn(Colour) -> Colour,
    pub(crate) enter: &'a dyn Fn(Bitmap) -> Bitmap,
}

/// `bitmap` with `overlay` on it; `others` are the pictures that the spec names.
pub(crate) fn overlay(
    bitmap: Bitmap,
    overlay: &Overlay,
    others: &[Other],
    space: &Space<'_>,
    choices: &mut Choices,
    deadline: Instant,
) -> Result<Bitmap, RenderError> {
    let size = (bitmap.width, bitmap.height);
    let opacity = (overlay.opacity.as_f64() * 2.55).round().clamp(0.0, 255.0) as u8;
    // A text whose colour is to be told from what lies below is set twice: its size says where that is.
    let (top, at) = choices.tops.or_decide(|| {
        let first = match &overlay.what {
            Drawn::Picture(number) => {
                let other = others.get(*number).ok_or(RenderError::Plan("an overlay is missing"))?;
                (space.enter)(picture(other, (overlay.width, overlay.height), size, deadline)?)
            }
            Drawn::Text { .. } => letters(overlay, size, Colour::WHITE, space)?,
        };
        let at = place(&bitmap, overlay, (first.width, first.height), deadline)?;
        let top = match &overlay.what {
            Drawn::Text { colour: None, .. } if is_light(&bitmap, at, (first.width, first.height)) => {
                letters(overlay, size, Colour { r: 0, g: 0, b: 0, a: 255 }, space)?
            }
            _ => first,
        };
        Ok::<_, RenderError>((Rc::new(top), at))
    })?;
    in_time(deadline)?;
    if !overlay.tile {
        return Ok(draw(bitmap, &top, at, opacity));
    }
    let (width, height) = (i64::from(top.width), i64::from(top.height));
    let mut bitmap = bitmap;
    let mut y = at.1.rem_euclid(height) - height;
    while y < i64::from(size.1) {
        in_time(deadline)?;
        let mut x = at.0.rem_euclid(width) - width;
        while x < i64::from(size.0) {
            bitmap = draw(bitmap, &top, (x, y), opacity);
            x += width;
        }
        y += height;
    }
    Ok(bitmap)
}

/// The size of a picture of `own` size in the box: fitted where a side is given, else only made smaller.
pub(crate) fn fitted(own: (u32, u32), sides: (Option<u32>, Option<u32>), room: (u32, u32)) -> (u32, u32) {
    /// Far beyond any picture's side; a thin overlay enlarged by its width must not take all memory.
    const LARGEST: f64 = 16_384.0;
    let ratio = |side: u32, own: u32| f64::from(side) / f64::from(own);
    let k = match sides {
        (None, None) => ratio(room.0, own.0).min(ratio(room.1, own.1)).min(1.0),
        (Some(width), None) => ratio(width, own.0),
        (None, Some(height)) => ratio(height, own.1),
        (Some(width), Some(height)) => ratio(width, own.0).min(ratio(height, own.1)),
    };
    let side = |side: u32| (f64::from(side) * k).round().clamp(1.0, LARGEST) as u32;
    (side(own.0), side(own.1))
}

/// What the decoder of an overlay is asked for, and the size it gets, upright.
pub(crate) fn request(
    header: &Header,
    sides: (Option<u32>, Option<u32>),
    room: (u32, u32),
    deadline: Instant,
) -> (DecodeRequest, (u32, u32)) {
    let size = fitted(header.oriented(), sides, room);
    let stored = Turn::from_orientation(header.orientation).size(size);
    let smaller = stored.0 < header.width && stored.1 < header.height;
    (DecodeRequest { region: None, target: smaller.then_some(stored), deadline }, size)
}

fn picture(
    other: &Other,
    sides: (Option<u32>, Option<u32>),
    room: (u32, u32),
    deadline: Instant,
) -> Result<Bitmap, RenderError> {
    let (request, size) = request(&other.header, sides, room, deadline);
    let Decoded { bitmap, icc } = codec::decode(&other.bytes, &other.header, &request)?;
    let turn = Turn::from_orientation(other.header.orientation);
    let now = (bitmap.width, bitmap.height);
    let area = Area { left: 0.0, top: 0.0, width: f64::from(now.0), height: f64::from(now.1) };
    let scaled =
        resample(Cow::Owned(bitmap), whole(now), area, turn.size(size), Kernel::default(), deadline)?;
    Ok(turn.apply(codec::colour::to_srgb(scaled, icc.as_deref())?))
}

fn letters(
    overlay: &Overlay,
    room: (u32, u32),
    contrast: Colour,
    space: &Space<'_>,
) -> Result<Bitmap, RenderError> {
    let Drawn::Text { text, font, size, colour } = &overlay.what else {
        return Err(RenderError::Plan("only a text has letters"));
    };
    let style = Style { font: *font, size: *size, colour: (space.colour)(colour.unwrap_or(contrast)) };
    text::set(text, style, (overlay.width.unwrap_or(room.0), overlay.height.unwrap_or(room.1)))
}

/// Where the top left corner goes.
fn place(
    bitmap: &Bitmap,
    overlay: &Overlay,
    size: (u32, u32),
    deadline: Instant,
) -> Result<(i64, i64), RenderError> {
    let (dx, dy) = overlay.offset;
    let fits = size.0 <= bitmap.width && size.1 <= bitmap.height;
    let hides = match overlay.gravity {
        Gravity::Auto if fits => Some(Interest::Attention),
        Gravity::Entropy if fits => Some(Interest::Entropy),
        _ => None,
    };
    let free = (i64::from(bitmap.width) - i64::from(size.0), i64::from(bitmap.height) - i64::from(size.1));
    if let Some(by) = hides {
        let (x, y) = least_interesting(bitmap, size, by, deadline)?;
        let moved =
            |at: u32, free: i64, by: Decimal| i64::from(at) + by.as_whole().unwrap_or_else(|| by.of(free));
        return Ok((moved(x, free.0, dx), moved(y, free.1, dy)));
    }
    let (across, down) = pull(overlay.gravity, None);
    Ok((shift(free.0, across, dx), shift(free.1, down, dy)))
}

/// Whether black is easier to read than white on what is there.
fn is_light(bitmap: &Bitmap, at: (i64, i64), size: (u32, u32)) -> bool {
    /// Of 255: where both have the same contrast (WCAG 2: relative luminance 0.179).
    const MIDDLE: u64 = 118;
    let range = |at: i64, length: u32, side: u32| {
        let end = (at + i64::from(length)).clamp(0, i64::from(side)) as u32;
        (at.clamp(0, i64::from(side)) as u32)..end
    };
    let (mut sum, mut count) = (0_u64, 0_u64);
    for y in range(at.1, size.1, bitmap.height) {
        for x in range(at.0, size.0, bitmap.width) {
            let [r, g, b, a] = rgba(bitmap, (y * bitmap.width + x) as usize).map(u64::from);
            // A clear picture is most often shown on white.
            let light = (r * 299 + g * 587 + b * 114) / 1000;
            sum += (light * a + 255 * (255 - a)) / 255;
            count += 1;
        }
    }
    sum > count * MIDDLE
}
