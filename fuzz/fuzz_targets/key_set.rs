#![no_main]
use rte::fuzzing::{Transcript, key_set};

libfuzzer_sys::fuzz_target!(|data: &[u8]| key_set(data, &mut Transcript::unheard()));
