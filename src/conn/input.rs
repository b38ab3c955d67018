//! Payload and frames on their way in: what a read has brought, or what has waited.

use std::mem;

/// Bytes that wait until they can be looked at.
///
/// They are used up from the front, a record or a frame at a time, and stay where they are
/// meanwhile. Once more of them is used up than is left, that is let go of: so each byte is copied
/// about once, however often there is something to wait for.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    used: usize,
}

impl Unread {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.used
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that it keeps.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// More has come.
    pub(super) fn extend(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    /// The bytes; they may be spoilt.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.used..).unwrap_or_default()
    }

    /// All but so many at the end is used up.
    fn keep_last(&mut self, left: usize) {
        self.used = self.bytes.len().saturating_sub(left);
        if self.used > left {
            self.bytes = self.bytes.split_off(mem::take(&mut self.used));
        }
    }
}

impl From<&[u8]> for Unread {
    fn from(bytes: &[u8]) -> Unread {
        Unread { bytes: bytes.to_vec(), used: 0 }
    }
}

/// Bytes that are looked at, from the front.
#[derive(Debug)]
pub(super) enum Input<'i> {
    /// Those of a read.
    Read(&'i mut [u8]),
    Waited(Unread),
}

impl Input<'_> {
    /// The bytes; they may be spoilt.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        match self {
            Input::Read(bytes) => bytes,
            Input::Waited(unread) => unread.bytes(),
        }
    }

    /// The last so many wait, and the others are used up.
    pub(super) fn keep_last(self, left: usize) -> Unread {
        let mut unread = match self {
            Input::Read(bytes) => {
                let used = bytes.len().saturating_sub(left);
                return Unread::from(bytes.get(used..).unwrap_or_default());
            }
            Input::Waited(unread) => unread,
        };
        unread.keep_last(left);
        unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_again_and_again_is_copied_about_once() {
        let mut sent: Vec<u8> = (0..=250).cycle().take(10_000).collect();
        let expected = sent.clone();
        let mut unread = Input::Read(&mut sent).keep_last(10_000);
        let (mut copied, mut seen) = (0, Vec::new());
        while let Some(first) = unread.bytes().first().copied() {
            seen.push(first);
            let place = unread.bytes.as_ptr();
            let left = unread.len() - 1;
            unread = Input::Waited(unread).keep_last(left);
            copied += if unread.bytes.as_ptr() == place { 0 } else { left };
            assert!(unread.heap_bytes() <= 2 * left + 1, "and what is used up is let go of");
        }
        assert!(seen == expected && copied <= 10_000, "{copied} bytes");
        assert_eq!((unread.is_empty(), unread.heap_bytes()), (true, 0));
    }

    #[test]
    fn what_comes_later_stands_behind_what_has_waited() {
        let mut unread = Input::Read(&mut b"abcd".to_vec()).keep_last(3);
        unread.extend(b"ef");
        unread = Input::Waited(unread).keep_last(4);
        unread.extend(b"g");
        assert_eq!((unread.len(), unread.bytes()), (5, &mut b"cdefg".to_vec()[..]));
    }
}
