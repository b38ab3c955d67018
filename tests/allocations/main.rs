//! Counts what the hot paths allocate, and what an idle connection keeps. A binary of its own with
//! its own runner: the global allocator counts for the whole process, so that nothing may run
//! beside a test.

#[cfg(test)]
#[path = "../it/sim/cast.rs"]
#[expect(dead_code, reason = "the simulation needs more of the cast than this")]
mod cast;
#[cfg(test)]
#[path = "../it/sim/client.rs"]
#[expect(dead_code, reason = "nothing is read here")]
mod client;
#[cfg(test)]
mod counting;
#[cfg(test)]
#[path = "../it/sim/messagepack.rs"]
#[expect(dead_code, reason = "nothing is read here")]
mod messagepack;
#[cfg(test)]
mod paths;
#[cfg(test)]
#[path = "../it/sim/rng.rs"]
#[expect(dead_code, reason = "no world is made that needs streams of its own")]
mod rng;
#[cfg(test)]
#[path = "../it/sim/setting.rs"]
#[expect(dead_code, reason = "only what shards share is needed here")]
mod setting;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// Runs the tests whose name contains the first argument, and reports as libtest does.
#[expect(clippy::print_stdout, reason = "a test runner reports on standard output")]
fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let (chosen, others): (Vec<_>, Vec<_>) = paths::TESTS.into_iter().partition(|(name, _)| name.contains(&filter));
    let is_list = std::env::args().any(|argument| argument == "--list");
    if is_list {
        chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let mut failed = 0;
    for (name, test) in &chosen {
        let is_ok = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        failed += usize::from(!is_ok);
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let passed = chosen.len() - failed;
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out\n",
        others.len()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
