//! The attributes of a CloudEvent in binary mode: headers that begin with `ce-`.

use super::item::{Dialect, Field};
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// What all their names begin with.
const PREFIX: &str = "ce-";
/// The headers that tell binary mode: the one that every event has, and the one that nobody leaves
/// out by mistake.
const TELLING: [&str; 2] = ["ce-specversion", "ce-type"];

/// The attributes that mean something here, as JSON texts, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(Field, String)>);

impl Attributes {
    /// Reads them from the headers of a request, pairs of name and value. Without a telling one
    /// there are none.
    pub(super) fn of<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone) -> Attributes {
        if !headers.clone().any(|(name, _)| TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling))) {
            return Attributes::default();
        }
        let attributes = headers.filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let field = Dialect::CloudEvents.member(name.strip_prefix(PREFIX)?)?;
            // The data is the body, and its type the content type.
            let is_attribute = !matches!(field, Field::Data | Field::DataBase64 | Field::DataContentType);
            is_attribute.then(|| (field, serde_json::Value::from(decoded(value)).to_string()))
        });
        Attributes(attributes.collect())
    }

    /// Whether there are any: the request is one of binary mode.
    pub(super) fn are_there(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        self.0.iter().map(|(field, json)| (*field, json.as_str()))
    }
}

/// The value of an attribute. CloudEvents HTTP binding, section 3.1.3.2: what is in double quotes
/// is taken out of them, then percent-decoded; SDKs differ in whether they encode, so a `%` that
/// begins no escape stands for itself.
fn decoded(value: &[u8]) -> String {
    let value = value.trim_ascii();
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let unquoted: Cow<'_, [u8]> = match quoted {
        None => value.into(),
        Some(quoted) => {
            let mut is_escaped = false;
            let kept = quoted.iter().copied().filter(|byte| {
                is_escaped = *byte == b'\\' && !is_escaped;
                !is_escaped
            });
            kept.collect::<Vec<u8>>().into()
        }
    };
    percent_decode(&unquoted).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Vec<(Field, String)> {
        Attributes::of(headers.iter().map(|(name, value)| (*name, value.as_bytes()))).0
    }

    #[test]
    fn what_means_something_is_kept_and_only_with_a_telling_header() {
        let headers = [
            ("Ce-Type", "com.acme.QueueStatus"),
            ("content-type", "application/json"),
            ("ce-id", "1"),
            ("ce-time", "2024-05-31T14:02:11Z"),
            ("ce-traceparent", "00-x"),
            ("CE-OrganizationId", "x"),
            ("ce-data", "{}"),
        ];
        let expected =
            [(Field::EventName, "\"com.acme.QueueStatus\""), (Field::Id, "\"1\""), (Field::OrganizationId, "\"x\"")];
        assert_eq!(read(&headers), expected.map(|(field, json)| (field, json.to_owned())));
        assert_eq!(read(&headers[1..]), []);
    }

    #[test]
    fn values_are_unquoted_and_percent_decoded() {
        for (value, expected) in [
            ("plain", "plain"),
            (" padded ", "padded"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("100%", "100%"),
            ("\"a \\\"b\\\\\"", "a \"b\\"),
            ("%FF", "\u{FFFD}"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(decoded(value.as_bytes()), expected, "{value}");
        }
    }
}
