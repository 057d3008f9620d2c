//! GIF in: the first frame on its canvas.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::gif::GifDecoder;

use super::{Bitmap, CodecError, DecodeRequest, Decoded, Format, Header, Layout, Rect, check_deadline};

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let undecodable =
        |error: image::ImageError| CodecError::Undecodable { format: Format::Gif, reason: error.to_string() };
    let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(undecodable)?;
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
    u64::from(header.width) * u64::from(header.height) * 12 + super::probe::OVERHANG * 4
}
