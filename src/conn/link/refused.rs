//! A request that is refused.

use crate::metrics::Refusal;
use crate::proto::http::reply::Reply;

/// A refused request: how it is counted, the reply, and why, for the log.
pub(super) struct Refused(pub(super) Refusal, pub(super) Reply, pub(super) &'static str);
