#![no_main]
use rte::fuzzing::{Transcript, hub_json};

libfuzzer_sys::fuzz_target!(|data: &[u8]| hub_json(data, &mut Transcript::unheard()));
