//! Public ids of images. They stand in URLs beside options, so they must never read as one.

use std::fmt;
use std::str::FromStr;

use super::LibraryError;

/// 1–64 letters, digits, `-` and `_`, among them a letter. Those that we make are 10 random letters and digits.
///
/// That an id given by somebody is no option (`w_300`) is for the caller to check, who knows the options.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageId(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no image id: 1–64 letters, digits, `-` and `_`, at least one of them a letter")]
pub struct IdError {
    given: String,
}

impl ImageId {
    /// A new id: 58 bits of chance, so that ids can neither be guessed nor, in practice, meet.
    ///
    /// It holds a letter and a digit. Without `_` and `=` an option is exactly its key, and no key holds a digit, so
    /// the digit keeps ids such as `saturation` or `background` from ever being made.
    pub fn random() -> Result<Self, LibraryError> {
        loop {
            let id = random_text(LENGTH)?;
            if id.bytes().any(|c| c.is_ascii_digit()) && id.bytes().any(|c| c.is_ascii_alphabetic()) {
                return Ok(Self(id));
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        let right = (1..=64).contains(&text.len())
            && text.bytes().all(plain)
            && text.bytes().any(|c| c.is_ascii_alphabetic());
        if right { Ok(Self(text.to_owned())) } else { Err(IdError { given: text.to_owned() }) }
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters and digits, each as likely as the others.
pub(super) fn random_text(length: usize) -> Result<String, LibraryError> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| LibraryError::Random(error.to_string()))?;
        // Bytes from 248 on would favour the first letters.
        let fair = bytes.iter().filter(|&&byte| byte < 248).map(|byte| byte % 62);
        text.extend(fair.take(length - text.len()).map(|index| char::from(ALPHABET[usize::from(index)])));
    }
    Ok(text)
}

const LENGTH: usize = 10;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn made_ids_are_valid_differ_and_read_as_no_option() {
        let made: HashSet<String> = (0..5000).map(|_| ImageId::random().unwrap().to_string()).collect();
        assert_eq!(made.len(), 5000);
        let mut seen = HashSet::new();
        for id in made {
            assert_eq!(id.len(), 10);
            assert!(id.bytes().all(|c| c.is_ascii_alphanumeric()), "{id}");
            assert!(id.bytes().any(|c| c.is_ascii_digit()), "{id}");
            id.parse::<ImageId>().unwrap();
            seen.extend(id.bytes());
        }
        assert_eq!(seen.len(), 62);
    }

    #[test]
    fn ids_keep_their_alphabet() {
        let longest = "a".repeat(64);
        for good in ["demo", "k3Jd9s", "a", "-a_", longest.as_str()] {
            assert_eq!(good.parse::<ImageId>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "123", "_-", "a b", "a.jpg", "ä1", "a/b", "a\0", "..", long.as_str()] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
    }
}
