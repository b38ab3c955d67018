#![no_main]
use rte::fuzzing::{Transcript, hub_messagepack};

libfuzzer_sys::fuzz_target!(|data: &[u8]| hub_messagepack(data, &mut Transcript::unheard()));
