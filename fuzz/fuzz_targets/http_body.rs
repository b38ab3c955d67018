#![no_main]
use rte::fuzzing::{Transcript, http_body};

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_body(data, &mut Transcript::unheard()));
