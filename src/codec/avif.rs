//! AVIF in and out, on one thread each: the pool of workers decides how many pictures are worked on at once. libavif
//! with dav1d decodes; libaom encodes, or rav1e where no other C library is wanted.

#[cfg(not(any(feature = "libaom", feature = "ravif")))]
compile_error!("AVIF needs an encoder: the feature `libaom` (the default) or `ravif`");

#[cfg(feature = "libaom")]
mod aom;
mod boxes;
mod decode;
mod frames;
#[cfg(feature = "libaom")]
mod planes;
#[cfg(all(feature = "ravif", not(feature = "libaom")))]
mod rav1e;
mod sys;

#[cfg(feature = "libaom")]
use aom::encode as engine;
#[cfg(all(feature = "ravif", not(feature = "libaom")))]
use rav1e::encode as engine;

pub(super) use decode::{decode, frames_memory, header, memory};
pub(super) use frames::Frames;

use super::{Bitmap, CodecError, EncodeRequest, Format};

/// How hard an AVIF encoder tries. The two encoders count differently, and no number of one is chosen for the other:
/// efforts are part of the cache key, and a rebuilt server must not take one's pictures for the other's.
pub mod effort {
    /// libaom's speed 8: a tenth to a fifth fewer bytes than 9 for three times the CPU (0.2 s a megapixel).
    #[cfg(feature = "libaom")]
    pub const SMALL: u8 = 8;
    /// libaom's fastest: 0.06 s a megapixel.
    #[cfg(feature = "libaom")]
    pub const LARGE: u8 = 9;
    /// rav1e's fastest: 0.28 s a megapixel.
    #[cfg(not(feature = "libaom"))]
    pub const SMALL: u8 = 10;
    #[cfg(not(feature = "libaom"))]
    pub const LARGE: u8 = 10;
    /// Where nobody waits.
    pub const BACKGROUND: u8 = 6;
}

/// Whether there is a lossless mode.
pub const HAS_LOSSLESS: bool = cfg!(feature = "libaom");

/// Whether chroma can be stored at half the resolution.
pub const HAS_420: bool = cfg!(feature = "libaom");

/// Seconds that a megapixel of the result takes at this effort.
pub fn seconds_per_megapixel(effort: u8) -> f64 {
    let effort = f64::from(effort);
    if cfg!(feature = "libaom") {
        // From 9 down: 0.06, 0.22, 0.4, 0.65; below, each step doubles.
        match effort {
            9.0.. => 0.06,
            8.0.. => 0.22,
            _ => 0.4 * 1.7_f64.powf(7.0 - effort),
        }
    } else {
        0.45 * 1.6_f64.powf(10.0 - effort.clamp(1.0, 10.0))
    }
}

/// Bytes a pixel of the result that the encoder needs beside the bitmap.
pub fn bytes_per_pixel(effort: u8) -> u64 {
    match effort {
        // Measured: 16 with half the chroma, 25 with all of it.
        _ if cfg!(feature = "libaom") => 28,
        9.. => 45,
        _ => 100,
    }
}

pub(super) fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    let streams = engine(bitmap, request)?;
    let size = (bitmap.width, bitmap.height);
    let icc = request.icc.filter(|icc| !icc.is_empty());
    boxes::file(&streams, size, icc, request.exif).ok_or_else(|| failed("the file would be too large"))
}

fn failed(reason: &str) -> CodecError {
    CodecError::Encode { format: Format::Avif, reason: reason.to_owned() }
}
