#![no_main]
use rte::fuzzing::{Transcript, proxy_preamble};

libfuzzer_sys::fuzz_target!(|data: &[u8]| proxy_preamble(data, &mut Transcript::unheard()));
