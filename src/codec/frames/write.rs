//! Animations out: frames go in one by one, each the whole picture; what changed between them is found here.

use std::borrow::Cow;

use super::super::{Bitmap, CodecError, EncodeRequest, Format, Layout, Rect, check_deadline};
use super::{apng_out, gif_out, webp_out};

/// Writes an animation whose frames all have one size.
pub struct FrameWriter {
    writer: Writer,
    request: (Format, std::time::Instant),
    size: (u32, u32),
}

enum Writer {
    Gif(Box<gif_out::Writer>),
    Webp(webp_out::Writer),
    Apng(Box<apng_out::Writer>),
}

impl FrameWriter {
    /// `plays` says how often it is shown, 0 = for ever.
    pub fn new(size: (u32, u32), plays: u32, request: &EncodeRequest<'_>) -> Result<Self, CodecError> {
        let format = request.format;
        if let Some(limit) = format.max_side().filter(|&limit| size.0.max(size.1) > limit) {
            return Err(CodecError::ResultTooLarge { format, width: size.0, height: size.1, limit });
        }
        let writer = match format {
            Format::Gif => Writer::Gif(Box::new(gif_out::Writer::new(size, plays))),
            Format::Webp => Writer::Webp(webp_out::Writer::new(size, plays, request)?),
            Format::Png => Writer::Apng(Box::new(apng_out::Writer::new(size, plays, request))),
            format => {
                return Err(CodecError::Unsupported { format, why: "it is not written as an animation" });
            }
        };
        Ok(Self { writer, request: (format, request.deadline), size })
    }

    pub fn push(&mut self, bitmap: &Bitmap, delay_ms: u32) -> Result<(), CodecError> {
        let (format, deadline) = self.request;
        check_deadline(deadline)?;
        let samples = u64::from(bitmap.width) * u64::from(bitmap.height) * bitmap.layout.channels() as u64;
        let fits = (bitmap.width, bitmap.height) == self.size && bitmap.data.len() as u64 == samples;
        if samples == 0 || !fits || bitmap.layout == Layout::Cmyk {
            let reason = "a frame has another size than the first".to_owned();
            return Err(CodecError::Encode { format, reason });
        }
        let pixels = rgba(bitmap);
        match &mut self.writer {
            Writer::Gif(writer) => writer.push(pixels, delay_ms),
            Writer::Webp(writer) => writer.push(&pixels, delay_ms),
            Writer::Apng(writer) => writer.push(pixels, delay_ms),
        }
    }

    pub fn finish(self) -> Result<Vec<u8>, CodecError> {
        match self.writer {
            Writer::Gif(writer) => writer.finish(),
            Writer::Webp(writer) => writer.finish(),
            Writer::Apng(writer) => writer.finish(),
        }
    }
}

/// The pixels of a bitmap as straight RGBA.
pub(super) fn rgba(bitmap: &Bitmap) -> Cow<'_, [u8]> {
    let data = &bitmap.data;
    match bitmap.layout {
        Layout::Rgba | Layout::Cmyk => Cow::Borrowed(data),
        Layout::Rgb => data.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect(),
        Layout::Gray => data.iter().flat_map(|&gray| [gray, gray, gray, 255]).collect(),
    }
}

/// The smallest rectangle with all pixels for which `differs` says so, of a picture so many pixels wide.
pub(super) fn bounds(width: u32, height: u32, mut differs: impl FnMut(usize) -> bool) -> Option<Rect> {
    let (mut left, mut right, mut top, mut bottom) = (width, 0, height, 0);
    for y in 0..height {
        let row = y as usize * width as usize;
        let Some(first) = (0..width).find(|&x| differs(row + x as usize)) else { continue };
        // The first one is there, so the search from the other side ends.
        let last = (first..width).rev().find(|&x| differs(row + x as usize)).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        (top, bottom) = (top.min(y), y + 1);
    }
    (left < right).then(|| Rect { x: left, y: top, width: right - left, height: bottom - top })
}

/// The smallest rectangle around both.
pub(super) fn around(one: Rect, other: Rect) -> Rect {
    let (x, y) = (one.x.min(other.x), one.y.min(other.y));
    let right = (one.x + one.width).max(other.x + other.width);
    let bottom = (one.y + one.height).max(other.y + other.height);
    Rect { x, y, width: right - x, height: bottom - y }
}
