//! What requests are judged by.

use crate::auth::grant::Grant;
use crate::auth::token::Tenancy;
use crate::limits::Limits;
use crate::schema::validate::Mode;
use crate::schema::{Catalogue, EventId};

/// What the operator decides about publishing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `[publish] validation`.
    pub(crate) validation: Mode,
    /// Whether organizations are kept apart; in single tenancy every topic has the nil one.
    pub(crate) tenancy: Tenancy,
    /// Whether a publisher's token is taken from the query, too.
    pub(crate) query_token: bool,
    /// Derived events that are switched off (`[derive] UserCallbackChanged = false`).
    pub(crate) not_derived: Vec<EventId>,
}

/// What requests are judged by: all that outlives one request.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'r> {
    /// The events.
    pub catalogue: &'r Catalogue,
    /// The operator's choices.
    pub options: &'r Options,
    /// The grants that everybody has.
    pub everybody: &'r [Grant],
    /// The bounds.
    pub limits: &'r Limits,
}
