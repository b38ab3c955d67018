//! SignalR's connection: who it is, what it has said and what it waits for. It knows no WebSocket:
//! payload comes in, hub messages go to its outbox, and a [`Flow`] says how it goes on.
//!
//! ```text
//!   begun ─▶ Handshake ─▶ Open ⇄ Waiting, Paused     a Subscribe asks the connection's home, a turn had no room for more
//!                │          │       │
//!                ▼          ▼       ▼
//!              Over: its last word is queued; what is left in its outbox goes out, then it is freed with its link
//! ```

mod fresh;
mod links;
mod waits;

use super::super::allowance::Allowance;
use super::super::ask::Answer;
use super::super::end::{End, Flow, LastWord, Why};
use super::super::input::{Input, Unread};
use super::super::quotas::{AddressBlock, Share};
use super::super::turn::Turn;
use super::super::whose::Whose;
use super::handshake;
use super::methods::{self, Next, Speaker};
use super::origin::Origin;
use super::subscribing::Subscribing;
use crate::api::negotiated::TokenId;
use crate::auth::principal::Principal;
use crate::broken::broken;
use crate::clock::{Deadline, Instant};
use crate::close::CloseReason;
use crate::hub::registry::ConnKey;
use crate::hub::{READ_BYTES_PER_DELIVERY, Room};
use crate::limits::Limits;
use crate::proto::signalr::framing::Records;
use crate::proto::signalr::handshake::{ACCEPTED, Spoken};
use crate::proto::signalr::transport::Transport;
use crate::timer::TimerSlot;
use crate::trace::{Fact, Level};
use core::net::IpAddr;
use slotmap::SlotMap;

/// What a hub message costs beside the bytes of its answer, in deliveries.
const RECORD_COST: usize = 8;

/// The connections of a shard.
pub type Connections = SlotMap<ConnKey, Connection>;

/// SignalR's connection. Fifty thousand of them are idle: what is rare is boxed.
#[derive(Debug)]
pub struct Connection {
    /// Its number in facts: no two of the process have the same.
    number: u64,
    stage: Stage,
    /// When the last byte came; of a peer that never pings also when it was last known to be there.
    heard: Instant,
    /// When the last byte went.
    spoke: Instant,
    /// When the hub closes it.
    ends: Deadline,
    timer: TimerSlot,
    /// Why it does.
    ends_for: CloseReason,
    /// From its first ping on, silence is a reason to give it up.
    has_pinged: bool,
    /// What a peer that never pings had acknowledged when that was last asked.
    acked: u32,
    /// Of work, as of when it was last heard.
    allowance: Allowance,
    /// The token it negotiated, until it is over.
    token: Option<TokenId>,
    principal: Principal,
    /// Where it has come from, as it is counted.
    address: AddressBlock,
}

#[derive(Debug)]
enum Stage {
    /// The SignalR handshake is awaited.
    Handshake(Box<Greeting>),
    /// Past its handshake; perhaps with a record that is cut.
    Open(Option<Box<CutRecord>>),
    /// Other shards have been asked for a Subscribe.
    Waiting(Box<Waiting>),
    /// What else it has said waits for the next turn.
    Paused(Box<Paused>),
    /// It has ended.
    Over,
}

#[derive(Debug)]
struct Greeting {
    since: Instant,
    client: IpAddr,
    records: Records,
}

/// A record of which the end is still to come.
#[derive(Debug)]
struct CutRecord {
    records: Records,
    /// When it was begun.
    since: Instant,
}

/// A Subscribe that cannot be completed yet.
#[derive(Debug)]
struct Waiting {
    subscribing: Box<Subscribing>,
    /// Payload that was read behind it.
    unread: Unread,
}

/// What was read when there was no room for more.
#[derive(Debug)]
struct Paused {
    waits_for: Pause,
    /// Perhaps with a record that is cut.
    records: Records,
    unread: Unread,
}

/// What a connection waits for that has said more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The next turn.
    Turn,
    /// Its peer, which has not read its answers.
    Reader,
}

impl Connection {
    /// A connection of that principal, whose handshake is awaited.
    pub(in super::super) fn begin(
        origin: Origin,
        mut principal: Principal,
        token: Option<TokenId>,
        turn: &mut Turn<'_>,
    ) -> Connection {
        principal.grants = turn.tools.grants.share(&principal.grants);
        let now = turn.now;
        let ends = expiry(&principal, turn);
        let greeting = Greeting { since: now.mono, client: origin.client, records: Records::default() };
        Connection {
            number: origin.number,
            stage: Stage::Handshake(Box::new(greeting)),
            heard: now.mono,
            spoke: now.mono,
            ends,
            timer: origin.timer,
            ends_for: CloseReason::TokenExpired,
            has_pinged: false,
            acked: 0,
            allowance: Allowance::default(),
            token,
            principal,
            address: AddressBlock::of(origin.client),
        }
    }

    /// For whom it counts.
    pub(in super::super) fn share(&self) -> Share {
        Share::of(&self.principal, self.address)
    }

    /// Its number in facts.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The place of its deadline.
    pub(crate) fn timer(&self) -> TimerSlot {
        self.timer
    }

    /// The token it negotiated, until that is good for nothing any more.
    pub(crate) fn token(&self) -> Option<TokenId> {
        self.token
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether it is past its handshake.
    pub(crate) fn is_open(&self) -> bool {
        match self.stage {
            Stage::Open(_) | Stage::Waiting(_) | Stage::Paused(_) => true,
            Stage::Handshake(_) | Stage::Over => false,
        }
    }

    /// Whether its next bytes can be looked at.
    pub(crate) fn takes_payload(&self) -> bool {
        match self.stage {
            Stage::Handshake(_) | Stage::Open(_) | Stage::Over => true,
            Stage::Waiting(_) | Stage::Paused(_) => false,
        }
    }

    /// Whether they should be read.
    pub(crate) fn wants_input(&self, limits: &Limits) -> bool {
        self.takes_payload() && (self.is_over() || !self.rests(limits))
    }

    /// Memory of what it has sent and what is not done with.
    pub(crate) fn input_bytes(&self) -> usize {
        match &self.stage {
            Stage::Handshake(greeting) => greeting.records.heap_bytes(),
            Stage::Open(cut) => cut.as_ref().map_or(0, |cut| cut.records.heap_bytes()),
            Stage::Waiting(waiting) => waiting.unread.heap_bytes(),
            Stage::Paused(paused) => paused.records.heap_bytes() + paused.unread.heap_bytes(),
            Stage::Over => 0,
        }
    }

    /// Whether it has used up its allowance of work.
    pub(crate) fn rests(&self, limits: &Limits) -> bool {
        self.allowance.is_over(limits)
    }

    /// Whether it goes on once its peer has read.
    pub(crate) fn waits_for_reader(&self) -> bool {
        matches!(&self.stage, Stage::Paused(paused) if paused.waits_for == Pause::Reader)
    }

    /// Bytes of it have gone.
    pub(crate) fn note_spoken(&mut self, now: Instant) {
        self.spoke = now;
    }
}

/// A connection in a turn, and all that the turn lets it touch.
pub(crate) struct Handle<'c, 't> {
    pub(crate) key: ConnKey,
    pub(crate) connection: &'c mut Connection,
    pub(crate) turn: &'c mut Turn<'t>,
}

impl Handle<'_, '_> {
    /// Bytes have come, whatever they are; to read them costs so much.
    pub(crate) fn note_heard(&mut self, work: usize) {
        self.spend(work);
    }

    /// Something is done for the peer, which thereby is heard. Returns whether it can go on with
    /// that, if only after a rest.
    fn spend(&mut self, work: usize) -> bool {
        let (now, limits) = (self.turn.now.mono, self.turn.process.limits);
        let Connection { allowance, heard, .. } = &mut *self.connection;
        allowance.refill(*heard, now, limits);
        *heard = now;
        let had_some = !allowance.is_over(limits);
        allowance.spend(work);
        self.turn.books.metrics.rests += u64::from(had_some && allowance.is_over(limits));
        allowance.rest_ms(limits) <= limits.rest_ms
    }

    /// What was done for the peer since then has cost work, perhaps too much.
    fn charge(&mut self, before: usize, flow: Flow) -> Flow {
        let is_bearable = self.spend(self.turn.hub.work().wrapping_sub(before));
        match flow {
            Flow::GoOn | Flow::Wait if !is_bearable && self.connection.is_open() => {
                Flow::End(End::close(Why::new(CloseReason::TooMuchWork)))
            }
            flow @ (Flow::GoOn | Flow::Wait | Flow::End(_)) => flow,
        }
    }

    /// Payload bytes are a stream: records are cut out of it wherever message borders fall.
    pub(crate) fn handle_payload(&mut self, payload: &mut [u8]) -> Flow {
        self.handle_input(Input::Read(payload))
    }

    fn handle_input(&mut self, input: Input<'_>) -> Flow {
        let before = self.turn.hub.work();
        let flow = self.handle_records(input);
        self.charge(before, flow)
    }

    /// Payload has come by a request of its own. What can't be looked at yet waits, as much as one
    /// request may have.
    ///
    /// # Errors
    /// Nothing of it is taken.
    pub(crate) fn handle_posted(&mut self, payload: &mut [u8]) -> Result<Flow, NotPosted> {
        let room = self.turn.process.limits.body_bytes_max;
        let unread = match &mut self.connection.stage {
            Stage::Handshake(_) | Stage::Open(_) => {
                self.note_heard(payload.len() / READ_BYTES_PER_DELIVERY);
                return Ok(self.handle_payload(payload));
            }
            Stage::Waiting(waiting) => &mut waiting.unread,
            Stage::Paused(paused) => &mut paused.unread,
            Stage::Over => return Err(NotPosted::Over),
        };
        if unread.len() + payload.len() > room {
            return Err(NotPosted::TooMuch);
        }
        unread.extend(payload);
        Ok(Flow::Wait)
    }

    fn handle_records(&mut self, mut input: Input<'_>) -> Flow {
        let now = self.turn.now.mono;
        let (mut records, mut since) = match &mut self.connection.stage {
            Stage::Handshake(greeting) => (std::mem::take(&mut greeting.records), now),
            Stage::Open(cut) => cut.take().map_or_else(|| (Records::default(), now), |cut| (cut.records, cut.since)),
            Stage::Waiting(_) | Stage::Paused(_) | Stage::Over => return Flow::Wait,
        };
        let mut rest = input.bytes();
        loop {
            match self.turn.hub.relieve(self.key, self.turn.now, self.turn.out.wire) {
                Room::Full if !rest.is_empty() && self.connection.is_open() => {
                    let left = rest.len();
                    self.pause_with(Pause::Reader, records, input.keep_last(left));
                    return Flow::Wait;
                }
                Room::Free | Room::Full => {}
                // The questions of a client that has been given up are not worth an answer that
                // nobody takes.
                Room::Gone => break,
            }
            let protocol = self.turn.hub.encoding(self.key).protocol();
            match protocol.next_message(&mut records, &mut rest, self.turn.process.limits.record_bytes_max) {
                Ok(Some(record)) => match self.handle_record(record) {
                    Said::GoOn if !rest.is_empty() && self.turn.hub.is_portion_over() && self.connection.is_open() => {
                        let left = rest.len();
                        self.pause_with(Pause::Turn, Records::default(), input.keep_last(left));
                        return Flow::Wait;
                    }
                    Said::GoOn => since = now,
                    Said::End(end) => return Flow::End(end),
                    Said::Ask(subscribing) => {
                        let left = rest.len();
                        let unread = input.keep_last(left);
                        self.connection.stage = Stage::Waiting(Box::new(Waiting { subscribing, unread }));
                        return Flow::Wait;
                    }
                },
                Ok(None) => break,
                Err(_) => return Flow::End(self.too_long()),
            }
        }
        if records.is_partial() {
            match &mut self.connection.stage {
                Stage::Handshake(greeting) => greeting.records = records,
                Stage::Open(cut) => *cut = Some(Box::new(CutRecord { records, since })),
                Stage::Waiting(_) | Stage::Paused(_) | Stage::Over => {
                    broken("a connection that waits or ends has returned")
                }
            }
        }
        Flow::GoOn
    }

    /// What its link has read further waits for the next turn. False where it can't: it is not past
    /// its handshake.
    pub(crate) fn pause(&mut self) -> bool {
        let Stage::Open(records) = &mut self.connection.stage else { return false };
        let records = records.take().map(|cut| cut.records).unwrap_or_default();
        self.pause_with(Pause::Turn, records, Unread::default());
        true
    }

    fn pause_with(&mut self, waits_for: Pause, records: Records, unread: Unread) {
        self.connection.stage = Stage::Paused(Box::new(Paused { waits_for, records, unread }));
        if waits_for == Pause::Turn {
            self.turn.intake.waiting.push_back(Whose::Connection(self.key));
        }
    }

    /// Its socket or a poll took something: where it waits for that, it goes on in the next turn.
    pub(crate) fn handle_flushed(&mut self) {
        if let Stage::Paused(paused) = &mut self.connection.stage
            && paused.waits_for == Pause::Reader
            && self.turn.hub.room(self.key) == Room::Free
        {
            paused.waits_for = Pause::Turn;
            self.turn.intake.waiting.push_back(Whose::Connection(self.key));
            self.note_heard(0);
        }
    }

    /// Goes on with what a turn had no room for.
    pub(crate) fn proceed(&mut self) -> Flow {
        let Stage::Paused(paused) = &mut self.connection.stage else { return Flow::Wait };
        let records = std::mem::take(&mut paused.records);
        let unread = std::mem::take(&mut paused.unread);
        let since = self.turn.now.mono;
        self.connection.stage = Stage::Open(records.is_partial().then(|| Box::new(CutRecord { records, since })));
        self.handle_input(Input::Waited(unread))
    }

    fn handle_record(&mut self, record: &mut [u8]) -> Said {
        match &self.connection.stage {
            Stage::Handshake(greeting) => {
                let client = greeting.client;
                self.handle_handshake(record, client)
            }
            Stage::Open(_) => self.handle_message(record),
            Stage::Waiting(_) | Stage::Paused(_) | Stage::Over => {
                broken("a connection that waits or ends reads no record")
            }
        }
    }

    fn handle_handshake(&mut self, record: &[u8], client: IpAddr) -> Said {
        match handshake::handle_record(record) {
            Ok(Spoken { protocol, is_stateful }) => {
                let Some(encoding) = self.turn.hub.encoding(self.key).with_protocol(protocol) else {
                    return Said::End(handshake::unfit(protocol));
                };
                self.turn.hub.set_encoding(self.key, encoding);
                self.turn.hub.send_frame(self.key, |out| {
                    encoding.wrap(out, |out| out.extend_from_slice(ACCEPTED));
                });
                if is_stateful && self.connection.token.is_some_and(|token| token.is_stateful) {
                    self.turn.hub.begin_stateful(self.key, self.turn.process.limits.unacknowledged_bytes_max);
                }
                self.connection.stage = Stage::Open(None);
                self.turn.books.metrics.hub_open += 1;
                self.turn.books.metrics.by_transport[encoding.transport().index()] += 1;
                let conn = self.connection.number;
                self.turn.books.trace.note(Level::Debug, || Fact::Connected { conn, client });
                Said::GoOn
            }
            Err(end) => Said::End(end),
        }
    }

    fn handle_message(&mut self, record: &mut [u8]) -> Said {
        self.turn.books.metrics.hub_messages += 1;
        self.turn.hub.spend(RECORD_COST);
        let Connection { principal, number, .. } = &*self.connection;
        let speaker = Speaker { key: self.key, number: *number, principal };
        match methods::handle_record(speaker, record, self.turn) {
            Ok(Next::GoOn) => Said::GoOn,
            Ok(Next::Pinged) => {
                self.connection.has_pinged = true;
                Said::GoOn
            }
            Ok(Next::Ask(subscribing)) => Said::Ask(subscribing),
            Ok(Next::Refreshed(fresh)) => {
                self.take_principal(*fresh);
                Said::GoOn
            }
            Ok(Next::Close) => {
                let word = LastWord::Close { error: None, allow_reconnect: false };
                Said::End(End::new(Why::new(CloseReason::PeerClosed), word))
            }
            Err(malformed) => {
                let detail = self.turn.process.options.detailed_errors.then_some(malformed.message);
                let why = Why::blame(CloseReason::MalformedMessage, malformed.message);
                Said::End(End::close_with(why, detail))
            }
        }
    }

    fn too_long(&self) -> End {
        let why = Why::blame(CloseReason::MessageTooLong, "a record longer than limits.record_bytes_max");
        if !self.connection.is_open() {
            return handshake::canceled(why);
        }
        End::close_with(why, Some(&format!("{} bytes", self.turn.process.limits.record_bytes_max)))
    }

    /// A shard has answered: once all have, the Subscribe is completed, and what was read behind it
    /// gets its turn.
    pub(crate) fn handle_answer(&mut self, answer: Answer) -> Flow {
        let Connection { stage, principal, number, .. } = &mut *self.connection;
        let Stage::Waiting(waiting) = stage else { return Flow::GoOn };
        let speaker = Speaker { key: self.key, number: *number, principal };
        // Its home has worked for it, too.
        let found = if let Answer::Block(block) = &answer { block.work } else { 0 };
        let before = self.turn.hub.work();
        if !methods::complete(speaker, &mut waiting.subscribing, answer, self.turn) {
            return Flow::Wait;
        }
        let work = self.turn.hub.work().wrapping_sub(before);
        let unread = std::mem::take(&mut waiting.unread);
        self.connection.stage = Stage::Open(None);
        self.spend(found + work);
        self.handle_input(Input::Waited(unread))
    }

    /// It ends for that, unless it has ended before.
    pub(crate) fn end_once(&self, end: End) -> Flow {
        if self.connection.is_over() { Flow::Wait } else { Flow::End(end) }
    }

    /// The hub drains: ends in time. `spread_ms` is this connection's share of the spread.
    pub(crate) fn drain(&mut self, spread_ms: u64) -> Flow {
        match &self.connection.stage {
            Stage::Handshake(_) => Flow::End(End::new(Why::new(CloseReason::Drain), LastWord::GoingAway)),
            Stage::Open(_) | Stage::Waiting(_) | Stage::Paused(_) => {
                let ends = self.turn.now.after_ms(spread_ms);
                if ends < self.connection.ends {
                    // One that is to end sooner does so for its own reason: whose token is revoked
                    // is not told to come back.
                    (self.connection.ends, self.connection.ends_for) = (ends, CloseReason::Drain);
                }
                Flow::GoOn
            }
            Stage::Over => Flow::GoOn,
        }
    }

    /// It ends for that reason within that time, unless it ends before.
    pub(crate) fn end_within(&mut self, share_ms: u64, reason: CloseReason) -> Flow {
        let ends = self.turn.now.after_ms(share_ms);
        if !self.connection.is_over() && ends < self.connection.ends {
            (self.connection.ends, self.connection.ends_for) = (ends, reason);
        }
        Flow::GoOn
    }

    /// Nothing is delivered from here on, and the negotiated token finds nothing. Its last words
    /// are the link's affair.
    pub(crate) fn end(&mut self) {
        self.turn.hub.leave_all(self.key);
        self.turn.hub.end_stateful(self.key);
        if matches!(self.connection.stage, Stage::Waiting(_)) {
            let home = methods::home_of(&self.connection.principal, self.turn.process);
            self.turn.withdraw(self.key, home);
        }
        // Who polls still asks what has become of its connection.
        let transport = self.turn.hub.encoding(self.key).transport();
        if transport != Transport::LongPolling
            && let Some(token) = self.connection.token.take()
        {
            self.turn.process.negotiated.lock().end(token, self.turn.now);
        }
        if self.connection.is_open() {
            self.turn.books.metrics.hub_open -= 1;
            self.turn.books.metrics.by_transport[transport.index()] -= 1;
        }
        self.connection.stage = Stage::Over;
    }
}

/// When the connection of a principal ends for its token's sake.
fn expiry(principal: &Principal, turn: &Turn<'_>) -> Deadline {
    let now = turn.now;
    turn.process.verifier.ends_unix_s(principal).map_or(Deadline::NEVER, |ends_unix_s| {
        now.after_ms(ends_unix_s.saturating_mul(1000).saturating_sub(now.unix.ms()))
    })
}

/// Why payload that came by a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotPosted {
    /// The connection has ended.
    Over,
    /// Too much waits already.
    TooMuch,
}

/// What a record has led to.
enum Said {
    /// The next one may follow.
    GoOn,
    /// The next one waits for the home.
    Ask(Box<Subscribing>),
    End(End),
}
