//! What a connection waits for, and what is due when that is over.

use super::{Connection, Handle, Stage};
use crate::broken::broken;
use crate::clock::{Deadline, Instant};
use crate::close::CloseReason;
use crate::conn::end::{End, Flow, Why};
use crate::conn::hub::handshake;
use crate::conn::step::Step;
use crate::hub::Hub;
use crate::hub::registry::ConnKey;
use crate::limits::{ASK_MS, Limits};
use crate::proto::signalr::message::ServerMessage;
use crate::timer::Wait;

/// How long a peer's machine has to acknowledge a ping.
const ACKNOWLEDGE_MS: u64 = 1_000;

impl Connection {
    /// When something is due, at the latest; looked at again after each event.
    pub(crate) fn next_deadline(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> Deadline {
        self.waits(key, hub, limits).map(|(deadline, _)| deadline).min().unwrap_or(Deadline::NEVER)
    }

    /// All that it waits for. Of several that are over, the first one decides.
    fn waits(&self, key: ConnKey, hub: &Hub, limits: &Limits) -> impl Iterator<Item = (Deadline, Wait)> {
        let after = |since: Option<Instant>, ms| since.map_or(Deadline::NEVER, |since| since.after_ms(ms));
        let (phase, asked) = match &self.stage {
            Stage::Handshake(greeting) => ((greeting.since.after_ms(limits.handshake_ms), Wait::Handshake), None),
            Stage::Open(_) | Stage::Paused(_) => ((self.ends, Wait::End), None),
            Stage::Waiting(waiting) => ((self.ends, Wait::End), Some(waiting.subscribing.awaited.since)),
            Stage::Over => ((Deadline::NEVER, Wait::End), None),
        };
        let is_open = self.is_open();
        // Whoever has no link is there, and is known to be gone when it does not come back.
        let is_linkless = hub.is_linkless(key);
        let away_ms = if self.is_over() { limits.close_ms } else { limits.disconnect_ms };
        let poll = after(hub.away_since(key), away_ms);
        let room = hub.next_give_up(key, limits.write_stuck_ms).map_or(Deadline::NEVER, |(deadline, _)| deadline);
        let room = if self.is_over() && is_linkless { Deadline::NEVER } else { room };
        // Whoever is not read on cannot be heard.
        let rest = self.rests(limits).then(|| self.heard.after_ms(self.allowance.rest_ms(limits)));
        let is_heard = is_open && rest.is_none() && !is_linkless && !self.waits_for_reader();
        let sign = after(is_heard.then_some(self.heard), limits.client_timeout_ms);
        let rest = rest.unwrap_or(Deadline::NEVER);
        let ping = after((is_open && !is_linkless).then_some(self.spoke), limits.ping_every_ms);
        let answer = after(asked, ASK_MS);
        let acknowledge = (hub.acknowledge_due(key), Wait::Acknowledge);
        let own = [(rest, Wait::Allowance), (sign, Wait::Sign), (poll, Wait::Poll), acknowledge, (ping, Wait::Ping)];
        let record = match &self.stage {
            Stage::Open(Some(cut)) => cut.since.after_ms(limits.record_ms),
            Stage::Handshake(_) | Stage::Open(None) | Stage::Waiting(_) | Stage::Paused(_) | Stage::Over => {
                Deadline::NEVER
            }
        };
        [(room, Wait::Room), (answer, Wait::Answer), phase, (record, Wait::Record)].into_iter().chain(own)
    }
}

impl Handle<'_, '_> {
    /// A deadline has come; does what is due, one thing after the other.
    pub(crate) fn handle_deadline(&mut self) -> Flow {
        while let Some(wait) = self.next_due() {
            match self.end_wait(wait) {
                Flow::GoOn => {}
                flow @ (Flow::Wait | Flow::End(_)) => return flow,
            }
        }
        Flow::GoOn
    }

    fn next_due(&self) -> Option<Wait> {
        let mut waits = self.connection.waits(self.key, self.turn.hub, self.turn.process.limits);
        waits.find(|(deadline, _)| deadline.is_due(self.turn.now)).map(|(_, wait)| wait)
    }

    /// It has waited for that long enough; where it goes on, it waits anew.
    fn end_wait(&mut self, wait: Wait) -> Flow {
        let closed = |reason| End::close(Why::new(reason));
        Flow::End(match wait {
            Wait::Room => {
                let next = self.turn.hub.next_give_up(self.key, self.turn.process.limits.write_stuck_ms);
                match next.map(|(_, reason)| reason) {
                    Some(reason @ (CloseReason::Overrun | CloseReason::OwnAnswers)) => {
                        End::close(Why::given_up(reason, self.turn.hub.discard(self.key)))
                    }
                    _ if self.turn.look(self.key) => return Flow::GoOn,
                    _ => End::silent(CloseReason::WriteStuck),
                }
            }
            Wait::Answer => closed(CloseReason::Unanswered),
            Wait::Handshake => handshake::late(),
            Wait::Record => closed(CloseReason::RecordTimeout),
            Wait::End => closed(self.connection.ends_for),
            Wait::Poll if self.connection.is_over() => {
                self.turn.steps.push(Step::Free(self.key));
                return Flow::Wait;
            }
            Wait::Poll if self.turn.hub.polls(self.key) => End::silent(CloseReason::NoPoll),
            Wait::Poll => End::silent(CloseReason::NotResumed),
            Wait::Acknowledge => {
                self.turn.hub.acknowledge(self.key);
                return Flow::GoOn;
            }
            Wait::Allowance => {
                self.turn.books.metrics.rested_ms += self.turn.now.mono.ms_since(self.connection.heard);
                self.note_heard(0);
                return Flow::GoOn;
            }
            Wait::Sign if self.connection.has_pinged => closed(CloseReason::ClientTimeout),
            Wait::Sign if self.is_reachable() => return Flow::GoOn,
            Wait::Sign => End::silent(CloseReason::Unreachable),
            Wait::Ping => {
                // A peer whose socket is full gets no ping on top; the bytes that wait will do.
                if self.turn.hub.backlog_bytes(self.key) == 0 {
                    self.turn.hub.send_message(self.key, &ServerMessage::Ping);
                }
                self.connection.spoke = self.turn.now.mono;
                return Flow::GoOn;
            }
            Wait::Head | Wait::Request | Wait::Body => broken("a connection waits for no request"),
        })
    }

    /// Whether the machine of a peer that never pings acknowledges what it is sent. It is judged by
    /// what it was sent since it was last heard, the pings at least, of which there is none where
    /// the hub has slept itself.
    fn is_reachable(&mut self) -> bool {
        let link = self.turn.hub.link(self.key);
        let is_full = self.turn.hub.backlog_bytes(self.key) > 0;
        let Connection { heard, spoke, .. } = *self.connection;
        let is_asked = spoke >= heard && self.turn.now.mono.ms_since(spoke) >= ACKNOWLEDGE_MS;
        let acked = link.and_then(|link| self.turn.out.wire.acked(link));
        let is_reachable = is_full || !is_asked || acked.is_none_or(|acked| acked != self.connection.acked);
        if is_reachable {
            self.note_heard(0);
            self.connection.acked = acked.unwrap_or_default();
        }
        is_reachable
    }
}
