//! Secrets that must be kept to be used: sealed with a key made from the server's own secret, and bound to the row that
//! they stand in, so that a row's secrets are of no use in another row.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::units::Secret;

/// Seals and opens; cheap to clone.
#[derive(Clone)]
pub struct Seal {
    key: [u8; 32],
}

/// Why a sealed secret stays closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("no randomness")]
    Random,
    #[error("sealing failed")]
    Sealing,
    /// Another server secret, another row, or bytes that were changed: these are not told apart.
    #[error("it was sealed with another `auth.secret`")]
    Closed,
}

impl Seal {
    /// What derives other keys from the same secret does so under another context.
    pub fn new(secret: &Secret) -> Self {
        Self {
            key: blake3::derive_key(
                "pixedge 2026-11 credentials of users' storages",
                secret.expose().as_bytes(),
            ),
        }
    }

    /// `row` is what the secret belongs to, and has to be said again to open it.
    pub fn seal(&self, row: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
        let mut sealed = plain.to_vec();
        let key = self.key().ok_or(SealError::Sealing)?;
        // Misuse-resistant: should a nonce ever come twice, it shows that two texts are equal and no more.
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(row.as_bytes()),
            &mut sealed,
        )
        .map_err(|_| SealError::Sealing)?;
        Ok([[VERSION].as_slice(), &nonce, &sealed].concat())
    }

    pub fn open(&self, row: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (&VERSION, rest) = sealed.split_first().ok_or(SealError::Closed)? else {
            return Err(SealError::Closed);
        };
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Closed)?;
        let mut plain = sealed.to_vec();
        let key = self.key().ok_or(SealError::Closed)?;
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(row.as_bytes()), &mut plain)
            .map_err(|_| SealError::Closed)?;
        let len = opened.len();
        plain.truncate(len);
        Ok(plain)
    }

    fn key(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM_SIV, &self.key).ok().map(LessSafeKey::new)
    }
}

/// The first byte, so that another cipher can follow.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_the_same_secret_and_row_only() {
        let seal = Seal::new(&Secret::new("a server's secret of some length"));
        let sealed = seal.seal("row-1", b"hunter2").unwrap();
        assert!(!sealed.windows(7).any(|bytes| bytes == b"hunter2"));
        assert_eq!(seal.open("row-1", &sealed).unwrap(), b"hunter2");
        assert_ne!(seal.seal("row-1", b"hunter2").unwrap(), sealed);
        assert_eq!(seal.open("row-2", &sealed), Err(SealError::Closed));
        let other = Seal::new(&Secret::new("another secret of some length..."));
        assert_eq!(other.open("row-1", &sealed), Err(SealError::Closed));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let seal = Seal::new(&Secret::new("a server's secret of some length"));
        let sealed = seal.seal("row", b"hunter2").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open("row", &changed), Err(SealError::Closed), "byte {at}");
            assert_eq!(seal.open("row", &sealed[..at]), Err(SealError::Closed), "cut at {at}");
        }
    }
}
