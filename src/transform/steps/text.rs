//! A text as a picture: set in the embedded fonts, broken into lines, made smaller where it does not fit.

use std::fmt::Write as _;
use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Group, Node, Options, Tree};

use crate::codec::{Bitmap, Layout, fonts};
use crate::transform::plan::{Colour, Font};
use crate::transform::render::RenderError;

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) font: Font,
    /// Height of the font in pixels.
    pub(crate) size: u32,
    pub(crate) colour: Colour,
}

/// Lines are that much of the font's size apart.
const LEADING: f64 = 1.25;
/// How far the first line's letters stand below the top, and the deepest below their line.
const ASCENT: f64 = 1.0;
const DESCENT: f64 = 0.3;

/// The text on a clear ground no larger than the box. It is broken at spaces (and between Han characters) where it is
/// wider than the box, and made smaller where that does not help.
pub(crate) fn set(text: &str, style: Style, (width, height): (u32, u32)) -> Result<Bitmap, RenderError> {
    let mut options = Options { font_family: fonts::SANS.to_owned(), ..Options::default() };
    options.fontdb = Arc::new(fonts::database());
    let units = units(text);
    // Widths grow with the size: one measurement is enough.
    let widths = measure(&units, style.font, &options)?;
    let mut size = f64::from(style.size);
    let block = loop {
        let block = Block::of(&units, &widths, size, f64::from(width));
        if size <= 1.0 || block.width() <= width && block.height() <= height {
            break block;
        }
        let over =
            (f64::from(block.width()) / f64::from(width)).max(f64::from(block.height()) / f64::from(height));
        // Smaller letters need fewer lines, so the square root is the better guess; a step at least.
        size = (size / over.max(1.0).sqrt()).min(size * 0.97).max(1.0);
    };
    block.draw(style, &options, (width, height))
}

/// A piece that is never broken.
struct Unit<'t> {
    text: &'t str,
    /// A space in front, which is left out where a line begins.
    space: bool,
    /// A new line in front.
    newline: bool,
}

fn units(text: &str) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut newline = number > 0;
        let mut space = false;
        for word in line.split(' ') {
            let mut rest = word;
            while let Some((at, letter)) = rest.char_indices().find(|(_, c)| is_han(*c)) {
                let end = if at == 0 { letter.len_utf8() } else { at };
                units.push(Unit { text: &rest[..end], space, newline });
                (rest, space, newline) = (&rest[end..], false, false);
            }
            if !rest.is_empty() {
                units.push(Unit { text: rest, space, newline });
                newline = false;
            }
            space = true;
        }
        if newline {
            units.push(Unit { text: "", space: false, newline });
        }
    }
    units
}

/// Scripts that are broken between any two characters.
fn is_han(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFF}')
}

/// The widths of all units at size 1, and at last that of a space.
fn measure(units: &[Unit<'_>], font: Font, options: &Options<'_>) -> Result<Vec<f64>, RenderError> {
    const SIZE: f64 = 100.0;
    let texts = units.iter().map(|unit| unit.text).chain(["n n", "nn"]);
    let lines: Vec<(f64, f64, &str)> = texts.map(|text| (0.0, 0.0, text)).collect();
    let tree = tree(&document(&lines, font, SIZE, Colour::WHITE, (1, 1)), options)?;
    let mut found = vec![0.0; lines.len()];
    widths(tree.root(), &mut found);
    let (space, none) = (found[units.len()], found[units.len() + 1]);
    found.truncate(units.len());
    found.push((space - none).max(0.0));
    Ok(found.into_iter().map(|width| width / SIZE).collect())
}

/// Texts carry their number as id; those without letters are not there.
fn widths(group: &Group, found: &mut [f64]) {
    for node in group.children() {
        match node {
            Node::Text(text) => {
                let number = text.id().strip_prefix('t').and_then(|id| id.parse::<usize>().ok());
                if let Some(slot) = number.and_then(|number| found.get_mut(number)) {
                    *slot = f64::from(text.bounding_box().width());
                }
            }
            Node::Group(group) => widths(group, found),
            _ => {}
        }
    }
}

/// A text in lines.
struct Block {
    lines: Vec<(String, f64)>,
    size: f64,
}

impl Block {
    fn of(units: &[Unit<'_>], widths: &[f64], size: f64, limit: f64) -> Self {
        let space = widths.last().copied().unwrap_or(0.0) * size;
        let mut lines = vec![(String::new(), 0.0)];
        for (unit, width) in units.iter().zip(widths) {
            let (line, so_far) =
                lines.last_mut().map_or((true, 0.0), |(line, width)| (line.is_empty(), *width));
            let gap = if unit.space && !line { space } else { 0.0 };
            let too_wide = !line && so_far + gap + width * size > limit;
            if unit.newline || too_wide {
                lines.push((unit.text.to_owned(), width * size));
            } else if let Some((line, so_far)) = lines.last_mut() {
                if gap > 0.0 {
                    line.push(' ');
                }
                line.push_str(unit.text);
                *so_far += gap + width * size;
            }
        }
        Self { lines, size }
    }

    fn width(&self) -> u32 {
        // A hair more: letters may lean out of their own width.
        let widest = self.lines.iter().map(|(_, width)| *width).fold(0.0, f64::max);
        ((widest + self.size * 0.04).ceil() as u32).max(1)
    }

    fn height(&self) -> u32 {
        let lines = self.lines.len() as f64 - 1.0;
        ((self.size * (ASCENT + DESCENT + lines * LEADING)).ceil() as u32).max(1)
    }

    fn draw(&self, style: Style, options: &Options<'_>, most: (u32, u32)) -> Result<Bitmap, RenderError> {
        let (width, height) = (self.width().min(most.0), self.height().min(most.1));
        let baseline = |line: usize| self.size * (ASCENT + line as f64 * LEADING);
        let lines: Vec<(f64, f64, &str)> = self
            .lines
            .iter()
            .enumerate()
            .map(|(number, (text, _))| (self.size * 0.02, baseline(number), text.as_str()))
            .collect();
        let tree = tree(&document(&lines, style.font, self.size, style.colour, (width, height)), options)?;
        let mut pixmap = Pixmap::new(width, height).ok_or(RenderError::Plan("a text without sides"))?;
        resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
        let data = pixmap.pixels().iter().flat_map(|pixel| {
            let pixel = pixel.demultiply();
            [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
        });
        Ok(Bitmap { width, height, layout: Layout::Rgba, data: data.collect() })
    }
}

fn tree(document: &str, options: &Options<'_>) -> Result<Tree, RenderError> {
    Tree::from_str(document, options).map_err(|_| RenderError::Plan("a text that cannot be set"))
}

/// An SVG of nothing but text, so that the library does what is hard: shaping, kerning, missing letters.
fn document(
    lines: &[(f64, f64, &str)],
    font: Font,
    size: f64,
    colour: Colour,
    (width, height): (u32, u32),
) -> String {
    let weight = match font {
        Font::Sans => 400,
        Font::SansBold => 700,
    };
    let Colour { r, g, b, a } = colour;
    let opacity = f64::from(a) / 255.0;
    let mut document = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"{}\" \
         font-weight=\"{weight}\" font-size=\"{size}\" fill=\"rgb({r},{g},{b})\" fill-opacity=\"{opacity}\">",
        fonts::SANS
    );
    for (number, (x, y, text)) in lines.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(document, "<text id=\"t{number}\" x=\"{x}\" y=\"{y}\" xml:space=\"preserve\">");
        for letter in text.chars() {
            match letter {
                '<' => document.push_str("&lt;"),
                '&' => document.push_str("&amp;"),
                '>' => document.push_str("&gt;"),
                // Those that XML does not know, tabulators among the others.
                c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => document.push(' '),
                c => document.push(c),
            }
        }
        document.push_str("</text>");
    }
    document.push_str("</svg>");
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(size: u32) -> Style {
        Style { font: Font::Sans, size, colour: Colour { r: 255, g: 0, b: 0, a: 255 } }
    }

    fn ink(bitmap: &Bitmap) -> f64 {
        bitmap.data.as_chunks::<4>().0.iter().map(|pixel| f64::from(pixel[3]) / 255.0).sum()
    }

    #[test]
    fn letters_have_the_size_and_the_colour() {
        let text = set("Hello", style(40), (1000, 1000)).unwrap();
        assert!(
            (80..110).contains(&text.width) && (50..56).contains(&text.height),
            "{}x{}",
            text.width,
            text.height
        );
        assert!(ink(&text) > 300.0);
        let full = text.data.as_chunks::<4>().0.iter().find(|pixel| pixel[3] == 255).unwrap();
        assert_eq!(full[..3], [255, 0, 0]);
        let bold = set("Hello", Style { font: Font::SansBold, ..style(40) }, (1000, 1000)).unwrap();
        assert!(ink(&bold) > ink(&text) * 1.2);
        let half = Style { colour: Colour { r: 0, g: 0, b: 0, a: 128 }, ..style(40) };
        let half = set("Hello", half, (1000, 1000)).unwrap();
        assert!((ink(&half) / ink(&text) - 0.5).abs() < 0.03);
    }

    #[test]
    fn every_script_that_is_promised_has_letters() {
        // What a font lacks is not drawn at all.
        for text in
            ["Ångström", "Ελληνικά", "Русский", "Việt", "中文繁體", "日本語かな", "한국어", "€ – “x” © ½"]
        {
            let set = set(text, style(48), (2000, 200)).unwrap();
            let letters = text.chars().filter(|c| !c.is_whitespace()).count() as f64;
            assert!(ink(&set) / letters > 60.0, "{text}: {}", ink(&set) / letters);
        }
    }

    #[test]
    fn what_is_too_wide_is_broken_and_then_made_smaller() {
        let one = set("several words in a row", style(20), (1000, 1000)).unwrap();
        let broken = set("several words in a row", style(20), (100, 1000)).unwrap();
        assert!(broken.width <= 100 && broken.height > one.height * 2);
        let small = set("Unbreakable", style(200), (100, 1000)).unwrap();
        assert!(small.width <= 100 && small.height < 40 && ink(&small) > 100.0);
        let low = set("a\nb\nc\nd", style(50), (1000, 60)).unwrap();
        assert!(low.height <= 60 && ink(&low) > 60.0);
        let han = set("一二三四五六七八九十", style(20), (65, 1000)).unwrap();
        assert!(han.width <= 65 && han.height > 80, "{}x{}", han.width, han.height);
    }

    #[test]
    fn nothing_that_is_written_is_markup() {
        let text = set("<b>&amp;\u{0}\t]]></b>", style(20), (1000, 1000)).unwrap();
        assert!(text.width > 120, "{}", text.width);
        for empty in ["", " ", "\n\n", "\u{0}"] {
            assert!(ink(&set(empty, style(20), (100, 100)).unwrap()) == 0.0, "{empty:?}");
        }
    }
}
