//! Which formats may come in.

use std::str::FromStr;

use crate::codec::Format;

/// A set of formats, written as `image/png`, `png` or `image/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types(Vec<Format>);

impl Types {
    pub fn all() -> Self {
        Self(Format::ALL.to_vec())
    }

    /// Those of the words together.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, String> {
        let mut formats = Vec::new();
        for word in words {
            formats.extend(word.as_ref().parse::<Self>()?.0);
        }
        if formats.is_empty() { Err("it names no type".to_owned()) } else { Ok(Self(formats)) }
    }

    pub fn contains(&self, format: Format) -> bool {
        self.0.contains(&format)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().copied().filter(|format| other.contains(*format)).collect())
    }
}

impl FromStr for Types {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.trim().to_ascii_lowercase();
        if word == "image/*" || word == "*/*" {
            return Ok(Self::all());
        }
        let by_mime = Format::ALL.into_iter().find(|format| format.mime() == word);
        let name = word.strip_prefix("image/").unwrap_or(&word).trim_start_matches("x-");
        let name = if name == "icon" { "ico" } else { name };
        let by_name = || Format::from_name(name.trim_start_matches('.').trim_end_matches("+xml"));
        let format = by_mime.or_else(by_name);
        format.map(|format| Self(vec![format])).ok_or_else(|| {
            let known = Format::ALL.map(|format| format!("`{}`", format.mime())).join(", ");
            format!("`{text}` is not `image/*` or one of {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_people_write_them() {
        for (text, format) in [
            ("image/png", Format::Png),
            ("JPG", Format::Jpeg),
            ("image/svg+xml", Format::Svg),
            ("image/x-icon", Format::Ico),
            (".heif", Format::Heic),
        ] {
            assert_eq!(text.parse::<Types>().unwrap().0, [format], "{text}");
        }
        assert!("image/*".parse::<Types>().unwrap().contains(Format::Jxl));
        assert!("text/html".parse::<Types>().is_err());
        assert!(Types::parse::<&str>(&[]).is_err());
        let both = Types::parse(&["image/png", "gif"]).unwrap();
        assert!(!both.and(&Types::parse(&["png"]).unwrap()).contains(Format::Gif));
    }
}
