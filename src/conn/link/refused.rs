//! A request that is refused.

use crate::conn::quotas::TooMuch;
use crate::metrics::Refusal;
use crate::proto::http::reply::Reply;

/// A refused request: how it is counted, the reply, and why, for the log.
pub(super) struct Refused(pub(super) Refusal, pub(super) Reply, pub(super) &'static str);

/// One user or one address has too much.
pub(super) fn too_much(told: TooMuch) -> Refused {
    let TooMuch { refusal, why, sentence, retry_s } = told;
    Refused(refusal, Reply::text(429, sentence).with("Retry-After", retry_s.to_string()), why)
}
