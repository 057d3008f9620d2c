//! Canonical spec + source + client → [`Plan`]: every decision that is left is made here, so that specs which give
//! the same bytes give the same plan, and with it the same key.

mod output;
mod steps;

use crate::codec::{Format, Header, Orientation, Rect};
use crate::transform::client::{Accepts, Client};
use crate::transform::error::{Place, SpecError};
use crate::transform::frames::{self, frames};
use crate::transform::geometry::Size;
use crate::transform::options::Key;
use crate::transform::picture::Picture;
use crate::transform::plan::{Frames, Kernel, Look, Metadata, Output, Plan, Quality};
use crate::transform::resolve::output::{effort, encoded, original, output};
pub(crate) use crate::transform::resolve::steps::quarters;
use crate::transform::resolve::steps::run;
use crate::transform::spec::Spec;
use crate::transform::value::Value;
use crate::transform::words::Wanted;

/// What resolving needs to know of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceFacts {
    pub header: Header,
    /// The stored focal point, as fractions of the upright picture.
    pub focal: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveLimits {
    pub max_result_side: u32,
    pub haste: Haste,
}

/// Whether somebody waits for the result. It decides how hard encoders try, which is part of the plan and so of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Haste {
    #[default]
    Waiting,
    /// Work in the background may take several times as long for fewer bytes.
    Background,
}

impl Default for ResolveLimits {
    fn default() -> Self {
        Self { max_result_side: 12_000, haste: Haste::Waiting }
    }
}

/// What resolving came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    Plan(Plan),
    /// Somebody has to look first; what was seen goes behind that which was seen before.
    Look(Box<Look>),
}

/// Decides everything that is left to decide, for specs that need no look at the pixels.
pub fn resolve(
    spec: &Spec,
    source: &SourceFacts,
    client: &Client,
    limits: &ResolveLimits,
) -> Result<Plan, SpecError> {
    resolve_looking(spec, source, client, limits, |_| {
        Err(SpecError::Unsupported(Place::new(
            "the size depends on the pixels, and nobody may look at them here",
        )))
    })
}

/// Decides everything that is left to decide; `look` is asked for what only the pixels can say.
pub fn resolve_looking<E: From<SpecError>>(
    spec: &Spec,
    source: &SourceFacts,
    client: &Client,
    limits: &ResolveLimits,
    mut look: impl FnMut(&Look) -> Result<Rect, E>,
) -> Result<Plan, E> {
    let mut seen = Vec::new();
    loop {
        match resolve_seen(spec, source, client, limits, &seen)? {
            Resolution::Plan(plan) => return Ok(plan),
            Resolution::Look(wanted) => seen.push(look(&wanted)?),
        }
    }
}

/// One attempt: `seen` is what was found where the pixels had to be looked at, in the order of the spec.
pub fn resolve_seen(
    spec: &Spec,
    source: &SourceFacts,
    client: &Client,
    limits: &ResolveLimits,
    seen: &[Rect],
) -> Result<Resolution, SpecError> {
    let spec = spec.with_hints(client)?;
    if !asks_for_original(&spec, &source.header) {
        return made(&spec, source, client, limits, seen);
    }
    let mut plan = original(&spec, &source.header);
    // Only who writes `f_orig` wants nothing else.
    if spec.format() != Wanted::Orig
        && plan.output.metadata != Metadata::All
        && source.header.format.may_be_private()
        && let Ok(Resolution::Plan(made)) = made(&spec, source, client, limits, seen)
    {
        plan.otherwise = Some(Box::new(made));
    }
    Ok(Resolution::Plan(plan))
}

/// The plan of pixels that are made, not found.
fn made(
    spec: &Spec,
    source: &SourceFacts,
    client: &Client,
    limits: &ResolveLimits,
    seen: &[Rect],
) -> Result<Resolution, SpecError> {
    let header = &source.header;
    spec.check_supported()?;
    let output = output(spec, header, client.accepts)?;
    let frames = frames(spec, header, &output)?;
    let mut plan = match lay_out(spec, source, output, limits, seen) {
        Ok(plan) => animated(plan, frames),
        Err(Halt::Spec(error)) => return Err(error),
        Err(Halt::Look(look)) => {
            return Ok(Resolution::Look(Box::new(Look { page: frames.first(), ..*look })));
        }
    };
    let pixels = u64::from(plan.width) * u64::from(plan.height);
    if plan.output.format == Format::Avif && encoded(spec.format()).is_none() && pixels > MAX_AUTO_AVIF {
        let accepts = Accepts { avif: false, ..client.accepts };
        return resolve_seen(spec, source, &Client { accepts, ..*client }, limits, seen);
    }
    if limits.haste == Haste::Background && !plan.output.original {
        let output = &mut plan.output;
        output.rivals.iter_mut().for_each(|rival| rival.effort = effort::background(rival));
        output.effort = effort::background(output);
    }
    Ok(Resolution::Plan(plan))
}

fn animated(mut plan: Plan, frames: Frames) -> Plan {
    if frames.is_animated() && plan.output.format == Format::Webp {
        plan.output.effort = plan.output.effort.max(effort::ANIMATED_WEBP);
    }
    if frames.is_animated() && plan.output.format == Format::Png {
        plan.output.quality = Quality::Lossless;
    }
    Plan { frames, ..plan }
}

/// Why there is no plan yet.
enum Halt {
    Spec(SpecError),
    Look(Box<Look>),
}

impl From<SpecError> for Halt {
    fn from(error: SpecError) -> Self {
        Self::Spec(error)
    }
}

/// Above this many pixels `f_auto` is no AVIF: a person would wait half a second and more, and its encoder takes some
/// 25 bytes a pixel. Who writes `f_avif` gets it.
const MAX_AUTO_AVIF: u64 = if cfg!(feature = "libaom") { 8_000_000 } else { 4_000_000 };

fn lay_out(
    spec: &Spec,
    source: &SourceFacts,
    output: Output,
    limits: &ResolveLimits,
    seen: &[Rect],
) -> Result<Plan, Halt> {
    let header = &source.header;
    let upright = spec.whole.get(Key::Or) != Some(&Value::Flag(false));
    let (orientation, size) = if upright {
        (header.orientation, header.oriented())
    } else {
        (Orientation::UPRIGHT, (header.width, header.height))
    };
    let focus = source.focal.map(|point| if upright { point } else { as_stored(point, header.orientation) });
    // Who holds no alpha takes no part in a contest where there is some.
    let must_be_opaque = !output.format.can_have_alpha() && output.rivals.is_empty();
    let mut picture = Picture::new(size, focus, header.has_alpha, must_be_opaque, limits.max_result_side);
    picture.seen = seen;
    for step in &spec.steps {
        if let Err(halt) = run(step, &mut picture, size) {
            return Err(match halt {
                Halt::Look(look) => Halt::Look(Box::new(Look { orientation, ..*look })),
                halt @ Halt::Spec(_) => halt,
            });
        }
    }
    let mut output = output;
    if output.told.is_none() {
        picture.check_result()?;
        check_least(spec, &output, picture.size)?;
    }
    // What is told of a picture is as short for a large one; every step that enlarges has been checked.
    if let Some(told) = &mut output.told {
        (told.width, told.height) = (picture.size.w as u32, picture.size.h as u32);
        picture.resize(looked_at(picture.size), Kernel::default())?;
    }
    let pixels = picture.size.w * picture.size.h;
    output.rivals.iter_mut().for_each(|rival| rival.effort = effort::by_size(rival, pixels));
    output.effort = effort::by_size(&output, pixels);
    Ok(Plan {
        frames: Frames::First,
        orientation,
        width: picture.size.w as u32,
        height: picture.size.h as u32,
        ops: picture.ops,
        output,
        otherwise: None,
    })
}

/// Only the encoder of a format that was asked for by name can be in need of more pixels than there are.
fn check_least(spec: &Spec, output: &Output, size: Size) -> Result<(), SpecError> {
    let least = output.format.min_side();
    if size.w.min(size.h) >= least.into() {
        return Ok(());
    }
    let position = spec.whole.entry(Key::F).and_then(|entry| entry.position());
    let option = format!("f_{}", output.format.name());
    let reason = format!(
        "the result would have {}x{} px, and the encoder of this format takes no side under {least}; ask for another format",
        size.w, size.h
    );
    Err(SpecError::ResultTooSmall(Place::option(option, position, reason)))
}

/// Colours and placeholders are told from a small picture; none needs more.
fn looked_at(size: Size) -> Size {
    const SIDE: u64 = 64;
    let longer = size.w.max(size.h);
    let scaled = |side: u64| if longer <= SIDE { side } else { ((side * SIDE + longer / 2) / longer).max(1) };
    Size { w: scaled(size.w), h: scaled(size.h) }
}

/// `f_orig`, or the original's own format and nothing else: encoding it again would only lose.
fn asks_for_original(spec: &Spec, header: &Header) -> bool {
    let wanted = spec.format();
    let only_format = || {
        let idle = |key| matches!(key, Key::F | Key::Md | Key::An | Key::Mf | Key::Pg);
        spec.steps.is_empty()
            && spec.whole.iter().all(|entry| idle(entry.key))
            && frames::are_all(spec, header)
    };
    wanted == Wanted::Orig || encoded(wanted) == Some(header.format) && only_format()
}

/// Where a point of the upright picture lies in the stored one.
fn as_stored((x, y): (f64, f64), orientation: Orientation) -> (f64, f64) {
    match orientation.exif() {
        2 => (1.0 - x, y),
        3 => (1.0 - x, 1.0 - y),
        4 => (x, 1.0 - y),
        5 => (y, x),
        6 => (y, 1.0 - x),
        7 => (1.0 - y, 1.0 - x),
        8 => (1.0 - y, x),
        _ => (x, y),
    }
}
