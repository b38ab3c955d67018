#![no_main]
use rte::fuzzing::{Transcript, utf8};

libfuzzer_sys::fuzz_target!(|data: &[u8]| utf8(data, &mut Transcript::unheard()));
