#![no_main]
use rte::fuzzing::{Transcript, handshake};

libfuzzer_sys::fuzz_target!(|data: &[u8]| handshake(data, &mut Transcript::unheard()));
