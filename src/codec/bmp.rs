//! BMP in, through the `image` crate, which reads every variant that is met.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::bmp::BmpDecoder;

use super::probe::Stop;
use super::walk::Cut;
use super::{
    CodecError, DecodeRequest, Decoded, Format, Header, Layout, Orientation, Rect, check_deadline, shrink,
};

/// The longest header there is with the longest palette, and some more.
const HEAD: usize = 4096;

pub(super) fn header(prefix: &[u8], total: u64) -> Result<Header, Stop> {
    let length = usize::try_from(total).unwrap_or(usize::MAX).min(HEAD);
    let head = prefix.get(..length).ok_or(Cut { needed: length })?;
    let (width, height, has_alpha) = opened(head).map_err(Stop::Codec)?;
    Ok(Header {
        format: Format::Bmp,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: 1,
        has_alpha,
        depth: 8,
        progressive: true,
    })
}

fn opened(head: &[u8]) -> Result<(u32, u32, bool), CodecError> {
    let decoder = BmpDecoder::new(Cursor::new(head)).map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    Ok((width, height, decoder.color_type().has_alpha()))
}

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    request: &DecodeRequest,
    region: Rect,
) -> Result<Decoded, CodecError> {
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(undecodable)?;
    if (decoder.dimensions(), decoder.color_type().has_alpha())
        != ((header.width, header.height), header.has_alpha)
    {
        let reason = "the header changed its mind".to_owned();
        return Err(CodecError::Undecodable { format: Format::Bmp, reason });
    }
    let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
    let stride = header.width as usize * layout.channels();
    let mut data = vec![0; stride * header.height as usize];
    decoder.read_image(&mut data).map_err(undecodable)?;
    check_deadline(request.deadline)?;
    let rows = data.chunks_exact(stride);
    let bitmap = shrink::cut(rows, layout.channels(), None, layout, region, request.target);
    Ok(Decoded { bitmap, icc: None })
}

/// The picture whole, and the result.
pub(super) fn memory(header: &Header, request: &DecodeRequest) -> u64 {
    u64::from(header.width) * u64::from(header.height) * 4 + shrink::memory(header, request)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn undecodable(error: image::ImageError) -> CodecError {
    CodecError::Undecodable { format: Format::Bmp, reason: error.to_string() }
}
