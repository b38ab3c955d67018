//! Listening sockets that the process is started with (`LISTEN_FDS`, sd_listen_fds(3)). They stay
//! open while one process ends and the next one starts, so that an upgrade refuses nobody.

use listenfd::ListenFd;
use socket2::SockRef;
use std::io;
use std::net::TcpListener;

/// The name of the socket for the inside (`FileDescriptorName=` of systemd).
const INTERNAL: &str = "internal";

/// The sockets, each where there is one.
#[derive(Debug, Default)]
pub struct Inherited {
    /// In the place of `server.listen`.
    pub listen: Option<TcpListener>,
    /// In the place of `server.internal`.
    pub internal: Option<TcpListener>,
}

/// Returns the sockets that were passed: the one that `LISTEN_FDNAMES` calls `internal`, and the
/// other one.
///
/// # Errors
///
/// There are more, or one is no listening socket of TCP.
pub fn inherited() -> io::Result<Inherited> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let internal = names.split(':').position(|name| name == INTERNAL);
    let mut passed = ListenFd::from_env();
    let internal = internal.filter(|index| *index < passed.len());
    let others: Vec<usize> = (0..passed.len()).filter(|index| Some(*index) != internal).collect();
    if others.len() > 1 {
        return Err(wrong(format!(
            "{} sockets are passed, and the hub listens at one, and at one with FileDescriptorName=internal",
            passed.len()
        )));
    }
    let mut take = |index: Option<usize>| index.map_or(Ok(None), |index| listening(&mut passed, index));
    Ok(Inherited { listen: take(others.first().copied())?, internal: take(internal)? })
}

fn listening(passed: &mut ListenFd, index: usize) -> io::Result<Option<TcpListener>> {
    let socket = passed.take_tcp_listener(index).map_err(|error| wrong(error.to_string()))?;
    match socket {
        Some(socket) if !SockRef::from(&socket).is_listener()? => {
            Err(wrong("the socket doesn't listen: it must be a ListenStream".to_owned()))
        }
        socket => Ok(socket),
    }
}

fn wrong(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("LISTEN_FDS: {why}"))
}
