//! What a link waits for that speaks HTTP, and what is due when that is over.

use super::super::asking::Framing;
use super::super::cx::Cx;
use super::super::ending::Sender;
use super::{Http, Next, Phase, Then};
use crate::broken::broken;
use crate::clock::{Deadline, Instant};
use crate::close::CloseReason;
use crate::conn::end::Why;
use crate::limits::{ASK_MS, Limits};
use crate::metrics::Refusal;
use crate::proto::http::reply::Reply;
use crate::timer::Wait;

impl Http {
    /// When something is due, at the latest; looked at again after each event.
    pub(in super::super) fn next_deadline(&self, limits: &Limits) -> Deadline {
        self.waits(limits).map(|(deadline, _)| deadline).min().unwrap_or(Deadline::NEVER)
    }

    /// All that it waits for. Of several that are over, the first one decides.
    fn waits(&self, limits: &Limits) -> impl Iterator<Item = (Deadline, Wait)> {
        let after = |since: Option<Instant>, ms| since.map_or(Deadline::NEVER, |since| since.after_ms(ms));
        let phase = match &self.phase {
            // It rests for our sake, or until the replies before it are out.
            Phase::Head { .. } if self.rests(limits) => {
                (self.refilled.after_ms(self.allowance.rest_ms(limits)), Wait::Allowance)
            }
            Phase::Head { .. } if self.asking.is_some() || !self.unsent.is_empty() => (Deadline::NEVER, Wait::Request),
            Phase::Head { since, is_first: false } if self.partial.is_empty() => {
                (since.after_ms(limits.idle_ms), Wait::Request)
            }
            Phase::Head { since, .. } if self.partial.is_empty() => {
                (since.after_ms(limits.head_ms).min(self.speaks_by), Wait::Head)
            }
            Phase::Head { since, .. } => (since.after_ms(limits.head_ms), Wait::Head),
            Phase::Body(body) => (body.since.after_ms(limits.body_ms), Wait::Body),
            Phase::Items(..) => (Deadline::NEVER, Wait::Body),
        };
        let room = self.unsent.next_look(limits);
        let answer = after(self.asking.as_ref().map(|asking| asking.since()), ASK_MS);
        [(room, Wait::Room), (answer, Wait::Answer), phase].into_iter()
    }

    /// A deadline has come; does what is due, one thing after the other.
    pub(in super::super) fn handle_deadline(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let mut waits = self.waits(cx.turn.process.limits);
        let due = waits.find(|(deadline, _)| deadline.is_due(cx.turn.now));
        drop(waits);
        match due.map(|(_, wait)| wait) {
            Some(Wait::Room) if self.unsent.look(cx.link, cx.turn) => self.handle_deadline(cx),
            Some(Wait::Room) => Next::Ending(self.cut_off(CloseReason::WriteStuck)),
            // The peer sees its link end, and does not know what became of its request.
            Some(Wait::Answer) => Next::Ending(self.cut_off(CloseReason::Unanswered)),
            Some(Wait::Request) => Next::Ending(self.finish(CloseReason::IdleTimeout, Sender::Open, cx)),
            Some(Wait::Head | Wait::Body) => {
                let then = self.refuse_late(cx);
                self.follow(then, &mut [], cx)
            }
            Some(Wait::Allowance) => self.read_on(cx),
            Some(
                Wait::Handshake | Wait::Record | Wait::End | Wait::Sign | Wait::Poll | Wait::Acknowledge | Wait::Ping,
            )
            | None => Next::Http(self),
        }
    }

    /// Its allowance has come back, and with it its time for the next request begins.
    fn read_on(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        cx.turn.books.metrics.rested_ms += cx.turn.now.mono.ms_since(self.refilled);
        self.refill(cx.turn.now.mono, cx.turn.process.limits);
        if let Phase::Head { since, .. } = &mut self.phase {
            *since = cx.turn.now.mono;
        }
        if self.has_waiting_input() { self.resume(cx) } else { Next::Http(self) }
    }

    /// No whole request came in time (RFC 9110 section 15.5.9).
    fn refuse_late(&mut self, cx: &mut Cx<'_, '_>) -> Then {
        let is_drained = cx.turn.process.drain.has_begun() && self.partial.is_empty();
        let reason = if is_drained { CloseReason::Drain } else { CloseReason::RequestTimeout };
        self.ends.get_or_insert(Why::new(reason));
        let (framing, sentence) = match &mut self.phase {
            Phase::Body(pending) => (std::mem::take(&mut pending.framing), "no whole body came within limits.body_ms"),
            // Not a byte of a request: nobody waits for an answer.
            Phase::Head { .. } if self.partial.is_empty() => return Then::Finish,
            Phase::Head { .. } => (Framing::of_raw(&self.partial, cx), "no whole head came within limits.head_ms"),
            Phase::Items(..) => broken("a request that is there is not late"),
        };
        cx.turn.books.metrics.refuse(Refusal::Timeout);
        self.reply(Reply::text(408, sentence), &Framing { keep_alive: false, ..framing }, cx)
    }
}
