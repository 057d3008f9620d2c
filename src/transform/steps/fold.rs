//! Finds the leading operations of a plan that the decoder and one pass of the resizer do together, so that no
//! pixel is decoded or computed that a later crop throws away.

use std::time::Instant;

use crate::codec::{DecodeRequest, Format, Header, Rect};
use crate::transform::plan::{Kernel, Op, Plan};
use crate::transform::steps::resample::{Area, support};
use crate::transform::steps::turn::Turn;

/// The leading crops, turns and the first resize of a plan as one movement in stored coordinates, and what is left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded<'a> {
    /// From the stored picture to the one that `rest` works on.
    pub(crate) turn: Turn,
    /// The stored pixels that are scaled.
    pub(crate) region: Rect,
    /// The size to which `region` is scaled; its own where there is no resize.
    pub(crate) scaled: (u32, u32),
    /// The part of the scaled region that is kept.
    pub(crate) window: Rect,
    pub(crate) kernel: Option<Kernel>,
    /// The picture that was to be scaled lay on its side.
    sideways: bool,
    pub(crate) rest: &'a [Op],
}

/// Where the decoded pixels are that make the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Placed {
    /// The decoded pixels that the filter may look at.
    pub(crate) view: Rect,
    /// What the window shows, measured in `view`.
    pub(crate) area: Area,
}

/// JPEG blocks are scaled as a whole: a region that begins and ends with one stays exact at every scale.
const BLOCK: u32 = 8;

/// How much larger than the result a JPEG may be left, for the better filter to finish: what DCT scaling loses next to
/// that filter then stays below what sharp's own rule loses, and a 12 MP photo still reaches 336 px at 1/8. The other
/// decoders average areas and leave room themselves.
const OVERSAMPLE: f64 = 1.5;

/// Up to so many stored pixels a JPEG takes a millisecond or two, so it is decoded in full for the filter alone.
const SMALL: u64 = 500_000;

impl<'a> Folded<'a> {
    /// `None` where a crop leaves its picture, which a resolved plan never does.
    pub(crate) fn of(header: &Header, plan: &'a Plan) -> Option<Self> {
        let size = (header.width, header.height);
        let mut folded = Self {
            turn: Turn::from_orientation(plan.orientation),
            region: whole(size),
            scaled: size,
            window: whole(size),
            kernel: None,
            sideways: false,
            rest: &plan.ops,
        };
        while let Some((op, rest)) = folded.rest.split_first() {
            match *op {
                Op::Crop(rect) => folded.crop(rect)?,
                Op::Resize { width, height, kernel } if folded.kernel.is_none() => {
                    folded.kernel = Some(kernel);
                    folded.scaled = folded.turn.size((width, height));
                    folded.window = whole(folded.scaled);
                    folded.sideways = folded.turn.size((0, 1)) == (1, 0);
                }
                Op::Rotate(_) | Op::Flip | Op::Flop => folded.turn = folded.turn.then(op)?,
                // Their pixels have to be there.
                _ => break,
            }
            folded.rest = rest;
        }
        Some(folded)
    }

    /// What the decoder is asked for: the region that the window and the filter around it need, no larger than that.
    pub(crate) fn request(&self, header: &Header, deadline: Instant) -> DecodeRequest {
        let wanted = self.wanted(header);
        let region = (wanted != whole((header.width, header.height))).then_some(wanted);
        DecodeRequest { region, target: self.target(header.format, wanted), deadline }
    }

    /// Finds the window in the `decoded` size of what [`Self::request`] asked for, or of the whole picture.
    pub(crate) fn place(&self, header: &Header, decoded: (u32, u32), is_whole: bool) -> Placed {
        let wanted = if is_whole { whole((header.width, header.height)) } else { self.wanted(header) };
        let source = self.source();
        let (region, scaled) = (self.region, (f64::from(decoded.0), f64::from(decoded.1)));
        let across = (scaled.0 / f64::from(wanted.width), scaled.1 / f64::from(wanted.height));
        let (x, width) = visible((region.x, region.width), (wanted.x, wanted.width), decoded.0);
        let (y, height) = visible((region.y, region.height), (wanted.y, wanted.height), decoded.1);
        let area = Area {
            left: (source.left - f64::from(wanted.x)) * across.0 - f64::from(x),
            top: (source.top - f64::from(wanted.y)) * across.1 - f64::from(y),
            width: source.width * across.0,
            height: source.height * across.1,
        };
        Placed { view: Rect { x, y, width, height }, area }
    }

    fn crop(&mut self, rect: Rect) -> Option<()> {
        let size = (self.window.width, self.window.height);
        if !within(rect, self.turn.size(size)) {
            return None;
        }
        let inner = self.turn.back(rect, size);
        if self.kernel.is_some() {
            self.window = Rect { x: self.window.x + inner.x, y: self.window.y + inner.y, ..inner };
        } else {
            self.region = Rect { x: self.region.x + inner.x, y: self.region.y + inner.y, ..inner };
            self.scaled = (inner.width, inner.height);
            self.window = whole(self.scaled);
        }
        Some(())
    }

    /// Stored pixels per scaled one. One side of the scaled picture was asked for and the other follows from it, rounded
    /// to whole pixels; as in libvips the rounding does not distort, but costs up to half a pixel of the border. Where
    /// it went up there is nothing more to show, so that the picture is stretched.
    fn ratio(&self) -> (f64, f64) {
        let sides = (f64::from(self.region.width), f64::from(self.region.height));
        let scaled = (f64::from(self.scaled.0), f64::from(self.scaled.1));
        let (x, y) = (sides.0 / scaled.0, sides.1 / scaled.1);
        let rounded_down =
            |side: f64, ratio: f64, scaled: f64| (0.0..=0.5).contains(&(side / ratio - scaled));
        if self.asked_for_x() {
            (x, if rounded_down(sides.1, x, scaled.1) { x } else { y })
        } else {
            (if rounded_down(sides.0, y, scaled.0) { y } else { x }, y)
        }
    }

    /// The side that a fill does not crop; otherwise the upright picture's width, by far the most usual.
    fn asked_for_x(&self) -> bool {
        match (self.window.width < self.scaled.0, self.window.height < self.scaled.1) {
            (false, true) => true,
            (true, false) => false,
            _ => !self.sideways,
        }
    }

    /// The stored pixels that the window shows.
    fn source(&self) -> Area {
        let (x, y) = self.ratio();
        let start = |from: u32, side: u32, scaled: u32, ratio: f64| {
            f64::from(from) + (f64::from(side) - f64::from(scaled) * ratio) / 2.0
        };
        let region = self.region;
        Area {
            left: start(region.x, region.width, self.scaled.0, x) + f64::from(self.window.x) * x,
            top: start(region.y, region.height, self.scaled.1, y) + f64::from(self.window.y) * y,
            width: f64::from(self.window.width) * x,
            height: f64::from(self.window.height) * y,
        }
    }

    fn wanted(&self, header: &Header) -> Rect {
        let Some(kernel) = self.kernel else { return self.region };
        let (source, (ratio_x, ratio_y)) = (self.source(), self.ratio());
        let block = if header.format == Format::Jpeg && ratio_x.min(ratio_y) >= 2.0 { BLOCK } else { 1 };
        let reach = |from: f64, length: f64, ratio: f64, inside: (u32, u32), side: u32| {
            let margin = support(kernel) * ratio.max(1.0) + 1.0;
            let (first, last) = (f64::from(inside.0), f64::from(inside.0 + inside.1));
            let start = (from - margin).max(first) as u32 / block * block;
            let end = ((from + length + margin).min(last).ceil() as u32).next_multiple_of(block).min(side);
            (start, end - start)
        };
        let region = self.region;
        let (x, width) = reach(source.left, source.width, ratio_x, (region.x, region.width), header.width);
        let (y, height) = reach(source.top, source.height, ratio_y, (region.y, region.height), header.height);
        Rect { x, y, width, height }
    }

    /// The size of the whole picture that has enough pixels for the part that is needed of it.
    pub(crate) fn enough(&self, header: &Header) -> (u32, u32) {
        let whole = (header.width, header.height);
        if self.kernel == Some(Kernel::Nearest) { whole } else { self.at_scale(header.format, whole) }
    }

    /// Sides in the scale of the result, with room for the filter.
    fn at_scale(&self, format: Format, sides: (u32, u32)) -> (u32, u32) {
        let (ratio_x, ratio_y) = self.ratio();
        if format.is_scalable() {
            let side = |wanted: u32, ratio: f64| (f64::from(wanted) / ratio).ceil().max(1.0) as u32;
            return (side(sides.0, ratio_x), side(sides.1, ratio_y));
        }
        let oversample = if format == Format::Jpeg { OVERSAMPLE } else { 1.0 };
        let side = |wanted: u32, ratio: f64| {
            ((f64::from(wanted) * oversample / ratio).ceil() as u32).clamp(1, wanted)
        };
        (side(sides.0, ratio_x), side(sides.1, ratio_y))
    }

    fn target(&self, format: Format, wanted: Rect) -> Option<(u32, u32)> {
        let kernel = self.kernel?;
        let sides = (wanted.width, wanted.height);
        if format.is_scalable() {
            return Some(self.at_scale(format, sides));
        }
        let is_small = format == Format::Jpeg && u64::from(sides.0) * u64::from(sides.1) <= SMALL;
        if is_small || kernel == Kernel::Nearest {
            return None;
        }
        Some(self.at_scale(format, sides)).filter(|target| *target != sides)
    }
}

pub(crate) fn whole((width, height): (u32, u32)) -> Rect {
    Rect { x: 0, y: 0, width, height }
}

pub(crate) fn within(rect: Rect, (width, height): (u32, u32)) -> bool {
    let fits = |from: u32, length: u32, side: u32| {
        length > 0 && from.checked_add(length).is_some_and(|end| end <= side)
    };
    fits(rect.x, rect.width, width) && fits(rect.y, rect.height, height)
}

/// The decoded pixels that show something of `region`, when `side` of them show `wanted` (start and length).
fn visible(region: (u32, u32), wanted: (u32, u32), side: u32) -> (u32, u32) {
    let scale = f64::from(side) / f64::from(wanted.1);
    let start = f64::from(region.0.saturating_sub(wanted.0)) * scale;
    let end = f64::from((region.0 + region.1).min(wanted.0 + wanted.1) - wanted.0) * scale;
    let start = start.floor() as u32;
    (start, (end.ceil() as u32).min(side) - start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Orientation;
    use crate::transform::plan::{Colour, Frames, Metadata, Output, Quality, Subsample};

    fn header(format: Format, width: u32, height: u32) -> Header {
        Header {
            format,
            width,
            height,
            orientation: Orientation::UPRIGHT,
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: false,
        }
    }

    fn plan(exif: u32, ops: Vec<Op>) -> Plan {
        let output = Output {
            format: Format::Png,
            original: false,
            quality: Quality::Lossless,
            effort: 4,
            progressive: None,
            subsample: Subsample::Auto,
            metadata: Metadata::None,
            flatten: Colour { r: 255, g: 255, b: 255, a: 255 },
            space: crate::transform::words::Space::Srgb,
            max_bytes: None,
            rivals: Vec::new(),
            told: None,
        };
        let orientation = Orientation::from_exif(exif);
        Plan { frames: Frames::First, orientation, ops, width: 0, height: 0, output, otherwise: None }
    }

    fn resize(width: u32, height: u32) -> Op {
        Op::Resize { width, height, kernel: Kernel::Lanczos3 }
    }

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn a_fill_of_a_turned_photo_is_found_in_stored_pixels() {
        let (header, plan) = (
            header(Format::Jpeg, 4000, 3000),
            plan(6, vec![resize(300, 400), Op::Crop(rect(0, 50, 300, 300))]),
        );
        let folded = Folded::of(&header, &plan).unwrap();
        assert_eq!(folded.scaled, (400, 300));
        assert_eq!(folded.window, rect(50, 0, 300, 300));
        let request = folded.request(&header, Instant::now());
        // 50 px at 1/10 are 500 stored ones, less the filter's 31, on a block's border.
        assert_eq!(request.region, Some(rect(464, 0, 3536 - 464, 3000)));
        assert_eq!(request.target, Some((461, 450)));
        let placed = folded.place(&header, ((3536 - 464) / 8, 375), false);
        assert_eq!(placed.view, rect(0, 0, 384, 375));
        assert_eq!(placed.area, Area { left: 4.5, top: 0.0, width: 375.0, height: 375.0 });
    }

    #[test]
    fn the_filter_does_not_see_past_an_extract() {
        let (header, plan) = (
            header(Format::Jpeg, 1000, 1000),
            plan(1, vec![Op::Crop(rect(100, 104, 400, 400)), resize(100, 100)]),
        );
        let folded = Folded::of(&header, &plan).unwrap();
        assert_eq!(folded.request(&header, Instant::now()).region, Some(rect(96, 104, 408, 400)));
        let placed = folded.place(&header, (102, 100), false);
        assert_eq!(placed.view, rect(1, 0, 100, 100));
        assert_eq!(placed.area, Area { left: 0.0, top: 0.0, width: 100.0, height: 100.0 });
    }

    #[test]
    fn crops_before_a_resize_add_up_and_are_exact() {
        let ops = vec![Op::Crop(rect(10, 20, 50, 60)), Op::Rotate(1), Op::Crop(rect(5, 5, 20, 10))];
        let (header, plan) = (header(Format::Png, 100, 100), plan(1, ops));
        let folded = Folded::of(&header, &plan).unwrap();
        // After the turn x runs up the stored picture and y runs right.
        assert_eq!(folded.region, rect(15, 55, 10, 20));
        assert_eq!(folded.request(&header, Instant::now()).region, Some(folded.region));
        assert!(folded.rest.is_empty());
    }

    #[test]
    fn a_second_resize_is_left_for_later() {
        let ops = vec![resize(50, 50), Op::Flip, resize(10, 10)];
        let (header, plan) = (header(Format::Png, 100, 100), plan(1, ops));
        let folded = Folded::of(&header, &plan).unwrap();
        assert_eq!(folded.rest, [resize(10, 10)]);
        assert_eq!(folded.request(&header, Instant::now()).region, None);
    }

    #[test]
    fn enlarging_decodes_everything_once() {
        let (header, plan) = (header(Format::Webp, 100, 80), plan(1, vec![resize(200, 160)]));
        let folded = Folded::of(&header, &plan).unwrap();
        let request = folded.request(&header, Instant::now());
        assert_eq!((request.region, request.target), (None, None));
    }

    #[test]
    fn a_side_that_was_rounded_down_is_not_squeezed() {
        let area = |exif, stored: (u32, u32), scaled: (u32, u32)| {
            let (header, plan) =
                (header(Format::Png, stored.0, stored.1), plan(exif, vec![resize(scaled.0, scaled.1)]));
            let folded = Folded::of(&header, &plan).unwrap();
            let source = folded.source();
            [source.left, source.top, source.width, source.height].map(|side| (side * 1e6).round() / 1e6)
        };
        // 133⅓ rows of 2.4: 133 of them show 319.2, the rest is left out on either side.
        assert_eq!(area(1, (240, 320), (100, 133)), [0.0, 0.4, 240.0, 319.2]);
        assert_eq!(area(6, (320, 240), (100, 133)), [0.4, 0.0, 319.2, 240.0]);
        // 54.6 rows went up to 55, and a deliberate distortion stays one.
        assert_eq!(area(1, (928, 169), (300, 55)), [0.0, 0.0, 928.0, 169.0]);
        assert_eq!(area(1, (200, 200), (100, 50)), [0.0, 0.0, 200.0, 200.0]);
    }

    #[test]
    fn a_crop_outside_is_refused() {
        let (header, plan) = (header(Format::Png, 100, 80), plan(1, vec![Op::Crop(rect(90, 0, 11, 10))]));
        assert_eq!(Folded::of(&header, &plan), None);
    }
}
