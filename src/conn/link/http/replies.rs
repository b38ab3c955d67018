//! Replies, in the order of their requests: some wait for other shards, and all for the socket.

use super::super::asking::{Asking, Draft, Framing};
use super::super::cx::Cx;
use super::{Http, Next, Phase, Then};
use crate::api::cors::Origins;
use crate::conn::ask::{Answer, Awaited, Caller};
use crate::proto::http::reply::Reply;

impl Http {
    /// Who asks, in the next question of this link.
    pub(super) fn caller(&self, cx: &Cx<'_, '_>) -> Caller {
        Caller::Request { link: cx.link, ticket: self.ticket() }
    }

    /// The number of its next question.
    pub(super) fn ticket(&self) -> u32 {
        self.asking.as_ref().map_or(0, |asking| asking.ticket())
    }

    /// The reply is sent, or waits for what other shards still have to say.
    pub(super) fn await_answers(
        &mut self,
        draft: Draft,
        framing: Framing,
        mut awaited: Awaited,
        cx: &mut Cx<'_, '_>,
    ) -> Then {
        if self.asking.is_none()
            && let Some(answer) = awaited.whole()
        {
            let reply = draft.reply(answer, cx.turn.process, &mut cx.turn.books.metrics);
            return self.send_reply(reply, &framing, cx);
        }
        let since = cx.turn.now.mono;
        self.asking.get_or_insert_with(|| Box::new(Asking::new(since))).push(draft, framing, awaited);
        Then::GoOn
    }

    /// A shard has answered the question of that ticket.
    pub(in super::super) fn handle_answer(
        mut self: Box<Self>,
        ticket: u32,
        answer: Answer,
        cx: &mut Cx<'_, '_>,
    ) -> Next {
        let Some(asking) = &mut self.asking else { return Next::Http(self) };
        asking.add(ticket, answer);
        let mut then = Then::GoOn;
        while let Some(asking) = &mut self.asking
            && let Some((reply, framing)) = asking.pop(cx.turn.process, &mut cx.turn.books.metrics, cx.turn.now.mono)
        {
            if !asking.is_empty() {
                // Another reply follows, so this one can't end the link.
                self.write_reply(reply, true, &framing, cx);
                continue;
            }
            self.asking = None;
            // A request whose body is still coming goes on, unless the peer has ended its
            // direction; one that is being judged does.
            let goes_on = match self.phase {
                Phase::Head { .. } => false,
                Phase::Body(_) => self.ends.is_none(),
                Phase::Items(..) => true,
            };
            if goes_on {
                self.write_reply(reply, true, &framing, cx);
            } else {
                then = self.send_reply(reply, &framing, cx);
            }
        }
        if then == Then::GoOn && self.has_waiting_input() {
            return self.resume(cx);
        }
        self.follow(then, &mut [], cx)
    }

    /// A poll that has waited is answered; its connection lives on, or does not.
    pub(in super::super) fn answer_poll(
        mut self: Box<Self>,
        reply: Reply,
        framing: &Framing,
        lives: bool,
        cx: &mut Cx<'_, '_>,
    ) -> Next {
        // In a drain the next poll could come on no other link.
        let keep_alive = framing.keep_alive && self.ends.is_none() && (lives || !cx.turn.process.drain.has_begun());
        let then = self.send_last_reply(reply, keep_alive, framing, cx);
        if then == Then::GoOn && self.has_waiting_input() {
            return self.resume(cx);
        }
        self.follow(then, &mut [], cx)
    }

    /// A reply is made: it goes out, behind those that wait.
    pub(super) fn reply(&mut self, reply: Reply, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        match &mut self.asking {
            Some(asking) => {
                asking.push_ready(reply, framing.clone());
                self.phase = Phase::Head { since: cx.turn.now.mono, is_first: false };
                Then::GoOn
            }
            None => self.send_reply(reply, framing, cx),
        }
    }

    /// Queues the last reply that is due; the link goes on to the next request, or ends.
    fn send_reply(&mut self, reply: Reply, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        // The peer may have ended its direction while the reply was made, or the drain have begun.
        let keep_alive = framing.keep_alive && self.ends.is_none() && !cx.turn.process.drain.has_begun();
        self.send_last_reply(reply, keep_alive, framing, cx)
    }

    fn send_last_reply(&mut self, reply: Reply, keep_alive: bool, framing: &Framing, cx: &mut Cx<'_, '_>) -> Then {
        self.write_reply(reply, keep_alive, framing, cx);
        if !keep_alive {
            return Then::Finish;
        }
        self.phase = Phase::Head { since: cx.turn.now.mono, is_first: false };
        Then::GoOn
    }

    fn write_reply(&mut self, reply: Reply, keep_alive: bool, framing: &Framing, cx: &mut Cx<'_, '_>) {
        let reply = Origins::dress(reply, framing.reader.as_deref());
        let date = cx.turn.tools.date.at(cx.turn.now.unix);
        self.unsent.push_reply(reply, keep_alive, framing.head_only, date, &mut cx.turn.books.metrics);
    }

    /// Writes what waits.
    pub(in super::super) fn flush(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Next {
        self.unsent.is_listed = false;
        if let Err(reason) = self.unsent.flush(cx.link, cx.turn) {
            return Next::Ending(self.cut_off(reason));
        }
        if self.unsent.is_empty()
            && let Phase::Head { since, .. } = &mut self.phase
        {
            // The time of the next request begins when the replies before it are out.
            *since = cx.turn.now.mono;
        }
        if self.has_waiting_input() && !self.is_in_line {
            // A request that is here already is work of the next turn, like others.
            self.wait_in_line(cx);
        }
        Next::Http(self)
    }
}
