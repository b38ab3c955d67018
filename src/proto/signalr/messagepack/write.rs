//! MessagePack's formats, written in their shortest form. Nothing here allocates but to make `out`
//! longer.

/// The number of the extension type of timestamps.
const TIMESTAMP: u8 = 0xFF;

/// Appends that there is nothing.
pub(crate) fn nil(out: &mut Vec<u8>) {
    out.push(0xC0);
}

/// Appends yes or no.
pub(crate) fn bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { 0xC3 } else { 0xC2 });
}

/// Appends a whole number that is not negative.
pub(crate) fn unsigned(number: u64, out: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        if number >= 0x80 {
            out.push(0xCC);
        }
        out.push(number);
    } else if let Ok(number) = u16::try_from(number) {
        with_bytes(0xCD, &number.to_be_bytes(), out);
    } else if let Ok(number) = u32::try_from(number) {
        with_bytes(0xCE, &number.to_be_bytes(), out);
    } else {
        with_bytes(0xCF, &number.to_be_bytes(), out);
    }
}

/// Appends a whole number.
pub(crate) fn signed(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = u64::try_from(number) {
        unsigned(number, out);
    } else if let Ok(number) = i8::try_from(number) {
        if number < -32 {
            out.push(0xD0);
        }
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        with_bytes(0xD1, &number.to_be_bytes(), out);
    } else if let Ok(number) = i32::try_from(number) {
        with_bytes(0xD2, &number.to_be_bytes(), out);
    } else {
        with_bytes(0xD3, &number.to_be_bytes(), out);
    }
}

/// Appends a number with a fraction.
pub(crate) fn double(number: f64, out: &mut Vec<u8>) {
    with_bytes(0xCB, &number.to_be_bytes(), out);
}

/// Appends a text.
pub(crate) fn text(text: &str, out: &mut Vec<u8>) {
    let len = text.len();
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..32), _) => out.push(0xA0 | len),
        (Ok(len), _) => with_bytes(0xD9, &[len], out),
        (_, Ok(len)) => with_bytes(0xDA, &len.to_be_bytes(), out),
        _ => with_bytes(0xDB, &long(len), out),
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends the head of an array of so many values, which follow.
pub(crate) fn array(len: usize, out: &mut Vec<u8>) {
    let (head, bytes) = ARRAY.head(len);
    out.extend_from_slice(&head[..bytes]);
}

/// Appends the head of a map of so many pairs, which follow.
pub(crate) fn map(len: usize, out: &mut Vec<u8>) {
    let (head, bytes) = MAP.head(len);
    out.extend_from_slice(&head[..bytes]);
}

/// Appends an array of which the length is known when it has been written: `write` appends the
/// values and says how many they are.
pub(crate) fn array_of<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>) -> Result<(), E> {
    ARRAY.around(out, write)
}

/// The same for a map: `write` appends names and values by turns and says how many pairs they are.
pub(crate) fn map_of<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>) -> Result<(), E> {
    MAP.around(out, write)
}

/// Appends an instant: seconds since the Unix epoch, and nanoseconds behind these.
pub(crate) fn timestamp(seconds: i64, nanos: u32, out: &mut Vec<u8>) {
    match (u32::try_from(seconds), u64::try_from(seconds)) {
        (Ok(seconds), _) if nanos == 0 => {
            with_bytes(0xD6, &[TIMESTAMP], out);
            out.extend_from_slice(&seconds.to_be_bytes());
        }
        (_, Ok(seconds)) if seconds < 1 << 34 => {
            with_bytes(0xD7, &[TIMESTAMP], out);
            out.extend_from_slice(&(u64::from(nanos) << 34 | seconds).to_be_bytes());
        }
        _ => {
            with_bytes(0xC7, &[12, TIMESTAMP], out);
            out.extend_from_slice(&nanos.to_be_bytes());
            out.extend_from_slice(&seconds.to_be_bytes());
        }
    }
}

/// The formats of a container: for up to 15 values, for 16 bits and for 32.
struct Container {
    short: u8,
    medium: u8,
    long: u8,
}

const ARRAY: Container = Container { short: 0x90, medium: 0xDC, long: 0xDD };
const MAP: Container = Container { short: 0x80, medium: 0xDE, long: 0xDF };

impl Container {
    /// The head, and how many bytes of it count.
    fn head(&self, len: usize) -> ([u8; 5], usize) {
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len @ ..16), _) => ([self.short | len, 0, 0, 0, 0], 1),
            (_, Ok(len)) => {
                let [a, b] = len.to_be_bytes();
                ([self.medium, a, b, 0, 0], 3)
            }
            _ => {
                let [a, b, c, d] = long(len);
                ([self.long, a, b, c, d], 5)
            }
        }
    }

    /// Room for the short head is kept; a longer one moves what is behind it.
    fn around<E>(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>) -> Result<(), E> {
        let start = out.len();
        out.push(self.short);
        let len = write(out)?;
        let (head, bytes) = self.head(len);
        insert(start, 1, &head[..bytes], out);
        Ok(())
    }
}

/// Exchanges so many bytes at a place for others, which may be more.
pub(super) fn insert(at: usize, room: usize, bytes: &[u8], out: &mut Vec<u8>) {
    let end = out.len();
    let more = bytes.len().saturating_sub(room);
    if more > 0 {
        out.resize(end + more, 0);
        out.copy_within(at + room..end, at + bytes.len());
    }
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

fn with_bytes(format: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(format);
    out.extend_from_slice(bytes);
}

/// Nothing that is written here is as long as 4 GiB.
fn long(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}
