#![no_main]
#[path = "../../tests/allocations/counting.rs"]
#[expect(dead_code, reason = "a test needs more of it")]
mod counting;
use rte::fuzzing::{Transcript, cost};

libfuzzer_sys::fuzz_target!(|data: &[u8]| cost(data, counting::spent, &mut Transcript::unheard()));
