//! Results of hub methods, as values that every hub protocol can write.
//!
//! Not serde's `Serialize`: what serde_json makes of a control character is not what .NET makes of
//! it, and clients get the bytes that a .NET server would send.

use super::json::string::encode_str;
use super::messagepack::write;
use super::protocol::HubProtocol;
use uuid::Uuid;

/// What can be the result of a hub method. Nothing is collected first: it writes its parts.
///
/// ```
/// use rte::proto::signalr::protocol::HubProtocol;
/// use rte::proto::signalr::value::{Value, Writer};
///
/// struct Pair(bool, Option<&'static str>);
///
/// impl Value for Pair {
///     fn write(&self, out: &mut Writer<'_>) {
///         out.object(&[("is", &self.0), ("why", &self.1)]);
///     }
/// }
///
/// let mut bytes = Vec::new();
/// Pair(true, None).write(&mut Writer::new(HubProtocol::Json, &mut bytes));
/// assert_eq!(bytes, br#"{"is":true,"why":null}"#);
/// ```
pub trait Value {
    /// Appends the value, which is one of what the writer offers.
    fn write(&self, out: &mut Writer<'_>);
}

/// Takes one value in.
#[derive(Debug)]
pub struct Writer<'o> {
    protocol: HubProtocol,
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    /// Appends to `out`, in that protocol.
    pub fn new(protocol: HubProtocol, out: &'o mut Vec<u8>) -> Writer<'o> {
        Writer { protocol, out }
    }

    /// The protocol, and where its bytes go: for a value with a form of its own in each.
    pub(crate) fn parts(&mut self) -> (HubProtocol, &mut Vec<u8>) {
        (self.protocol, self.out)
    }

    /// Appends that there is nothing.
    pub(crate) fn null(&mut self) {
        match self.protocol {
            HubProtocol::Json => self.out.extend_from_slice(b"null"),
            HubProtocol::MessagePack => write::nil(self.out),
        }
    }

    /// Appends yes or no.
    pub(crate) fn bool(&mut self, value: bool) {
        match self.protocol {
            HubProtocol::Json => self.out.extend_from_slice(if value { b"true" } else { b"false" }),
            HubProtocol::MessagePack => write::bool(value, self.out),
        }
    }

    /// Appends a whole number.
    pub fn number(&mut self, number: usize) {
        match self.protocol {
            HubProtocol::Json => self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            HubProtocol::MessagePack => write::unsigned(number as u64, self.out),
        }
    }

    /// Appends a string.
    pub(crate) fn text(&mut self, text: &str) {
        match self.protocol {
            HubProtocol::Json => encode_str(text, self.out),
            HubProtocol::MessagePack => write::text(text, self.out),
        }
    }

    /// Appends a value that was written before, in the same protocol.
    pub fn written(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    /// Appends a list: `each` writes the value of an item.
    pub(crate) fn list<I: ExactSizeIterator>(&mut self, items: I, mut each: impl FnMut(I::Item, &mut Writer<'_>)) {
        match self.protocol {
            HubProtocol::Json => {
                self.out.push(b'[');
                for (n, item) in items.enumerate() {
                    self.separate(n);
                    each(item, self);
                }
                self.out.push(b']');
            }
            HubProtocol::MessagePack => {
                write::array(items.len(), self.out);
                items.for_each(|item| each(item, self));
            }
        }
    }

    /// Appends an object with these members, in this order.
    pub fn object(&mut self, members: &[(&str, &dyn Value)]) {
        match self.protocol {
            HubProtocol::Json => {
                self.out.push(b'{');
                for (n, (name, value)) in members.iter().enumerate() {
                    self.separate(n);
                    encode_str(name, self.out);
                    self.out.push(b':');
                    value.write(self);
                }
                self.out.push(b'}');
            }
            HubProtocol::MessagePack => {
                write::map(members.len(), self.out);
                for (name, value) in members {
                    write::text(name, self.out);
                    value.write(self);
                }
            }
        }
    }

    fn separate(&mut self, n: usize) {
        if n > 0 {
            self.out.push(b',');
        }
    }
}

impl Value for bool {
    fn write(&self, out: &mut Writer<'_>) {
        out.bool(*self);
    }
}

impl Value for usize {
    fn write(&self, out: &mut Writer<'_>) {
        out.number(*self);
    }
}

impl Value for &str {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(self);
    }
}

/// In lower case, with hyphens.
impl Value for Uuid {
    fn write(&self, out: &mut Writer<'_>) {
        out.text(self.hyphenated().encode_lower(&mut [0; uuid::fmt::Hyphenated::LENGTH]));
    }
}

impl<T: Value> Value for Option<T> {
    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Some(value) => value.write(out),
            None => out.null(),
        }
    }
}

impl<T: Value> Value for &[T] {
    fn write(&self, out: &mut Writer<'_>) {
        out.list(self.iter(), |item, out| item.write(out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &dyn Value) -> String {
        let mut out = Vec::new();
        value.write(&mut Writer::new(HubProtocol::Json, &mut out));
        String::from_utf8(out).expect("JSON is text")
    }

    struct Object<'v>(&'v [(&'v str, &'v dyn Value)]);

    impl Value for Object<'_> {
        fn write(&self, out: &mut Writer<'_>) {
            out.object(self.0);
        }
    }

    #[test]
    fn values_are_written_as_json_whatever_is_nested_in_what() {
        let entity = Uuid::from_u128(0xABCD);
        let none: Option<&str> = None;
        assert_eq!(json(&Object(&[])), "{}");
        assert_eq!(json(&[&[][..], &[true, false][..]].as_slice()), "[[],[true,false]]");
        assert_eq!(
            json(&Object(&[("a\"", &Some("\u{1e}")), ("b", &none), ("c", &Object(&[("d", &entity)]))])),
            r#"{"a\"":"\u001E","b":null,"c":{"d":"00000000-0000-0000-0000-00000000abcd"}}"#
        );
    }
}
