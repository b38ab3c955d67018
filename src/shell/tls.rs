//! TLS on the listening socket. The core does not know of it: a [`TlsStream`] is a stream whose
//! bytes are encrypted on their way.

use super::acked::{add, unacked};
use super::clock::Clock;
use super::roots::Identity;
pub use super::roots::TlsError;
use crate::hub::READ_BYTES_PER_DELIVERY;
use crate::limits::{TLS_HANDSHAKE_BYTES_MAX, TLS_SEND_BYTES_MAX};
use crate::proto::http::date::Date;
use crate::proto::http::reply::{self, Reply};
use crate::trace::FrontFault;
use crate::wire::Failure;
use mio::net::TcpStream;
use parking_lot::Mutex;
use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, SignatureAlgorithm};
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

/// What is negotiated where a client asks (RFC 7301): a WebSocket begins as HTTP/1.1.
const PROTOCOL: &[u8] = b"http/1.1";

/// What an answer of the handshake costs, in deliveries: two points on a curve, and a signature.
pub(super) const HANDSHAKE_COST: usize = 2 * 1024;
/// With an RSA key, whose signature takes several times as long.
const RSA_HANDSHAKE_COST: usize = 12 * 1024;

/// A certificate and its key, checked; what connections are accepted by. It can't be printed.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    /// What an answer of the handshake costs, in deliveries.
    handshake_cost: usize,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(redacted)")
    }
}

/// What connections are accepted by from now on; without TLS there is none.
pub type CurrentTls = Arc<Mutex<Option<Tls>>>;

impl Tls {
    /// Makes it of the texts of two PEM files: the certificate of this server, then those of its
    /// issuers; and the private key of the first.
    ///
    /// # Errors
    ///
    /// A sentence, which quotes nothing of the files.
    pub fn of(certificates: &str, key: &str) -> Result<Tls, TlsError> {
        let Identity { chain, key } = Identity::of_pem(certificates, key)?;
        let handshake_cost = match ring::sign::any_supported_type(&key).map(|key| key.algorithm()) {
            Ok(SignatureAlgorithm::RSA) => RSA_HANDSHAKE_COST,
            Ok(_) | Err(_) => HANDSHAKE_COST,
        };
        let provider = Arc::new(ring::default_provider());
        let unusable =
            |error: rustls::Error| TlsError::Key(format!("the certificate and this key can't serve: {error}"));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(unusable)?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Sessions are kept by the clients, sealed: many of them return at once, and none costs
        // memory while it is away.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(Tls { config: Arc::new(config), handshake_cost })
    }

    /// Returns a stream over a fresh socket, whose handshake is still to come.
    ///
    /// # Errors
    ///
    /// The cryptography has no randomness.
    pub fn accept(&self, socket: TcpStream) -> io::Result<Box<TlsStream>> {
        let mut session = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(TLS_SEND_BYTES_MAX));
        Ok(Box::new(TlsStream {
            socket,
            session,
            handshake_bytes: 0,
            handshake_cost: self.handshake_cost,
            work: 0,
            sent: 0,
            has_more: false,
            is_ending: false,
            failure: Failure::Socket,
        }))
    }
}

/// What the log says of a session that can't go on, from a closed list.
fn told(error: &rustls::Error) -> &'static str {
    use rustls::Error as E;
    if matches!(error, E::PeerIncompatible(_)) {
        "the peer offers no version or cipher of TLS that the hub speaks"
    } else if matches!(error, E::AlertReceived(_)) {
        "the peer ends TLS with an alert, as one does that trusts no such certificate"
    } else if matches!(error, E::InvalidMessage(_)) {
        "what came is no TLS"
    } else {
        "the peer breaks the rules of TLS"
    }
}

/// A socket and its TLS session.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    session: ServerConnection,
    /// Bytes that have come for the handshake.
    handshake_bytes: usize,
    handshake_cost: usize,
    /// What nobody has counted yet, in deliveries.
    work: usize,
    /// Encrypted bytes that the socket has taken; wraps around.
    sent: u32,
    has_more: bool,
    /// The sending direction ends once all is out.
    is_ending: bool,
    /// Why it fails, once it does.
    failure: Failure,
}

impl TlsStream {
    /// Takes in some of what the socket has, and answers what the protocol wants answered. Returns
    /// how many bytes there were; 0 is the end.
    fn receive(&mut self) -> io::Result<usize> {
        let is_handshaking = self.session.is_handshaking();
        if is_handshaking && self.handshake_bytes == 0 {
            self.check_first()?;
        }
        let n = self.session.read_tls(&mut self.socket)?;
        if is_handshaking {
            self.handshake_bytes += n;
            if self.handshake_bytes > TLS_HANDSHAKE_BYTES_MAX {
                self.failure = Failure::Tls("the TLS handshake is too long");
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let processed = self.session.process_new_packets();
        if is_handshaking && self.session.wants_write() {
            self.work += self.handshake_cost;
        }
        // An answer of the handshake, or an alert that says what was wrong.
        let sent = self.send();
        processed.map_err(|error| {
            self.failure = Failure::Tls(told(&error));
            io::Error::new(io::ErrorKind::InvalidData, error)
        })?;
        sent?;
        Ok(n)
    }

    /// A request that comes without TLS is answered as it came: that says more than an alert.
    fn check_first(&mut self) -> io::Result<()> {
        let mut first = [0];
        // No type of a TLS record (RFC 8446 section 5.1) is a letter, and a request begins with
        // one.
        if self.socket.peek(&mut first)? == 0 || !first[0].is_ascii_alphabetic() {
            return Ok(());
        }
        let (mut unread, mut answer, mut date) = ([0; 4096], Vec::new(), Date::default());
        let reply = Reply::text(400, FrontFault::NoTls.told());
        reply::encode(reply, false, false, date.at(Clock::start().now().unix), &mut answer);
        // What is read does not turn the close into a reset; a fresh socket has room for the
        // answer.
        let _ = self.socket.read(&mut unread);
        let _ = self.socket.write(&answer);
        let _ = self.socket.shutdown(Shutdown::Write);
        (self.failure, self.is_ending) = (Failure::NoTls, true);
        Err(io::ErrorKind::InvalidData.into())
    }

    /// As [`Stream::take_work`](super::os::Stream::take_work).
    pub fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// Why it has failed.
    pub fn failure(&self) -> Failure {
        self.failure
    }

    /// Sends what is encrypted and waits. Returns whether all of it is out.
    fn send(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(n) => self.sent = add(self.sent, n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.is_ending {
            // It fails where the peer is gone already, which the next read tells.
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(true)
    }

    /// Returns the socket, to be polled.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// As [`Stream::read`](super::os::Stream::read).
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget_max = buffer.len().max(TLS_HANDSHAKE_BYTES_MAX);
        let (mut filled, mut budget) = (0, budget_max);
        self.has_more = false;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let outcome = match self.session.reader().read(rest) {
                Ok(0) => Err(None),
                Ok(n) => Ok(n),
                // Whoever cuts a connection short does so in the midst of a request, or between
                // two: browsers don't say goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(None),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(Some(error)),
                // Bytes that become no plaintext are not read for ever.
                Err(error) if budget == 0 => {
                    self.has_more = true;
                    Err(Some(error))
                }
                Err(_) => match self.receive() {
                    Ok(n) => {
                        budget = budget.saturating_sub(n);
                        Ok(0)
                    }
                    Err(error) => Err(Some(error)),
                },
            };
            match outcome {
                Ok(n) => filled += n,
                Err(None) if filled == 0 => return Ok(0),
                Err(Some(error)) if filled == 0 => {
                    self.work += (budget_max - budget) / READ_BYTES_PER_DELIVERY;
                    return Err(error);
                }
                Err(end) => {
                    // What came before is good, and what ends it is found by the next read.
                    self.has_more |= end.is_none_or(|error| error.kind() != io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        Ok(filled)
    }

    /// Whether the last read has left something that no edge will tell of.
    pub fn has_more(&self) -> bool {
        self.has_more
    }

    /// Encrypts and writes; as [`Stream::write`](super::os::Stream::write), but that what is taken
    /// may still wait here: at most `TLS_SEND_BYTES_MAX`, until [`TlsStream::flush`].
    pub fn write(&mut self, mut rest: &mut [IoSlice<'_>]) -> io::Result<usize> {
        if self.session.is_handshaking() || !self.send()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = 0;
        while !rest.is_empty() {
            let n = self.session.writer().write_vectored(rest)?;
            taken += n;
            IoSlice::advance_slices(&mut rest, n);
            if !self.send()? || n == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// The socket takes bytes again.
    pub fn flush(&mut self) -> io::Result<()> {
        self.send().map(|_| ())
    }

    /// As [`Stream::acked`](super::os::Stream::acked), of what is encrypted.
    pub fn acked(&self) -> Option<u32> {
        unacked(&self.socket).map(|waiting| self.sent.wrapping_sub(waiting))
    }

    /// Says goodbye; the sending direction ends once that is out.
    pub fn shutdown_write(&mut self) {
        if !std::mem::replace(&mut self.is_ending, true) {
            self.session.send_close_notify();
        }
        // It fails where the peer is gone already, which the next read tells.
        let _ = self.send();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::roots::Roots;
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{ClientConfig, ClientConnection, StreamOwned};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    pub(in crate::shell) type Peer = StreamOwned<ClientConnection, std::net::TcpStream>;

    /// A certificate for `localhost`, and what trusts it.
    pub(in crate::shell) fn certified() -> (Tls, ClientConfig) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = Tls::of(&cert.pem(), &signing_key.serialize_pem()).unwrap();
        (tls, Roots::of_pem(&cert.pem()).unwrap().for_streams().unwrap())
    }

    /// A client that has connected and said nothing. It waits for bytes a moment only.
    pub(in crate::shell) fn peer(config: ClientConfig, address: SocketAddr) -> Peer {
        let socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap(), socket)
    }

    /// The handshake, while `hub` does its part.
    pub(in crate::shell) fn shake_hands(peer: &mut Peer, mut hub: impl FnMut()) {
        while peer.conn.is_handshaking() {
            if let Err(error) = peer.conn.complete_io(&mut peer.sock) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            }
            hub();
        }
    }

    #[test]
    fn what_is_encrypted_and_waits_for_the_socket_has_a_bound() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (tls, config) = certified();
        let mut peer = peer(config, listener.local_addr().unwrap());
        let socket = listener.accept().unwrap().0;
        socket.set_nonblocking(true).unwrap();
        let mut stream = tls.accept(TcpStream::from_std(socket)).unwrap();
        shake_hands(&mut peer, || drop(stream.read(&mut [0; 1024])));

        // More than the kernel keeps for a peer that does not read.
        let bytes = vec![b'x'; 16 * 1024 * 1024];
        let mut taken = 0;
        let full = loop {
            match stream.write(&mut [IoSlice::new(&bytes[taken..])]) {
                Ok(n) => taken += n,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(taken < bytes.len());
        let mut waiting = Vec::new();
        while stream.session.wants_write() {
            stream.session.write_tls(&mut waiting).unwrap();
        }
        // The socket may have taken a part of the two records, in the last moment too. Each has a
        // head, a type and a tag of 22 bytes together (RFC 8446 section 5.2).
        let expected = 1..=TLS_SEND_BYTES_MAX + 2 * 22;
        assert!(expected.contains(&waiting.len()), "{}", waiting.len());

        // What the peer reads makes room that the system does not tell of yet.
        let (before, mut read) = (stream.acked(), vec![0; 64 * 1024]);
        while cfg!(target_os = "linux") && stream.acked() == before {
            let _ = peer.read(&mut read);
        }
    }
}
