//! Names of stored objects. A key is made from the content's hash, so equal files are stored once and a key can be
//! written twice without harm; nothing that a user typed is ever part of it.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 of a file's bytes: the identity of a picture's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

/// The MD5 of a file's bytes, which older clients look pictures up by; never trusted for identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Md5(pub [u8; 16]);

/// `ab/cd/<sha256>.<ext>`: two levels of folders, so that a million objects make 65,536 folders of some fifteen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

/// Text that is no key or hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct KeyError {
    given: String,
    expected: &'static str,
}

impl KeyError {
    pub(super) fn new(given: &str, expected: &'static str) -> Self {
        Self { given: given.to_owned(), expected }
    }
}

impl ObjectKey {
    /// `extension` is the sniffed format's: 1–5 lower-case letters and digits.
    pub fn for_content(hash: &ContentHash, extension: &'static str) -> Self {
        let hex = hash.to_string();
        Self(format!("{}/{}/{hex}.{extension}", &hex[..2], &hex[2..4]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash that it was made from.
    pub fn content(&self) -> ContentHash {
        let hex = self.0.get(6..70).and_then(|hex| hex.parse().ok());
        hex.unwrap_or_else(|| unreachable!("every key was made from a hash or parsed"))
    }
}

impl FromStr for ObjectKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError { given: text.to_owned(), expected: "an object key" };
        let parts: Vec<&str> = text.split('/').collect();
        let &[first, second, file] = parts.as_slice() else { return Err(wrong()) };
        let (hex, extension) = file.split_once('.').ok_or_else(wrong)?;
        let hash: ContentHash = hex.parse().map_err(|_| wrong())?;
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !(1..=5).contains(&extension.len()) || !extension.bytes().all(plain) {
            return Err(wrong());
        }
        let hex = hash.to_string();
        if first != &hex[..2] || second != &hex[2..4] {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! hex_hash {
    ($type:ident, $bytes:literal, $expected:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = KeyError;
            fn from_str(text: &str) -> Result<Self, KeyError> {
                let wrong = || KeyError { given: text.to_owned(), expected: $expected };
                let digits = text.as_bytes();
                let mut bytes = [0; $bytes];
                if digits.len() != 2 * $bytes {
                    return Err(wrong());
                }
                for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
                    *byte = (nibble(pair[0]).ok_or_else(wrong)? << 4) | nibble(pair[1]).ok_or_else(wrong)?;
                }
                Ok(Self(bytes))
            }
        }
    };
}
hex_hash!(ContentHash, 32, "a SHA-256 in 64 lower-case hex digits");
hex_hash!(Md5, 16, "an MD5 in 32 lower-case hex digits");

/// Lower case only: one hash has one spelling.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_and_parses() {
        let hash = ContentHash(std::array::from_fn(|i| i as u8 * 7));
        let key = ObjectKey::for_content(&hash, "jpg");
        assert_eq!(
            key.as_str(),
            "00/07/00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9.jpg"
        );
        assert_eq!(key.as_str().parse::<ObjectKey>().unwrap(), key);
        assert_eq!(key.content(), hash);
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
    }

    #[test]
    fn what_we_would_not_write_is_no_key() {
        let good = ObjectKey::for_content(&ContentHash([0xab; 32]), "png").to_string();
        for bad in [
            String::new(),
            format!("/{good}"),
            format!("../{good}"),
            good.replacen("ab/", "cd/", 1),
            good.replace(".png", ""),
            good.replace(".png", ".../x"),
            good.replace(".png", ".PNG"),
            good.to_uppercase(),
            good.replace('/', "\\"),
        ] {
            assert!(bad.parse::<ObjectKey>().is_err(), "{bad}");
        }
    }
}
