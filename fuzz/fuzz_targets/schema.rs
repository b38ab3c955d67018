#![no_main]
use rte::fuzzing::{Transcript, schema};

libfuzzer_sys::fuzz_target!(|data: &[u8]| schema(data, &mut Transcript::unheard()));
