//! The arithmetic of the resize modes, in whole numbers: what is scaled to which size, and where a crop or a
//! picture on a canvas begins. Rounding is half away from zero and never below 1.

use crate::transform::number::{Decimal, round_div};
use crate::transform::value::{Along, Gravity};
use crate::transform::words::Mode;

/// Width and height. 64 bits, because a thin picture scaled to fill a box may leave 32 before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) w: u64,
    pub(crate) h: u64,
}

/// The box that was asked for. At least one side is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) w: Option<u64>,
    pub(crate) h: Option<u64>,
}

/// What a mode does: scale to this, then cut to or put on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) scaled: Size,
    pub(crate) frame: Size,
}

/// `mode` applied to a picture of size `s` and the box `b`.
pub(crate) fn place(mode: Mode, s: Size, b: Target) -> Placed {
    let only = |scaled| Placed { scaled, frame: scaled };
    match mode {
        Mode::Limit => only(contained(s, b, Bound::AtMostSelf)),
        Mode::Fit => only(contained(s, b, Bound::Any)),
        Mode::Mfit => only(contained(s, b, Bound::AtLeastSelf)),
        Mode::Fill | Mode::Thumb => Placed { scaled: covering(s, b), frame: full(s, b) },
        Mode::Mcover => only(covering(s, b)),
        Mode::Lfill if b.w.is_some_and(|w| w > s.w) || b.h.is_some_and(|h| h > s.h) => only(s),
        Mode::Lfill => Placed { scaled: covering(s, b), frame: full(s, b) },
        Mode::Afill => {
            let b = shrunk(s, b);
            Placed { scaled: covering(s, b), frame: full(s, b) }
        }
        Mode::Pad => Placed { scaled: contained(s, b, Bound::Any), frame: full(s, b) },
        Mode::Lpad => Placed { scaled: contained(s, b, Bound::AtMostSelf), frame: full(s, b) },
        Mode::Mpad => {
            let b = full(s, b);
            Placed { scaled: s, frame: Size { w: b.w.max(s.w), h: b.h.max(s.h) } }
        }
        Mode::Scale => only(full(s, b)),
        Mode::Crop => {
            let b = full(s, b);
            Placed { scaled: s, frame: Size { w: b.w.min(s.w), h: b.h.min(s.h) } }
        }
    }
}

/// The distance of the frame's or picture's origin along one axis, given the free space there.
pub(crate) fn origin(free: u64, along: Fraction, offset: Decimal) -> u64 {
    let free = i64::try_from(free).unwrap_or(i64::MAX / 2);
    shift(free, along, offset).clamp(0, free) as u64
}

/// The same for what may hang over the edge; then there is less than no free space.
pub(crate) fn shift(free: i64, along: Fraction, offset: Decimal) -> i64 {
    let offset = offset.as_whole().unwrap_or_else(|| offset.of(free.max(0)));
    let base = i128::from(free) * i128::from(along.at.raw()) * 2 + i128::from(Decimal::ONE.raw());
    let base = base.div_euclid(2 * i128::from(Decimal::ONE.raw())) as i64;
    if along.inward_is_back { base - offset } else { base + offset }
}

/// A position along one axis of the free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fraction {
    at: Decimal,
    /// Offsets count from the far edge.
    inward_is_back: bool,
}

/// Where gravity pulls along x and y; `focus` is the focal point as fractions of the picture.
pub(crate) fn pull(gravity: Gravity, focus: Option<(f64, f64)>) -> (Fraction, Fraction) {
    let along = |along| Fraction {
        at: match along {
            Along::Start => Decimal::ZERO,
            Along::Middle => Decimal::ten_thousandths(5000),
            Along::End => Decimal::ONE,
        },
        inward_is_back: along == Along::End,
    };
    let point = |at| Fraction { at, inward_is_back: false };
    match (gravity, focus) {
        (Gravity::Compass { across, down }, _) => (along(across), along(down)),
        (Gravity::Point(x, y), _) => (point(x), point(y)),
        (Gravity::Focus, Some((x, y))) => {
            let exact = |at: f64| point(Decimal::ten_thousandths((at.clamp(0.0, 1.0) * 1e4).round() as i64));
            (exact(x), exact(y))
        }
        _ => (along(Along::Middle), along(Along::Middle)),
    }
}

#[derive(Clone, Copy)]
enum Bound {
    Any,
    AtMostSelf,
    AtLeastSelf,
}

enum By {
    Width(u64),
    Height(u64),
}

/// The largest size of the picture's own ratio within the box.
fn contained(s: Size, b: Target, bound: Bound) -> Size {
    let by = match (b.w, b.h) {
        (Some(w), Some(h)) if wide(w, s.h) <= wide(h, s.w) => By::Width(w),
        (Some(w), None) => By::Width(w),
        (_, Some(h)) => By::Height(h),
        (None, None) => return s,
    };
    let grows = match by {
        By::Width(w) => w > s.w,
        By::Height(h) => h > s.h,
    };
    match bound {
        Bound::AtMostSelf if grows => s,
        Bound::AtLeastSelf if !grows => s,
        _ => by.size(s),
    }
}

/// The smallest size of the picture's own ratio that covers the box.
fn covering(s: Size, b: Target) -> Size {
    match (b.w, b.h) {
        (Some(w), Some(h)) if wide(w, s.h) >= wide(h, s.w) => By::Width(w).size(s),
        (Some(w), None) => By::Width(w).size(s),
        (_, Some(h)) => By::Height(h).size(s),
        (None, None) => s,
    }
}

/// The box with a missing side by the picture's ratio.
fn full(s: Size, b: Target) -> Size {
    match (b.w, b.h) {
        (Some(w), Some(h)) => Size { w, h },
        (Some(w), None) => By::Width(w).size(s),
        (None, Some(h)) => By::Height(h).size(s),
        (None, None) => s,
    }
}

/// The box made small enough for the picture, keeping its ratio.
fn shrunk(s: Size, b: Target) -> Target {
    let all = Target { w: Some(s.w), h: Some(s.h) };
    match (b.w, b.h) {
        (Some(w), Some(h)) => {
            let Size { w, h } = contained(Size { w, h }, all, Bound::AtMostSelf);
            Target { w: Some(w), h: Some(h) }
        }
        // The missing side takes the picture's own ratio, so that one side decides.
        (w, h) if w.is_some_and(|w| w > s.w) || h.is_some_and(|h| h > s.h) => all,
        _ => b,
    }
}

impl By {
    fn size(&self, s: Size) -> Size {
        match *self {
            Self::Width(w) => Size { w, h: ratio(s.h, w, s.w) },
            Self::Height(h) => Size { w: ratio(s.w, h, s.h), h },
        }
    }
}

fn ratio(side: u64, by: u64, of: u64) -> u64 {
    round_div(i128::from(side) * i128::from(by), i128::from(of.max(1))).max(1) as u64
}

fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}
