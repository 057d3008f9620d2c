//! rav1e through ravif: slower for the same bytes, and nothing but cargo is needed to build it.

use ravif::{AlphaColorMode, BitDepth, Encoder, Img};
use rgb::FromSlice;

use super::boxes::{Chroma, Stream, Streams};
use super::{Bitmap, CodecError, EncodeRequest, failed};
use crate::codec::{Layout, check_deadline};

const BT601: u16 = 6;

/// 4:4:4 whatever is asked for; without a lossless mode, lossless means the best quality there is.
pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Streams, CodecError> {
    check_deadline(request.deadline)?;
    let quality = if request.lossless { 100.0 } else { f32::from(request.quality.clamp(1, 100)) };
    let encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality(quality)
        .with_speed(request.effort.clamp(1, 10))
        // Browsers show 10 bits just as well, but encoding them takes half as long again.
        .with_bit_depth(BitDepth::Eight)
        .with_alpha_color_mode(AlphaColorMode::UnassociatedClean)
        .with_num_threads(Some(1));
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let encoded = match bitmap.layout {
        Layout::Rgba => encoder.encode_rgba(Img::new(bitmap.data.as_rgba(), width, height)),
        Layout::Rgb => encoder.encode_rgb(Img::new(bitmap.data.as_rgb(), width, height)),
        Layout::Gray | Layout::Cmyk => {
            let data: Vec<_> = bitmap.data.iter().map(|&gray| rgb::RGB8::new(gray, gray, gray)).collect();
            encoder.encode_rgb(Img::new(&data, width, height))
        }
    };
    let image = encoded.map_err(|error| failed(&error.to_string()))?;
    // Its file has no room for a profile; the streams are its end, alpha before colours.
    let (colour, alpha) = (image.color_byte_size, image.alpha_byte_size);
    let rest = image.avif_file.len().checked_sub(colour).ok_or_else(|| failed("a stream is missing"))?;
    let (before, colour) = image.avif_file.split_at(rest);
    let start = before.len().checked_sub(alpha).ok_or_else(|| failed("a stream is missing"))?;
    let stream = |data: &[u8], chroma| Stream { data: data.to_vec(), chroma };
    Ok(Streams {
        colour: stream(colour, Chroma::Full),
        alpha: (alpha > 0).then(|| stream(&before[start..], Chroma::None)),
        matrix: BT601,
    })
}
