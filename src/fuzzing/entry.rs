//! Heads of entries in a log that several processes share: whoever can write there chooses every
//! byte.

use super::transcript::Transcript;
use crate::backplane::entry::{FINGERPRINT_BYTES, Head};

/// Reads any bytes as a head. What is taken for one is written the same again, and begins with its
/// fingerprint.
pub fn entry(bytes: &[u8], transcript: &mut Transcript<'_>) {
    let head = Head::parse(bytes);
    transcript.say(|| format!("{head:?}"));
    match head {
        Ok(head) => {
            assert_eq!(head.encode(), bytes);
            assert!(bytes.starts_with(&head.fingerprint()));
        }
        Err(_) => assert!(bytes.len() < FINGERPRINT_BYTES || bytes[0] != 1 || !matches!(bytes[1], 0 | 2 | 3)),
    }
}
