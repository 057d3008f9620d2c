//! What a picture's stored name is made of: the name by which clients find it that know no ids. Never its id, and never
//! a path on a disk.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::library::ImageId;
use crate::storage::Digests;

/// The rule of `uploads.naming`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Naming {
    /// Ten random letters and digits.
    #[default]
    Random,
    /// The MD5 of the content.
    Md5,
    /// The base64 of the uploaded name in small letters and the seconds since 1970.
    Base64,
    Pattern(Pattern),
}

/// Text with words in braces, as in `{year}/{month}/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Word(Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Year,
    Month,
    Day,
    Seconds,
    Name,
    Md5,
    Sha256,
    Random,
}

const WORDS: [(&str, Word); 8] = [
    ("year", Word::Year),
    ("month", Word::Month),
    ("day", Word::Day),
    ("seconds", Word::Seconds),
    ("name", Word::Name),
    ("md5", Word::Md5),
    ("sha256", Word::Sha256),
    ("random", Word::Random),
];

impl Naming {
    /// `extension` is that of the content, whatever the uploaded name said.
    pub(super) fn name(
        &self,
        uploaded: &str,
        digests: &Digests,
        extension: &str,
        now: i64,
    ) -> Option<String> {
        let random = || ImageId::random().ok().map(|id| id.to_string());
        let stem = match self {
            Self::Random => random()?,
            Self::Md5 => digests.md5.to_string(),
            Self::Base64 => {
                let name = uploaded.to_lowercase();
                let text = format!("{}{}", cut(&name, LONGEST_ENCODED), now / 1000);
                URL_SAFE_NO_PAD.encode(text)
            }
            Self::Pattern(pattern) => pattern.fill(uploaded, digests, random, now)?,
        };
        Some(format!("{stem}.{extension}"))
    }
}

impl Pattern {
    fn fill(
        &self,
        uploaded: &str,
        digests: &Digests,
        random: impl Fn() -> Option<String>,
        now: i64,
    ) -> Option<String> {
        let date = Timestamp::from_millisecond(now).ok()?.to_zoned(TimeZone::UTC);
        let mut filled = String::new();
        for part in &self.parts {
            let text = match part {
                Part::Text(text) => text.clone(),
                Part::Word(Word::Year) => format!("{:04}", date.year()),
                Part::Word(Word::Month) => format!("{:02}", date.month()),
                Part::Word(Word::Day) => format!("{:02}", date.day()),
                Part::Word(Word::Seconds) => (now / 1000).to_string(),
                Part::Word(Word::Name) => plain(uploaded),
                Part::Word(Word::Md5) => digests.md5.to_string(),
                Part::Word(Word::Sha256) => digests.sha256.to_string(),
                Part::Word(Word::Random) => random()?,
            };
            filled.push_str(&text);
        }
        Some(filled)
    }
}

impl FromStr for Naming {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self::Random),
            "md5" => Ok(Self::Md5),
            "base64" => Ok(Self::Base64),
            _ if text.contains('{') => text.parse().map(Self::Pattern),
            _ => Err(format!(
                "`{text}` is not `random`, `md5`, `base64` or a pattern like `{{year}}/{{month}}/{{name}}`"
            )),
        }
    }
}

impl FromStr for Pattern {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (word, behind) =
                after.split_once('}').ok_or_else(|| format!("`{text}` has a `{{` without `}}`"))?;
            let known = WORDS.iter().find(|(name, _)| *name == word);
            let (_, word) = known.ok_or_else(|| {
                let known = WORDS.map(|(name, _)| format!("`{{{name}}}`")).join(", ");
                format!("`{{{word}}}` is none of {known}")
            })?;
            parts.extend([Part::Text(before.to_owned()), Part::Word(*word)]);
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
        let texts = parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Word(_) => None,
        });
        let segments = text.split('/').all(|segment| !segment.is_empty() && !segment.starts_with('.'));
        if !texts.clone().all(|text| text.bytes().all(plain)) || !segments || text.len() > 128 {
            return Err(format!(
                "`{text}` may hold letters, digits, `-`, `_` and `.` around its words, and `/` between its folders, none of which begins with a dot"
            ));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "random",
            Self::Md5 => "md5",
            Self::Base64 => "base64",
            Self::Pattern(pattern) => &pattern.text,
        })
    }
}

/// In bytes: base64 makes four of three, and the whole has to stay below the 255 characters of its column.
const LONGEST_ENCODED: usize = 120;
const LONGEST_PLAIN: usize = 64;

/// A name without folders and extension that can stand in any URL: everything else becomes `-`.
fn plain(uploaded: &str) -> String {
    let file = uploaded.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem });
    let mut plain = String::new();
    for c in stem.chars() {
        let c = if c.is_alphanumeric() || c == '_' { c } else { '-' };
        if c != '-' || !plain.ends_with('-') {
            plain.push(c);
        }
    }
    let plain = cut(plain.trim_matches('-'), LONGEST_PLAIN);
    if plain.is_empty() { "image".to_owned() } else { plain.to_owned() }
}

/// At most `longest` bytes, and whole characters.
pub(super) fn cut(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{ContentHash, Md5};

    const DIGESTS: Digests = Digests { sha256: ContentHash([0xab; 32]), md5: Md5([0xcd; 16]), bytes: 1 };
    /// 2026-11-21 12:31:10
    const NOW: i64 = 1_795_264_270_123;

    fn name(rule: &str, uploaded: &str) -> String {
        rule.parse::<Naming>().unwrap().name(uploaded, &DIGESTS, "jpg", NOW).unwrap()
    }

    #[test]
    fn each_rule_makes_its_names() {
        assert_eq!(name("md5", "Cat.PNG"), format!("{}.jpg", "cd".repeat(16)));
        let encoded = name("base64", "Cat.PNG");
        let decoded = URL_SAFE_NO_PAD.decode(encoded.strip_suffix(".jpg").unwrap()).unwrap();
        assert_eq!(decoded, b"cat.png1795264270");
        assert_eq!(name("{year}/{month}/{day}-{name}", "My cat (1).PNG"), "2026/11/21-My-cat-1.jpg");
        assert_eq!(name("{name}", "../../etc/pass\0wd"), "pass-wd.jpg");
        assert_eq!(name("{name}", "..."), "image.jpg");
        assert_eq!(name("{name}", "猫.jpg"), "猫.jpg");
        assert_eq!(name("p_{seconds}", ""), "p_1795264270.jpg");
        assert_eq!(name("random", "a").len(), "0123456789.jpg".len());
        assert_ne!(name("random", "a"), name("random", "a"));
        assert!(name("base64", &"長".repeat(300)).len() <= 255);
        assert!(name("{year}/{month}/{name}-{sha256}", &"長".repeat(300)).chars().count() <= 255);
    }

    #[test]
    fn a_rule_that_makes_no_sense_says_what_does() {
        for (wrong, says) in [
            ("sha1", "`md5`"),
            ("{Year}", "`{year}`"),
            ("{name", "without `}`"),
            ("/{name}", "folders"),
            ("{year}/../{name}", "folders"),
            ("{year}//{name}", "folders"),
            ("a b{name}", "letters"),
        ] {
            let error = wrong.parse::<Naming>().unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert_eq!("{year}/{name}".parse::<Naming>().unwrap().to_string(), "{year}/{name}");
    }
}
