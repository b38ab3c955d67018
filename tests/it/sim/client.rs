//! The other end, written from the RFCs and SignalR's protocol and from nothing of the hub's: makes
//! what a client sends, reads what it gets, and says where that is no WebSocket or no SignalR.

use super::messagepack;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::VecDeque;

pub const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Appends a masked frame (RFC 6455 section 5.2).
pub fn frame(is_final: bool, opcode: u8, mask: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    out.push(if is_final { 0x80 | opcode } else { opcode });
    let len = payload.len();
    if let Ok(short) = u8::try_from(len)
        && short < 126
    {
        out.push(0x80 | short);
    } else if let Ok(middle) = u16::try_from(len) {
        out.push(0x80 | 126);
        out.extend_from_slice(&middle.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// A request to upgrade, with the key of the example in RFC 6455 section 1.3.
pub fn upgrade(query: &str, more: &str) -> String {
    format!(
        "GET /rte{query} HTTP/1.1\r\nHost: hub\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Reply(Reply),
    /// A record, without its separator.
    Record(String),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// An item of a Subscribe; `None` is a missing member.
#[derive(Clone, Debug)]
pub struct Ask {
    pub entity: Option<String>,
    pub event: Option<String>,
    /// Whether the last value is asked for.
    pub snapshot: bool,
    pub since: Since,
}

/// From where on an item of a Subscribe wants to have its publications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// It says nothing of it.
    Absent,
    /// From now on.
    Present,
    /// Behind a position that the hub has told.
    Behind(String),
    /// Behind one that it has not.
    Forged(String),
}

#[derive(Clone, Debug)]
pub enum Call {
    Subscribe(Vec<Ask>),
    Unsubscribe(Vec<Ask>),
    UnsubscribeAll,
    Available,
    Active,
    Unknown,
}

/// A hub message, as far as this hub sends any.
#[derive(Deserialize)]
pub struct Record<'r> {
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(borrow, default)]
    pub arguments: Vec<Received<'r>>,
    #[serde(rename = "invocationId")]
    pub id: Option<String>,
    pub result: Option<Value>,
    pub error: Option<String>,
}

/// The argument of `MessageReceived`.
#[derive(Deserialize)]
pub struct Received<'r> {
    pub subscription: Subscription,
    #[serde(borrow)]
    pub data: &'r RawValue,
    pub position: Option<String>,
    pub at: Option<String>,
    pub last: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    pub entity_id: String,
    pub event_name: String,
}

/// Reads what the hub sends.
#[derive(Debug, Default)]
pub struct Ear {
    bytes: Vec<u8>,
    records: VecDeque<String>,
    is_upgraded: bool,
    /// It has asked for MessagePack.
    asks_for_messagepack: bool,
    /// The hub has agreed.
    hears_messagepack: bool,
    has_heard_close: bool,
}

impl Ear {
    /// Of a peer that asks for MessagePack in its handshake.
    pub fn for_messagepack() -> Ear {
        Ear { asks_for_messagepack: true, ..Ear::default() }
    }

    /// Of one that goes on, whose handshake is long over.
    pub fn of_messagepack() -> Ear {
        Ear { hears_messagepack: true, ..Ear::default() }
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether it is in the middle of something.
    pub fn is_partial(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next thing heard, whole.
    pub fn next(&mut self) -> Result<Option<Heard>, String> {
        if let Some(record) = self.records.pop_front() {
            return Ok(Some(Heard::Record(record)));
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        if self.is_upgraded { self.frame() } else { self.reply() }
    }

    fn reply(&mut self) -> Result<Option<Heard>, String> {
        let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&self.bytes[..end]).map_err(|_| "a head that is no text")?.to_owned();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        let status = status.ok_or_else(|| format!("no status line: {head:?}"))?;
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let mut body = 0;
        if status == 101 {
            if header("sec-websocket-accept").as_deref() != Some(ACCEPT) {
                return Err(format!("a wrong accept key: {head}"));
            }
            self.is_upgraded = true;
        } else if status >= 200 && status != 204 && status != 304 {
            let length = header("content-length").ok_or_else(|| format!("a reply without length: {head}"))?;
            body = length.parse().map_err(|_| "a length that is no number")?;
        }
        let start = end + 4;
        let Some(bytes) = self.bytes.get(start..start + body) else {
            self.is_upgraded = false;
            return Ok(None);
        };
        let body = bytes.to_vec();
        self.bytes.drain(..start + body.len());
        Ok(Some(Heard::Reply(Reply { status, head, body })))
    }

    fn frame(&mut self) -> Result<Option<Heard>, String> {
        if self.has_heard_close {
            return Err("bytes behind a close frame (RFC 6455 section 5.5.1)".into());
        }
        let [first, second, rest @ ..] = self.bytes.as_slice() else { return Ok(None) };
        if first & 0x70 != 0 || first & 0x80 == 0 || second & 0x80 != 0 {
            return Err(format!("reserved bit, fragment or mask: {first:02x} {second:02x}"));
        }
        let opcode = first & 0x0F;
        let (len, header) = match second & 0x7F {
            126 => match rest {
                [a, b, ..] => (usize::from(u16::from_be_bytes([*a, *b])), 4),
                _ => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (usize::try_from(u64::from_be_bytes(*bytes)).map_err(|_| "a huge frame")?, 10),
                None => return Ok(None),
            },
            len => (usize::from(len), 2),
        };
        let shortest = if len < 126 {
            2
        } else if len < 65536 {
            4
        } else {
            10
        };
        if header != shortest || (opcode >= 8 && len > 125) {
            return Err(format!("a length of {len} in {header} bytes, opcode {opcode}"));
        }
        let Some(payload) = self.bytes.get(header..header + len) else { return Ok(None) };
        let payload = payload.to_vec();
        self.bytes.drain(..header + len);
        match opcode {
            BINARY if self.hears_messagepack => {
                self.records.extend(messagepack::unpack(&payload)?);
                self.next()
            }
            BINARY if self.asks_for_messagepack && payload == b"{}\x1e" => {
                self.hears_messagepack = true;
                Ok(Some(Heard::Record("{}".to_owned())))
            }
            // Whoever is given up before the answer to its handshake has left hears a Close alone.
            BINARY if self.asks_for_messagepack => {
                let records = messagepack::unpack(&payload)?;
                let is_close = |record: &String| record.contains("\"type\":7");
                if !records.iter().all(is_close) {
                    return Err(format!("before the answer to a handshake: {records:?}"));
                }
                self.records.extend(records);
                self.next()
            }
            TEXT if !self.hears_messagepack => {
                let text = String::from_utf8(payload).map_err(|_| "text that is no UTF-8")?;
                let records = text.strip_suffix('\u{1e}').ok_or_else(|| format!("half a record: {text:?}"))?;
                self.records.extend(records.split('\u{1e}').map(str::to_owned));
                self.next()
            }
            PONG => Ok(Some(Heard::Pong(payload))),
            CLOSE => {
                self.has_heard_close = true;
                match payload.as_slice() {
                    [] => Ok(Some(Heard::Close(None))),
                    [a, b, reason @ ..] if std::str::from_utf8(reason).is_ok() => {
                        Ok(Some(Heard::Close(Some(u16::from_be_bytes([*a, *b])))))
                    }
                    _ => Err("a malformed close".into()),
                }
            }
            _ => Err(format!("an opcode that the hub has no use for: {opcode}")),
        }
    }
}
