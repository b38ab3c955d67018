#![no_main]
use rte::fuzzing::{Transcript, connection};

libfuzzer_sys::fuzz_target!(|data: &[u8]| connection(data, &mut Transcript::unheard()));
