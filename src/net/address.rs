//! Which addresses are on the public Internet, and which mean this machine, its network or nobody at all. The list is
//! IANA's special-purpose registries; of IPv6 it is the other way round, and only what is handed out is public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not one of the public Internet; `None` where it is.
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

/// The IPv4 address that a NAT64 gateway would connect to in place of this one.
pub(super) fn behind_nat64(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V6(v6) if within(v6, [0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96) => {
            Some(IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32)))
        }
        _ => None,
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    const RANGES: &[([u8; 4], u32, &str)] = &[
        ([0, 0, 0, 0], 8, "this network"),
        ([10, 0, 0, 0], 8, "private"),
        ([100, 64, 0, 0], 10, "carrier-grade NAT"),
        ([127, 0, 0, 0], 8, "loopback"),
        ([169, 254, 0, 0], 16, "link-local"),
        ([172, 16, 0, 0], 12, "private"),
        ([192, 0, 0, 0], 24, "protocol assignments"),
        ([192, 0, 2, 0], 24, "documentation"),
        ([192, 31, 196, 0], 24, "AS112"),
        ([192, 52, 193, 0], 24, "multicast tunnels"),
        ([192, 88, 99, 0], 24, "6to4 relays"),
        ([192, 168, 0, 0], 16, "private"),
        ([192, 175, 48, 0], 24, "AS112"),
        ([198, 18, 0, 0], 15, "benchmarking"),
        ([198, 51, 100, 0], 24, "documentation"),
        ([203, 0, 113, 0], 24, "documentation"),
        ([224, 0, 0, 0], 4, "multicast"),
        ([240, 0, 0, 0], 4, "reserved"),
    ];
    let bits = address.to_bits();
    let inside = |network: &[u8; 4], prefix: u32| (bits ^ u32::from_be_bytes(*network)) >> (32 - prefix) == 0;
    RANGES.iter().find(|(network, prefix, _)| inside(network, *prefix)).map(|(_, _, name)| *name)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    // More exact ranges first: the first name that fits is told.
    const RANGES: &[([u16; 8], u32, &str)] = &[
        ([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified"),
        ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
        ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "v4-mapped"),
        ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "v4-translated"),
        ([0, 0, 0, 0, 0, 0, 0, 0], 96, "v4-compatible"),
        ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64"),
        ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "NAT64"),
        ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard-only"),
        ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo"),
        ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarking"),
        ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments"),
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
        ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4"),
        ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112"),
        ([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, "6bone"),
        ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
        ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment routing"),
        ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local"),
        ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
        ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local"),
        ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast"),
    ];
    let known = RANGES.iter().find(|(network, prefix, _)| within(address, *network, *prefix));
    if let Some((_, _, name)) = known {
        return Some(name);
    }
    // ISATAP hides an IPv4 address in the interface's half of any prefix.
    let [.., fifth, sixth, _, _] = address.segments();
    if matches!(fifth, 0 | 0x200) && sixth == 0x5efe {
        return Some("ISATAP");
    }
    // The only block that is handed out.
    (!within(address, [0x2000, 0, 0, 0, 0, 0, 0, 0], 3)).then_some("reserved")
}

fn within(address: Ipv6Addr, network: [u16; 8], prefix: u32) -> bool {
    (address.to_bits() ^ Ipv6Addr::from(network).to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_ranges() {
        for (text, name) in [
            ("9.255.255.255", None),
            ("10.0.0.0", Some("private")),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.127.255.255", Some("carrier-grade NAT")),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.31.255.255", Some("private")),
            ("172.32.0.0", None),
            ("198.17.255.255", None),
            ("198.19.255.255", Some("benchmarking")),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("255.255.255.255", Some("reserved")),
            ("::", Some("unspecified")),
            ("::2", Some("v4-compatible")),
            ("::ffff:8.8.8.8", Some("v4-mapped")),
            ("1fff::1", Some("reserved")),
            ("2000::1", None),
            ("2001:1ff:ffff::1", Some("protocol assignments")),
            ("2001:200::1", None),
            ("2001:4860:4860::8888", None),
            ("2003::1", None),
            ("2a00::5efe:a00:1", Some("ISATAP")),
            ("2a00::200:5efe:a00:1", Some("ISATAP")),
            ("3fff:fff::1", Some("documentation")),
            ("4000::1", Some("reserved")),
            ("fe00::1", Some("reserved")),
        ] {
            assert_eq!(special(text.parse().unwrap()), name, "{text}");
        }
    }

    #[test]
    fn what_lies_behind_nat64() {
        let behind = |text: &str| behind_nat64(text.parse().unwrap());
        assert_eq!(behind("64:ff9b::a00:1"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(behind("64:ff9b:1::a00:1"), None);
        assert_eq!(behind("10.0.0.1"), None);
    }
}
