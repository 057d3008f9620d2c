//! What `q_auto` means: which number on each codec's own scale gives about the same look.

use crate::codec::{Format, palette};
use crate::transform::plan::{AutoQuality, Quality};

/// A setting that an encoder understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// 1…100 on the codec's own scale; without meaning where `lossless`.
    pub number: u8,
    pub lossless: bool,
}

/// The setting for `quality` in `format`. A format that has no lossless mode takes its best.
/// `pixels` are those of the result.
pub fn setting(format: Format, quality: Quality, pixels: u64) -> Setting {
    let always_lossless = matches!(format, Format::Gif | Format::Tiff | Format::Bmp | Format::Ico);
    match quality {
        _ if format == Format::Png => png(quality),
        _ if always_lossless => Setting { number: 100, lossless: true },
        Quality::Lossless => Setting { number: 100, lossless: format != Format::Jpeg },
        Quality::Fixed(number) => Setting { number: number.clamp(1, 100), lossless: false },
        Quality::Auto(class) => Setting { number: auto(format, class, pixels), lossless: false },
    }
}

/// The number is a share of [`palette::MOST`] colours; [`palette_quality`] says what asks for a palette.
fn png(quality: Quality) -> Setting {
    match palette_quality(quality) {
        Some(Quality::Fixed(number)) => Setting { number: number.max(1), lossless: false },
        Some(Quality::Auto(AutoQuality::Low)) => Setting { number: 25, lossless: false },
        Some(_) => Setting { number: 100, lossless: false },
        None => Setting { number: 100, lossless: true },
    }
}

/// What asks for a PNG of few colours: less than all, in so many words.
pub fn palette_quality(quality: Quality) -> Option<Quality> {
    match quality {
        Quality::Fixed(number) => (number < 100).then_some(quality),
        Quality::Auto(AutoQuality::Eco | AutoQuality::Low) => Some(quality),
        Quality::Auto(AutoQuality::Best | AutoQuality::Good) | Quality::Lossless => None,
    }
}

/// The colours that a number of a PNG stands for.
pub(crate) fn colours(number: u8) -> usize {
    (palette::MOST * usize::from(number)).div_ceil(100).clamp(palette::LEAST, palette::MOST)
}

fn auto(format: Format, class: AutoQuality, pixels: u64) -> u8 {
    let table = match format {
        Format::Webp => &WEBP,
        Format::Avif => &AVIF,
        _ => &JPEG,
    };
    let size = SIZES.iter().take_while(|&&limit| pixels >= limit).count();
    let [best, good, eco, low] = table[size];
    match class {
        AutoQuality::Best => best,
        AutoQuality::Good => good,
        AutoQuality::Eco => eco,
        AutoQuality::Low => low,
    }
}

/// Pixels from which on the next row of a table counts. The same number shows more in a small picture.
const SIZES: [u64; 2] = [130_000, 550_000];

/// What best, good, eco and low mean is one ssimulacra2 each for every format: 82, 74, 66 and 56. The numbers with which
/// nine photographs reach it in the median at 300, 640 and 1280 px were found by `benches/quality/fit.py`, with the
/// efforts that plans ask for while a person waits.
const JPEG: [[u8; 4]; 3] = [[86, 72, 52, 34], [87, 74, 59, 39], [87, 75, 62, 39]];
const WEBP: [[u8; 4]; 3] = [[89, 78, 58, 34], [90, 81, 63, 40], [91, 83, 67, 43]];
#[cfg(feature = "libaom")]
const AVIF: [[u8; 4]; 3] = [[81, 66, 56, 47], [85, 72, 58, 50], [86, 72, 59, 51]];
/// rav1e's scale is another; found at 300 and 640 px.
#[cfg(not(feature = "libaom"))]
const AVIF: [[u8; 4]; 3] = [[85, 78, 65, 53]; 3];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_fall_in_order() {
        let all = [Format::Jpeg, Format::Webp, Format::Avif].into_iter();
        for (format, pixels) in all.flat_map(|format| [1, 300_000, 9_000_000].map(|pixels| (format, pixels)))
        {
            let numbers = [AutoQuality::Best, AutoQuality::Good, AutoQuality::Eco, AutoQuality::Low]
                .map(|class| setting(format, Quality::Auto(class), pixels).number);
            assert!(numbers.is_sorted_by(|a, b| a > b), "{format:?} {numbers:?}");
        }
    }

    #[test]
    fn lossless_where_the_format_can() {
        assert!(setting(Format::Webp, Quality::Lossless, 1).lossless);
        assert_eq!(setting(Format::Jpeg, Quality::Lossless, 1), Setting { number: 100, lossless: false });
        assert!(setting(Format::Tiff, Quality::Fixed(30), 1).lossless);
    }

    #[test]
    fn a_png_is_lossless_unless_less_is_asked_for() {
        use AutoQuality::{Best, Eco, Good, Low};
        for quality in [Quality::Auto(Best), Quality::Auto(Good), Quality::Lossless, Quality::Fixed(100)] {
            assert!(setting(Format::Png, quality, 1).lossless, "{quality:?}");
        }
        let found = |quality| {
            let setting = setting(Format::Png, quality, 1);
            assert!(!setting.lossless, "{quality:?}");
            colours(setting.number)
        };
        assert_eq!([Quality::Auto(Eco), Quality::Auto(Low)].map(found), [256, 64]);
        assert_eq!([99, 75, 50, 25, 1].map(|number| found(Quality::Fixed(number))), [254, 192, 128, 64, 64]);
    }
}
