//! Hub messages, as both protocols carry them.

/// One message from a client. Arguments stay in the protocol's own form (`A`) until the hub method
/// that wants them is known.
#[derive(Debug)]
pub enum HubMessage<'r, A> {
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
    /// Type 8.
    Ack,
    /// Type 9.
    Sequence,
    /// Any other integer type: skipped, as SignalR means it, though a .NET server stops reading
    /// here.
    Unknown,
}

/// What a client gave for EntityId or EventName of a subscription item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'r> {
    /// A string.
    Text(&'r str),
    /// Null or nothing.
    Missing,
}

/// One bound item of `Subscribe` or `Unsubscribe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'r> {
    /// `EntityId`, whatever the case of the key.
    pub entity_id: Given<'r>,
    /// `EventName`, whatever the case of the key.
    pub event_name: Given<'r>,
    /// `Snapshot`: whether the last value is asked for; `None` leaves it to the hub.
    pub snapshot: Option<bool>,
}

/// The arguments of an invocation, as far as hub methods look at them.
pub trait Arguments<'r> {
    /// Returns how many there are.
    fn count(&self) -> usize;
    /// The first argument as a list of items, pushed in order to `items`. A null item is an item
    /// with both members missing. `Err` where it is no array, an item is no object or null, or a
    /// value is no string or null: the binding error. Unknown members are ignored, a member given
    /// twice counts as last written.
    fn items(&self, items: &mut smallvec::SmallVec<[Item<'r>; 8]>) -> Result<(), BindError>;
}

/// The arguments don't fit the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindError;
