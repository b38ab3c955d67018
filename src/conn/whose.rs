//! Whose deadline or whose turn it is.

use crate::hub::registry::ConnKey;
use crate::wire::LinkKey;

/// A link, or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Link(LinkKey),
    /// A link that carries a connection waits for nothing of its own.
    Connection(ConnKey),
}
