//! A block of addresses, as in lists of trusted proxies.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// `10.0.0.0/8`, `2001:db8::/32`, or one address. The host bits are always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is no block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    #[error("`{0}` is not an address or a block of addresses like `10.0.0.0/8` or `2001:db8::/32`")]
    Syntax(String),
    #[error("`{given}` has bits set after its prefix; the block is `{meant}`")]
    HostBits { given: String, meant: Cidr },
}

impl Cidr {
    /// The block that `address` begins with; `None` where the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let network = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask::<32>(prefix) as u32))
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask::<128>(prefix)))
            }
            _ => return None,
        };
        Some(Self { network, prefix })
    }

    /// Its first address.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    pub(super) fn is_ipv4(&self) -> bool {
        self.network.is_ipv4()
    }

    pub(super) fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the address lies in the block. An IPv4 address that a dual-stack socket shows as `::ffff:a.b.c.d`
    /// is compared as the IPv4 address that it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        // An IPv6 block is asked with the address as it came, so that `::ffff:0:0/96` can be written too.
        let address = if self.network.is_ipv4() { address.to_canonical() } else { address };
        Self::new(address, self.prefix).is_some_and(|block| block.network == self.network)
    }
}

/// The first `prefix` of `BITS` bits set.
fn mask<const BITS: u32>(prefix: u8) -> u128 {
    let all = if BITS == 128 { u128::MAX } else { (1 << BITS) - 1 };
    all & all.checked_shl(BITS - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError::Syntax(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let block = Self::new(address, prefix.unwrap_or(whole)).ok_or_else(wrong)?;
        if block.network != address {
            return Err(CidrError::HostBits { given: text.to_owned(), meant: block });
        }
        Ok(block)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

struct CidrVisitor;

impl Visitor<'_> for CidrVisitor {
    type Value = Cidr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block of addresses like `10.0.0.0/8` or `2001:db8::/32`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cidr, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CidrVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(block: &str, address: &str) -> bool {
        block.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn contains_its_addresses_and_no_others() {
        assert!(has("127.0.0.0/8", "127.255.0.1"));
        assert!(!has("127.0.0.0/8", "128.0.0.1"));
        assert!(has("192.0.2.7", "192.0.2.7"));
        assert!(!has("192.0.2.7", "192.0.2.6"));
        assert!(has("172.16.0.0/12", "172.31.255.255"));
        assert!(!has("172.16.0.0/12", "172.32.0.0"));
        assert!(has("0.0.0.0/0", "8.8.8.8"));
        assert!(!has("0.0.0.0/0", "2001:db8::1"));
        assert!(has("::/0", "2001:db8::1"));
        assert!(!has("::/0", "8.8.8.8"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!has("2001:db8::/33", "2001:db8:8000::1"));
        assert!(has("::1", "::1"));
    }

    #[test]
    fn a_mapped_address_counts_as_the_ipv4_address_that_it_is() {
        assert!(has("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!has("10.0.0.0/8", "::ffff:11.1.2.3"));
        assert!(has("::ffff:0:0/96", "::ffff:10.1.2.3"));
    }

    #[test]
    fn says_what_is_wrong() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0/8",
            "localhost",
            "::1/300",
        ] {
            assert!(matches!(text.parse::<Cidr>(), Err(CidrError::Syntax(_))), "{text}");
        }
        let error = "10.1.0.0/8".parse::<Cidr>().unwrap_err().to_string();
        assert!(error.contains("`10.0.0.0/8`"), "{error}");
    }
}
