//! A WebSocket echo made of the hub's own parts: its listener, heads, upgrade, frames in, frames
//! out, limits. Conformance suites test those parts with it, which speak to an echo and know
//! nothing of SignalR.
//!
//! `echo PORT` prints the address and runs until it is ended. Port 0 is any free one.

mod server;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the port is missing: echo PORT"))?;
    let server = server::Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "ws://{}", server.address())?;
    stdout.flush()?;
    server.run()
}
