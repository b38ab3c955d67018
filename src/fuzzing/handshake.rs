//! The SignalR handshake: found in pieces as whole, judged as a naive reader judges it, and
//! answered with one record.

use super::naive;
use super::pieces::pieces;
use super::transcript::Transcript;
use crate::proto::signalr::framing::{Records, SEPARATOR};
use crate::proto::signalr::handshake::{HandshakeError, Spoken, encode_error, parse};
use crate::proto::signalr::protocol::HubProtocol;

const RECORD_BYTES_MAX: usize = 512;

/// The first record of a stream is the same however it arrives. It is accepted or refused as the
/// naive reader says, and a refusal is one well-formed record.
///
/// # Panics
/// The framing, the parser or the encoder is wrong.
pub fn handshake(data: &[u8], transcript: &mut Transcript<'_>) {
    let Some((input, pieces)) = pieces(data, transcript) else { return };
    let first = input.iter().position(|&byte| byte == SEPARATOR).and_then(|end| input.get(..end));
    let first = first.filter(|record| record.len() < RECORD_BYTES_MAX);
    assert_eq!(first_record(pieces).as_deref(), first, "in pieces and whole");
    // Whatever has no separator is judged too, so that a mutated input isn't lost for want of its
    // last byte.
    let record = first.unwrap_or(input);
    let outcome = parse(record);
    transcript.say(|| format!("{outcome:?}"));
    assert_eq!(outcome, judge(record), "{}", record.escape_ascii());
    if let Err(error) = outcome {
        let mut answer = Vec::new();
        encode_error(&error, &mut answer);
        assert_eq!(answer.iter().position(|&byte| byte == SEPARATOR), Some(answer.len() - 1), "one record");
        let json = std::str::from_utf8(answer.strip_suffix(&[SEPARATOR]).unwrap_or_default()).unwrap_or_default();
        let members = naive::members(json).unwrap_or_default();
        assert!(
            matches!(members.as_slice(), [(name, text)] if name == "error" && naive::string(text).is_some()),
            "{json:?} is the answer"
        );
    }
}

fn first_record<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Option<Vec<u8>> {
    let mut records = Records::default();
    for piece in pieces {
        let mut piece = piece.to_vec();
        match records.next(&mut piece.as_mut_slice(), RECORD_BYTES_MAX) {
            Ok(Some(record)) => return Some(record.to_vec()),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Of a member given twice the last counts, but each must have its type.
fn judge(record: &[u8]) -> Result<Spoken, HandshakeError> {
    let json = std::str::from_utf8(record).map_err(|_| HandshakeError::Malformed)?;
    let (mut protocol, mut version) = (None, None);
    for (name, value) in naive::members(json).ok_or(HandshakeError::Malformed)? {
        match name.as_str() {
            "protocol" => protocol = Some(naive::string(value).ok_or(HandshakeError::Malformed)?),
            "version" => version = Some(serde_json::from_str::<i64>(value).map_err(|_| HandshakeError::Malformed)?),
            _ => {}
        }
    }
    let (Some(protocol), Some(version)) = (protocol, version) else { return Err(HandshakeError::Malformed) };
    let known = match protocol.to_ascii_lowercase().as_str() {
        "json" => HubProtocol::Json,
        "messagepack" => HubProtocol::MessagePack,
        _ => return Err(HandshakeError::UnknownProtocol(protocol)),
    };
    if !(0..=2).contains(&version) {
        return Err(HandshakeError::UnsupportedVersion { version, protocol });
    }
    Ok(Spoken { protocol: known, is_stateful: version == 2 })
}
