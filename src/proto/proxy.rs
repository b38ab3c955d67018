//! The PROXY protocol, versions 1 and 2, as HAProxy defines it: what a proxy that passes bytes on
//! says first, so that the hub knows whose they are.
//!
//! Only the address of the source is read. Who may say it is not decided here: a header from
//! somebody else's hand is a forged address.

use super::Status;
use crate::limits::PROXY_BYTES_MAX;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the bytes of a connection begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preamble {
    /// The client, where the proxy names one by its address.
    pub source: Option<IpAddr>,
    /// Bytes of the header; 0 where the connection begins with something else.
    pub len: usize,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyError(pub &'static str);

const BEGIN_1: &[u8] = b"PROXY ";
/// "a 12-byte constant block": no line of HTTP, and whoever reads lines gives up at its NUL.
const BEGIN_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// "Maximum line lengths the receiver must support including the CRLF": 107 bytes.
const LINE_BYTES_MAX: usize = 107;
/// Signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

/// Returns whether bytes begin with a header, or with as much of one as can be nothing else.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(BEGIN_1) || BEGIN_2.get(..5).is_some_and(|begin| bytes.starts_with(begin))
}

/// Reads a header from the start of `bytes`, if there is one; at most [`PROXY_BYTES_MAX`] bytes.
///
/// ```
/// use rte::proto::{Status, proxy};
///
/// let bytes = b"PROXY TCP4 203.0.113.9 192.0.2.1 56324 443\r\nGET /rte HTTP/1.1\r\n";
/// let Ok(Status::Complete(preamble)) = proxy::parse(bytes) else { panic!("a whole header") };
/// assert_eq!(preamble.source, Some([203, 0, 113, 9].into()));
/// assert!(bytes[preamble.len..].starts_with(b"GET "));
/// ```
///
/// # Errors
/// It begins as a header and is none.
pub fn parse(bytes: &[u8]) -> Result<Status<Preamble>, ProxyError> {
    if bytes.starts_with(BEGIN_1) {
        return parse_line(bytes);
    }
    if bytes.starts_with(BEGIN_2) {
        return parse_binary(bytes);
    }
    let may_begin = [BEGIN_1, BEGIN_2].iter().any(|begin| begin.starts_with(bytes));
    Ok(if may_begin { Status::Partial } else { Status::Complete(Preamble::default()) })
}

/// Version 1: `PROXY TCP4 203.0.113.9 192.0.2.1 56324 443`, and a line end.
fn parse_line(bytes: &[u8]) -> Result<Status<Preamble>, ProxyError> {
    const WRONG: ProxyError = ProxyError("The PROXY header is no line of version 1.");
    let window = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if window.len() < LINE_BYTES_MAX { Ok(Status::Partial) } else { Err(WRONG) };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(WRONG)?;
    let line = std::str::from_utf8(line).map_err(|_| WRONG)?;
    let mut words = line.split(' ').skip(1);
    let is_four = match words.next() {
        Some("TCP4") => true,
        Some("TCP6") => false,
        // "the receiver must ignore anything presented before the CRLF".
        Some("UNKNOWN") => return Ok(Status::Complete(Preamble { source: None, len: end + 1 })),
        Some(_) | None => return Err(WRONG),
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_four);
    let (source, _) = (address().ok_or(WRONG)?, address().ok_or(WRONG)?);
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    let is_good = words.clone().count() == 2 && words.all(is_port);
    if is_good { Ok(Status::Complete(Preamble { source: Some(source), len: end + 1 })) } else { Err(WRONG) }
}

/// Version 2: binary, with addresses and what else the proxy has to say behind 16 bytes.
fn parse_binary(bytes: &[u8]) -> Result<Status<Preamble>, ProxyError> {
    let Some(&[what, family, high, low]) = bytes.get(BEGIN_2.len()..FIXED_BYTES) else { return Ok(Status::Partial) };
    // "The highest four bits contain the version. As of this specification, it must always be sent
    // as \x2 and the receiver must only accept this value."
    let is_local = match what {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError("The PROXY header has neither version 2 nor a known command.")),
    };
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if len > PROXY_BYTES_MAX {
        return Err(ProxyError("The PROXY header is too long."));
    }
    let Some(addresses) = bytes.get(FIXED_BYTES..len) else { return Ok(Status::Partial) };
    // "the receiver must accept this connection as valid and must use the real connection endpoints
    // and discard the protocol block".
    let source = if is_local { None } else { source_of(family >> 4, addresses)? };
    Ok(Status::Complete(Preamble { source, len }))
}

/// The source comes first, in network byte order.
fn source_of(family: u8, addresses: &[u8]) -> Result<Option<IpAddr>, ProxyError> {
    const SHORT: ProxyError = ProxyError("The PROXY header is shorter than its addresses.");
    match family {
        1 if addresses.len() < 12 => Err(SHORT),
        1 => Ok(addresses.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into())),
        2 if addresses.len() < 36 => Err(SHORT),
        2 => Ok(addresses.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into())),
        // Unix sockets have no address that a log or a limit could use; the rest is unspecified.
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binary(what: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap();
        [BEGIN_2, &[what, family], &length.to_be_bytes(), rest].concat()
    }

    fn complete(source: Option<&str>, len: usize) -> Result<Status<Preamble>, ProxyError> {
        Ok(Status::Complete(Preamble { source: source.map(|text| text.parse().unwrap()), len }))
    }

    #[test]
    fn the_lines_of_the_specification_are_read() {
        for (line, source) in [
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255")),
            ("PROXY TCP6 2001:db8::1 ::1 1 0\r\n", Some("2001:db8::1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None),
        ] {
            assert_eq!(parse(format!("{line}GET / HTTP/1.1\r\n").as_bytes()), complete(source, line.len()), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_refused() {
        for line in [
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY \r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)),
            &format!("PROXY {}", "x".repeat(101)),
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        assert_eq!(parse(longest.as_bytes()), complete(None, LINE_BYTES_MAX));
    }

    #[test]
    fn binary_headers_are_read_with_what_follows_the_addresses() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4];
        let six: Vec<u8> =
            ["2001:db8::7", "::1"].iter().flat_map(|text| text.parse::<Ipv6Addr>().unwrap().octets()).collect();
        let six = [&six[..], &[0, 1, 0, 2]].concat();
        for (bytes, source) in [
            (binary(0x21, 0x11, &four), Some("192.0.2.7")),
            (binary(0x21, 0x11, &[&four[..], &[4, 0, 1, 0]].concat()), Some("192.0.2.7")),
            (binary(0x21, 0x21, &six), Some("2001:db8::7")),
            (binary(0x21, 0x31, &[b'/'; 216]), None),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &four), None),
        ] {
            assert_eq!(parse(&bytes), complete(source, bytes.len()), "{bytes:?}");
        }
        for bytes in [
            binary(0x21, 0x11, &four[..11]),
            binary(0x21, 0x21, &six[..35]),
            binary(0x11, 0x11, &four),
            binary(0x22, 0x11, &four),
            binary(0x21, 0x11, &[0; PROXY_BYTES_MAX - FIXED_BYTES + 1]),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:?}");
        }
        let longest = binary(0x21, 0x00, &[0; PROXY_BYTES_MAX - FIXED_BYTES]);
        assert_eq!(parse(&longest), complete(None, PROXY_BYTES_MAX));
    }

    #[test]
    fn whatever_else_a_connection_begins_with_is_left_alone() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROPFIND / HTTP/1.1", b"\r\nGET / HTTP/1.1", b"\x16\x03\x01"] {
            assert_eq!(parse(bytes), complete(None, 0));
            assert!(!begins(bytes));
        }
        assert!(begins(b"PROXY TCP4") && begins(b"\r\n\r\n\0\r") && !begins(b"\r\n\r\nGET"));
    }

    proptest! {
        #[test]
        fn a_header_is_partial_until_it_is_whole(source: [u8; 4], port: u16, extra in 0usize..300, is_line: bool) {
            let address = Ipv4Addr::from(source);
            let bytes = if is_line {
                format!("PROXY TCP4 {address} 10.0.0.1 {port} 443\r\n").into_bytes()
            } else {
                let mut rest = source.to_vec();
                rest.resize(12 + extra, 0);
                binary(0x21, 0x11, &rest)
            };
            for cut in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..cut]), Ok(Status::Partial));
            }
            prop_assert_eq!(parse(&bytes), complete(Some(&address.to_string()), bytes.len()));
        }

        #[test]
        fn no_bytes_are_too_strange(mut bytes: Vec<u8>, begin in 0usize..3) {
            let begin: &[u8] = [BEGIN_1, BEGIN_2, b""][begin];
            bytes.splice(0..0, begin.iter().copied());
            if let Ok(Status::Complete(preamble)) = parse(&bytes) {
                prop_assert!(preamble.len <= bytes.len().min(PROXY_BYTES_MAX));
            }
        }
    }
}
