#![no_main]
use rte::fuzzing::{Transcript, query};

libfuzzer_sys::fuzz_target!(|data: &[u8]| query(data, &mut Transcript::unheard()));
