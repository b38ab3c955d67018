//! What goes wrong with an engine, for the lanes and for people.

use crate::backplane::Fault;
use redis::{ErrorKind, RedisError};

/// What an error means.
pub(super) fn fault(error: &RedisError) -> Fault {
    match error.code() {
        _ if error.is_timeout() => Fault::Timeout,
        _ if error.is_io_error() => Fault::Away,
        Some("OOM") => Fault::Full,
        Some("STALE") => Fault::Stale,
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Fault::Refused,
        Some("READONLY" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "UNBLOCKED") => Fault::Moved,
        _ if error.to_string().contains("equal or smaller") => Fault::Stale,
        _ if error.kind() == ErrorKind::AuthenticationFailed => Fault::Refused,
        _ => Fault::Garbled,
    }
}

/// What went wrong, in words.
pub(crate) fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::Away => "it can't be reached",
        Fault::Refused => "it refuses this node",
        Fault::Full => "it has no room",
        Fault::Moved => "it is not, or no longer, the one that has the logs",
        Fault::Stale => "its log is another",
        Fault::Timeout => "it does not answer in time",
        Fault::Garbled => "it answers what can't be understood",
    }
}

/// Who must do what about it.
pub(crate) fn remedy(fault: Fault) -> &'static str {
    match fault {
        Fault::Refused => {
            "look at journal.redis.user and password_file, at the user's rights (rte help nodes), and that the \
             server is Redis 7 or later, or Valkey; all nodes need the same version of rte's format"
        }
        Fault::Full => "give Redis more memory, or retain less (journal.redis.retain_entries)",
        Fault::Away | Fault::Moved | Fault::Stale | Fault::Timeout | Fault::Garbled => {
            "look whether Redis runs at journal.redis.addresses; the hub tries again by itself"
        }
    }
}
