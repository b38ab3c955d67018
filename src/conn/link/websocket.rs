//! A link that speaks WebSocket: frames in, whose payload is its connection's. It outlives the
//! connection only as an [`Ending`].

use super::cx::Cx;
use super::detached;
use super::ending::{Ending, Rest, Sender};
use super::parting::part;
use super::unsent::Unsent;
use crate::close::CloseReason;
use crate::conn::ask::Answer;
use crate::conn::end::{End, Flow, LastWord, Why};
use crate::conn::input::{Input, Unread};
use crate::hub::registry::ConnKey;
use crate::proto::Status;
use crate::proto::ws::decode::{Decoder, Piece};
use crate::proto::ws::encode::{self, Opcode};

/// What a frame costs beside its payload, in deliveries. Ten thousand empty ones fit into 60 KB.
const FRAME_COST: usize = 2;

/// A link that carries a connection over WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    pub(super) conn: ConnKey,
    /// A frame that is cut, or frames that must wait; nothing while there is none.
    cut: Option<Box<CutFrames>>,
}

#[derive(Debug)]
struct CutFrames {
    decoder: Decoder,
    /// Received and not decoded.
    bytes: Unread,
}

impl WebSocket {
    /// Carries a connection whose handshake is awaited, or which goes on.
    pub(super) fn new(conn: ConnKey) -> WebSocket {
        WebSocket { conn, cut: None }
    }

    /// Bytes that came with the upgrade.
    pub(super) fn begin(mut self, bytes: &mut [u8], cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        if bytes.is_empty() || cx.connection(self.conn).connection.takes_payload() {
            return self.handle_bytes(bytes, cx);
        }
        // It goes on, and still waits for an answer of other shards.
        let bytes = Unread::from(&*bytes);
        self.cut = Some(Box::new(CutFrames { decoder: Decoder::default(), bytes }));
        Ok(self)
    }

    /// Bytes in: frames, while they are whole enough. They may be spoilt.
    pub(super) fn handle_bytes(mut self, input: &mut [u8], cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        match self.cut.take() {
            None => self.handle_frames(Decoder::default(), Input::Read(input), cx),
            Some(cut) => {
                let CutFrames { decoder, mut bytes } = *cut;
                if bytes.is_empty() {
                    return self.handle_frames(decoder, Input::Read(input), cx);
                }
                bytes.extend(input);
                self.handle_frames(decoder, Input::Waited(bytes), cx)
            }
        }
    }

    /// Memory of frames that have waited.
    pub(super) fn input_bytes(&self) -> usize {
        self.cut.as_ref().map_or(0, |cut| cut.bytes.heap_bytes())
    }

    fn handle_frames(
        mut self,
        mut decoder: Decoder,
        mut input: Input<'_>,
        cx: &mut Cx<'_, '_>,
    ) -> Result<WebSocket, Box<Ending>> {
        let mut used = 0;
        loop {
            let left = input.bytes().len() - used;
            let has_more = used > 0 && left > 0;
            if has_more && cx.turn.hub.is_portion_over() && cx.connection(self.conn).pause() {
                let bytes = input.keep_last(left);
                self.cut = Some(Box::new(CutFrames { decoder, bytes }));
                return Ok(self);
            }
            let flow = match decoder.decode(input.bytes().get_mut(used..).unwrap_or_default()) {
                Ok(Status::Partial) => Flow::Wait,
                Ok(Status::Complete((piece, taken))) => {
                    used += taken;
                    cx.turn.hub.spend(FRAME_COST);
                    cx.connection(self.conn).note_heard(FRAME_COST);
                    self.handle_piece(piece, cx)
                }
                Err(error) => {
                    // RFC 6455 section 7.1.7, Fail the WebSocket Connection: what comes in is not
                    // looked at any more.
                    let why = Why::blame(CloseReason::FrameError, error.message);
                    return Err(self.end(End::new(why, LastWord::Violation(error)), cx).finish(Sender::Open, cx));
                }
            };
            let left = input.bytes().len() - used;
            match flow {
                Flow::GoOn => {}
                Flow::Wait => {
                    if !decoder.is_at_rest() || left > 0 {
                        self.cut = Some(Box::new(CutFrames { decoder, bytes: input.keep_last(left) }));
                    }
                    return Ok(self);
                }
                Flow::End(end) => {
                    let rest = input.bytes().get_mut(used..).unwrap_or_default();
                    return Err(self.end(end, cx).handle_frames(decoder, rest, cx));
                }
            }
        }
    }

    fn handle_piece(&self, piece: Piece<'_>, cx: &mut Cx<'_, '_>) -> Flow {
        match piece {
            Piece::Data { payload, .. } => return cx.connection(self.conn).handle_payload(payload),
            Piece::Ping(payload) => {
                cx.turn.hub.send_frame(self.conn, |out| encode::frame(Opcode::Pong, payload, out));
            }
            Piece::Pong => {}
            // The peer began: its close is answered with a normal one, whatever its code, as
            // ASP.NET does.
            Piece::Close(_) => return Flow::End(End::new(Why::new(CloseReason::PeerClosed), LastWord::CloseBack)),
        }
        Flow::GoOn
    }

    /// A shard has answered the connection's question.
    pub(super) fn handle_answer(self, answer: Answer, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        let flow = cx.connection(self.conn).handle_answer(answer);
        self.go_on(flow, cx)
    }

    /// Goes on with the frames that have waited, unless there is more to wait for.
    fn go_on(self, flow: Flow, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        match flow {
            Flow::GoOn => self.handle_bytes(&mut [], cx),
            Flow::Wait => Ok(self),
            Flow::End(end) => Err(self.end_with_frames(end, cx)),
        }
    }

    /// Goes on with what a turn had no room for.
    pub(super) fn proceed(self, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        let flow = cx.connection(self.conn).proceed();
        self.go_on(flow, cx)
    }

    /// The connection's deadline has come.
    pub(super) fn handle_deadline(self, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        let flow = cx.connection(self.conn).handle_deadline();
        self.follow(flow, cx)
    }

    /// The hub drains; `spread_ms` is this connection's share of the spread.
    pub(super) fn drain(self, spread_ms: u64, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        let flow = cx.connection(self.conn).drain(spread_ms);
        self.follow(flow, cx)
    }

    fn follow(self, flow: Flow, cx: &mut Cx<'_, '_>) -> Result<WebSocket, Box<Ending>> {
        match flow {
            Flow::GoOn | Flow::Wait => Ok(self),
            Flow::End(end) => Err(self.end_with_frames(end, cx)),
        }
    }

    /// Ends, and looks for the peer's Close among the frames that have waited.
    fn end_with_frames(mut self, end: End, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        match self.cut.take() {
            None => self.end(end, cx),
            Some(cut) => {
                let CutFrames { decoder, mut bytes } = *cut;
                self.end(end, cx).handle_frames(decoder, bytes.bytes(), cx)
            }
        }
    }

    /// The socket is gone without a Close: so is its connection, unless that waits for another
    /// link.
    pub(super) fn lose(self, reason: CloseReason, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        self.detach(CloseReason::LinkLost, End::silent(reason), cx)
    }

    /// Another link is about to carry the connection.
    pub(super) fn replaced(self, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        self.detach(CloseReason::LinkReplaced, End::silent(CloseReason::LinkReplaced), cx)
    }

    fn detach(self, reason: CloseReason, end: End, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        match detached::detach(self.conn, cx) {
            Some(parting) => Ending::over(parting, Why::new(reason), Rest::Own(Unsent::default())),
            None => self.end(end, cx),
        }
    }

    /// The one way out: the last word is queued, the connection is over, and the link is an
    /// [`Ending`].
    pub(super) fn end(self, end: End, cx: &mut Cx<'_, '_>) -> Box<Ending> {
        let WebSocket { conn, .. } = self;
        let parting = part(&end, cx.connection(conn));
        let End { why, word } = end;
        match word {
            LastWord::Nothing => Ending::over(parting, why, Rest::Connection(conn)),
            LastWord::CloseBack => Ending::closing(parting, why, conn, cx).note_closed(),
            LastWord::Close { .. } | LastWord::HandshakeError(_) | LastWord::GoingAway | LastWord::Violation(_) => {
                Ending::closing(parting, why, conn, cx)
            }
        }
    }
}
