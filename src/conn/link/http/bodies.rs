//! Request bodies: collected, and served once they are there.

use super::super::asking::{Draft, Framing};
use super::super::cx::Cx;
use super::super::gate;
use super::super::refused::Refused;
use super::super::request::{Arrived, BodyBound, PendingBody, Purpose};
use super::super::serve::{self, Judged, Taken};
use super::{Http, Next, Phase, Then};
use crate::api::publish::{self, FirstRejected};
use crate::close::CloseReason;
use crate::conn::end::Why;
use crate::conn::whose::Whose;
use crate::metrics::Refusal;
use crate::proto::http::body::{BodyError, Chunked};
use crate::proto::http::head::{BodyLength, Head};
use crate::proto::http::reply::{self, Reply};
use crate::trace::{Fact, Level};

impl Http {
    /// Its head is understood; its body is still to come.
    pub(super) fn begin_body(
        &mut self,
        head: &Head<'_>,
        purpose: Purpose,
        framing: Framing,
        cx: &mut Cx<'_, '_>,
    ) -> Then {
        let bound = purpose.bound(cx.turn.process.limits);
        let (chunked, length) = match head.body {
            BodyLength::Chunked => (Some(Chunked::default()), 0),
            BodyLength::Sized(length) => match usize::try_from(length).ok().filter(|length| *length <= bound.bytes) {
                Some(length) => (None, length),
                None => return self.refuse_body(BodyError::TooLarge, bound, framing, cx),
            },
        };
        if head.expect_continue {
            self.unsent.push(reply::CONTINUE, &mut cx.turn.books.metrics);
        }
        let since = cx.turn.now.mono;
        self.phase = Phase::Body(Box::new(PendingBody {
            purpose,
            framing,
            chunked,
            length,
            body: Vec::new(),
            dropped: 0,
            since,
        }));
        Then::GoOn
    }

    fn refuse_body(&mut self, error: BodyError, bound: BodyBound, framing: Framing, cx: &mut Cx<'_, '_>) -> Then {
        self.ends.get_or_insert(Why::new(CloseReason::BadBody));
        let reply = match error {
            BodyError::TooLarge => {
                let BodyBound { bytes, name } = bound;
                self.note_refused(Refusal::TooLarge, 413, "body over its limit", cx);
                Reply::text(413, format!("the body has more than {name} = {bytes} bytes"))
            }
            BodyError::Malformed(message) => {
                self.note_refused(Refusal::BadRequest, 400, message, cx);
                Reply::text(400, message)
            }
        };
        self.reply(reply, &Framing { keep_alive: false, ..framing }, cx)
    }

    /// Body bytes in; when it is whole, the request is served.
    pub(super) fn advance_body(&mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Option<(usize, Then)> {
        let Phase::Body(pending) = &mut self.phase else { return None };
        let bound = pending.purpose.bound(cx.turn.process.limits);
        match pending.handle_bytes(input, bound.bytes) {
            Ok(Arrived::Part(taken)) => (taken > 0).then_some((taken, Then::GoOn)),
            Ok(Arrived::Here(length)) => {
                let body = input.get_mut(..length).unwrap_or_default();
                Some((length, self.serve_body(body, cx)))
            }
            Ok(Arrived::Collected(taken)) => {
                let mut body = std::mem::take(&mut pending.body);
                Some((taken, self.serve_body(&mut body, cx)))
            }
            Err(error) => {
                let framing = std::mem::take(&mut pending.framing);
                Some((input.len(), self.refuse_body(error, bound, framing, cx)))
            }
        }
    }

    fn serve_body(&mut self, body: &mut [u8], cx: &mut Cx<'_, '_>) -> Then {
        let next = Phase::Head { since: cx.turn.now.mono, is_first: false };
        let Phase::Body(pending) = std::mem::replace(&mut self.phase, next) else { return Then::GoOn };
        let PendingBody { purpose, framing, .. } = *pending;
        match purpose {
            Purpose::Negotiate { query, principal } => {
                let reply = serve::negotiate(&query, &principal, cx.turn);
                self.reply(reply, &framing, cx)
            }
            Purpose::Revoke(by) => match serve::revoke(body, &by, cx.turn) {
                Ok(revocation) => {
                    let awaited = cx.turn.revoke_all(cx.link, self.ticket(), revocation);
                    self.await_answers(Draft::Revoke, framing, awaited, cx)
                }
                Err(Refused(refusal, reply, why)) => {
                    self.note_refused(refusal, reply.status, why, cx);
                    self.reply(reply, &framing, cx)
                }
            },
            Purpose::SendOn(body) => self.reply(serve::negotiated(body), &framing, cx),
            Purpose::Send(conn) => {
                let before = cx.turn.hub.work();
                let reply = serve::send(conn, body, cx).unwrap_or_else(|Refused(refusal, reply, why)| {
                    self.note_refused(refusal, reply.status, why, cx);
                    reply
                });
                self.charge(cx.turn.hub.work().wrapping_sub(before), cx);
                self.reply(reply, &framing, cx)
            }
            Purpose::Publish { head, principal } => {
                let judged = serve::publish((cx.link, self.ticket()), &head, body, principal, cx.turn);
                self.follow_items(judged, framing, cx)
            }
        }
    }

    /// Items have been judged: all of them, or the rest waits for the next turn.
    fn follow_items(
        &mut self,
        judged: Result<Judged, publish::Refusal>,
        framing: Framing,
        cx: &mut Cx<'_, '_>,
    ) -> Then {
        match judged {
            Err(refusal) => {
                let counted = gate::count_as(refusal.status);
                self.note_refused(counted, refusal.status, refusal.why, cx);
                self.reply(refusal.reply(), &framing, cx)
            }
            Ok(Judged::All(Taken { draft, awaited, is_late })) => {
                self.note_rejected(&draft, cx);
                let then = self.await_answers(draft, framing, awaited, cx);
                // The shard has enough to do: the next request waits in the kernel.
                self.asking.iter_mut().filter(|_| is_late).for_each(|asking| asking.hold());
                then
            }
            Ok(Judged::Part(pending)) => {
                self.phase = Phase::Items(pending, framing);
                cx.turn.intake.waiting.push_back(Whose::Link(cx.link));
                Then::GoOn
            }
        }
    }

    /// Goes on with the items that a turn had no room for, and then with the bytes behind them.
    pub(in super::super) fn proceed(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        self.is_in_line = false;
        let next = Phase::Head { since: cx.turn.now.mono, is_first: false };
        match std::mem::replace(&mut self.phase, next) {
            Phase::Items(pending, framing) => {
                let judged = serve::proceed((cx.link, self.ticket()), pending, cx.turn);
                let then = self.follow_items(judged, framing, cx);
                if then == Then::GoOn && self.has_waiting_input() {
                    return self.resume(cx);
                }
                self.follow(then, &mut [], cx)
            }
            phase @ (Phase::Head { .. } | Phase::Body(_)) => {
                self.phase = phase;
                if self.has_waiting_input() { self.resume(cx) } else { Next::Http(self) }
            }
        }
    }

    /// Of the items that are rejected the first is told, which is mostly what is wrong with all.
    fn note_rejected(&self, draft: &Draft, cx: &mut Cx<'_, '_>) {
        if let Draft::Publish(outcome, _) = draft
            && let Some(FirstRejected { index, rule, event }) = &outcome.first_rejected
        {
            let (conn, client, rejected) = (self.number, self.client, outcome.rejected);
            let fact = || Fact::ItemsRejected { conn, client, rejected, index: *index, rule, event: event.clone() };
            cx.turn.books.trace.note(Level::Debug, fact);
        }
    }
}
