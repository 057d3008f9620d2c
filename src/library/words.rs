//! What images are searched by. Text is taken apart into words; Chinese, Japanese and Korean, which know no spaces or few,
//! into pairs of neighbouring characters. A name and a query are taken apart by the same rules.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

use super::LibraryError;

/// One thing that an image must have to be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    Term(String),
    /// Any term that begins so.
    Prefix(String),
}

/// A tag as it is stored and compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagName(String);

/// Nobody types a word that is longer; a base64 name is one word.
const LONGEST: usize = 64;
/// Of one name.
const MOST: usize = 64;
/// Of one query: each is a look-up.
const MOST_WANTED: usize = 16;

/// The terms of a text, each once.
pub(super) fn terms(text: &str) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for run in runs(text) {
        match run {
            Run::Word(word, _) => drop(terms.insert(word)),
            Run::Dense(chars) => {
                terms.extend(chars.windows(2).map(String::from_iter));
                // Alone, so that the last character is found by itself as the others are, as the beginning of a pair.
                terms.extend(chars.last().map(char::to_string));
            }
        }
        if terms.len() >= MOST {
            break;
        }
    }
    terms
}

/// What an image must have to answer a query: all of its words; one that ends in `*` may go on.
pub(super) fn wanted(query: &str) -> Result<Vec<Wanted>, LibraryError> {
    let mut wanted = BTreeSet::new();
    for run in runs(query) {
        match run {
            Run::Word(word, true) => wanted.extend([Wanted::Prefix(word)]),
            Run::Word(word, false) => wanted.extend([Wanted::Term(word)]),
            Run::Dense(chars) if chars.len() == 1 => {
                wanted.extend([Wanted::Prefix(chars.iter().collect())]);
            }
            Run::Dense(chars) => {
                wanted.extend(chars.windows(2).map(|pair| Wanted::Term(pair.iter().collect())))
            }
        }
    }
    match wanted.len() {
        0 => Err(LibraryError::bad("q", "holds no letter or digit")),
        1..=MOST_WANTED => Ok(wanted.into_iter().collect()),
        _ => Err(LibraryError::bad(
            "q",
            "asks for too much: at most 16 words, or 17 Chinese, Japanese or Korean characters",
        )),
    }
}

enum Run {
    /// Whether a `*` follows.
    Word(String, bool),
    Dense(Vec<char>),
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open = false;
    for c in text.nfkc().flat_map(char::to_lowercase) {
        match (runs.last_mut(), c) {
            (Some(Run::Word(_, more)), '*') if open => (*more, open) = (true, false),
            (Some(Run::Dense(chars)), c) if open && is_dense(c) => chars.push(c),
            (_, c) if is_dense(c) => {
                runs.push(Run::Dense(vec![c]));
                open = true;
            }
            (Some(Run::Word(word, _)), c) if open && is_letter(c) => {
                if word.chars().count() < LONGEST {
                    word.push(c);
                }
            }
            (_, c) if c.is_alphanumeric() => {
                runs.push(Run::Word(c.to_string(), false));
                open = true;
            }
            _ => open = false,
        }
    }
    runs
}

/// Marks belong to the letter before them.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c)
}

fn is_dense(c: char) -> bool {
    matches!(u32::from(c),
        0x3005..=0x3007 | 0x3040..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xac00..=0xd7af | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
        && c.is_alphanumeric()
}

impl TagName {
    /// Letters are made small, and spaces single.
    pub fn new(text: &str) -> Result<Self, LibraryError> {
        let small: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        let name = small.split_whitespace().collect::<Vec<_>>().join(" ");
        let right = (1..=LONGEST).contains(&name.chars().count())
            && !name.chars().any(|c| c.is_control() || c == ',');
        if right {
            Ok(Self(name))
        } else {
            Err(LibraryError::bad(
                "tags",
                "must each be 1 to 64 characters without commas and control characters",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        terms(text).into_iter().collect()
    }

    #[test]
    fn text_is_taken_apart_into_words_and_pairs() {
        for (text, expected) in [
            ("IMG_2034.JPG", &["2034", "img", "jpg"][..]),
            ("Été à Paris.png", &["paris", "png", "à", "été"]),
            // Decomposed, as macOS names files.
            ("E\u{301}te\u{301}", &["été"]),
            ("ＡＢＣ１２", &["abc12"]),
            ("北京的夏天.jpg", &["jpg", "京的", "北京", "夏天", "天", "的夏"]),
            ("猫", &["猫"]),
            ("my猫cat", &["cat", "my", "猫"]),
            ("さくら 2026", &["2026", "くら", "さく", "ら"]),
            ("..--..", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(of(&"x".repeat(300)), ["x".repeat(64)]);
        let many: String = (0..500).map(|n| format!("w{n} ")).collect();
        assert!(of(&many).len() <= MOST + 1);
    }

    #[test]
    fn a_query_finds_what_the_same_text_is_stored_as() {
        let matches = |query: &str, name: &str| {
            let stored = terms(name);
            wanted(query).unwrap().iter().all(|wanted| match wanted {
                Wanted::Term(term) => stored.contains(term),
                Wanted::Prefix(begin) => stored.iter().any(|term| term.starts_with(begin.as_str())),
            })
        };
        for (query, name) in [
            ("paris", "Été à Paris.png"),
            ("PAR* png", "Été à Paris.png"),
            ("夏天", "北京的夏天.jpg"),
            ("天", "北京的夏天.jpg"),
            ("北", "北京的夏天.jpg"),
            ("E\u{301}te\u{301}", "Été à Paris.png"),
        ] {
            assert!(matches(query, name), "{query} in {name}");
        }
        for (query, name) in [("par", "Paris.png"), ("京夏", "北京的夏天.jpg"), ("a b c", "a b")] {
            assert!(!matches(query, name), "{query} in {name}");
        }
        assert!(wanted(" *!").is_err());
        assert!(wanted(&"猫狗".repeat(20)).is_ok());
        assert!(wanted("a b c d e f g h i j k l m n o p q").is_err());
    }

    #[test]
    fn tags_are_compared_without_case_and_spaces() {
        for (text, name) in [("  Summer   2026 ", "summer 2026"), ("ＡＢ", "ab"), ("夏", "夏")] {
            assert_eq!(TagName::new(text).unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for bad in ["", "  ", "a,b", "a\0b", long.as_str()] {
            assert!(TagName::new(bad).is_err(), "{bad:?}");
        }
    }
}
