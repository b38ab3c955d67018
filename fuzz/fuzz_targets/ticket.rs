#![no_main]
use rte::fuzzing::{Transcript, ticket};

libfuzzer_sys::fuzz_target!(|data: &[u8]| ticket(data, &mut Transcript::unheard()));
