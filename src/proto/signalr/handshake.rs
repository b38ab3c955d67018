//! The handshake: always JSON, the first record in each direction.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::framing::SEPARATOR;
use super::json::string::encode_str;
use super::protocol::HubProtocol;
use super::text;

/// Why a handshake is refused; [`encode_error`] gives the answer, then the connection ends
/// normally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// Not JSON, no object, a member missing or mistyped.
    Malformed,
    /// No such protocol, in the client's spelling.
    UnknownProtocol(String),
    /// A version that this hub does not speak.
    UnsupportedVersion {
        /// What was asked for, as the decimal number written.
        version: i64,
        /// In the client's spelling.
        protocol: String,
    },
    /// The transport carries texts only.
    NotBinary(HubProtocol),
    /// Too late, or too long without a separator.
    Canceled,
}

/// What a client asks for. Of a member given twice the last counts, and unknown ones are passed
/// over, as in .NET.
struct Request {
    protocol: String,
    version: i64,
}

/// The version of a hub protocol that has Ack and Sequence.
const STATEFUL_VERSION: i64 = 2;

/// What a client is going to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) protocol: HubProtocol,
    /// Whether in the version that has Ack and Sequence.
    pub(crate) is_stateful: bool,
}

/// Reads the handshake record (without its separator).
///
/// The protocol's name is compared without case. Versions 0 and 1 are the same to this hub:
/// signalrcore sends 0. A protocol that is not offered is told before a version that is not spoken.
pub(crate) fn parse(record: &[u8]) -> Result<Spoken, HandshakeError> {
    let record = simdutf8::basic::from_utf8(record).map_err(|_| HandshakeError::Malformed)?;
    let Request { protocol, version } = serde_json::from_str(record).map_err(|_| HandshakeError::Malformed)?;
    let known = HubProtocol::NAMED.into_iter().find(|(name, _)| protocol.eq_ignore_ascii_case(name));
    let Some((_, known)) = known else { return Err(HandshakeError::UnknownProtocol(protocol)) };
    match version {
        0..=STATEFUL_VERSION => Ok(Spoken { protocol: known, is_stateful: version == STATEFUL_VERSION }),
        _ => Err(HandshakeError::UnsupportedVersion { version, protocol }),
    }
}

/// The record that accepts: `{}` and the separator.
pub(crate) const ACCEPTED: &[u8] = b"{}\x1e";

/// Appends the record that refuses: `{"error":"…"}` and the separator.
pub(crate) fn encode_error(error: &HandshakeError, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"error":"#);
    match error {
        HandshakeError::Malformed => encode_str(text::HANDSHAKE_FAILED, out),
        HandshakeError::UnknownProtocol(protocol) => encode_str(&text::protocol_not_supported(protocol), out),
        HandshakeError::UnsupportedVersion { version, protocol } => {
            encode_str(&text::version_not_supported(*version, protocol), out);
        }
        HandshakeError::NotBinary(protocol) => encode_str(&text::not_binary(protocol.name()), out),
        HandshakeError::Canceled => encode_str(text::HANDSHAKE_CANCELED, out),
    }
    out.extend_from_slice(&[b'}', SEPARATOR]);
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

/// A derived `Deserialize` would take an array too, and refuse a member given twice.
struct RequestVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Protocol,
    Version,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a handshake request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request, A::Error> {
        let (mut protocol, mut version) = (None, None);
        while let Some(member) = map.next_key()? {
            match member {
                Key::Protocol => protocol = Some(map.next_value()?),
                Key::Version => version = Some(map.next_value()?),
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Request {
            protocol: protocol.ok_or_else(|| serde::de::Error::missing_field("protocol"))?,
            version: version.ok_or_else(|| serde::de::Error::missing_field("version"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(record: &str) -> String {
        let mut out = Vec::new();
        match parse(record.as_bytes()) {
            Ok(_) => out.extend_from_slice(ACCEPTED),
            Err(error) => encode_error(&error, &mut out),
        }
        String::from_utf8(out).expect("an answer is text")
    }

    #[test]
    fn what_clients_send_is_accepted() {
        for record in [
            r#"{"protocol":"json","version":1}"#,
            r#"{"protocol":"json","version":2}"#,
            r#"{"protocol": "json", "version": 0}"#,
            r#"{"version":1,"protocol":"JSON"}"#,
            " {\"protocol\"\t:\r\n\"json\" , \"more\":[{}, null], \"version\":1 } ",
            r#"{"protocol":"foo","version":9,"version":1,"protocol":"json"}"#,
            r#"{"pr\u006ftocol":"js\u006fn","version":1}"#,
            r#"{"protocol":"messagepack","version":1}"#,
            r#"{"protocol":"MessagePack","version":0}"#,
        ] {
            assert_eq!(answer(record), "{}\x1e", "{record}");
        }
    }

    #[test]
    fn version_2_alone_is_the_one_with_sequences() {
        for (version, expected) in [(0, false), (1, false), (2, true)] {
            let record = format!(r#"{{"protocol":"messagepack","version":{version}}}"#);
            let is_stateful = expected;
            assert_eq!(parse(record.as_bytes()), Ok(Spoken { protocol: HubProtocol::MessagePack, is_stateful }));
        }
    }

    #[test]
    fn an_unknown_protocol_is_named_in_its_own_spelling() {
        assert_eq!(
            answer(r#"{"protocol":"messagepack2","version":1}"#),
            "{\"error\":\"The protocol 'messagepack2' is not supported.\"}\x1e"
        );
        assert_eq!(
            answer(r#"{"protocol":"a\"\u001e","version":9001}"#),
            "{\"error\":\"The protocol 'a\\\"\\u001E' is not supported.\"}\x1e"
        );
    }

    #[test]
    fn other_versions_are_told_back() {
        for version in ["3", "9001", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(
                answer(&format!(r#"{{"protocol":"Json","version":{version}}}"#)),
                format!("{{\"error\":\"The server does not support version {version} of the 'Json' protocol.\"}}\x1e")
            );
        }
    }

    #[test]
    fn anything_else_is_an_unexpected_error() {
        for record in [
            "",
            " ",
            "null",
            "[\"json\",1]",
            "{",
            "{}",
            r#"{"protocol":"json"}"#,
            r#"{"version":1}"#,
            r#"{"Protocol":"json","version":1}"#,
            r#"{"protocol":null,"version":1}"#,
            r#"{"protocol":42,"version":1}"#,
            r#"{"protocol":"json","version":"1"}"#,
            r#"{"protocol":"json","version":1.0}"#,
            r#"{"protocol":"json","version":null}"#,
            r#"{"protocol":"json","version":9223372036854775808}"#,
            r#"{"protocol":"json","version":1}{}"#,
            "\u{feff}{\"protocol\":\"json\",\"version\":1}",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(
                answer(record),
                "{\"error\":\"An unexpected error occurred during connection handshake.\"}\x1e",
                "{record}"
            );
        }
        assert_eq!(parse(b"{\"protocol\":\"json\",\"version\":1,\"x\":\"\xff\"}"), Err(HandshakeError::Malformed));
        let deep = format!(r#"{{"x":{}"#, "[".repeat(100_000));
        assert_eq!(parse(deep.as_bytes()), Err(HandshakeError::Malformed));
    }

    #[test]
    fn a_handshake_too_late_or_too_long_is_canceled() {
        let mut out = Vec::new();
        encode_error(&HandshakeError::Canceled, &mut out);
        assert_eq!(out, b"{\"error\":\"Handshake was canceled.\"}\x1e");
    }
}
