#![no_main]
use rte::fuzzing::{Transcript, validate};

libfuzzer_sys::fuzz_target!(|data: &[u8]| validate(data, &mut Transcript::unheard()));
