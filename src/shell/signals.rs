//! SIGTERM, SIGINT and SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// SIGTERM or SIGINT: end.
    End,
    /// SIGHUP: read the files again.
    Reload,
}

/// The signals, from now on as bytes.
pub(crate) struct Signals {
    bytes: UnixStream,
    ends: Arc<AtomicBool>,
    reloads: Arc<AtomicBool>,
    /// Whether the end has been told.
    is_ending: bool,
}

impl Signals {
    pub(crate) fn install() -> io::Result<Signals> {
        let (bytes, sender) = UnixStream::pair()?;
        let (ends, reloads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGTERM, SIGINT] {
            // The first one, whichever it is, sets the flag and wakes; with the flag set the next
            // one ends the process.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ends))?;
            flag::register(signal, Arc::clone(&ends))?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        flag::register(SIGHUP, Arc::clone(&reloads))?;
        pipe::register(SIGHUP, sender)?;
        Ok(Signals { bytes, ends, reloads, is_ending: false })
    }

    /// Waits for the next one, at most so long. It may also come back early with none. Several
    /// reloads asked for at once are one, and the end is asked for once.
    pub fn next(&mut self, longest: Option<Duration>) -> io::Result<Option<Request>> {
        // A timeout of nothing would be none at all.
        self.bytes.set_read_timeout(longest.map(|longest| longest.max(Duration::from_millis(1))))?;
        match self.bytes.read_exact(&mut [0]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        if self.ends.load(Ordering::SeqCst) && !std::mem::replace(&mut self.is_ending, true) {
            return Ok(Some(Request::End));
        }
        Ok(self.reloads.swap(false, Ordering::SeqCst).then_some(Request::Reload))
    }
}
