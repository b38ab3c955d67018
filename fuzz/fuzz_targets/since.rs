#![no_main]
use rte::fuzzing::{Transcript, since};

libfuzzer_sys::fuzz_target!(|data: &[u8]| since(data, &mut Transcript::unheard()));
