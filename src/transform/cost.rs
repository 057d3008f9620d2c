//! What a plan will take, told from the header alone: bytes for the memory budget and seconds for the queue.

use std::time::Instant;

use crate::codec::{self, Format, Header};
use crate::transform::plan::{Op, Plan, Quality};
use crate::transform::steps::fold::Folded;

/// An upper estimate of the bytes that rendering holds at its peak, the result included and the original's bytes not.
pub fn memory(header: &Header, plan: &Plan) -> u64 {
    /// The resizer's intermediate buffer, encoder tables and the like.
    const FIXED: u64 = 2 << 20;
    if plan.output.original {
        return 0;
    }
    let Some(folded) = Folded::of(header, plan) else { return 0 };
    let mut size = (folded.window.width, folded.window.height);
    let mut peak = codec::decode_memory(header, &folded.request(header, Instant::now())) + pixels(size) * 4;
    for op in folded.rest {
        let before = size;
        size = after(size, op, &folded);
        peak = peak.max((pixels(before) + pixels(size)) * 4);
    }
    // A turn that transposes, and a change of colours, write a second picture.
    peak.max(pixels(size) * 8).max(pixels(size) * (4 + encoder_bytes(plan))) + FIXED
}

/// Roughly how long one worker will be busy.
pub fn seconds(header: &Header, plan: &Plan) -> f64 {
    /// Probing, tables, allocation: what even the smallest picture costs.
    const FIXED: f64 = 0.0005;
    if plan.output.original {
        return FIXED;
    }
    let Some(folded) = Folded::of(header, plan) else { return FIXED };
    let request = folded.request(header, Instant::now());
    let stored = u64::from(header.width) * u64::from(header.height);
    let decoded = request.region.map_or(stored, |r| u64::from(r.width) * u64::from(r.height));
    let kept = request.target.map_or(decoded, pixels);
    let mut size = (folded.window.width, folded.window.height);
    let mut touched = pixels(size);
    for op in folded.rest {
        size = after(size, op, &folded);
        touched += pixels(size);
    }
    FIXED
        + megapixels(stored) * decode_seconds(header)
        + megapixels(kept + touched) * 0.008
        + megapixels(pixels(size)) * encode_seconds(plan)
}

/// In stored orientation, like everything until the last turn.
fn after(size: (u32, u32), op: &Op, folded: &Folded<'_>) -> (u32, u32) {
    match *op {
        Op::Crop(rect) => folded.turn.size((rect.width, rect.height)),
        Op::Resize { width, height, .. } | Op::Canvas { width, height, .. } => {
            folded.turn.size((width, height))
        }
        Op::Rotate(_) | Op::Flip | Op::Flop => size,
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
        Format::Jpeg if header.progressive => 0.010,
        Format::Jpeg => 0.003,
        Format::Webp => 0.010,
        Format::Png => 0.018,
        _ => 0.030,
    }
}

/// Seconds a megapixel of the result.
fn encode_seconds(plan: &Plan) -> f64 {
    let output = &plan.output;
    match output.format {
        Format::Jpeg if output.progressive == Some(false) => 0.004,
        Format::Jpeg => 0.012,
        Format::Webp if output.quality == Quality::Lossless => 0.6,
        Format::Webp => 0.030 + 0.020 * f64::from(output.effort),
        // ravif's speed: 1 is the slowest of 10.
        Format::Avif => 0.3 * 1.9_f64.powi(10 - i32::from(output.effort.clamp(1, 10))),
        _ => 0.120,
    }
}

/// Bytes a pixel of the result that the encoder needs beside the pixels, its output included.
fn encoder_bytes(plan: &Plan) -> u64 {
    match plan.output.format {
        Format::Jpeg => 8,
        Format::Webp if plan.output.quality == Quality::Lossless => 40,
        Format::Webp => 12,
        Format::Avif => 100,
        _ => 10,
    }
}
