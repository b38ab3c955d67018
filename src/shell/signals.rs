//! SIGTERM, SIGINT and SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: end.
    End,
    /// SIGHUP: read the catalogue again.
    Reload,
}

/// The signals, from now on as bytes.
pub struct Signals {
    bytes: UnixStream,
    ends: Arc<AtomicBool>,
    reloads: Arc<AtomicBool>,
}

impl Signals {
    pub fn install() -> io::Result<Signals> {
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
        Ok(Signals { bytes, ends, reloads })
    }

    /// Waits for the next one. Several reloads asked for at once are one.
    pub fn next(&mut self) -> io::Result<Request> {
        loop {
            self.bytes.read_exact(&mut [0])?;
            if self.ends.load(Ordering::SeqCst) {
                return Ok(Request::End);
            }
            if self.reloads.swap(false, Ordering::SeqCst) {
                return Ok(Request::Reload);
            }
        }
    }
}
