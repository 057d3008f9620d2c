//! The resolved form of a spec: geometry and output settings with nothing left to decide. Its `Display` is part of
//! the cache key, so two URLs that mean the same picture of the same source print the same plan.

mod text;

use crate::codec::{Format, Orientation, Rect};
use crate::transform::number::Decimal;
use crate::transform::value::Gravity;
use crate::transform::words::Space;

/// How the bytes of one variant are made from the bytes of its original.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub frames: Frames,
    /// Applied before `ops`, whose coordinates are those of the upright picture.
    pub orientation: Orientation,
    /// In the order of execution.
    pub ops: Vec<Op>,
    /// Size of the result in pixels.
    pub width: u32,
    pub height: u32,
    pub output: Output,
    /// What is made where `output` is the original and that cannot be shown to everybody.
    pub otherwise: Option<Box<Plan>>,
}

/// Which frames of an animation are made into the result. Stills have but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Frames {
    #[default]
    First,
    /// This one alone, counted from 0, where it is not the first.
    One(u32),
    /// So many from the first on; `None` = all there are.
    All(Option<u32>),
}

/// What has to be seen before a spec can be resolved: where a border ends, in the picture after `ops`.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Of an animation that stays one, the first frame is looked at.
    pub page: u32,
    pub orientation: Orientation,
    pub ops: Vec<Op>,
    /// Sides of the picture that is looked at.
    pub width: u32,
    pub height: u32,
    /// A distance in RGB, 0…442.
    pub tolerance: Decimal,
    /// What the border looks like; `None` = the top left pixel.
    pub colour: Option<Colour>,
}

/// One operation on the picture as it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Keep this part of the picture.
    Crop(Rect),
    /// Scale to exactly these sides.
    Resize { width: u32, height: u32, kernel: Kernel },
    /// Put the picture at (x, y) of a canvas filled with a colour; never smaller than the picture.
    Canvas { width: u32, height: u32, x: u32, y: u32, background: Fill },
    /// Keep the most interesting part of this size, moved by so many pixels.
    Choose { width: u32, height: u32, by: Interest, dx: i32, dy: i32 },
    /// Quarter turns clockwise, 1…3.
    Rotate(u8),
    /// Any other angle, clockwise, in degrees; the sides are those around the turned picture.
    Tilt { degrees: Decimal, width: u32, height: u32, background: Fill },
    /// Mirror top to bottom.
    Flip,
    /// Mirror left to right.
    Flop,
    /// Change colours.
    Adjust(Adjust),
    /// Gaussian; sigma in pixels.
    Blur(Decimal),
    /// Unsharp mask; sigma in pixels.
    Sharpen(Decimal),
    /// Blocks of so many pixels.
    Pixelate(u32),
    /// A square of so many pixels.
    Median(u32),
    /// Radii in pixels from top left, clockwise.
    Round([u32; 4]),
    /// Draw this on top.
    Overlay(Box<Overlay>),
    /// A frame of so many pixels around corners of these radii.
    Border { px: u32, colour: Colour, radii: [u32; 4] },
}

/// What is drawn on top of a picture, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    pub what: Drawn,
    /// The box it is fitted into, in pixels. Without sides it keeps its own size as far as the picture has room.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub gravity: Gravity,
    /// Pixels, or fractions of the free space.
    pub offset: (Decimal, Decimal),
    /// Percent.
    pub opacity: Decimal,
    /// Repeated over the whole picture.
    pub tile: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Drawn {
    /// The overlay of this place among those that the spec names.
    Picture(usize),
    Text {
        text: Box<str>,
        font: Font,
        /// In pixels.
        size: u32,
        /// `None` = white or black, whichever is easier to read.
        colour: Option<Colour>,
    },
}

/// What text is set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Font {
    #[default]
    Sans,
    SansBold,
}

/// What lies behind a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Nothing; white where the format has no alpha.
    Clear,
    Colour(Colour),
    /// The colour of the picture's edges.
    Edges,
    /// The picture itself, enlarged and blurred with this sigma in pixels; without one by the canvas' size.
    Soft(Option<Decimal>),
}

/// What a crop looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// What draws the eye.
    Attention,
    /// The most varied brightness.
    Entropy,
}

/// What is done to the colours of every pixel alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Adjust {
    /// Factors; 1 changes nothing.
    Brightness(Decimal),
    Contrast(Decimal),
    Saturation(Decimal),
    /// Degrees.
    Hue(Decimal),
    Gamma(Decimal),
    Gray,
    /// Percent, as the next two.
    Sepia(Decimal),
    Negate,
    Tint(Colour),
    Duotone(Colour, Colour, Decimal),
    Opacity(Decimal),
}

/// The resampling filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kernel {
    Nearest,
    Linear,
    Cubic,
    Mitchell,
    Lanczos2,
    #[default]
    Lanczos3,
}

/// Straight sRGB with alpha, 0…255 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    pub r: u8,
    pub g: u8,
    pub b: u8,
    pub a: u8,
}

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    pub format: Format,
    /// The original bytes, metadata stripped, pixels untouched; `ops` is empty.
    pub original: bool,
    pub quality: Quality,
    /// The codec's own speed scale, chosen here so that equal keys mean equal bytes.
    pub effort: u8,
    /// JPEG: progressive scans; `None` = the encoder's rule (over 10 KB).
    pub progressive: Option<bool>,
    pub subsample: Subsample,
    pub metadata: Metadata,
    /// What shows through where the format has no alpha.
    pub flatten: Colour,
    pub space: Space,
    /// What the result must not exceed, whatever the quality.
    pub max_bytes: Option<u32>,
    /// `f_best`: what else it is written as, of which the file with the fewest bytes is kept.
    pub rivals: Vec<Output>,
    /// Text about the picture instead of the picture; `format` then only says how the pixels are treated.
    pub told: Option<Told>,
}

/// What is told of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub form: Form,
    /// Sides of the picture that the spec describes; the plan's own are those of the small one that is looked at.
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Everything: sides, colours, placeholders, and what the original's header says.
    Json,
    /// A tiny picture as a `data:` URL.
    Lqip,
    Blurhash,
    Thumbhash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quality {
    Auto(AutoQuality),
    /// 1…100 on the codec's own scale.
    Fixed(u8),
    Lossless,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AutoQuality {
    Best,
    #[default]
    Good,
    Eco,
    Low,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subsample {
    #[default]
    Auto,
    S444,
    S420,
}

/// What of EXIF, XMP and IPTC the result carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metadata {
    None,
    /// Artist and copyright only.
    #[default]
    Copyright,
    /// Everything, GPS and serials included.
    All,
}

impl Plan {
    /// Whether it needs the bytes of other pictures.
    pub fn draws_pictures(&self) -> bool {
        self.overlays().next().is_some()
    }

    /// The overlays that are pictures, with the size of what they are drawn on.
    pub fn overlays(&self) -> impl Iterator<Item = (usize, &Overlay)> {
        self.ops.iter().filter_map(|op| match op {
            Op::Overlay(overlay) => match overlay.what {
                Drawn::Picture(number) => Some((number, &**overlay)),
                Drawn::Text { .. } => None,
            },
            _ => None,
        })
    }
}

impl Look {
    /// The way to the picture that is looked at.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            frames: if self.page == 0 { Frames::First } else { Frames::One(self.page) },
            orientation: self.orientation,
            ops: self.ops.clone(),
            width: self.width,
            height: self.height,
            output: Output::plain(Format::Png),
            otherwise: None,
        }
    }
}

impl Op {
    /// What it does to colours, if that is all it does.
    pub(crate) fn adjust(&self) -> Option<Adjust> {
        match self {
            Self::Adjust(adjust) => Some(*adjust),
            _ => None,
        }
    }
}

impl Fill {
    /// Whether anything of it is seen.
    pub(crate) fn is_seen(self) -> bool {
        !matches!(self, Self::Clear | Self::Colour(Colour { a: 0, .. }))
    }

    /// Whether something shines through.
    pub(crate) fn is_clear(self) -> bool {
        match self {
            Self::Clear => true,
            Self::Colour(colour) => colour.a < 255,
            Self::Edges | Self::Soft(_) => false,
        }
    }
}

impl Interest {
    fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Entropy => "entropy",
        }
    }
}

impl Output {
    /// Every pixel and nothing else.
    pub(crate) fn plain(format: Format) -> Self {
        Self {
            format,
            original: false,
            quality: Quality::Lossless,
            effort: 0,
            progressive: None,
            subsample: Subsample::Auto,
            metadata: Metadata::None,
            flatten: Colour::WHITE,
            space: Space::Srgb,
            max_bytes: None,
            rivals: Vec::new(),
            told: None,
        }
    }

    /// The media type of the result; of a contest, that of its first format.
    pub fn mime(&self) -> &'static str {
        match self.told {
            None => self.format.mime(),
            Some(Told { form: Form::Json, .. }) => "application/json",
            Some(_) => "text/plain; charset=utf-8",
        }
    }

    /// What a file of it is called behind the dot.
    pub fn extension(&self) -> &'static str {
        match self.told {
            None => self.format.extension(),
            Some(Told { form: Form::Json, .. }) => "json",
            Some(_) => "txt",
        }
    }

    /// As `/explain` names it.
    pub fn name(&self) -> &'static str {
        match self.told {
            Some(told) => told.form.name(),
            None if self.rivals.is_empty() => self.format.name(),
            None => "best",
        }
    }

    /// All that it is written as.
    pub fn contestants(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.rivals)
    }

    /// The media type where it turned out as `format`.
    pub fn mime_of(&self, format: Format) -> &'static str {
        if self.told.is_some() { self.mime() } else { format.mime() }
    }
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Lqip => "lqip",
            Self::Blurhash => "blurhash",
            Self::Thumbhash => "thumbhash",
        }
    }
}
