//! Headers of the PROXY protocol: in pieces as whole, and what is read stands in the bytes.

use super::pieces::pieces;
use super::transcript::Transcript;
use crate::proto::Status;
use crate::proto::proxy::{Preamble, begins, parse};
use core::net::IpAddr;

/// A header that arrives in pieces is judged as the whole is; the source is where the specification
/// puts it, found the slow way; what does not begin as a header is none.
///
/// # Panics
/// The parser is wrong.
pub fn proxy_preamble(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, pieces)) = pieces(data, transcript) else { return };
    let whole = parse(input);
    transcript.say(|| format!("{whole:?}"));
    let mut arrived = 0;
    for piece in pieces {
        arrived += piece.len();
        let outcome = parse(input.get(..arrived).unwrap_or_default());
        if outcome != Ok(Status::Partial) {
            assert_eq!(outcome, whole, "in pieces and whole");
            break;
        }
        assert!(arrived < input.len() || whole == Ok(Status::Partial), "pieces end partial, the whole does not");
    }
    match whole {
        Ok(Status::Complete(Preamble { len: 0, source })) => assert!(source.is_none() && !input.starts_with(b"PROXY ")),
        Ok(Status::Complete(preamble)) => {
            let header = input.get(..preamble.len).unwrap_or_default();
            assert_eq!(header.len(), preamble.len, "a header lies in its bytes");
            assert!(begins(header));
            assert_eq!(preamble.source, slowly(header), "{header:?}");
        }
        Ok(Status::Partial) => {}
        Err(_) => assert!(begins(input), "{input:?}"),
    }
}

/// Returns the source of a header that is known to be one.
fn slowly(header: &[u8]) -> Option<IpAddr> {
    if let Some(line) = header.strip_suffix(b"\r\n").filter(|line| line.starts_with(b"PROXY ")) {
        let line = String::from_utf8_lossy(line).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        return if words.get(1) == Some(&"UNKNOWN") { None } else { words.get(2)?.parse().ok() };
    }
    let byte = |at: usize| header.get(at).copied();
    match (byte(12)?, byte(13)? >> 4) {
        (0x21, 1) => Some(IpAddr::from([byte(16)?, byte(17)?, byte(18)?, byte(19)?])),
        (0x21, 2) => {
            let bytes: Vec<u8> = (16..32).filter_map(byte).collect();
            Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => None,
    }
}
