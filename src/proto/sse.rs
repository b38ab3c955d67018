//! Server-sent events out (WHATWG HTML, section 9.2): hub messages as events of a stream.

/// The media type of a stream.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";
/// What a stream begins with: a comment, which makes browsers tell that it is open.
pub(crate) const OPENING: &[u8] = b":\r\n";

/// Appends one event whose data is the JSON that `write` writes.
///
/// A line end would end the data. In JSON one can only stand between two tokens, where a blank
/// means the same.
pub(crate) fn event_around(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"data: ");
    let start = out.len();
    write(out);
    for byte in out.iter_mut().skip(start) {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_data_whatever_blanks_its_json_has() {
        let mut out = OPENING.to_vec();
        event_around(&mut out, |out| out.extend_from_slice(b"{}\x1e"));
        event_around(&mut out, |out| out.extend_from_slice(b"{\r\n \"a\": \"\\n\",\r\"b\":\n1}\x1e"));
        assert_eq!(
            String::from_utf8(out).unwrap(),
            ":\r\ndata: {}\x1e\r\n\r\ndata: {   \"a\": \"\\n\", \"b\": 1}\x1e\r\n\r\n"
        );
    }
}
