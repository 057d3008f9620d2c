//! The options whose values are words: each enum with all its spellings, the canonical one first.

use crate::transform::plan::{AutoQuality, Font, Kernel, Metadata, Subsample};

/// A value that is one of a list of words.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Each value with its spellings, canonical first. Lists for people print the canonical ones.
    const WORDS: &'static [(Self, &'static [&'static str])];

    fn parse(text: &str) -> Option<Self> {
        let spelled =
            |(_, words): &&(Self, &[&str])| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        Self::WORDS.iter().find(spelled).map(|(value, _)| *value)
    }

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, words)| words[0])
    }
}

macro_rules! words {
    ($type:ident: $($value:ident $($word:literal)+;)*) => {
        impl Word for $type {
            const WORDS: &'static [(Self, &'static [&'static str])] = &[$((Self::$value, &[$($word),+])),*];
        }
    };
}

/// How the picture meets the box of `w` and `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    Limit,
    Fit,
    Mfit,
    Fill,
    Lfill,
    Afill,
    Pad,
    Lpad,
    Mpad,
    Scale,
    Crop,
    Thumb,
    /// Fill without the crop: sharp's `outside`.
    Mcover,
}

words! { Mode:
    Limit "limit"; Fit "fit"; Mfit "mfit"; Fill "fill"; Lfill "lfill"; Afill "afill"; Pad "pad"; Lpad "lpad";
    Mpad "mpad"; Scale "scale"; Crop "crop"; Thumb "thumb"; Mcover "mcover";
}

impl Mode {
    /// Cuts to the box, so that gravity matters.
    pub(crate) fn crops(self) -> bool {
        matches!(self, Self::Fill | Self::Lfill | Self::Afill | Self::Crop | Self::Thumb)
    }

    /// Puts the picture on a canvas, so that gravity matters.
    pub(crate) fn pads(self) -> bool {
        matches!(self, Self::Pad | Self::Lpad | Self::Mpad)
    }

    pub(crate) fn scales(self) -> bool {
        !matches!(self, Self::Crop | Self::Mpad)
    }

    /// What `el` makes of it.
    pub(crate) fn enlarging(self) -> Self {
        match self {
            Self::Limit => Self::Fit,
            Self::Lfill | Self::Afill => Self::Fill,
            Self::Lpad => Self::Pad,
            other => other,
        }
    }
}

/// `fit`: the words of sharp, IPX and Cloudflare for [`Mode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit(pub(crate) Mode);

impl Word for Fit {
    const WORDS: &'static [(Self, &'static [&'static str])] = &[
        (Self(Mode::Limit), &["inside", "scale-down"]),
        (Self(Mode::Pad), &["contain", "pad"]),
        (Self(Mode::Afill), &["cover", "aspect-crop"]),
        (Self(Mode::Scale), &["fill", "squeeze", "force"]),
        (Self(Mode::Mcover), &["outside"]),
        (Self(Mode::Lfill), &["crop"]),
    ];
}

words! { Kernel:
    Nearest "nearest"; Linear "linear"; Cubic "cubic"; Mitchell "mitchell"; Lanczos2 "lanczos2"; Lanczos3 "lanczos3";
}

/// What `f` asks for; which bytes that means is decided with the source and the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    Auto,
    Best,
    Webp,
    Avif,
    Jpg,
    Png,
    Gif,
    Tiff,
    Ico,
    Bmp,
    Jxl,
    Json,
    Lqip,
    Blurhash,
    Thumbhash,
    Orig,
    /// Never encoded; names the original of an SVG (`/i/<id>.svg`).
    Svg,
    /// Never encoded; names the original of a HEIC picture.
    Heic,
}

words! { Wanted:
    Auto "auto"; Best "best"; Webp "webp"; Avif "avif"; Jpg "jpg" "jpeg"; Png "png"; Gif "gif"; Tiff "tiff" "tif";
    Ico "ico"; Bmp "bmp"; Jxl "jxl"; Json "json"; Lqip "lqip"; Blurhash "blurhash"; Thumbhash "thumbhash"; Orig "orig";
    Svg "svg"; Heic "heic" "heif";
}

impl Wanted {
    /// The format of a file extension that people know as a picture's.
    pub(crate) fn from_extension(extension: &str) -> Option<Self> {
        Self::parse(extension).filter(|wanted| {
            !matches!(
                wanted,
                Self::Auto
                    | Self::Best
                    | Self::Json
                    | Self::Lqip
                    | Self::Blurhash
                    | Self::Thumbhash
                    | Self::Orig
            )
        })
    }
}

words! { AutoQuality: Best "best"; Good "good"; Eco "eco"; Low "low"; }
words! { Subsample: Auto "auto"; S444 "444"; S420 "420"; }
words! { Metadata: None "none" "strip"; Copyright "copyright"; All "all" "keep"; }

/// The colour space of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    Srgb,
    P3,
    /// The source's own profile.
    Keep,
}

words! { Font: Sans "sans"; SansBold "sans-bold" "bold"; }
words! { Space: Srgb "srgb"; P3 "p3"; Keep "keep"; }
