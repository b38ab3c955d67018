#![no_main]
use rte::fuzzing::{Transcript, ws_frames};

libfuzzer_sys::fuzz_target!(|data: &[u8]| ws_frames(data, &mut Transcript::unheard()));
