//! The body of a negotiate response: `application/json`, status 200, also where it holds an error.

use super::json::string::encode_str;
use super::transport::Transport;
use crate::proto::http::query;

/// Why a version can't be answered; [`encode_error`] gives the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionError {
    /// Not one 32-bit integer.
    NotInteger,
    /// Below 0, the lowest version there is.
    TooLow(i32),
}

/// Reads `negotiateVersion` of the query, a name without case: the version to answer, at most 1; 0
/// where the query has none.
pub(crate) fn version(query: &str) -> Result<u8, VersionError> {
    let mut values = query::values(query, "negotiateVersion");
    let Some(value) = values.next() else { return Ok(0) };
    if values.next().is_some() {
        // .NET reads several values as one with commas between, which is no integer.
        return Err(VersionError::NotInteger);
    }
    match value.trim_ascii().parse::<i32>() {
        Ok(0) => Ok(0),
        Ok(version @ ..0) => Err(VersionError::TooLow(version)),
        Ok(1..) => Ok(1),
        Err(_) => Err(VersionError::NotInteger),
    }
}

/// Returns whether the query asks for stateful reconnect: `useStatefulReconnect`, a name without
/// case, is true.
pub(crate) fn asks_for_stateful(query: &str) -> bool {
    let mut values = query::values(query, "useStatefulReconnect");
    // .NET reads several values as one with commas between, which is no boolean.
    let value = values.next().filter(|_| values.next().is_none());
    value.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case("true"))
}

/// What is offered to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer<'o> {
    /// At most 1. Version 0 knows no token: there the id is what the client comes back with.
    pub(crate) version: u8,
    /// What others may know of the connection.
    pub(crate) connection_id: &'o str,
    /// What the client comes back with.
    pub(crate) connection_token: &'o str,
    /// What it shows with that in the place of its token.
    pub(crate) access_token: Option<&'o str>,
    /// For how many seconds its token is good, where it may send a fresh one (.NET 11).
    pub(crate) token_lifetime_s: Option<usize>,
    /// Whether its connection may go on on another link. A client that has not asked breaks off
    /// where it is told so.
    pub(crate) is_stateful: bool,
    /// How bytes may travel.
    pub(crate) transports: &'o [Transport],
}

/// Appends the body: id, token (version 1 only) and the transports, in .NET's order of members.
pub(crate) fn encode(offer: Offer<'_>, out: &mut Vec<u8>) {
    let Offer { version, connection_id, connection_token, access_token, token_lifetime_s, is_stateful, transports } =
        offer;
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(if is_stateful { br#"{"useStatefulReconnect":true,"# } else { b"{" });
    out.extend_from_slice(br#""negotiateVersion":"#);
    out.extend_from_slice(digits.format(version).as_bytes());
    out.extend_from_slice(br#","connectionId":"#);
    encode_str(if version == 0 { connection_token } else { connection_id }, out);
    if version > 0 {
        out.extend_from_slice(br#","connectionToken":"#);
        encode_str(connection_token, out);
    }
    if let Some(access_token) = access_token {
        out.extend_from_slice(br#","accessToken":"#);
        encode_str(access_token, out);
    }
    if let Some(token_lifetime_s) = token_lifetime_s.filter(|_| version > 0) {
        out.extend_from_slice(br#","tokenLifetimeSeconds":"#);
        out.extend_from_slice(digits.format(token_lifetime_s).as_bytes());
    }
    out.extend_from_slice(br#","availableTransports":["#);
    for (nth, transport) in Transport::ALL.iter().filter(|transport| transports.contains(transport)).enumerate() {
        out.extend_from_slice(if nth > 0 { br#",{"transport":""# } else { br#"{"transport":""# });
        out.extend_from_slice(transport.name().as_bytes());
        out.extend_from_slice(br#"","transferFormats":["Text""#);
        out.extend_from_slice(if transport.is_binary() { br#","Binary"]}"# } else { b"]}" });
    }
    out.extend_from_slice(b"]}");
}

/// Appends the body that sends a client on: it negotiates again at that URL, and shows that there.
pub(crate) fn encode_redirect(url: &str, access_token: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"url":"#);
    encode_str(url, out);
    out.extend_from_slice(br#","accessToken":"#);
    encode_str(access_token, out);
    out.push(b'}');
}

/// Appends `{"error":"…"}`, with the text that .NET has for it.
pub(crate) fn encode_error(error: VersionError, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"error":"#);
    match error {
        VersionError::NotInteger => encode_str("The client requested a non-integer protocol version.", out),
        VersionError::TooLow(version) => encode_str(
            &format!("The client requested version '{version}', but the server does not support this version."),
            out,
        ),
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_at_most_one_and_zero_without_a_wish() {
        for (query, expected) in [
            ("", 0),
            ("id=7", 0),
            ("negotiateVersion=0", 0),
            ("negotiateVersion=1", 1),
            ("negotiateVersion=99", 1),
            ("tenant=a%20b&NegotiateVersion=1&useStatefulReconnect=true", 1),
            ("negotiateVersion=%31", 1),
            ("negotiateVersion=+1", 1),
        ] {
            assert_eq!(version(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for query in [
            "negotiateVersion=",
            "negotiateVersion",
            "negotiateVersion=1.0",
            "negotiateVersion=one",
            "negotiateVersion=4294967297",
            "negotiateVersion=1&negotiateversion=1",
        ] {
            assert_eq!(version(query), Err(VersionError::NotInteger), "{query}");
        }
        assert_eq!(version("negotiateVersion=-1"), Err(VersionError::TooLow(-1)));
    }

    #[test]
    fn stateful_reconnect_is_asked_for_by_one_boolean() {
        for query in [
            "useStatefulReconnect=true",
            "negotiateVersion=1&USESTATEFULRECONNECT=+True",
            "useStatefulReconnect=%74rue",
        ] {
            assert!(asks_for_stateful(query), "{query}");
        }
        for query in [
            "",
            "useStatefulReconnect",
            "useStatefulReconnect=1",
            "useStatefulReconnect=false",
            "useStatefulReconnect=true&useStatefulReconnect=true",
        ] {
            assert!(!asks_for_stateful(query), "{query}");
        }
    }

    #[test]
    fn bodies_are_those_of_dotnet() {
        let body = |version, is_stateful| {
            let mut out = Vec::new();
            let token_lifetime_s = (version == 0).then_some(60);
            let offer = Offer {
                version,
                connection_id: "an-id",
                connection_token: "a-token",
                access_token: None,
                token_lifetime_s,
                is_stateful,
                transports: &[Transport::WebSockets],
            };
            encode(offer, &mut out);
            String::from_utf8(out).expect("a body is text")
        };
        assert_eq!(
            body(0, false),
            r#"{"negotiateVersion":0,"connectionId":"a-token","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#
        );
        assert_eq!(
            body(1, false),
            r#"{"negotiateVersion":1,"connectionId":"an-id","connectionToken":"a-token","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#
        );
        assert_eq!(
            body(1, true),
            r#"{"useStatefulReconnect":true,"negotiateVersion":1,"connectionId":"an-id","connectionToken":"a-token","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}"#
        );
    }

    #[test]
    fn transports_are_offered_in_the_order_of_dotnet_whatever_that_of_the_list() {
        let names = |transports: &[Transport]| {
            let mut out = Vec::new();
            let offer = Offer {
                version: 1,
                connection_id: "i",
                connection_token: "t",
                access_token: None,
                token_lifetime_s: None,
                is_stateful: false,
                transports,
            };
            encode(offer, &mut out);
            let body: serde_json::Value = serde_json::from_slice(&out).expect("a body is JSON");
            let names = body["availableTransports"].as_array().expect("a list").iter();
            names.map(|offer| offer["transport"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        let [websockets, events, polling] = Transport::ALL;
        assert_eq!(names(&[polling, websockets, events]), ["WebSockets", "ServerSentEvents", "LongPolling"]);
        assert_eq!(names(&[polling, polling]), ["LongPolling"]);
    }

    #[test]
    fn errors_are_the_only_member() {
        let body = |error| {
            let mut out = Vec::new();
            encode_error(error, &mut out);
            String::from_utf8(out).expect("a body is text")
        };
        assert_eq!(
            body(VersionError::NotInteger),
            r#"{"error":"The client requested a non-integer protocol version."}"#
        );
        assert_eq!(
            body(VersionError::TooLow(-1)),
            r#"{"error":"The client requested version '-1', but the server does not support this version."}"#
        );
    }
}
