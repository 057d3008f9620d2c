//! What a file is, by its content alone (names and declared types lie), and what each format is called and can do.

use super::{Format, svg};

impl Format {
    pub const ALL: [Self; 11] = [
        Self::Jpeg,
        Self::Png,
        Self::Webp,
        Self::Gif,
        Self::Avif,
        Self::Heic,
        Self::Jxl,
        Self::Tiff,
        Self::Bmp,
        Self::Ico,
        Self::Svg,
    ];

    /// The format of a file that begins with these bytes; 64 suffice for all but an SVG behind a long comment.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', b'\r', b'\n', 0x87, b'\n', ..] => {
                Some(Self::Jxl)
            }
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => sniff_brands(bytes),
            [b'B', b'M', ..] => sniff_bmp(bytes),
            // A directory of at least one entry, whose reserved byte is 0.
            [0, 0, 1, 0, low, high, _, _, _, 0, ..] if (*low, *high) != (0, 0) => Some(Self::Ico),
            _ => (is_svg(bytes) || svg::is_packed(bytes, is_svg)).then_some(Self::Svg),
        }
    }

    /// By name or file extension, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Self::Jpeg,
            "png" | "apng" => Self::Png,
            "webp" => Self::Webp,
            "gif" => Self::Gif,
            "avif" => Self::Avif,
            "heic" | "heif" => Self::Heic,
            "jxl" => Self::Jxl,
            "tif" | "tiff" => Self::Tiff,
            "bmp" => Self::Bmp,
            "ico" => Self::Ico,
            "svg" | "svgz" => Self::Svg,
            _ => return None,
        })
    }

    /// What it is called in metrics, answers and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Tiff => "tiff",
            other => other.extension(),
        }
    }

    /// The usual file extension, which is also its short name in a URL.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Avif => "avif",
            Self::Heic => "heic",
            Self::Jxl => "jxl",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Ico => "ico",
            Self::Svg => "svg",
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
            Self::Jxl => "image/jxl",
            Self::Tiff => "image/tiff",
            Self::Bmp => "image/bmp",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Svg => "image/svg+xml",
        }
    }

    /// Whether our encoder for it throws detail away unless told otherwise.
    pub fn is_lossy(self) -> bool {
        matches!(self, Self::Jpeg | Self::Webp | Self::Avif | Self::Heic | Self::Jxl)
    }

    /// Whether it has no pixels of its own, so that a larger picture is as sharp.
    pub(crate) fn is_scalable(self) -> bool {
        self == Self::Svg
    }

    pub fn can_have_alpha(self) -> bool {
        !matches!(self, Self::Jpeg | Self::Bmp)
    }

    /// The shortest side that its encoder here takes.
    pub(crate) fn min_side(self) -> u32 {
        if self == Self::Jxl { 2 } else { 1 }
    }

    /// The longest side the file format can express, where that is less than we would ever make.
    pub(crate) fn max_side(self) -> Option<u32> {
        match self {
            Self::Jpeg => Some(65_500),
            Self::Webp => Some(16_383),
            Self::Gif | Self::Avif => Some(65_535),
            Self::Ico => Some(256),
            Self::Png | Self::Heic | Self::Jxl | Self::Tiff | Self::Bmp | Self::Svg => None,
        }
    }
}

/// ISO media files say by brands which codec they need; a bare `mif1` is HEIF without saying more.
fn sniff_brands(bytes: &[u8]) -> Option<Format> {
    let size = u32::from_be_bytes(bytes.first_chunk().copied()?) as usize;
    let brands = bytes.get(8..size.min(bytes.len()))?;
    let mut heif = false;
    for (index, brand) in brands.chunks_exact(4).enumerate() {
        match brand {
            // The second word is a version, not a brand.
            _ if index == 1 => {}
            b"avif" | b"avis" => return Some(Format::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" | b"mif1"
            | b"msf1" => {
                heif = true;
            }
            _ => {}
        }
    }
    heif.then_some(Format::Heic)
}

/// `BM` alone begins many texts, so the size of the second header must be one of those that exist.
fn sniff_bmp(bytes: &[u8]) -> Option<Format> {
    let header = u32::from_le_bytes(bytes.get(14..18)?.try_into().ok()?);
    matches!(header, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124).then_some(Format::Bmp)
}

/// Whether an `svg` element is the first thing after declarations, comments and a document type.
fn is_svg(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    loop {
        rest = rest.trim_ascii_start();
        rest = if let Some(inner) = rest.strip_prefix(b"<?") {
            after(inner, b"?>")
        } else if let Some(inner) = rest.strip_prefix(b"<!--") {
            after(inner, b"-->")
        } else if let Some(inner) = rest.strip_prefix(b"<!") {
            after_doctype(inner)
        } else {
            let element = rest.strip_prefix(b"<").unwrap_or(b"");
            let name_end = element
                .iter()
                .position(|b| b.is_ascii_whitespace() || b"/>".contains(b))
                .unwrap_or(element.len());
            let name = &element[..name_end];
            // Cut off inside the first tag is enough to know; a prefix is legal XML.
            return name == b"svg" || name.ends_with(b":svg");
        };
    }
}

fn after<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    text.windows(end.len()).position(|window| window == end).map_or(&[], |at| &text[at + end.len()..])
}

/// A document type may hold declarations in brackets, which hold `>` themselves.
fn after_doctype(text: &[u8]) -> &[u8] {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return &text[at + 1..],
            _ => {}
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_format() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.extension()), Some(format));
        }
        assert_eq!(Format::from_name("JPEG"), Some(Format::Jpeg));
        assert_eq!(Format::from_name("tif"), Some(Format::Tiff));
        assert_eq!(Format::from_name("pdf"), None);
    }

    #[test]
    fn brands_tell_avif_from_heic_from_video() {
        let file = |brands: &[u8]| {
            let mut bytes = (8 + brands.len() as u32).to_be_bytes().to_vec();
            bytes.extend(b"ftyp");
            bytes.extend(brands);
            bytes.extend(b"avif behind the box");
            Format::sniff(&bytes)
        };
        assert_eq!(file(b"avif\0\0\0\0mif1"), Some(Format::Avif));
        assert_eq!(file(b"mif1\0\0\0\0mif1avif"), Some(Format::Avif));
        assert_eq!(file(b"mif1\0\0\0\0heic"), Some(Format::Heic));
        assert_eq!(file(b"isom\0\0\0\0mp41"), None);
        assert_eq!(file(b"isomavifmp41"), None, "the version is not a brand");
    }

    #[test]
    fn svg_is_found_behind_what_xml_allows_before_it() {
        let svg = |text: &str| Format::sniff(text.as_bytes()) == Some(Format::Svg);
        assert!(svg("<svg xmlns='http://www.w3.org/2000/svg'/>"));
        assert!(svg(
            "\u{FEFF} <?xml version='1.0'?><!-- <html> --><!DOCTYPE svg [<!ENTITY a '>'>]>\n<svg:svg>"
        ));
        assert!(!svg("<html><svg>"));
        assert!(!svg("<svgx>"));
        assert!(!svg("<!-- <svg>"));
        assert!(!svg(""));
    }

    #[test]
    fn two_letters_are_not_a_bitmap() {
        assert_eq!(Format::sniff(b"BMW is a maker of cars in Munich"), None);
    }
}
