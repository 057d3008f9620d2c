//! Executes a [`Plan`]: decode only what is needed, scale, colour, the other operations, turn, encode.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::codec::frames::{FrameReader, is_animated};
use crate::codec::metadata::Keep;
use crate::codec::{self, Bitmap, CodecError, Decoded, Format, Header, Layout, Rect, StripError};
use crate::error::{Detail, Fault, Kind};
use crate::transform::animate::animate;
use crate::transform::choices::Choices;
use crate::transform::describe::{self, Original};
use crate::transform::encode::{Around, encode};
use crate::transform::mezzanine::{Mezzanine, Need};
use crate::transform::plan::{Adjust, Colour, Fill, Form, Look, Metadata, Op, Output, Plan};
use crate::transform::steps::adjust::adjust;
use crate::transform::steps::backdrop::{edge_colour, soft};
use crate::transform::steps::blend::draw;
use crate::transform::steps::blocks::{median, pixelate};
use crate::transform::steps::blur::{blur, sharpen};
use crate::transform::steps::canvas::canvas;
use crate::transform::steps::corners::{border, round};
use crate::transform::steps::crop::crop;
use crate::transform::steps::flatten::{flatten, without_idle_alpha};
use crate::transform::steps::fold::{Folded, whole, within};
use crate::transform::steps::interest::most_interesting;
use crate::transform::steps::overlay::{Space, overlay};
use crate::transform::steps::resample::{Area, resample};
use crate::transform::steps::rotate::rotate;
use crate::transform::steps::trim::without_border;
use crate::transform::steps::turn::Turn;
use crate::transform::until::{Before, Until};
use crate::transform::words;

/// One variant, ready to be stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub bytes: Vec<u8>,
    /// Sides as a viewer sees them.
    pub width: u32,
    pub height: u32,
    pub format: Format,
    pub timings: Timings,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    pub decode: Duration,
    pub transform: Duration,
    pub encode: Duration,
}

/// Why a plan could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Original(#[from] StripError),
    /// The plan was not made for this picture: our own mistake.
    #[error("the plan does not fit the picture: {0}")]
    Plan(&'static str),
    #[error("the resizer refused: {0}")]
    Resize(String),
    /// Told to nobody: it is the answer to the last caller leaving.
    #[error("nobody waits for the picture any more")]
    Unwanted,
    /// `mb` cannot be kept.
    #[error(
        "the result has {bytes} bytes or more, whatever its quality; `mb` allows {cap}. Ask for fewer pixels or a larger `mb`"
    )]
    OverCap { cap: u32, bytes: u64 },
}

impl Fault for RenderError {
    fn kind(&self) -> Kind {
        match self {
            Self::Codec(error) => error.kind(),
            Self::Original(error) => error.kind(),
            Self::Plan(_) | Self::Resize(_) | Self::Unwanted => Kind::Internal,
            Self::OverCap { .. } => Kind::Unprocessable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Codec(error) => error.code(),
            Self::Original(error) => error.code(),
            Self::Plan(_) | Self::Resize(_) | Self::Unwanted => "internal",
            Self::OverCap { .. } => "result_too_large",
        }
    }

    fn detail(&self) -> Detail {
        match self {
            Self::Codec(error) => error.detail(),
            Self::Original(error) => error.detail(),
            Self::Plan(_) | Self::Resize(_) | Self::Unwanted => Detail::default(),
            Self::OverCap { cap, .. } => Detail { option: Some(format!("mb_{cap}")), ..Detail::default() },
        }
    }
}

/// Another picture that the spec names, to be drawn on the one it is about.
#[derive(Clone)]
pub struct Other {
    pub bytes: bytes::Bytes,
    pub header: Header,
}

/// Makes the variant that `plan` describes of the original `bytes`, whose header says `header`.
pub fn render(
    bytes: &[u8],
    header: &Header,
    plan: &Plan,
    deadline: Instant,
) -> Result<Rendered, RenderError> {
    render_with(bytes, header, plan, &[], deadline.into())
}

/// The same where the spec names further pictures: `others` are its overlays, in its order.
pub fn render_with(
    bytes: &[u8],
    header: &Header,
    plan: &Plan,
    others: &[Other],
    until: Until<'_>,
) -> Result<Rendered, RenderError> {
    if plan.output.original {
        return match (original(bytes, header, plan, until.deadline), &plan.otherwise) {
            (Err(RenderError::Original(StripError::Private { .. })), Some(made)) => {
                render_with(bytes, header, made, others, until)
            }
            (answer, _) => answer,
        };
    }
    if plan.frames.is_animated() {
        return animate(bytes, header, plan, others, until);
    }
    let folded = folded(header, plan)?;
    let start = Instant::now();
    let Decoded { bitmap, icc } = decode(bytes, header, plan, &folded, until.deadline)?;
    let decode = start.elapsed();
    let keep = match plan.output.metadata {
        Metadata::None => Keep::None,
        Metadata::Copyright => Keep::Copyright,
        Metadata::All => Keep::All,
    };
    let told = plan.output.told.map(|told| told.form);
    let exif = match told {
        None => codec::metadata::extract(bytes, header.format, keep),
        Some(_) => None,
    };
    let original = (told == Some(Form::Json)).then(|| Original::of(bytes, header, plan.output.metadata));
    let (icc, exif) = (icc.as_deref(), exif.as_deref());
    let decoded = Pixels { bitmap: Cow::Owned(bitmap), icc, exif, original, decode, is_whole: false };
    develop(decoded, header, plan, others, &folded, until)
}

/// What [`Look`] asks for: where the border of the picture ends.
pub fn look(
    bytes: &[u8],
    header: &Header,
    look: &Look,
    others: &[Other],
    deadline: Instant,
) -> Result<Rect, RenderError> {
    let plan = look.plan();
    let folded = folded(header, &plan)?;
    let Decoded { bitmap, icc } = decode(bytes, header, &plan, &folded, deadline)?;
    let scene =
        Scene { header, plan: &plan, others, folded: &folded, is_whole: false, until: deadline.into() };
    let (bitmap, _) = transform(Cow::Owned(bitmap), icc.as_deref(), &scene, &mut Choices::default())?;
    Ok(without_border(&bitmap, look.tolerance.as_f64(), look.colour))
}

/// The same from a decode that is shared with other variants; [`Need::of`] says for which plans that can be.
pub fn render_from(
    mezzanine: &Mezzanine,
    header: &Header,
    plan: &Plan,
    until: Until<'_>,
) -> Result<Rendered, RenderError> {
    let need = Need::of(header, plan).or_else(|| Need::of_part(header, plan));
    let need = need.ok_or(RenderError::Plan("it needs a decode of its own"))?;
    let exif = match plan.output.metadata {
        Metadata::Copyright => mezzanine.rights.as_deref(),
        Metadata::None | Metadata::All => None,
    };
    let bitmap = Cow::Borrowed(mezzanine.level(need)?);
    let icc = mezzanine.icc.as_deref();
    let decoded = Pixels { bitmap, icc, exif, original: None, decode: Duration::ZERO, is_whole: true };
    develop(decoded, header, plan, &[], &folded(header, plan)?, until)
}

/// What a decoder made, its own or borrowed.
struct Pixels<'a> {
    bitmap: Cow<'a, Bitmap>,
    icc: Option<&'a [u8]>,
    /// For the result.
    exif: Option<&'a [u8]>,
    /// What is told of the file itself.
    original: Option<Original>,
    /// How long it took.
    decode: Duration,
    /// Of the whole picture, though the plan needs only a part.
    is_whole: bool,
}

/// The picture, or the frame of it, that the plan is about.
fn decode(
    bytes: &[u8],
    header: &Header,
    plan: &Plan,
    folded: &Folded<'_>,
    deadline: Instant,
) -> Result<Decoded, RenderError> {
    let request = folded.request(header, deadline);
    match plan.frames.first() {
        number if number == 0 || !is_animated(header) => {
            Ok(codec::decode_page(bytes, header, number, &request)?)
        }
        number => {
            let reader = FrameReader::new(bytes, header, deadline)?;
            let icc = reader.icc().map(<[u8]>::to_vec);
            Ok(Decoded { bitmap: region_of(reader.nth(number)?.bitmap, folded, header), icc })
        }
    }
}

/// What of a whole canvas a decoder would have given.
pub(crate) fn region_of(bitmap: Bitmap, folded: &Folded<'_>, header: &Header) -> Bitmap {
    // Nothing is decoded here, so no deadline counts.
    match folded.request(header, Instant::now()).region {
        Some(region) => crop(bitmap, region),
        None => bitmap,
    }
}

pub(crate) fn folded<'p>(header: &Header, plan: &'p Plan) -> Result<Folded<'p>, RenderError> {
    Folded::of(header, plan).ok_or(RenderError::Plan("a crop leaves the picture"))
}

fn develop(
    decoded: Pixels<'_>,
    header: &Header,
    plan: &Plan,
    others: &[Other],
    folded: &Folded<'_>,
    until: Until<'_>,
) -> Result<Rendered, RenderError> {
    let Pixels { bitmap, icc, exif, original, decode, is_whole } = decoded;
    let decoded_at = Instant::now();
    let scene = Scene { header, plan, others, folded, is_whole, until };
    let (bitmap, working) = transform(bitmap, icc, &scene, &mut Choices::default())?;
    if (bitmap.width, bitmap.height) != (plan.width, plan.height) {
        return Err(RenderError::Plan("its operations do not lead to its size"));
    }
    until.check(Before::Encode)?;
    let transformed_at = Instant::now();
    let deadline = until.deadline;
    let (encoded, format) = match plan.output.told {
        None => encode(&bitmap, &Around { exif, icc: working.profile(&bitmap) }, &plan.output, deadline)?,
        Some(told) => (describe::tell(&bitmap, told, original.as_ref(), deadline)?, plan.output.format),
    };
    Ok(Rendered {
        bytes: encoded,
        width: bitmap.width,
        height: bitmap.height,
        format,
        timings: Timings { decode, transform: transformed_at - decoded_at, encode: transformed_at.elapsed() },
    })
}

/// To be asked between steps; the codecs ask between rows.
pub(crate) fn in_time(deadline: Instant) -> Result<(), RenderError> {
    if Instant::now() < deadline { Ok(()) } else { Err(CodecError::TimedOut.into()) }
}

fn original(bytes: &[u8], header: &Header, plan: &Plan, deadline: Instant) -> Result<Rendered, RenderError> {
    let start = Instant::now();
    let (width, height) = header.oriented();
    let bytes = match plan.output.metadata {
        // Whoever asks, and whatever was signed: its own bytes could act in the name of this server.
        _ if header.format == Format::Svg => codec::svg::sanitised(bytes, deadline)?,
        Metadata::All => bytes.to_vec(),
        Metadata::Copyright => codec::strip(bytes, header.format)?.into_owned(),
        Metadata::None => codec::strip_rights_too(bytes, header.format)?.into_owned(),
    };
    let timings = Timings { transform: start.elapsed(), ..Timings::default() };
    Ok(Rendered { bytes, width, height, format: header.format, timings })
}

/// What is the same for every frame.
pub(crate) struct Scene<'a> {
    pub(crate) header: &'a Header,
    pub(crate) plan: &'a Plan,
    pub(crate) others: &'a [Other],
    pub(crate) folded: &'a Folded<'a>,
    /// The pixels are those of the whole picture, whatever part of it is needed.
    pub(crate) is_whole: bool,
    pub(crate) until: Until<'a>,
}

pub(crate) fn transform<'a>(
    mut bitmap: Cow<'_, Bitmap>,
    mut icc: Option<&'a [u8]>,
    scene: &Scene<'_>,
    choices: &mut Choices,
) -> Result<(Bitmap, Working<'a>), RenderError> {
    let &Scene { header, plan, folded, until, .. } = scene;
    let deadline = until.deadline;
    until.check(Before::Step)?;
    // One channel is a table look-up, so it need not wait for fewer pixels; the curve of gray profiles differs enough
    // from sRGB's that mixing before it shows.
    if bitmap.layout == Layout::Gray && icc.is_some() {
        bitmap = Cow::Owned(codec::colour::to_srgb(bitmap.into_owned(), icc.take())?);
    }
    let mut bitmap = match folded.kernel {
        Some(kernel) => {
            let placed = folded.place(header, (bitmap.width, bitmap.height), scene.is_whole);
            let size = (folded.window.width, folded.window.height);
            resample(bitmap, placed.view, placed.area, size, kernel, deadline)?
        }
        None => bitmap.into_owned(),
    };
    until.check(Before::Step)?;
    // Other colours after the first resize, when there are fewest of them, and before any of ours is drawn.
    let working = Working::of(plan.output.space, &bitmap, icc)?;
    bitmap = working.enter(bitmap, icc)?;
    let mut turn = folded.turn;
    let mut rest = folded.rest;
    while let Some((op, after)) = rest.split_first() {
        until.check(Before::Step)?;
        // Colours that follow each other are one pass over the pixels.
        let adjusts: Vec<Adjust> =
            rest.iter().map_while(Op::adjust).map(|one| drawn(one, &working)).collect();
        if adjusts.is_empty() {
            (bitmap, turn) = step(bitmap, turn, op, scene, (&working, &mut *choices))?;
            rest = after;
        } else {
            rest = &rest[adjusts.len()..];
            bitmap = adjust(bitmap, &adjusts, deadline)?;
        }
    }
    until.check(Before::Step)?;
    bitmap = if has_alpha(plan.output.format) || !plan.output.rivals.is_empty() {
        without_idle_alpha(bitmap)
    } else {
        flatten(bitmap, working.drawn(plan.output.flatten))
    };
    Ok((turn.apply(bitmap), working))
}

/// One operation on a picture that is still to be turned by `turn`.
fn step(
    bitmap: Bitmap,
    turn: Turn,
    op: &Op,
    &Scene { plan: Plan { output, .. }, others, until: Until { deadline, .. }, .. }: &Scene<'_>,
    (working, choices): (&Working<'_>, &mut Choices),
) -> Result<(Bitmap, Turn), RenderError> {
    let now = (bitmap.width, bitmap.height);
    let bitmap = match *op {
        Op::Crop(rect) if within(rect, turn.size(now)) => crop(bitmap, turn.back(rect, now)),
        Op::Crop(_) => return Err(RenderError::Plan("a crop leaves the picture")),
        Op::Resize { width, height, kernel } => {
            let area = Area { left: 0.0, top: 0.0, width: f64::from(now.0), height: f64::from(now.1) };
            resample(Cow::Owned(bitmap), whole(now), area, turn.size((width, height)), kernel, deadline)?
        }
        Op::Canvas { width, height, x, y, background } => {
            let (pw, ph) = turn.size(now);
            let at = Rect { x, y, width: pw, height: ph };
            if !within(at, (width, height)) {
                return Err(RenderError::Plan("a canvas is smaller than its picture"));
            }
            let size = turn.size((width, height));
            let at = turn.back(at, size);
            match background {
                Fill::Soft(sigma) => {
                    let ground = soft(&bitmap, size, sigma.unwrap_or_default().as_f64(), deadline)?;
                    draw(ground, &bitmap, (at.x.into(), at.y.into()), 255)
                }
                fill => canvas(&bitmap, size, at, solid(fill, &bitmap, output, working, choices)?),
            }
        }
        Op::Overlay(ref on_top) => {
            let space = Space {
                colour: &|colour| working.drawn(colour),
                enter: &|picture| working.drawn_on(picture),
            };
            let bitmap = turn.apply(bitmap);
            return Ok((overlay(bitmap, on_top, others, &space, choices, deadline)?, Turn::default()));
        }
        Op::Choose { width, height, by, dx, dy } => {
            let bitmap = turn.apply(bitmap);
            let (x, y) =
                choices.corners.or_decide(|| most_interesting(&bitmap, (width, height), by, deadline))?;
            let moved = |at: u32, by: i32, free: u32| at.saturating_add_signed(by).min(free);
            let (x, y) = (moved(x, dx, bitmap.width - width), moved(y, dy, bitmap.height - height));
            return Ok((crop(bitmap, Rect { x, y, width, height }), Turn::default()));
        }
        Op::Tilt { degrees, width, height, background } => {
            let bitmap = turn.apply(bitmap);
            let size = (width, height);
            let tilted = rotate(&bitmap, degrees.as_f64(), size, deadline)?;
            let drawn = match background {
                Fill::Clear => tilted,
                Fill::Soft(sigma) => {
                    let ground = soft(&bitmap, size, sigma.unwrap_or_default().as_f64(), deadline)?;
                    draw(ground, &tilted, (0, 0), 255)
                }
                fill => canvas(&tilted, size, whole(size), solid(fill, &bitmap, output, working, choices)?),
            };
            return Ok((drawn, Turn::default()));
        }
        Op::Rotate(_) | Op::Flip | Op::Flop => return Ok((bitmap, turn.then(op).unwrap_or(turn))),
        Op::Adjust(one) => adjust(bitmap, &[drawn(one, working)], deadline)?,
        Op::Blur(sigma) => blur(bitmap, sigma.as_f64(), deadline)?,
        Op::Sharpen(sigma) => sharpen(bitmap, sigma.as_f64(), deadline)?,
        Op::Median(size) => median(&bitmap, size, deadline)?,
        Op::Border { px, colour, radii: [0, 0, 0, 0] } => border(bitmap, px, working.drawn(colour), [0; 4]),
        // These have a first corner, so the picture has to stand upright.
        Op::Pixelate(side) => return Ok((pixelate(turn.apply(bitmap), side, deadline)?, Turn::default())),
        Op::Round(radii) => return Ok((round(turn.apply(bitmap), radii), Turn::default())),
        Op::Border { px, colour, radii } => {
            return Ok((border(turn.apply(bitmap), px, working.drawn(colour), radii), Turn::default()));
        }
    };
    Ok((bitmap, turn))
}

/// Colours that are drawn are those of the space that is worked in.
fn drawn(adjust: Adjust, working: &Working<'_>) -> Adjust {
    match adjust {
        Adjust::Tint(colour) => Adjust::Tint(working.drawn(colour)),
        Adjust::Duotone(dark, light, percent) => {
            Adjust::Duotone(working.drawn(dark), working.drawn(light), percent)
        }
        other => other,
    }
}

/// The one colour behind a picture. An unnamed background is clear where the format can say so.
fn solid(
    background: Fill,
    bitmap: &Bitmap,
    output: &Output,
    working: &Working<'_>,
    choices: &mut Choices,
) -> Result<Colour, RenderError> {
    Ok(match background {
        // Told from pixels, so it is one of the space that is worked in already.
        Fill::Edges => choices.edges.or_decide(|| Ok::<_, RenderError>(edge_colour(bitmap)))?,
        Fill::Colour(colour) => working.drawn(colour),
        Fill::Clear | Fill::Soft(_) if has_alpha(output.format) || !output.rivals.is_empty() => {
            Colour { r: 0, g: 0, b: 0, a: 0 }
        }
        Fill::Clear | Fill::Soft(_) => working.drawn(Colour { a: 255, ..output.flatten }),
    })
}

fn has_alpha(format: Format) -> bool {
    format.can_have_alpha()
}

/// The colours in which a plan works and in which its result is.
pub(crate) enum Working<'a> {
    Srgb,
    /// Display P3, with its profile.
    P3(Vec<u8>),
    /// The source's own.
    Own(&'a [u8]),
}

impl<'a> Working<'a> {
    fn of(space: words::Space, bitmap: &Bitmap, icc: Option<&'a [u8]>) -> Result<Self, CodecError> {
        let coloured = matches!(bitmap.layout, Layout::Rgb | Layout::Rgba);
        Ok(match (space, icc) {
            (words::Space::P3, _) => Self::P3(codec::colour::p3_profile()?),
            (words::Space::Keep, Some(icc)) if coloured && codec::colour::can_keep(icc) => Self::Own(icc),
            (words::Space::Srgb | words::Space::Keep, _) => Self::Srgb,
        })
    }

    fn enter(&self, bitmap: Bitmap, icc: Option<&[u8]>) -> Result<Bitmap, CodecError> {
        match self {
            Self::Srgb => codec::colour::to_srgb(bitmap, icc),
            Self::P3(_) => codec::colour::to_p3(bitmap, icc),
            Self::Own(_) => Ok(bitmap),
        }
    }

    /// What a result has to carry; grays are the same in sRGB and P3.
    pub(crate) fn profile(&self, result: &Bitmap) -> Option<&[u8]> {
        match self {
            _ if result.layout == Layout::Gray => None,
            Self::Srgb => None,
            Self::P3(icc) => Some(icc),
            Self::Own(icc) => Some(icc),
        }
    }

    /// A picture in sRGB that is drawn on this one.
    fn drawn_on(&self, picture: Bitmap) -> Bitmap {
        match self {
            Self::Srgb => picture,
            Self::P3(icc) => codec::colour::enter(picture, icc),
            Self::Own(icc) => codec::colour::enter(picture, icc),
        }
    }

    /// A colour of the spec, which is sRGB.
    fn drawn(&self, colour: Colour) -> Colour {
        let icc = match self {
            Self::Srgb => return colour,
            Self::P3(icc) => icc.as_slice(),
            Self::Own(icc) => icc,
        };
        let [r, g, b] = codec::colour::from_srgb([colour.r, colour.g, colour.b], icc);
        Colour { r, g, b, a: colour.a }
    }
}
