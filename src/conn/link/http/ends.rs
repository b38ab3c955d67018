//! How a link stops to speak HTTP that carries no connection: it ends, or moves to another shard.

use super::super::asking::Framing;
use super::super::cx::Cx;
use super::super::ending::{Ending, Parting, Rest, Sender};
use super::super::gate;
use super::super::moved::Moved;
use super::super::refused::Refused;
use super::{Http, Next, Phase};
use crate::broken::broken;
use crate::close::CloseReason;
use crate::conn::end::Why;
use crate::limits::DRAIN_FIRST_MS;
use crate::trace::FrontFault;
use crate::wire::Failure;

impl Http {
    /// The peer sends no more.
    pub(in super::super) fn handle_eof(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let is_between = !matches!(self.phase, Phase::Body(_)) && self.partial.is_empty();
        let reason = if is_between { CloseReason::Served } else { CloseReason::PeerGone };
        self.ends.get_or_insert(Why::new(reason));
        match &mut self.asking {
            // Replies on their way still go out to a peer that only ended its own direction.
            Some(asking) => {
                asking.hold();
                Next::Http(self)
            }
            None if matches!(self.phase, Phase::Items(..)) => Next::Http(self),
            None => Next::Ending(self.finish(reason, Sender::Ended, cx)),
        }
    }

    /// The process keeps too much, and there is an unfinished request that would be kept.
    pub(in super::super) fn give_up_input(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let framing = match &mut self.phase {
            // It was taken on when there was room.
            Phase::Items(..) => return Next::Http(self),
            Phase::Body(pending) => std::mem::take(&mut pending.framing),
            Phase::Head { .. } => Framing::of_raw(&self.partial, cx),
        };
        self.ends.get_or_insert(Why::new(CloseReason::MemoryFull));
        let Refused(refusal, reply, why) = gate::no_room();
        self.note_refused(refusal, reply.status, why, cx);
        let then = self.reply(reply, &Framing { keep_alive: false, ..framing }, cx);
        self.follow(then, &mut [], cx)
    }

    /// The hub drains. Whoever is in the middle of a request ends by itself: the reply in the
    /// making says so. The first request of a fresh link may be on its way.
    pub(in super::super) fn drain(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        let is_silent = self.partial.is_empty() && self.asking.is_none();
        match &self.phase {
            Phase::Head { is_first: true, .. } if is_silent => {
                self.speaks_by = cx.turn.now.after_ms(DRAIN_FIRST_MS);
                Next::Http(self)
            }
            Phase::Head { .. } if is_silent => Next::Ending(self.finish(CloseReason::Drain, Sender::Open, cx)),
            Phase::Head { .. } | Phase::Body(_) | Phase::Items(..) => Next::Http(self),
        }
    }

    /// It moves to another shard before its next request is looked at.
    pub(in super::super) fn move_to(&mut self, shard: usize) {
        self.moves_to = Some(shard);
    }

    /// Whether it moves now, and where: nothing is unanswered, nothing unsent, and the peer may go
    /// on.
    pub(in super::super) fn moves_now(&self) -> Option<usize> {
        let is_between = matches!(self.phase, Phase::Head { .. }) && self.asking.is_none() && self.ends.is_none();
        self.moves_to.filter(|_| is_between && self.unsent.is_empty())
    }

    /// What goes to the other shard.
    pub(in super::super) fn into_moved(self, is_stranger: bool) -> Moved {
        let Phase::Head { since, is_first } = self.phase else { broken("a link moves between requests") };
        let Http { number, entrance, peer, is_nameless, opened, partial: unread, allowance, refilled, .. } = self;
        Moved { number, peer, is_nameless, entrance, is_stranger, opened, unread, since, is_first, allowance, refilled }
    }

    fn parting(&self) -> Parting {
        let left_bytes = self.unsent.backlog_bytes();
        Parting { number: self.number, timer: self.timer, opened: self.opened, left_bytes }
    }

    /// What waits still goes out, then the link ends; for that reason, unless it has had one
    /// before.
    pub(super) fn finish(self, reason: CloseReason, sender: Sender, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let why = self.ends.unwrap_or(Why::new(reason));
        Ending::finishing(self.parting(), why, Rest::Own(self.unsent), sender, cx)
    }

    /// The socket failed, perhaps since it never spoke what it should.
    pub(in super::super) fn handle_failure(self, failure: Failure, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let reason = CloseReason::SocketFailed;
        let why = match failure {
            Failure::Socket => Why::new(reason),
            Failure::Tls(detail) => Why::blame(reason, detail),
            Failure::NoTls => {
                cx.turn.note_front_fault(FrontFault::NoTls, self.peer);
                Why::blame(reason, FrontFault::NoTls.sentence())
            }
        };
        self.cut_off_for(why)
    }

    /// The link ends at once.
    pub(in super::super) fn cut_off(self, reason: CloseReason) -> Box<Ending> {
        self.cut_off_for(Why::new(reason))
    }

    fn cut_off_for(self, why: Why) -> Box<Ending> {
        let why = self.ends.unwrap_or(why);
        Ending::over(self.parting(), why, Rest::Own(self.unsent))
    }
}
