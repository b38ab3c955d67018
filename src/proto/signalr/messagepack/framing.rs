//! Messages of the MessagePack hub protocol: each behind its length, seven bits to a byte, the
//! lowest first (LEB128).

use super::write::insert;
use crate::proto::signalr::framing::{Records, TooLong};
use std::mem;

/// Bytes of the longest length.
const LENGTH_BYTES_MAX: usize = 5;

/// What is known of a length.
#[derive(Debug, PartialEq, Eq)]
enum Length {
    /// More of it is to come.
    Partial,
    /// It has so many bytes, and the message behind it so many.
    Whole(usize, usize),
}

/// Reads the length at the head of these bytes.
fn length(bytes: impl Iterator<Item = u8>) -> Result<Length, TooLong> {
    let mut length = 0usize;
    for (n, byte) in bytes.take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * n);
        if byte < 0x80 {
            return Ok(Length::Whole(n + 1, length));
        }
        if n + 1 == LENGTH_BYTES_MAX {
            return Err(TooLong);
        }
    }
    Ok(Length::Partial)
}

impl Records {
    /// Returns the next message, without its length; `rest` moves behind it. As [`Records::next`],
    /// with the length counted for the separator.
    pub(in super::super) fn next_prefixed<'r, 'p: 'r>(
        &'r mut self,
        rest: &mut &'p mut [u8],
        message_bytes_max: usize,
    ) -> Result<Option<&'r mut [u8]>, TooLong> {
        self.let_go();
        let piece = mem::take(rest);
        let kept = self.partial.len();
        let Length::Whole(head, len) = length(self.partial.iter().chain(&*piece).copied())? else {
            return self.keep(piece, message_bytes_max).map(|()| None);
        };
        let total = head.saturating_add(len);
        if total > message_bytes_max {
            self.partial = Vec::new();
            return Err(TooLong);
        }
        if piece.len() < total - kept {
            return self.keep(piece, message_bytes_max).map(|()| None);
        }
        let (message, tail) = piece.split_at_mut(total - kept);
        *rest = tail;
        let message = self.whole(message);
        Ok(message.get_mut(head..))
    }
}

/// Appends what `write` writes, behind its length.
pub(super) fn prefixed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    write(out);
    let (mut left, mut head, mut bytes) = (out.len() - start - 1, [0u8; LENGTH_BYTES_MAX], 0);
    for byte in &mut head {
        let low = u8::try_from(left & 0x7F).unwrap_or_default();
        (left, bytes) = (left >> 7, bytes + 1);
        *byte = if left > 0 { low | 0x80 } else { low };
        if left == 0 {
            break;
        }
    }
    insert(start, 1, &head[..bytes], out);
}
