//! Connections that have no link of their own. Those of long polling never have one: their bytes
//! wait for polls, which come and go on links that speak HTTP, and what their clients say comes by
//! requests, too. Stateful ones wait for another link.

use super::cx::Cx;
use super::parting::part;
use crate::close::CloseReason;
use crate::conn::end::End;
use crate::conn::hub::connection::{Connections, Handle};
use crate::conn::step::Step;
use crate::conn::turn::Turn;
use crate::hub::registry::ConnKey;
use crate::proto::http::reply::{Body, Reply};
use crate::trace::Fact;

/// What a poll is answered now; nothing where it is to wait.
pub(super) fn answer(conn: ConnKey, cx: &mut Cx<'_, '_>) -> Option<Reply> {
    let body = cx.turn.hub.take(conn, cx.turn.now);
    if !body.is_empty() {
        if cx.connections.contains_key(conn) {
            cx.connection(conn).handle_flushed();
        }
        if cx.turn.process.drain.has_begun() && !lives(conn, cx) && cx.turn.hub.backlog_bytes(conn) == 0 {
            // The process ends, and does not wait for the poll that would be told of nothing.
            cx.turn.steps.push(Step::Free(conn));
        }
        return Some(polled(200, "application/octet-stream", body));
    }
    if lives(conn, cx) {
        return None;
    }
    cx.turn.steps.push(Step::Free(conn));
    Some(no_content())
}

/// Whether the connection is not over.
pub(super) fn lives(conn: ConnKey, cx: &Cx<'_, '_>) -> bool {
    cx.connections.get(conn).is_some_and(|connection| !connection.is_over())
}

/// The answer to the first poll, which comes at once.
pub(super) fn begun() -> Reply {
    polled(200, "application/octet-stream", Vec::new())
}

/// The answer to a poll that has waited in vain.
pub(super) fn timed_out() -> Reply {
    polled(200, "text/plain", Vec::new())
}

/// The answer to the last poll of a connection, and to one whose place another has taken.
pub(super) fn no_content() -> Reply {
    polled(204, "", Vec::new())
}

fn polled(status: u16, content_type: &'static str, body: Vec<u8>) -> Reply {
    Reply::new(status, content_type, Body::Owned(body))
        .with("Cache-Control", "no-cache, no-store")
        .with("Pragma", "no-cache")
        .with("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

/// Ends a connection that has no link. What waits for one that polls, its last word too, is for the
/// polls that still come, within `close_ms`.
pub(crate) fn end(end: &End, handle: Handle<'_, '_>) {
    let conn = handle.key;
    let Handle { key, connection, turn } = handle;
    let parting = part(end, Handle { key, connection, turn: &mut *turn });
    let why = end.why;
    turn.books.metrics.closed[why.reason.index()] += 1;
    let fact = Fact::Closed {
        conn: parting.number,
        reason: why.reason,
        detail: why.detail,
        age_s: turn.now.mono.ms_since(parting.opened) / 1_000,
        backlog_bytes: parting.left_bytes + why.lost_bytes,
        delivered: turn.hub.delivered(conn),
    };
    turn.books.trace.note(fact.level(), || fact);
    turn.steps.push(match turn.hub.link(conn) {
        Some(poll) => Step::Answer(poll),
        None if why.reason != CloseReason::NoPoll && turn.hub.polls(conn) => {
            turn.hub.await_last_polls(conn, turn.now);
            Step::Look(conn)
        }
        None => Step::Free(conn),
    });
}

/// A connection that has no link is over, and nobody asks for it any more.
pub(crate) fn free(conn: ConnKey, connections: &mut Connections, turn: &mut Turn<'_>) {
    let Some(connection) = connections.remove(conn) else { return };
    turn.hub.close(conn);
    turn.timers.remove(connection.timer());
    turn.process.quotas.leave(connection.share());
    turn.process.places.give_back_linkless();
    if let Some(token) = connection.token() {
        turn.process.negotiated.lock().end(token, turn.now);
    }
}
