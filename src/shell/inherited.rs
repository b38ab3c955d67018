//! A listening socket that the process is started with (`LISTEN_FDS`, sd_listen_fds(3)). It stays
//! open while one process ends and the next one starts, so that an upgrade refuses nobody.

use listenfd::ListenFd;
use socket2::SockRef;
use std::io;
use std::net::TcpListener;

/// Returns the socket, if there is one.
///
/// # Errors
///
/// There are several, or it is no listening socket of TCP.
pub fn inherited() -> io::Result<Option<TcpListener>> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, format!("LISTEN_FDS: {why}"));
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        return Err(wrong(format!("{} sockets are passed, and the hub listens at one", passed.len())));
    }
    let socket = passed.take_tcp_listener(0).map_err(|error| wrong(error.to_string()))?;
    match socket {
        Some(socket) if !SockRef::from(&socket).is_listener()? => {
            Err(wrong("the socket doesn't listen: it must be a ListenStream".to_owned()))
        }
        socket => Ok(socket),
    }
}
