//! Compressed bodies (RFC 9110 section 8.4): gzip, and nothing else.
//!
//! The members of the format are read here, for the readers of `flate2` want streams; the
//! compression itself is its own.

use super::refusal::Refusal;
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
}

/// Reads the values of `Content-Encoding`.
///
/// # Errors
///
/// 415 for any other coding, and for more than one.
pub(super) fn coding<'h>(mut listed: impl Iterator<Item = &'h [u8]>) -> Result<Coding, Refusal> {
    // RFC 9110 section 8.4.1.3: "x-gzip" is as good as "gzip".
    let read = |name: &[u8]| match name.to_ascii_lowercase().as_slice() {
        b"identity" => Some(Coding::Identity),
        b"gzip" | b"x-gzip" => Some(Coding::Gzip),
        _ => None,
    };
    let first = listed.next().map_or(Some(Coding::Identity), read);
    match (first, listed.next()) {
        (Some(coding), None) => Ok(coding),
        _ => {
            let sentence = "This Content-Encoding is not taken; send the body as it is, or with gzip";
            Err(Refusal::new(415, sentence).with("Accept-Encoding", "gzip"))
        }
    }
}

/// Inflates a body of gzip members (RFC 1952 section 2.2), to at most `bytes_max` bytes: what would
/// be more is not even made.
///
/// # Errors
///
/// 413 for more, 400 for what is no gzip.
pub(super) fn inflate(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let no_gzip = |why: &str| Refusal::new(400, "The body is no gzip").told(format!("The body is no gzip: {why}"));
    let mut inflated = Vec::new();
    let mut rest = body;
    loop {
        let start = inflated.len();
        rest = header(rest).ok_or_else(|| no_gzip("the header of a member is wrong"))?;
        rest = member(rest, &mut inflated, bytes_max).map_err(|fault| match fault {
            Fault::TooLarge => {
                let sentence =
                    format!("The body has more than limits.body_bytes_max = {bytes_max} bytes when inflated");
                Refusal::new(413, "The body has more than limits.body_bytes_max when inflated").told(sentence)
            }
            Fault::Broken => no_gzip("its data is broken, or cut off"),
        })?;
        let Some((sums, after)) = rest.split_first_chunk::<8>() else { return Err(no_gzip("it is cut off")) };
        // RFC 1952 section 2.3.1: the CRC of the member, then its length modulo 2^32.
        let mut crc = Crc::new();
        crc.update(inflated.get(start..).unwrap_or_default());
        if u64::from_le_bytes(*sums) != u64::from(crc.amount()) << 32 | u64::from(crc.sum()) {
            return Err(no_gzip("a checksum is wrong"));
        }
        rest = after;
        if rest.is_empty() {
            return Ok(inflated);
        }
    }
}

/// What follows a member's header; `None` where there is none.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    const HAS_CRC: u8 = 2;
    const HAS_EXTRA: u8 = 4;
    const HAS_NAME: u8 = 8;
    const HAS_COMMENT: u8 = 16;
    // The magic number, "deflate", flags; then time, extra flags and system, for which nobody here
    // asks.
    let (&[0x1F, 0x8B, 8, flags, ..], mut rest) = bytes.split_first_chunk::<10>()? else { return None };
    // Section 2.3.1.2: a reserved bit that is set "must give an error indication".
    if flags & 0xE0 != 0 {
        return None;
    }
    if flags & HAS_EXTRA != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & HAS_CRC != 0 {
        let (sum, after) = rest.split_first_chunk::<2>()?;
        let mut crc = Crc::new();
        crc.update(bytes.get(..bytes.len() - rest.len())?);
        if crc.sum() & 0xFFFF != u32::from(u16::from_le_bytes(*sum)) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// Why a member can't be inflated.
enum Fault {
    TooLarge,
    Broken,
}

/// Appends what a member holds, and answers what follows its compressed data.
fn member<'b>(mut rest: &'b [u8], inflated: &mut Vec<u8>, bytes_max: usize) -> Result<&'b [u8], Fault> {
    /// What is made room for at first; then twice as much each time, but never more than a body may
    /// have.
    const ROOM_BYTES: usize = 32 * 1024;
    let mut inflater = Decompress::new(false);
    loop {
        if inflated.len() == inflated.capacity() {
            // One byte beyond the bound tells that there is more.
            let wanted = (inflated.capacity() * 2).max(ROOM_BYTES).min(bytes_max + 1);
            inflated.reserve_exact(wanted.saturating_sub(inflated.len()).max(1));
        }
        let (read, made) = (inflater.total_in(), inflated.len());
        let status = inflater.decompress_vec(rest, inflated, FlushDecompress::None).map_err(|_| Fault::Broken)?;
        let taken = usize::try_from(inflater.total_in() - read).map_err(|_| Fault::Broken)?;
        rest = rest.get(taken..).unwrap_or_default();
        if inflated.len() > bytes_max {
            return Err(Fault::TooLarge);
        }
        match status {
            Status::StreamEnd => return Ok(rest),
            // Nothing was taken and nothing made, and there was room: nothing more can come.
            Status::Ok | Status::BufError if taken == 0 && inflated.len() == made => return Err(Fault::Broken),
            Status::Ok | Status::BufError => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(values: &[&str]) -> Result<Coding, u16> {
        coding(values.iter().map(|value| value.as_bytes())).map_err(|refusal| refusal.status)
    }

    #[test]
    fn gzip_and_identity_are_taken() {
        assert_eq!(read(&[]), Ok(Coding::Identity));
        assert_eq!(read(&["Identity"]), Ok(Coding::Identity));
        assert_eq!(read(&["GZIP"]), Ok(Coding::Gzip));
        assert_eq!(read(&["x-gzip"]), Ok(Coding::Gzip));
        for values in [&["deflate"][..], &["br"], &["gzip", "gzip"], &["identity", "gzip"], &["zstd"]] {
            assert_eq!(read(values), Err(415), "{values:?}");
        }
    }

    #[test]
    fn members_are_joined_up_to_the_bound() {
        let body = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(inflate(&body, 7).unwrap(), b"one two");
        assert_eq!(inflate(&body, 6).unwrap_err().status, 413);
        for wrong in [&b"[{}]"[..], b"", &body[..body.len() - 1], &[&body[..], b"x"].concat()] {
            assert_eq!(inflate(wrong, 100).unwrap_err().status, 400, "{wrong:?}");
        }
        for place in [body.len() - 1, body.len() - 5] {
            let mut wrong = body.clone();
            wrong[place] ^= 1;
            assert_eq!(inflate(&wrong, 100).unwrap_err().status, 400);
        }
        for cut in 1..body.len() {
            let whole = inflate(&body[..cut], 100);
            assert!(whole.is_err() || cut == gzip(b"one ").len() || cut == body.len() - gzip(b"two").len(), "{cut}");
        }
    }

    #[test]
    fn headers_may_have_all_that_the_format_has() {
        let plain = gzip(b"text");
        let with = |flags: u8, more: &[u8]| {
            let mut body = plain[..10].to_vec();
            body[3] = flags;
            body.extend_from_slice(more);
            if flags & 2 != 0 {
                let mut crc = Crc::new();
                crc.update(&body);
                body.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
            }
            body.extend_from_slice(&plain[10..]);
            body
        };
        let all = b"\0\0name\0comment\0";
        for (flags, more) in [(1, &b""[..]), (2, b""), (4, b"\x03\0abc"), (8, b"n\0"), (16, b"c\0"), (30, all)] {
            assert_eq!(inflate(&with(flags, more), 10).unwrap(), b"text", "{flags}");
        }
        for (flags, more) in [(32, &b""[..]), (4, b"\xFF\xFFa")] {
            assert_eq!(inflate(&with(flags, more), 10).unwrap_err().status, 400, "{flags}");
        }
        let mut wrong = with(2, b"");
        wrong[10] ^= 1;
        assert_eq!(inflate(&wrong, 10).unwrap_err().status, 400);
    }

    #[test]
    fn a_bomb_costs_no_more_than_a_body() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(inflate(&bomb, 1 << 20).unwrap_err().status, 413);
        let whole = inflate(&gzip(&vec![b' '; 1 << 20]), 1 << 20).unwrap();
        assert!(whole.len() == 1 << 20 && whole.capacity() <= (1 << 20) + 1, "{}", whole.capacity());
    }
}
