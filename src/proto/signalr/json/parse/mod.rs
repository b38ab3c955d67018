//! What clients send: a record to a [`HubMessage`].
//!
//! simd-json alone decides what is JSON here. It takes RFC 8259 to the letter and refuses two
//! things that .NET lets pass: a lone surrogate escape in any string, and a number beyond the range
//! of a double (`1e400`). Integers of any length are taken. A byte behind the object, which .NET
//! doesn't look at, makes a record malformed.

use std::mem;

use simd_json::{Buffers, Node, StaticNode, Tape};
use smallvec::SmallVec;

use crate::limits::Limits;
use crate::proto::signalr::message::{BindError, Given, HubMessage, Item, Malformed};

const fn malformed<T>(message: &'static str) -> Result<T, Malformed> {
    Err(Malformed { message })
}

/// The reader, with the memory it reuses. One per shard: it grows with the longest record and is
/// kept, at most about 60 bytes for each byte of that record.
pub(crate) struct Parser {
    buffers: Buffers,
    depth_max: usize,
    /// Empty between records.
    tape: Tape<'static>,
}

impl Default for Parser {
    fn default() -> Self {
        Parser::new(Limits::DEFAULT.json_depth_max)
    }
}

impl Parser {
    fn new(depth_max: usize) -> Self {
        Parser { buffers: Buffers::with_max_depth(0, depth_max), depth_max, tape: Tape(Vec::new()) }
    }

    /// Reads one record (without its separator) and hands the message to `then`. The record is
    /// spoilt.
    ///
    /// `depth_max` bounds the nesting of objects and arrays, the envelope included, as .NET's
    /// MaxDepth does. A change of it from one record to the next drops the memory kept.
    ///
    /// The envelope's members come in any order; names are compared with case, unknown ones passed
    /// over; of a member given twice the last counts, but none may be mistyped. An unknown integer
    /// type makes the record [`HubMessage::Unknown`] whatever else is in it: a later protocol may
    /// give the members other types.
    pub(crate) fn parse<T>(
        &mut self,
        record: &mut [u8],
        depth_max: usize,
        then: impl for<'t, 'r> FnOnce(HubMessage<'r, JsonArguments<'t, 'r>>) -> T,
    ) -> Result<T, Malformed> {
        if depth_max != self.depth_max {
            *self = Parser::new(depth_max);
        }
        let mut tape = Tape(mem::take(&mut self.tape.0));
        let read = match simd_json::fill_tape(record, &mut self.buffers, &mut tape) {
            Ok(()) => read_message(&tape.0).map(then),
            Err(_) => malformed("Error reading JSON."),
        };
        self.tape = tape.reset();
        read
    }
}

/// One value on the tape.
#[derive(Clone, Copy)]
struct Value<'t, 'r> {
    node: Node<'r>,
    /// The nodes inside an array or object.
    nested: &'t [Node<'r>],
}

impl<'r> Value<'_, 'r> {
    fn as_str(&self) -> Option<&'r str> {
        match self.node {
            Node::String(text) => Some(text),
            Node::Object { .. } | Node::Array { .. } | Node::Static(_) => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self.node {
            Node::Static(StaticNode::I64(number)) => Some(number),
            Node::Static(StaticNode::U64(number)) => i64::try_from(number).ok(),
            Node::Static(StaticNode::F64(_) | StaticNode::Bool(_) | StaticNode::Null)
            | Node::String(_)
            | Node::Object { .. }
            | Node::Array { .. } => None,
        }
    }

    fn as_bool(&self) -> Option<bool> {
        match self.node {
            Node::Static(StaticNode::Bool(flag)) => Some(flag),
            Node::Static(StaticNode::I64(_) | StaticNode::U64(_) | StaticNode::F64(_) | StaticNode::Null)
            | Node::String(_)
            | Node::Object { .. }
            | Node::Array { .. } => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.node, Node::Static(StaticNode::Null))
    }
}

/// The values that lie side by side in a stretch of the tape: the elements of an array, or an
/// object's names and values by turns.
#[derive(Clone, Copy)]
struct Values<'t, 'r>(&'t [Node<'r>]);

impl<'t, 'r> Iterator for Values<'t, 'r> {
    type Item = Value<'t, 'r>;

    fn next(&mut self) -> Option<Value<'t, 'r>> {
        let (node, rest) = self.0.split_first()?;
        let span = match node {
            Node::Object { count, .. } | Node::Array { count, .. } => *count,
            Node::String(_) | Node::Static(_) => 0,
        };
        let (nested, rest) = rest.split_at_checked(span)?;
        self.0 = rest;
        Some(Value { node: *node, nested })
    }
}

/// The members of an object.
struct Members<'t, 'r>(Values<'t, 'r>);

impl<'t, 'r> Iterator for Members<'t, 'r> {
    type Item = (&'r str, Value<'t, 'r>);

    fn next(&mut self) -> Option<(&'r str, Value<'t, 'r>)> {
        Some((self.0.next()?.as_str()?, self.0.next()?))
    }
}

/// The members of an envelope that any message type has a use for.
#[derive(Default)]
struct Envelope<'t, 'r> {
    message_type: Option<i64>,
    id: Option<&'r str>,
    target: Option<&'r str>,
    arguments: Option<JsonArguments<'t, 'r>>,
    streams: usize,
    error: Option<&'r str>,
    has_item: bool,
    has_result: bool,
    sequence_id: Option<i64>,
}

impl<'t, 'r> Envelope<'t, 'r> {
    /// Takes one member; `Err` where it is mistyped. .NET looks at all of them, whatever the
    /// message type.
    fn set(&mut self, name: &str, value: Value<'t, 'r>) -> Result<(), Malformed> {
        match name {
            "type" => {
                self.message_type = value.as_i64().filter(|number| i32::try_from(*number).is_ok());
                expect(self.message_type, "Expected 'type' to be of type Number.")?;
            }
            // An empty id is none.
            "invocationId" => {
                let id = expect(value.as_str(), "Expected 'invocationId' to be of type String.")?;
                self.id = Some(id).filter(|id| !id.is_empty());
            }
            "target" => {
                let target = expect(value.as_str(), "Expected 'target' to be of type String.")?;
                self.target = Some(target).filter(|target| !target.is_empty());
            }
            "arguments" => {
                let Node::Array { len, .. } = value.node else {
                    return malformed("Expected 'arguments' to be of type Array.");
                };
                self.arguments = Some(JsonArguments { count: len, nodes: value.nested });
            }
            "streamIds" => {
                let Node::Array { len, .. } = value.node else {
                    return malformed("Expected 'streamIds' to be of type Array.");
                };
                if Values(value.nested).any(|id| id.as_str().is_none()) {
                    return malformed("Expected 'streamIds' to be of type String.");
                }
                self.streams = len;
            }
            "headers" => {
                if !matches!(value.node, Node::Object { .. }) {
                    return malformed("Expected 'headers' to be of type StartObject.");
                }
                // .NET names the header; it stays unsaid here, since nothing of the headers, which
                // hold tokens, is reflected.
                if Members(Values(value.nested)).any(|(_, header)| header.as_str().is_none()) {
                    return malformed("Expected header to be of type String.");
                }
            }
            "error" => self.error = Some(expect(value.as_str(), "Expected 'error' to be of type String.")?),
            "allowReconnect" => {
                expect(value.as_bool(), "Expected 'allowReconnect' to be true or false.")?;
            }
            "item" => self.has_item = true,
            "result" => self.has_result = true,
            "sequenceId" => {
                self.sequence_id = Some(expect(value.as_i64(), "Expected 'sequenceId' to be of type Number.")?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the message of its type, 1 to 9, once all that the type requires is there.
    fn into_message(self, message_type: i64) -> Result<HubMessage<'r, JsonArguments<'t, 'r>>, Malformed> {
        const ID: &str = "Missing required property 'invocationId'.";
        const TARGET: &str = "Missing required property 'target'.";
        const ARGUMENTS: &str = "Missing required property 'arguments'.";
        Ok(match message_type {
            1 => HubMessage::Invocation {
                id: self.id,
                target: expect(self.target, TARGET)?,
                arguments: expect(self.arguments, ARGUMENTS)?,
                streams: self.streams,
            },
            2 => {
                expect(self.id, ID)?;
                if !self.has_item {
                    return malformed("Missing required property 'item'.");
                }
                HubMessage::StreamItem
            }
            3 => {
                expect(self.id, ID)?;
                if self.error.is_some() && self.has_result {
                    return malformed("The 'error' and 'result' properties are mutually exclusive.");
                }
                HubMessage::Completion
            }
            4 => HubMessage::StreamInvocation {
                id: expect(self.id, ID)?,
                target: expect(self.target, TARGET)?,
                arguments: expect(self.arguments, ARGUMENTS)?,
            },
            5 => {
                expect(self.id, ID)?;
                HubMessage::CancelInvocation
            }
            6 => HubMessage::Ping,
            7 => HubMessage::Close(self.error),
            8 | 9 => {
                let number = expect(self.sequence_id, "Missing required property 'sequenceId'.")?;
                // No message has a number below 1.
                let number = u64::try_from(number).unwrap_or_default();
                if message_type == 8 { HubMessage::Ack(number) } else { HubMessage::Sequence(number) }
            }
            _ => HubMessage::Unknown,
        })
    }
}

fn expect<T>(value: Option<T>, message: &'static str) -> Result<T, Malformed> {
    value.ok_or(Malformed { message })
}

fn read_message<'t, 'r>(tape: &'t [Node<'r>]) -> Result<HubMessage<'r, JsonArguments<'t, 'r>>, Malformed> {
    let record = expect(Values(tape).next(), "Error reading JSON.")?;
    expect_object(&record)?;
    let mut envelope = Envelope::default();
    let mut mistyped = Ok(());
    for (name, value) in Members(Values(record.nested)) {
        mistyped = mistyped.and(envelope.set(name, value));
    }
    match (envelope.message_type, mistyped) {
        (Some(..1 | 10..), _) => Ok(HubMessage::Unknown),
        (_, Err(error)) => Err(error),
        (Some(message_type), Ok(())) => envelope.into_message(message_type),
        (None, Ok(())) => malformed("Missing required property 'type'."),
    }
}

fn expect_object(record: &Value<'_, '_>) -> Result<(), Malformed> {
    match record.node {
        Node::Object { .. } => Ok(()),
        Node::Array { .. } => malformed("Unexpected JSON Token Type 'Array'. Expected a JSON Object."),
        Node::String(_) => malformed("Unexpected JSON Token Type 'String'. Expected a JSON Object."),
        Node::Static(StaticNode::Null) => malformed("Unexpected JSON Token Type 'Null'. Expected a JSON Object."),
        Node::Static(StaticNode::Bool(true)) => malformed("Unexpected JSON Token Type 'True'. Expected a JSON Object."),
        Node::Static(StaticNode::Bool(false)) => {
            malformed("Unexpected JSON Token Type 'False'. Expected a JSON Object.")
        }
        Node::Static(StaticNode::I64(_) | StaticNode::U64(_) | StaticNode::F64(_)) => {
            malformed("Unexpected JSON Token Type 'Number'. Expected a JSON Object.")
        }
    }
}

/// The arguments of one invocation, on the tape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonArguments<'t, 'r> {
    count: usize,
    nodes: &'t [Node<'r>],
}

impl<'r> JsonArguments<'_, 'r> {
    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// See [`Arguments::text`](crate::proto::signalr::codec::Arguments::text).
    pub(crate) fn text(&self) -> Result<&'r str, BindError> {
        Values(self.nodes).next().and_then(|value| value.as_str()).ok_or(BindError)
    }

    /// See [`Arguments::item_count`](crate::proto::signalr::codec::Arguments::item_count).
    pub(crate) fn item_count(&self) -> usize {
        match self.nodes.first() {
            Some(Node::Array { len, .. }) => *len,
            _ => 0,
        }
    }

    /// See [`Arguments::items`](crate::proto::signalr::codec::Arguments::items).
    pub(crate) fn items(&self, items: &mut SmallVec<[Item<'r>; 8]>) -> Result<(), BindError> {
        let list = Values(self.nodes).next().ok_or(BindError)?;
        if !matches!(list.node, Node::Array { .. }) {
            return Err(BindError);
        }
        for value in Values(list.nested) {
            items.push(bind_item(value)?);
        }
        Ok(())
    }
}

/// Binds one item as .NET binds an object: names without case, unknown ones passed over, the last
/// of several counts.
fn bind_item<'r>(value: Value<'_, 'r>) -> Result<Item<'r>, BindError> {
    let mut item = Item::EMPTY;
    match value.node {
        Node::Static(StaticNode::Null) => return Ok(item),
        Node::Object { .. } => {}
        Node::String(_) | Node::Array { .. } | Node::Static(_) => return Err(BindError),
    }
    for (name, value) in Members(Values(value.nested)) {
        if name.eq_ignore_ascii_case("EntityId") {
            item.entity_id = bind_text(&value)?;
        } else if name.eq_ignore_ascii_case("EventName") {
            item.event_name = bind_text(&value)?;
        } else if name.eq_ignore_ascii_case("Snapshot") {
            match bind_bool(&value) {
                Ok(snapshot) => item.snapshot = snapshot,
                Err(BindError) => item.is_mistyped = true,
            }
        } else if name.eq_ignore_ascii_case("Since") {
            match bind_text(&value) {
                Ok(since) => item.since = Some(since),
                Err(BindError) => item.is_mistyped = true,
            }
        }
    }
    Ok(item)
}

fn bind_text<'r>(value: &Value<'_, 'r>) -> Result<Given<'r>, BindError> {
    match value.as_str() {
        Some(text) => Ok(Given::Text(text)),
        None if value.is_null() => Ok(Given::Missing),
        None => Err(BindError),
    }
}

fn bind_bool(value: &Value<'_, '_>) -> Result<Option<bool>, BindError> {
    match value.node {
        Node::Static(StaticNode::Bool(bool)) => Ok(Some(bool)),
        Node::Static(StaticNode::Null) => Ok(None),
        Node::String(_) | Node::Array { .. } | Node::Object { .. } | Node::Static(_) => Err(BindError),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
