//! The WebSocket of a command: how it comes about, what comes of it, how it ends.

use crate::cli::credential::Bearer;
use crate::cli::endpoint::Endpoint;
use crate::cli::failure::Failure;
use crate::cli::http::{CONNECT_TIMEOUT, HttpClient};
use crate::cli::{session, trust, world};
use crate::shell::roots::Roots;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tungstenite::{Message, WebSocket};

/// What the hub may take to say goodbye.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Negotiates and opens the WebSocket.
pub(in crate::cli) fn connect(
    client: &HttpClient,
    endpoint: &Endpoint,
    token: &Bearer,
) -> Result<WebSocket<Stream>, Failure> {
    let answer = client.post(&endpoint.http_url("/negotiate", Some("negotiateVersion=1")), token, None, b"")?;
    if answer.status != 200 {
        return Err(Failure::Connection(format!("cannot negotiate: {}", answer.sentence())));
    }
    let negotiated = session::parse_negotiated(&answer.body).map_err(Failure::Connection)?;
    let url = endpoint.ws_url(Some(&format!("id={}", negotiated.connection_token)));
    let failed = |what: &str| Failure::Connection(format!("no WebSocket with {}: {what}", endpoint.authority()));
    let mut request =
        tungstenite::client::IntoClientRequest::into_client_request(url).map_err(|error| failed(&error.to_string()))?;
    let header = HeaderValue::from_str(&token.header()).map_err(|_| failed("the token fits no header"))?;
    request.headers_mut().insert(AUTHORIZATION, header);
    let stream = Stream::open(endpoint, client.roots()).map_err(|error| failed(&trust::why_not(&error)))?;
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Interrupted(_)) => Err(failed("it does not answer")),
        Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => match response.status().as_u16() {
            401 | 403 => Err(Failure::Token(format!("the hub refused the token ({})", response.status()))),
            _ => Err(failed(&format!("it answered {}", response.status()))),
        },
        Err(HandshakeError::Failure(error)) => Err(failed(&error.to_string())),
    }
}

/// What a WebSocket of a command reads and writes.
pub(in crate::cli) enum Stream {
    /// The bytes as they are.
    Plain(TcpStream),
    /// The bytes of a TLS session.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn open(endpoint: &Endpoint, roots: &Roots) -> io::Result<Stream> {
        let mut socket = connected(endpoint)?;
        if !endpoint.is_tls {
            return Ok(Stream::Plain(socket));
        }
        let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
        let config = Arc::new(roots.for_streams().map_err(io::Error::other)?);
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        // Now, so that what is wrong with the certificate is told as that.
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(session, socket))))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref(),
        }
    }
}

impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

fn connected(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (endpoint.host.as_str(), endpoint.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(CONNECT_TIMEOUT))?;
                stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends text.
///
/// # Errors
/// [`Failure::Connection`] where the connection is gone.
pub(in crate::cli) fn send(socket: &mut WebSocket<Stream>, text: &str) -> Result<(), Failure> {
    socket.send(Message::text(text)).map_err(|error| Failure::Connection(error.to_string()))
}

/// What one wait on the socket brought.
pub(in crate::cli) enum Read {
    /// Records.
    Text(String),
    /// A control frame: nothing to do (tungstenite answers pings), but the hub lives.
    Life,
    /// The wait is over.
    Nothing,
    /// The connection is gone.
    Lost(String),
}

/// Waits for what comes next, so long.
pub(in crate::cli) fn read(socket: &mut WebSocket<Stream>, wait: Duration) -> Read {
    // A timeout of nothing would mean to wait for ever.
    if let Err(error) = socket.get_ref().socket().set_read_timeout(Some(wait.max(Duration::from_millis(1)))) {
        return Read::Lost(error.to_string());
    }
    match socket.read() {
        Ok(Message::Text(text)) => Read::Text(text.as_str().to_owned()),
        // SignalR: with the json protocol a hub sends text frames; stock clients end on binary
        // ones.
        Ok(Message::Binary(_)) => Read::Lost("the hub sent a binary message".to_owned()),
        Ok(Message::Close(Some(frame))) => Read::Lost(format!("closed with {} {}", frame.code, frame.reason)),
        Ok(Message::Close(None)) => Read::Lost("closed without a code".to_owned()),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Read::Life,
        Err(tungstenite::Error::Io(error))
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            Read::Nothing
        }
        Err(error) => Read::Lost(error.to_string()),
    }
}

/// Says goodbye in both protocols and gives the hub a moment to answer; what it answers does not
/// matter any more.
pub(in crate::cli) fn goodbye(socket: &mut WebSocket<Stream>) {
    let until = world::now() + GOODBYE_MAX;
    let said =
        socket.send(Message::text(session::CLOSE)).and_then(|()| socket.close(None)).and_then(|()| socket.flush());
    while said.is_ok() {
        match read(socket, until.saturating_duration_since(world::now())) {
            Read::Text(_) | Read::Life if world::now() < until => {}
            Read::Text(_) | Read::Life | Read::Nothing | Read::Lost(_) => return,
        }
    }
}
