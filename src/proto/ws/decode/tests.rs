//! The decoder against frames made by hand and by proptest.

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;

/// Returns a client's frame, with the length in its shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | u8::try_from(len).expect("it is at most 125")),
        len @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(len).expect("it is at most 65535").to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

/// What a peer said, with the payload of each message joined, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    messages: Vec<(bool, Vec<u8>)>,
    pings: Vec<Vec<u8>>,
    pongs: usize,
    close: Option<Option<u16>>,
    error: Option<u16>,
}

/// Feeds pieces as a connection does, and checks what every step promises.
fn hear<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Said {
    let (mut decoder, mut said, mut kept, mut open) = (Decoder::default(), Said::default(), Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            let (piece, used) = match decoder.decode(&mut kept) {
                Ok(Status::Complete(step)) => step,
                Ok(Status::Partial) => break,
                Err(error) => {
                    said.error = Some(error.code);
                    return said;
                }
            };
            assert!(used > 0, "a step without progress");
            match piece {
                Piece::Data { payload, text, end } => {
                    open.extend_from_slice(payload);
                    if end {
                        said.messages.push((text, std::mem::take(&mut open)));
                    }
                }
                Piece::Ping(payload) => said.pings.push(payload.to_vec()),
                Piece::Pong => said.pongs += 1,
                Piece::Close(code) => {
                    said.close = Some(code);
                    return said;
                }
            }
            kept.drain(..used);
        }
        assert!(kept.len() < 14 + CONTROL_BYTES_MAX, "too much is left over: {}", kept.len());
    }
    said
}

#[track_caller]
fn refused(code: u16, frames: &[Vec<u8>]) {
    let bytes = frames.concat();
    assert_eq!(hear([bytes.as_slice()]).error, Some(code), "{bytes:x?} whole");
    assert_eq!(hear(bytes.chunks(1)).error, Some(code), "{bytes:x?} byte by byte");
}

#[track_caller]
fn heard(frames: &[Vec<u8>]) -> Said {
    let bytes = frames.concat();
    let said = hear([bytes.as_slice()]);
    assert_eq!(said, hear(bytes.chunks(1)), "byte by byte");
    assert_eq!(said.error, None);
    said
}

#[test]
fn the_masked_hello_of_the_rfc_is_read() {
    // RFC 6455 section 5.7.
    let said = hear([&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58][..]]);
    assert_eq!(said.messages, [(true, b"Hello".to_vec())]);
}

#[test]
fn all_three_forms_of_the_length_are_read() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_001] {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        assert_eq!(heard(&[frame(FIN | 2, &payload)]).messages, [(false, payload)], "{len}");
    }
}

#[test]
fn fragments_join_around_control_frames() {
    let said = heard(&[
        frame(1, b"He"),
        frame(FIN | 9, b"are you there"),
        frame(0, b""),
        frame(0, b"ll"),
        frame(FIN | 10, b"unasked"),
        frame(FIN, b"o"),
        frame(FIN | 2, b""),
        frame(2, b""),
        frame(FIN, b""),
    ]);
    assert_eq!(said.messages, [(true, b"Hello".to_vec()), (false, vec![]), (false, vec![])]);
    assert_eq!((said.pings, said.pongs), (vec![b"are you there".to_vec()], 1));
}

#[test]
fn payload_is_handed_on_as_it_arrives() {
    let bytes = frame(FIN | 1, b"Hello");
    let mut decoder = Decoder::default();
    let mut start = bytes.get(..8).expect("the frame is longer").to_vec();
    let step = decoder.decode(&mut start);
    assert_eq!(step, Ok(Status::Complete((Piece::Data { payload: &mut b"He".to_vec(), text: true, end: false }, 8))));
    assert_eq!(decoder.decode(&mut []), Ok(Status::Partial));
    let mut rest = bytes.get(8..).expect("the frame is longer").to_vec();
    let step = decoder.decode(&mut rest);
    assert_eq!(step, Ok(Status::Complete((Piece::Data { payload: &mut b"llo".to_vec(), text: true, end: true }, 3))));
}

#[test]
fn a_frame_of_any_length_is_no_reason_to_wait() {
    let mut bytes = vec![FIN | 2, 0xff];
    bytes.extend((i64::MAX as u64).to_be_bytes());
    bytes.extend(MASK);
    bytes.push(MASK[0]);
    let mut decoder = Decoder::default();
    let step = decoder.decode(&mut bytes);
    assert_eq!(step, Ok(Status::Complete((Piece::Data { payload: &mut [0], text: false, end: false }, 15))));
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        refused(1002, &[frame(FIN | bit | 1, b"a")]);
    }
    for opcode in (3..=7).chain(11..=15) {
        refused(1002, &[frame(FIN | opcode, b"")]);
    }
}

#[test]
fn unmasked_frames_are_refused() {
    refused(1002, &[vec![FIN | 1, 1, b'a']]);
    refused(1002, &[vec![FIN | 9, 0]]);
}

#[test]
fn lengths_in_a_longer_form_than_needed_are_refused() {
    let long = |first: u8, length: &[u8]| [&[first][..], length, &MASK].concat();
    refused(1002, &[long(FIN | 2, &[0xfe, 0, 125])]);
    refused(1002, &[long(FIN | 2, &[0xfe, 0, 0])]);
    refused(1002, &[long(FIN | 2, &[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff])]);
    refused(1002, &[long(FIN | 2, &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])]);
    refused(1002, &[long(FIN | 9, &[0xfe, 0, 1])]);
}

#[test]
fn control_frames_are_short_and_whole() {
    assert_eq!(heard(&[frame(FIN | 9, &[7; 125])]).pings, [vec![7; 125]]);
    refused(1002, &[frame(FIN | 9, &[7; 126])]);
    refused(1002, &[frame(9, b"")]);
    refused(1002, &[frame(10, b"")]);
    refused(1002, &[frame(8, b"")]);
}

#[test]
fn fragments_follow_their_order() {
    refused(1002, &[frame(FIN, b"a")]);
    refused(1002, &[frame(0, b"a")]);
    refused(1002, &[frame(1, b"a"), frame(FIN | 1, b"b")]);
    refused(1002, &[frame(2, b"a"), frame(2, b"b")]);
    refused(1002, &[frame(FIN | 1, b"a"), frame(FIN, b"b")]);
}

#[test]
fn close_frames_are_checked() {
    assert_eq!(heard(&[frame(FIN | 8, b"")]).close, Some(None));
    for code in [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let payload = [&code.to_be_bytes()[..], "bye é".as_bytes()].concat();
        assert_eq!(heard(&[frame(FIN | 8, &payload)]).close, Some(Some(code)));
    }
    refused(1002, &[frame(FIN | 8, b"\x03")]);
    for code in [0_u16, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        refused(1002, &[frame(FIN | 8, &code.to_be_bytes())]);
    }
    refused(1007, &[frame(FIN | 8, b"\x03\xe8\xff")]);
    refused(1007, &[frame(FIN | 8, b"\x03\xe8\xc3")]);
}

#[test]
fn text_is_utf8_and_binary_is_anything() {
    assert_eq!(heard(&[frame(FIN | 1, "κόσμε😀".as_bytes())]).messages, [(true, "κόσμε😀".as_bytes().to_vec())]);
    assert_eq!(heard(&[frame(FIN | 2, b"\xff\xfe")]).messages, [(false, b"\xff\xfe".to_vec())]);
    refused(1007, &[frame(FIN | 1, b"\xff")]);
    refused(1007, &[frame(FIN | 1, b"\xed\xa0\x80")]);
    refused(1007, &[frame(FIN | 1, b"a\xc3")]);
    refused(1007, &[frame(1, b"\xf0\x9f"), frame(FIN, b"")]);
    refused(1007, &[frame(1, b"\xf0\x9f"), frame(0, b""), frame(FIN, b"a")]);
    let split = [frame(1, b"\xf0"), frame(FIN | 9, b"\xff"), frame(0, b"\x9f\x98"), frame(FIN, b"\x80")];
    assert_eq!(heard(&split).messages, [(true, "😀".as_bytes().to_vec())]);
    assert_eq!(heard(&[frame(1, b"\xc3"), frame(FIN, b"\xa9"), frame(FIN | 1, b"b")]).messages.len(), 2);
}

#[test]
fn broken_text_is_refused_before_its_frame_ends() {
    let mut bytes = frame(1, b"\xed\xa0aaaaaaaaaaaaaa");
    bytes.truncate(8);
    assert_eq!(hear([bytes.as_slice()]).error, Some(1007));
}

#[test]
fn unmasking_agrees_with_the_rfc_at_every_length() {
    for len in 0..70 {
        let plain: Vec<u8> = (0..len).collect();
        let mut bytes: Vec<u8> = plain.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        unmask(&mut bytes, MASK);
        assert_eq!(bytes, plain);
    }
}

/// Frames that are often right and sometimes not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![FIN | 1, FIN | 2, 1, 2, 0, FIN, FIN | 9, FIN | 10]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        "[aé€😀]{0,9}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..9),
        (120_usize..130).prop_map(|len| vec![b'x'; len]),
    ];
    prop::collection::vec((first, payload).prop_map(|(first, payload)| frame(first, &payload)), 0..12)
        .prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn pieces_say_what_the_whole_says(bytes in frames(), sizes in prop::collection::vec(1_usize..40, 1..40)) {
        let mut rest = bytes.as_slice();
        let mut pieces = Vec::new();
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(hear(pieces), hear([bytes.as_slice()]));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let said = hear([bytes.as_slice()]);
        prop_assert!(said.error.is_none_or(|code| matches!(code, 1002 | 1007)));
    }
}
