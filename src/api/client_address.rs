//! The address of the client behind reverse proxies that the operator trusts.

use crate::limits::PROXY_HOPS_MAX;
use crate::proto::http::head::Head;
use core::fmt;
use core::net::IpAddr;

/// A block of addresses, `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads an address or a block in CIDR notation.
    pub fn parse(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is neither an address nor a network, such as \"10.0.0.0/8\"");
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix)),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?,
        };
        Ok(Network { address, prefix })
    }

    /// Returns whether it is larger than the largest private network, 10.0.0.0/8 (RFC 1918) or
    /// fc00::/7 (RFC 4193): strangers are in it.
    pub fn is_wider_than_private(&self) -> bool {
        self.prefix < if self.address.is_ipv4() { 8 } else { 7 }
    }

    /// Returns whether the block holds an address. An IPv4 address mapped into IPv6 counts as
    /// itself.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(address)) => {
                same_prefix(u128::from(u32::from(block)), u128::from(u32::from(address)), 32 - self.prefix.min(32))
            }
            (IpAddr::V6(block), IpAddr::V6(address)) => {
                same_prefix(u128::from(block), u128::from(address), 128 - self.prefix.min(128))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn same_prefix(a: u128, b: u128, host_bits: u8) -> bool {
    (a ^ b).checked_shr(u32::from(host_bits)).unwrap_or(0) == 0
}

/// Returns the client's address: the peer's, unless the peer is trusted; then the rightmost
/// untrusted one that `Forwarded` (RFC 7239) or, without that, `X-Forwarded-For` names. What an
/// untrusted peer claims is ignored.
pub(crate) fn client_address(head: &Head<'_>, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let has_forwarded = head.header("forwarded").is_some();
    let name = if has_forwarded { "forwarded" } else { "x-forwarded-for" };
    let lines = head.headers.iter().rev().filter(|(header, _)| header.eq_ignore_ascii_case(name));
    let hops = lines.filter_map(|(_, value)| core::str::from_utf8(value).ok()).flat_map(|value| value.rsplit(','));
    let hops = hops.take(PROXY_HOPS_MAX);
    for hop in hops {
        let node = if has_forwarded { forwarded_for(hop) } else { Some(hop.trim()) };
        let Some(address) = node.and_then(node_address) else { break };
        client = address;
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// Parameters of an element that are looked at; RFC 7239 has four.
const PARAMETERS_MAX: usize = 16;

/// Returns the `for` parameter of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').take(PARAMETERS_MAX).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// `192.0.2.1`, `192.0.2.1:47011`, `2001:db8::1`, `[2001:db8::1]:47011`.
fn node_address(node: &str) -> Option<IpAddr> {
    let bare = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => node,
    };
    let address = bare.parse::<IpAddr>().ok().or_else(|| bare.split_once(':')?.0.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Status;
    use crate::proto::http::head::parse_head;

    fn client(headers: &str, peer: &str, trusted: &[&str]) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        let trusted: Vec<Network> = trusted.iter().map(|text| Network::parse(text).unwrap()).collect();
        let Ok(Status::Complete(head)) = parse_head(text.as_bytes(), 8192, 64) else { panic!("no head") };
        client_address(&head, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_peer_speaks_for_somebody_else() {
        let claim = "X-Forwarded-For: 203.0.113.9\r\n";
        assert_eq!(client(claim, "198.51.100.1", &["127.0.0.1"]), "198.51.100.1");
        assert_eq!(client(claim, "127.0.0.1", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(client(claim, "::ffff:127.0.0.1", &["127.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("", "127.0.0.1", &["127.0.0.1"]), "127.0.0.1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts() {
        let chain = "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3\r\n";
        assert_eq!(client(chain, "127.0.0.1", &["127.0.0.1", "10.0.0.0/8"]), "203.0.113.9");
        let lines = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9\r\n";
        assert_eq!(client(lines, "127.0.0.1", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(client("X-Forwarded-For: unknown\r\n", "127.0.0.1", &["127.0.0.1"]), "127.0.0.1");
    }

    #[test]
    fn hops_beyond_the_bound_are_not_looked_at() {
        let hops = |trusted: usize| {
            let chain = ["203.0.113.9"].into_iter().chain(std::iter::repeat_n("10.1.2.3", trusted)).collect::<Vec<_>>();
            client(&format!("X-Forwarded-For: {}\r\n", chain.join(",")), "127.0.0.1", &["127.0.0.1", "10.0.0.0/8"])
        };
        assert_eq!((hops(PROXY_HOPS_MAX - 1).as_str(), hops(PROXY_HOPS_MAX).as_str()), ("203.0.113.9", "10.1.2.3"));
    }

    #[test]
    fn forwarded_goes_before_x_forwarded_for() {
        let both = "Forwarded: for=\"[2001:db8::1]:4711\";proto=https, for=10.0.0.1\r\nX-Forwarded-For: 6.6.6.6\r\n";
        assert_eq!(client(both, "127.0.0.1", &["127.0.0.1", "10.0.0.0/8"]), "2001:db8::1");
        assert_eq!(client("Forwarded: FOR=192.0.2.1:80\r\n", "::1", &["::1/128"]), "192.0.2.1");
    }

    #[test]
    fn a_wrong_block_is_told_with_the_right_form() {
        for wrong in ["localhost", "10.0.0.0/33", "1.2.3.4/x", ""] {
            assert!(Network::parse(wrong).unwrap_err().contains("10.0.0.0/8"));
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
    }
}
