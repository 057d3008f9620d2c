//! A picture as it stands while the steps of a spec run over it on paper: its size, its focal point, and the
//! operations that were needed so far. Operations that would change nothing are never added.

use crate::codec::{Orientation, Rect};
use crate::transform::error::{Place, SpecError};
use crate::transform::geometry::{Fraction, Size, origin};
use crate::transform::number::Decimal;
use crate::transform::plan::{Adjust, Colour, Fill, Interest, Kernel, Look, Op};
use crate::transform::spec::Entry;
use crate::transform::steps::rotate::turned_size;

#[derive(Debug)]
pub(crate) struct Picture<'a> {
    pub(crate) size: Size,
    /// As fractions of the picture, where it is known.
    pub(crate) focus: Option<(f64, f64)>,
    pub(crate) ops: Vec<Op>,
    has_alpha: bool,
    /// The output has no alpha, so that nothing needs to stay transparent.
    must_be_opaque: bool,
    max_side: u64,
    /// What was found where somebody had to look, as far as it was not used yet.
    pub(crate) seen: &'a [Rect],
    /// How many pictures were drawn on it.
    pub(crate) drawn: usize,
}

/// Where something is put within a larger frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    pub(crate) pull: (Fraction, Fraction),
    pub(crate) offset: (Decimal, Decimal),
}

impl Anchor {
    fn origin(&self, free: Size) -> (u64, u64) {
        (origin(free.w, self.pull.0, self.offset.0), origin(free.h, self.pull.1, self.offset.1))
    }
}

impl Picture<'_> {
    pub(crate) fn new(
        (width, height): (u32, u32),
        focus: Option<(f64, f64)>,
        has_alpha: bool,
        must_be_opaque: bool,
        max_side: u32,
    ) -> Self {
        let size = Size { w: width.into(), h: height.into() };
        Self {
            size,
            focus,
            ops: Vec::with_capacity(2),
            has_alpha,
            must_be_opaque,
            max_side: max_side.into(),
            seen: &[],
            drawn: 0,
        }
    }

    pub(crate) fn check_size(&self, size: Size) -> Result<(), SpecError> {
        if size.w <= self.max_side && size.h <= self.max_side {
            return Ok(());
        }
        let mut place = Place::new(format!(
            "the result would have {}x{} px, and no side may have more than {}",
            size.w, size.h, self.max_side
        ));
        place.allowed = Some(format!("sides of at most {} px", self.max_side));
        Err(SpecError::ResultTooLarge(place))
    }

    /// The same of what is drawn on it.
    pub(crate) fn check_overlay(&self, side: u32, entry: &Entry) -> Result<(), SpecError> {
        if u64::from(side) <= self.max_side {
            return Ok(());
        }
        let reason = format!(
            "the overlay would be fitted into {side} px, and no side may have more than {}",
            self.max_side
        );
        let mut place = Place::option(entry.to_string(), entry.position(), reason);
        place.allowed = Some(format!("sides of at most {} px", self.max_side));
        Err(SpecError::ResultTooLarge(place))
    }

    /// The same of the whole result, where no step is to blame but that nobody made it smaller.
    pub(crate) fn check_result(&self) -> Result<(), SpecError> {
        let (side, key) = if self.size.w > self.max_side { (self.size.w, 'w') } else { (self.size.h, 'h') };
        self.check_size(self.size).map_err(|error| match error {
            SpecError::ResultTooLarge(mut place) if side > self.max_side => {
                place.reason =
                    format!("{}; ask for less of it, as with `{key}_{}`", place.reason, self.max_side).into();
                SpecError::ResultTooLarge(place)
            }
            error => error,
        })
    }

    /// Scales to `scaled`, of which `frame` will be kept.
    pub(crate) fn resize(&mut self, scaled: Size, kernel: Kernel) -> Result<(), SpecError> {
        if scaled == self.size {
            return Ok(());
        }
        let side = |side: u64| u32::try_from(side).ok();
        let (Some(width), Some(height)) = (side(scaled.w), side(scaled.h)) else {
            return self.check_size(scaled);
        };
        // The first resize makes only what will be kept of it; a later one makes all of it.
        if self.ops.iter().any(|op| matches!(op, Op::Resize { .. } | Op::Canvas { .. })) {
            self.check_size(scaled)?;
        }
        self.ops.push(Op::Resize { width, height, kernel });
        self.size = scaled;
        Ok(())
    }

    /// Keeps `frame` of it.
    pub(crate) fn crop(&mut self, frame: Size, anchor: &Anchor) {
        let (x, y) = anchor.origin(Size { w: self.size.w - frame.w, h: self.size.h - frame.h });
        self.cut(x, y, frame);
    }

    /// Cuts the border off, where it is known; else says what has to be looked at.
    pub(crate) fn trim(&mut self, tolerance: Decimal, colour: Option<Colour>) -> Result<(), Box<Look>> {
        let Some((found, rest)) = self.seen.split_first() else {
            return Err(Box::new(Look {
                page: 0,
                orientation: Orientation::UPRIGHT,
                ops: self.ops.clone(),
                width: self.size.w as u32,
                height: self.size.h as u32,
                tolerance,
                colour,
            }));
        };
        self.seen = rest;
        let Rect { x, y, width, height } = *found;
        self.cut(x.into(), y.into(), Size { w: width.into(), h: height.into() });
        Ok(())
    }

    /// Keeps the rectangle, which lies within the picture.
    pub(crate) fn cut(&mut self, x: u64, y: u64, frame: Size) {
        if frame == self.size {
            return;
        }
        let within = |focus: f64, side: u64, from: u64, kept: u64| {
            ((focus * side as f64 - from as f64) / kept as f64).clamp(0.0, 1.0)
        };
        self.focus = self
            .focus
            .map(|(fx, fy)| (within(fx, self.size.w, x, frame.w), within(fy, self.size.h, y, frame.h)));
        let mut rect = Rect { x: x as u32, y: y as u32, width: frame.w as u32, height: frame.h as u32 };
        if let Some(Op::Crop(before)) = self.ops.last() {
            rect = Rect { x: rect.x + before.x, y: rect.y + before.y, ..rect };
            self.ops.pop();
        }
        self.ops.push(Op::Crop(rect));
        self.size = frame;
    }

    /// Keeps the most interesting part of `frame`'s size, moved by `offset`.
    pub(crate) fn choose(&mut self, frame: Size, by: Interest, offset: (Decimal, Decimal)) {
        if frame == self.size {
            return;
        }
        let shift = |offset: Decimal, free: u64| {
            let pixels = offset.as_whole().unwrap_or_else(|| offset.of(free as i64));
            i32::try_from(pixels).unwrap_or(0)
        };
        let (dx, dy) = (shift(offset.0, self.size.w - frame.w), shift(offset.1, self.size.h - frame.h));
        self.ops.push(Op::Choose { width: frame.w as u32, height: frame.h as u32, by, dx, dy });
        self.focus = None;
        self.size = frame;
    }

    /// Puts it on a canvas of the size of `frame`.
    pub(crate) fn pad(&mut self, frame: Size, anchor: &Anchor, behind: Fill) -> Result<(), SpecError> {
        let (x, y) = anchor.origin(Size { w: frame.w - self.size.w, h: frame.h - self.size.h });
        self.canvas(frame, x, y, behind)
    }

    /// Puts it at (x, y) of a canvas; without a colour that is transparent, or white where it cannot be.
    pub(crate) fn canvas(&mut self, frame: Size, x: u64, y: u64, behind: Fill) -> Result<(), SpecError> {
        if frame == self.size {
            return Ok(());
        }
        self.check_size(frame)?;
        let placed =
            |focus: f64, side: u64, at: u64, whole: u64| (focus * side as f64 + at as f64) / whole as f64;
        self.focus = self
            .focus
            .map(|(fx, fy)| (placed(fx, self.size.w, x, frame.w), placed(fy, self.size.h, y, frame.h)));
        self.draw_on(frame, x, y, behind);
        Ok(())
    }

    /// Lets what lies behind it show through the transparent parts.
    pub(crate) fn underlay(&mut self, behind: Fill) {
        if self.has_alpha && behind.is_seen() {
            self.draw_on(self.size, 0, 0, behind);
        }
    }

    /// Turns by any angle; quarters are [`Self::rotate`]'s.
    pub(crate) fn tilt(&mut self, degrees: Decimal, behind: Fill) -> Result<(), SpecError> {
        let (w, h) = (self.size.w as f64, self.size.h as f64);
        let (width, height) = turned_size((w, h), degrees.as_f64());
        let frame = Size { w: width, h: height };
        self.check_size(frame)?;
        let (sin, cos) = degrees.as_f64().to_radians().sin_cos();
        self.focus = self.focus.map(|(x, y)| {
            let (x, y) = ((x - 0.5) * w, (y - 0.5) * h);
            ((x * cos - y * sin) / width as f64 + 0.5, (x * sin + y * cos) / height as f64 + 0.5)
        });
        let background = self.shown(behind, frame);
        self.has_alpha = background.is_clear() || self.has_alpha;
        self.ops.push(Op::Tilt { degrees, width: width as u32, height: height as u32, background });
        self.size = frame;
        Ok(())
    }

    /// An operation that keeps the size.
    pub(crate) fn work(&mut self, op: Op) {
        self.has_alpha |= matches!(op, Op::Round(_) | Op::Adjust(Adjust::Opacity(_)));
        self.ops.push(op);
    }

    /// A frame around it.
    pub(crate) fn border(&mut self, px: u32, colour: Colour, radii: [u32; 4]) -> Result<(), SpecError> {
        let edge = u64::from(px);
        let frame = Size { w: self.size.w + 2 * edge, h: self.size.h + 2 * edge };
        self.check_size(frame)?;
        let placed = |focus: f64, side: u64, whole: u64| (focus * side as f64 + edge as f64) / whole as f64;
        self.focus =
            self.focus.map(|(x, y)| (placed(x, self.size.w, frame.w), placed(y, self.size.h, frame.h)));
        self.has_alpha |= colour.a < 255;
        self.ops.push(Op::Border { px, colour, radii });
        self.size = frame;
        Ok(())
    }

    /// What is seen of it in a format without alpha, and one name for what is not seen.
    fn shown(&self, behind: Fill, frame: Size) -> Fill {
        /// A blurred backdrop has no details that could be mistaken for the picture's.
        const SOFTNESS: u64 = 24;
        match behind {
            Fill::Soft(None) => {
                let sigma = (frame.w.max(frame.h) / SOFTNESS).clamp(1, 250);
                Fill::Soft(Some(Decimal::whole(sigma as i64)))
            }
            Fill::Clear | Fill::Colour(Colour { a: 0, .. }) if self.must_be_opaque => {
                Fill::Colour(Colour::WHITE)
            }
            Fill::Colour(Colour { a: 0, .. }) => Fill::Clear,
            Fill::Colour(colour) if self.must_be_opaque => Fill::Colour(over_white(colour)),
            fill => fill,
        }
    }

    fn draw_on(&mut self, frame: Size, x: u64, y: u64, behind: Fill) {
        let background = self.shown(behind, frame);
        // A transparent picture behind itself stays so.
        self.has_alpha = match background {
            Fill::Soft(_) => self.has_alpha,
            background => background.is_clear(),
        };
        self.ops.push(Op::Canvas {
            width: frame.w as u32,
            height: frame.h as u32,
            x: x as u32,
            y: y as u32,
            background,
        });
        self.size = frame;
    }

    /// Turns by quarters, clockwise.
    pub(crate) fn rotate(&mut self, quarters: u8) {
        for _ in 0..quarters % 4 {
            self.focus = self.focus.map(|(x, y)| (1.0 - y, x));
            self.size = Size { w: self.size.h, h: self.size.w };
        }
        let before = match self.ops.last() {
            Some(Op::Rotate(before)) => {
                let before = *before;
                self.ops.pop();
                before
            }
            _ => 0,
        };
        let quarters = (before + quarters) % 4;
        if quarters > 0 {
            self.ops.push(Op::Rotate(quarters));
        }
    }

    pub(crate) fn flip(&mut self) {
        self.focus = self.focus.map(|(x, y)| (x, 1.0 - y));
        self.mirror(Op::Flip);
    }

    pub(crate) fn flop(&mut self) {
        self.focus = self.focus.map(|(x, y)| (1.0 - x, y));
        self.mirror(Op::Flop);
    }

    /// Twice is not at all.
    fn mirror(&mut self, op: Op) {
        if self.ops.last() == Some(&op) {
            self.ops.pop();
        } else {
            self.ops.push(op);
        }
    }
}

fn over_white(colour: Colour) -> Colour {
    let alpha = u32::from(colour.a);
    let over = |channel: u8| ((u32::from(channel) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
    Colour { r: over(colour.r), g: over(colour.g), b: over(colour.b), a: 255 }
}
