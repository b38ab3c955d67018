//! Hub messages, whatever the hub protocol.

use super::value::Value;
use crate::clock::UnixMs;
use uuid::Uuid;

/// One message from a client. Arguments stay in the protocol's own form (`A`) until the hub method
/// that wants them is known.
#[derive(Debug)]
pub(crate) enum HubMessage<'r, A> {
    /// Type 1. Without an id no answer is ever sent.
    Invocation {
        /// The id to answer under; `None` where absent or empty.
        id: Option<&'r str>,
        /// The method, in the client's spelling.
        target: &'r str,
        /// The arguments.
        arguments: A,
        /// How many upload streams the client announces.
        streams: usize,
    },
    /// Type 2, of an upload stream that does not exist here.
    StreamItem,
    /// Type 3.
    Completion,
    /// Type 4.
    StreamInvocation {
        /// The id to answer under.
        id: &'r str,
        /// The method, in the client's spelling.
        target: &'r str,
        /// The arguments.
        arguments: A,
    },
    /// Type 5.
    CancelInvocation,
    /// Type 6.
    Ping,
    /// Type 7; its error text, if any.
    Close(Option<&'r str>),
    /// Type 8: the client has what counts, up to that number.
    Ack(u64),
    /// Type 9: the next message that counts has that number.
    Sequence(u64),
    /// Any other integer type: skipped, as SignalR means it, though a .NET server stops reading
    /// here.
    Unknown,
}

impl<'r, A> HubMessage<'r, A> {
    /// Returns whether it has a number in the sequence of a stateful connection: what would be lost
    /// with a link has.
    pub(crate) fn counts(&self) -> bool {
        match self {
            HubMessage::Invocation { .. }
            | HubMessage::StreamItem
            | HubMessage::Completion
            | HubMessage::StreamInvocation { .. }
            | HubMessage::CancelInvocation => true,
            HubMessage::Ping
            | HubMessage::Close(_)
            | HubMessage::Ack(_)
            | HubMessage::Sequence(_)
            | HubMessage::Unknown => false,
        }
    }

    /// Returns the same message with its arguments as `then` makes them.
    pub(super) fn map<B>(self, then: impl FnOnce(A) -> B) -> HubMessage<'r, B> {
        match self {
            HubMessage::Invocation { id, target, arguments, streams } => {
                HubMessage::Invocation { id, target, arguments: then(arguments), streams }
            }
            HubMessage::StreamInvocation { id, target, arguments } => {
                HubMessage::StreamInvocation { id, target, arguments: then(arguments) }
            }
            HubMessage::StreamItem => HubMessage::StreamItem,
            HubMessage::Completion => HubMessage::Completion,
            HubMessage::CancelInvocation => HubMessage::CancelInvocation,
            HubMessage::Ping => HubMessage::Ping,
            HubMessage::Close(error) => HubMessage::Close(error),
            HubMessage::Ack(number) => HubMessage::Ack(number),
            HubMessage::Sequence(number) => HubMessage::Sequence(number),
            HubMessage::Unknown => HubMessage::Unknown,
        }
    }
}

/// What a client gave for EntityId or EventName of a subscription item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given<'r> {
    /// A string.
    Text(&'r str),
    /// Null or nothing.
    Missing,
}

/// One bound item of `Subscribe` or `Unsubscribe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item<'r> {
    /// `EntityId`, whatever the case of the key.
    pub(crate) entity_id: Given<'r>,
    /// `EventName`, whatever the case of the key.
    pub(crate) event_name: Given<'r>,
    /// `Snapshot`: whether the last value is asked for; `None` leaves it to the hub.
    pub snapshot: Option<bool>,
    /// `Since`: from where on publications are wanted with their positions; `None` where the item
    /// does not speak of it.
    pub since: Option<Given<'r>>,
    /// Whether `Snapshot` or `Since` has a type that it does not take. ASP.NET has no such members,
    /// so nothing is owed to its way of failing the whole call: only this item is no good.
    pub(crate) is_mistyped: bool,
}

impl Item<'_> {
    /// What a null says, and what an object says that has none of the members.
    pub(crate) const EMPTY: Self =
        Item { entity_id: Given::Missing, event_name: Given::Missing, snapshot: None, since: None, is_mistyped: false };
}

/// The arguments don't fit the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindError;

/// A message that cannot be read; the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// What is wrong, in .NET's words, for the detailed form of the error.
    pub(crate) message: &'static str,
}

/// Where a publication stands in the order of its organization, and when the hub took it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'m> {
    /// An ASCII token, opaque to clients.
    pub token: &'m [u8],
    /// Written in UTC with milliseconds.
    pub at: UnixMs,
}

/// One message to a client.
#[derive(Clone, Copy)]
pub enum ServerMessage<'m> {
    /// Type 1, without an id, of the method `MessageReceived`: a publication, for its members.
    MessageReceived {
        /// The entity that the event is about.
        entity: Uuid,
        /// The event's name, in lower case.
        event_name: &'m str,
        /// Its data, as every hub protocol can write them.
        data: &'m dyn Value,
        /// Whether it is the last of its key.
        is_last: bool,
        /// Where it stands, for a subscription that asked.
        position: Option<Place<'m>>,
    },
    /// Type 3.
    Completion {
        /// The invocation's id.
        id: &'m str,
        /// What the method gave back, or why it did not.
        result: Result<&'m dyn Value, &'m str>,
    },
    /// Type 6.
    Ping,
    /// Type 7.
    Close {
        /// What went wrong, if anything did.
        error: Option<&'m str>,
        /// Whether the client should come back by itself.
        allow_reconnect: bool,
    },
    /// Type 8: the hub has what counts, up to that number.
    Ack(u64),
    /// Type 9: the next message that counts has that number.
    Sequence(u64),
}

impl ServerMessage<'_> {
    /// Returns whether it has a number in the sequence of a stateful connection.
    pub(crate) fn counts(&self) -> bool {
        match self {
            ServerMessage::MessageReceived { .. } | ServerMessage::Completion { .. } => true,
            ServerMessage::Ping | ServerMessage::Close { .. } | ServerMessage::Ack(_) | ServerMessage::Sequence(_) => {
                false
            }
        }
    }
}
