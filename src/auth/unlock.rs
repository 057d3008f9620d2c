//! Proof that somebody has given the password of a share, as a browser keeps it in a cookie: so that a page with many
//! sizes of a picture costs one password and one slow hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::units::Secret;

/// What such proofs are made with.
#[derive(Clone)]
pub struct UnlockKey([u8; 32]);

impl UnlockKey {
    /// Derived, so that the secret can serve other purposes beside this one.
    pub fn new(secret: &Secret) -> Self {
        Self(blake3::derive_key("pixedge 2026-11 unlocked shares", secret.expose().as_bytes()))
    }

    /// The proof for `share` with the password of this hash, valid until `until` (Unix seconds). Another password is
    /// another hash, so proofs of the old one end with it.
    pub fn prove(&self, share: &str, password_hash: &str, until: u64) -> String {
        let mac = self.mac(share, password_hash, until);
        format!("{until}.{}", URL_SAFE_NO_PAD.encode(mac.as_bytes()))
    }

    /// Whether such a proof holds at `now` (Unix seconds).
    pub fn holds(&self, proof: &str, share: &str, password_hash: &str, now: u64) -> bool {
        let Some((until, mac)) = proof.split_once('.') else { return false };
        let (Ok(until), Ok(mac)) = (until.parse(), URL_SAFE_NO_PAD.decode(mac)) else { return false };
        now < until && bool::from(self.mac(share, password_hash, until).as_bytes().ct_eq(mac.as_slice()))
    }

    fn mac(&self, share: &str, password_hash: &str, until: u64) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{share}\n{password_hash}\n{until}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_for_one_share_one_password_and_one_time() {
        let key = UnlockKey::new(&Secret::new("a secret of the tests"));
        let proof = key.prove("s1", "$hash", 1000);
        assert!(key.holds(&proof, "s1", "$hash", 999));
        assert!(!key.holds(&proof, "s1", "$hash", 1000));
        assert!(!key.holds(&proof, "s2", "$hash", 999) && !key.holds(&proof, "s1", "$other", 999));
        assert!(!key.holds(&proof.replacen("1000", "2000", 1), "s1", "$hash", 999));
        assert!(!UnlockKey::new(&Secret::new("another")).holds(&proof, "s1", "$hash", 999));
        for wrong in ["", ".", "1000", "1000.", "x.y", &proof[..proof.len() - 1]] {
            assert!(!key.holds(wrong, "s1", "$hash", 999), "{wrong}");
        }
    }
}
