#![no_main]
use rte::fuzzing::{Transcript, http_head};

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_head(data, &mut Transcript::unheard()));
