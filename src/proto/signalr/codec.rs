//! The one door to the hub protocols: what cuts messages out of a stream, what reads them, what
//! writes them.
//!
//! ```text
//!   bytes ─▶ next_message ─▶ Parser::parse ─▶ HubMessage      ServerMessage ─▶ encode ─▶ bytes
//! ```

use super::framing::{Records, TooLong};
use super::json::{self, JsonArguments};
use super::message::{BindError, HubMessage, Item, Malformed, ServerMessage};
use super::messagepack::{self, MessagePackArguments};
use super::protocol::HubProtocol;
use smallvec::SmallVec;

impl HubProtocol {
    /// Returns the bytes of the next message; `rest` moves behind it. `None` when `rest` holds no
    /// further whole one.
    ///
    /// # Errors
    /// It is longer than the bound: see [`Records::next`].
    pub(crate) fn next_message<'r, 'p: 'r>(
        self,
        records: &'r mut Records,
        rest: &mut &'p mut [u8],
        bytes_max: usize,
    ) -> Result<Option<&'r mut [u8]>, TooLong> {
        match self {
            HubProtocol::Json => records.next(rest, bytes_max),
            HubProtocol::MessagePack => records.next_prefixed(rest, bytes_max),
        }
    }

    /// Appends one message, framed.
    ///
    /// ```
    /// use rte::proto::signalr::message::ServerMessage;
    /// use rte::proto::signalr::protocol::HubProtocol;
    ///
    /// let mut out = Vec::new();
    /// HubProtocol::Json.encode(&ServerMessage::Completion { id: "7", result: Ok(&true) }, &mut out);
    /// assert_eq!(out, b"{\"type\":3,\"invocationId\":\"7\",\"result\":true}\x1e");
    /// ```
    pub fn encode(self, message: &ServerMessage<'_>, out: &mut Vec<u8>) {
        match self {
            HubProtocol::Json => json::encode(message, out),
            HubProtocol::MessagePack => messagepack::encode(message, out),
        }
    }
}

/// Reads messages, with the memory that it reuses. One per shard: it grows with the longest message
/// and is kept.
#[derive(Default)]
pub(crate) struct Parser {
    json: json::Parser,
}

impl Parser {
    /// Reads one message, without what frames it, and hands it to `then`. Its bytes are spoilt.
    ///
    /// `depth_max` bounds the nesting of objects and arrays, the envelope included.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn parse<T>(
        &mut self,
        protocol: HubProtocol,
        message: &mut [u8],
        depth_max: usize,
        then: impl for<'t, 'r> FnOnce(HubMessage<'r, Arguments<'t, 'r>>) -> T,
    ) -> Result<T, Malformed> {
        match protocol {
            HubProtocol::Json => self.json.parse(message, depth_max, |message| then(message.map(Arguments::Json))),
            HubProtocol::MessagePack => {
                messagepack::parse(message, depth_max).map(|message| then(message.map(Arguments::MessagePack)))
            }
        }
    }
}

/// The arguments of an invocation, as far as hub methods look at them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arguments<'t, 'r> {
    Json(JsonArguments<'t, 'r>),
    MessagePack(MessagePackArguments<'r>),
}

impl<'r> Arguments<'_, 'r> {
    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Arguments::Json(arguments) => arguments.count(),
            Arguments::MessagePack(arguments) => arguments.count(),
        }
    }

    /// The first argument as a text.
    ///
    /// # Errors
    /// It is no string.
    pub(crate) fn text(&self) -> Result<&'r str, BindError> {
        match self {
            Arguments::Json(arguments) => arguments.text(),
            Arguments::MessagePack(arguments) => arguments.text(),
        }
    }

    /// Returns how many items the first argument lists; 0 where it is no list.
    pub(crate) fn item_count(&self) -> usize {
        match self {
            Arguments::Json(arguments) => arguments.item_count(),
            Arguments::MessagePack(arguments) => arguments.item_count(),
        }
    }

    /// The first argument as a list of items, pushed in order to `items`. A null item is an item
    /// with both members missing. Unknown members are ignored, a member given twice counts as last
    /// written.
    ///
    /// # Errors
    /// It is no array, an item is no object or null, or a name in it is no string or null. Of what
    /// else an item may have only the item is no good: [`Item::is_mistyped`].
    pub(crate) fn items(&self, items: &mut SmallVec<[Item<'r>; 8]>) -> Result<(), BindError> {
        match self {
            Arguments::Json(arguments) => arguments.items(items),
            Arguments::MessagePack(arguments) => arguments.items(items),
        }
    }
}
