//! What a link looks like from outside.

use crate::clock::{Deadline, Instant};
use crate::hub::registry::ConnKey;

/// A link, to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The connection whose bytes it carries.
    pub connection: Option<ConnKey>,
    /// Whether that is past its handshake.
    pub is_open: bool,
    /// Whether only its last bytes matter.
    pub is_ending: bool,
    /// Whether nothing more is taken for its connection, which is given up, or whose socket has
    /// failed.
    pub is_sealed: bool,
    /// Whether its bytes should be read.
    pub wants_input: bool,
    /// Whether they are not, since its peer has used up its allowance of work.
    pub rests: bool,
    /// Bytes that wait for its socket.
    pub backlog_bytes: usize,
    /// When something is due.
    pub deadline: Deadline,
    /// Since when its socket has taken nothing, where it is full.
    pub blocked_since: Option<Instant>,
}
