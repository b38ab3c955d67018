//! What the passes of the resolver hand to each other.

use super::super::model::Event;
use super::super::syntax::EventDecl;

/// An event on its way into the model: the later passes still look at what was written.
pub struct Draft<'d> {
    pub decl: &'d EventDecl,
    pub event: Event,
    /// Whether all its properties could be resolved.
    pub is_whole: bool,
}
