//! MessagePack's formats, read in place. A length that is claimed reserves nothing: each value has
//! a byte at least.

/// A text without a byte.
const EMPTY_TEXT: u8 = 0xA0;
/// A text of fewer bytes is short.
const SHORT_BYTES: usize = 32;

/// A place in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'r> {
    rest: &'r [u8],
}

/// One value. Of an array or map only the length is read: what is in it follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'r> {
    Nil,
    Bool(bool),
    /// A whole number that an i64 holds.
    Int(i64),
    Text(&'r str),
    Array(usize),
    Map(usize),
    /// What no member of a message is: a fraction, a number beyond an i64, bytes, an extension.
    Other,
}

impl<'r> Value<'r> {
    pub(super) fn as_int(self) -> Option<i64> {
        if let Value::Int(number) = self { Some(number) } else { None }
    }

    pub(super) fn as_text(self) -> Option<&'r str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }
}

impl<'r> Reader<'r> {
    pub(super) fn new(bytes: &'r [u8]) -> Reader<'r> {
        Reader { rest: bytes }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'r [u8] {
        self.rest
    }

    /// Reads one value; `None` where there is none, or a text is no UTF-8.
    pub(super) fn value(&mut self) -> Option<Value<'r>> {
        let [format] = self.array()?;
        Some(match format {
            0x00..=0x7F => Value::Int(i64::from(format)),
            0x80..=0x8F => Value::Map(usize::from(format & 0x0F)),
            0x90..=0x9F => Value::Array(usize::from(format & 0x0F)),
            0xA0..=0xBF => self.text(usize::from(format & 0x1F))?,
            0xC0 => Value::Nil,
            0xC1 => return None,
            0xC2 => Value::Bool(false),
            0xC3 => Value::Bool(true),
            0xC4 => self.len8().and_then(|len| self.other(len))?,
            0xC5 => self.len16().and_then(|len| self.other(len))?,
            0xC6 => self.len32().and_then(|len| self.other(len))?,
            0xC7 => self.len8().and_then(|len| self.other(1 + len))?,
            0xC8 => self.len16().and_then(|len| self.other(1 + len))?,
            0xC9 => self.len32().and_then(|len| self.other(1 + len))?,
            0xCA => self.other(4)?,
            0xCB => self.other(8)?,
            0xCC => Value::Int(i64::from(u8::from_be_bytes(self.array()?))),
            0xCD => Value::Int(i64::from(u16::from_be_bytes(self.array()?))),
            0xCE => Value::Int(i64::from(u32::from_be_bytes(self.array()?))),
            0xCF => i64::try_from(u64::from_be_bytes(self.array()?)).map_or(Value::Other, Value::Int),
            0xD0 => Value::Int(i64::from(i8::from_be_bytes(self.array()?))),
            0xD1 => Value::Int(i64::from(i16::from_be_bytes(self.array()?))),
            0xD2 => Value::Int(i64::from(i32::from_be_bytes(self.array()?))),
            0xD3 => Value::Int(i64::from_be_bytes(self.array()?)),
            0xD4 => self.other(2)?,
            0xD5 => self.other(3)?,
            0xD6 => self.other(5)?,
            0xD7 => self.other(9)?,
            0xD8 => self.other(17)?,
            0xD9 => self.len8().and_then(|len| self.text(len))?,
            0xDA => self.len16().and_then(|len| self.text(len))?,
            0xDB => self.len32().and_then(|len| self.text(len))?,
            0xDC => Value::Array(self.len16()?),
            0xDD => Value::Array(self.len32()?),
            0xDE => Value::Map(self.len16()?),
            0xDF => Value::Map(self.len32()?),
            0xE0..=0xFF => Value::Int(i64::from(i8::from_be_bytes([format]))),
        })
    }

    /// Passes over one value with all that is in it, and so many levels of arrays and maps. Returns
    /// what was passed over.
    pub(super) fn skip(&mut self, depth_max: usize) -> Option<&'r [u8]> {
        let before = self.rest;
        let inner = match self.value()? {
            Value::Array(len) => Some(len),
            Value::Map(len) => Some(len.checked_mul(2)?),
            Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Other => None,
        };
        if let Some(values) = inner {
            self.skip_all(values, depth_max.checked_sub(1)?)?;
        }
        before.get(..before.len() - self.rest.len())
    }

    /// Passes over so many values.
    pub(super) fn skip_all(&mut self, mut values: usize, depth_max: usize) -> Option<()> {
        while values > 0 {
            // A message may be full of values of one byte: they are passed over as such.
            let is_byte = |format: &&u8| matches!(format, 0x00..=0x7F | 0xA0 | 0xC0 | 0xC2 | 0xC3 | 0xE0..=0xFF);
            let run = self.rest.iter().take(values).take_while(is_byte).count();
            self.bytes(run)?;
            values -= run;
            if values > 0 {
                self.skip(depth_max)?;
                values -= 1;
            }
        }
        Some(())
    }

    /// Reads so many texts, and nothing else.
    pub(super) fn skip_texts(&mut self, texts: usize) -> Option<()> {
        let mut left = texts;
        while left > 0 {
            let run = self.rest.iter().take(left).take_while(|format| **format == EMPTY_TEXT).count();
            self.bytes(run)?;
            left -= run;
            if left > 0 {
                self.value()?.as_text()?;
                left -= 1;
            }
        }
        Some(())
    }

    fn text(&mut self, len: usize) -> Option<Value<'r>> {
        let bytes = self.bytes(len)?;
        // To choose what is fastest for this machine takes longer than to read a short one.
        let text =
            if len < SHORT_BYTES { core::str::from_utf8(bytes).ok() } else { simdutf8::basic::from_utf8(bytes).ok() };
        text.map(Value::Text)
    }

    fn other(&mut self, len: usize) -> Option<Value<'r>> {
        self.bytes(len).map(|_| Value::Other)
    }

    fn len8(&mut self) -> Option<usize> {
        self.array().map(|[len]| usize::from(len))
    }

    fn len16(&mut self) -> Option<usize> {
        self.array().map(|len| usize::from(u16::from_be_bytes(len)))
    }

    fn len32(&mut self) -> Option<usize> {
        self.array().and_then(|len| usize::try_from(u32::from_be_bytes(len)).ok())
    }

    fn bytes(&mut self, len: usize) -> Option<&'r [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }
}
