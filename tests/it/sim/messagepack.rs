//! MessagePack for peers that think in JSON: what they say is written in it, and what they hear is
//! read back. Made from its specification and SignalR's, and of nothing of the hub's.

use serde_json::Value;
use std::fmt::Write;

pub const HANDSHAKE: &[u8] = b"{\"protocol\":\"messagepack\",\"version\":1}\x1e";

/// A hub message that is given in JSON, with its separator or without.
pub fn pack(record: &[u8]) -> Vec<u8> {
    let record = record.strip_suffix(b"\x1e").unwrap_or(record);
    let message: Value = serde_json::from_slice(record).expect("a hub message");
    let member = |name: &str| message.get(name).cloned().unwrap_or_default();
    let kind = member("type");
    let elements = match kind.as_u64() {
        Some(1) => {
            vec![kind, Value::Object(Default::default()), member("invocationId"), member("target"), member("arguments")]
        }
        Some(6) => vec![kind],
        Some(7) => vec![kind, member("error")],
        Some(8 | 9) => vec![kind, member("sequenceId")],
        _ => panic!("no message of a client: {message}"),
    };
    let mut body = Vec::new();
    write(&Value::Array(elements), &mut body);
    frame(&body)
}

/// Puts its length before a message.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let (mut bytes, mut left) = (Vec::new(), body.len());
    while left >= 0x80 {
        bytes.push(u8::try_from(left % 0x80).expect("7 bits") | 0x80);
        left /= 0x80;
    }
    bytes.push(u8::try_from(left).expect("7 bits"));
    bytes.extend_from_slice(body);
    bytes
}

/// No longer than the same in JSON.
fn write(value: &Value, out: &mut Vec<u8>) {
    // The short form of a head, its end, and the form with 16 bits.
    let mut head = |short: u8, end: u8, long: u8, len: usize| match u8::try_from(len) {
        Ok(len) if len < end => out.push(short | len),
        _ => {
            out.push(long);
            out.extend(u16::try_from(len).expect("a short text").to_be_bytes());
        }
    };
    match value {
        Value::Null => out.push(0xC0),
        Value::Bool(is_true) => out.push(if *is_true { 0xC3 } else { 0xC2 }),
        Value::Number(number) => {
            let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
            head(0, 0x80, 0xCD, number.expect("a number that clients send"));
        }
        Value::String(text) => {
            head(0xA0, 0x20, 0xDA, text.len());
            out.extend(text.as_bytes());
        }
        Value::Array(elements) => {
            head(0x90, 0x10, 0xDC, elements.len());
            elements.iter().for_each(|element| write(element, out));
        }
        Value::Object(members) => {
            head(0x80, 0x10, 0xDE, members.len());
            for (name, member) in members {
                write(&Value::String(name.clone()), out);
                write(member, out);
            }
        }
    }
}

/// The hub messages of a WebSocket message, which holds whole ones, in JSON.
pub fn unpack(bytes: &[u8]) -> Result<Vec<String>, String> {
    let (mut left, mut records) = (bytes, Vec::new());
    while !left.is_empty() {
        let (body, rest) = framed(left).ok_or_else(|| format!("no whole message: {left:02x?}"))?;
        records.push(record(body).ok_or_else(|| format!("no message of a hub: {body:02x?}"))?);
        left = rest;
    }
    Ok(records)
}

fn framed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = bytes.iter().position(|byte| *byte < 0x80)? + 1;
    let len = bytes[..head].iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7F));
    bytes[head..].split_at_checked(len)
}

/// The elements of a message by the names that they have in JSON.
fn record(body: &[u8]) -> Option<String> {
    let mut reader = Reader(body);
    let count = reader.count(0x90, [0xDC, 0xDD])?;
    let elements = (0..count).map(|_| reader.text()).collect::<Option<Vec<_>>>()?;
    let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
    let record = match elements[..] {
        ["1", "{}", "null", target, arguments, "[]"] => {
            format!(r#"{{"type":1,"target":{target},"arguments":{arguments}}}"#)
        }
        ["3", "{}", id, "1", error] => format!(r#"{{"type":3,"invocationId":{id},"error":{error}}}"#),
        ["3", "{}", id, "3", result] => format!(r#"{{"type":3,"invocationId":{id},"result":{result}}}"#),
        ["6"] => r#"{"type":6}"#.to_owned(),
        ["7", "null", reconnect] => format!(r#"{{"type":7,"allowReconnect":{reconnect}}}"#),
        ["7", error, reconnect] => format!(r#"{{"type":7,"error":{error},"allowReconnect":{reconnect}}}"#),
        [kind @ ("8" | "9"), number] => format!(r#"{{"type":{kind},"sequenceId":{number}}}"#),
        _ => return None,
    };
    reader.0.is_empty().then_some(record)
}

/// What is left to read.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, left) = self.0.split_first_chunk()?;
        self.0 = left;
        Some(*taken)
    }

    /// A number of `bytes` bytes, the first of which has the highest bits.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (taken, left) = self.0.split_at_checked(bytes)?;
        self.0 = left;
        Some(taken.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// How many elements an array or a map has, whose short form and further ones these are.
    fn count(&mut self, short: u8, long: [u8; 2]) -> Option<u64> {
        match self.take()? {
            [kind] if kind & 0xF0 == short => Some(u64::from(kind & 0x0F)),
            [kind] if kind == long[0] => self.number(2),
            [kind] if kind == long[1] => self.number(4),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<&str> {
        let len = match self.take()? {
            [kind @ 0xA0..=0xBF] => u64::from(kind & 0x1F),
            [kind @ 0xD9..=0xDB] => self.number(1 << (kind - 0xD9))?,
            _ => return None,
        };
        let (text, left) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = left;
        std::str::from_utf8(text).ok()
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        self.value(&mut text)?;
        Some(text)
    }

    /// Appends the next value as JSON.
    fn value(&mut self, out: &mut String) -> Option<()> {
        let kind = *self.0.first()?;
        match kind {
            0x80..=0x8F | 0xDE | 0xDF => {
                let count = self.count(0x80, [0xDE, 0xDF])?;
                self.elements(count, ['{', '}'], out, |reader, out| {
                    reader.value(out)?;
                    out.push(':');
                    reader.value(out)
                })
            }
            0x90..=0x9F | 0xDC | 0xDD => {
                let count = self.count(0x90, [0xDC, 0xDD])?;
                self.elements(count, ['[', ']'], out, Reader::value)
            }
            0xA0..=0xBF | 0xD9..=0xDB => {
                out.push_str(&serde_json::to_string(self.string()?).ok()?);
                Some(())
            }
            _ => {
                self.take::<1>()?;
                match kind {
                    0xC0 => write!(out, "null"),
                    0xC2 | 0xC3 => write!(out, "{}", kind == 0xC3),
                    0x00..=0x7F => write!(out, "{kind}"),
                    0xE0..=0xFF => write!(out, "{}", kind.cast_signed()),
                    0xCC..=0xCF => write!(out, "{}", self.number(1 << (kind - 0xCC))?),
                    0xD6 if self.take()? == [0xFF] => instant(self.number(4)?, 0, out),
                    0xD7 if self.take()? == [0xFF] => {
                        // 30 bits of nanoseconds, 34 of seconds.
                        let number = self.number(8)?;
                        instant(number % (1 << 34), number >> 34, out)
                    }
                    0xC7 if self.take()? == [12, 0xFF] => {
                        let (nanoseconds, seconds) = (self.number(4)?, self.number(8)?);
                        instant(seconds, nanoseconds, out)
                    }
                    _ => return None,
                }
                .ok()
            }
        }
    }

    fn elements(
        &mut self,
        count: u64,
        [open, close]: [char; 2],
        out: &mut String,
        each: impl Fn(&mut Self, &mut String) -> Option<()>,
    ) -> Option<()> {
        out.push(open);
        for at in 0..count {
            if at > 0 {
                out.push(',');
            }
            each(self, out)?;
        }
        out.push(close);
        Some(())
    }
}

/// An instant as the cast writes it, with seven digits.
fn instant(seconds: u64, nanoseconds: u64, out: &mut String) -> std::fmt::Result {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut month) = (1970, 1);
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    for len in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < len {
            break;
        }
        days -= len;
        month += 1;
    }
    let (day, hour, minute) = (days + 1, second / 3_600, second / 60 % 60);
    let (second, hundreds) = (second % 60, nanoseconds / 100);
    write!(out, "\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{hundreds:07}Z\"")
}
