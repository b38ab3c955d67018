//! Frames out. Server frames are not masked (RFC 6455 section 5.1), so one frame serves every
//! recipient.

use crate::broken::broken;
use crate::limits::CONTROL_BYTES_MAX;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Opcodes that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 6455's")]
pub enum Opcode {
    Text,
    Binary,
    Close,
    Pong,
}

/// Appends the header of a final, unmasked frame with so many payload bytes, in the minimal length
/// form.
pub(crate) fn header(opcode: Opcode, payload_len: usize, out: &mut Vec<u8>) {
    let opcode = match opcode {
        Opcode::Text => OpCode::Data(Data::Text),
        Opcode::Binary => OpCode::Data(Data::Binary),
        Opcode::Close => OpCode::Control(Control::Close),
        Opcode::Pong => OpCode::Control(Control::Pong),
    };
    let written = FrameHeader { opcode, ..FrameHeader::default() }.format(payload_len as u64, out);
    if written.is_err() {
        broken("a Vec takes every byte");
    }
}

/// Appends a whole frame. A control frame's payload must not exceed 125 bytes.
pub fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    debug_assert!(
        matches!(opcode, Opcode::Text | Opcode::Binary) || payload.len() <= CONTROL_BYTES_MAX,
        "RFC 6455 section 5.5: control frames are short"
    );
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a whole frame around what `write` writes. The header is put before the payload once its
/// length is known: the common form has four bytes, which are kept free; the others move the
/// payload.
pub(crate) fn frame_around(opcode: Opcode, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    const ROOM: usize = 4;
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    write(out);
    let payload_len = out.len() - start - ROOM;
    let end = out.len();
    header(opcode, payload_len, out);
    let header_len = out.len() - end;
    let mut head = [0u8; 10];
    head[..header_len].copy_from_slice(&out[end..]);
    out.truncate(end);
    if header_len < ROOM {
        out.copy_within(start + ROOM.., start + header_len);
        out.truncate(start + header_len + payload_len);
    } else if header_len > ROOM {
        out.resize(start + header_len + payload_len, 0);
        out.copy_within(start + ROOM..start + ROOM + payload_len, start + header_len);
    }
    out[start..start + header_len].copy_from_slice(&head[..header_len]);
}

/// Appends a close frame; the reason is cut to what fits, at a character's border.
pub fn close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let code = code.to_be_bytes();
    let fits = reason.floor_char_boundary(CONTROL_BYTES_MAX - code.len());
    let reason = reason.get(..fits).unwrap_or_else(|| broken("the border of a character is one")).as_bytes();
    header(Opcode::Close, code.len() + reason.len(), out);
    out.extend_from_slice(&code);
    out.extend_from_slice(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for (payload_len, bytes) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(written(|out| header(Opcode::Text, payload_len, out)), bytes, "{payload_len}");
        }
    }

    #[test]
    fn a_frame_around_a_payload_has_the_minimal_header_whatever_its_length() {
        for len in [0usize, 1, 125, 126, 127, 65535, 65536, 70000] {
            let payload: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut expected = b"before".to_vec();
            frame(Opcode::Text, &payload, &mut expected);
            let mut out = b"before".to_vec();
            frame_around(Opcode::Text, &mut out, |out| out.extend_from_slice(&payload));
            assert_eq!(out, expected, "length {len}");
        }
    }

    #[test]
    fn each_opcode_makes_a_final_unmasked_frame() {
        for (opcode, first) in
            [(Opcode::Text, 0x81), (Opcode::Binary, 0x82), (Opcode::Close, 0x88), (Opcode::Pong, 0x8a)]
        {
            assert_eq!(written(|out| frame(opcode, b"ab", out)), [first, 2, b'a', b'b']);
        }
    }

    #[test]
    fn a_close_frame_has_code_and_reason() {
        assert_eq!(written(|out| close(1000, "", out)), [0x88, 2, 0x03, 0xe8]);
        assert_eq!(written(|out| close(1002, "no", out)), [0x88, 4, 0x03, 0xea, b'n', b'o']);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let out = written(|out| close(1011, &"é".repeat(100), out));
        assert_eq!((out.get(1), out.len()), (Some(&124), 126), "122 of the 123 bytes hold whole characters");
        assert!(std::str::from_utf8(out.get(4..).unwrap_or_default()).is_ok());
    }
}
