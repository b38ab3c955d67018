//! A link that ends: its last bytes go out, and the peer has its time to take them and to end its
//! own side.
//!
//! ```text
//!   Closing ──▶ Closed ──┐      our WebSocket Close is queued / the peer's has been heard, the last bytes go out
//!      ▼                 ▼
//!   Finishing ─▶ Over ◀─ Lingering      the last bytes go out / half-closed: what still comes in is thrown away
//! ```

use super::cx::Cx;
use super::unsent::Unsent;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::conn::end::Why;
use crate::hub::Hub;
use crate::hub::registry::ConnKey;
use crate::limits::{ENDING_BYTES_MAX, Limits};
use crate::proto::Status;
use crate::proto::ws::decode::{Decoder, Piece};
use crate::timer::TimerSlot;

/// A link that ends, for one reason.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(super) number: u64,
    pub(super) timer: TimerSlot,
    opened: Instant,
    /// Bytes that waited when its end was decided.
    left_bytes: usize,
    why: Why,
    stage: Stage,
    /// When the peer has had its time.
    until: Deadline,
    /// Bytes that it may still send.
    input_left: usize,
    pub(super) rest: Rest,
}

/// What a link takes along into its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    pub(super) number: u64,
    pub(super) timer: TimerSlot,
    /// When it was accepted, or upgraded.
    pub(super) opened: Instant,
    /// Bytes that wait.
    pub(super) left_bytes: usize,
}

/// What there is to tell of a link that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) age_s: u64,
    pub(crate) backlog_bytes: usize,
    /// Publications queued for its connection.
    pub(crate) delivered: u32,
}

/// Where the last bytes are.
#[derive(Debug)]
pub(super) enum Rest {
    /// With the link.
    Own(Unsent),
    /// In the outbox of the connection that it has carried, and which is over.
    Connection(ConnKey),
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    /// Our Close is queued; the peer's is awaited. What the decoder knows, and the beginning of a
    /// frame.
    Closing(Decoder, Vec<u8>),
    /// The peer's Close has been heard; the last bytes go out.
    Closed,
    /// The last bytes go out, then the sending direction ends; or the link does, where the peer has
    /// ended its own.
    Finishing(Sender),
    /// Half-closed.
    Lingering,
    /// Nothing is left to do but to free it.
    Over,
}

/// How the peer's sending direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Open,
    Ended,
}

impl Ending {
    fn new(parting: Parting, why: Why, stage: Stage, until: Deadline, rest: Rest) -> Box<Ending> {
        let Parting { number, timer, opened, left_bytes } = parting;
        let (left_bytes, input_left) = (left_bytes + why.lost_bytes, ENDING_BYTES_MAX);
        Box::new(Ending { number, timer, opened, left_bytes, why, stage, until, input_left, rest })
    }

    /// What waits still goes out, then the sending direction ends.
    pub(super) fn finishing(
        parting: Parting,
        why: Why,
        rest: Rest,
        sender: Sender,
        cx: &mut Cx<'_, '_>,
    ) -> Box<Ending> {
        Ending::new(parting, why, Stage::Over, Deadline::NEVER, rest).finish(sender, cx)
    }

    /// Our WebSocket Close is queued, the peer's is awaited.
    pub(super) fn closing(parting: Parting, why: Why, conn: ConnKey, cx: &Cx<'_, '_>) -> Box<Ending> {
        let until = cx.turn.now.after_ms(cx.turn.process.limits.close_ms);
        let stage = Stage::Closing(Decoder::default(), Vec::new());
        Ending::new(parting, why, stage, until, Rest::Connection(conn))
    }

    /// The link is freed at once; what has not been sent is lost.
    pub(super) fn over(parting: Parting, why: Why, rest: Rest) -> Box<Ending> {
        Ending::new(parting, why, Stage::Over, Deadline::NEVER, rest)
    }

    /// What there is to tell of it.
    pub(super) fn life(&self, hub: &Hub, now: Now) -> Life {
        let delivered = match &self.rest {
            Rest::Own(_) => 0,
            Rest::Connection(conn) => hub.delivered(*conn),
        };
        Life { age_s: now.mono.ms_since(self.opened) / 1_000, backlog_bytes: self.left_bytes, delivered }
    }

    /// The peer's Close has been heard before ours was queued.
    pub(super) fn note_closed(mut self: Box<Self>) -> Box<Ending> {
        self.stage = Stage::Closed;
        self
    }

    /// The last bytes go out without regard for what still comes in.
    pub(super) fn finish(mut self: Box<Self>, sender: Sender, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        self.until = cx.turn.now.after_ms(cx.turn.process.limits.close_ms);
        self.stage = if self.backlog_bytes(cx.turn.hub) > 0 {
            Stage::Finishing(sender)
        } else if sender == Sender::Ended || matches!(self.why.reason, CloseReason::Drain | CloseReason::IdleTimeout) {
            // An idle peer has read all it asked for, and would only notice a half-closed link at
            // its next request.
            Stage::Over
        } else {
            cx.turn.out.wire.shutdown_write(cx.link);
            Stage::Lingering
        };
        self
    }

    /// Whether it is read on. What is thrown away costs little, but goes on as long as the peer
    /// likes.
    pub(super) fn wants_input(&self) -> bool {
        self.input_left > 0
    }

    /// Bytes in: only a Close is still looked for.
    pub(super) fn handle_bytes(mut self: Box<Self>, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Box<Ending> {
        self.input_left = self.input_left.saturating_sub(input.len());
        match &mut self.stage {
            Stage::Closing(decoder, waiting) if waiting.is_empty() => {
                let decoder = *decoder;
                self.handle_frames(decoder, input, cx)
            }
            Stage::Closing(decoder, waiting) => {
                let (decoder, mut waiting) = (*decoder, std::mem::take(waiting));
                waiting.extend_from_slice(input);
                self.handle_frames(decoder, &mut waiting, cx)
            }
            // RFC 6455 section 1.4: behind a Close "a peer discards any further data received".
            Stage::Closed | Stage::Finishing(_) | Stage::Lingering | Stage::Over => self,
        }
    }

    /// Frames in, of which the decoder knows the beginning.
    pub(super) fn handle_frames(
        mut self: Box<Self>,
        mut decoder: Decoder,
        input: &mut [u8],
        cx: &mut Cx<'_, '_>,
    ) -> Box<Ending> {
        if !matches!(self.stage, Stage::Closing(..)) {
            return self;
        }
        let mut used = 0;
        loop {
            match decoder.decode(input.get_mut(used..).unwrap_or_default()) {
                Ok(Status::Partial) => {
                    self.stage = Stage::Closing(decoder, input.get(used..).unwrap_or_default().to_vec());
                    return self;
                }
                Ok(Status::Complete((Piece::Close(_), _))) => {
                    self.stage = if self.backlog_bytes(cx.turn.hub) == 0 { Stage::Over } else { Stage::Closed };
                    return self;
                }
                Ok(Status::Complete((Piece::Data { .. } | Piece::Ping(_) | Piece::Pong, taken))) => used += taken,
                Err(_) => return self.finish(Sender::Open, cx),
            }
        }
    }

    /// The peer sends no more.
    pub(super) fn handle_eof(mut self: Box<Self>) -> Box<Ending> {
        self.stage = match self.stage {
            Stage::Finishing(_) => Stage::Finishing(Sender::Ended),
            Stage::Closing(..) | Stage::Closed | Stage::Lingering | Stage::Over => Stage::Over,
        };
        self
    }

    /// The peer has had its time, or takes nothing.
    pub(super) fn handle_deadline(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let limits = cx.turn.process.limits;
        let is_stuck = self.next_look(cx.turn.hub, limits).is_due(cx.turn.now) && !self.look(cx);
        if is_stuck || self.until.is_due(cx.turn.now) {
            self.stage = Stage::Over;
        }
        self
    }

    fn look(&mut self, cx: &mut Cx<'_, '_>) -> bool {
        match &mut self.rest {
            Rest::Own(unsent) => unsent.look(cx.link, cx.turn),
            Rest::Connection(conn) => cx.turn.look(*conn),
        }
    }

    fn next_look(&self, hub: &Hub, limits: &Limits) -> Deadline {
        match &self.rest {
            Rest::Own(unsent) => unsent.next_look(limits),
            Rest::Connection(conn) => hub.next_look(*conn, limits.write_stuck_ms),
        }
    }

    /// The socket is of no use any more.
    pub(super) fn handle_failure(mut self: Box<Self>) -> Box<Ending> {
        self.stage = Stage::Over;
        self
    }

    /// Writes the last bytes, where they are the link's own.
    pub(super) fn flush(mut self: Box<Self>, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let Rest::Own(unsent) = &mut self.rest else { return self };
        unsent.is_listed = false;
        match unsent.flush(cx.link, cx.turn) {
            Ok(taken) => self.handle_flushed(taken, cx),
            Err(_) => self.handle_failure(),
        }
    }

    /// What a flush that took so many bytes has made possible.
    pub(super) fn handle_flushed(mut self: Box<Self>, taken: usize, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        if let Stage::Finishing(_) = self.stage
            && taken > 0
        {
            // A large last reply may take its time, as long as the peer takes it.
            self.until = cx.turn.now.after_ms(cx.turn.process.limits.close_ms);
        }
        if self.backlog_bytes(cx.turn.hub) > 0 {
            return self;
        }
        self.stage = match self.stage {
            Stage::Finishing(Sender::Open) => {
                cx.turn.out.wire.shutdown_write(cx.link);
                Stage::Lingering
            }
            Stage::Finishing(Sender::Ended) | Stage::Closed => Stage::Over,
            Stage::Closing(..) | Stage::Lingering | Stage::Over => self.stage,
        };
        self
    }

    /// When the peer has had its time.
    pub(super) fn next_deadline(&self, hub: &Hub, limits: &Limits) -> Deadline {
        self.next_look(hub, limits).min(self.until)
    }

    /// Since when the socket has taken nothing, where it is or was full.
    pub(super) fn blocked_since(&self, hub: &Hub) -> Option<Instant> {
        match &self.rest {
            Rest::Own(unsent) => unsent.stuck_since(),
            Rest::Connection(conn) => hub.blocked_since(*conn),
        }
    }

    /// Bytes that still have to go out.
    pub(super) fn backlog_bytes(&self, hub: &Hub) -> usize {
        match &self.rest {
            Rest::Own(unsent) => unsent.backlog_bytes(),
            Rest::Connection(conn) => hub.backlog_bytes(*conn),
        }
    }

    /// Why it ends, once there is nothing left to do.
    pub(super) fn why_over(&self) -> Option<Why> {
        match self.stage {
            Stage::Over => Some(self.why),
            Stage::Closing(..) | Stage::Closed | Stage::Finishing(_) | Stage::Lingering => None,
        }
    }
}
