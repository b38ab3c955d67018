//! Web hooks as CloudEvents has them (HTTP 1.1 Web Hooks for Event Delivery, version 1.0): whoever
//! is to deliver events asks first, with `OPTIONS`, whether they are wanted there.
//!
//! The answer is yes, to everybody: it gives away nothing, for each delivery has to show its token.
//! A callback that the asker names is not called.

use crate::proto::http::head::Head;
use crate::proto::http::reply::Reply;

/// Bytes of the longest DNS name (RFC 1035 section 2.3.4), and a port.
const ORIGIN_BYTES_MAX: usize = 253 + ":65535".len();

/// The answer to a validation request for a place that serves `methods`; `None` where the request
/// is none.
pub(super) fn validation(head: &Head<'_>, methods: &str) -> Option<Reply> {
    // Section 4.1.1: a DNS expression that identifies the sending system.
    let is_dns = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:*".contains(&byte);
    let origin = head.header("webhook-request-origin")?;
    if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || !origin.bytes().all(is_dns) {
        return None;
    }
    let reply =
        Reply::text(200, "").with("Allow", methods.to_owned()).with("WebHook-Allowed-Origin", origin.to_owned());
    // Section 4.2.2: the rate is told to those who asked for one; the hub has no limit of its own.
    Some(match head.header("webhook-request-rate") {
        Some(_) => reply.with("WebHook-Allowed-Rate", "*"),
        None => reply,
    })
}
