//! A connection to a server, encrypted or not, on which commands are asked one after the other.

use super::faults::{Complaint, complaint, interrupted, unconnected};
use super::options::{Encryption, Options, Password};
use crate::backplane::Fault;
use crate::limits::BACKPLANE_COMMAND_MS;
use redis::{Cmd, FromRedisValue, Parser, RedisResult, Value};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a server may take to take a connection, or a command.
const PATIENCE: Duration = Duration::from_millis(BACKPLANE_COMMAND_MS);

/// Who this program is to a server, and how it speaks with it.
#[derive(Clone, Copy)]
pub(super) struct Manners<'o> {
    pub(super) tls: Option<&'o Encryption>,
    pub(super) user: Option<&'o str>,
    pub(super) password: Option<&'o Password>,
}

/// A host and a port.
pub(super) type Address = (String, u16);

/// What the bytes go through.
enum Socket {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection. After any error but an answer that is one it is of no use.
pub(super) struct Dialed {
    server: String,
    socket: Socket,
    parser: Parser,
}

impl Dialed {
    /// Connects, as whoever the hub is there. It waits for short answers only, until
    /// [`Dialed::be_patient`].
    pub(super) fn dial(host: &str, port: u16, manners: Manners<'_>) -> Result<Dialed, Complaint> {
        let server = format!("{host}:{port}");
        let socket = Socket::open(host, port, manners.tls);
        let socket = socket.map_err(|fault| Complaint::from(fault).of(&server))?;
        let mut dialed = Dialed { server, socket, parser: Parser::new() };
        if let Some(password) = manners.password {
            let mut command = redis::cmd("AUTH");
            command.arg(manners.user).arg(password.reveal());
            let () = dialed.ask(&command)?;
        }
        Ok(dialed)
    }

    /// From now on it waits for answers to commands that wait at the server for so long, too.
    pub(super) fn be_patient(&self, waits_ms: u64) -> Result<(), Complaint> {
        let longest = PATIENCE + Duration::from_millis(waits_ms);
        self.socket.tcp().set_read_timeout(Some(longest)).map_err(|error| self.blamed(interrupted(&error)))
    }

    /// The socket, to be waited for.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.socket.tcp()
    }

    /// What the server answers to a command.
    pub(super) fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Complaint> {
        self.answer(command)?.read(Ok)
    }

    /// The same, to be read.
    pub(super) fn answer(&mut self, command: &Cmd) -> Result<Answered, Complaint> {
        self.send(&command.get_packed_command())?;
        self.receive()
    }

    /// What it is called.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// What is to be told of this server.
    pub(super) fn blamed(&self, complaint: impl Into<Complaint>) -> Complaint {
        complaint.into().of(&self.server)
    }

    /// Sends commands; each has an answer to be received.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), Complaint> {
        let sent = self.socket.write_all(bytes).and_then(|()| self.socket.flush());
        sent.map_err(|error| self.blamed(interrupted(&error)))
    }

    /// Waits for the next answer.
    pub(super) fn receive(&mut self) -> Result<Answered, Complaint> {
        let mut broken = None;
        let answer = self.parser.parse_value(Watched { socket: &mut self.socket, broken: &mut broken });
        match answer {
            Ok(value) => Ok(Answered { server: self.server.clone(), value }),
            Err(error) => Err(self.blamed(broken.map_or_else(|| complaint(&error), Complaint::from))),
        }
    }
}

/// What a server has answered.
pub(super) struct Answered {
    server: String,
    value: Value,
}

impl Answered {
    /// What it means. Whatever is wrong with it is told of the server.
    pub(super) fn read<T, R>(self, meaning: impl FnOnce(T) -> Result<R, Complaint>) -> Result<R, Complaint>
    where
        T: FromRedisValue,
    {
        taken(self.value).and_then(meaning).map_err(|complaint| complaint.of(&self.server))
    }

    /// The code of the error that it is, if it is one.
    pub(super) fn code(&self) -> Option<&str> {
        if let Value::ServerError(error) = &self.value { Some(error.code()) } else { None }
    }

    /// What is to be told of the server.
    pub(super) fn blamed(&self, fault: Fault) -> Complaint {
        Complaint::from(fault).of(&self.server)
    }
}

/// An answer as what it is to be; an error is what it means.
pub(super) fn taken<T: FromRedisValue>(answer: Value) -> Result<T, Complaint> {
    let read = |answer: Value| -> RedisResult<T> { Ok(T::from_redis_value(answer.extract_error()?)?) };
    read(answer).map_err(|error| complaint(&error))
}

/// Connects to a server of the engine, as whoever the hub is there.
pub(super) fn dial(options: &Options, (host, port): &Address) -> Result<Dialed, Complaint> {
    let Options { tls, user, password, .. } = options;
    let manners = Manners { tls: tls.as_ref(), user: user.as_deref(), password: password.as_ref() };
    Dialed::dial(host, *port, manners)
}

/// Reads, and keeps why that has failed.
struct Watched<'a> {
    socket: &'a mut Socket,
    broken: &'a mut Option<Fault>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let outcome = self.socket.read(buffer);
        *self.broken = outcome.as_ref().err().map(interrupted);
        outcome
    }
}

impl Socket {
    fn open(host: &str, port: u16, tls: Option<&Encryption>) -> Result<Socket, Fault> {
        let mut outcome = Err(Fault::Unresolved);
        for address in (host, port).to_socket_addrs().map_err(|_| Fault::Unresolved)? {
            outcome = TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| unconnected(&error));
            if outcome.is_ok() {
                break;
            }
        }
        let mut socket = outcome?;
        let set = socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE)));
        set.and_then(|()| socket.set_write_timeout(Some(PATIENCE))).map_err(|error| interrupted(&error))?;
        let Some(tls) = tls else { return Ok(Socket::Plain(socket)) };
        let mut session = tls.begin(host)?;
        while session.is_handshaking() {
            let outcome = session.complete_io(&mut socket).map_err(|error| interrupted(&error));
            // One without TLS takes the handshake for a command that is none, or not whole yet.
            outcome.map_err(|fault| match (fault == Fault::Away, fault == Fault::Timeout) {
                (true, _) => Fault::Unencrypted,
                (_, true) => Fault::TlsTimeout,
                (false, false) => fault,
            })?;
        }
        Ok(Socket::Encrypted(Box::new(StreamOwned::new(session, socket))))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(socket) => socket,
            Socket::Encrypted(stream) => stream.get_ref(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.read(buffer),
            Socket::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(socket) => socket.write(bytes),
            Socket::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(socket) => socket.flush(),
            Socket::Encrypted(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn whatever_goes_wrong_on_a_connection_is_told_of_its_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            for answer in ["-OOM no room\r\n", ":7\r\n"] {
                peer.read_exact(&mut asked).unwrap();
                peer.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut dialed = Dialed::dial("127.0.0.1", port, Manners { tls: None, user: None, password: None }).unwrap();
        let of = |fault: Fault| Complaint::from(fault).of(&format!("127.0.0.1:{port}"));
        let ping = redis::cmd("PING");
        let refused = dialed.answer(&ping).unwrap().read(|text: String| Ok(text)).unwrap_err();
        assert_eq!(refused, Complaint { words: Some("OOM no room".to_owned()), ..of(Fault::Full) });
        let unread = dialed.answer(&ping).unwrap().read(|_: u32| Err::<u32, _>(Fault::Garbled.into()));
        assert_eq!(unread, Err(of(Fault::Garbled)));
        assert_eq!(dialed.receive().err(), Some(of(Fault::Away)), "it is cut");
    }
}
