//! Secrets that we hand out and keep only as hashes: refresh tokens, API keys, invitations, links.

use sha2::{Digest, Sha256};

use super::AccountsError;

/// A secret of 256 random bits with a prefix that says what it is, so that scanners find one that was leaked.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub(super) fn random(prefix: &str) -> Result<Self, AccountsError> {
        Ok(Self(format!("{prefix}{}", random_text(43)?)))
    }

    pub(super) fn key(id: &str) -> Result<Self, AccountsError> {
        Self::random(&format!("{KEY}{id}_"))
    }

    /// The only time that it can be read.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn hash(&self) -> String {
        hash(&self.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

pub(super) const REFRESH: &str = "pxr_";
pub(super) const KEY: &str = "pxk_";
pub(super) const INVITE: &str = "pxi_";
pub(super) const LINK: &str = "pxl_";

/// The open part of an API key, if it has the form of one.
pub(super) fn key_id(key: &str) -> Option<&str> {
    let (id, secret) = key.strip_prefix(KEY)?.split_once('_')?;
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric());
    (id.len() == ID_LENGTH && secret.len() == 43 && plain(id) && plain(secret)).then_some(id)
}

/// A new public id. Its first character is a letter, so that none reads as a number.
pub(super) fn public_id() -> Result<String, AccountsError> {
    loop {
        let id = random_text(ID_LENGTH)?;
        if id.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// What the tables keep. Chance of 256 bits needs no salt and no slow hash.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A password for somebody who brings none: 119 bits, and still to be typed.
pub fn random_password() -> Result<String, AccountsError> {
    random_text(20)
}

const ID_LENGTH: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn random_text(length: usize) -> Result<String, AccountsError> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|error| AccountsError::Random(error.to_string()))?;
        // Bytes from 248 on would favour the first letters.
        let fair = bytes.iter().filter(|&&byte| byte < 248).map(|byte| byte % 62);
        text.extend(fair.take(length - text.len()).map(|index| char::from(ALPHABET[usize::from(index)])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_open_part_and_shows_nothing_in_logs() {
        let id = public_id().unwrap();
        let key = Token::key(&id).unwrap();
        assert_eq!(key_id(key.expose()), Some(id.as_str()));
        assert!(!format!("{key:?}").contains(&id));
        let long = format!("{}x", key.expose());
        for wrong in ["", "pxk_", "pxk_a_b", &key.expose()[4..], long.as_str(), "pxr_abcdefghijkl_x"] {
            assert_eq!(key_id(wrong), None, "{wrong}");
        }
        assert_ne!(Token::key(&id).unwrap().hash(), key.hash());
    }
}
