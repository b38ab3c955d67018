#![no_main]
use rte::fuzzing::{Transcript, token};

libfuzzer_sys::fuzz_target!(|data: &[u8]| token(data, &mut Transcript::unheard()));
