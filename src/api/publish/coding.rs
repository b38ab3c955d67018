//! Compressed bodies (RFC 9110 section 8.4): gzip, and nothing else.
//!
//! The members of the format are read here, for the readers of `flate2` want streams; the
//! compression itself is its own.

use super::refusal::Refusal;
use crate::limits::{GZIP_BARREN_BYTES_MAX, GZIP_EXCESS_DIVISOR};
use crate::proto::Status;
use flate2::{Crc, Decompress, FlushDecompress};
use std::borrow::Cow;

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

/// A body of gzip members (RFC 1952 section 2.2) that is inflated a step at a time, to at most so
/// many bytes: what would be more is not even made.
#[derive(Debug)]
pub(super) struct Inflation<'b> {
    body: Cow<'b, [u8]>,
    /// Bytes of it that have been read.
    read: usize,
    /// What it holds, as far as that is known.
    pub(super) inflated: Vec<u8>,
    inflater: Decompress,
    /// Where the member under way begins in `inflated`; `None` where a header is next.
    start: Option<usize>,
    /// Bytes read of late that gave too little.
    barren: usize,
}

/// What is read in one step.
const STEP_BYTES: usize = 512;
/// So many bytes that a step makes are one unit of work, and so is each that it reads: a block of a
/// few bytes may have a table of its own.
const MADE_BYTES_PER_WORK: usize = 64;

impl<'b> Inflation<'b> {
    /// Nothing has been read yet.
    pub(super) fn new(body: &'b [u8]) -> Inflation<'b> {
        let inflater = Decompress::new(false);
        Inflation { body: Cow::Borrowed(body), read: 0, inflated: Vec::new(), inflater, start: None, barren: 0 }
    }

    /// The same, with a body of its own.
    pub(super) fn into_owned(self) -> Inflation<'static> {
        Inflation { body: Cow::Owned(self.body.into_owned()), ..self }
    }

    /// Memory of the body and of what it holds.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + self.inflated.capacity()
    }

    /// Makes a step, and says what it was, in units of [`Sink::takes_more`]; partial where more are
    /// to be made.
    ///
    /// [`Sink::takes_more`]: super::sink::Sink::takes_more
    ///
    /// # Errors
    ///
    /// 413 for more than `bytes_max`, 400 for what is no gzip, or could be written much shorter.
    pub(super) fn advance(&mut self, bytes_max: usize) -> Result<(Status<()>, usize), Refusal> {
        let (read, made) = (self.read, self.inflated.len());
        let status = match self.start {
            None => self.begin_member(),
            Some(start) => self.go_on(start, bytes_max),
        };
        let status = status.map_err(|fault| match fault {
            Fault::TooLarge => {
                let sentence =
                    format!("The body has more than limits.body_bytes_max = {bytes_max} bytes when inflated");
                Refusal::new(413, "The body has more than limits.body_bytes_max when inflated").told(sentence)
            }
            Fault::Broken(why) => Refusal::new(400, "The body is no gzip").told(format!("The body is no gzip: {why}")),
        })?;
        let (read, made) = (self.read - read, self.inflated.len() - made);
        self.barren = (self.barren + read).saturating_sub(made + made / GZIP_EXCESS_DIVISOR);
        if self.barren > GZIP_BARREN_BYTES_MAX {
            return Err(Refusal::new(400, "The body holds less than it has bytes: blocks of gzip are empty"));
        }
        Ok((status, 1 + read + made / MADE_BYTES_PER_WORK))
    }

    fn rest(&self) -> &[u8] {
        self.body.get(self.read..).unwrap_or_default()
    }

    fn begin_member(&mut self) -> Result<Status<()>, Fault> {
        let rest = header(self.rest()).ok_or(Fault::Broken("the header of a member is wrong"))?;
        self.read = self.body.len() - rest.len();
        self.inflater.reset(false);
        self.start = Some(self.inflated.len());
        Ok(Status::Partial)
    }

    /// Inflates the next bytes of a member.
    fn go_on(&mut self, start: usize, bytes_max: usize) -> Result<Status<()>, Fault> {
        /// What is made room for at first; then twice as much each time, but never more than a body
        /// may have.
        const ROOM_BYTES: usize = 32 * 1024;
        const BROKEN: Fault = Fault::Broken("its data is broken, or cut off");
        let Inflation { body, inflated, inflater, .. } = self;
        if inflated.len() == inflated.capacity() {
            // One byte beyond the bound tells that there is more.
            let wanted = (inflated.capacity() * 2).max(ROOM_BYTES).min(bytes_max + 1);
            inflated.reserve_exact(wanted.saturating_sub(inflated.len()).max(1));
        }
        let rest = body.get(self.read..).unwrap_or_default();
        let step = rest.get(..STEP_BYTES).unwrap_or(rest);
        let (before, made) = (inflater.total_in(), inflated.len());
        let ends = inflater.decompress_vec(step, inflated, FlushDecompress::None).map_err(|_| BROKEN)?;
        let taken = usize::try_from(inflater.total_in() - before).map_err(|_| BROKEN)?;
        self.read += taken;
        if inflated.len() > bytes_max {
            return Err(Fault::TooLarge);
        }
        match ends {
            flate2::Status::StreamEnd => self.end_member(start),
            // Nothing was taken and nothing made, and there was room: nothing more can come.
            flate2::Status::Ok | flate2::Status::BufError if taken == 0 && inflated.len() == made => Err(BROKEN),
            flate2::Status::Ok | flate2::Status::BufError => Ok(Status::Partial),
        }
    }

    /// RFC 1952 section 2.3.1: the CRC of the member, then its length modulo 2^32.
    fn end_member(&mut self, start: usize) -> Result<Status<()>, Fault> {
        let (sums, _) = self.rest().split_first_chunk::<8>().ok_or(Fault::Broken("it is cut off"))?;
        let mut crc = Crc::new();
        crc.update(self.inflated.get(start..).unwrap_or_default());
        if u64::from_le_bytes(*sums) != u64::from(crc.amount()) << 32 | u64::from(crc.sum()) {
            return Err(Fault::Broken("a checksum is wrong"));
        }
        self.read += sums.len();
        self.start = None;
        Ok(if self.rest().is_empty() { Status::Complete(()) } else { Status::Partial })
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

/// Why a body can't be inflated.
enum Fault {
    TooLarge,
    Broken(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// What a body holds, and what the steps were.
    fn steps(body: &[u8], bytes_max: usize) -> Result<(Vec<u8>, Vec<usize>), Refusal> {
        let (mut inflation, mut steps) = (Inflation::new(body), Vec::new());
        loop {
            let (status, work) = inflation.advance(bytes_max)?;
            steps.push(work);
            match status {
                Status::Complete(()) => return Ok((inflation.inflated, steps)),
                Status::Partial => inflation = inflation.into_owned(),
            }
        }
    }

    fn inflate(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
        steps(body, bytes_max).map(|(inflated, _)| inflated)
    }

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

    /// A member that has these blocks, and holds this text.
    fn packed(blocks: &[u8], text: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(text);
        let (head, sum, amount) = (&gzip(b"")[..10], crc.sum().to_le_bytes(), crc.amount().to_le_bytes());
        [head, blocks, &sum, &amount].concat()
    }

    /// Bits, of which the first is the lowest of the first byte.
    fn bits(text: &str) -> Vec<u8> {
        let bit = |(n, c): (usize, &u8)| u8::from(*c == b'1') << n;
        text.as_bytes().chunks(8).map(|byte| byte.iter().enumerate().map(bit).sum()).collect()
    }

    #[test]
    fn blocks_and_members_that_hold_next_to_nothing_are_refused_early() {
        // A block that is not the last, with the fixed codes, and its end; then one with a literal.
        let (empty, short) = ("0100000000", "010011000010000000");
        for body in [
            packed(&bits(&empty.repeat(4_000)), b""),
            packed(&bits(&short.repeat(8_000)), &[b'0'; 8_000]),
            gzip(b"").repeat(1_000),
            gzip(b"a").repeat(1_000),
            packed(&[0, 0, 0, 0xFF, 0xFF].repeat(1_000), b""),
        ] {
            let (mut inflation, mut read) = (Inflation::new(&body), 0);
            let refusal = loop {
                match inflation.advance(1 << 20) {
                    Ok(_) => read = inflation.read,
                    Err(refusal) => break refusal,
                }
            };
            assert!(refusal.status == 400 && refusal.why.contains("empty"), "{refusal:?}");
            assert!(read <= 4 * GZIP_BARREN_BYTES_MAX, "{read} bytes were read");
        }
    }

    #[test]
    fn what_honest_encoders_write_is_taken() {
        let mut noise = 1_u32;
        let mut byte = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        let random: Vec<u8> = (0..100_000).map(|_| byte()).collect();
        for level in [Compression::none(), Compression::fast(), Compression::best()] {
            for flush_every in [1, 100, 100_000] {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                for part in random[..random.len().min(1_000 * flush_every)].chunks(flush_every) {
                    encoder.write_all(part).unwrap();
                    encoder.flush().unwrap();
                }
                let body = encoder.finish().unwrap();
                let whole = inflate(&body, 1 << 20).map(|whole| random.starts_with(&whole));
                // An encoder that flushes each byte writes nothing but blocks.
                assert!(flush_every == 1 || whole == Ok(true), "{level:?}, {flush_every}: {whole:?}");
            }
        }
        // Each item in a member of its own.
        let item = br#"{"eventName":"QueueStatus","data":{"queueId":"1f0b2a52-4f3a-4f6e-8c8e-2f1a5f4e7d10"}}"#;
        assert_eq!(inflate(&gzip(item).repeat(1_000), 1 << 20).unwrap().len(), 1_000 * item.len());
    }

    #[test]
    fn a_step_is_small_however_much_a_body_holds() {
        let text: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_string().into_bytes()).take(1 << 20).collect();
        for text in [text, vec![b' '; 1 << 20]] {
            let body = gzip(&text);
            let (whole, steps) = steps(&body, 1 << 20).unwrap();
            assert!(whole == text && steps.iter().sum::<usize>() >= body.len());
            assert!(steps.iter().all(|work| *work <= 10_000), "{:?}", steps.iter().max());
        }
    }
}
