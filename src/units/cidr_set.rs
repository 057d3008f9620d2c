//! Many blocks of addresses, asked as quickly as few.

use std::collections::HashSet;
use std::net::IpAddr;

use super::Cidr;

/// A look-up for each length of prefix that occurs, which in practice are a handful.
#[derive(Debug, Clone, Default)]
pub struct CidrSet {
    blocks: HashSet<Cidr>,
    v4: Vec<u8>,
    v6: Vec<u8>,
}

impl CidrSet {
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// As [`Cidr::contains`] of any of them, for an address in its canonical form.
    pub fn contains(&self, address: IpAddr) -> bool {
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let block = |length: &u8| Cidr::new(address, *length);
        lengths.iter().filter_map(block).any(|block| self.blocks.contains(&block))
    }
}

impl FromIterator<Cidr> for CidrSet {
    fn from_iter<I: IntoIterator<Item = Cidr>>(blocks: I) -> Self {
        let mut set = Self::default();
        for block in blocks {
            let lengths = if block.is_ipv4() { &mut set.v4 } else { &mut set.v6 };
            if !lengths.contains(&block.prefix()) {
                lengths.push(block.prefix());
            }
            set.blocks.insert(block);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn says_what_its_blocks_say(blocks in prop::collection::vec((any::<u32>(), 0u8..=32), 0..20), asked: u32) {
            // Few networks, so that some are hit.
            let near = |bits: u32| IpAddr::from((bits & 0x8000_00ff).to_be_bytes());
            let blocks: Vec<Cidr> =
                blocks.into_iter().filter_map(|(bits, length)| Cidr::new(near(bits), length)).collect();
            let set: CidrSet = blocks.iter().copied().collect();
            let asked = near(asked);
            prop_assert_eq!(set.contains(asked), blocks.iter().any(|block| block.contains(asked)));
        }
    }

    #[test]
    fn the_two_kinds_are_apart() {
        let set: CidrSet = ["::/0", "10.0.0.0/8"].map(|text| text.parse().unwrap()).into_iter().collect();
        let has = |text: &str| set.contains(text.parse().unwrap());
        assert!(has("2001:db8::1") && has("10.1.2.3") && !has("11.1.2.3"));
        assert!(CidrSet::default().is_empty() && !set.is_empty());
    }
}
