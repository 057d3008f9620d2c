//! GIF in: the first frame on its canvas.

use std::borrow::Cow;
use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::gif::GifDecoder;

use super::{Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Layout, Rect, check_deadline};

/// What the decoder may take for the smallest picture, in bytes.
const LEAST: u64 = 1 << 20;

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let undecodable =
        |error: image::ImageError| CodecError::Undecodable { format: Format::Gif, reason: error.to_string() };
    let file = with_screen(bytes, header);
    let mut decoder = GifDecoder::new(Cursor::new(&*file)).map_err(undecodable)?;
    // Should it ever find another frame than the header did.
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(memory(header).max(LEAST));
    decoder.set_limits(limits).map_err(undecodable)?;
    if decoder.dimensions() != (header.width, header.height) {
        let reason = "the header changed its mind".to_owned();
        return Err(CodecError::Undecodable { format: Format::Gif, reason });
    }
    let stride = header.width as usize * 4;
    let mut canvas = vec![0; stride * header.height as usize];
    decoder.read_image(&mut canvas).map_err(undecodable)?;
    check_deadline(request.deadline)?;

    let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
    let (x, width) = (region.x as usize, region.width as usize);
    let rows = canvas.chunks_exact(stride).skip(region.y as usize).take(region.height as usize);
    let rows = rows.map(|row| &row[x * 4..(x + width) * 4]);
    let mut data = Vec::with_capacity(width * region.height as usize * layout.channels());
    for row in rows {
        match layout {
            Layout::Rgb => data.extend(row.as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b])),
            _ => data.extend_from_slice(row),
        }
    }
    let bitmap = Bitmap { width: region.width, height: region.height, layout, data };
    Ok(Decoded { bitmap, icc: None })
}

/// Canvas, frame and result.
pub(super) fn memory(header: &Header) -> u64 {
    u64::from(header.width) * u64::from(header.height) * 12
}

/// The file with the screen that its header was found to need: the `image` crate would cut a first frame that is
/// larger than the screen, where browsers enlarge the screen.
fn with_screen<'a>(bytes: &'a [u8], header: &Header) -> Cow<'a, [u8]> {
    const SCREEN: std::ops::Range<usize> = 6..10;
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX).to_le_bytes();
    let ([w0, w1], [h0, h1]) = (side(header.width), side(header.height));
    let screen = [w0, w1, h0, h1];
    if bytes.get(SCREEN) == Some(&screen) || bytes.len() < SCREEN.end {
        return Cow::Borrowed(bytes);
    }
    let mut file = bytes.to_vec();
    file[SCREEN].copy_from_slice(&screen);
    Cow::Owned(file)
}
