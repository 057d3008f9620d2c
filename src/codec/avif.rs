//! AVIF out, by rav1e on one thread: the pool of workers decides how many pictures are encoded at once.

use ravif::{AlphaColorMode, BitDepth, Encoder, Img};
use rgb::FromSlice;

use super::{Bitmap, CodecError, EncodeRequest, Format, Layout};

/// 4:4:4 whatever is asked for; without a lossless mode, lossless means the best quality there is.
pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    let quality = if request.lossless { 100.0 } else { f32::from(request.quality.clamp(1, 100)) };
    let mut encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality(quality)
        .with_speed(request.effort.clamp(1, 10))
        // Browsers show 10 bits just as well, but encoding them takes half as long again.
        .with_bit_depth(BitDepth::Eight)
        .with_alpha_color_mode(AlphaColorMode::UnassociatedClean)
        .with_num_threads(Some(1));
    if let Some(exif) = request.exif {
        encoder = encoder.with_exif(exif);
    }
    let (width, height) = (bitmap.width as usize, bitmap.height as usize);
    let encoded = match bitmap.layout {
        Layout::Rgba => encoder.encode_rgba(Img::new(bitmap.data.as_rgba(), width, height)),
        Layout::Rgb => encoder.encode_rgb(Img::new(bitmap.data.as_rgb(), width, height)),
        Layout::Gray | Layout::Cmyk => {
            let data: Vec<_> = bitmap.data.iter().map(|&gray| rgb::RGB8::new(gray, gray, gray)).collect();
            encoder.encode_rgb(Img::new(&data, width, height))
        }
    };
    match encoded {
        Ok(image) => Ok(image.avif_file),
        Err(error) => Err(CodecError::Encode { format: Format::Avif, reason: error.to_string() }),
    }
}
