//! The fonts that are in the binary: what text is set in, on every machine alike. No font of the system is looked at.

use std::sync::Arc;

use resvg::usvg::fontdb::{Database, Source};
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

/// The family of Latin, Greek and Cyrillic; regular and bold.
pub const SANS: &str = "Noto Sans";

const FILES: [&[u8]; 3] = [
    include_bytes!("fonts/NotoSans-Regular.ttf"),
    include_bytes!("fonts/NotoSans-Bold.ttf"),
    // Chinese, Japanese and Korean: taken for what the others lack.
    include_bytes!("fonts/DroidSansFallback.ttf"),
];

/// What text can be set in, for people.
pub const COVERED: &str = "Latin, Greek, Cyrillic, Chinese, Japanese and Korean";

/// The characters of a text that none of them has, each once, in their order. Neither spaces nor what is never seen by
/// itself (joiners, marks of direction, variation selectors) are missing anywhere.
pub fn missing(text: &str) -> Vec<char> {
    let mut seen: Vec<char> =
        text.chars().filter(|&letter| !letter.is_ascii_graphic() && is_seen(letter)).collect();
    if seen.is_empty() {
        return seen;
    }
    for file in FILES {
        let Ok(font) = FontRef::new(file) else { continue };
        let letters = font.charmap();
        seen.retain(|&letter| letters.map(letter).is_none_or(|glyph| glyph == GlyphId::NOTDEF));
    }
    let mut missing = Vec::with_capacity(seen.len());
    for letter in seen {
        if !missing.contains(&letter) {
            missing.push(letter);
        }
    }
    missing
}

fn is_seen(letter: char) -> bool {
    let has_no_ink = letter.is_whitespace() || letter.is_control();
    !has_no_ink
        && !matches!(
            letter,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
                | '\u{FFFE}' | '\u{FFFF}' | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// All of them. Costs a fraction of a millisecond: only their names are read.
pub fn database() -> Database {
    let mut database = Database::new();
    for file in FILES {
        database.load_font_source(Source::Binary(Arc::new(file)));
    }
    for set in [
        Database::set_sans_serif_family::<&str>,
        Database::set_serif_family,
        Database::set_monospace_family,
        Database::set_cursive_family,
        Database::set_fantasy_family,
    ] {
        set(&mut database, SANS);
    }
    database
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_font_has_is_told() {
        for there in [
            "Hello, Ångström!",
            "Ελληνικά Русский Việt",
            "中文繁體 日本語かな 한국어",
            "€ – “x” © ½\t\n\u{200D}\u{FE0F}",
            "",
        ] {
            assert!(missing(there).is_empty(), "{there}");
        }
        assert_eq!(missing("a مرحبا b"), ['م', 'ر', 'ح', 'ب', 'ا']);
        assert_eq!(missing("שלוש"), ['ש', 'ל', 'ו']);
        for text in ["नमस्ते", "สวัสดี", "🎉", "👩\u{200D}💻"] {
            assert!(!missing(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn every_file_is_a_font() {
        let database = database();
        let names: Vec<_> =
            database.faces().map(|face| (face.families[0].0.as_str(), face.weight.0)).collect();
        assert_eq!(names, [(SANS, 400), (SANS, 700), ("Droid Sans Fallback", 400)]);
    }
}
