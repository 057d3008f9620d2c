//! A secret that is sent as `Authorization: Bearer …`.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::units::Secret;

/// What such a secret is compared with. Only its hash is kept, which also makes all comparisons equally long.
#[derive(Clone)]
pub struct BearerKey([u8; 32]);

impl BearerKey {
    pub fn new(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.expose()).into())
    }

    /// In constant time.
    pub fn matches(&self, given: &[u8]) -> bool {
        Sha256::digest(given).as_slice().ct_eq(&self.0).into()
    }
}
