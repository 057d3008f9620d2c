//! What is written: format, quality, effort and all that an encoder is told, with settings that a format does not know
//! folded to one value, so that they cannot split keys.

use crate::codec::{Format, Header, Orientation, avif};
use crate::transform::client::Accepts;
use crate::transform::error::{Place, SpecError};
use crate::transform::frames;
use crate::transform::options::Key;
use crate::transform::plan::{Colour, Form, Frames, Metadata, Output, Plan, Quality, Subsample, Told};
use crate::transform::quality::palette_quality;
use crate::transform::spec::{Entry, Spec};
use crate::transform::value::Value;
use crate::transform::words::{Space, Wanted};

/// How hard encoders try while a person waits; slower settings are for the background.
pub(super) mod effort {
    use super::{Format, Output, Quality, avif};

    /// Method 2 costs 0.4 × the CPU of the default 4 for 3 % more bytes at equal score.
    pub(in crate::transform::resolve) const WEBP: u8 = 2;
    /// Up to so many pixels decoding is most of the work, and 6 % fewer bytes cost 3 ms.
    pub(in crate::transform::resolve) const SMALL_WEBP: u64 = 200_000;
    pub(in crate::transform::resolve) const WEBP_WHEN_SMALL: u8 = 5;
    /// The small rectangles of an animation gain more from it than whole pictures: 4 to 10 % of the bytes.
    pub(in crate::transform::resolve) const ANIMATED_WEBP: u8 = 4;
    /// From here on nobody wants to wait for the denser of the two.
    pub(in crate::transform::resolve) const LARGE_AVIF: u64 = 2_000_000;
    /// fdeflate; denser settings cost several times the CPU for a few per cent.
    pub(in crate::transform::resolve) const PNG: u8 = 1;
    /// libjpeg-turbo has no scale of its own.
    pub(in crate::transform::resolve) const JPEG: u8 = 0;

    /// What pays where somebody does.
    pub(in crate::transform::resolve) fn by_size(output: &Output, pixels: u64) -> u8 {
        match output.format {
            Format::Avif if pixels >= LARGE_AVIF => avif::effort::LARGE,
            Format::Avif => avif::effort::SMALL,
            Format::Webp if pixels <= SMALL_WEBP && output.quality != Quality::Lossless => WEBP_WHEN_SMALL,
            _ => output.effort,
        }
    }

    /// What pays where nobody waits, for several times the CPU: at equal q 3 to 8 % fewer bytes as WebP and 7 to 10 % as
    /// PNG, at equal score 6 % as AVIF (at equal q some more bytes and a better picture).
    pub(in crate::transform::resolve) fn background(output: &Output) -> u8 {
        match output.format {
            Format::Webp => 6,
            Format::Avif => avif::effort::BACKGROUND,
            Format::Png if output.told.is_none() => 7,
            _ => output.effort,
        }
    }
}

/// The format that is written for a word, if one word means one.
pub(super) fn encoded(wanted: Wanted) -> Option<Format> {
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

pub(super) fn original(spec: &Spec, header: &Header) -> Plan {
    let (width, height) = header.oriented();
    Plan {
        frames: Frames::First,
        orientation: Orientation::UPRIGHT,
        ops: Vec::new(),
        width,
        height,
        output: Output { original: true, metadata: spec.metadata(), ..Output::plain(header.format) },
        otherwise: None,
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
    let metadata = if silent { Metadata::None } else { Metadata::Copyright };
    let told = Some(Told { form, width: 0, height: 0 });
    Output { metadata, told, ..Output::plain(Format::Png) }
}

/// Which results can say what space they are in.
fn holds_profiles(format: Format) -> bool {
    matches!(format, Format::Jpeg | Format::Png | Format::Webp | Format::Avif | Format::Tiff)
}

/// What is written. Settings that the format does not know are set to one value, so that they cannot split keys.
pub(super) fn output(spec: &Spec, header: &Header, accepts: Accepts) -> Result<Output, SpecError> {
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
