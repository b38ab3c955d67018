//! The texts that an ASP.NET Core SignalR server sends, which clients, their tests and their users
//! compare.
//!
//! `detailed` is SignalR's `EnableDetailedErrors`: without it a client learns nothing that the text
//! doesn't say here. A `HubException` is the exception from that rule: its message is meant for the
//! client and always sent.
//!
//! Names of methods and protocols are quoted in the client's spelling, cut short.

use super::transport::Transport;
use crate::echo::echo;

// Plain HTTP answers of the hub's address, `text/plain`.

/// 400: neither a WebSocket upgrade nor an `id` in the query.
pub(crate) const CONNECTION_ID_REQUIRED: &str = "Connection ID required";
/// 404: the `id` of the query is unknown, used up or expired.
pub const NO_SUCH_CONNECTION: &str = "No Connection with that ID";
/// 409: the `id` of the query has its connection. ASP.NET says nothing.
pub const ID_IN_USE: &str = "This connection ID is in use: negotiate again";
/// 405: a POST to an `id` that a WebSocket serves.
pub(crate) const POST_TO_WEBSOCKET: &str = "POST requests are not allowed for WebSocket connections.";
/// 400: a DELETE of an `id` that isn't served by long polling.
pub(crate) const DELETE_NOT_LONG_POLLING: &str = "Cannot terminate this connection using the DELETE endpoint.";
/// 400: the connection of the `id` came by another transport.
pub(crate) const TRANSPORT_CHANGED: &str = "Cannot change transports mid-connection";

/// 404: a transport that is not offered.
pub(crate) fn no_transport(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSockets => "WebSockets transport not supported by this end point type",
        Transport::ServerSentEvents => "ServerSentEvents transport not supported by this end point type",
        Transport::LongPolling => "LongPolling transport not supported by this end point type",
    }
}

// Errors of the handshake response; the connection ends behind it.

/// No complete handshake in time, or none within the bound of a record.
pub(crate) const HANDSHAKE_CANCELED: &str = "Handshake was canceled.";
/// The handshake is no JSON object, or a member is missing or mistyped.
pub(crate) const HANDSHAKE_FAILED: &str = "An unexpected error occurred during connection handshake.";

/// The handshake names a protocol that is not offered.
pub(crate) fn protocol_not_supported(protocol: &str) -> String {
    format!("The protocol '{}' is not supported.", echo(protocol))
}

/// The handshake names a version that is not spoken.
pub(crate) fn version_not_supported(version: i64, protocol: &str) -> String {
    format!("The server does not support version {version} of the '{}' protocol.", echo(protocol))
}

/// The handshake names a protocol that writes bytes, over a transport of texts.
pub(crate) fn not_binary(protocol: &str) -> String {
    format!(
        "Cannot use the '{protocol}' protocol on the current transport. The transport does not support 'Binary' \
         transfer format."
    )
}

// Errors of a completion; the connection stays.

/// No method has the name of the target. Says so with `detailed` or without.
pub(crate) fn unknown_method(target: &str) -> String {
    let target = echo(target);
    format!("Failed to invoke '{target}' due to an error on the server. HubException: Method does not exist.")
}

/// The invocation has another number of arguments than the method.
pub(crate) fn argument_count(target: &str, given: usize, expected: usize, detailed: bool) -> String {
    let detail =
        format_args!(" InvalidDataException: Invocation provides {given} argument(s) but target expects {expected}.");
    binding(target, detailed.then_some(detail))
}

/// An argument has the wrong type, or a value that its type doesn't take.
pub(crate) fn argument_type(target: &str, detailed: bool) -> String {
    let detail = format_args!(
        " InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of \
         the hub method being invoked."
    );
    binding(target, detailed.then_some(detail))
}

fn binding(target: &str, detail: Option<std::fmt::Arguments<'_>>) -> String {
    let target = echo(target);
    match detail {
        Some(detail) => format!("Failed to invoke '{target}' due to an error on the server.{detail}"),
        None => format!("Failed to invoke '{target}' due to an error on the server."),
    }
}

/// The method refuses with a message for the client.
pub(crate) fn hub_exception(target: &str, message: &str) -> String {
    let target = echo(target);
    format!("An unexpected error occurred invoking '{target}' on the server. HubException: {message}")
}

/// A StreamInvocation (type 4) of a method that answers once, as all of this hub do.
pub(crate) fn not_streaming(target: &str) -> String {
    let target = echo(target);
    format!("The client attempted to invoke the non-streaming '{target}' method with a streaming invocation.")
}

/// The invocation announces upload streams, which no method of this hub takes.
pub(crate) fn unexpected_streams(target: &str, streams: usize) -> String {
    hub_exception(target, &format!("Client sent {streams} stream(s), Hub method expects 0."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ECHO_BYTES_MAX;

    #[test]
    fn completion_errors_read_as_those_of_dotnet() {
        assert_eq!(
            unknown_method("Nope"),
            "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist."
        );
        assert_eq!(
            not_streaming("subscribe"),
            "The client attempted to invoke the non-streaming 'subscribe' method with a streaming invocation."
        );
        assert_eq!(
            unexpected_streams("X", 1),
            "An unexpected error occurred invoking 'X' on the server. HubException: Client sent 1 stream(s), Hub method expects 0."
        );
        assert_eq!(
            hub_exception("Subscribe", "msg"),
            "An unexpected error occurred invoking 'Subscribe' on the server. HubException: msg"
        );
    }

    #[test]
    fn binding_errors_tell_more_only_when_detailed() {
        let plain = "Failed to invoke 'Subscribe' due to an error on the server.";
        assert_eq!(argument_count("Subscribe", 2, 1, false), plain);
        assert_eq!(argument_type("Subscribe", false), plain);
        assert_eq!(
            argument_count("Subscribe", 2, 1, true),
            "Failed to invoke 'Subscribe' due to an error on the server. InvalidDataException: Invocation provides 2 argument(s) \
             but target expects 1."
        );
        assert_eq!(
            argument_type("Subscribe", true),
            "Failed to invoke 'Subscribe' due to an error on the server. InvalidDataException: Error binding arguments. Make sure \
             that the types of the provided values match the types of the hub method being invoked."
        );
    }

    #[test]
    fn no_error_repeats_more_of_a_made_up_name_than_its_beginning() {
        let long = "x".repeat(ECHO_BYTES_MAX + 1);
        let errors = [
            unknown_method(&long),
            argument_count(&long, 2, 1, true),
            argument_type(&long, false),
            hub_exception(&long, "msg"),
            not_streaming(&long),
            unexpected_streams(&long, 1),
            protocol_not_supported(&long),
            version_not_supported(9001, &long),
        ];
        for error in errors {
            assert!(error.contains(&long[..ECHO_BYTES_MAX]) && !error.contains(&long), "{error}");
        }
    }

    #[test]
    fn handshake_errors_read_as_those_of_dotnet() {
        assert_eq!(protocol_not_supported("foo"), "The protocol 'foo' is not supported.");
        assert_eq!(
            version_not_supported(9001, "json"),
            "The server does not support version 9001 of the 'json' protocol."
        );
    }
}
