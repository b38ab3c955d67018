//! Links: each accepted socket and what it speaks now.
//!
//! ```text
//!   accepted ─▶ Http ─101─▶ WebSocket    ⟷ a connection, for as long as it lives
//!              │ ▲ │ ─200─▶ EventStream  ⟷ a connection, for as long as it lives
//!              │ │ └──────▶ Poll         ⟷ a connection, until there is something to answer
//!              │ └───200────┘
//!              ▼     and from each of them
//!            Ending: the last bytes go out, the peer has its time ─▶ freed
//! ```
//!
//! A stateful connection may go on on another WebSocket, where its own is lost.
//!
//! A link is a value that consumes itself: each event takes it and gives back what it has become.
//! The shard is the one place that stores it. What speaks something else is one more variant, with
//! a file of its own.

mod asking;
mod bearer;
pub(super) mod cx;
mod detached;
mod ending;
mod event_stream;
mod front;
mod gate;
mod http;
mod moved;
mod parting;
mod poll;
pub(crate) mod polled;
mod readiness;
mod refresh;
mod refused;
mod request;
mod serve;
mod unsent;
mod websocket;
mod whereabouts;

pub use moved::Moved;

use super::ask::Answer;
use super::end::{End, Why};
use super::hub::connection::Connections;
use super::quotas::Quotas;
use super::whose::Whose;
use crate::api::routes::Entrance;
use crate::broken::broken;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::hub::registry::ConnKey;
use crate::hub::{Doomed, Hub, READ_BYTES_PER_DELIVERY};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::timer::TimerSlot;
use crate::wire::{Cut, Failure, LinkKey};
use core::net::IpAddr;
use cx::Cx;
pub(crate) use ending::Life;
use ending::{Ending, Rest};
use event_stream::EventStream;
use http::{Http, Next};
use poll::Poll;
use websocket::WebSocket;

/// One accepted socket and what it speaks now. Small, since most of them carry an idle connection.
#[derive(Debug)]
pub(crate) enum Link {
    Http(Box<Http>),
    WebSocket(WebSocket),
    EventStream(EventStream),
    Poll(Box<Poll>),
    Ending(Box<Ending>),
}

/// What a link costs, while it carries an idle connection.
pub const LINK_BYTES: usize = size_of::<Link>();

/// What the state of a link depends on.
#[derive(Clone, Copy)]
pub(crate) struct View<'v> {
    pub(crate) connections: &'v Connections,
    pub(crate) hub: &'v Hub,
    pub(crate) limits: &'v Limits,
}

impl From<Result<WebSocket, Box<Ending>>> for Link {
    fn from(next: Result<WebSocket, Box<Ending>>) -> Link {
        next.map_or_else(Link::Ending, Link::WebSocket)
    }
}

impl From<Result<EventStream, Box<Ending>>> for Link {
    fn from(next: Result<EventStream, Box<Ending>>) -> Link {
        next.map_or_else(Link::Ending, Link::EventStream)
    }
}

impl Link {
    /// What has become of a link that speaks HTTP.
    fn of(next: Next, cx: &mut Cx<'_, '_>) -> Link {
        match next {
            Next::Http(http) => Link::Http(http),
            Next::WebSocket(websocket) => Link::WebSocket(websocket),
            Next::EventStream(stream) => Link::EventStream(stream),
            Next::Poll(http, conn, framing) => Link::Poll(Poll::begin(http, conn, framing, cx)),
            Next::Ending(ending) => Link::Ending(ending),
        }
    }

    /// What has become of a poll that was looked at.
    fn of_poll(looked: Result<Box<Poll>, Next>, cx: &mut Cx<'_, '_>) -> Link {
        match looked {
            Ok(poll) => Link::Poll(poll),
            Err(next) => Link::of(next, cx),
        }
    }

    /// A socket that has just been accepted.
    pub(crate) fn accepted(number: u64, timer: TimerSlot, entrance: Entrance, peer: IpAddr, now: Now) -> Link {
        Link::Http(Http::new(number, timer, entrance, peer, now))
    }

    /// A socket that comes from another shard. Its unread bytes are looked at with
    /// [`Link::resume`].
    pub(crate) fn adopted(moved: Moved, timer: TimerSlot) -> Link {
        Link::Http(Http::adopt(moved, timer))
    }

    /// Whether it can wait: nobody has shown a good token by it, or it only ends.
    pub(crate) fn is_guest(&self) -> bool {
        match self {
            Link::Http(http) => http.is_guest(),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => false,
            Link::Ending(_) => true,
        }
    }

    /// Takes bytes in; they may be spoilt.
    pub(crate) fn handle_bytes(self, bytes: &mut [u8], cx: &mut Cx<'_, '_>) -> Link {
        cx.turn.books.metrics.bytes_in += bytes.len() as u64;
        match self {
            Link::Http(http) => Link::of(http.handle_bytes(bytes, cx), cx),
            Link::WebSocket(websocket) => {
                cx.connection(websocket.conn).note_heard(bytes.len() / READ_BYTES_PER_DELIVERY);
                websocket.handle_bytes(bytes, cx).into()
            }
            Link::EventStream(stream) => {
                // Behind a request that asked for a reply without end there is none.
                cx.connection(stream.conn).note_heard(bytes.len() / READ_BYTES_PER_DELIVERY);
                Link::EventStream(stream)
            }
            Link::Poll(poll) => Link::Poll(poll.handle_bytes(bytes)),
            Link::Ending(ending) => Link::Ending(ending.handle_bytes(bytes, cx)),
        }
    }

    /// Goes on with bytes that have been read before.
    pub(crate) fn resume(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.resume(cx), cx),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// Goes on with what a turn had no room for.
    pub(crate) fn proceed(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.proceed(cx), cx),
            Link::WebSocket(websocket) => websocket.proceed(cx).into(),
            Link::EventStream(stream) => {
                let flow = cx.connection(stream.conn).proceed();
                stream.follow(flow, cx).into()
            }
            Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// The peer sends no more.
    pub(crate) fn handle_eof(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.handle_eof(cx), cx),
            Link::WebSocket(websocket) => Link::Ending(websocket.lose(CloseReason::PeerGone, cx)),
            Link::EventStream(stream) => Link::Ending(stream.end(End::silent(CloseReason::PeerGone), cx)),
            Link::Poll(poll) => Link::of(poll.handle_eof(cx), cx),
            Link::Ending(ending) => Link::Ending(ending.handle_eof()),
        }
    }

    /// The socket failed.
    pub(crate) fn handle_failure(self, failure: Failure, cx: &mut Cx<'_, '_>) -> Link {
        Link::Ending(match self {
            Link::Http(http) => http.handle_failure(failure, cx),
            Link::WebSocket(websocket) => websocket.lose(CloseReason::SocketFailed, cx),
            Link::EventStream(stream) => stream.end(End::silent(CloseReason::SocketFailed), cx),
            Link::Poll(poll) => poll.handle_failure(failure, cx),
            Link::Ending(ending) => ending.handle_failure(),
        })
    }

    /// The socket takes bytes again.
    pub(crate) fn handle_writable(mut self, cx: &mut Cx<'_, '_>) -> Link {
        let metrics = &mut cx.turn.books.metrics;
        match &mut self {
            Link::Http(http) => http.unsent.unblock(metrics),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                cx.turn.hub.unblock(*conn);
            }
            // Nothing was unsent when it began to wait.
            Link::Poll(_) => {}
            Link::Ending(ending) => match &mut ending.rest {
                Rest::Own(unsent) => unsent.unblock(metrics),
                Rest::Connection(conn) => cx.turn.hub.unblock(*conn),
            },
        }
        self
    }

    /// A shard has answered a request's question.
    pub(crate) fn handle_answer_to_request(self, ticket: u32, answer: Answer, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.handle_answer(ticket, answer, cx), cx),
            // It ends: nobody waits any more.
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// A shard has answered the question of the connection.
    pub(crate) fn handle_answer_to_connection(self, answer: Answer, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::WebSocket(websocket) => websocket.handle_answer(answer, cx).into(),
            Link::EventStream(stream) => {
                let flow = cx.connection(stream.conn).handle_answer(answer);
                stream.follow(flow, cx).into()
            }
            Link::Http(_) | Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// A deadline of the link or of its connection has come.
    pub(crate) fn handle_deadline(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.handle_deadline(cx), cx),
            Link::WebSocket(websocket) => websocket.handle_deadline(cx).into(),
            Link::EventStream(stream) => {
                let flow = cx.connection(stream.conn).handle_deadline();
                stream.follow(flow, cx).into()
            }
            Link::Poll(poll) => Link::of_poll(poll.handle_deadline(cx), cx),
            Link::Ending(ending) => Link::Ending(ending.handle_deadline(cx)),
        }
    }

    /// The hub has given up the link's connection, or failed to write to its socket.
    pub(crate) fn handle_doomed(self, doomed: Doomed, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::WebSocket(websocket) if doomed.reason == CloseReason::SocketFailed => {
                Link::Ending(websocket.lose(doomed.reason, cx))
            }
            Link::WebSocket(websocket) => {
                Link::Ending(websocket.end(End::given_up(doomed.reason, doomed.lost_bytes), cx))
            }
            Link::EventStream(stream) => Link::Ending(stream.end(End::given_up(doomed.reason, doomed.lost_bytes), cx)),
            Link::Ending(ending) => Link::Ending(ending.handle_failure()),
            Link::Http(_) | Link::Poll(_) => self,
        }
    }

    /// Its connection ends for what has come by a request of another link.
    pub(crate) fn end_connection(self, end: End, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::EventStream(stream) => Link::Ending(stream.end(end, cx)),
            Link::Http(_) | Link::WebSocket(_) | Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// Another poll takes the place of this one, or another link its connection.
    pub(crate) fn replaced(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Poll(poll) => Link::of(poll.replaced(cx), cx),
            Link::WebSocket(websocket) => Link::Ending(websocket.replaced(cx)),
            Link::Http(_) | Link::EventStream(_) | Link::Ending(_) => self,
        }
    }

    /// Writes the link's own bytes.
    pub(crate) fn flush(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.flush(cx), cx),
            Link::Ending(ending) => Link::Ending(ending.flush(cx)),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => self,
        }
    }

    /// The socket took so many bytes of the connection's outbox; or something waits for a poll.
    pub(crate) fn handle_flushed(self, taken: usize, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Ending(ending) => Link::Ending(ending.handle_flushed(taken, cx)),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                cx.connection(conn).handle_flushed();
                self
            }
            Link::Poll(poll) => Link::of_poll(poll.look(cx), cx),
            Link::Http(_) => self,
        }
    }

    /// The hub drains: ends in time. `spread_ms` is this link's share of the spread.
    pub(crate) fn drain(self, spread_ms: u64, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.drain(cx), cx),
            Link::WebSocket(websocket) => websocket.drain(spread_ms, cx).into(),
            Link::EventStream(stream) => {
                let flow = cx.connection(stream.conn).drain(spread_ms);
                stream.follow(flow, cx).into()
            }
            // It is answered when its connection has ended.
            Link::Poll(_) | Link::Ending(_) => self,
        }
    }

    /// Its connection ends for that reason within that time.
    pub(crate) fn end_within(self, share_ms: u64, reason: CloseReason, cx: &mut Cx<'_, '_>) -> Link {
        if let Some(conn) = self.connection() {
            cx.connection(conn).end_within(share_ms, reason);
        }
        self
    }

    /// It is the oldest stranger, and another one needs the room.
    pub(crate) fn make_room(self) -> Link {
        match self {
            Link::Http(http) => Link::Ending(http.cut_off(CloseReason::MadeRoom)),
            Link::Ending(ending) => Link::Ending(ending.handle_failure()),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => {
                broken("who carries a connection is no stranger")
            }
        }
    }

    /// It moves to another shard before its next request is looked at. What carries a connection
    /// stays where that is.
    pub(crate) fn move_to(mut self, shard: usize) -> Link {
        if let Link::Http(http) = &mut self {
            http.move_to(shard);
        }
        self
    }

    /// Whether it moves now, and where.
    pub(crate) fn moves_now(&self) -> Option<usize> {
        match self {
            Link::Http(http) => http.moves_now(),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) | Link::Ending(_) => None,
        }
    }

    /// What goes to the other shard, of a link that moves now.
    pub(crate) fn into_moved(self, is_stranger: bool) -> Option<Moved> {
        match self {
            Link::Http(http) => Some(http.into_moved(is_stranger)),
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) | Link::Ending(_) => None,
        }
    }

    /// Whether the link is to be written to at the end of the turn; true once, until it is flushed.
    pub(crate) fn takes_place_to_flush(&mut self) -> bool {
        let unsent = match self {
            Link::Http(http) => &mut http.unsent,
            Link::Ending(ending) => match &mut ending.rest {
                Rest::Own(unsent) => unsent,
                Rest::Connection(_) => return false,
            },
            Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => return false,
        };
        let takes_place = unsent.wants_flush() && !unsent.is_listed;
        unsent.is_listed |= takes_place;
        takes_place
    }

    /// Why it ends, once there is nothing left to do but to free it.
    pub(crate) fn why_over(&self) -> Option<Why> {
        match self {
            Link::Ending(ending) => ending.why_over(),
            Link::Http(_) | Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => None,
        }
    }

    /// What there is to tell of it, once it ends.
    pub(crate) fn life(&self, hub: &Hub, now: Now) -> Option<Life> {
        match self {
            Link::Ending(ending) => Some(ending.life(hub, now)),
            Link::Http(_) | Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => None,
        }
    }

    /// The link is being freed: what it holds outside goes with it. How its socket is closed.
    pub(crate) fn free(
        &mut self,
        hub: &mut Hub,
        connections: &mut Connections,
        quotas: &Quotas,
        metrics: &mut Metrics,
    ) -> Cut {
        let Link::Ending(ending) = self else { return Cut::Reset };
        let is_cut =
            ending.backlog_bytes(hub) > 0 || matches!(&ending.rest, Rest::Connection(conn) if hub.is_cut(*conn));
        let cut = if is_cut { Cut::Reset } else { Cut::Graceful };
        match &mut ending.rest {
            Rest::Own(unsent) => unsent.discard(metrics),
            Rest::Connection(conn) => {
                hub.close(*conn);
                if let Some(connection) = connections.remove(*conn) {
                    quotas.leave(connection.share());
                }
            }
        }
        cut
    }

    /// Whether more bytes should be read from the socket.
    pub(crate) fn wants_input(&self, view: View<'_>) -> bool {
        match self {
            Link::Http(http) => http.wants_input(view.limits),
            Link::WebSocket(websocket) => {
                view.connections.get(websocket.conn).is_some_and(|connection| connection.wants_input(view.limits))
            }
            // What comes is thrown away; that nothing more does has to be seen.
            Link::EventStream(_) => !self.rests(view),
            Link::Poll(poll) => poll.http.input_bytes() == 0,
            Link::Ending(ending) => ending.wants_input(),
        }
    }

    /// Whether it is not read on, since its peer has used up its allowance of work.
    pub(crate) fn rests(&self, view: View<'_>) -> bool {
        match self {
            Link::Http(http) => http.rests(view.limits),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                view.connections.get(*conn).is_some_and(|connection| connection.rests(view.limits))
            }
            Link::Poll(_) | Link::Ending(_) => false,
        }
    }

    /// Whether only its last bytes matter.
    pub(crate) fn is_ending(&self) -> bool {
        match self {
            Link::Ending(_) => true,
            Link::Http(_) | Link::WebSocket(_) | Link::EventStream(_) | Link::Poll(_) => false,
        }
    }

    /// The connection whose bytes it carries.
    pub(crate) fn connection(&self) -> Option<ConnKey> {
        match self {
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => Some(*conn),
            Link::Poll(poll) => Some(poll.conn),
            Link::Ending(ending) => match ending.rest {
                Rest::Connection(conn) => Some(conn),
                Rest::Own(_) => None,
            },
            Link::Http(_) => None,
        }
    }

    /// Its number in facts; a connection has that of the link that it came on.
    pub(crate) fn number(&self, connections: &Connections) -> u64 {
        match self {
            Link::Http(http) => http.number,
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                connections.get(*conn).map_or(0, |connection| connection.number())
            }
            Link::Poll(poll) => poll.http.number,
            Link::Ending(ending) => ending.number,
        }
    }

    /// Memory of what its peer has sent and what is not done with.
    pub(crate) fn input_bytes(&self, connections: &Connections) -> usize {
        match self {
            Link::Http(http) => http.input_bytes(),
            Link::WebSocket(websocket) => {
                websocket.input_bytes() + connections.get(websocket.conn).map_or(0, |it| it.input_bytes())
            }
            Link::EventStream(stream) => connections.get(stream.conn).map_or(0, |it| it.input_bytes()),
            Link::Poll(poll) => poll.http.input_bytes(),
            Link::Ending(_) => 0,
        }
    }

    /// The process keeps too much: ends, since what its peer sends has to be kept.
    pub(crate) fn give_up_input(self, cx: &mut Cx<'_, '_>) -> Link {
        match self {
            Link::Http(http) => Link::of(http.give_up_input(cx), cx),
            Link::WebSocket(websocket) => {
                Link::Ending(websocket.end(End::close(Why::new(CloseReason::MemoryFull)), cx))
            }
            Link::EventStream(stream) => Link::Ending(stream.end(End::close(Why::new(CloseReason::MemoryFull)), cx)),
            Link::Poll(poll) => Link::of(poll.give_up_input(cx), cx),
            Link::Ending(_) => self,
        }
    }

    /// Bytes that wait for the socket.
    pub(crate) fn backlog_bytes(&self, hub: &Hub) -> usize {
        match self {
            Link::Http(http) => http.unsent.backlog_bytes(),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                hub.backlog_bytes(*conn)
            }
            Link::Poll(poll) => hub.backlog_bytes(poll.conn),
            Link::Ending(ending) => ending.backlog_bytes(hub),
        }
    }

    /// Since when the socket has taken nothing, where it is or was full.
    pub(crate) fn blocked_since(&self, hub: &Hub) -> Option<Instant> {
        match self {
            Link::Http(http) => http.unsent.stuck_since(),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                hub.blocked_since(*conn)
            }
            Link::Poll(_) => None,
            Link::Ending(ending) => ending.blocked_since(hub),
        }
    }

    /// When something is due, whose deadline that is, and where it stands.
    pub(crate) fn deadline(&self, key: LinkKey, view: View<'_>) -> (Deadline, Whose, Option<TimerSlot>) {
        match self {
            Link::Http(http) => (http.next_deadline(view.limits), Whose::Link(key), Some(http.timer)),
            Link::Ending(ending) => (ending.next_deadline(view.hub, view.limits), Whose::Link(key), Some(ending.timer)),
            Link::Poll(poll) => (poll.next_deadline(view.limits), Whose::Link(key), Some(poll.http.timer)),
            Link::WebSocket(WebSocket { conn, .. }) | Link::EventStream(EventStream { conn }) => {
                let connection = view.connections.get(*conn);
                let deadline = connection.map_or(Deadline::NEVER, |it| it.next_deadline(*conn, view.hub, view.limits));
                (deadline, Whose::Connection(*conn), connection.map(|connection| connection.timer()))
            }
        }
    }
}
