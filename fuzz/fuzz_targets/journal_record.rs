#![no_main]
use rte::fuzzing::{Transcript, journal_record};

libfuzzer_sys::fuzz_target!(|data: &[u8]| journal_record(data, &mut Transcript::unheard()));
