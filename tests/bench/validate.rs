//! What validation costs against a bare syntax check of the same text, in one run: `cargo bench
//! --bench validate`.
//!
//! The promise is at most 3 times; it fails beyond. Ratios are of medians over interleaved rounds,
//! since the machine's speed drifts and both drift with it.

#![expect(clippy::expect_used, reason = "a benchmark that can't run has nothing to say")]

use rte::limits::{Limits, SUGGESTIONS_MAX};
use rte::schema::Catalogue;
use rte::schema::compiler::validate::{Bounds, Mode, validate};
use serde::de::IgnoredAny;
use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const EVENTS: [&str; 3] = ["UserAvailability", "QueueStatus", "CallbackChanged"];
const RATIO_MAX: f64 = 3.0;
const ROUNDS: usize = 41;
const REPEATS: u32 = 2_000;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the time")]
fn time(mut work: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..REPEATS {
        work();
    }
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> ExitCode {
    let catalogue = Catalogue::built_in(None);
    let bounds = Bounds {
        depth_max: Limits::DEFAULT.json_depth_max,
        errors_max: Limits::DEFAULT.errors_per_item_max,
        suggestions_max: SUGGESTIONS_MAX,
    };
    let mut worst: f64 = 0.0;
    for name in EVENTS {
        let id = catalogue.find(name).expect("an event of the catalogue");
        let text = catalogue.event(id).examples[0].delivered.as_str();
        let mut out = Vec::new();
        let (mut syntax, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            syntax.push(time(|| assert!(serde_json::from_str::<IgnoredAny>(black_box(text)).is_ok())));
            ours.push(time(|| {
                let accepted = validate(catalogue.model(), id, black_box(text), Mode::Strict, bounds, &mut out);
                assert!(accepted.is_ok_and(|accepted| !accepted.rewritten));
            }));
        }
        let (syntax, ours) = (median(syntax) / REPEATS, median(ours) / REPEATS);
        let ratio = ours.as_secs_f64() / syntax.as_secs_f64();
        worst = worst.max(ratio);
        let bytes = text.len();
        let line =
            format!("{name:<18} {bytes:>5} bytes  syntax {syntax:>8.1?}  validation {ours:>8.1?}  ratio {ratio:.2}\n");
        std::io::stdout().write_all(line.as_bytes()).expect("standard output is open");
    }
    if worst <= RATIO_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
