#![no_main]
use rte::fuzzing::{Transcript, entry};

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry(data, &mut Transcript::unheard()));
