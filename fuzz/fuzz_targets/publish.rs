#![no_main]
use rte::fuzzing::{Transcript, publish};

libfuzzer_sys::fuzz_target!(|data: &[u8]| publish(data, &mut Transcript::unheard()));
