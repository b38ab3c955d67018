//! A hub as its users meet it: the built binary as a child process, raw sockets to it, and tokens
//! made without its help.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

/// The separator behind every hub message.
pub const RS: char = '\u{1e}';
/// The user whom the tokens of these tests belong to.
pub const USER: &str = "c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
/// Their organization.
pub const ORGANIZATION: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";
/// How long anything may take before a test is given up: nothing waits for this long where all is
/// well, but others may have the machine meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a hub may take to end, whose drain has a time of its own.
const ENDING: Duration = Duration::from_secs(20);
const SECRET: &str = "the secret of the tests has more than 32 bytes";

/// The turns of a loop that asks the same again and again, once at least, until a test gives up.
#[expect(clippy::disallowed_methods, reason = "a test gives up by the clock of the machine")]
pub fn asking() -> impl Iterator<Item = ()> {
    let until = Instant::now() + PATIENCE;
    std::iter::once(()).chain(std::iter::from_fn(move || (Instant::now() < until).then_some(())))
}

/// A port that nothing listens on, and that the system gives to nobody who asks for any: one of
/// those may be gone before a server has begun there.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let candidates = std::iter::repeat_with(|| {
        let number = std::process::id().wrapping_mul(101).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        10_000 + u16::try_from(number % 20_000).unwrap()
    });
    let mut free = candidates.take(20_000).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}

/// A running hub. It ends with the test.
pub struct Hub {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    /// Told once, when the hub has closed its standard error by ending.
    ended: mpsc::Receiver<()>,
    /// Lets the log be read further, where it is not.
    go_on: mpsc::Sender<()>,
}

impl Hub {
    /// Starts a hub with the defaults.
    pub fn start() -> Hub {
        Hub::start_with(&[])
    }

    /// Starts a hub with these settings, `limits.handshake_ms=100`, and waits until it says where
    /// it listens.
    pub fn start_with(settings: &[&str]) -> Hub {
        Hub::launch(serve(), settings)
    }

    /// Starts a hub whose log nobody reads any more once it listens, until [`Hub::read_log`].
    pub fn start_unread(settings: &[&str]) -> Hub {
        Hub::launch_and_read(serve(), settings, false)
    }

    /// The log is read again.
    pub fn read_log(&self) {
        self.go_on.send(()).unwrap();
    }

    /// Starts a hub that may have this many file descriptors.
    pub fn start_with_descriptors(count: u32, settings: &[&str]) -> Hub {
        let mut command = Command::new("sh");
        // Soft and hard, or the hub would raise it again.
        command.args(["-c", &format!("ulimit -n {count} && exec \"$0\" serve \"$@\"")]).arg(env!("CARGO_BIN_EXE_rte"));
        Hub::launch(with_key(command), settings)
    }

    /// Starts a hub with these settings that may write so many times 512 bytes to each file; what
    /// is more is an error.
    pub fn start_with_file_blocks(blocks: u32, settings: &[&str]) -> Hub {
        let mut command = Command::new("sh");
        let line = format!("trap '' XFSZ && ulimit -f {blocks} && exec \"$0\" serve \"$@\"");
        command.args(["-c", &line]).arg(env!("CARGO_BIN_EXE_rte"));
        Hub::launch(with_key(command), settings)
    }

    /// Starts a hub by this command, with these settings.
    pub fn launch(command: Command, settings: &[&str]) -> Hub {
        Hub::launch_and_read(command, settings, true)
    }

    fn launch_and_read(mut command: Command, settings: &[&str], is_read: bool) -> Hub {
        let mut child = command
            .args(["--set", "server.listen=127.0.0.1:0"])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (ready_sender, ready) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let shared = Arc::clone(&log);
        // The pipe is read to its end.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Who waits for the line looks for it in the log.
                let address = listening_at(&line);
                shared.lock().unwrap().push_str(&format!("{line}\n"));
                if let Some(address) = address {
                    let _ = ready_sender.send(address);
                    if !is_read {
                        let _ = may_go_on.recv();
                    }
                }
            }
            let _ = ended_sender.send(());
        });
        let Ok(address) = ready.recv_timeout(PATIENCE) else {
            panic!("the hub does not listen:\n{}", log.lock().unwrap());
        };
        Hub { child, address, log, ended, go_on }
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("http://{}/rte", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for the inside.
    pub fn inside(&self) -> SocketAddr {
        let log = self.log();
        let (_, rest) = log.split_once(" internal=").expect("an internal listener");
        rest.split(' ').next().unwrap().parse().unwrap()
    }

    /// Everything that the hub has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Asks the hub to drain.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Kills the hub: it ends without another word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the hub to read its catalogue again.
    pub fn reload(&self) {
        self.signal("-HUP");
    }

    /// Sends the process a signal.
    pub fn signal(&self, name: &str) {
        // The standard library can only kill, and the kill of the shell is there wherever these
        // tests are.
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Asks the hub for its health until the log has that text.
    pub fn await_log(&self, text: &str) {
        for () in asking() {
            if self.log().contains(text) {
                return;
            }
            assert_eq!(self.request("GET /healthz", &[], "").status, 200);
        }
        panic!("no {text:?} in the log: {}", self.log());
    }

    /// The exit code, once the hub has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.ended.recv_timeout(ENDING).expect("the hub ends");
        self.child.wait().unwrap().code()
    }

    /// The same of a hub whose log is not read to its end, so that it does not tell.
    pub fn exit_code_unread(&mut self) -> Option<i32> {
        for () in asking() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        panic!("the hub does not end");
    }

    /// A token with these claims over the usual ones; null takes one away.
    pub fn token(&self, claims: Value) -> String {
        let mut all = json!({ "exp": 4_102_444_800_u64, "sub": USER, "org": ORGANIZATION });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        mint(SECRET, &all)
    }

    /// The token of a user who may subscribe to all that clients may have.
    pub fn client_token(&self) -> String {
        self.token(json!({ "rte": ["user/*", "queue/*", "calllist/*"] }))
    }

    /// The token of a publisher for the organization.
    pub fn publisher_token(&self) -> String {
        self.token(json!({ "sub": null, "scope": "publish" }))
    }

    /// A connection on which nothing has been said.
    pub fn connect(&self) -> Wire {
        Wire::to(self.address)
    }

    /// The same from the inside.
    pub fn connect_inside(&self) -> Wire {
        Wire::to(self.inside())
    }

    /// One request from the inside, on a connection of its own.
    pub fn request_inside(&self, line: &str, headers: &[&str], body: &str) -> Reply {
        let mut wire = self.connect_inside();
        wire.send(request(line, headers, body).as_bytes());
        wire.reply()
    }

    /// One request on a connection of its own, headers as lines.
    pub fn request(&self, line: &str, headers: &[&str], body: &str) -> Reply {
        let mut wire = self.connect();
        wire.send(request(line, headers, body).as_bytes());
        if line.starts_with("HEAD ") { wire.reply_without_body() } else { wire.reply() }
    }

    /// A request with a client's token.
    pub fn request_as_client(&self, line: &str, headers: &[&str]) -> Reply {
        let authorization = format!("Authorization: Bearer {}", self.client_token());
        self.request(line, &[headers, &[authorization.as_str()]].concat(), "")
    }

    /// Publishes a JSON text.
    pub fn publish(&self, body: &str) -> Reply {
        let authorization = format!("Authorization: Bearer {}", self.publisher_token());
        self.request("POST /publish", &[&authorization, "Content-Type: application/json"], body)
    }

    /// The sum of the samples of `/metrics` whose name and labels start so.
    pub fn metric(&self, start: &str) -> f64 {
        let text = self.request("GET /metrics", &[], "").body;
        let samples = text.lines().filter(|line| line.starts_with(start));
        samples.filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// Asks for a sample of `/metrics` until it is good.
    pub fn await_metric(&self, start: &str, is_good: impl Fn(f64) -> bool) {
        let is_there = asking().any(|()| is_good(self.metric(start)));
        assert!(is_there, "{start} is {}", self.metric(start));
    }

    /// Negotiates and answers with the connection token.
    pub fn negotiate(&self) -> String {
        let reply = self.request_as_client("POST /rte/negotiate?negotiateVersion=1", &[]);
        reply.json()["connectionToken"].as_str().expect("a connection token").to_owned()
    }

    /// A WebSocket to `target`, before any handshake of SignalR.
    pub fn websocket(&self, target: &str) -> Peer {
        self.websocket_with(target, &self.client_token())
    }

    /// The same with that token.
    pub fn websocket_with(&self, target: &str, token: &str) -> Peer {
        self.upgrade(self.connect(), target, token)
    }

    fn upgrade(&self, mut wire: Wire, target: &str, token: &str) -> Peer {
        let authorization = format!("Authorization: Bearer {token}");
        wire.send(
            request(&format!("GET {target}"), &[&[authorization.as_str()], &UPGRADE[..]].concat(), "").as_bytes(),
        );
        let reply = wire.reply_without_body();
        assert_eq!(reply.status, 101, "{reply:?}");
        let socket = WebSocket::from_partially_read(wire.stream, wire.taken, tungstenite::protocol::Role::Client, None);
        Peer { socket, records: VecDeque::new() }
    }

    /// A client behind its SignalR handshake.
    pub fn client(&self) -> Peer {
        self.client_with(&self.client_token())
    }

    /// The same with that token.
    pub fn client_with(&self, token: &str) -> Peer {
        self.shake_hands(self.websocket_with("/rte", token))
    }

    /// The same, whose socket receives no more than so many bytes ahead.
    pub fn client_with_buffer(&self, bytes: usize) -> Peer {
        self.shake_hands(self.upgrade(self.connect_with_buffer(bytes), "/rte", &self.client_token()))
    }

    /// A connection whose socket receives no more than so many bytes ahead.
    pub fn connect_with_buffer(&self, bytes: usize) -> Wire {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        socket.connect(&self.address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire { stream, taken: Vec::new() }
    }

    fn shake_hands(&self, mut peer: Peer) -> Peer {
        peer.send(r#"{"protocol":"json","version":1}"#);
        assert_eq!(peer.message(), format!("{{}}{RS}"), "the answer to the handshake, alone in its message");
        peer
    }
}

/// A folder of a test; it goes with it.
pub struct Folder(pub PathBuf);

impl Folder {
    /// With these files.
    pub fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let folder = Folder(folder);
        files.iter().for_each(|(file, text)| folder.write(file, text));
        folder
    }

    /// Writes a file.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Its path.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The path of a file.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// The settings of a hub whose journal is in its folder `journal`. A machine that is busy
    /// elsewhere is no disk that stalls.
    pub fn journal(&self) -> Vec<String> {
        let dir = format!("journal.dir={}", self.file("journal"));
        vec!["journal.engine=file".to_owned(), dir, "limits.journal_stall_ms=60000".to_owned()]
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `rte serve` with the key of these tests, and nothing else of this environment.
pub fn serve() -> Command {
    let mut command = rte();
    command.arg("serve");
    command
}

/// `rte serve` on this listening socket, passed as systemd does it.
pub fn serve_on(socket: &TcpListener) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve \"$@\" 3<&0"]).arg(env!("CARGO_BIN_EXE_rte"));
    let mut command = with_key(command);
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    command
}

/// The same, where it is the socket for the inside.
pub fn serve_inside_on(socket: &TcpListener) -> Command {
    let mut command = Command::new("sh");
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=internal exec \"$0\" serve \"$@\" 3<&0";
    command.args(["-c", script]).arg(env!("CARGO_BIN_EXE_rte"));
    let mut command = with_key(command);
    command.stdin(OwnedFd::from(socket.try_clone().unwrap()));
    command
}

/// `rte` with the key of these tests, and nothing else of this environment.
pub fn rte() -> Command {
    with_key(Command::new(env!("CARGO_BIN_EXE_rte")))
}

fn with_key(mut command: Command) -> Command {
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("RTE_"));
    ours.for_each(|name| {
        command.env_remove(name);
    });
    command.env("RTE_AUTH_SECRET", SECRET).stdin(Stdio::null());
    command
}

/// The headers of an upgrade, with the key of RFC 6455 section 1.3.
pub const UPGRADE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// The text of a request; a body brings its length along.
pub fn request(line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: hub.example\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() || line.starts_with("POST") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

/// A JSON Web Token, HS256 (RFC 7515).
pub fn mint(secret: &str, claims: &Value) -> String {
    mint_with(secret, &json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

/// The same with any header.
pub fn mint_with(secret: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

fn listening_at(line: &str) -> Option<SocketAddr> {
    let (_, place) = line.split_once("listening")?;
    let start = place.find("127.0.0.1:")?;
    let end = place[start + 10..].find(|c: char| !c.is_ascii_digit()).map_or(place.len(), |at| start + 10 + at);
    place[start..end].parse().ok()
}

/// A raw connection.
pub struct Wire {
    stream: TcpStream,
    /// What has been read beyond the reply before.
    taken: Vec<u8>,
}

impl Wire {
    fn to(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, taken: Vec::new() }
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends these bytes, as one segment if they fit into one.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next reply, whose body is as long as it says.
    pub fn reply(&mut self) -> Reply {
        let (reply, body) = self.reply_in_bytes();
        Reply { body: String::from_utf8(body).unwrap(), ..reply }
    }

    /// The same, whose body is no text.
    pub fn reply_in_bytes(&mut self) -> (Reply, Vec<u8>) {
        let reply = self.reply_without_body();
        if matches!(reply.status, 204 | 304) {
            return (reply, Vec::new());
        }
        let length = reply.header("content-length").expect("a length").parse().expect("a number");
        while self.taken.len() < length {
            assert!(self.read() > 0, "the connection ended within a body");
        }
        let body = self.taken.drain(..length).collect();
        (reply, body)
    }

    /// The next head, as the answer to HEAD or to an upgrade.
    pub fn reply_without_body(&mut self) -> Reply {
        let end = loop {
            if let Some(at) = self.taken.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            let head = String::from_utf8_lossy(&self.taken).into_owned();
            assert!(self.read() > 0, "the connection ended before a whole reply: {head:?}");
        };
        let head = String::from_utf8(self.taken.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        Reply {
            status: status[..3].parse().expect("a status"),
            headers: lines
                .map(|line| line.split_once(": ").expect("a header"))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: String::new(),
        }
    }

    /// What comes next, to the end of that mark.
    pub fn until(&mut self, mark: &[u8]) -> String {
        loop {
            if let Some(at) = self.taken.windows(mark.len()).position(|window| window == mark) {
                return String::from_utf8(self.taken.drain(..at + mark.len()).collect()).unwrap();
            }
            assert!(self.read() > 0, "the connection ended: {:?}", String::from_utf8_lossy(&self.taken));
        }
    }

    /// Waits until something comes here or there, and says whether it was here.
    pub fn is_answered_before(&mut self, other: &mut Wire) -> bool {
        for stream in [&self.stream, &other.stream] {
            stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        }
        let here = asking().find_map(|()| {
            let is_there = |stream: &TcpStream| matches!(stream.peek(&mut [0]), Ok(1));
            let (here, there) = (is_there(&self.stream), is_there(&other.stream));
            (here || there).then_some(here)
        });
        for stream in [&self.stream, &other.stream] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        here.expect("an answer")
    }

    /// Asserts that the hub ends the connection without another word.
    pub fn assert_ends(&mut self) {
        let count = self.read();
        assert!(
            count == 0 && self.taken.is_empty(),
            "expected the end, got {:?}",
            String::from_utf8_lossy(&self.taken)
        );
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer).expect("bytes or the end");
        self.taken.extend_from_slice(&buffer[..count]);
        count
    }
}

/// A reply as it came; names of headers in lower case.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The only header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} stands twice in {self:?}");
        value
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A WebSocket client of tungstenite's make, which checks every frame that the hub sends.
pub struct Peer {
    socket: WebSocket<TcpStream>,
    records: VecDeque<String>,
}

impl Peer {
    /// Sends one hub message in a message of its own.
    pub fn send(&mut self, record: &str) {
        self.send_text(&format!("{record}{RS}"));
    }

    /// Sends a text message as it is.
    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends a binary message as it is.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).unwrap();
    }

    /// Sends a ping.
    pub fn ping(&mut self, payload: &[u8]) {
        self.socket.send(Message::Ping(payload.to_vec().into())).unwrap();
    }

    /// Sends bytes past tungstenite, which would never send them.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).unwrap();
    }

    /// Its socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// Starts the closing handshake of RFC 6455.
    pub fn close(&mut self, code: u16) {
        let frame = tungstenite::protocol::CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.socket.close(Some(frame)).unwrap();
    }

    /// The next message, whatever it is.
    pub fn next(&mut self) -> Message {
        self.socket.read().expect("a message")
    }

    /// The next text message, whole.
    pub fn message(&mut self) -> String {
        let next = self.next();
        let Message::Text(text) = &next else { panic!("expected a text message, got {next:?}") };
        text.as_str().to_owned()
    }

    /// The next hub message without its separator; none once the connection is over.
    pub fn try_record(&mut self) -> Option<String> {
        while self.records.is_empty() {
            let Message::Text(text) = self.socket.read().ok()? else { continue };
            self.records.extend(text.as_str().trim_end_matches(RS).split(RS).map(str::to_owned));
        }
        self.records.pop_front()
    }

    /// The next hub message without its separator.
    pub fn record(&mut self) -> String {
        while self.records.is_empty() {
            let message = self.message();
            let records = message.strip_suffix(RS).unwrap_or_else(|| panic!("no whole records: {message:?}"));
            self.records.extend(records.split(RS).map(str::to_owned));
        }
        self.records.pop_front().unwrap()
    }

    /// Invokes a method with the arguments as JSON, and answers with the Completion as it came.
    pub fn invoke(&mut self, method: &str, arguments: &str) -> String {
        self.send(&format!(r#"{{"type":1,"invocationId":"i","target":"{method}","arguments":{arguments}}}"#));
        self.record()
    }

    /// Asserts that the hub closes now with `code` and ends the connection.
    pub fn assert_closed(&mut self, code: u16) {
        assert!(self.records.is_empty(), "more came before the close: {:?}", self.records);
        let next = self.next();
        let Message::Close(Some(frame)) = &next else { panic!("expected a close with {code}, got {next:?}") };
        assert_eq!(u16::from(frame.code), code, "{frame:?}");
        let end = self.socket.read();
        assert!(matches!(end, Err(tungstenite::Error::ConnectionClosed)), "{end:?}");
    }
}
