//! Plans as text, which is a part of the cache key: one line names everything that can change a byte of the result, and
//! nothing that cannot.

use std::fmt;

use crate::codec::{Format, Orientation, Rect};
use crate::transform::plan::{
    Adjust, Colour, Drawn, Fill, Frames, Look, Op, Output, Overlay, Plan, Subsample, Told,
};
use crate::transform::words::{Space, Word};

/// One line that names everything that can change a byte of the result.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.output.original {
            write!(f, "orig -> {}", self.output)?;
            return self.otherwise.iter().try_for_each(|made| write!(f, " else {made}"));
        }
        self.frames.fmt(f)?;
        if self.orientation != Orientation::UPRIGHT {
            write!(f, "or{} ", self.orientation.exif())?;
        }
        for op in &self.ops {
            write!(f, "{op} ")?;
        }
        write!(f, "-> {}x{} {}", self.width, self.height, self.output)
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => Ok(()),
            Self::One(number) => write!(f, "frame {number} "),
            Self::All(None) => f.write_str("frames all "),
            Self::All(Some(count)) => write!(f, "frames {count} "),
        }
    }
}

/// As the key of what was seen needs it.
impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.page > 0 {
            Frames::One(self.page).fmt(f)?;
        }
        write!(f, "look or{} ", self.orientation.exif())?;
        for op in &self.ops {
            write!(f, "{op} ")?;
        }
        write!(f, "trim {}", self.tolerance)?;
        self.colour.map_or(Ok(()), |colour| write!(f, " {colour}"))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crop(Rect { x, y, width, height }) => write!(f, "crop {x},{y},{width}x{height}"),
            Self::Resize { width, height, kernel } => write!(f, "resize {width}x{height} {}", kernel.word()),
            Self::Canvas { width, height, x, y, background } => {
                write!(f, "canvas {width}x{height}+{x}+{y} {background}")
            }
            Self::Choose { width, height, by, dx, dy } => {
                write!(f, "choose {width}x{height} {}", by.name())?;
                if (*dx, *dy) == (0, 0) { Ok(()) } else { write!(f, " {dx:+}{dy:+}") }
            }
            Self::Tilt { degrees, width, height, background } => {
                write!(f, "tilt {degrees} {width}x{height} {background}")
            }
            Self::Rotate(quarters) => write!(f, "rotate {}", u32::from(*quarters) * 90),
            Self::Flip => f.write_str("flip"),
            Self::Flop => f.write_str("flop"),
            Self::Adjust(adjust) => adjust.fmt(f),
            Self::Blur(sigma) => write!(f, "blur {sigma}"),
            Self::Sharpen(sigma) => write!(f, "sharpen {sigma}"),
            Self::Pixelate(side) => write!(f, "pixelate {side}"),
            Self::Median(size) => write!(f, "median {size}"),
            Self::Round([tl, tr, br, bl]) => write!(f, "round {tl},{tr},{br},{bl}"),
            Self::Overlay(overlay) => overlay.fmt(f),
            Self::Border { px, colour, radii: [tl, tr, br, bl] } => {
                write!(f, "border {px} {colour} {tl},{tr},{br},{bl}")
            }
        }
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Drawn::Picture(number) => write!(f, "draw picture {number}")?,
            // Quoted, so that no text can look like another operation.
            Drawn::Text { text, font, size, colour } => {
                write!(f, "draw text {text:?} {} {size}", font.word())?;
                colour.map_or(Ok(()), |colour| write!(f, " {colour}"))?;
            }
        }
        let side = |side: Option<u32>| side.map_or("auto".to_owned(), |side| side.to_string());
        write!(f, " {}x{} {}", side(self.width), side(self.height), self.gravity)?;
        let (x, y) = self.offset;
        write!(f, " {x},{y} o_{}{}", self.opacity, if self.tile { " tiled" } else { "" })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("none"),
            Self::Colour(colour) => colour.fmt(f),
            Self::Edges => f.write_str("auto"),
            Self::Soft(None) => f.write_str("blur"),
            Self::Soft(Some(sigma)) => write!(f, "blur:{sigma}"),
        }
    }
}

impl fmt::Display for Adjust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brightness(by) => write!(f, "brightness {by}"),
            Self::Contrast(by) => write!(f, "contrast {by}"),
            Self::Saturation(by) => write!(f, "saturation {by}"),
            Self::Hue(degrees) => write!(f, "hue {degrees}"),
            Self::Gamma(gamma) => write!(f, "gamma {gamma}"),
            Self::Gray => f.write_str("gray"),
            Self::Sepia(percent) => write!(f, "sepia {percent}"),
            Self::Negate => f.write_str("negate"),
            Self::Tint(colour) => write!(f, "tint {colour}"),
            Self::Duotone(dark, light, percent) => write!(f, "duotone {dark}:{light}:{percent}"),
            Self::Opacity(percent) => write!(f, "opacity {percent}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Told { form, width, height }) = self.told {
            return write!(f, "{} of {width}x{height} md_{}", form.name(), self.metadata.word());
        }
        f.write_str(format_name(self.format))?;
        if !self.original {
            write!(f, " q_{} e{}", self.quality, self.effort)?;
        }
        if let Some(progressive) = self.progressive {
            write!(f, " il_{}", u8::from(progressive))?;
        }
        if self.subsample != Subsample::Auto {
            write!(f, " ss_{}", self.subsample.word())?;
        }
        if self.flatten != Colour::WHITE {
            write!(f, " b_{}", self.flatten)?;
        }
        if self.space != Space::Srgb {
            write!(f, " cs_{}", self.space.word())?;
        }
        if let Some(bytes) = self.max_bytes {
            write!(f, " mb_{bytes}")?;
        }
        write!(f, " md_{}", self.metadata.word())?;
        self.rivals.iter().try_for_each(|rival| write!(f, " or {rival}"))
    }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "jpg",
        Format::Png => "png",
        Format::Webp => "webp",
        Format::Gif => "gif",
        Format::Avif => "avif",
        Format::Heic => "heic",
        Format::Jxl => "jxl",
        Format::Tiff => "tiff",
        Format::Bmp => "bmp",
        Format::Ico => "ico",
        Format::Svg => "svg",
    }
}
