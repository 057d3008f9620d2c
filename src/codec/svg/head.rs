//! The sides of an SVG, told from its root element alone. The rules are those of the renderer, so that what a header
//! promises is what is drawn.

use super::super::walk::Cut;

/// What the root element says of its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::codec) struct Head {
    /// In CSS pixels, which are the user units where there is no `viewBox`.
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Why there is none.
#[derive(Debug)]
pub(in crate::codec) enum Stop {
    Cut(Cut),
    Broken(&'static str),
}

/// Where nothing says how large it is, as in browsers.
pub(super) const UNKNOWN: (f64, f64) = (300.0, 150.0);

/// The root element begins, and ends, within so many bytes.
pub(super) const MOST: usize = 1 << 20;

impl Head {
    /// Reads it from a text that may be cut. No more than [`MOST`] bytes are ever looked at.
    pub(in crate::codec) fn read(text: &[u8]) -> Result<Self, Stop> {
        let seen = &text[..text.len().min(MOST)];
        let attributes = match root(seen) {
            Some(attributes) => attributes,
            None if text.len() >= MOST => return Err(Stop::Broken("its root element ends nowhere near")),
            None => {
                // Nearly all show it in the first kilobytes; a licence in a comment may be longer.
                let needed = (text.len() * 2).clamp(16 << 10, MOST);
                return Err(Stop::Cut(Cut { needed }));
            }
        };
        let (mut width, mut height, mut view) = (None, None, None);
        for (name, value) in Attributes(attributes) {
            match name {
                b"width" => width = length(value),
                b"height" => height = length(value),
                b"viewBox" => view = view_box(value),
                _ => {}
            }
        }
        let (width, height) = sides(width, height, view);
        if [width, height].iter().all(|side| *side > 0.0 && *side <= f64::from(u32::MAX)) {
            Ok(Self { width, height })
        } else {
            Err(Stop::Broken("it has no area"))
        }
    }

    /// In whole pixels, at least one.
    pub(in crate::codec) fn pixels(&self) -> (u32, u32) {
        let side = |side: f64| (side.round() as u32).max(1);
        (side(self.width), side(self.height))
    }
}

/// A number of pixels, or a share of the surroundings.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Length {
    Px(f64),
    Share(f64),
}

fn sides(width: Option<Length>, height: Option<Length>, view: Option<(f64, f64)>) -> (f64, f64) {
    let of = |length: Option<Length>, whole: f64| match length {
        Some(Length::Px(px)) => px,
        Some(Length::Share(share)) => whole * share,
        None => whole,
    };
    let whole = view.unwrap_or(UNKNOWN);
    let (w, h) = (of(width, whole.0), of(height, whole.1));
    match (width, height, view) {
        (Some(_), None, Some((vw, vh))) => (w, vh * w / vw),
        (None, Some(_), Some((vw, vh))) => (vw * h / vh, h),
        _ => (w, h),
    }
}

fn length(value: &[u8]) -> Option<Length> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let end = number_end(text.as_bytes());
    let number: f64 = text[..end].parse().ok()?;
    let px = match text[end..].trim() {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        "em" => super::FONT_SIZE,
        "ex" => super::FONT_SIZE / 2.0,
        "%" => return Some(Length::Share(number / 100.0)),
        _ => return None,
    };
    Some(Length::Px(number * px))
}

/// Where the number ends that a text begins with; the `e` of `em` is no exponent.
fn number_end(text: &[u8]) -> usize {
    let digits = |from: usize| {
        from + text.get(from..).unwrap_or(&[]).iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = |at: usize| at + usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    let mut end = digits(sign(0));
    if text.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let exponent = sign(end + 1);
        if digits(exponent) > exponent {
            end = digits(exponent);
        }
    }
    end
}

fn view_box(value: &[u8]) -> Option<(f64, f64)> {
    let text = std::str::from_utf8(value).ok()?;
    let mut numbers = text.split([' ', ',', '\t', '\n', '\r']).filter(|part| !part.is_empty());
    let mut next = || numbers.next()?.parse::<f64>().ok();
    let (_, _, width, height) = (next()?, next()?, next()?, next()?);
    (width > 0.0 && height > 0.0).then_some((width, height))
}

/// What stands between the name of the first element and the end of its tag.
fn root(mut text: &[u8]) -> Option<&[u8]> {
    text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    loop {
        text = text.trim_ascii_start();
        text = if text.starts_with(b"<?") {
            behind(text, b"?>")?
        } else if text.starts_with(b"<!--") {
            behind(text, b"-->")?
        } else if text.starts_with(b"<!") {
            &text[declaration(text)?..]
        } else {
            let tag = &text[1.min(text.len())..];
            let name =
                tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))?;
            let tag = &tag[name..];
            return Some(&tag[..unquoted_end(tag)?]);
        };
    }
}

fn behind<'a>(text: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(end.len()).position(|window| window == end)?;
    Some(&text[at + end.len()..])
}

/// A document type may hold declarations in brackets, which hold `>` themselves, also in quotes.
fn declaration(text: &[u8]) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (at, &byte) in text.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[') => depth += 1,
            (None, b']') => depth = depth.saturating_sub(1),
            (None, b'>') if depth == 0 => return Some(at + 1),
            (None, _) => {}
        }
    }
    None
}

fn unquoted_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    tag.iter().position(|&byte| match quote {
        Some(open) => {
            if byte == open {
                quote = None;
            }
            false
        }
        None => {
            if matches!(byte, b'"' | b'\'') {
                quote = Some(byte);
            }
            byte == b'>'
        }
    })
}

/// Names and values of a tag, in order.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_ascii_start();
        let equals = text.iter().position(|&byte| byte == b'=')?;
        let name = text[..equals].trim_ascii();
        let rest = text[equals + 1..].trim_ascii_start();
        let (&quote, rest) = rest.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
        let end = rest.iter().position(|&byte| byte == quote)?;
        self.0 = &rest[end + 1..];
        Some((name, &rest[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(attributes: &str) -> Result<(u32, u32), Stop> {
        Head::read(format!("<svg {attributes}/>").as_bytes()).map(|head| head.pixels())
    }

    #[test]
    fn sides_are_told_as_browsers_tell_them() {
        for (attributes, expected) in [
            ("width='40' height=\"30\"", (40, 30)),
            ("width='40px' height='30.6px'", (40, 31)),
            ("width='1in' height='25.4mm'", (96, 96)),
            ("width='72pt' height='6pc'", (96, 96)),
            ("width='2.54cm' height='1e2'", (96, 100)),
            ("width='2em' height='2ex'", (24, 12)),
            ("viewBox='0 0 200 100'", (200, 100)),
            ("viewBox='-5,-5, 200,100' width='50'", (50, 25)),
            ("viewBox='0 0 200 100' height='50'", (100, 50)),
            ("viewBox='0 0 200 100' width='50%' height='100%'", (100, 100)),
            ("viewBox='0 0 200 100' width='10' height='10'", (10, 10)),
            ("", (300, 150)),
            ("width='50%'", (150, 150)),
            ("width='nonsense' height='20'", (300, 20)),
            ("data-width='9' xmlns:x='a>b' width='7' height='8'", (7, 8)),
            ("width='0.2' height='0.2'", (1, 1)),
        ] {
            assert_eq!(pixels(attributes).unwrap(), expected, "{attributes}");
        }
        for attributes in ["width='0' height='5'", "width='-3' height='5'", "width='1e99' height='5'"] {
            assert!(matches!(pixels(attributes), Err(Stop::Broken(_))), "{attributes}");
        }
    }

    #[test]
    fn the_root_is_found_behind_what_may_stand_before_it() {
        let text = "\u{FEFF}<?xml version='1.0'?>\n<!-- <svg width='1'> --><!DOCTYPE svg PUBLIC \"-//>\" 'a' \
                    [<!ENTITY a '>]'>]>\n<s:svg a='>' width='5' height='6'><svg width='9'/>";
        assert_eq!(Head::read(text.as_bytes()).unwrap().pixels(), (5, 6));
        for end in 0..text.find("><svg").unwrap() {
            assert!(matches!(Head::read(&text.as_bytes()[..end]), Err(Stop::Cut(_))), "{end}");
        }
    }

    #[test]
    fn a_root_that_never_ends_is_not_looked_for_forever() {
        let long = ["<svg ".as_bytes(), &vec![b' '; MOST]].concat();
        assert!(matches!(Head::read(&long), Err(Stop::Broken(_))));
    }
}
