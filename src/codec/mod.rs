//! Bytes to pixels and back: what a file is (`sniff`), what its header promises (`probe`), its pixels (`decode`)
//! and the encoders. Knows nothing of HTTP, async or the database, so that it can be fuzzed and benched alone.
//!
//! Untrusted bytes meet [`Limits`] in [`probe()`] before any decoder allocates a pixel.

pub mod avif;
mod bmp;
mod cicp;
pub mod colour;
pub mod error;
pub mod fonts;
mod exif;
mod flat;
pub mod frames;
mod gif;
mod heic;
mod ico;
pub(crate) mod jpeg;
mod jxl;
pub mod malloc;
pub mod metadata;
pub mod palette;
mod png;
mod probe;
mod shrink;
mod sniff;
mod strip;
pub mod svg;
mod tiff;
mod walk;
mod webp;

use std::time::Instant;

pub use error::CodecError;
pub use probe::{Probe, probe};
pub use strip::{StripError, strip, strip_rights_too};

/// A picture format that we can recognise. What can be decoded or encoded is a narrower question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    Jpeg,
    Png,
    Webp,
    Gif,
    Avif,
    Heic,
    Jxl,
    Tiff,
    Bmp,
    Ico,
    Svg,
}

/// The eight EXIF orientations: how the stored picture must be turned to stand upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation(u8);

impl Default for Orientation {
    fn default() -> Self {
        Self::UPRIGHT
    }
}

impl Orientation {
    pub const UPRIGHT: Self = Self(1);

    /// Anything but 2…8 counts as upright, as in browsers.
    pub fn from_exif(value: u32) -> Self {
        match value {
            2..=8 => Self(value as u8),
            _ => Self::UPRIGHT,
        }
    }

    /// The EXIF value, 1…8.
    pub fn exif(self) -> u8 {
        self.0
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }
}

/// What the header of a picture promises; nothing of it has been decoded yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    pub format: Format,
    /// Sides as stored, before EXIF orientation, in pixels.
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    /// Frames of an animation or pages of a document; 1 for a still.
    pub frames: u32,
    pub has_alpha: bool,
    /// Bits per channel as stored.
    pub depth: u8,
    /// Has to be held whole while it is decoded, however small it will be made: a JPEG in several scans
    /// (progressive, or not interleaved), an interlaced PNG, a lossless or animated WebP.
    pub progressive: bool,
}

impl Header {
    /// Sides as a viewer sees them.
    pub fn oriented(&self) -> (u32, u32) {
        if self.orientation.swaps_sides() { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// What is refused before a pixel is decoded. All counts in pixels or bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub max_pixels: u64,
    pub max_pixels_summed: u64,
    pub max_pixels_progressive: u64,
    pub max_frames: u32,
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_pixels_summed: 250_000_000,
            max_pixels_progressive: 50_000_000,
            max_frames: 1000,
            max_bytes: 100_000_000,
        }
    }
}

/// Interleaved 8-bit samples, row by row without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    Gray,
    Rgb,
    /// Straight (not premultiplied) alpha.
    Rgba,
    /// Four inks, 0 = no ink (Adobe's inversion undone); [`colour::to_srgb`] makes it `Rgb`.
    Cmyk,
}

impl Layout {
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// A decoded picture. `data.len() == width * height * layout.channels()`.
#[derive(Clone, PartialEq)]
pub struct Bitmap {
    pub width: u32,
    pub height: u32,
    pub layout: Layout,
    pub data: Vec<u8>,
}

/// A rectangle in pixels, origin top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// What a decoder may save: the region that is needed and how small it will be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecodeRequest {
    /// In stored pixels (before orientation); `None` = the whole picture.
    pub region: Option<Rect>,
    /// The size to which the region will be scaled, in stored orientation; the decoder may deliver anything from
    /// this size up to the region's own; what is scalable is drawn at this size, also where that is larger. `None` =
    /// full size.
    pub target: Option<(u32, u32)>,
    /// Checked between rows; decoding stops with [`CodecError::TimedOut`] after it.
    pub deadline: Instant,
}

impl DecodeRequest {
    /// The region that is meant, which lies within the picture.
    pub(crate) fn whole_region(&self, header: &Header) -> Result<Rect, CodecError> {
        let whole = Rect { x: 0, y: 0, width: header.width, height: header.height };
        let region = self.region.unwrap_or(whole);
        let inside = |start: u32, length: u32, side: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= side)
        };
        if inside(region.x, region.width, whole.width) && inside(region.y, region.height, whole.height) {
            Ok(region)
        } else {
            let reason = format!("{region:?} is not within {}×{}", whole.width, whole.height);
            Err(CodecError::Undecodable { format: header.format, reason })
        }
    }
}

/// What a decoder made of a [`DecodeRequest`].
pub struct Decoded {
    /// Holds exactly the region that was asked for, possibly scaled down; still in stored orientation and in the
    /// colour space of `icc`.
    pub bitmap: Bitmap,
    /// The embedded profile the samples are in; `None` = sRGB. Apply it with [`colour::to_srgb`] after resizing.
    pub icc: Option<Vec<u8>>,
}

/// How a picture is to be written. Every encoder ignores what its format does not have.
#[derive(Debug, Clone, Copy)]
pub struct EncodeRequest<'a> {
    pub format: Format,
    /// 1…100 on the codec's own scale.
    pub quality: u8,
    pub lossless: bool,
    /// The codec's own speed scale: WebP method 0…6, AVIF as in [`avif::effort`], PNG 0…9 (2 while a person waits).
    pub effort: u8,
    pub progressive: Option<bool>,
    /// Chroma for every pixel; `None` and `Some(false)` = half the resolution. Lossy WebP has only the latter and
    /// takes more care over it.
    pub subsample_444: Option<bool>,
    /// An EXIF block without the `Exif\0\0` in front, as [`metadata::extract`] makes it.
    pub exif: Option<&'a [u8]>,
    /// The profile of the samples, if they are not sRGB.
    pub icc: Option<&'a [u8]>,
    pub deadline: Instant,
}

/// The pixels of a file whose header passed [`probe()`]; of an animation the first frame on its canvas.
pub fn decode(bytes: &[u8], header: &Header, request: &DecodeRequest) -> Result<Decoded, CodecError> {
    decode_page(bytes, header, 0, request)
}

/// The same of another page, counted from 0, of a document ([`Format::Tiff`]); frames of animations are read by
/// [`frames::FrameReader`].
pub fn decode_page(
    bytes: &[u8],
    header: &Header,
    page: u32,
    request: &DecodeRequest,
) -> Result<Decoded, CodecError> {
    let format = header.format;
    let region = request.whole_region(header)?;
    check_deadline(request.deadline)?;
    let decoded = match format {
        Format::Jpeg => jpeg::decode(bytes, request)?,
        Format::Png => png::decode(bytes, header, request, region)?,
        Format::Webp => webp::decode(bytes, header, request, region)?,
        Format::Gif => gif::decode(bytes, header, request, region)?,
        Format::Avif => avif::decode(bytes, header, request, region)?,
        Format::Heic => heic::decode(bytes, header, request, region)?,
        Format::Jxl => jxl::decode(bytes, header, request, region)?,
        Format::Bmp => bmp::decode(bytes, header, request, region)?,
        Format::Ico => ico::decode(bytes, header, request, region)?,
        Format::Tiff => tiff::decode(bytes, header, request, region, page)?,
        Format::Svg => svg::decode(bytes, header, request, region)?,
    };
    let Bitmap { width, height, layout, ref data } = decoded.bitmap;
    let (least_w, least_h) = request.target.unwrap_or((region.width, region.height));
    let between = |least: u32, own: u32, side: u32| {
        let least = if format.is_scalable() { least } else { least.min(own) };
        (least..=own.max(least)).contains(&side)
    };
    let fits = between(least_w, region.width, width)
        && between(least_h, region.height, height)
        && data.len() as u64 == u64::from(width) * u64::from(height) * layout.channels() as u64;
    if fits {
        Ok(decoded)
    } else {
        Err(CodecError::Undecodable {
            format,
            reason: "the pixels are not those that the header promises".to_owned(),
        })
    }
}

/// The bytes of a file that shows `bitmap`, whose samples are `Gray`, `Rgb` or `Rgba`.
pub fn encode(bitmap: &Bitmap, request: &EncodeRequest<'_>) -> Result<Vec<u8>, CodecError> {
    let format = request.format;
    let samples = u64::from(bitmap.width) * u64::from(bitmap.height) * bitmap.layout.channels() as u64;
    if samples == 0 || bitmap.data.len() as u64 != samples || bitmap.layout == Layout::Cmyk {
        let reason = format!("{}×{} {:?} is no bitmap to encode", bitmap.width, bitmap.height, bitmap.layout);
        return Err(CodecError::Encode { format, reason });
    }
    if let Some(limit) = format.max_side().filter(|&limit| bitmap.width.max(bitmap.height) > limit) {
        let (width, height) = (bitmap.width, bitmap.height);
        return Err(CodecError::ResultTooLarge { format, width, height, limit });
    }
    check_deadline(request.deadline)?;
    match format {
        Format::Jpeg => {
            let options = jpeg::EncodeOptions {
                quality: if request.lossless { 100 } else { request.quality },
                full_chroma: request.subsample_444,
                progressive: request.progressive,
                exif: request.exif,
                icc: request.icc,
                deadline: request.deadline,
            };
            jpeg::encode(bitmap, &options)
        }
        Format::Png => png::encode(bitmap, request),
        Format::Webp => webp::encode(bitmap, request),
        Format::Avif => avif::encode(bitmap, request),
        Format::Gif => frames::still_gif(bitmap, request.deadline),
        Format::Tiff => flat::tiff(bitmap, request),
        Format::Bmp => flat::bmp(bitmap),
        Format::Ico => flat::ico(bitmap, request),
        Format::Jxl => jxl::encode(bitmap),
        Format::Heic | Format::Svg => Err(CodecError::Unsupported { format, why: NOT_YET }),
    }
}

/// An upper estimate of the bytes that [`decode`] allocates, its result included: what to reserve beforehand.
pub fn decode_memory(header: &Header, request: &DecodeRequest) -> u64 {
    /// Row buffers, tables, an inflate window.
    const FIXED: u64 = 1 << 20;
    FIXED
        + match header.format {
            Format::Jpeg => jpeg_memory(header, request),
            Format::Png => png::memory(header, request),
            Format::Webp => webp::memory(header, request),
            Format::Gif => gif::memory(header),
            Format::Avif => avif::memory(header, request),
            Format::Heic => heic::memory(header, request),
            Format::Jxl => jxl::memory(header, request),
            Format::Bmp => bmp::memory(header, request),
            Format::Ico => ico::memory(header, request),
            Format::Tiff => tiff::memory(header, request),
            Format::Svg => svg::memory(header, request),
        }
}

const NOT_YET: &str = "the format is not supported yet";

fn jpeg_memory(header: &Header, request: &DecodeRequest) -> u64 {
    let (width, height) = (u64::from(header.width), u64::from(header.height));
    let (rw, rh) = request.region.map_or((width, height), |r| (u64::from(r.width), u64::from(r.height)));
    // What `jpeg::decode` does at most: a region whose edges fall between scaled pixels is decoded twice as large.
    let slack = if request.region.is_some() { 2 } else { 1 };
    let denominator = request.target.map_or(1, |(tw, th)| {
        let fits = |d: &u64| rw >= u64::from(tw) * d * slack && rh >= u64::from(th) * d * slack;
        [8, 4, 2].into_iter().find(fits).unwrap_or(1)
    });
    let channels = 4;
    let output = rw.div_ceil(denominator) * rh.div_ceil(denominator) * channels;
    let rows = width.div_ceil(denominator) * channels * 64 * 2;
    // Two bytes each, of four inks at most.
    let coefficients =
        if header.progressive { width.next_multiple_of(16) * height.next_multiple_of(16) * 8 } else { 0 };
    output + rows + coefficients
}

/// To be called between rows and before each library call that cannot be interrupted.
pub(crate) fn check_deadline(deadline: Instant) -> Result<(), CodecError> {
    if Instant::now() < deadline { Ok(()) } else { Err(CodecError::TimedOut) }
}

#[cfg(test)]
mod corpus_test;
#[cfg(test)]
mod inputs_test;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod webp_test;
