//! Reverse proxies: who speaks for whom. A client's address is for logs only; no right hangs on it.

use std::net::IpAddr;

/// An address, or all addresses that share its first bits (CIDR, RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Bits that count: at most 32 or 128.
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `10.1.2.3`, `fd00::/8`, …
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let bits = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        match prefix {
            None => Some(Network { address, prefix: bits }),
            Some(prefix) => {
                prefix.parse().ok().filter(|prefix| *prefix <= bits).map(|prefix| Network { address, prefix })
            }
        }
    }

    /// Whether that address is one of them. An IPv4 address counts as such also where a dual-stack socket maps it into IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        // A shift by all bits, for prefix 0, is none that the language knows: nothing is left to differ.
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u32::from(own) ^ u32::from(other)).checked_shr(32u32.saturating_sub(prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (u128::from(own) ^ u128::from(other)).checked_shr(128u32.saturating_sub(prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The address of a client behind proxies: from the peer back along `Forwarded` (RFC 7239), or `X-Forwarded-For` where there is
/// none, as far as each step was told by a trusted proxy. What is beyond the first stranger may be invented.
pub fn client_address(
    peer: IpAddr,
    trusted: &[Network],
    forwarded: Option<&str>,
    x_forwarded_for: Option<&str>,
) -> IpAddr {
    let mut client = peer.to_canonical();
    let steps = forwarded.or(x_forwarded_for).unwrap_or_default().rsplit(',');
    for step in steps {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        let node = if forwarded.is_some() { forwarded_for(step) } else { Some(step) };
        match node.and_then(node_address) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// The value of `for` in one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// The address of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    if let Some((address, _port)) = node.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse().ok();
    }
    node.parse().ok().or_else(|| node.rsplit_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_the_addresses_that_share_its_first_bits() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("10.1.2.3/8", "10.9.9.9", "::1"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("192.168.4.0/22", "::ffff:192.168.7.255", "192.168.8.0"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert!(parsed.contains(ip(inside)), "{network} {inside}");
            assert!(!parsed.contains(ip(outside)), "{network} {outside}");
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "proxy.local"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_client_is_the_first_stranger_from_behind() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap(), Network::parse("::1").unwrap()];
        let by_list = |peer, list| client_address(ip(peer), &trusted, None, Some(list));
        assert_eq!(by_list("10.0.0.1", "1.1.1.1, 2.2.2.2, 10.0.0.2"), ip("2.2.2.2"));
        assert_eq!(by_list("10.0.0.1", "2001:db8::7"), ip("2001:db8::7"));
        assert_eq!(by_list("10.0.0.1", "2.2.2.2:4711"), ip("2.2.2.2"));
        assert_eq!(by_list("10.0.0.1", "10.0.0.3"), ip("10.0.0.3"));
        assert_eq!(by_list("3.3.3.3", "1.1.1.1"), ip("3.3.3.3"), "a stranger's word does not count");
        assert_eq!(by_list("10.0.0.1", "1.1.1.1, nonsense"), ip("10.0.0.1"));
        assert_eq!(by_list("10.0.0.1", ""), ip("10.0.0.1"));
        assert_eq!(client_address(ip("::1"), &trusted, None, None), ip("::1"));
    }

    #[test]
    fn forwarded_comes_first() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let by = |forwarded| client_address(ip("::ffff:10.0.0.1"), &trusted, Some(forwarded), Some("9.9.9.9"));
        assert_eq!(by("for=1.1.1.1, proto=https;For=\"[2001:db8::1]:47011\""), ip("2001:db8::1"));
        assert_eq!(by("for=1.1.1.1;by=10.0.0.1, for=10.0.0.9"), ip("1.1.1.1"));
        assert_eq!(by("for=_hidden"), ip("10.0.0.1"));
        assert_eq!(by("proto=https"), ip("10.0.0.1"));
    }
}
