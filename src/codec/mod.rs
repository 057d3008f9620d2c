//! Bytes to pixels and back: what a file is (`sniff`), what its header promises (`probe`), its pixels (`decode`)
//! and the encoders. Knows nothing of HTTP, async or the database, so that it can be fuzzed and benched alone.
//!
//! Untrusted bytes meet [`Limits`] in [`probe`] before any decoder allocates a pixel.

pub mod colour;
pub mod error;
pub(crate) mod jpeg;
pub mod malloc;

use std::time::Instant;

pub use error::CodecError;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Orientation(u8);

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
        self.0.max(1)
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
    /// A progressive JPEG, which holds all its coefficients in memory while it is decoded.
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
    /// this size up to the region's own. `None` = full size.
    pub target: Option<(u32, u32)>,
    /// Checked between rows; decoding stops with [`CodecError::TimedOut`] after it.
    pub deadline: Instant,
}

/// What a decoder made of a [`DecodeRequest`].
pub struct Decoded {
    /// Holds exactly the region that was asked for, possibly scaled down; still in stored orientation and in the
    /// colour space of `icc`.
    pub bitmap: Bitmap,
    /// The embedded profile the samples are in; `None` = sRGB. Apply it with [`colour::to_srgb`] after resizing.
    pub icc: Option<Vec<u8>>,
}
