//! Who really asks: the connection's other end, or, behind proxies that we trust, the first address in front of them.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderMap;

use crate::units::Cidr;

/// Walks `X-Forwarded-For` from the right, as far as each hop is trusted; what a stranger wrote to its left counts for
/// nothing. Behind an entry that is no address the client is unknown, `0.0.0.0`.
pub fn resolved_client(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut client = peer;
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(client.to_canonical()) {
            break;
        }
        match hop.trim().parse() {
            Ok(address) => client = address,
            // Somebody else's request, whoever it is: not the proxy's own.
            Err(_) => return IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
    client.to_canonical()
}

/// Whether a request comes from this machine itself: the connection does, and nothing says that it was passed on for
/// somebody else by a proxy that we do not trust or that does not tell for whom.
pub fn is_this_machine(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> bool {
    let peer = peer.to_canonical();
    let told = headers.contains_key("x-forwarded-for");
    let passed_on = told || ["forwarded", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    let believed = told && trusted.iter().any(|range| range.contains(peer));
    peer.is_loopback() && (!passed_on || believed) && resolved_client(peer, headers, trusted).is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<Cidr> = ["127.0.0.0/8", "10.0.0.0/8"].map(|range| range.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        resolved_client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn this_machine_is_only_who_asks_from_it_and_for_itself() {
        let local = |peer: &str, header: Option<(&'static str, &str)>, trusted: &[&str]| {
            let trusted: Vec<Cidr> = trusted.iter().map(|range| range.parse().unwrap()).collect();
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            is_this_machine(peer.parse().unwrap(), &headers, &trusted)
        };
        let all = ["127.0.0.0/8"];
        assert!(
            local("127.0.0.1", None, &all) && local("::1", None, &[]) && local("::ffff:127.0.0.1", None, &[])
        );
        assert!(!local("192.0.2.1", None, &all));
        assert!(local("127.0.0.1", Some(("x-forwarded-for", "127.0.0.1")), &all));
        assert!(!local("127.0.0.1", Some(("x-forwarded-for", "192.0.2.1")), &all));
        assert!(!local("127.0.0.1", Some(("x-forwarded-for", "rubbish")), &all));
        // Whoever passes this on is not one that we were told of: its word counts neither way.
        assert!(!local("127.0.0.1", Some(("x-forwarded-for", "127.0.0.1")), &[]));
        assert!(!local("127.0.0.1", Some(("x-forwarded-for", "192.0.2.1")), &[]));
        // A proxy that tells it in a way that we do not read.
        for name in ["forwarded", "x-real-ip", "via"] {
            assert!(!local("127.0.0.1", Some((name, "x")), &all), "{name}");
        }
        assert!(!local("192.0.2.1", Some(("x-forwarded-for", "127.0.0.1")), &["192.0.2.0/24"]));
    }

    #[test]
    fn believes_only_trusted_hops() {
        assert_eq!(client("203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["127.0.0.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["203.0.113.9", "10.0.0.7"]), "203.0.113.9");
        assert_eq!(client("127.0.0.1", &["203.0.113.9, rubbish"]), "0.0.0.0");
        assert_eq!(client("127.0.0.1", &["203.0.113.9:4711"]), "0.0.0.0");
        assert_eq!(client("::ffff:127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }
}
