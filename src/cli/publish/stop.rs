//! Input that a signal ends: what has been read is finished, and nothing more is read.

use crate::shell::signals::Signals;
use parking_lot::{Condvar, Mutex};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

/// A read that was under way when the signal came gets this long to bring what it has.
const GRACE: Duration = Duration::from_millis(50);

/// Whether the caller wants an end (SIGINT, SIGTERM, or the terminal is gone).
#[derive(Default)]
pub(crate) struct Stop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_set: bool,
    /// What has been read and not been taken.
    piece: Option<io::Result<Vec<u8>>>,
}

impl Stop {
    /// From now on signals set it; a second one ends the process.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn by_signals() -> io::Result<Arc<Stop>> {
        let stop = Arc::new(Stop::default());
        let (mut signals, told) = (Signals::install()?, Arc::clone(&stop));
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while let Ok(None) = signals.next(None) {}
            told.set();
        })?;
        Ok(stop)
    }

    /// The caller wants an end.
    pub(crate) fn set(&self) {
        self.state.lock().is_set = true;
        self.changed.notify_all();
    }

    /// Whether it is set.
    pub(crate) fn is_set(&self) -> bool {
        self.state.lock().is_set
    }

    /// Waits so long, or until it is set; whether it is.
    pub(crate) fn pause(&self, duration: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.is_set, duration);
        state.is_set
    }
}

/// A reader that is at its end once a [`Stop`] is set and all is taken that had been read.
pub(crate) struct Stoppable {
    stop: Arc<Stop>,
    piece: io::Cursor<Vec<u8>>,
    /// Nothing comes any more: whoever asks once more is not to wait for the thread, which is gone.
    is_over: bool,
}

impl Stoppable {
    /// Reads `input` in pieces of so many bytes, in a thread of its own: a pipe may say nothing for
    /// hours.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn new(mut input: Box<dyn Read + Send>, piece_bytes: usize, stop: &Arc<Stop>) -> io::Result<Stoppable> {
        let told = Arc::clone(stop);
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            let mut buffer = vec![0; piece_bytes];
            loop {
                let piece = match input.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map(|read| buffer.get(..read).unwrap_or_default().to_vec()),
                };
                let is_last = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
                let mut state = told.state.lock();
                state.piece = Some(piece);
                told.changed.notify_all();
                // Nothing is read ahead, so that what is not taken is still where it was.
                told.changed.wait_while(&mut state, |state| state.piece.is_some());
                if is_last || state.is_set {
                    return;
                }
            }
        })?;
        Ok(Stoppable { stop: Arc::clone(stop), piece: io::Cursor::default(), is_over: false })
    }

    fn next_piece(&self) -> io::Result<Vec<u8>> {
        let Stop { state, changed } = &*self.stop;
        let mut state = state.lock();
        changed.wait_while(&mut state, |state| state.piece.is_none() && !state.is_set);
        changed.wait_while_for(&mut state, |state| state.piece.is_none(), GRACE);
        let piece = state.piece.take();
        changed.notify_all();
        piece.unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.piece.read(buffer)? {
            0 if self.is_over || buffer.is_empty() => Ok(0),
            0 => {
                let piece = self.next_piece();
                self.is_over = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
                self.piece = io::Cursor::new(piece?);
                self.piece.read(buffer)
            }
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Gives what it is sent, and waits for it.
    struct Pipe(mpsc::Receiver<&'static [u8]>);

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let piece = self.0.recv().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn what_had_been_read_is_given_and_then_it_is_over_though_the_pipe_is_not() {
        let (sender, receiver) = mpsc::channel();
        let stop = Arc::new(Stop::default());
        let mut input = Stoppable::new(Box::new(Pipe(receiver)), 16, &stop).unwrap();
        let mut buffer = [0; 3];
        sender.send(b"abcd").unwrap();
        assert_eq!((input.read(&mut buffer).unwrap(), &buffer), (3, b"abc"));
        stop.set();
        assert_eq!((input.read(&mut buffer).unwrap(), buffer[0]), (1, b'd'));
        assert_eq!((input.read(&mut buffer).unwrap(), stop.pause(Duration::from_secs(60))), (0, true));
    }

    #[test]
    fn input_that_nobody_stops_comes_whole() {
        let text: Vec<u8> = (0..200).collect();
        let mut input = Stoppable::new(Box::new(io::Cursor::new(text.clone())), 7, &Arc::default()).unwrap();
        let mut read = Vec::new();
        input.read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn input_that_is_over_says_so_however_often_it_is_asked() {
        let stop = Arc::new(Stop::default());
        let mut input = Stoppable::new(Box::new(io::Cursor::new(b"ab")), 16, &stop).unwrap();
        let mut buffer = [0; 3];
        let read: Vec<usize> = (0..3).map(|_| input.read(&mut buffer).unwrap()).collect();
        assert_eq!(read, [2, 0, 0]);
        let mut nothing = Stoppable::new(Box::new(io::empty()), 16, &stop).unwrap();
        assert_eq!((nothing.read(&mut buffer).unwrap(), nothing.read(&mut buffer).unwrap()), (0, 0));
    }
}
