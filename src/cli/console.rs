//! Where a command writes: results to standard output, remarks to standard error.

use super::failure::Failure;
use std::fmt;
use std::io::{self, BufWriter, Write};

/// The two outputs of a command. Call [`Console::flush`] before waiting for anything: results are
/// buffered.
pub struct Console {
    results: Box<dyn Write>,
    remarks: Box<dyn Write>,
}

impl Console {
    /// Returns the outputs of this process.
    pub(crate) fn of_process() -> Console {
        Console::new(BufWriter::new(io::stdout()), io::stderr())
    }

    /// Any two writers; tests read what was written.
    pub(crate) fn new(results: impl Write + 'static, remarks: impl Write + 'static) -> Console {
        Console { results: Box::new(results), remarks: Box::new(remarks) }
    }

    /// Writes one line of results.
    ///
    /// # Errors
    /// [`Failure::ReaderGone`] where nobody reads (`println!` would panic there),
    /// [`Failure::Refused`] where the disk is full.
    pub fn line(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        writeln!(self.results, "{line}").map_err(failure_of)
    }

    /// Writes one line for a person, at once. A closed standard error is no reason to stop.
    pub(crate) fn note(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.remarks, "{line}");
    }

    /// Hands all results to the reader.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.results.flush().map_err(failure_of)
    }
}

fn failure_of(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::ReaderGone
    } else {
        Failure::Refused(format!("cannot write to standard output: {error}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What a command wrote to one of its outputs.
    #[derive(Clone, Default)]
    pub(crate) struct Paper(Rc<RefCell<Vec<u8>>>);

    impl Paper {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns a console, its results and its remarks.
    pub(crate) fn console_on_paper() -> (Console, Paper, Paper) {
        let (results, remarks) = (Paper::default(), Paper::default());
        (Console::new(results.clone(), remarks.clone()), results, remarks)
    }

    struct ClosedPipe;

    impl Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_a_quiet_end_and_no_panic() {
        let mut console = Console::new(ClosedPipe, ClosedPipe);
        let failure = console.line(format_args!("anybody there?")).unwrap_err();
        assert_eq!((failure.exit_code(), failure.sentence()), (0, None));
        console.note(format_args!("nor here"));
    }

    #[test]
    fn results_and_remarks_go_separate_ways() {
        let (mut console, results, remarks) = console_on_paper();
        console.line(format_args!("a result")).unwrap();
        console.note(format_args!("a remark"));
        assert_eq!((results.text().as_str(), remarks.text().as_str()), ("a result\n", "a remark\n"));
    }
}
