//! Stateful reconnect: a connection whose link is lost waits for another one, which its client
//! opens with the same connection token.
//!
//! ```text
//!   link ──lost, or another one comes──▶ detached ──another one──▶ link
//!                                           └──disconnect_ms──▶ over
//! ```

use super::cx::Cx;
use super::ending::Parting;
use crate::api::negotiated::TokenId;
use crate::conn::step::Step;
use crate::conn::turn::Turn;
use crate::conn::whose::Whose;
use crate::hub::registry::ConnKey;
use crate::timer::TimerSlot;
use crate::trace::{Fact, Level};
use crate::wire::LinkKey;

/// How a stateful connection of this shard stands for whom another link would carry it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stateful {
    Detached(ConnKey),
    /// That link still carries it.
    Linked(LinkKey),
    /// Its client lacks something that is gone.
    Lacking,
}

/// The connection of that token.
pub(super) fn find(token: TokenId, cx: &Cx<'_, '_>) -> Option<Stateful> {
    let Turn { process, hub, .. } = &*cx.turn;
    let place = token.is_stateful.then(|| process.negotiated.lock().place(token))??;
    let is_here = usize::from(place.shard) == process.shard && hub.is_stateful(place.conn);
    is_here.then(|| match hub.link(place.conn) {
        _ if !hub.can_resume(place.conn) => Stateful::Lacking,
        Some(former) => Stateful::Linked(former),
        None => Stateful::Detached(place.conn),
    })
}

/// Parts a connection from its link, which is gone. Nothing where it can't go on without: its
/// client has not asked for that or may lack something that is gone, or the hub drains.
pub(super) fn detach(conn: ConnKey, cx: &mut Cx<'_, '_>) -> Option<Parting> {
    if !cx.turn.hub.can_resume(conn) || cx.turn.process.drain.has_begun() {
        return None;
    }
    let mut handle = cx.connection(conn);
    handle.lose_link();
    let (number, opened) = (handle.connection.number(), handle.turn.hub.opened(conn));
    // The connection keeps the deadline that it shares with its link.
    let timer = cx.turn.timers.add(Whose::Link(cx.link));
    cx.turn.leave_place_to_connection(cx.link);
    cx.turn.steps.push(Step::Look(conn));
    Some(Parting { number, timer, opened, left_bytes: 0 })
}

/// Lets a connection go on on this link, of that number and deadline, behind the reply that accepts
/// it.
pub(super) fn attach(conn: ConnKey, number: u64, timer: TimerSlot, accept: &[u8], cx: &mut Cx<'_, '_>) {
    cx.turn.timers.remove(timer);
    cx.turn.leave_place_to_link(cx.link);
    let link = cx.link;
    let mut handle = cx.connection(conn);
    handle.take_link(link, accept);
    let conn = handle.connection.number();
    cx.turn.books.metrics.resumed += 1;
    cx.turn.books.trace.note(Level::Debug, || Fact::Resumed { conn, link: number });
}
