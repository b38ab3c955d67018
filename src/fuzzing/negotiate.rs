//! Negotiate: whatever is asked, the answer is JSON of the documented form.

use super::naive;
use super::script::{self, Line, Stage};
use super::transcript::Transcript;
use crate::proto::http::query;
use serde_json::{Value, json};

/// The input is the query of a negotiate request with a good token. The answer is an error in JSON,
/// or the version that a naive reader of the query expects, with an id and, from version 1 on, a
/// token that is another text.
///
/// # Panics
/// The route is wrong.
pub fn negotiate(data: &[u8], transcript: &mut Transcript<'_>) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let head = format!("aPOST /rte/negotiate?{text} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{client}}\r\n\r\n");
    let mut stage = Stage::new(script::small_limits());
    script::read(head.as_bytes()).iter().for_each(|line: &Line| stage.play(line, &mut || usize::MAX));
    let Some(peer) = stage.peers().first() else { return };
    transcript.say(|| peer.heard.escape_ascii().to_string());
    let reply = std::str::from_utf8(&peer.heard).unwrap_or_default();
    let Some((head, body)) = reply.split_once("\r\n\r\n") else {
        assert!(text.is_empty() || !head_is_plain(text), "no answer: {reply:?}");
        return;
    };
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.get(9..12);
        let is_refused = matches!(status, Some("400" | "401" | "404" | "414" | "431" | "505"));
        assert!(is_refused && (status == Some("401") || !head_is_plain(text)), "{head}");
        return;
    }
    let asked: Vec<String> = query::pairs(text)
        .filter(|(name, _)| name.eq_ignore_ascii_case("negotiateVersion"))
        .map(|(_, value)| value.trim_ascii().to_owned())
        .collect();
    let asked = match asked.as_slice() {
        [] => Some(0),
        [one] => one.parse::<i32>().ok(),
        [..] => None,
    };
    let members = naive::members(body).unwrap_or_default();
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let value = |name: &str| members.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
    let filled = |name: &str| value(name).and_then(naive::string).filter(|text| !text.is_empty());
    match asked {
        None | Some(..0) => assert!(names == ["error"] && filled("error").is_some(), "{body}"),
        Some(version) => {
            let version = version.min(1);
            let named: Vec<String> = query::pairs(text)
                .filter(|(name, _)| name.eq_ignore_ascii_case("useStatefulReconnect"))
                .map(|(_, value)| value.trim_ascii().to_ascii_lowercase())
                .collect();
            let is_stateful = version > 0 && named == ["true"];
            assert_eq!(value("useStatefulReconnect"), is_stateful.then_some("true"), "{body}");
            let expected: &[&str] = if version == 0 {
                &["negotiateVersion", "connectionId", "availableTransports"]
            } else {
                &["negotiateVersion", "connectionId", "connectionToken", "tokenLifetimeSeconds", "availableTransports"]
            };
            assert_eq!(names.get(usize::from(is_stateful)..), Some(expected), "{body}");
            assert_eq!(value("negotiateVersion"), Some(version.to_string().as_str()), "{body}");
            assert!(filled("connectionId").is_some() && filled("connectionId") != filled("connectionToken"), "{body}");
            let transports = value("availableTransports").and_then(|text| serde_json::from_str::<Value>(text).ok());
            let offers = |name: &str| {
                let list = transports.as_ref().and_then(Value::as_array);
                list.is_some_and(|list| list.iter().any(|one| one.get("transport") == Some(&json!(name))))
            };
            assert!(offers("WebSockets"), "{body}");
        }
    }
}

/// Whether a query can stand in a request line as it is, and fits.
fn head_is_plain(text: &str) -> bool {
    text.len() < 500
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"=&%+-_.".contains(&byte))
        && !text.to_ascii_lowercase().contains("token")
}
