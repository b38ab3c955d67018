//! What clients send: a message to a [`HubMessage`].
//!
//! Elements behind those that a message needs are passed over, as .NET does: a later protocol may
//! have more. The two of an Invocation that JavaScript leaves out, and that of its Close, may be
//! missing.

use super::read::{Reader, Value};
use crate::proto::signalr::message::{BindError, Given, HubMessage, Item, Malformed};
use smallvec::SmallVec;

/// Reads one message, without its length.
///
/// `depth_max` bounds the nesting of maps and arrays, the message included. An unknown integer type
/// makes it [`HubMessage::Unknown`] whatever else is in it.
pub(crate) fn parse(message: &[u8], depth_max: usize) -> Result<HubMessage<'_, MessagePackArguments<'_>>, Malformed> {
    let mut reader = Reader::new(message);
    let Some(Value::Array(len)) = reader.value() else {
        return malformed("Reading array length for 'elementCount' failed.");
    };
    let mut elements = Elements { reader, left: len, depth_max: depth_max.saturating_sub(1) };
    let message_type = elements.message_type()?;
    let read = match message_type {
        1 => {
            elements.headers()?;
            let id = elements.text_or_nil("Reading 'invocationId' as String failed.")?.filter(|id| !id.is_empty());
            let (target, arguments) = elements.call()?;
            HubMessage::Invocation { id, target, arguments, streams: elements.streams()? }
        }
        2 => {
            elements.headers()?;
            elements.id()?;
            elements.skip("Deserializing object of the item failed.")?;
            HubMessage::StreamItem
        }
        3 => {
            elements.headers()?;
            elements.id()?;
            match elements.int("Reading 'resultKind' as Int32 failed.")? {
                1 => drop(elements.text_or_nil("Reading 'error' as String failed.")?),
                2 => {}
                3 => elements.skip("Deserializing object of the result failed.")?,
                _ => return malformed("Invalid invocation result kind."),
            }
            HubMessage::Completion
        }
        4 => {
            elements.headers()?;
            let id = elements.id()?;
            let (target, arguments) = elements.call()?;
            elements.streams()?;
            HubMessage::StreamInvocation { id, target, arguments }
        }
        5 => {
            elements.headers()?;
            elements.id()?;
            HubMessage::CancelInvocation
        }
        6 => HubMessage::Ping,
        7 => HubMessage::Close(elements.text_or_nil("Reading 'error' as String failed.")?),
        8 | 9 => {
            let number = elements.int("Reading 'sequenceId' as Int64 failed.")?;
            // No message has a number below 1.
            let number = u64::try_from(number).unwrap_or_default();
            if message_type == 8 { HubMessage::Ack(number) } else { HubMessage::Sequence(number) }
        }
        _ => HubMessage::Unknown,
    };
    elements.end()?;
    Ok(read)
}

const fn malformed<T>(message: &'static str) -> Result<T, Malformed> {
    Err(Malformed { message })
}

/// The elements of a message, in their order.
struct Elements<'r> {
    reader: Reader<'r>,
    left: usize,
    depth_max: usize,
}

impl<'r> Elements<'r> {
    fn value(&mut self, message: &'static str) -> Result<Value<'r>, Malformed> {
        self.left = self.left.checked_sub(1).ok_or(Malformed { message })?;
        self.reader.value().ok_or(Malformed { message })
    }

    fn message_type(&mut self) -> Result<i64, Malformed> {
        const MESSAGE: &str = "Reading 'messageType' as Int32 failed.";
        let number = self.int(MESSAGE)?;
        i32::try_from(number).map(i64::from).map_err(|_| Malformed { message: MESSAGE })
    }

    fn int(&mut self, message: &'static str) -> Result<i64, Malformed> {
        self.value(message)?.as_int().ok_or(Malformed { message })
    }

    fn text_or_nil(&mut self, message: &'static str) -> Result<Option<&'r str>, Malformed> {
        let value = self.value(message)?;
        if value == Value::Nil { Ok(None) } else { value.as_text().map(Some).ok_or(Malformed { message }) }
    }

    fn id(&mut self) -> Result<&'r str, Malformed> {
        const MESSAGE: &str = "Reading 'invocationId' as String failed.";
        let id = self.text_or_nil(MESSAGE)?.filter(|id| !id.is_empty());
        id.ok_or(Malformed { message: MESSAGE })
    }

    /// Headers hold tokens: nothing of them is kept or repeated.
    fn headers(&mut self) -> Result<(), Malformed> {
        const MESSAGE: &str = "Reading map length for 'headers' failed.";
        let Value::Map(len) = self.value(MESSAGE)? else { return malformed(MESSAGE) };
        let read = len.checked_mul(2).and_then(|texts| self.reader.skip_texts(texts));
        read.ok_or(Malformed { message: "Reading 'headers' as String failed." })
    }

    /// Target and arguments.
    fn call(&mut self) -> Result<(&'r str, MessagePackArguments<'r>), Malformed> {
        const TARGET: &str = "Null or empty target.";
        const ARGUMENTS: &str = "Reading array length for 'arguments' failed.";
        let target = self.text_or_nil("Reading 'target' as String failed.")?.filter(|target| !target.is_empty());
        let target = target.ok_or(Malformed { message: TARGET })?;
        let Value::Array(count) = self.value(ARGUMENTS)? else { return malformed(ARGUMENTS) };
        let bytes = self.reader.rest();
        let skipped = self.reader.skip_all(count, self.depth_max.saturating_sub(1));
        skipped.ok_or(Malformed { message: "Deserializing object of the arguments failed." })?;
        let bytes = bytes.get(..bytes.len() - self.reader.rest().len()).unwrap_or_default();
        Ok((target, MessagePackArguments { count, bytes }))
    }

    /// How many upload streams are announced, where they are spoken of.
    fn streams(&mut self) -> Result<usize, Malformed> {
        const MESSAGE: &str = "Reading array length for 'streamIds' failed.";
        if self.left == 0 {
            return Ok(0);
        }
        let len = match self.value(MESSAGE)? {
            Value::Nil => 0,
            Value::Array(len) => len,
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Map(_) | Value::Other => {
                return malformed(MESSAGE);
            }
        };
        let read = self.reader.skip_texts(len).map(|()| len);
        read.ok_or(Malformed { message: "Reading 'streamIds' as String failed." })
    }

    fn skip(&mut self, message: &'static str) -> Result<(), Malformed> {
        self.left = self.left.checked_sub(1).ok_or(Malformed { message })?;
        self.reader.skip(self.depth_max).map(drop).ok_or(Malformed { message })
    }

    /// Nothing may be broken behind what was read, and nothing may follow the message.
    fn end(mut self) -> Result<(), Malformed> {
        let rest = self.reader.skip_all(self.left, self.depth_max).map(|()| self.reader.rest());
        match rest {
            Some([]) => Ok(()),
            _ => malformed("Reading the message failed."),
        }
    }
}

/// The arguments of one invocation: values that are whole, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessagePackArguments<'r> {
    count: usize,
    bytes: &'r [u8],
}

impl<'r> MessagePackArguments<'r> {
    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// See [`Arguments::text`](crate::proto::signalr::codec::Arguments::text).
    pub(crate) fn text(&self) -> Result<&'r str, BindError> {
        Reader::new(self.bytes).value().and_then(Value::as_text).ok_or(BindError)
    }

    /// See [`Arguments::item_count`](crate::proto::signalr::codec::Arguments::item_count).
    pub(crate) fn item_count(&self) -> usize {
        match Reader::new(self.bytes).value() {
            Some(Value::Array(len)) => len,
            _ => 0,
        }
    }

    /// See [`Arguments::items`](crate::proto::signalr::codec::Arguments::items).
    pub(crate) fn items(&self, items: &mut SmallVec<[Item<'r>; 8]>) -> Result<(), BindError> {
        let mut reader = Reader::new(self.bytes);
        let Some(Value::Array(len)) = reader.value() else { return Err(BindError) };
        for _ in 0..len {
            items.push(bind_item(&mut reader)?);
        }
        Ok(())
    }
}

/// Binds one item as the JSON protocol does: names without case, unknown ones passed over, the last
/// of several counts.
fn bind_item<'r>(reader: &mut Reader<'r>) -> Result<Item<'r>, BindError> {
    let mut item = Item::EMPTY;
    let len = match reader.value() {
        Some(Value::Map(len)) => len,
        Some(Value::Nil) => return Ok(item),
        _ => return Err(BindError),
    };
    for _ in 0..len {
        let Some(Value::Text(name)) = reader.value() else { return Err(BindError) };
        if name.eq_ignore_ascii_case("EntityId") {
            item.entity_id = bind_text(reader)?;
        } else if name.eq_ignore_ascii_case("EventName") {
            item.event_name = bind_text(reader)?;
        } else if name.eq_ignore_ascii_case("Snapshot") {
            match optional(reader, bind_bool)? {
                Some(snapshot) => item.snapshot = snapshot,
                None => item.is_mistyped = true,
            }
        } else if name.eq_ignore_ascii_case("Since") {
            match optional(reader, bind_text)? {
                Some(since) => item.since = Some(since),
                None => item.is_mistyped = true,
            }
        } else {
            // It was passed over once, within its depth.
            reader.skip(usize::MAX).ok_or(BindError)?;
        }
    }
    Ok(item)
}

/// Binds a member of one value and passes over all of it, whatever it is; `None` where it has a
/// type that the member does not take.
fn optional<'r, T>(
    reader: &mut Reader<'r>,
    bind: impl FnOnce(&mut Reader<'r>) -> Result<T, BindError>,
) -> Result<Option<T>, BindError> {
    let mut member = *reader;
    // It was passed over once, within its depth.
    reader.skip(usize::MAX).ok_or(BindError)?;
    Ok(bind(&mut member).ok())
}

fn bind_text<'r>(reader: &mut Reader<'r>) -> Result<Given<'r>, BindError> {
    match reader.value() {
        Some(Value::Text(text)) => Ok(Given::Text(text)),
        Some(Value::Nil) => Ok(Given::Missing),
        _ => Err(BindError),
    }
}

fn bind_bool(reader: &mut Reader<'_>) -> Result<Option<bool>, BindError> {
    match reader.value() {
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(Value::Nil) => Ok(None),
        _ => Err(BindError),
    }
}
