//! SIGTERM and SIGINT.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The signals that end the process, from now on as bytes.
pub struct Signals {
    bytes: UnixStream,
}

impl Signals {
    pub fn install() -> io::Result<Signals> {
        let (bytes, sender) = UnixStream::pair()?;
        // The first one, whichever it is, sets the flag and wakes; with the flag set the next one ends the process.
        let is_second = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))?;
            flag::register(signal, Arc::clone(&is_second))?;
            pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Signals { bytes })
    }

    /// Waits for one.
    pub fn wait(mut self) -> io::Result<()> {
        self.bytes.read_exact(&mut [0])
    }
}
