//! Broken invariants.

/// Ends the process because something is not as this program makes it: used only where a comment could say "cannot fail".
///
/// A hub that went on with a default in such a place would lose or mix up events in silence. One that ends is restarted by its
/// supervisor, and its clients come back. `what` says which invariant it was; it never holds anything that came from outside.
#[expect(clippy::panic, reason = "the one place where this program may panic on purpose")]
#[cold]
#[track_caller]
pub fn broken(what: &'static str) -> ! {
    panic!("broken invariant: {what}");
}
