//! What each option accepts: reading a value, and saying in words what would have been read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::transform::number::Decimal;
use crate::transform::plan::Font;
use crate::transform::plan::{AutoQuality, Colour, Kernel, Metadata, Quality, Subsample};
use crate::transform::value::{Background, Gravity, Overlay, Side, Value};
use crate::transform::words::{Fit, Mode, Space, Wanted, Word};

/// The longest side that can be asked for.
pub(crate) const MAX_SIDE: u32 = 16_384;
/// A radius beyond half of any result is a full circle, so a larger one means the same.
pub(crate) const MAX_RADIUS: u32 = 8_192;

/// The set of values of an option.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    Flag,
    FlagOrAuto,
    Whole {
        min: i64,
        max: i64,
    },
    Number {
        min: i64,
        max: i64,
        bare: Option<i64>,
    },
    /// From a tenth to ten.
    Gamma,
    /// Degrees either way, folded into one turn.
    Turn {
        max: i64,
    },
    Angle,
    Dpr,
    Side,
    Sides,
    Ratio,
    Region,
    Trim,
    Offset,
    Mode,
    Fit,
    Gravity,
    Kernel,
    Colour,
    Duotone,
    Overlay,
    Id,
    Font,
    Radius,
    Edges,
    Border,
    Background,
    Format,
    Quality,
    Subsample,
    Metadata,
    Space,
    Names,
}

impl Domain {
    /// Reads a percent-decoded value; `None` = the option stands bare.
    pub(crate) fn read(self, text: Option<&str>) -> Option<Value> {
        let Some(text) = text else { return self.bare() };
        match self {
            Self::Flag => flag(text).map(Value::Flag),
            Self::FlagOrAuto if text.eq_ignore_ascii_case("auto") => Some(Value::Auto),
            Self::FlagOrAuto => flag(text).map(Value::Flag),
            Self::Whole { min, max } => {
                within(text, min, max).filter(|n| n.as_whole().is_some()).map(Value::Number)
            }
            Self::Number { min, max, .. } => within(text, min, max).map(Value::Number),
            Self::Gamma => within(text, 0, 10).filter(|n| n.raw() >= 1000).map(Value::Number),
            Self::Turn { max } => within(text, -max, max).map(|n| Value::Number(n.turned())),
            Self::Angle => within(text, -3600, 3600).map(|n| Value::Number(n.turned())),
            Self::Dpr if text.eq_ignore_ascii_case("auto") => Some(Value::Auto),
            Self::Dpr => {
                within(text, 0, 4).filter(|n| n.raw() >= 5000).map(|n| Value::Number(n.snapped_to_quarter()))
            }
            Self::Side => side(text).map(Value::Side),
            Self::Sides => sides(text),
            Self::Ratio => ratio(text),
            Self::Region => region(text),
            Self::Trim => trim(text),
            Self::Offset => offset(text).map(Value::Number),
            Self::Mode => Mode::parse(text).map(Value::Mode),
            Self::Fit => Fit::parse(text).map(|Fit(mode)| Value::Mode(mode)),
            Self::Gravity => gravity(text).map(Value::Gravity),
            Self::Kernel => Kernel::parse(text).map(Value::Kernel),
            Self::Colour => Colour::parse(text).map(Value::Colour),
            Self::Duotone => duotone(text),
            Self::Overlay => overlay(text).map(Value::Overlay),
            Self::Id => is_id(text).then(|| Value::Id(text.into())),
            Self::Font => Font::parse(text).map(Value::Font),
            Self::Radius if text.eq_ignore_ascii_case("max") => Some(Value::Max),
            Self::Radius => edges(text, MAX_RADIUS),
            Self::Edges => edges(text, MAX_SIDE),
            Self::Border => border(text),
            Self::Background => background(text).map(Value::Background),
            Self::Format => Wanted::parse(text).map(Value::Format),
            Self::Quality => quality(text).map(Value::Quality),
            Self::Subsample => Subsample::parse(text).map(Value::Subsample),
            Self::Metadata => Metadata::parse(text).map(Value::Metadata),
            Self::Space => Space::parse(text).map(Value::Space),
            Self::Names => names(text).map(Value::Names),
        }
    }

    fn bare(self) -> Option<Value> {
        match self {
            Self::Flag | Self::FlagOrAuto => Some(Value::Flag(true)),
            Self::Number { bare: Some(bare), .. } => Some(Value::Number(Decimal::whole(bare))),
            Self::Trim => Some(Value::Trim(Decimal::whole(10), None)),
            _ => None,
        }
    }

    /// The words that a typing error may have been meant to be.
    pub(crate) fn words(self) -> Vec<&'static str> {
        fn all<T: Word>() -> Vec<&'static str> {
            T::WORDS.iter().flat_map(|(_, words)| *words).copied().collect()
        }
        match self {
            Self::Flag | Self::FlagOrAuto => vec!["true", "false"],
            Self::Mode => all::<Mode>(),
            Self::Fit => all::<Fit>(),
            Self::Kernel => all::<Kernel>(),
            Self::Format => all::<Wanted>(),
            Self::Subsample => all::<Subsample>(),
            Self::Metadata => all::<Metadata>(),
            Self::Space => all::<Space>(),
            Self::Font => all::<Font>(),
            Self::Quality => vec!["auto", "lossless", "auto:best", "auto:good", "auto:eco", "auto:low"],
            Self::Gravity => GRAVITY_WORDS.iter().map(|(word, _)| *word).collect(),
            Self::Colour | Self::Background => {
                crate::transform::colour::NAMES.iter().map(|(name, _)| *name).collect()
            }
            Self::Angle => vec!["hflip", "vflip"],
            _ => Vec::new(),
        }
    }
}

/// What is allowed, for errors and the documentation.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: Word>(f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (i, (_, words)) in T::WORDS.iter().enumerate() {
                write!(f, "{}{}", if i == 0 { "" } else { " " }, words.join("/"))?;
            }
            Ok(())
        }
        match self {
            Self::Flag => f.write_str("1 or 0 (true, false, or the bare option)"),
            Self::FlagOrAuto => f.write_str("1, 0 or auto"),
            Self::Whole { min, max } => write!(f, "a whole number {min}–{max}"),
            Self::Number { min, max, bare: None } => write!(f, "{min}–{max}"),
            Self::Number { min, max, bare: Some(bare) } => write!(f, "{min}–{max}, bare = {bare}"),
            Self::Gamma => f.write_str("0.1–10"),
            Self::Turn { max } => write!(f, "degrees −{max}…{max}"),
            Self::Angle => f.write_str("degrees −3600…3600 clockwise, hflip or vflip"),
            Self::Dpr => f.write_str("0.5–4 (snapped to quarters) or auto"),
            Self::Side => {
                write!(f, "whole pixels 1–{MAX_SIDE}, a fraction strictly between 0 and 1, iw, ih or auto")
            }
            Self::Sides => f.write_str("WxH or N (= NxN) in pixels"),
            Self::Ratio => f.write_str("4:3 or 1.333"),
            Self::Region => f.write_str("x:y:w:h in pixels, or all as fractions"),
            Self::Trim => f.write_str("tolerance 0–442[:hex colour], bare = 10"),
            Self::Offset => f.write_str("whole pixels, or a fraction of the free space"),
            Self::Mode => list::<Mode>(f),
            Self::Fit => list::<Fit>(f),
            Self::Gravity => f.write_str(
                "n ne e se s sw w nw c (or north, top, right-top, center…) auto/attention/smart entropy focus face fp:x:y or XxY (each 0–1)",
            ),
            Self::Kernel => list::<Kernel>(f),
            Self::Colour => f.write_str("a colour: 3, 4, 6 or 8 hex digits (`#` or `rgb:` before them), a CSS name or transparent"),
            Self::Duotone => f.write_str("colour:colour[:0–100]"),
            Self::Overlay => f.write_str("the id of a picture, or text:~base64url"),
            Self::Id => f.write_str("the id of a picture"),
            Self::Font => list::<Font>(f),
            Self::Radius => write!(f, "1–4 corners of 0–{MAX_RADIUS} px, or max"),
            Self::Edges => write!(f, "1–4 edges of 0–{MAX_SIDE} px (top, right, bottom, left)"),
            Self::Border => f.write_str("px:colour"),
            Self::Background => f.write_str("a colour (hex, CSS name, transparent), auto or blur[:0–250]"),
            Self::Format => list::<Wanted>(f),
            Self::Quality => f.write_str("1–100, auto, auto:best, auto:good, auto:eco, auto:low or lossless"),
            Self::Subsample => list::<Subsample>(f),
            Self::Metadata => list::<Metadata>(f),
            Self::Space => list::<Space>(f),
            Self::Names => f.write_str("name[:name…] of presets in the configuration"),
        }
    }
}

/// 1–64 letters, digits, `-` and `_`, at least one letter.
pub(crate) fn is_id(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&text.len())
        && text.bytes().all(legal)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The name of a preset or a source.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Decodes `~` + base64url; `None` where that is no text.
pub(crate) fn decode_base64(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()
}

pub(crate) fn flag(text: &str) -> Option<bool> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn within(text: &str, min: i64, max: i64) -> Option<Decimal> {
    Decimal::parse(text).filter(|n| (Decimal::whole(min)..=Decimal::whole(max)).contains(n))
}

fn pixels(text: &str, min: u32, max: u32) -> Option<u32> {
    within(text, min.into(), max.into())?.as_whole().and_then(|n| u32::try_from(n).ok())
}

fn side(text: &str) -> Option<Side> {
    for (word, side) in [("iw", Side::SourceWidth), ("ih", Side::SourceHeight), ("auto", Side::Auto)] {
        if text.eq_ignore_ascii_case(word) {
            return Some(side);
        }
    }
    let number = within(text, 0, MAX_SIDE.into())?;
    if number.is_fraction() {
        return Some(Side::Fraction(number));
    }
    number.as_whole().filter(|n| *n > 0).and_then(|n| u32::try_from(n).ok()).map(Side::Pixels)
}

fn sides(text: &str) -> Option<Value> {
    let (width, height) = text.split_once(['x', 'X', ':', '_']).unwrap_or((text, text));
    Some(Value::Sides(pixels(width, 1, MAX_SIDE)?, pixels(height, 1, MAX_SIDE)?))
}

/// Numbers with `:` or `_` between them, at most `N`, and how many there were.
fn numbers<const N: usize>(text: &str) -> Option<([Decimal; N], usize)> {
    let (mut numbers, mut count) = ([Decimal::ZERO; N], 0);
    for part in text.split([':', '_']) {
        *numbers.get_mut(count)? = Decimal::parse(part)?;
        count += 1;
    }
    Some((numbers, count))
}

fn ratio(text: &str) -> Option<Value> {
    let (parts, count) = numbers::<2>(text)?;
    let [mut a, mut b] = parts.map(Decimal::raw);
    if count == 1 {
        b = Decimal::ONE.raw();
    }
    if a <= 0 || b <= 0 {
        return None;
    }
    let divisor = gcd(a, b);
    (a, b) = (a / divisor, b / divisor);
    /// What a canonical ratio can be read back from.
    const MAX: i64 = 1_000_000_000;
    (a <= MAX && b <= MAX).then_some(Value::Ratio(a as u32, b as u32))
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn region(text: &str) -> Option<Value> {
    /// More than any picture within the pixel limits of today has on a side.
    const MAX: i64 = 1_000_000;
    let (edges, count) = numbers::<4>(text)?;
    let [x, y, width, height] = edges;
    if count != 4
        || x < Decimal::ZERO
        || y < Decimal::ZERO
        || width <= Decimal::ZERO
        || height <= Decimal::ZERO
    {
        return None;
    }
    let end = |from: Decimal, length: Decimal| from.raw() + length.raw();
    let max = if edges.iter().all(|n| n.as_whole().is_some()) {
        Decimal::whole(MAX).raw()
    } else {
        Decimal::ONE.raw()
    };
    (end(x, width) <= max && end(y, height) <= max).then_some(Value::Region(edges))
}

fn trim(text: &str) -> Option<Value> {
    let (tolerance, colour) = match text.split_once([':', '_']) {
        Some((tolerance, colour)) => (tolerance, Some(Colour::parse(colour)?)),
        None => (text, None),
    };
    Some(Value::Trim(within(tolerance, 0, 442)?, colour))
}

fn offset(text: &str) -> Option<Decimal> {
    let max = i64::from(MAX_SIDE);
    within(text, -max, max).filter(|n| n.as_whole().is_some() || (-1.0..1.0).contains(&n.as_f64()))
}

/// Words for the compass without their separators, and the words of content-aware gravity.
static GRAVITY_WORDS: &[(&str, &str)] = &[
    ("north", "n"),
    ("top", "n"),
    ("northeast", "ne"),
    ("topright", "ne"),
    ("righttop", "ne"),
    ("east", "e"),
    ("right", "e"),
    ("southeast", "se"),
    ("bottomright", "se"),
    ("rightbottom", "se"),
    ("south", "s"),
    ("bottom", "s"),
    ("southwest", "sw"),
    ("bottomleft", "sw"),
    ("leftbottom", "sw"),
    ("west", "w"),
    ("left", "w"),
    ("northwest", "nw"),
    ("topleft", "nw"),
    ("lefttop", "nw"),
    ("center", "c"),
    ("centre", "c"),
    ("auto", "auto"),
    ("attention", "auto"),
    ("smart", "auto"),
    ("entropy", "entropy"),
    ("focus", "focus"),
    ("face", "face"),
];

fn gravity(text: &str) -> Option<Gravity> {
    if let Some((prefix, rest)) = text.split_once([':', '_'])
        && prefix.eq_ignore_ascii_case("fp")
    {
        let (parts, count) = numbers::<2>(rest)?;
        return point(parts).filter(|_| count == 2);
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let (x, y) = text.split_once(['x', 'X'])?;
        return point([Decimal::parse(x)?, Decimal::parse(y)?]);
    }
    let mut word = [0_u8; 16];
    let mut length = 0;
    for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' ')) {
        *word.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    let word = std::str::from_utf8(&word[..length]).ok()?;
    let word = GRAVITY_WORDS.iter().find(|(long, _)| *long == word).map_or(word, |(_, short)| short);
    match word {
        "auto" => Some(Gravity::Auto),
        "entropy" => Some(Gravity::Entropy),
        "focus" => Some(Gravity::Focus),
        "face" => Some(Gravity::Face),
        _ => Gravity::compass(word),
    }
}

fn point([x, y]: [Decimal; 2]) -> Option<Gravity> {
    let unit = Decimal::ZERO..=Decimal::ONE;
    (unit.contains(&x) && unit.contains(&y)).then_some(Gravity::Point(x, y))
}

fn duotone(text: &str) -> Option<Value> {
    let (dark, rest) = colour_prefix(text)?;
    let (light, rest) = colour_prefix(rest?)?;
    let amount = rest.map_or(Some(Decimal::whole(100)), |amount| within(amount, 0, 100))?;
    Some(Value::Duotone(dark, light, amount))
}

/// The colour before the next `:`, whose own `rgb:` may hold one, and what comes behind.
fn colour_prefix(text: &str) -> Option<(Colour, Option<&str>)> {
    let own = if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("rgb:")) { 4 } else { 0 };
    let end = text[own..].find(':').map(|at| own + at);
    let colour = Colour::parse(&text[..end.unwrap_or(text.len())])?;
    Some((colour, end.map(|end| &text[end + 1..])))
}

fn overlay(text: &str) -> Option<Overlay> {
    match text.split_once(':') {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("text") => free_text(rest).map(Overlay::Text),
        Some(_) => None,
        None => is_id(text).then(|| Overlay::Image(text.into())),
    }
}

fn free_text(text: &str) -> Option<Box<str>> {
    let text = match text.strip_prefix('~') {
        Some(encoded) => decode_base64(encoded)?.into_boxed_str(),
        None => text.into(),
    };
    (!text.is_empty()).then_some(text)
}

/// CSS shorthand: one for all, two for opposite pairs, three with the middle twice, or all four.
fn edges(text: &str, max: u32) -> Option<Value> {
    let mut list = [0_u32; 4];
    let (parts, count) = numbers::<4>(text)?;
    for (edge, number) in list.iter_mut().zip(&parts[..count]) {
        *edge = number.as_whole().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= max)?;
    }
    let [a, b, c, _] = list;
    Some(Value::Edges(match count {
        1 => [a, a, a, a],
        2 => [a, b, a, b],
        3 => [a, b, c, b],
        _ => list,
    }))
}

fn border(text: &str) -> Option<Value> {
    let (width, colour) = text.split_once([':', '_'])?;
    Some(Value::Border(pixels(width, 1, MAX_SIDE)?, Colour::parse(colour)?))
}

fn background(text: &str) -> Option<Background> {
    if text.eq_ignore_ascii_case("auto") {
        return Some(Background::Auto);
    }
    match text.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("blur") => match text[4..].strip_prefix([':', '_']) {
            Some(sigma) => within(sigma, 0, 250).map(|sigma| Background::Blur(Some(sigma))),
            None => (text.len() == 4).then_some(Background::Blur(None)),
        },
        _ => Colour::parse(text).map(Background::Colour),
    }
}

fn quality(text: &str) -> Option<Quality> {
    if text.eq_ignore_ascii_case("lossless") {
        return Some(Quality::Lossless);
    }
    match text.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("auto") => match text[4..].strip_prefix(':') {
            Some(class) => AutoQuality::parse(class).map(Quality::Auto),
            None => (text.len() == 4).then_some(Quality::Auto(AutoQuality::Good)),
        },
        _ => pixels(text, 1, 100).map(|n| Quality::Fixed(n as u8)),
    }
}

fn names(text: &str) -> Option<Box<[Box<str>]>> {
    text.split(':').map(|name| is_name(name).then(|| name.to_ascii_lowercase().into_boxed_str())).collect()
}
