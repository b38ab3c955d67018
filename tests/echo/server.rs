//! The echo: a thread accepts, and each connection has a thread of its own.

use mio::{Events, Poll};
use rte::limits::Limits;
use rte::proto::Status;
use rte::proto::http::head::parse_head;
use rte::proto::http::reply::{self, Reply};
use rte::proto::ws::decode::{Decoder, Piece};
use rte::proto::ws::encode::{self, Opcode};
use rte::proto::ws::upgrade;
use rte::shell::listener::Listener;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Bytes of a message: as many as the suites send at the most.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a connection's read buffer.
const READ_BYTES: usize = 64 * 1024;
/// RFC 6455 section 7.4.1: "1000 indicates a normal closure".
const NORMAL: u16 = 1000;
/// RFC 6455 section 7.4.1: "1009 indicates that an endpoint is terminating the connection because
/// it has received a message that is too big for it to process."
const TOO_BIG: u16 = 1009;

/// A bound listener.
pub struct Server {
    listener: Listener,
    poll: Poll,
}

impl Server {
    /// Listens.
    pub fn bind(address: SocketAddr) -> io::Result<Server> {
        let mut listener = Listener::bind(address, &Limits::DEFAULT)?;
        let poll = Poll::new()?;
        listener.register(&poll)?;
        Ok(Server { listener, poll })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves for good.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1);
        loop {
            match self.poll.poll(&mut events, None) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            while let Some((stream, _)) = self.listener.accept()? {
                let stream = TcpStream::from(stream);
                stream.set_nonblocking(false)?;
                // A connection that fails is the peer's loss alone.
                thread::spawn(move || serve(stream));
            }
        }
    }
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    let limits = Limits { record_bytes_max: MESSAGE_BYTES_MAX, ..Limits::DEFAULT };
    stream.set_read_timeout(Some(Duration::from_millis(limits.head_ms)))?;
    let mut input = Input { bytes: vec![0; READ_BYTES], filled: 0 };
    if open(&mut stream, &mut input, &limits)? {
        stream.set_read_timeout(None)?;
        echo(&mut stream, &mut input, &limits)?;
    }
    // What the peer still sends is read, or the kernel would answer it with a reset and take our
    // last bytes back.
    stream.set_read_timeout(Some(Duration::from_millis(limits.close_ms)))?;
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut input.bytes)? > 0 {}
    Ok(())
}

/// What has arrived and not been used.
struct Input {
    bytes: Vec<u8>,
    filled: usize,
}

impl Input {
    /// Reads once; `false` at the end.
    fn read(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        let read = stream.read(&mut self.bytes[self.filled..])?;
        self.filled += read;
        Ok(read > 0)
    }

    fn drop_used(&mut self, used: usize) {
        self.bytes.copy_within(used..self.filled, 0);
        self.filled -= used;
    }
}

/// Reads a request head and answers it; whether there is a WebSocket now.
fn open(stream: &mut TcpStream, input: &mut Input, limits: &Limits) -> io::Result<bool> {
    let mut out = Vec::new();
    loop {
        match asked(&input.bytes[..input.filled], limits, &mut out) {
            Asked::Partly if input.read(stream)? => {}
            Asked::Partly => return Ok(false),
            Asked::Upgrade { head_bytes } => {
                input.drop_used(head_bytes);
                stream.write_all(&out)?;
                return Ok(true);
            }
            Asked::Wrongly(refusal) => {
                reply::encode(refusal, false, false, DATE, &mut out);
                stream.write_all(&out)?;
                return Ok(false);
            }
        }
    }
}

/// An echo has no clock.
const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// What a request head asks for.
enum Asked {
    /// The head is not whole.
    Partly,
    /// A WebSocket, which has been accepted.
    Upgrade { head_bytes: usize },
    /// Anything else.
    Wrongly(Reply),
}

fn asked(bytes: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Asked {
    let head = match parse_head(bytes, limits.head_bytes_max, limits.headers_max) {
        Ok(Status::Partial) => return Asked::Partly,
        Ok(Status::Complete(head)) => head,
        Err(error) => return Asked::Wrongly(Reply::text(error.status, error.message)),
    };
    match upgrade::check(&head) {
        Ok(key) => {
            upgrade::accept(key, DATE, out);
            Asked::Upgrade { head_bytes: head.len }
        }
        Err(error) => Asked::Wrongly(Reply::text(error.status, error.message).with("Sec-WebSocket-Version", "13")),
    }
}

/// Sends back each message, answers pings, closes as the hub closes.
fn echo(stream: &mut TcpStream, input: &mut Input, limits: &Limits) -> io::Result<()> {
    let mut decoder = Decoder::default();
    let mut message = Vec::new();
    let mut out = Vec::new();
    loop {
        let mut used = 0;
        let mut is_open = true;
        while is_open {
            match decoder.decode(&mut input.bytes[used..input.filled]) {
                Ok(Status::Partial) => break,
                Ok(Status::Complete((piece, taken))) => {
                    used += taken;
                    is_open = take(piece, &mut message, limits.record_bytes_max, &mut out);
                }
                Err(error) => {
                    encode::close(error.code, error.message, &mut out);
                    is_open = false;
                }
            }
        }
        stream.write_all(&out)?;
        out.clear();
        input.drop_used(used);
        if !is_open || !input.read(stream)? {
            return Ok(());
        }
    }
}

/// Answers one piece; whether the connection stays open.
fn take(piece: Piece<'_>, message: &mut Vec<u8>, message_bytes_max: usize, out: &mut Vec<u8>) -> bool {
    match piece {
        Piece::Data { payload, .. } if message.len() + payload.len() > message_bytes_max => {
            encode::close(TOO_BIG, "the message is too long", out);
            return false;
        }
        Piece::Data { payload, text, end } => {
            message.extend_from_slice(payload);
            if end {
                encode::frame(if text { Opcode::Text } else { Opcode::Binary }, message, out);
                message.clear();
            }
        }
        Piece::Ping(payload) => encode::frame(Opcode::Pong, payload, out),
        Piece::Pong => {}
        Piece::Close(_) => {
            encode::close(NORMAL, "", out);
            return false;
        }
    }
    true
}
