#![no_main]
#![expect(dead_code, unused_imports, reason = "the files are those of a test")]
#[path = "../../tests/it/sim/mod.rs"]
mod sim;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sim::play_tape(data));
