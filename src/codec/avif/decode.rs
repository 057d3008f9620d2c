//! AVIF in: a still, or the first frame of an animation (all of them are in `frames`). Rows are converted and averaged in bands, so that beside the
//! decoder's own planes nothing is held whole.

use super::sys::{Failure, Info, Reader};
use crate::codec::probe::Stop;
use crate::codec::shrink::{self, Shrink};
use crate::codec::walk::Cut;
use crate::codec::{
    Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Layout, Limits, Orientation, Rect,
    check_deadline, cicp,
};

/// Frames are not counted here but while probing.
pub(super) const ANY_FRAMES: u32 = u32::MAX - 1;

/// Reads as much as libavif needs to know sides and colours.
pub(in crate::codec) fn header(prefix: &[u8], total: u64, limits: &Limits) -> Result<Header, Stop> {
    let reader = match Reader::open(prefix, total, limits.max_frames) {
        Ok(reader) => reader,
        Err(Failure::Needs(needed)) => {
            return Err(Stop::Cut(Cut { needed: usize::try_from(needed).unwrap_or(usize::MAX) }));
        }
        Err(Failure::Broken(reason)) => return Err(broken(&reason).into()),
    };
    let info = reader.info();
    let pixels = u64::from(info.width) * u64::from(info.height);
    // What is cropped away is decoded too.
    if pixels > limits.max_pixels {
        return Err(CodecError::TooManyPixels { pixels, limit: limits.max_pixels }.into());
    }
    let (_, _, width, height) = info.crop;
    Ok(Header {
        format: Format::Avif,
        width,
        height,
        orientation: orientation(&info),
        frames: info.frames,
        has_alpha: info.has_alpha,
        depth: info.depth,
        progressive: true,
    })
}

pub(in crate::codec) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    /// Even, because chroma can be halved; some MB of pixels at most.
    const BAND: u32 = 64;
    /// Rows above and below that chroma is interpolated with.
    const MARGIN: u32 = 2;
    let mut reader = Reader::open(bytes, bytes.len() as u64, ANY_FRAMES).map_err(failed)?;
    let info = reader.info();
    let (left, top, width, height) = info.crop;
    if (width, height) != (header.width, header.height) {
        return Err(broken("the header changed its mind"));
    }
    let layout = match (info.is_gray, info.has_alpha) {
        (_, true) => Layout::Rgba,
        // A profile is one of colours even where there are none.
        (true, false) if reader.icc().is_none() => Layout::Gray,
        (_, false) => Layout::Rgb,
    };
    let icc = profile(&reader);
    let size = (region.width, region.height);
    let scaled = shrink::size(size, request.target);
    let mut rows = Shrink::new(layout, size, scaled);
    let mut gray = Vec::new();
    let mut band: Vec<u8> = Vec::new();
    let mut picture = reader.picture(info.most_pixels()).map_err(failed)?;
    let channels = if info.has_alpha { 4 } else { 3 };
    let stride = info.width as usize * channels;
    let columns = (left + region.x) as usize * channels..(left + region.x + region.width) as usize * channels;
    let (mut y, end) = (top + region.y, top + region.y + region.height);
    while y < end {
        check_deadline(request.deadline)?;
        let next = end.min((y / BAND + 1) * BAND);
        let from = y.saturating_sub(MARGIN) & !1;
        let to = (next + MARGIN).min(info.height);
        picture.rows(from, to - from, info.has_alpha, &mut band).map_err(failed)?;
        for row in band.chunks_exact(stride).skip((y - from) as usize).take((next - y) as usize) {
            let row = &row[columns.clone()];
            if layout == Layout::Gray {
                gray.clear();
                gray.extend(row.iter().step_by(channels));
                rows.push(&gray);
            } else {
                rows.push(row);
            }
        }
        y = next;
    }
    drop(picture);
    Ok(Decoded { bitmap: Bitmap { width: scaled.0, height: scaled.1, layout, data: rows.finish() }, icc })
}

/// Planes of two bytes a sample where it has more than eight bits, full chroma assumed, dav1d's tables for each block;
/// a band and the result.
pub(in crate::codec) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let sample = u64::from(header.depth.div_ceil(8));
    let samples = if header.has_alpha { 4 } else { 3 };
    width * height * samples * sample * 2 + width * 4 * 68 + shrink::memory(header, request) + (8 << 20)
}

/// For an animation: the eight pictures that dav1d may keep for later ones, the frame in RGBA, and the frame that is given.
pub(in crate::codec) fn frames_memory(header: &Header) -> u64 {
    let pixels = u64::from(header.width) * u64::from(header.height);
    let sample = u64::from(header.depth.div_ceil(8));
    let samples = if header.has_alpha { 4 } else { 3 };
    pixels * (samples * sample * 10 + 8) + (8 << 20)
}

/// What the samples are in: as the file says, or by its numbers; gray ones without a profile are gray.
pub(super) fn profile(reader: &Reader<'_>) -> Option<Vec<u8>> {
    let info = reader.info();
    let named = || cicp::profile(info.primaries, info.transfer).filter(|_| !info.is_gray || info.has_alpha);
    reader.icc().or_else(named)
}

/// EXIF's name for a turn against the clock and the mirror after it.
fn orientation(info: &Info) -> Orientation {
    Orientation::from_exif(match (info.turns, info.mirror) {
        (0, None) => 1,
        (0, Some(true)) | (2, Some(false)) => 2,
        (2, None) => 3,
        (0, Some(false)) | (2, Some(true)) => 4,
        (1, Some(false)) | (3, Some(true)) => 5,
        (3, None) => 6,
        (1, Some(true)) | (3, Some(false)) => 7,
        _ => 8,
    })
}

pub(super) fn failed(failure: Failure) -> CodecError {
    match failure {
        Failure::Needs(_) => broken("it ends before its last pixel"),
        Failure::Broken(reason) => broken(&reason),
    }
}

pub(super) fn broken(reason: &str) -> CodecError {
    CodecError::Undecodable { format: Format::Avif, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a corner goes, in steps of one from the middle.
    fn turned((x, y): (i32, i32), turns: u8, mirror: Option<bool>) -> (i32, i32) {
        let (mut x, mut y) = (x, y);
        for _ in 0..turns {
            (x, y) = (y, -x);
        }
        match mirror {
            None => (x, y),
            Some(true) => (-x, y),
            Some(false) => (x, -y),
        }
    }

    #[test]
    fn every_turn_and_mirror_has_the_name_that_moves_corners_alike() {
        for turns in 0..4 {
            for mirror in [None, Some(false), Some(true)] {
                let info = Info {
                    width: 1,
                    height: 1,
                    crop: (0, 0, 1, 1),
                    turns,
                    mirror,
                    depth: 8,
                    has_alpha: false,
                    is_gray: false,
                    frames: 1,
                    primaries: 1,
                    transfer: 13,
                };
                // What EXIF's numbers do to a corner, y downwards.
                let by_exif = |(x, y): (i32, i32)| match orientation(&info).exif() {
                    1 => (x, y),
                    2 => (-x, y),
                    3 => (-x, -y),
                    4 => (x, -y),
                    5 => (y, x),
                    6 => (-y, x),
                    7 => (-y, -x),
                    _ => (y, -x),
                };
                for corner in [(-1, -2), (1, -2), (1, 2)] {
                    assert_eq!(by_exif(corner), turned(corner, turns, mirror), "{turns} {mirror:?}");
                }
            }
        }
    }
}
