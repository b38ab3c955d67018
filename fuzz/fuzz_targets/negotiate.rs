#![no_main]
use rte::fuzzing::{Transcript, negotiate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| negotiate(data, &mut Transcript::unheard()));
