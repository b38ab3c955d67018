//! What commands ask of the world around them: the time, to wait, and a seed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock.
#[expect(
    clippy::disallowed_methods,
    reason = "commands live outside the core; this is the one place where they read the clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "commands live outside the core; this is the one place where they read the date"
)]
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Waits until `duration` has passed.
#[expect(clippy::disallowed_methods, reason = "back-off and the pace of the demo are waits for the time itself")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Random bytes of the system.
///
/// # Errors
/// A sentence, where the system has none to give.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], String> {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}

/// Returns how the caller called this program, for lines that are made to be pasted into a shell;
/// `rte` where that needs quoting.
pub(crate) fn program() -> String {
    let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+".contains(&b));
    std::env::args().next().filter(plain).unwrap_or_else(|| "rte".to_owned())
}
