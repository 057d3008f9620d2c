//! THE table of every option: its keys, what it accepts, its default, what it means and whether its pixels are
//! built. The parser, the canonical order, the documentation and the hints all read it.

use crate::transform::domain::Domain;
use crate::transform::number::Decimal;
use crate::transform::plan::{AutoQuality, Font, Kernel, Metadata, Quality, Subsample};
use crate::transform::value::{Gravity, Value};
use crate::transform::words::{Mode, Space, Wanted};

/// One option. The order of the table is the canonical order and the order of execution inside a step.
#[derive(Debug)]
pub struct Row {
    pub key: Key,
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub domain: Domain,
    /// The value that means the same as leaving it out.
    pub default: Option<Value>,
    pub scope: Scope,
    pub built: Built,
    pub unsigned: Unsigned,
    pub doc: &'static str,
}

/// What an option belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Step,
    /// The whole spec: at most one value wherever it stands.
    Spec,
}

/// Whether rendering knows the option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    Yes,
    No,
    /// All but this.
    Except(&'static str),
}

/// What the unsigned policy `ladder` makes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    Yes,
    No,
    Rule(&'static str),
}

macro_rules! table {
    ($($key:ident $name:literal [$($alias:literal)*] $domain:expr, $default:expr, $scope:ident, $built:expr,
       $unsigned:expr, $doc:literal;)*) => {
        /// An option's identity, in canonical order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Key { $($key),* }

        /// Every option, indexed by [`Key`].
        pub static TABLE: &[Row] = &[$(Row {
            key: Key::$key,
            name: $name,
            aliases: &[$($alias),*],
            domain: $domain,
            default: $default,
            scope: Scope::$scope,
            built: $built,
            unsigned: $unsigned,
            doc: $doc,
        }),*];

        /// Every spelling of every key.
        const SPELLINGS: &[(&str, Key)] = &[$(($name, Key::$key), $(($alias, Key::$key),)*)*];
    };
}

use Built::{Except, Yes as Now};
use Unsigned::{No as Signed, Rule, Yes as Free};

const ZERO: Option<Value> = Some(Value::Number(Decimal::ZERO));
const ONE: Option<Value> = Some(Value::Number(Decimal::ONE));
const HUNDRED: Option<Value> = Some(Value::Number(Decimal::whole(100)));
const OFF: Option<Value> = Some(Value::Flag(false));
const ON: Option<Value> = Some(Value::Flag(true));
const CENTRE: Option<Value> = Some(Value::Gravity(Gravity::CENTRE));
const NO_EDGES: Option<Value> = Some(Value::Edges([0; 4]));

const fn whole(min: i64, max: i64) -> Domain {
    Domain::Whole { min, max }
}

const fn number(min: i64, max: i64) -> Domain {
    Domain::Number { min, max, bare: None }
}

table! {
    T "t" ["preset" "named" "pr"] Domain::Names, None, Step, Now, Free,
        "Expand presets here. Options beside it win over theirs; of two presets the later name wins.";
    Pg "pg" ["page" "frame"] whole(0, 9999), None, Spec, Now, Free,
        "Frame of an animation or page of a TIFF, counted from 0, as a still picture; not beside `mf` or `an_1`.";
    Or "or" ["autoorient" "autorotate"] Domain::Flag, ON, Spec, Now, Free,
        "Apply the EXIF orientation. A bare `rotate` means this.";
    Ex "ex" ["extract" "region"] Domain::Region, None, Step, Now, Signed,
        "Cut this region out before anything else. `crop` with four numbers means this.";
    Trim "trim" [] Domain::Trim, None, Step, Now, Signed,
        "Cut the border that looks like the top-left pixel, or like the colour that is given. The tolerance is a distance in RGB.";
    W "w" ["width"] Domain::Side, None, Step, Now, Rule("snapped with `h`; no fractions"),
        "Width of the target box. A fraction is one of the picture as it stands; `iw` and `ih` are the original's sides; `auto` is the client's hint.";
    H "h" ["height"] Domain::Side, None, Step, Now, Rule("snapped with `w`; no fractions"),
        "Height of the target box, like `w`.";
    S "s" ["resize" "size"] Domain::Sides, None, Step, Now, Rule("as `w` and `h`"),
        "IPX box: sets `w` and `h`, and `c` to `afill` unless it is given.";
    Ar "ar" ["aspect"] Domain::Ratio, None, Step, Now, Rule("not beside `iw`, `ih`"),
        "With exactly one of `w` and `h`: gives the other.";
    C "c" ["crop" "mode"] Domain::Mode, Some(Value::Mode(Mode::Limit)), Step, Now, Free,
        "Resize mode; see below. `mcover` is `fill` without the crop.";
    Fit "fit" [] Domain::Fit, None, Step, Now, Free,
        "The words of sharp, IPX and Cloudflare for `c`.";
    G "g" ["gravity" "pos" "position" "fo"] Domain::Gravity, CENTRE, Step,
        Except("face"), Rule("words only"),
        "What stays when cropping, and where the picture stands on a canvas. `auto` is what draws the eye, `entropy` the liveliest part. `focus` is the stored point, else `auto`, else `c`; it is the default of `c_thumb`.";
    X "x" [] Domain::Offset, ZERO, Step, Now, Signed,
        "Offset inward from an edge or corner, right from the centre, in output pixels.";
    Y "y" [] Domain::Offset, ZERO, Step, Now, Signed,
        "Offset inward from an edge or corner, down from the centre, in output pixels.";
    Dpr "dpr" ["dppx"] Domain::Dpr, ONE, Spec, Now, Free,
        "Multiplies every quantity in pixels of every step but `ex`. `auto` is the client's hint.";
    El "el" ["enlarge"] Domain::Flag, OFF, Step, Now, Free,
        "Allow enlarging: limit becomes fit, lfill and afill become fill, lpad becomes pad.";
    K "k" ["kernel"] Domain::Kernel, Some(Value::Kernel(Kernel::Lanczos3)), Step, Now, Free,
        "Resampling filter.";
    A "a" ["angle" "rotate" "rot"] Domain::Angle, ZERO, Step, Now, Rule("quarter turns"),
        "Turn clockwise, after resizing; corners take `b`. A bare `a`, `a_true` and `a_false` mean `an`.";
    Flip "flip" [] Domain::Flag, OFF, Step, Now, Free,
        "Mirror top to bottom.";
    Flop "flop" [] Domain::Flag, OFF, Step, Now, Free,
        "Mirror left to right.";
    Bri "bri" ["brightness"] number(0, 10), ONE, Step, Now, Signed,
        "Brightness; 1 = unchanged.";
    Con "con" ["contrast"] number(0, 10), ONE, Step, Now, Signed,
        "Contrast; 1 = unchanged.";
    Sat "sat" ["saturation"] number(0, 10), ONE, Step, Now, Signed,
        "Saturation; 1 = unchanged.";
    Hue "hue" [] Domain::Turn { max: 360 }, ZERO, Step, Now, Signed,
        "Turn all hues.";
    Gam "gam" ["gamma"] Domain::Gamma, ONE, Step, Now, Signed,
        "Gamma correction.";
    Gray "gray" ["grayscale" "greyscale"] Domain::Flag, OFF, Step, Now, Free,
        "Luminance only, computed in linear light.";
    Sep "sep" ["sepia"] Domain::Number { min: 0, max: 100, bare: Some(100) }, ZERO, Step, Now, Signed,
        "Sepia tone in percent.";
    Neg "neg" ["negate" "invert"] Domain::Flag, OFF, Step, Now, Signed,
        "Negative.";
    Tint "tint" [] Domain::Colour, None, Step, Now, Signed,
        "Colour everything with one hue.";
    Duo "duo" ["duotone"] Domain::Duotone, None, Step, Now, Signed,
        "Map dark and light to two colours.";
    Blur "blur" ["bl"] number(0, 250), ZERO, Step, Now, Rule("at most 20"),
        "Gaussian blur; the value is sigma.";
    Sharp "sharp" ["sharpen" "sh"] number(0, 10), ZERO, Step, Now, Signed,
        "Sharpen; the value is sigma.";
    Pix "pix" ["pixelate"] whole(0, 500), ZERO, Step, Now, Signed,
        "Blocks of so many pixels.";
    Median "median" [] whole(1, 25), None, Step, Now, Signed,
        "Median filter of this size.";
    L "l" ["overlay" "wm" "watermark"] Domain::Overlay, None, Step, Now, Signed,
        "Draw another picture of the library, or a text, on top. Without `lw` and `lh` it has its own size, and is made smaller where the picture is. A text is broken into lines where it is wider than its box.";
    Lw "lw" [] Domain::Side, None, Step, Now, Signed,
        "Width of the overlay's box, into which it is fitted; a fraction is one of the picture.";
    Lh "lh" [] Domain::Side, None, Step, Now, Signed,
        "Height of the overlay's box.";
    Lo "lo" [] number(0, 100), HUNDRED, Step, Now, Signed,
        "Opacity of the overlay.";
    Lg "lg" [] Domain::Gravity, CENTRE, Step, Except("face"), Signed,
        "Where the overlay stands; `auto` and `entropy` are where it hides least.";
    Lx "lx" [] Domain::Offset, ZERO, Step, Now, Signed,
        "Its offset, as `x`.";
    Ly "ly" [] Domain::Offset, ZERO, Step, Now, Signed,
        "Its offset, as `y`.";
    Lt "lt" [] Domain::Flag, OFF, Step, Now, Signed,
        "Repeat the overlay over the whole picture.";
    Lf "lf" [] Domain::Font, Some(Value::Font(Font::Sans)), Step, Now, Signed,
        "Font of the text: Latin, Greek, Cyrillic, Chinese, Japanese and Korean are in all of them.";
    Lc "lc" [] Domain::Colour, None, Step, Now, Signed,
        "Colour of the text. Without it: white or black, whichever is easier to read there.";
    Ls "ls" [] whole(1, 16_384), None, Step, Now, Signed,
        "Size of the text in pixels. Without it: a twelfth of the picture's shorter side.";
    R "r" ["radius" "round"] Domain::Radius, NO_EDGES, Step, Now, Rule("`max`"),
        "Round the corners (CSS shorthand from top left, clockwise).";
    Bo "bo" ["border"] Domain::Border, None, Step, Now, Signed,
        "A border.";
    Pad "pad" ["padding" "extend"] Domain::Edges, NO_EDGES, Step, Now, Signed,
        "Add so much around the picture, after resizing (CSS shorthand).";
    B "b" ["background" "bg"] Domain::Background, None, Step, Now, Rule("snapped to three-digit colours"),
        "What lies behind the picture and fills padding: a colour, `auto` for that of the picture's edges, `blur` for the picture itself, enlarged and blurred (`blur:n` by sigma n). Without it: nothing, and white where the output has no alpha.";
    O "o" ["opacity"] number(0, 100), HUNDRED, Step, Now, Signed,
        "Opacity of the result.";
    F "f" ["fmt" "format" "output"] Domain::Format, Some(Value::Format(Wanted::Auto)), Spec,
        Except("svg and heic where the original is another"), Free,
        "Output format. `ico` has at most 256 pixels a side. `auto` goes by the Accept header, `best` is whatever of what the client takes has the fewest bytes at the same quality and costs as much as all of them, `orig` is the original without GPS, serials and thumbnail; so is the original's own format where nothing else is asked. `svg` and `heic` only name originals. `json` tells sides, colours, placeholders and EXIF; `lqip`, `blurhash` and `thumbhash` are one placeholder as text.";
    Q "q" ["quality"] Domain::Quality, Some(Value::Quality(Quality::Auto(AutoQuality::Good))), Spec, Now,
        Rule("snapped to 30 40 50 60 70 75 80 85 90 95; not lossless"),
        "Quality. `auto` is a perceptual target, not a number, and means `auto:good`. A `f_png` is lossless with `auto`, `auto:best` and 100; `auto:eco` is the best 256 colours for it, `auto:low` 64, and a number that percentage of 256, at least 64. In the other formats that lose nothing it has no effect.";
    Mb "mb" ["max_bytes" "maxbytes"] whole(256, 100_000_000), None, Spec, Now, Signed,
        "Largest size in bytes: `q` is lowered until the result fits. What cannot fit, lossless results included, is `result_too_large`.";
    Il "il" ["progressive" "interlace"] Domain::FlagOrAuto, Some(Value::Auto), Spec, Except("interlaced PNG"), Free,
        "Progressive JPEG. PNG is never interlaced. `auto`: on for JPEG over 10 KB. Without effect where `f_auto` chooses another format.";
    Ss "ss" ["subsample"] Domain::Subsample, Some(Value::Subsample(Subsample::Auto)), Spec, Now, Free,
        "Chroma subsampling. `auto`: 4:4:4 where text or saturated edges need it, else 4:2:0. Lossy WebP is 4:2:0 by its nature; there `444` is the conversion that keeps edges sharp.";
    Md "md" ["metadata" "meta"] Domain::Metadata, Some(Value::Metadata(Metadata::Copyright)), Spec, Now, Free,
        "What of EXIF, XMP and IPTC is kept. `all` keeps GPS and serials too and needs the owner or a signature.";
    Cs "cs" ["colorspace" "icc"] Domain::Space, Some(Value::Space(Space::Srgb)), Spec, Now, Free,
        "Colour space of a jpg, png, webp or avif: sRGB without a profile, Display P3 with its profile, or the source's RGB as it is with its own. Other formats are sRGB.";
    An "an" ["anim" "animated"] Domain::Flag, ON, Spec, Now, Free,
        "0 = the first frame. An animation stays one as WebP and GIF; `f_auto` is one of these then. `f_png` of an animation is its first frame unless `an_1` is written.";
    Mf "mf" ["max_frames" "maxframes"] whole(1, 9999), None, Spec, Now, Free,
        "At most so many frames.";
    D "d" ["default" "fallback"] Domain::Id, None, Spec, Now, Free,
        "Picture that is shown where the source is missing or broken.";
}

impl Key {
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// The option of a whole key or alias, in any case, and the spelling that matched.
pub(crate) fn find(text: &str) -> Option<(Key, &'static str)> {
    if text.len() > LONGEST {
        return None;
    }
    let packed = packed(text.as_bytes());
    let at = SORTED.binary_search_by(|entry| entry.packed.cmp(&packed)).ok()?;
    // Zero bytes at the end would pack like none.
    (SORTED[at].spelling.len() == text.len()).then_some((SORTED[at].key, SORTED[at].spelling))
}

/// Splits an option as it stands in a URL into its key and the text behind `_` or `=`. The longest known key wins.
pub(crate) fn split(text: &str) -> Option<(Key, &'static str, Option<&str>)> {
    let mut found = None;
    for (at, byte) in text.bytes().enumerate().take(LONGEST + 1) {
        if byte == b'_' || byte == b'=' {
            if let Some((key, spelling)) = find(&text[..at]) {
                found = Some((key, spelling, Some(&text[at + 1..])));
            }
            if byte == b'=' {
                return found;
            }
        }
    }
    find(text).map(|(key, spelling)| (key, spelling, None)).or(found)
}

/// Every spelling, for hints.
pub(crate) fn spellings() -> impl Iterator<Item = &'static str> {
    SPELLINGS.iter().map(|(spelling, _)| *spelling)
}

const LONGEST: usize = {
    let (mut longest, mut i) = (0, 0);
    while i < SPELLINGS.len() {
        if SPELLINGS[i].0.len() > longest {
            longest = SPELLINGS[i].0.len();
        }
        i += 1;
    }
    longest
};

/// A spelling as one number, so that looking it up costs a few comparisons of integers.
#[derive(Clone, Copy)]
struct Spelling {
    packed: u128,
    spelling: &'static str,
    key: Key,
}

static SORTED: [Spelling; SPELLINGS.len()] = sorted();

const _: () = assert!(LONGEST <= size_of::<u128>());

/// At most 16 bytes, in lower case, the first in the highest place.
const fn packed(text: &[u8]) -> u128 {
    let (mut packed, mut i) = (0, 0);
    while i < text.len() {
        packed |= (text[i].to_ascii_lowercase() as u128) << (120 - 8 * i);
        i += 1;
    }
    packed
}

/// Insertion sort, because that is what a `const fn` can do.
const fn sorted() -> [Spelling; SPELLINGS.len()] {
    let mut list = [Spelling { packed: 0, spelling: "", key: Key::T }; SPELLINGS.len()];
    let mut i = 0;
    while i < list.len() {
        let (spelling, key) = SPELLINGS[i];
        list[i] = Spelling { packed: packed(spelling.as_bytes()), spelling, key };
        let mut j = i;
        while j > 0 && list[j].packed < list[j - 1].packed {
            (list[j], list[j - 1]) = (list[j - 1], list[j]);
            j -= 1;
        }
        i += 1;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_unique_and_found() {
        assert!(SORTED.windows(2).all(|pair| pair[0].packed < pair[1].packed));
        for (spelling, key) in SPELLINGS {
            assert_eq!(find(spelling), Some((*key, *spelling)));
            assert_eq!(find(&spelling.to_ascii_uppercase()), Some((*key, *spelling)));
        }
    }

    #[test]
    fn the_table_is_indexed_by_its_keys() {
        assert!(TABLE.iter().enumerate().all(|(i, row)| row.key as usize == i));
    }

    #[test]
    fn the_longest_known_key_wins() {
        assert_eq!(split("max_bytes_1000"), Some((Key::Mb, "max_bytes", Some("1000"))));
        assert_eq!(split("crop_1_2_3_4"), Some((Key::C, "crop", Some("1_2_3_4"))));
        assert_eq!(split("w=3_4=5"), Some((Key::W, "w", Some("3_4=5"))));
        assert_eq!(split("flip"), Some((Key::Flip, "flip", None)));
        assert_eq!(split("foo_1"), None);
        assert_eq!(split("_w"), None);
        assert_eq!(split(""), None);
        assert_eq!(split("w\0"), None);
    }

    #[test]
    fn defaults_are_values_of_their_options() {
        for row in TABLE {
            if let Some(default) = &row.default {
                assert_eq!(
                    row.domain.read(Some(&default.to_string())).as_ref(),
                    Some(default),
                    "{}",
                    row.name
                );
            }
        }
    }
}
