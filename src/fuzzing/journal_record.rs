//! The files of a journal: what a disk holds after a crash is anything.

use super::transcript::Transcript;
use crate::hub::record::{Record, Records};

/// Reads any bytes as a file of records. What is read is written the same again as far as this
/// program knows its fields, and each cut of the file has a prefix of its records.
pub fn journal_record(bytes: &[u8], transcript: &mut Transcript<'_>) {
    let mut records = Records::new(bytes);
    let read: Vec<Record<'_>> = records.by_ref().collect();
    read.iter().for_each(|record| transcript.say(|| format!("{record:?}")));
    assert!(records.read() <= bytes.len() && records.next().is_none(), "the end is the end");
    let mut written = Vec::new();
    read.iter().for_each(|record| record.encode(&mut written));
    let mut again = Records::new(&written);
    assert!(again.by_ref().eq(read.iter().cloned()), "what is written is read");
    assert_eq!(again.read(), written.len());
    let step = bytes.len() / 64 + 1;
    for cut in (0..=bytes.len()).step_by(step).chain(records.read().checked_sub(1)) {
        let mut part = Records::new(&bytes[..cut]);
        let whole = part.by_ref().zip(&read).filter(|(one, other)| one == *other).count();
        assert!(part.read() <= cut && part.next().is_none());
        assert_eq!(Records::new(&bytes[..cut]).count(), whole, "a cut has a prefix");
    }
}
