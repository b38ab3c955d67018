//! The SignalR side of a connection: frames to records, the handshake, and how it closes.

use super::ask::Answer;
use super::client::Waiting;
use super::connection::{Connection, Phase};
use super::invoke::{self, Next};
use super::subscribing::Subscribing;
use super::turn::Turn;
use crate::clock::Deadline;
use crate::close::CloseReason;
use crate::proto::Status;
use crate::proto::signalr::handshake::{self, HandshakeError, HubProtocol};
use crate::proto::signalr::json;
use crate::proto::signalr::text;
use crate::proto::ws::decode::{Decoder, FrameError, Piece};
use crate::proto::ws::encode::{self, Opcode};
use crate::timer::Wait;
use crate::trace::{Fact, Level};
use crate::wire::ConnKey;

/// WebSocket close codes that this hub sends (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

/// Whether records of the same payload may follow.
enum Flow {
    GoOn,
    /// None do.
    Stop,
    /// They wait until other shards have answered.
    Wait(Box<Subscribing>),
}

impl Connection {
    /// Frames in, while they are whole enough.
    pub(super) fn advance_frames(&mut self, key: ConnKey, input: &mut [u8], turn: &mut Turn<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let decoder = match &mut self.phase {
                Phase::Handshake { peer, .. } | Phase::Open(peer) => &mut peer.decoder,
                Phase::Closing { decoder, has_heard: false, .. } => decoder,
                // RFC 6455 section 1.4: behind a Close "a peer discards any further data received".
                Phase::Closing { has_heard: true, .. } => return input.len(),
                Phase::Head { .. } | Phase::Body(_) | Phase::Finishing { .. } | Phase::Lingering { .. } => {
                    return input.len();
                }
            };
            match decoder.decode(rest) {
                Ok(Status::Partial) => return used,
                Ok(Status::Complete((piece, taken))) => {
                    used += taken;
                    self.handle_piece(key, piece, turn);
                }
                Err(error) => {
                    self.fail(key, error, turn);
                    return input.len();
                }
            }
            if self.asks() {
                return used;
            }
        }
    }

    /// Whether the answer of another shard is awaited.
    fn asks(&self) -> bool {
        matches!(&self.phase, Phase::Open(peer) if peer.waiting.is_some())
    }

    /// A shard has answered: the Subscribe is completed, and what was read behind it gets its turn.
    pub(super) fn handle_subscribe_answer(&mut self, key: ConnKey, answer: Answer, turn: &mut Turn<'_>) {
        let Phase::Open(peer) = &mut self.phase else { return };
        let Some(waiting) = &mut peer.waiting else { return };
        if !invoke::complete(&mut waiting.subscribing, (key, self.number), answer, turn) {
            return;
        }
        if let Some(mut waiting) = peer.waiting.take() {
            self.handle_payload(key, &mut waiting.unread, turn);
            if !self.asks() {
                self.resume(key, turn);
            }
        }
    }

    fn handle_piece(&mut self, key: ConnKey, piece: Piece<'_>, turn: &mut Turn<'_>) {
        let is_closing = self.is_ending();
        match piece {
            Piece::Data { payload, .. } if !is_closing => self.handle_payload(key, payload, turn),
            Piece::Ping(payload) if !is_closing => {
                turn.hub.send_frame(key, |out| encode::frame(Opcode::Pong, payload, out));
            }
            Piece::Close(_) if is_closing => self.heard_close(key, turn),
            Piece::Close(_) => {
                // The peer began: its close is answered with a normal one, whatever its code, as ASP.NET does.
                self.set_reason(CloseReason::PeerClosed);
                self.begin_closing(key, turn, true, |out| encode::close(NORMAL, "", out));
            }
            Piece::Data { .. } | Piece::Ping(_) | Piece::Pong => {}
        }
    }

    fn heard_close(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        if let Phase::Closing { has_heard, .. } = &mut self.phase {
            *has_heard = true;
            if turn.hub.backlog_bytes(key) == 0 {
                turn.hub.doom(key, CloseReason::PeerClosed);
            }
        }
    }

    /// Payload bytes are a stream: records are cut out of it wherever message borders fall.
    fn handle_payload(&mut self, key: ConnKey, payload: &mut [u8], turn: &mut Turn<'_>) {
        let (Phase::Handshake { peer, .. } | Phase::Open(peer)) = &mut self.phase else { return };
        let mut records = std::mem::take(&mut peer.records);
        let mut rest = payload;
        // The questions of a client that has been given up are not worth an answer that nobody takes.
        while turn.hub.relieve(key, turn.now, turn.wire) {
            match records.next(&mut rest, turn.shared.limits.record_bytes_max) {
                Ok(Some(record)) => match self.handle_record(key, record, turn) {
                    Flow::GoOn => {}
                    Flow::Stop => return,
                    Flow::Wait(subscribing) => {
                        if let Phase::Open(peer) = &mut self.phase {
                            peer.waiting = Some(Box::new(Waiting { subscribing, unread: rest.to_vec() }));
                        }
                        break;
                    }
                },
                Ok(None) => break,
                Err(_) => {
                    self.too_long(key, turn);
                    return;
                }
            }
        }
        if let Phase::Handshake { peer, .. } | Phase::Open(peer) = &mut self.phase {
            peer.records = records;
        }
    }

    fn handle_record(&mut self, key: ConnKey, record: &mut [u8], turn: &mut Turn<'_>) -> Flow {
        match &mut self.phase {
            Phase::Handshake { .. } => self.handle_handshake(key, record, turn),
            Phase::Open(peer) => {
                turn.metrics.hub_messages += 1;
                match invoke::handle_record(peer, (key, self.number), record, turn) {
                    Ok(Next::GoOn) => Flow::GoOn,
                    Ok(Next::Ask(subscribing)) => Flow::Wait(subscribing),
                    Ok(Next::Close) => {
                        self.set_reason(CloseReason::PeerClosed);
                        self.close_hub(key, None, false, turn);
                        Flow::Stop
                    }
                    Err(malformed) => {
                        self.blame(CloseReason::MalformedMessage, malformed.message);
                        let error = text::closed_with_error(malformed.message, turn.shared.options.detailed_errors);
                        self.close_hub(key, Some(&error), true, turn);
                        Flow::Stop
                    }
                }
            }
            Phase::Head { .. }
            | Phase::Body(_)
            | Phase::Closing { .. }
            | Phase::Finishing { .. }
            | Phase::Lingering { .. } => Flow::Stop,
        }
    }

    fn handle_handshake(&mut self, key: ConnKey, record: &[u8], turn: &mut Turn<'_>) -> Flow {
        match handshake::parse(record) {
            Ok(HubProtocol::Json) => {
                turn.hub.send_message(key, |out| out.extend_from_slice(handshake::ACCEPTED));
                let idle = Phase::Lingering { until: Deadline::NEVER };
                if let Phase::Handshake { peer, .. } = std::mem::replace(&mut self.phase, idle) {
                    self.phase = Phase::Open(peer);
                    turn.metrics.hub_open += 1;
                }
                let client = self.client;
                let conn = self.number;
                turn.trace.note(Level::Debug, || Fact::Connected { conn, client });
                Flow::GoOn
            }
            Err(error) => {
                self.blame(CloseReason::HandshakeRefused, "no acceptable SignalR handshake");
                self.refuse_handshake(key, &error, turn);
                Flow::Stop
            }
        }
    }

    fn refuse_handshake(&mut self, key: ConnKey, error: &HandshakeError, turn: &mut Turn<'_>) {
        turn.hub.send_message(key, |out| handshake::encode_error(error, out));
        self.begin_closing(key, turn, false, |out| encode::close(NORMAL, "", out));
    }

    fn too_long(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        self.blame(CloseReason::MessageTooLong, "a record longer than limits.record_bytes_max");
        if matches!(self.phase, Phase::Handshake { .. }) {
            self.refuse_handshake(key, &HandshakeError::Canceled, turn);
        } else {
            let what = text::record_too_long(turn.shared.limits.record_bytes_max);
            let error = text::closed_with_error(&what, turn.shared.options.detailed_errors);
            self.close_hub(key, Some(&error), true, turn);
        }
    }

    pub(super) fn handshake_late(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        self.set_reason(CloseReason::HandshakeTimeout);
        self.refuse_handshake(key, &HandshakeError::Canceled, turn);
    }

    /// A wait of an open connection is over: for an answer, for its end, for a sign of the peer, or for one of ours.
    pub(super) fn open_due(&mut self, key: ConnKey, wait: Wait, turn: &mut Turn<'_>) {
        let Phase::Open(peer) = &self.phase else { return };
        match wait {
            Wait::Answer => {
                self.set_reason(CloseReason::Unanswered);
                self.close_hub(key, Some(text::CLOSED_WITH_ERROR), true, turn);
            }
            Wait::End => {
                self.set_reason(peer.ends_for);
                self.close_hub(key, None, true, turn);
            }
            Wait::Sign => {
                self.set_reason(CloseReason::ClientTimeout);
                self.close_hub(key, Some(text::CLOSED_WITH_ERROR), true, turn);
            }
            Wait::Ping => {
                // A peer whose socket is full gets no ping on top; the bytes that wait will do.
                if turn.hub.backlog_bytes(key) == 0 {
                    turn.hub.send_message(key, |out| out.extend_from_slice(json::PING));
                }
                self.spoke = turn.now.mono;
            }
            Wait::Room | Wait::Head | Wait::Request | Wait::Body | Wait::Handshake | Wait::Goodbye => {}
        }
    }

    /// The peer was given up by the fan-out: its backlog is gone, it is told why, and that it may come back.
    pub fn give_up(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        if self.is_ending() {
            return;
        }
        self.set_reason(CloseReason::Overrun);
        turn.hub.send_last(key, |out| {
            let mut record = Vec::new();
            json::encode_close(Some(text::CLOSED_WITH_ERROR), true, &mut record);
            encode::frame(Opcode::Text, &record, out);
            encode::close(NORMAL, "", out);
        });
        self.enter_closing(key, turn, false);
    }

    /// Says Close in both protocols.
    fn close_hub(&mut self, key: ConnKey, error: Option<&str>, allow_reconnect: bool, turn: &mut Turn<'_>) {
        turn.hub.send_message(key, |out| json::encode_close(error, allow_reconnect, out));
        self.begin_closing(key, turn, false, |out| encode::close(NORMAL, "", out));
    }

    /// A connection without a handshake has no hub protocol to say it in.
    pub(super) fn close_going_away(&mut self, key: ConnKey, turn: &mut Turn<'_>) {
        self.set_reason(CloseReason::Drain);
        self.begin_closing(key, turn, false, |out| encode::close(GOING_AWAY, "", out));
    }

    /// RFC 6455 section 7.1.7, Fail the WebSocket Connection: a close with the code, then what comes in is not looked at.
    fn fail(&mut self, key: ConnKey, error: FrameError, turn: &mut Turn<'_>) {
        if !self.is_ending() {
            self.blame(CloseReason::FrameError, error.message);
            self.begin_closing(key, turn, false, |out| encode::close(error.code, error.message, out));
        }
        self.finish(key, turn, CloseReason::FrameError);
    }

    fn begin_closing(&mut self, key: ConnKey, turn: &mut Turn<'_>, has_heard: bool, last: impl FnOnce(&mut Vec<u8>)) {
        turn.hub.send_frame(key, last);
        self.enter_closing(key, turn, has_heard);
    }

    /// From here on nothing is delivered, and the negotiated token finds nothing.
    fn enter_closing(&mut self, key: ConnKey, turn: &mut Turn<'_>, has_heard: bool) {
        turn.hub.registry.leave_all(key);
        let until = turn.now.after_ms(turn.shared.limits.close_ms);
        self.leave_open(turn);
        let decoder = match &self.phase {
            Phase::Handshake { peer, .. } | Phase::Open(peer) => {
                peer.forget_token(turn.shared);
                peer.decoder
            }
            Phase::Closing { decoder, .. } => *decoder,
            Phase::Head { .. } | Phase::Body(_) | Phase::Finishing { .. } | Phase::Lingering { .. } => {
                Decoder::default()
            }
        };
        self.phase = Phase::Closing { decoder, until, has_heard };
    }

    /// One SignalR client less, if this is one.
    pub(super) fn leave_open(&self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Open(_)) {
            turn.metrics.hub_open -= 1;
        }
    }

    fn blame(&mut self, reason: CloseReason, detail: &'static str) {
        if self.reason.is_none() {
            self.detail = Some(detail);
        }
        self.set_reason(reason);
    }
}
