//! What `q_auto` means: which number on each codec's own scale gives about the same look.

use crate::codec::Format;
use crate::transform::plan::{AutoQuality, Quality};

/// A setting that an encoder understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// 1…100 on the codec's own scale; without meaning where `lossless`.
    pub number: u8,
    pub lossless: bool,
}

/// The setting for `quality` in `format`. A format that has no lossless mode takes its best.
pub fn setting(format: Format, quality: Quality) -> Setting {
    let always_lossless =
        matches!(format, Format::Png | Format::Gif | Format::Tiff | Format::Bmp | Format::Ico);
    match quality {
        _ if always_lossless => Setting { number: 100, lossless: true },
        Quality::Lossless => Setting { number: 100, lossless: format != Format::Jpeg },
        Quality::Fixed(number) => Setting { number: number.clamp(1, 100), lossless: false },
        Quality::Auto(class) => Setting { number: auto(format, class), lossless: false },
    }
}

fn auto(format: Format, class: AutoQuality) -> u8 {
    let [best, good, eco, low] = match format {
        Format::Webp => WEBP,
        Format::Avif => AVIF,
        _ => JPEG,
    };
    match class {
        AutoQuality::Best => best,
        AutoQuality::Good => good,
        AutoQuality::Eco => eco,
        AutoQuality::Low => low,
    }
}

/// Best, good, eco, low. The usual JPEG numbers; those of the other codecs reach the same mean ssimulacra2 (78, 72, 66
/// and 60) on five photographs and a screenshot at 300 and 640 px, with libwebp's method 4 and ravif's speed 8.
const JPEG: [u8; 4] = [90, 80, 70, 55];
const WEBP: [u8; 4] = [89, 80, 73, 53];
const AVIF: [u8; 4] = [84, 75, 63, 53];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_fall_in_order() {
        for format in [Format::Jpeg, Format::Webp, Format::Avif] {
            let numbers = [AutoQuality::Best, AutoQuality::Good, AutoQuality::Eco, AutoQuality::Low]
                .map(|class| setting(format, Quality::Auto(class)).number);
            assert!(numbers.is_sorted_by(|a, b| a > b), "{format:?} {numbers:?}");
        }
    }

    #[test]
    fn lossless_where_the_format_can() {
        assert!(setting(Format::Webp, Quality::Lossless).lossless);
        assert_eq!(setting(Format::Jpeg, Quality::Lossless), Setting { number: 100, lossless: false });
        assert!(setting(Format::Png, Quality::Fixed(30)).lossless);
    }
}
