//! Canonical spec + source + client → [`Plan`]: every decision that is left is made here, so that specs which give
//! the same bytes give the same plan, and with it the same key.

use crate::codec::{Format, Header, Orientation, Rect, avif};
use crate::transform::canonical::mode;
use crate::transform::client::{Accepts, Client};
use crate::transform::error::{Place, SpecError};
use crate::transform::frames::{self, frames};
use crate::transform::geometry::{Size, Target, place, pull};
use crate::transform::number::{Decimal, round_div};
use crate::transform::options::Key;
use crate::transform::overlays::draw_on_top;
use crate::transform::picture::{Anchor, Picture};
use crate::transform::plan::{
    Adjust, Colour, Fill, Form, Frames, Interest, Kernel, Look, Metadata, Op, Output, Plan, Quality,
    Subsample, Told,
};
use crate::transform::quality::palette_quality;
use crate::transform::spec::{Entry, Options, Spec};
use crate::transform::value::{Background, Gravity, Side, Value};
use crate::transform::words::{Mode, Space, Wanted};

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

/// How hard encoders try while a person waits; slower settings are for the background.
mod effort {
    use super::{Format, Output, Quality, avif};

    /// Method 2 costs 0.4 × the CPU of the default 4 for 3 % more bytes at equal score.
    pub(super) const WEBP: u8 = 2;
    /// Up to so many pixels decoding is most of the work, and 6 % fewer bytes cost 3 ms.
    pub(super) const SMALL_WEBP: u64 = 200_000;
    pub(super) const WEBP_WHEN_SMALL: u8 = 5;
    /// The small rectangles of an animation gain more from it than whole pictures: 4 to 10 % of the bytes.
    pub(super) const ANIMATED_WEBP: u8 = 4;
    /// From here on nobody wants to wait for the denser of the two.
    pub(super) const LARGE_AVIF: u64 = 2_000_000;
    /// fdeflate; denser settings cost several times the CPU for a few per cent.
    pub(super) const PNG: u8 = 1;
    /// libjpeg-turbo has no scale of its own.
    pub(super) const JPEG: u8 = 0;

    /// What pays where somebody does.
    pub(super) fn by_size(output: &Output, pixels: u64) -> u8 {
        match output.format {
            Format::Avif if pixels >= LARGE_AVIF => avif::effort::LARGE,
            Format::Avif => avif::effort::SMALL,
            Format::Webp if pixels <= SMALL_WEBP && output.quality != Quality::Lossless => WEBP_WHEN_SMALL,
            _ => output.effort,
        }
    }

    /// What pays where nobody waits: at equal settings some 4 % (WebP), 5 to 10 % (AVIF) and a quarter (PNG) fewer bytes
    /// for three to ten times the CPU.
    pub(super) fn background(output: &Output) -> u8 {
        match output.format {
            Format::Webp => 6,
            Format::Avif => avif::effort::BACKGROUND,
            Format::Png if output.told.is_none() => 7,
            _ => output.effort,
        }
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
    let header = &source.header;
    if asks_for_original(&spec, header) {
        return Ok(Resolution::Plan(original(&spec, header)));
    }
    spec.check_supported()?;
    let output = output(&spec, header, client.accepts)?;
    let frames = frames(&spec, header, &output)?;
    let mut plan = match lay_out(&spec, source, output, limits, seen) {
        Ok(plan) => animated(plan, frames),
        Err(Halt::Spec(error)) => return Err(error),
        Err(Halt::Look(look)) => {
            return Ok(Resolution::Look(Box::new(Look { page: frames.first(), ..*look })));
        }
    };
    let pixels = u64::from(plan.width) * u64::from(plan.height);
    if plan.output.format == Format::Avif && encoded(spec.format()).is_none() && pixels > MAX_AUTO_AVIF {
        let accepts = Accepts { avif: false, ..client.accepts };
        return resolve_seen(&spec, source, &Client { accepts, ..*client }, limits, seen);
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
    picture.check_size(picture.size)?;
    let mut output = output;
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
    })
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

/// The format that is written for a word, if one word means one.
fn encoded(wanted: Wanted) -> Option<Format> {
    Some(match wanted {
        Wanted::Webp => Format::Webp,
        Wanted::Avif => Format::Avif,
        Wanted::Jpg => Format::Jpeg,
        Wanted::Png => Format::Png,
        Wanted::Gif => Format::Gif,
        Wanted::Tiff => Format::Tiff,
        Wanted::Ico => Format::Ico,
        Wanted::Bmp => Format::Bmp,
        Wanted::Jxl => Format::Jxl,
        Wanted::Svg => Format::Svg,
        Wanted::Heic => Format::Heic,
        Wanted::Auto
        | Wanted::Best
        | Wanted::Json
        | Wanted::Lqip
        | Wanted::Blurhash
        | Wanted::Thumbhash
        | Wanted::Orig => return None,
    })
}

fn original(spec: &Spec, header: &Header) -> Plan {
    let (width, height) = header.oriented();
    Plan {
        frames: Frames::First,
        orientation: Orientation::UPRIGHT,
        ops: Vec::new(),
        width,
        height,
        output: Output {
            format: header.format,
            original: true,
            quality: Quality::Lossless,
            effort: 0,
            progressive: None,
            subsample: Subsample::Auto,
            metadata: spec.metadata(),
            flatten: Colour::WHITE,
            space: Space::Srgb,
            max_bytes: None,
            rivals: Vec::new(),
            told: None,
        },
    }
}

fn form(wanted: Wanted) -> Option<Form> {
    Some(match wanted {
        Wanted::Json => Form::Json,
        Wanted::Lqip => Form::Lqip,
        Wanted::Blurhash => Form::Blurhash,
        Wanted::Thumbhash => Form::Thumbhash,
        _ => return None,
    })
}

/// What is told: no setting of an encoder counts, and no metadata but those that [`Form::Json`] tells.
fn told(spec: &Spec, form: Form) -> Output {
    let silent = form != Form::Json || spec.metadata() == Metadata::None;
    Output {
        format: Format::Png,
        original: false,
        quality: Quality::Lossless,
        effort: 0,
        progressive: None,
        subsample: Subsample::Auto,
        metadata: if silent { Metadata::None } else { Metadata::Copyright },
        flatten: Colour::WHITE,
        space: Space::Srgb,
        max_bytes: None,
        rivals: Vec::new(),
        told: Some(Told { form, width: 0, height: 0 }),
    }
}

/// Which results can say what space they are in.
fn holds_profiles(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::Png | Format::Webp | Format::Avif | Format::Tiff)
}

/// What is written. Settings that the format does not know are set to one value, so that they cannot split keys.
fn output(spec: &Spec, header: &Header, accepts: Accepts) -> Result<Output, SpecError> {
    let quality = match spec.whole.get(Key::Q) {
        Some(Value::Quality(quality)) => *quality,
        _ => Quality::Auto(Default::default()),
    };
    let wanted = spec.format();
    if let Some(form) = form(wanted) {
        return Ok(told(spec, form));
    }
    if wanted == Wanted::Best {
        let mut formats = contestants(spec, header, accepts, quality).into_iter();
        let mut first = output_in(spec, formats.next().unwrap_or(Format::Png), quality)?;
        first.rivals = formats.map(|format| output_in(spec, format, quality)).collect::<Result<_, _>>()?;
        return Ok(first);
    }
    output_in(spec, encoded(wanted).unwrap_or_else(|| negotiated(spec, header, accepts, quality)), quality)
}

/// `f_best`: what the client takes and what can hold the picture. AVIF is the first if it is one of them.
fn contestants(spec: &Spec, header: &Header, accepts: Accepts, quality: Quality) -> Vec<Format> {
    if frames::stay(spec, header) {
        return vec![negotiated(spec, header, accepts, quality)];
    }
    let lossless = quality == Quality::Lossless;
    let may = |format| match format {
        Format::Avif => accepts.avif && (!lossless || avif::HAS_LOSSLESS),
        Format::Webp => accepts.webp,
        Format::Jpeg => !lossless && !header.has_alpha,
        _ => true,
    };
    [Format::Avif, Format::Webp, Format::Jpeg, Format::Png]
        .into_iter()
        .filter(|&format| may(format))
        .collect()
}

fn output_in(spec: &Spec, format: Format, quality: Quality) -> Result<Output, SpecError> {
    let wanted = spec.format();
    let position = spec.whole.entry(Key::Q).and_then(Entry::position);
    let lossless = quality == Quality::Lossless;
    let effort = match format {
        Format::Jpeg if lossless => {
            let reason = "JPEG is never lossless; webp and png are";
            return Err(SpecError::Conflict(Place::option("q_lossless", position, reason)));
        }
        Format::Jpeg => effort::JPEG,
        Format::Webp => effort::WEBP,
        // By the size, once that is known.
        Format::Avif => avif::effort::SMALL,
        _ => effort::PNG,
    };
    let progressive = match spec.whole.get(Key::Il) {
        Some(Value::Flag(flag)) if format == Format::Jpeg => Some(*flag),
        _ => None,
    };
    let subsample = match spec.whole.get(Key::Ss) {
        Some(Value::Subsample(subsample)) if has_chroma(format) && !lossless => *subsample,
        _ => Subsample::Auto,
    };
    let space = match spec.whole.get(Key::Cs) {
        Some(Value::Space(space)) if holds_profiles(format) => *space,
        _ => Space::Srgb,
    };
    let max_bytes = match spec.whole.get(Key::Mb) {
        Some(Value::Number(bytes)) => bytes.as_whole().and_then(|bytes| u32::try_from(bytes).ok()),
        _ => None,
    };
    Ok(Output {
        format,
        original: false,
        quality: match format {
            // What was negotiated is every pixel, as the client could not take what loses some well.
            Format::Png if wanted == Wanted::Png => palette_quality(quality).unwrap_or(Quality::Lossless),
            Format::Png | Format::Gif | Format::Tiff | Format::Bmp | Format::Ico | Format::Jxl => {
                Quality::Lossless
            }
            _ => quality,
        },
        effort,
        progressive,
        subsample,
        metadata: if matches!(format, Format::Bmp | Format::Ico | Format::Jxl) {
            Metadata::None
        } else {
            spec.metadata()
        },
        // A background that was asked for is drawn by a canvas; this is for what is still transparent behind it.
        flatten: Colour::WHITE,
        space,
        max_bytes,
        rivals: Vec::new(),
        told: None,
    })
}

/// Whether `ss` makes a difference.
fn has_chroma(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::Webp) || format == Format::Avif && avif::HAS_420
}

/// `f_auto`: the best format that the client takes; without any, what suits the source.
fn negotiated(spec: &Spec, header: &Header, accepts: Accepts, quality: Quality) -> Format {
    if frames::stay(spec, header) {
        return if accepts.webp { Format::Webp } else { Format::Gif };
    }
    let is_lossy =
        matches!(header.format, Format::Jpeg | Format::Webp | Format::Avif | Format::Heic | Format::Jxl);
    if quality == Quality::Lossless {
        return if accepts.webp { Format::Webp } else { Format::Png };
    }
    if accepts.avif {
        Format::Avif
    } else if accepts.webp {
        Format::Webp
    } else if is_lossy && !header.has_alpha {
        Format::Jpeg
    } else {
        Format::Png
    }
}

/// One step, in the order of the table.
fn run(step: &Options, picture: &mut Picture<'_>, original: (u32, u32)) -> Result<(), Halt> {
    let behind = behind(step);
    extract(step, picture)?;
    if let Some(Value::Trim(tolerance, colour)) = step.get(Key::Trim) {
        picture.trim(*tolerance, *colour).map_err(Halt::Look)?;
    }
    resize(step, picture, original, behind)?;
    if let Some(Value::Number(angle)) = step.get(Key::A) {
        match quarters(*angle) {
            Some(quarters) => picture.rotate(quarters),
            None => picture.tilt(*angle, behind)?,
        }
    }
    if step.get(Key::Flip).is_some() {
        picture.flip();
    }
    if step.get(Key::Flop).is_some() {
        picture.flop();
    }
    effects(step, picture, original)?;
    if let Some(Value::Edges(edges)) = step.get(Key::Pad) {
        let [top, right, bottom, left] = edges.map(u64::from);
        let Size { w, h } = picture.size;
        let frame = Size { w: left + w + right, h: top + h + bottom };
        picture.canvas(frame, left, top, behind)?;
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
