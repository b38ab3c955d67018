//! What must hold and does not: a fault of this program, of nobody else's.

/// Ends the program because `what`, which must hold whatever anybody sends, does not.
///
/// Use it where the code next to it makes something certain that the types don't know. `what` says
/// what is certain, and why.
///
/// - What a peer or an operator controls is never certain: match it, and blame the right one.
/// - A silent default (`unwrap_or_default`) instead would hand wrong bytes on; nobody would ever
///   hear of the fault.
/// - Prefer a type that can't be wrong, if there is a plain one.
///
/// The program ends whole: after a broken invariant no part of it can be trusted, and a supervisor
/// starts it anew.
///
/// ```
/// use rte::broken::broken;
///
/// fn last_line(text: &str) -> &str {
///     text.rsplit('\n').next().unwrap_or_else(|| broken("a text that is split has a last part"))
/// }
///
/// assert_eq!(last_line("one\ntwo"), "two");
/// ```
#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "the one expected panic, so that all invariants that are relied upon can be found")]
pub fn broken(what: &'static str) -> ! {
    panic!("a fault of this program: not so: {what}");
}
