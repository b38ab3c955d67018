//! What stands in front of the hub, as the first bytes of a link show it.

use crate::api::client_address::Network;
use crate::limits::Limits;
use crate::proto::Status;
use crate::proto::http::head::HeadError;
use crate::proto::proxy::{self, Preamble, ProxyError};
use crate::trace::FrontFault;
use core::net::IpAddr;

/// Reads the header of the PROXY protocol that a trusted proxy may begin with; from anybody else it
/// would be forged, and is not looked for.
///
/// # Errors
/// The proxy's header is none.
pub(super) fn preamble(input: &[u8], peer: IpAddr, trusted: &[Network]) -> Result<Status<Preamble>, HeadError> {
    if !trusted.iter().any(|network| network.contains(peer)) {
        return Ok(Status::Complete(Preamble::default()));
    }
    proxy::parse(input).map_err(|ProxyError(message)| HeadError { status: 400, message })
}

/// Whether nothing can be new in a head that was cut, so that a large one that comes byte by byte
/// is not read again for each: the bytes that came end no line, and it is within its bound.
pub(super) fn is_cut_line(partial: &[u8], came: &[u8], limits: &Limits) -> bool {
    let first = partial.iter().find(|byte| !matches!(byte, b'\r' | b'\n'));
    let is_text = first.is_some_and(u8::is_ascii_graphic);
    is_text && partial.len() < limits.head_bytes_max && !came.contains(&b'\n')
}

/// What is wrong, where bytes that are no request show it.
pub(super) fn fault(first: &[u8]) -> Option<FrontFault> {
    // RFC 8446 section 5.1: a record of the type handshake (22); no request begins so.
    if first.first() == Some(&22) {
        return Some(FrontFault::Tls);
    }
    proxy::begins(first).then_some(FrontFault::ProxyPreamble)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_looked_at_again_where_a_line_has_ended_and_never_left_to_wait_otherwise() {
        let limits = Limits { head_bytes_max: 20, ..Limits::DEFAULT };
        let is_cut = |partial: &[u8], came: &[u8]| is_cut_line(partial, came, &limits);
        assert!(is_cut(b"GET / HT", b"HT") && is_cut(b"\r\nget", b"t"));
        assert!(!is_cut(b"GET / HTTP/1.1\r\n", b"\n"));
        assert!(!is_cut(&[b'x'; 20], b"x"), "the bound is reached");
        assert!(!is_cut(b"\x16\x03\x01", b"\x01") && !is_cut(b"\r\n\r\n\0\r", b"\r") && !is_cut(b"\r\n", b"\r"));
    }

    #[test]
    fn only_a_trusted_proxy_may_say_whose_bytes_it_passes_on() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let source = |peer: [u8; 4], input: &[u8]| match preamble(input, peer.into(), &trusted) {
            Ok(Status::Complete(preamble)) => (preamble.source, preamble.len > 0),
            other => panic!("{other:?}"),
        };
        let line = b"PROXY TCP4 203.0.113.9 192.0.2.1 5 443\r\n";
        assert_eq!(source([10, 1, 2, 3], line), (Some([203, 0, 113, 9].into()), true));
        assert_eq!(source([11, 1, 2, 3], line), (None, false));
        assert_eq!(source([10, 1, 2, 3], b"GET / HTTP/1.1\r\n"), (None, false));
        assert_eq!(preamble(b"PROXY x\r\n", [10, 1, 2, 3].into(), &trusted).unwrap_err().status, 400);
        assert_eq!(fault(line), Some(FrontFault::ProxyPreamble));
    }
}
