//! What a plan will take, told from the header alone: bytes for the memory budget and seconds for the queue.

use std::time::Instant;

use crate::codec::{self, Format, Header, avif, frames, palette};
use crate::transform::mezzanine::Need;
use crate::transform::plan::{Adjust, Fill, Frames, Op, Output, Plan, Quality};
use crate::transform::steps::fold::Folded;
use crate::transform::steps::overlay;
use crate::transform::steps::resample;
use crate::transform::steps::turn::Turn;

/// Where the pixels of a plan come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decoding {
    /// A decode of its own.
    Own,
    /// A decode for others too, of which this plan's is the first.
    Common(Need),
    /// One that is there already, of so many bytes.
    Done(u64),
}

/// An upper estimate of the bytes that rendering holds at its peak, the result included and the original's bytes not.
pub fn memory(header: &Header, plan: &Plan, decoding: Decoding) -> u64 {
    /// Filter weights, encoder tables and the like.
    const FIXED: u64 = 1 << 20;
    if plan.output.original {
        let made = plan.otherwise.as_ref().map_or(0, |made| memory(header, made, decoding));
        return if header.format == Format::Svg { codec::svg::cleaning_memory() } else { made };
    }
    let Some(folded) = Folded::of(header, plan) else { return 0 };
    let mut size = (folded.window.width, folded.window.height);
    let now = Instant::now();
    let decoded = match decoding {
        _ if plan.frames != Frames::First && frames::is_animated(header) => frames::memory(header),
        Decoding::Own => codec::decode_memory(header, &folded.request(header, now)),
        // With its halves; and what has alpha is copied to be weighed.
        Decoding::Common(need) => codec::decode_memory(header, &need.request(now)) * 4 / 3 * copies(header),
        Decoding::Done(bytes) => bytes * copies(header),
    };
    let mut peak = decoded + pixels(size) * 4 + (resample::BAND_BYTES as u64).min(pixels(size) * 8);
    for op in folded.rest {
        let before = size;
        size = after(size, op, &folded);
        // A sharper picture is made of the picture, a soft one and the one between.
        let third = match op {
            Op::Sharpen(_) => pixels(size) * 4,
            // Fitted into a box that may be larger than the picture.
            Op::Overlay(overlay) => {
                let side = |side: Option<u32>, own: u32| side.unwrap_or(own);
                let top = (side(overlay.width, size.0), side(overlay.height, size.1));
                pixels(top) * 8
            }
            _ => 0,
        };
        peak = peak.max((pixels(before) + pixels(size)) * 4 + third);
    }
    let turned = if folded.turn == Turn::default() && folded.rest.is_empty() { 4 } else { 8 };
    peak.max(pixels(size) * turned).max(pixels(size) * (4 + encoder_bytes(header, plan)))
        + encoder_fixed(plan)
        + between_frames(plan, pixels(size))
        + FIXED
}

/// What an encoder of animations holds of other frames than the one it is given.
fn between_frames(plan: &Plan, pixels: u64) -> u64 {
    match plan.output.format {
        _ if !plan.frames.is_animated() => 0,
        // Three canvases, and the file so far.
        Format::Webp => pixels * 16,
        // Canvas, waiting frame, and the colours that a palette is made of.
        Format::Gif => pixels * 32,
        _ => pixels * 12,
    }
}

fn copies(header: &Header) -> u64 {
    if header.has_alpha { 2 } else { 1 }
}

/// Roughly how long one worker will be busy.
pub fn seconds(header: &Header, plan: &Plan, decoding: Decoding) -> f64 {
    /// Probing, tables, allocation: what even the smallest picture costs.
    const FIXED: f64 = 0.0005;
    if plan.output.original {
        let made = plan.otherwise.as_ref().map_or(0.0, |made| seconds(header, made, decoding));
        return if header.format == Format::Svg { drawing(0) } else { FIXED + made };
    }
    let Some(folded) = Folded::of(header, plan) else { return FIXED };
    let request = match decoding {
        Decoding::Common(need) => need.request(Instant::now()),
        Decoding::Own | Decoding::Done(_) => folded.request(header, Instant::now()),
    };
    let stored = u64::from(header.width) * u64::from(header.height);
    let decoded = request.region.map_or(stored, |r| u64::from(r.width) * u64::from(r.height));
    let kept = request.target.map_or(decoded, pixels);
    let mut size = (folded.window.width, folded.window.height);
    let mut touched = pixels(size);
    let mut worked = 0.0;
    for op in folded.rest {
        size = after(size, op, &folded);
        touched += pixels(size);
        worked += megapixels(pixels(size)) * work_seconds(op);
    }
    let decode = match decoding {
        Decoding::Done(_) => 0.0,
        // As large as it is drawn, not as it calls itself.
        _ if header.format == Format::Svg => drawing(kept),
        Decoding::Own | Decoding::Common(_) => decode(header),
    };
    // A size that is not met at once is met after some three more attempts.
    let attempts = if plan.output.max_bytes.is_some() { 4.0 } else { 1.0 };
    let encode =
        megapixels(pixels(size)) * plan.output.contestants().map(encode_seconds).sum::<f64>() * attempts;
    let moved = megapixels(kept + touched) * 0.008;
    match plan.frames {
        // Those before it are composed too, where it is not a page.
        Frames::One(number) if frames::is_animated(header) => {
            FIXED + decode * f64::from(number + 1) + worked + moved + encode
        }
        Frames::First | Frames::One(_) => FIXED + decode + worked + moved + encode,
        Frames::All(_) => {
            // Every attempt reads the frames again.
            let frame = (decode + worked + moved) * attempts + encode;
            FIXED + frame * f64::from(plan.frames.count(header))
        }
    }
}

/// Bytes and seconds of decoding the pictures that are drawn on top, whose headers are `others`.
pub fn overlays(plan: &Plan, others: &[Header]) -> (u64, f64) {
    let known = plan.overlays().filter_map(|(number, overlay)| Some((overlay, others.get(number)?)));
    known.fold((0, 0.0), |(bytes, seconds), (overlay, header)| {
        // How much room there is for one without sides is not known here: its own size is the most it takes.
        let sides = (overlay.width, overlay.height);
        let (request, size) = overlay::request(header, sides, header.oriented(), Instant::now());
        let memory = codec::decode_memory(header, &request) + pixels(size) * 4;
        (bytes + memory, seconds + decode(header) + megapixels(pixels(size)) * 0.02)
    })
}

/// The part of it that goes into decoding.
pub fn decode(header: &Header) -> f64 {
    let stored = u64::from(header.width) * u64::from(header.height);
    if header.format == Format::Svg { drawing(stored) } else { megapixels(stored) * decode_seconds(header) }
}

/// A process, and what a drawing usually takes.
fn drawing(pixels: u64) -> f64 {
    0.02 + megapixels(pixels) * 0.06
}

/// In stored orientation, like everything until the last turn.
fn after(size: (u32, u32), op: &Op, folded: &Folded<'_>) -> (u32, u32) {
    match *op {
        Op::Crop(rect) => folded.turn.size((rect.width, rect.height)),
        Op::Resize { width, height, .. }
        | Op::Canvas { width, height, .. }
        | Op::Choose { width, height, .. }
        | Op::Tilt { width, height, .. } => folded.turn.size((width, height)),
        Op::Border { px, .. } => (size.0 + 2 * px, size.1 + 2 * px),
        _ => size,
    }
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn megapixels(pixels: u64) -> f64 {
    pixels as f64 / 1e6
}

/// Seconds a stored megapixel; entropy decoding touches all of them, however little is kept.
fn decode_seconds(header: &Header) -> f64 {
    match header.format {
        Format::Jpeg if header.progressive => 0.008,
        Format::Jpeg => 0.003,
        Format::Webp => 0.010,
        Format::Png if header.has_alpha || header.depth > 8 => 0.018,
        Format::Png => 0.012,
        Format::Avif if header.depth > 8 => 0.12,
        Format::Avif => 0.07,
        Format::Heic => 0.14,
        Format::Jxl => 0.06,
        Format::Tiff => 0.03,
        Format::Gif | Format::Bmp | Format::Ico | Format::Svg => 0.015,
    }
}

/// Seconds a megapixel of what an operation works on, beside touching it.
fn work_seconds(op: &Op) -> f64 {
    match op {
        Op::Adjust(_) | Op::Pixelate(_) | Op::Round(_) | Op::Border { .. } => 0.01,
        Op::Blur(_) | Op::Sharpen(_) => 0.06,
        Op::Median(size) => 0.05 + 0.012 * f64::from(*size),
        Op::Tilt { .. } | Op::Canvas { background: Fill::Soft(_), .. } => 0.12,
        Op::Overlay(_) => 0.06,
        // A small copy and a few thousand windows.
        Op::Choose { .. } => 0.02,
        Op::Crop(_) | Op::Resize { .. } | Op::Canvas { .. } | Op::Rotate(_) | Op::Flip | Op::Flop => 0.0,
    }
}

/// Seconds a megapixel of the result.
fn encode_seconds(output: &Output) -> f64 {
    let effort = f64::from(output.effort);
    match output.format {
        // A palette, and the nearest of its colours for every pixel.
        Format::Gif => 0.25,
        Format::Jpeg if output.progressive == Some(false) => 0.006,
        Format::Jpeg => 0.015,
        Format::Webp if output.quality == Quality::Lossless => 1.2,
        Format::Webp => 0.015_f64.max(0.03 * effort - 0.01),
        // A dozen cosines a pixel, of very few pixels.
        _ if output.told.is_some() => 2.0,
        Format::Avif => avif::seconds_per_megapixel(output.effort),
        Format::Png if output.quality != Quality::Lossless => 0.45,
        Format::Tiff => 0.03,
        Format::Bmp => 0.005,
        _ if effort <= 2.0 => 0.04,
        _ => 0.12,
    }
}

/// Bytes a pixel of the result that the encoder needs beside the pixels, its output included.
fn encoder_bytes(header: &Header, plan: &Plan) -> u64 {
    plan.output.contestants().map(|output| bytes_in(header, plan, output)).max().unwrap_or(0)
        // The smallest file so far.
        + if plan.output.rivals.is_empty() { 0 } else { 3 }
}

fn bytes_in(header: &Header, plan: &Plan, output: &Output) -> u64 {
    let clear = |op: &Op| match op {
        Op::Canvas { background, .. } => background.is_clear(),
        Op::Tilt { .. } => true,
        Op::Round(_) | Op::Border { .. } | Op::Adjust(Adjust::Opacity(_)) => true,
        _ => false,
    };
    match output.format {
        Format::Webp if output.quality == Quality::Lossless => 52,
        Format::Webp if header.has_alpha || plan.ops.iter().any(clear) => 20,
        Format::Avif => avif::bytes_per_pixel(output.effort),
        // Colours to count, and indices.
        Format::Gif => 16,
        Format::Png if output.quality != Quality::Lossless => 10 + palette::memory_per_pixel(),
        // The picture by numbers, and those packed.
        Format::Png => 8,
        Format::Tiff | Format::Bmp | Format::Ico => 8,
        // Coefficients of all scans.
        Format::Jpeg if output.progressive != Some(false) => 14,
        _ => 6,
    }
}

/// Bytes that an encoder needs even for one pixel.
fn encoder_fixed(plan: &Plan) -> u64 {
    if plan.output.format == Format::Avif { 5 << 20 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Orientation;
    use crate::transform::{Client, Presets, ResolveLimits, SourceFacts, Spec, resolve};

    fn cost(format: Format, (width, height): (u32, u32), spec: &str) -> (u64, f64) {
        let orientation = Orientation::UPRIGHT;
        let header = Header {
            format,
            width,
            height,
            orientation,
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: false,
        };
        let facts = SourceFacts { header: header.clone(), focal: None };
        let spec = Spec::parse(spec, &Presets::default()).unwrap();
        let plan = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap();
        (memory(&header, &plan, Decoding::Own), seconds(&header, &plan, Decoding::Own))
    }

    /// 32 of them at once have to fit into 100 MB with two at work.
    #[test]
    fn a_photo_made_small_is_cheap() {
        let (bytes, seconds) = cost(Format::Jpeg, (4032, 3024), "w_300,f_jpg");
        assert!((1 << 20..8 << 20).contains(&bytes), "{bytes}");
        assert!((0.01..0.08).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_is_kept_and_what_is_encoded_count() {
        let photo = |spec| cost(Format::Jpeg, (4032, 3024), spec);
        assert!(photo("w_2000,f_jpg") > photo("w_300,f_jpg"));
        assert!(photo("w_1200,f_avif") > photo("w_1200,f_webp"));
        assert!(photo("w_1200,f_webp").1 > photo("w_1200,f_jpg").1);
        assert!(photo("w_1200,pad_1000,f_webp").0 > photo("w_1200,f_webp").0);
        let whole = 4032 * 3024 * 3;
        assert!(photo("f_webp").0 > whole);
    }

    #[test]
    fn a_decode_that_is_there_is_not_paid_again() {
        let header = Header {
            format: Format::Jpeg,
            width: 4032,
            height: 3024,
            orientation: Orientation::UPRIGHT,
            frames: 1,
            has_alpha: false,
            depth: 8,
            progressive: false,
        };
        let facts = SourceFacts { header: header.clone(), focal: None };
        let plan = |spec| {
            let spec = Spec::parse(spec, &Presets::default()).unwrap();
            resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap()
        };
        let (small, large) = (plan("w_320,f_webp"), plan("w_1920,f_webp"));
        let need = Need::of(&header, &small).unwrap().and(Need::of(&header, &large).unwrap());
        let seconds = |decoding| seconds(&header, &small, decoding);
        assert!(seconds(Decoding::Done(0)) < seconds(Decoding::Own));
        assert!(seconds(Decoding::Own) < seconds(Decoding::Common(need)));
        let memory = |decoding| memory(&header, &small, decoding);
        assert!(memory(Decoding::Own) * 4 < memory(Decoding::Common(need)));
        assert!(memory(Decoding::Done(0)) < memory(Decoding::Own));
    }

    #[test]
    fn every_frame_costs() {
        let animation = |frames, spec: &str| {
            let header = Header {
                format: Format::Gif,
                width: 600,
                height: 400,
                orientation: Orientation::UPRIGHT,
                frames,
                has_alpha: false,
                depth: 8,
                progressive: false,
            };
            let facts = SourceFacts { header: header.clone(), focal: None };
            let spec = Spec::parse(spec, &Presets::default()).unwrap();
            let plan = resolve(&spec, &facts, &Client::default(), &ResolveLimits::default()).unwrap();
            (memory(&header, &plan, Decoding::Own), seconds(&header, &plan, Decoding::Own))
        };
        let (still, ten, hundred) =
            (animation(1, "w_300,f_webp"), animation(10, "w_300,f_webp"), animation(100, "w_300,f_webp"));
        assert!(ten.1 > still.1 * 8.0 && hundred.1 > ten.1 * 9.0, "{still:?} {ten:?} {hundred:?}");
        assert_eq!(ten.0, hundred.0, "frames are not held");
        assert!(animation(100, "w_300,f_webp,mf_10").1 < ten.1 * 1.01);
        assert!(animation(100, "w_300,f_webp,an_0").1 < ten.1);
        assert!(animation(100, "w_300,f_webp,pg_50").1 > animation(100, "w_300,f_webp,pg_1").1);
    }

    #[test]
    fn originals_cost_next_to_nothing() {
        let (bytes, seconds) = cost(Format::Jpeg, (4032, 3024), "f_orig");
        assert_eq!(bytes, 0);
        assert!(seconds < 0.01);
    }
}
