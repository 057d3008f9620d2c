//! A JPEG to pixels, at the smallest of the four sizes that libjpeg makes cheaply (1/8, 1/4, 1/2, 1) that still
//! has every pixel the request needs.

use std::borrow::Cow;

use crate::codec::{Bitmap, DecodeRequest, Decoded, Layout, Rect};

use super::{CodecError, broken, markers, sys};

/// libjpeg offers eighths in between; 3/8 cost 2 dB against 1/2, so they are not used.
const DENOMINATORS: [u32; 3] = [8, 4, 2];

/// How far the edge of a region may be moved to meet a scaled pixel, in pixels of the result. A region that begins
/// between scaled pixels is otherwise decoded larger, where the same step is half as long.
const MAX_SHIFT: f64 = 0.25;

/// Upsampling chroma looks at neighbours, which libjpeg does not have beyond a crop. So many columns more are
/// decoded on either side: one iMCU at the largest, so that every pixel equals that of the whole picture.
const CROP_MARGIN: u32 = 32;

/// Of a damaged or cut file at least this much must have been intact, in parts of its rows.
const MIN_INTACT: f64 = 0.05;

/// Encoders use ten or so.
const MAX_SCANS: u32 = 100;

/// Rows per call of the shim.
const BATCH: usize = 64;
const SKIP: usize = 256;

/// Decodes what `request` needs, in the colour space of the file.
///
/// A file that ends early or is damaged gives the picture as far as it goes, if [`MIN_INTACT`] of it is there. The
/// deadline is checked by the shim at every row of blocks, in each of a progressive file's scans too.
pub(crate) fn decode(bytes: &[u8], request: &DecodeRequest) -> Result<Decoded, CodecError> {
    let frame = markers::header(bytes)?;
    let region = checked_region(request.region, &frame)?;
    let denominator =
        if frame.lossless { 1 } else { denominator(region, request.target, frame.width, frame.height) };
    let needed = if frame.progressive {
        markers::needed_scans(bytes, &frame, MAX_SCANS, denominator == 8)?
    } else {
        Cow::Borrowed(bytes)
    };
    let mut decoder = sys::Decoder::new(&needed, request.deadline, MAX_SCANS)?;
    let header = decoder.header()?;
    // The limits were checked on our reading of the header; libjpeg must not see another picture.
    if (header.width, header.height, header.components, header.precision)
        != (frame.width, frame.height, u32::from(frame.components), u32::from(frame.depth))
    {
        return Err(broken("its headers contradict each other"));
    }
    let layout = match header.channels {
        1 => Layout::Gray,
        3 => Layout::Rgb,
        4 => Layout::Cmyk,
        _ => return Err(broken("its colour space is unknown")),
    };
    // Coefficients that were left out on purpose are not to be guessed from their neighbours.
    let full = decoder.start(denominator, matches!(needed, Cow::Borrowed(_)), layout.channels())?;
    let window = scaled(region, denominator, &frame, full);
    let mut bitmap = read_window(&mut decoder, window, full, layout, frame.lossless)?;
    check_damage(&decoder, frame.height)?;
    if layout == Layout::Cmyk && header.adobe != 0 {
        bitmap.data.iter_mut().for_each(|ink| *ink = 255 - *ink);
    }
    Ok(Decoded { bitmap, icc: markers::icc_profile(bytes) })
}

fn checked_region(region: Option<Rect>, frame: &markers::JpegHeader) -> Result<Rect, CodecError> {
    let whole = Rect { x: 0, y: 0, width: frame.width, height: frame.height };
    let region = region.unwrap_or(whole);
    let fits = |from: u32, len: u32, side: u32| len > 0 && from < side && len <= side - from;
    if fits(region.x, region.width, frame.width) && fits(region.y, region.height, frame.height) {
        Ok(region)
    } else {
        Err(broken("the region is outside of the picture"))
    }
}

/// The largest reduction that leaves at least the target's pixels and keeps the region's edges in place.
fn denominator(region: Rect, target: Option<(u32, u32)>, width: u32, height: u32) -> u32 {
    let Some((target_width, target_height)) = target else { return 1 };
    DENOMINATORS
        .into_iter()
        .find(|&d| {
            fits_scaled(region.x, region.width, width, target_width, d)
                && fits_scaled(region.y, region.height, height, target_height, d)
        })
        .unwrap_or(1)
}

/// One axis of [`denominator`]'s question.
fn fits_scaled(from: u32, len: u32, side: u32, target: u32, denominator: u32) -> bool {
    let (start, end) = scaled_span(from, len, side, denominator);
    let scale = f64::from(target) / f64::from(end - start).max(1.0);
    let shift = |stored: u32, scaled: u32| {
        (f64::from(stored) / f64::from(denominator) - f64::from(scaled)).abs() * scale
    };
    // The picture's own last pixel may stand for less than a block; nothing was moved there.
    let end_shift = if from + len == side { 0.0 } else { shift(from + len, end) };
    end - start >= target && shift(from, start) <= MAX_SHIFT && end_shift <= MAX_SHIFT
}

/// The scaled pixels nearest to a span of stored ones.
fn scaled_span(from: u32, len: u32, side: u32, denominator: u32) -> (u32, u32) {
    let nearest = |stored: u32| (stored + denominator / 2) / denominator;
    let end = if from + len == side { side.div_ceil(denominator) } else { nearest(from + len) };
    (nearest(from).min(end.saturating_sub(1)), end.max(1))
}

fn scaled(region: Rect, denominator: u32, frame: &markers::JpegHeader, full: (u32, u32)) -> Rect {
    let (left, right) = scaled_span(region.x, region.width, frame.width, denominator);
    let (top, bottom) = scaled_span(region.y, region.height, frame.height, denominator);
    let (right, bottom) = (right.min(full.0), bottom.min(full.1));
    Rect { x: left, y: top, width: right - left, height: bottom - top }
}

/// Reads the window's pixels; columns and rows outside of it are not even transformed, where libjpeg can leave
/// them out.
fn read_window(
    decoder: &mut sys::Decoder<'_>,
    window: Rect,
    (width, _): (u32, u32),
    layout: Layout,
    lossless: bool,
) -> Result<Bitmap, CodecError> {
    let channels = layout.channels();
    let (mut x, mut across) = (0, width);
    if window.width < width && !lossless {
        let left = window.x.saturating_sub(CROP_MARGIN);
        let right = (window.x + window.width + CROP_MARGIN).min(width);
        (x, across) = decoder.crop(left, right - left, channels)?;
    }
    if !lossless {
        // In portions, because the deadline is checked between calls only.
        for y in (0..window.y).step_by(SKIP) {
            decoder.skip((window.y - y).min(SKIP as u32))?;
        }
    }
    let row = window.width as usize * channels;
    let mut data = vec![0; row * window.height as usize];
    if lossless {
        let mut above = vec![0; across as usize * channels];
        for _ in 0..window.y {
            decoder.read(&mut above)?;
        }
    }
    if across == window.width {
        for rows in data.chunks_mut(row * BATCH) {
            decoder.read(rows)?;
        }
    } else {
        let wide = across as usize * channels;
        let skipped = (window.x - x) as usize * channels;
        let mut scratch = vec![0; wide * BATCH.min(window.height as usize)];
        for rows in data.chunks_mut(row * BATCH) {
            let scratch = &mut scratch[..rows.len() / row * wide];
            decoder.read(scratch)?;
            for (out, from) in rows.chunks_exact_mut(row).zip(scratch.chunks_exact(wide)) {
                out.copy_from_slice(&from[skipped..skipped + row]);
            }
        }
    }
    Ok(Bitmap { width: window.width, height: window.height, layout, data })
}

/// A picture is worth showing when part of it is real.
fn check_damage(decoder: &sys::Decoder<'_>, height: u32) -> Result<(), CodecError> {
    let damage = decoder.damage();
    if damage.warnings == 0 || f64::from(damage.lines) >= f64::from(height) * MIN_INTACT {
        return Ok(());
    }
    Err(broken(decoder.message()))
}
