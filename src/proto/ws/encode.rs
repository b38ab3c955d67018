//! Frames out. Server frames are not masked (RFC 6455 section 5.1), so one frame serves every recipient.

/// Opcodes that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are RFC 6455's")]
pub enum Opcode {
    Text,
    Binary,
    Close,
    Pong,
}

/// Appends the header of a final, unmasked frame with so many payload bytes, in the minimal length form.
pub fn header(opcode: Opcode, payload_len: usize, out: &mut Vec<u8>) {
    let _ = (opcode, payload_len, out);
}

/// Appends a whole frame.
pub fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a close frame; the reason is cut to what fits, at a character's border.
pub fn close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let _ = (code, reason, out);
}
