#![no_main]
use rte::fuzzing::{Transcript, grants};

libfuzzer_sys::fuzz_target!(|data: &[u8]| grants(data, &mut Transcript::unheard()));
