//! The values of options after parsing: exact, canonical and never wrong. Their `Display` is canonical text.

use std::fmt::{self, Display as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::transform::number::Decimal;
use crate::transform::plan::{Colour, Font, Kernel, Metadata, Quality, Subsample};
use crate::transform::words::{Mode, Space, Wanted, Word};

/// The value of one option.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    Flag(bool),
    Number(Decimal),
    /// `auto` where no richer type has it.
    Auto,
    Side(Side),
    /// `s`: a width and a height in pixels; canonical specs have none.
    Sides(u32, u32),
    /// Edges of a rectangle x, y, w, h: pixels if all are whole, else fractions.
    Region([Decimal; 4]),
    Trim(Decimal, Option<Colour>),
    /// Width to height, in lowest terms.
    Ratio(u32, u32),
    Mode(Mode),
    Gravity(Gravity),
    Kernel(Kernel),
    Colour(Colour),
    Duotone(Colour, Colour, Decimal),
    Overlay(Overlay),
    /// The id of another picture.
    Id(Box<str>),
    Font(Font),
    /// The largest radius there is.
    Max,
    /// Top, right, bottom, left in pixels; or the corners from top left, clockwise.
    Edges([u32; 4]),
    Border(u32, Colour),
    Background(Background),
    Format(Wanted),
    Quality(Quality),
    Subsample(Subsample),
    Metadata(Metadata),
    Space(Space),
    /// Names of presets; canonical specs have none.
    Names(Box<[Box<str>]>),
}

/// A side of the target box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    Pixels(u32),
    /// Of the picture as it stands at the step.
    Fraction(Decimal),
    /// The original's own width.
    SourceWidth,
    SourceHeight,
    /// What the client's hint says.
    Auto,
}

/// What stays when a picture is cropped, or where it stands on a larger canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gravity {
    Compass {
        across: Along,
        down: Along,
    },
    /// Fractions of the free space.
    Point(Decimal, Decimal),
    Auto,
    Entropy,
    /// The stored focal point.
    Focus,
    Face,
}

/// A position along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Along {
    Start,
    Middle,
    End,
}

impl Gravity {
    pub const CENTRE: Self = Self::Compass { across: Along::Middle, down: Along::Middle };

    const COMPASS: [(&'static str, Along, Along); 9] = {
        use Along::{End, Middle, Start};
        [
            ("n", Middle, Start),
            ("ne", End, Start),
            ("e", End, Middle),
            ("se", End, End),
            ("s", Middle, End),
            ("sw", Start, End),
            ("w", Start, Middle),
            ("nw", Start, Start),
            ("c", Middle, Middle),
        ]
    };

    /// A compass word in its short form.
    pub(crate) fn compass(word: &str) -> Option<Self> {
        let (_, across, down) = Self::COMPASS.into_iter().find(|(name, ..)| *name == word)?;
        Some(Self::Compass { across, down })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Overlay {
    Image(Box<str>),
    Text(Box<str>),
}

/// What lies behind the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Background {
    Colour(Colour),
    Auto,
    /// The picture itself, blurred.
    Blur(Option<Decimal>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(if *flag { "1" } else { "0" }),
            Self::Number(number) => number.fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Side(side) => side.fmt(f),
            Self::Sides(width, height) => write!(f, "{width}x{height}"),
            Self::Region([x, y, width, height]) => write!(f, "{x}:{y}:{width}:{height}"),
            Self::Trim(tolerance, None) => tolerance.fmt(f),
            Self::Trim(tolerance, Some(colour)) => write!(f, "{tolerance}:{colour}"),
            Self::Ratio(width, height) => write!(f, "{width}:{height}"),
            Self::Mode(mode) => f.write_str(mode.word()),
            Self::Gravity(gravity) => gravity.fmt(f),
            Self::Kernel(kernel) => f.write_str(kernel.word()),
            Self::Colour(colour) => colour.fmt(f),
            Self::Duotone(dark, light, amount) if *amount == Decimal::whole(100) => {
                write!(f, "{dark}:{light}")
            }
            Self::Duotone(dark, light, amount) => write!(f, "{dark}:{light}:{amount}"),
            Self::Overlay(Overlay::Image(id)) | Self::Id(id) => f.write_str(id),
            Self::Overlay(Overlay::Text(text)) => write!(f, "text:~{}", URL_SAFE_NO_PAD.encode(&**text)),
            Self::Font(font) => f.write_str(font.word()),
            Self::Max => f.write_str("max"),
            Self::Edges(edges) => write_edges(f, *edges),
            Self::Border(width, colour) => write!(f, "{width}:{colour}"),
            Self::Background(background) => background.fmt(f),
            Self::Format(wanted) => f.write_str(wanted.word()),
            Self::Quality(quality) => quality.fmt(f),
            Self::Subsample(subsample) => f.write_str(subsample.word()),
            Self::Metadata(metadata) => f.write_str(metadata.word()),
            Self::Space(space) => f.write_str(space.word()),
            Self::Names(names) => f.write_str(&names.join(":")),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(pixels) => pixels.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
            Self::SourceWidth => f.write_str("iw"),
            Self::SourceHeight => f.write_str("ih"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compass { across, down } => {
                let named = Self::COMPASS.iter().find(|(_, a, d)| (a, d) == (across, down));
                f.write_str(named.map_or("c", |(name, ..)| name))
            }
            Self::Point(x, y) => write!(f, "fp:{x}:{y}"),
            Self::Auto => f.write_str("auto"),
            Self::Entropy => f.write_str("entropy"),
            Self::Focus => f.write_str("focus"),
            Self::Face => f.write_str("face"),
        }
    }
}

impl fmt::Display for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Colour(colour) => colour.fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Blur(None) => f.write_str("blur"),
            Self::Blur(Some(sigma)) => write!(f, "blur:{sigma}"),
        }
    }
}

/// `80`, `auto:good` or `lossless`; the canonical spec and the resolved plan print alike.
impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto(class) => write!(f, "auto:{}", class.word()),
            Self::Fixed(number) => number.fmt(f),
            Self::Lossless => f.write_str("lossless"),
        }
    }
}

/// The shortest CSS shorthand.
fn write_edges(f: &mut fmt::Formatter<'_>, [a, b, c, d]: [u32; 4]) -> fmt::Result {
    if b != d {
        write!(f, "{a}:{b}:{c}:{d}")
    } else if a != c {
        write!(f, "{a}:{b}:{c}")
    } else if a != b {
        write!(f, "{a}:{b}")
    } else {
        a.fmt(f)
    }
}
