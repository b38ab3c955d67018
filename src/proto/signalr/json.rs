//! The JSON hub protocol.
//!
//! A client's record is ours to spoil: simd-json unescapes in place into a tape that the [`Parser`] keeps from record to record.

use super::message::{Arguments, BindError, HubMessage, Item};

/// A record that no hub message can be read from; the connection ends with the Close of `text::CLOSED_WITH_ERROR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, for the detailed form of the error.
    pub message: &'static str,
}

/// The reader, with the memory it reuses. One per shard.
#[derive(Default)]
pub struct Parser {
    _tape: (),
}

/// The arguments of one invocation, on the tape.
#[derive(Debug)]
pub struct JsonArguments<'t, 'r> {
    _values: std::marker::PhantomData<(&'t (), &'r ())>,
}

impl<'r> Arguments<'r> for JsonArguments<'_, 'r> {
    fn count(&self) -> usize {
        0
    }

    fn items(&self, _items: &mut smallvec::SmallVec<[Item<'r>; 8]>) -> Result<(), BindError> {
        Err(BindError)
    }
}

impl Parser {
    /// Reads one record (without its separator) and hands the message to `then`.
    pub fn parse<T>(
        &mut self,
        record: &mut [u8],
        depth_max: usize,
        then: impl for<'t, 'r> FnOnce(HubMessage<'r, JsonArguments<'t, 'r>>) -> T,
    ) -> Result<T, Malformed> {
        let _ = (record, depth_max, then);
        Err(Malformed { message: "" })
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn encode_str(text: &str, out: &mut Vec<u8>) {
    let _ = (text, out);
}

/// Appends `{"type":3,"invocationId":ID,"result":`; the caller appends the JSON of the result and then [`COMPLETION_END`].
pub fn encode_completion_start(id: &str, out: &mut Vec<u8>) {
    let _ = (id, out);
}

/// What follows the result of a completion.
pub const COMPLETION_END: &[u8] = b"}\x1e";

/// Appends a whole error completion.
pub fn encode_completion_error(id: &str, error: &str, out: &mut Vec<u8>) {
    let _ = (id, error, out);
}

/// The ping record.
pub const PING: &[u8] = b"{\"type\":6}\x1e";

/// Appends a Close record; absent parts are left out, never null.
pub fn encode_close(error: Option<&str>, allow_reconnect: bool, out: &mut Vec<u8>) {
    let _ = (error, allow_reconnect, out);
}
