//! A request to be called back, and what has been done for it.

use crate::schema::events::CallbackTypeId;
use uuid::Uuid;

/// Attempt types of this centre; the reference documents none.
pub(super) const NOT_REACHED: i32 = 1;
/// The contact was spoken to.
pub(super) const HANDLED: i32 = 2;
pub(super) const HOUR_MS: u64 = 3_600_000;

/// An open request.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    pub(super) id: Uuid,
    pub(super) type_id: CallbackTypeId,
    pub(super) call_id: Option<Uuid>,
    pub(super) channel: &'static str,
    pub(super) contact_name: Option<&'static str>,
    pub(super) contact_message: Option<&'static str>,
    pub(super) contact_number: String,
    pub(super) created_ms: u64,
    pub(super) modified_ms: u64,
    pub(super) not_before_ms: Option<u64>,
    pub(super) assigned: Option<usize>,
    /// The call that is under way for it.
    pub(super) outgoing: Option<Uuid>,
    pub(super) last_modified_by: Option<usize>,
    pub(super) attempts: Vec<Attempt>,
}

/// One try to call back.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: Uuid,
    pub(super) at_ms: u64,
    pub(super) person: usize,
    pub(super) type_id: i32,
}

impl Attempt {
    pub(super) fn note(&self) -> Option<&'static str> {
        (self.type_id == NOT_REACHED).then_some("Not reached")
    }
}

impl Callback {
    pub(super) fn due_ms(&self) -> u64 {
        self.created_ms + 2 * HOUR_MS
    }

    pub(super) fn expiry_ms(&self) -> u64 {
        self.created_ms + 20 * HOUR_MS
    }
}
