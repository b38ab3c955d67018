#![no_main]
use rte::fuzzing::{Transcript, config};

libfuzzer_sys::fuzz_target!(|data: &[u8]| config(data, &mut Transcript::unheard()));
