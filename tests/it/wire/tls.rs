//! TLS on the listening socket, by a client that is not the hub's.

use crate::support::{Folder, Hub, RS, UPGRADE, USER, request, serve};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for this machine, in a folder of its own.
struct Authority {
    folder: Folder,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let folder = Folder::new(name, &[]);
        let certificate = Authority::renew(&folder);
        Authority { folder, certificate }
    }

    /// Writes another certificate and its key.
    fn renew(folder: &Folder) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        folder.write("rte.pem", &cert.pem());
        folder.write("rte.key", &signing_key.serialize_pem());
        cert.der().clone()
    }

    fn hub(&self, settings: &[&str]) -> Hub {
        let certificate = format!("server.tls_certificate={}", self.folder.file("rte.pem"));
        let key = format!("server.tls_key={}", self.folder.file("rte.key"));
        Hub::launch(serve(), &[&[certificate.as_str(), key.as_str()], settings].concat())
    }

    fn connect(&self, hub: &Hub) -> Secure {
        connect(hub, &self.certificate, &[&version::TLS13])
    }
}

/// A connection on which nothing has been said, to a hub with that certificate.
fn connect(hub: &Hub, certificate: &CertificateDer<'static>, versions: &[&'static SupportedProtocolVersion]) -> Secure {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let socket = TcpStream::connect(hub.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
}

/// What comes until the hub says goodbye; a cut connection is an error.
fn rest(stream: &mut Secure) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a goodbye of TLS");
    text
}

/// One request on a connection of its own.
fn ask(mut stream: Secure, line: &str, headers: &[&str], body: &str) -> String {
    let request = request(line, &[headers, &["Connection: close"]].concat(), body);
    stream.write_all(request.as_bytes()).unwrap();
    rest(&mut stream)
}

/// A SignalR client behind its handshake.
fn client(hub: &Hub, mut stream: Secure) -> WebSocket<Secure> {
    let authorization = format!("Authorization: Bearer {}", hub.client_token());
    let head = request("GET /rte", &[&[authorization.as_str()], &UPGRADE[..]].concat(), "");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        reply.push(byte[0]);
    }
    assert!(reply.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&reply));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
    socket.send(Message::text(format!("{{\"protocol\":\"json\",\"version\":1}}{RS}"))).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(format!("{{}}{RS}")));
    socket
}

fn subscribe(socket: &mut WebSocket<Secure>) {
    let items = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    let call = format!(r#"{{"type":1,"invocationId":"i","target":"Subscribe","arguments":{items}}}{RS}"#);
    socket.send(Message::text(call)).unwrap();
    let verdict = socket.read().unwrap();
    assert!(verdict.to_text().unwrap().contains(r#""subscribed":true"#), "{verdict}");
}

/// An occurrence with a name of that length.
fn alert(number: usize, bytes: usize) -> String {
    let name = format!("{number:05}{}", "x".repeat(bytes));
    let data = format!(r#"{{"queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"{name}"}}"#);
    format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#)
}

fn publish(authority: &Authority, hub: &Hub, body: &str) -> String {
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    let headers = [authorization.as_str(), "Content-Type: application/x-ndjson"];
    ask(authority.connect(hub), "POST /publish", &headers, body)
}

#[test]
fn https_and_wss_are_served_by_both_versions_as_http_1_1() {
    let authority = Authority::new("tls-versions");
    let hub = authority.hub(&["server.threads=2"]);
    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(&hub, &authority.certificate, &[version]);
        stream.write_all(request("GET /healthz", &[], "").as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut member = client(&hub, connect(&hub, &authority.certificate, &[version]));
        subscribe(&mut member);
        let reply = publish(&authority, &hub, &alert(1, 10));
        assert!(reply.starts_with("HTTP/1.1 202"), "{reply}");
        assert!(member.read().unwrap().to_text().unwrap().contains("00001xxxxxxxxxx"));
    }
}

#[test]
fn what_is_left_in_the_session_after_a_read_is_read_without_a_further_edge() {
    let authority = Authority::new("tls-left");
    // Less than a record: each leaves most of it behind.
    let hub = authority.hub(&["limits.read_budget_bytes=1000"]);
    let mut member = client(&hub, authority.connect(&hub));
    subscribe(&mut member);
    let body: Vec<String> = (0..20).map(|number| alert(number, 20_000)).collect();
    let reply = publish(&authority, &hub, &body.join("\n"));
    assert!(reply.starts_with("HTTP/1.1 202"), "{reply}");
    for number in 0..20 {
        let message = member.read().unwrap();
        assert!(message.to_text().unwrap().contains(&format!("{number:05}x")), "{number}");
    }
}

#[test]
fn a_slow_reader_of_tls_gets_all_of_it_in_order() {
    let authority = Authority::new("tls-slow");
    let hub = authority.hub(&["limits.socket_send_bytes=4096", "limits.overrun_ms=60000"]);
    let mut slow = client(&hub, authority.connect(&hub));
    subscribe(&mut slow);
    for first in (0..100).step_by(10) {
        let body: Vec<String> = (first..first + 10).map(|number| alert(number, 60_000)).collect();
        let reply = publish(&authority, &hub, &body.join("\n"));
        assert!(reply.starts_with("HTTP/1.1 202"), "{reply}");
    }
    for number in 0..100 {
        let message = slow.read().unwrap();
        assert!(message.to_text().unwrap().contains(&format!("{number:05}x")), "{number}");
    }
    slow.close(None).unwrap();
    while slow.read().is_ok() {}
    assert_eq!(rest(slow.get_mut()), "", "the last word is a goodbye");
}

#[test]
fn a_reload_takes_the_next_certificate_or_keeps_the_present_one() {
    let mut authority = Authority::new("tls-reload");
    let hub = authority.hub(&[]);
    let is_served = |certificate: &CertificateDer<'static>| {
        let mut stream = connect(&hub, certificate, &[&version::TLS13]);
        stream.write_all(request("GET /healthz", &["Connection: close"], "").as_bytes()).is_ok()
    };
    let first = authority.certificate.clone();
    let mut before = client(&hub, authority.connect(&hub));
    let good_key = std::fs::read_to_string(authority.folder.file("rte.key")).unwrap();
    authority.certificate = Authority::renew(&authority.folder);
    let next_key = std::fs::read_to_string(authority.folder.file("rte.key")).unwrap();
    authority.folder.write("rte.key", &good_key);
    hub.reload();
    await_log(&hub, &first, "reload_refused");
    assert!(hub.log().contains("can't serve") && !hub.log().contains("PRIVATE"), "{}", hub.log());
    assert!(is_served(&first));
    authority.folder.write("rte.key", &next_key);
    hub.reload();
    await_log(&hub, &first, "info reloaded");
    assert!(is_served(&authority.certificate) && !is_served(&first));
    subscribe(&mut before);
}

/// Asks for the health until the log has that text; a certificate that is no longer served is no
/// reason to give up.
fn await_log(hub: &Hub, certificate: &CertificateDer<'static>, text: &str) {
    for _ in 0..5_000 {
        if hub.log().contains(text) {
            return;
        }
        let mut stream = connect(hub, certificate, &[&version::TLS13]);
        let _ = stream.write_all(request("GET /healthz", &["Connection: close"], "").as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    }
    panic!("no {text:?} in the log: {}", hub.log());
}

#[test]
fn a_handshake_ends_by_its_time_and_by_its_size() {
    let authority = Authority::new("tls-handshake");
    let hub = authority.hub(&["limits.head_ms=200"]);
    let (mut silent, mut slow) = (hub.connect(), hub.connect());
    slow.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    for wire in [&mut silent, &mut slow] {
        let mut bytes = Vec::new();
        wire.stream().read_to_end(&mut bytes).unwrap();
        // At most an alert (RFC 8446 section 6).
        assert!(bytes.is_empty() || bytes.starts_with(&[0x15]) && bytes.len() == 7, "{bytes:?}");
    }

    let hub = authority.hub(&["limits.head_ms=600000"]);
    // One ClientHello of 60,000 bytes, in records of which none is its last.
    let mut stream = TcpStream::connect(hub.address()).unwrap();
    let record = |body: &[u8]| [&[0x16, 3, 1, 0x10, 0], body].concat();
    let (mut first, further) = ([0; 4096], [0; 4096]);
    first[..4].copy_from_slice(&[1, 0, 0xEA, 0x60]);
    stream.write_all(&record(&first)).unwrap();
    for _ in 0..3 {
        // It may have been cut already.
        let _ = stream.write_all(&record(&further));
    }
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(ask(authority.connect(&hub), "GET /healthz", &[], "").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_private_key_that_everybody_may_read_and_a_certificate_that_everybody_may_write_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let authority = Authority::new("tls-modes");
    let told = |certificate, key| {
        for (file, mode) in [("rte.pem", certificate), ("rte.key", key)] {
            std::fs::set_permissions(authority.folder.file(file), PermissionsExt::from_mode(mode)).unwrap();
        }
        let hub = authority.hub(&[]);
        let log = hub.log();
        let warned = |start: &str, file| log.contains(&format!("{start} {}:", authority.folder.file(file)));
        let readable = warned("name=secret_readable why=\"everybody may read", "rte.key");
        assert!(!warned("name=secret_readable why=\"everybody may read", "rte.pem"), "a certificate is public");
        (readable, warned("name=key_writable why=\"everybody may write", "rte.pem"))
    };
    assert_eq!(told(0o644, 0o600), (false, false));
    assert_eq!(told(0o646, 0o644), (true, true));
}

#[test]
fn who_speaks_without_tls_is_let_go_and_nobody_else_notices() {
    let authority = Authority::new("tls-plain");
    let hub = authority.hub(&["server.log_level=debug"]);
    let mut member = client(&hub, authority.connect(&hub));
    for _ in 0..2 {
        let mut plain = hub.connect();
        plain.send(request("GET /healthz", &[], "").as_bytes());
        let reply = plain.reply();
        assert!(reply.status == 400 && reply.body.contains("a port that speaks TLS"), "{reply:?}");
        plain.assert_ends();
    }
    await_log(&hub, &authority.certificate, "detail=\"plain bytes came to a port that speaks TLS\"");
    assert_eq!(hub.log().matches("warn front_fault what=\"plain bytes").count(), 1, "{}", hub.log());

    // A ClientHello of TLS 1.1, without extensions.
    let mut old = hub.connect();
    old.send(&[&[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat());
    let _ = old.stream().read_to_end(&mut Vec::new());
    await_log(&hub, &authority.certificate, "detail=\"the peer offers no version");
    subscribe(&mut member);
}
