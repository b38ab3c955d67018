//! The listening socket.

use super::token::LISTENER;
use crate::api::routes::Entrance;
use crate::limits::{Limits, STRANGER_SEND_BYTES};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Connections that the kernel completes while the hub is busy; more than the kernel's own bound
/// does no harm.
pub const BACKLOG: i32 = 4096;
/// A peer to which nothing is sent is asked for a sign of life after this, then every
/// [`KEEPALIVE_EVERY`]. SignalR clients are sent a ping sooner.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// A bound, listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    is_shared: bool,
    entrance: Entrance,
}

impl Listener {
    /// Binds.
    pub fn bind(address: SocketAddr, limits: &Limits) -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        set_options(&socket, limits)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Listener::of(socket, false)
    }

    /// Takes over a socket that listens already; its queue stays as long as it is.
    pub fn take_over(socket: std::net::TcpListener, limits: &Limits) -> io::Result<Listener> {
        let socket = Socket::from(socket);
        set_options(&socket, limits)?;
        Listener::of(socket, true)
    }

    fn of(socket: Socket, is_shared: bool) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket.into());
        let address = socket.local_addr()?;
        Ok(Listener { socket, address, is_shared, entrance: Entrance::Only })
    }

    /// The same, for those who come in there.
    pub fn at(self, entrance: Entrance) -> Listener {
        Listener { entrance, ..self }
    }

    /// Returns what those who come in by it find.
    pub fn entrance(&self) -> Entrance {
        self.entrance
    }

    /// Returns whether nothing that comes in by it is encrypted: on the machine itself the inside
    /// needs no certificate.
    pub fn is_plain(&self) -> bool {
        self.entrance == Entrance::Internal && self.address.ip().is_loopback()
    }

    /// Has the poll report connections, edge by edge, under a token of its own.
    pub fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.registry().register(&mut self.socket, LISTENER, Interest::READABLE)
    }

    /// Returns where it listens: the port that was given for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether others have the socket too: what this hub leaves in its queue is theirs.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns the next connection; `None` when there is none for now.
    pub fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            match self.socket.accept() {
                Ok(accepted) => return Ok(Some(accepted)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // The peer was gone before we looked; the next one may be there.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The options are set here once: Linux hands them down to the sockets that are accepted.
///
/// TCP_USER_TIMEOUT is none of them: Linux (6.18) counts it over all the time in which a peer's
/// window is closed, and resets a slow reader that acknowledges 4 KB/s. The core asks instead.
fn set_options(socket: &Socket, limits: &Limits) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // The core widens those of who is no stranger.
    socket.set_send_buffer_size(limits.socket_send_bytes.min(STRANGER_SEND_BYTES))?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    socket.set_tcp_keepalive(&keepalive)
}

/// What an address that can't be listened on is told as: by the key that holds it, and with what to
/// do.
pub(super) fn not_bound(key: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    let is = |kind: io::ErrorKind| error.kind() == kind;
    let way_out = if is(io::ErrorKind::AddrInUse) {
        format!("end the program that listens there, or give `{key}` another port")
    } else if is(io::ErrorKind::AddrNotAvailable) {
        format!("give `{key}` an address of this machine, or 0.0.0.0 or [::] for all of them")
    } else if is(io::ErrorKind::PermissionDenied) {
        format!("give `{key}` a port from 1024 on, or have the socket passed by LISTEN_FDS")
    } else {
        format!("give `{key}` another address")
    };
    io::Error::new(error.kind(), format!("can't listen on {address}, which is `{key}`: {error}: {way_out}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::net_stream::NetStream;
    use crate::shell::os::Stream;
    use socket2::SockRef;

    fn accept(listener: &Listener) -> TcpStream {
        loop {
            if let Some((socket, _)) = listener.accept().unwrap() {
                return socket;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_accepted_socket_asks_a_silent_peer_and_has_patience_with_a_slow_one() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &Limits::DEFAULT).unwrap();
        let _peer = std::net::TcpStream::connect(listener.address()).unwrap();
        let accepted = accept(&listener);
        let socket = SockRef::from(&accepted);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
        let asked = (socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap());
        assert_eq!(asked, (true, KEEPALIVE_AFTER));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), KEEPALIVE_EVERY);
        assert!(socket.tcp_nodelay().unwrap());
    }

    #[test]
    fn the_kernel_holds_little_for_a_stranger_and_more_for_a_connection() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &Limits::DEFAULT).unwrap();
        let _peer = std::net::TcpStream::connect(listener.address()).unwrap();
        let mut accepted = NetStream::plain(accept(&listener));
        let held = |stream: &mut NetStream| SockRef::from(&*stream.socket()).send_buffer_size().unwrap();
        // Linux doubles what it is asked for.
        assert_eq!(held(&mut accepted), 2 * STRANGER_SEND_BYTES);
        accepted.widen(4 * STRANGER_SEND_BYTES);
        assert_eq!(held(&mut accepted), 8 * STRANGER_SEND_BYTES);
    }

    #[test]
    fn an_address_that_is_taken_is_told_with_its_key_and_the_way_out() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &Limits::DEFAULT).unwrap();
        let error = Listener::bind(listener.address(), &Limits::DEFAULT).unwrap_err();
        let told = not_bound("server.listen", listener.address(), &error);
        assert_eq!(told.kind(), io::ErrorKind::AddrInUse);
        let told = told.to_string();
        let start = format!("can't listen on {}, which is `server.listen`: Address already in use", listener.address());
        let end = ": end the program that listens there, or give `server.listen` another port";
        assert!(told.starts_with(&start) && told.ends_with(end), "{told}");
        for (kind, part) in [
            (io::ErrorKind::AddrNotAvailable, "an address of this machine"),
            (io::ErrorKind::PermissionDenied, "a port from 1024 on"),
            (io::ErrorKind::Unsupported, "give `server.internal` another address"),
        ] {
            let told = not_bound("server.internal", listener.address(), &kind.into());
            assert!(told.kind() == kind && told.to_string().contains(part), "{told}");
        }
    }
}
