//! The checksum that a client sends along with a part: a word for the algorithm and the digest in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A digest that is expected, and the one of the bytes so far.
#[derive(Clone)]
pub struct Checksum {
    hasher: Hasher,
    expected: Vec<u8>,
}

#[derive(Clone)]
enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// The words for the algorithms, as clients are told.
    pub const ALGORITHMS: &str = "md5,sha1,sha256";

    pub fn parse(text: &str) -> Result<Self, String> {
        let (word, digest) = text.trim().split_once(' ').ok_or("is not `<algorithm> <digest in base64>`")?;
        let (hasher, len) = match word {
            "md5" => (Hasher::Md5(Md5::new()), 16),
            "sha1" => (Hasher::Sha1(Sha1::new()), 20),
            "sha256" => (Hasher::Sha256(Sha256::new()), 32),
            _ => return Err(format!("names an algorithm that is none of {}", Self::ALGORITHMS)),
        };
        let expected = STANDARD.decode(digest.trim()).map_err(|_| "has a digest that is no base64")?;
        if expected.len() != len {
            return Err(format!("has a digest of {} bytes; {word} has {len}", expected.len()));
        }
        Ok(Self { hasher, expected })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn fits(self) -> bool {
        let found = match self.hasher {
            Hasher::Md5(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha1(hasher) => hasher.finalize().to_vec(),
            Hasher::Sha256(hasher) => hasher.finalize().to_vec(),
        };
        found == self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_knows_its_own_digest() {
        for text in [
            "md5 XUFAKrxLKna5cZ2REBfFkg==",
            "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ] {
            let mut checksum = Checksum::parse(text).unwrap();
            checksum.update(b"hel");
            let mut other = checksum.clone();
            checksum.update(b"lo");
            other.update(b"l0");
            assert!(checksum.fits() && !other.fits(), "{text}");
        }
    }

    #[test]
    fn what_is_no_checksum_is_told_apart() {
        for (text, why) in [
            ("", "`<algorithm>"),
            ("sha1", "`<algorithm>"),
            ("crc32 AAAAAA==", "none of md5,sha1,sha256"),
            ("sha1 %%%", "no base64"),
            ("sha1 AAAA", "3 bytes"),
        ] {
            assert!(Checksum::parse(text).err().unwrap().contains(why), "{text}");
        }
    }
}
