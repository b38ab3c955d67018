//! How a command ends, other than well.

/// Why a command did not do all that it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The hub, or a check, said no; or something broke. Exit code 1.
    Refused(String),
    /// What the caller gave cannot be used, or what it names. Exit code 2.
    Usage(String),
    /// No hub there, or it ended the connection. Exit code 3.
    Connection(String),
    /// The hub refused the token. Exit code 4.
    Token(String),
    /// The caller's time limit came first. Exit code 5.
    TimedOut(String),
    /// Nobody reads standard output any more: the caller has seen enough. Exit code 0, without a
    /// word.
    ReaderGone,
}

impl Failure {
    /// Returns the exit code, as `rte --help` lists them.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::ReaderGone => 0,
            Failure::Refused(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Connection(_) => 3,
            Failure::Token(_) => 4,
            Failure::TimedOut(_) => 5,
        }
    }

    /// Returns the sentence for standard error.
    pub(crate) fn sentence(&self) -> Option<&str> {
        match self {
            Failure::Refused(text)
            | Failure::Usage(text)
            | Failure::Connection(text)
            | Failure::Token(text)
            | Failure::TimedOut(text) => Some(text),
            Failure::ReaderGone => None,
        }
    }
}
