//! A link whose request is a poll that waits. It carries its connection until that has something to
//! say, or has ended, or another poll comes, or `poll_ms` are over; then it speaks HTTP again.

use super::asking::Framing;
use super::cx::Cx;
use super::ending::Ending;
use super::http::{Http, Next};
use super::polled;
use crate::clock::{Deadline, Instant};
use crate::conn::step::Step;
use crate::hub::registry::ConnKey;
use crate::limits::Limits;
use crate::proto::http::reply::Reply;
use crate::wire::Failure;

/// A link with a poll that waits.
#[derive(Debug)]
pub(crate) struct Poll {
    pub(super) conn: ConnKey,
    since: Instant,
    framing: Framing,
    /// It has no place of its own: while it waits, that of its connection is good for it, too.
    is_stranger: bool,
    pub(super) http: Box<Http>,
}

impl Poll {
    /// Waits from now on.
    pub(super) fn begin(http: Box<Http>, conn: ConnKey, framing: Framing, cx: &mut Cx<'_, '_>) -> Box<Poll> {
        cx.turn.hub.begin_poll(conn, cx.link);
        cx.turn.steps.push(Step::Look(conn));
        let is_stranger = cx.turn.strangers.leave(cx.link);
        Box::new(Poll { conn, since: cx.turn.now.mono, framing, is_stranger, http })
    }

    /// Waits no longer.
    fn leave(self, cx: &mut Cx<'_, '_>) -> (Box<Http>, Framing) {
        let Poll { conn, framing, is_stranger, http, .. } = self;
        cx.turn.hub.end_poll(conn, cx.link, cx.turn.now);
        cx.turn.steps.push(Step::Look(conn));
        if is_stranger {
            cx.turn.strangers.enter(cx.link);
        }
        (http, framing)
    }

    /// Answers if there is something to say.
    pub(super) fn look(self: Box<Self>, cx: &mut Cx<'_, '_>) -> Result<Box<Poll>, Next> {
        match polled::answer(self.conn, cx) {
            Some(reply) => Err(self.answer(reply, cx)),
            None => Ok(self),
        }
    }

    /// Another poll has come.
    pub(super) fn replaced(self, cx: &mut Cx<'_, '_>) -> Next {
        self.answer(polled::no_content(), cx)
    }

    fn answer(self, reply: Reply, cx: &mut Cx<'_, '_>) -> Next {
        let lives = polled::lives(self.conn, cx);
        let (http, framing) = self.leave(cx);
        http.answer_poll(reply, &framing, lives, cx)
    }

    /// Bytes behind the poll wait until it is answered.
    pub(super) fn handle_bytes(mut self: Box<Self>, bytes: &[u8]) -> Box<Poll> {
        self.http.keep(bytes);
        self
    }

    /// The peer sends no more: nobody waits for the answer.
    pub(super) fn handle_eof(self, cx: &mut Cx<'_, '_>) -> Next {
        self.leave(cx).0.handle_eof(cx)
    }

    /// The socket failed.
    pub(super) fn handle_failure(self, failure: Failure, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        self.leave(cx).0.handle_failure(failure, cx)
    }

    /// The process keeps too much, and there is something behind the poll that would be kept.
    pub(super) fn give_up_input(self, cx: &mut Cx<'_, '_>) -> Next {
        self.leave(cx).0.give_up_input(cx)
    }

    /// When it has waited long enough.
    pub(super) fn next_deadline(&self, limits: &Limits) -> Deadline {
        self.since.after_ms(limits.poll_ms)
    }

    /// It may have waited long enough.
    pub(super) fn handle_deadline(self: Box<Self>, cx: &mut Cx<'_, '_>) -> Result<Box<Poll>, Next> {
        match self.next_deadline(cx.turn.process.limits).is_due(cx.turn.now) {
            true => Err(self.answer(polled::timed_out(), cx)),
            false => Ok(self),
        }
    }
}
