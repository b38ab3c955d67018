//! Tickets: none is taken that was not sealed for its id, and what was sealed comes back.

use super::transcript::Transcript;
use crate::api::ticket::{decode, encode, open, seal};
use crate::auth::principal::Principal;
use crate::limits::TICKET_BYTES_MAX;
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use std::sync::LazyLock;

static SECRET: LazyLock<Prk> =
    LazyLock::new(|| Salt::new(HKDF_SHA256, &[]).extract(b"a secret of the fuzz targets: 32 bytes"));

/// An input is a letter and bytes. `r`: the bytes are a ticket, which nobody has sealed. `s`: they
/// are what is sealed in one. If they can be read, they are written and read the same; what is
/// sealed of them opens with its own id, is no longer than it may be, and opens with no byte of it
/// changed.
///
/// # Panics
/// A ticket is wrong.
pub fn ticket(data: &[u8], transcript: &mut Transcript<'_>) {
    match data.split_first() {
        Some((b'r', text)) => {
            // What this target itself seals is for other ids: a fuzzer that watches comparisons
            // finds those tickets, and shows them here.
            let opened = std::str::from_utf8(text).ok().and_then(|text| open(&SECRET, b"nobody's id", text));
            transcript.say(|| "refused".to_owned());
            assert_eq!(opened, None, "nobody has sealed it");
        }
        Some((b's', bytes)) => {
            let principal = decode(bytes);
            transcript.say(|| format!("{principal:#?}"));
            let Some(principal) = principal else { return };
            assert!(!principal.may_publish && !principal.is_admin, "a ticket lets nobody publish");
            assert_eq!(decode(&encode(&principal)).as_ref(), Some(&principal), "written and read again");
            let scoped = Principal { may_publish: true, is_admin: true, ..principal.clone() };
            let Some(ticket) = seal(&SECRET, b"an id", &scoped) else { return };
            assert!(ticket.len() <= TICKET_BYTES_MAX);
            assert_eq!(open(&SECRET, b"an id", &ticket), Some(principal));
            assert_eq!(open(&SECRET, b"another id", &ticket), None);
            changed(&ticket, bytes);
        }
        Some(_) | None => {}
    }
}

/// Changes one byte of a ticket, which one the input says.
fn changed(ticket: &str, bytes: &[u8]) {
    let sum = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let at = sum % ticket.len();
    for other in ["A", "B", "-", "."] {
        let mut forged = ticket.to_owned();
        forged.replace_range(at..=at, other);
        assert!(forged == ticket || open(&SECRET, b"an id", &forged).is_none(), "another byte at {at}");
    }
}
