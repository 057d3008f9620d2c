//! The right to delete one picture, as the programs that uploaded it keep it beside its address: in the address of a page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::units::Secret;

/// What such rights are made with. Nothing is kept of them: a right lasts as long as the picture and the server's secret.
#[derive(Clone)]
pub struct RemovalKey([u8; 32]);

impl RemovalKey {
    /// Derived, so that the secret can serve other purposes beside this one.
    pub fn new(secret: &Secret) -> Self {
        Self(blake3::derive_key("pixedge 2026-11 deletion links", secret.expose().as_bytes()))
    }

    /// The right to delete the picture of this id, number and owner. All three are in it: who gave an id away by deleting
    /// the picture for good has no right to whatever bears it next.
    pub fn token(&self, id: &str, pk: i64, owner: i64) -> String {
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(&self.mac(id, pk, owner).as_bytes()[..LENGTH]))
    }

    /// The id that a token speaks of, before anything was checked.
    pub fn id_in(token: &str) -> Option<&str> {
        token.split_once('.').map(|(id, _)| id).filter(|id| !id.is_empty())
    }

    pub fn holds(&self, token: &str, id: &str, pk: i64, owner: i64) -> bool {
        let Some((named, mac)) = token.split_once('.') else { return false };
        let Ok(mac) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        named == id && bool::from(self.mac(id, pk, owner).as_bytes()[..LENGTH].ct_eq(mac.as_slice()))
    }

    fn mac(&self, id: &str, pk: i64, owner: i64) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{id}\n{pk}\n{owner}").as_bytes())
    }
}

/// 192 bits, 32 letters.
const LENGTH: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_for_one_picture_of_one_owner() {
        let key = RemovalKey::new(&Secret::new("a secret of the tests"));
        let token = key.token("k3Jd9s", 7, 1);
        assert_eq!(RemovalKey::id_in(&token), Some("k3Jd9s"));
        assert!(key.holds(&token, "k3Jd9s", 7, 1));
        assert!(!key.holds(&token, "other1", 7, 1));
        assert!(!key.holds(&token, "k3Jd9s", 8, 1) && !key.holds(&token, "k3Jd9s", 7, 2));
        assert!(!key.holds(&token.replacen("k3Jd9s", "other1", 1), "other1", 7, 1));
        assert!(!RemovalKey::new(&Secret::new("another")).holds(&token, "k3Jd9s", 7, 1));
        for wrong in ["", ".", "k3Jd9s", "k3Jd9s.", "k3Jd9s.AAAA", &token[..token.len() - 4]] {
            assert!(!key.holds(wrong, "k3Jd9s", 7, 1), "{wrong}");
        }
    }
}
