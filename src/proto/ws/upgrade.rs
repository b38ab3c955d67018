//! The opening handshake (RFC 6455 section 4.2).

use super::super::http::head::{BodyLength, Head, Method, Version};
use crate::broken::broken;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::digest;

/// Why an upgrade request is refused with an ordinary reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeError {
    /// 400, or 426 for another version than 13 (then `Sec-WebSocket-Version: 13` goes with it).
    pub status: u16,
    /// What is wrong.
    pub message: &'static str,
}

const fn bad(message: &'static str) -> UpgradeError {
    UpgradeError { status: 400, message }
}

/// RFC 6455 section 4.2.2: the string that is concatenated to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a key once decoded (RFC 6455 section 4.2.1).
const KEY_BYTES: usize = 16;
/// Base64 of a key and of a SHA-1 digest.
const KEY_CHARS: usize = 24;
const ACCEPT_CHARS: usize = 28;

/// Clients that draw 22 random characters instead of encoding 16 random bytes leave bits over in
/// the last one; since nothing is decoded from a key, they do no harm.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Returns whether a client has asked for a WebSocket, and something between has lost that: only
/// the key has come, which is no header of one hop, or the request has become one of HTTP/1.0.
pub fn is_lost(head: &Head<'_>) -> bool {
    let is_asked_for = head.method == Method::Get && head.header("sec-websocket-key").is_some();
    is_asked_for && (!is_upgrade(head) || head.version < Version::Http11)
}

/// Returns whether the request asks for a WebSocket at all (`Upgrade: websocket` and
/// `Connection: Upgrade`).
pub(crate) fn is_upgrade(head: &Head<'_>) -> bool {
    // RFC 6455 section 4.2.1: "An |Upgrade| header field containing the value "websocket", treated
    // as an ASCII case-insensitive value"; "A |Connection| header field that includes the token
    // "Upgrade", treated as an ASCII case-insensitive value".
    head.has_token("upgrade", "websocket") && head.has_token("connection", "upgrade")
}

/// Checks an upgrade request and gives its key. Offered extensions and subprotocols are ignored.
///
/// # Errors
/// What RFC 6455 section 4.2.1 requires and the request lacks. The host has been checked with the
/// head.
pub fn check<'b>(head: &Head<'b>) -> Result<&'b str, UpgradeError> {
    // RFC 6455 section 4.2.1: "An HTTP/1.1 or higher GET request".
    if head.method != Method::Get {
        return Err(bad("A WebSocket is asked for with GET."));
    }
    if head.version < Version::Http11 {
        return Err(bad("A WebSocket is asked for with HTTP/1.1."));
    }
    if !is_upgrade(head) {
        return Err(bad("The request is no WebSocket upgrade."));
    }
    // The bytes behind the head are frames; a body would be read as such.
    if head.body != BodyLength::Sized(0) {
        return Err(bad("A WebSocket upgrade has no body."));
    }
    check_version(head)?;
    let mut keys = head.values("sec-websocket-key");
    // RFC 6455 section 11.3.1: "The |Sec-WebSocket-Key| header field MUST NOT appear more than once
    // in an HTTP request."
    match (keys.next(), keys.next()) {
        (Some(key), None) => checked_key(key),
        (Some(_), Some(_)) => Err(bad("Sec-WebSocket-Key is given more than once.")),
        (None, _) => Err(bad("Sec-WebSocket-Key is missing.")),
    }
}

fn check_version(head: &Head<'_>) -> Result<(), UpgradeError> {
    // RFC 6455 section 4.2.1: "A |Sec-WebSocket-Version| header field, with a value of 13." Section
    // 4.2.2: "If this version does not match a version understood by the server, the server MUST
    // abort the WebSocket handshake […] and instead send an appropriate HTTP error code (such as
    // 426 Upgrade Required) and a |Sec-WebSocket-Version| header field".
    let mut versions = head.values("sec-websocket-version");
    match (versions.next(), versions.next()) {
        (Some(b"13"), None) => Ok(()),
        (None, _) => Err(bad("Sec-WebSocket-Version is missing.")),
        (Some(_), _) => Err(UpgradeError { status: 426, message: "Sec-WebSocket-Version must be 13." }),
    }
}

fn checked_key(key: &[u8]) -> Result<&str, UpgradeError> {
    // RFC 6455 section 4.2.1: "A |Sec-WebSocket-Key| header field with a base64-encoded […] value
    // that, when decoded, is 16 bytes in length."
    let mut decoded = [0; KEY_CHARS];
    let is_key = key.len() == KEY_CHARS && KEY.decode_slice(key, &mut decoded) == Ok(KEY_BYTES);
    let key = std::str::from_utf8(key).ok().filter(|_| is_key);
    key.ok_or(bad("Sec-WebSocket-Key is not 16 bytes in base64."))
}

/// Appends the whole `101 Switching Protocols` reply for that key. No extension and no subprotocol
/// is ever chosen.
pub fn accept(key: &str, date: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nDate: ");
    out.extend_from_slice(date.as_bytes());
    out.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(&accept_key(key));
    out.extend_from_slice(b"\r\n\r\n");
}

/// RFC 6455 section 4.2.2: "concatenating /key/ […] with the string
/// "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the SHA-1 hash of this concatenated value to
/// obtain a 20-byte value and base64-encoding […] this 20-byte hash".
fn accept_key(key: &str) -> [u8; ACCEPT_CHARS] {
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key.as_bytes());
    sha1.update(GUID);
    let mut encoded = [0; ACCEPT_CHARS];
    let written = STANDARD.encode_slice(sha1.finish(), &mut encoded);
    if written != Ok(ACCEPT_CHARS) {
        broken("the 20 bytes of a SHA-1 are 28 characters");
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::super::http::head::parse_head;
    use super::*;

    const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const VERSION_LINE: &str = "Sec-WebSocket-Version: 13";

    fn check_lines(request_line: &str, lines: &[&str]) -> Result<String, UpgradeError> {
        let text = format!("{request_line}\r\nHost: h\r\n{}\r\n\r\n", lines.join("\r\n"));
        match parse_head(text.as_bytes(), 8 * 1024, 64) {
            Ok(Status::Complete(head)) => check(&head).map(str::to_owned),
            other => panic!("{text:?} is no head: {other:?}"),
        }
    }

    #[track_caller]
    fn refused(status: u16, request_line: &str, lines: &[&str]) {
        let checked = check_lines(request_line, lines);
        assert_eq!(checked.clone().map_err(|error| error.status), Err(status), "{lines:?} gives {checked:?}");
    }

    const GET: &str = "GET /rte HTTP/1.1";
    const ASK: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket";

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let key = check_lines(GET, &[ASK, KEY_LINE, VERSION_LINE]).expect("RFC 6455 section 1.3");
        let mut out = Vec::new();
        accept(&key, "Sun, 06 Nov 1994 08:49:37 GMT", &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn offers_are_ignored() {
        let offers = "Sec-WebSocket-Protocol: chat, json\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
        assert!(check_lines(GET, &[ASK, KEY_LINE, VERSION_LINE, offers]).is_ok());
    }

    #[test]
    fn each_requirement_is_checked() {
        refused(400, "POST /rte HTTP/1.1", &[ASK, KEY_LINE, VERSION_LINE]);
        refused(400, "GET /rte HTTP/1.0", &[ASK, KEY_LINE, VERSION_LINE]);
        refused(400, GET, &["Connection: Upgrade", KEY_LINE, VERSION_LINE]);
        refused(400, GET, &["Upgrade: websocket", KEY_LINE, VERSION_LINE]);
        refused(400, GET, &["Connection: Upgrade\r\nUpgrade: h2c", KEY_LINE, VERSION_LINE]);
        refused(400, GET, &["Connection: close\r\nUpgrade: websocket", KEY_LINE, VERSION_LINE]);
        refused(400, GET, &[ASK, KEY_LINE, VERSION_LINE, "Content-Length: 1"]);
        refused(400, GET, &[ASK, KEY_LINE, VERSION_LINE, "Transfer-Encoding: chunked"]);
        refused(400, GET, &[ASK, KEY_LINE]);
        refused(426, GET, &[ASK, KEY_LINE, "Sec-WebSocket-Version: 8"]);
        refused(426, GET, &[ASK, KEY_LINE, "Sec-WebSocket-Version: 13, 8"]);
        refused(426, GET, &[ASK, KEY_LINE, VERSION_LINE, VERSION_LINE]);
        refused(400, GET, &[ASK, VERSION_LINE]);
        refused(400, GET, &[ASK, VERSION_LINE, KEY_LINE, KEY_LINE]);
    }

    #[test]
    fn keys_are_sixteen_bytes_in_base64() {
        let key = |key: &str| check_lines(GET, &[ASK, VERSION_LINE, &format!("Sec-WebSocket-Key: {key}")]);
        for bad in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAA===",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "!AAAAAAAAAAAAAAAAAAAAA==",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(key(bad).map_err(|error| error.status), Err(400), "{bad:?}");
        }
        assert_eq!(key("AAAAAAAAAAAAAAAAAAAAAA==").as_deref(), Ok("AAAAAAAAAAAAAAAAAAAAAA=="));
        assert_eq!(key("  AAAAAAAAAAAAAAAAAAAAAB==\t").as_deref(), Ok("AAAAAAAAAAAAAAAAAAAAAB=="));
    }
}
