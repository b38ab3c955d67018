//! A hub under a supervisor such as systemd: sockets that are passed, news of its life, and an end
//! that is announced.

use crate::support::{Hub, ORGANIZATION, USER, request, serve, serve_on};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn an_announced_drain_is_told_by_readyz_and_nothing_else_changes() {
    let hub = Hub::start_with(&["limits.drain_delay_ms=600000"]);
    let mut before = hub.client();
    hub.terminate();
    hub.await_log("drain_announced");
    assert_eq!(hub.request("GET /readyz", &[], "").status, 503);
    let mut client = hub.client();
    let pair = format!(r#"[[{{"EntityId":"{USER}","EventName":"UserQueueAlert"}}]]"#);
    assert!(client.invoke("Subscribe", &pair).contains(r#""subscribed":true"#));
    let data = r#"{"queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support"}"#;
    let reply = hub.publish(&format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#));
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(client.record().contains(data));
    hub.reload();
    hub.await_log("info reloaded");
    assert!(before.invoke("UnsubscribeAll", "[]").contains("true"));
    assert!(!hub.log().contains(" draining "), "{}", hub.log());
}

#[test]
fn after_its_delay_the_drain_begins_by_itself() {
    let mut hub = Hub::start_with(&["limits.drain_delay_ms=1"]);
    let mut client = hub.client();
    hub.terminate();
    assert_eq!(client.record(), r#"{"type":7,"allowReconnect":true}"#);
    client.assert_closed(1000);
    drop(client);
    assert_eq!(hub.exit_code(), Some(0), "{}", hub.log());
    let log = hub.log();
    let place = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text:?} in {log}"));
    assert!(place("drain_announced delay_ms=1") < place("draining connections=1"), "{log}");
}

#[test]
fn a_drain_refuses_publications_and_lets_requests_in_hand_finish() {
    // On one thread, whoever is answered knows that what was sent before has been read.
    let hub = Hub::start_with(&["server.threads=1"]);
    let body = format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{{"queueId":"{ORGANIZATION}"}}}}"#);
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    let whole = request("POST /publish", &[&authorization, "Content-Type: application/json"], &body);
    let head_bytes = whole.find("\r\n\r\n").unwrap() + 4;
    let (mut in_hand, mut late, mut idle) = (hub.connect(), hub.connect(), hub.connect());
    // One has shown its whole head, which was let in; the other one only begins.
    in_hand.send(&whole.as_bytes()[..head_bytes + 5]);
    late.send(&whole.as_bytes()[..20]);
    let head = request("GET /healthz", &[], "");
    idle.send(head.as_bytes());
    assert_eq!(idle.reply().status, 200);
    hub.terminate();
    idle.assert_ends();
    late.send(&whole.as_bytes()[20..]);
    let refused = late.reply();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    in_hand.send(&whole.as_bytes()[head_bytes + 5..]);
    let reply = in_hand.reply();
    assert!(matches!(reply.status, 202 | 422) && reply.json()["results"].is_array(), "{reply:?}");
    assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
}

/// Asks for the health of whoever is there, on a connection of its own.
fn ask(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request("GET /healthz", &["Connection: close"], "").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn on_a_passed_socket_the_next_hub_takes_over_and_nobody_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut old = Hub::launch(serve_on(&socket), &["server.threads=2", "limits.drain_spread_ms=200"]);
    assert_eq!(old.url(), format!("http://{}/rte", socket.local_addr().unwrap()));
    let mut clients: Vec<_> = (0..20).map(|_| old.client()).collect();
    let mut next = Hub::launch(serve_on(&socket), &["server.threads=2"]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (is_over, address) = (&is_over, socket.local_addr().unwrap());
        let asking = scope.spawn(move || {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                let reply = ask(address);
                assert!(reply.starts_with("HTTP/1.1 200"), "{asked}: {reply:?}");
                asked += 1;
            }
            asked
        });
        old.terminate();
        for client in &mut clients {
            assert_eq!(client.record(), r#"{"type":7,"allowReconnect":true}"#);
            client.assert_closed(1000);
            *client = next.client();
        }
        assert_eq!(old.exit_code(), Some(0), "{}", old.log());
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    assert!(clients.iter_mut().all(|client| client.invoke("UnsubscribeAll", "[]").contains("true")));
    next.terminate();
    drop(clients);
    assert_eq!(next.exit_code(), Some(0), "{}", next.log());
}

#[test]
fn a_passed_socket_waits_for_the_next_hub() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut old = Hub::launch(serve_on(&socket), &[]);
    old.terminate();
    assert_eq!(old.exit_code(), Some(0), "{}", old.log());
    let mut early = old.connect();
    early.send(request("GET /readyz", &[], "").as_bytes());
    let _next = Hub::launch(serve_on(&socket), &[]);
    assert_eq!(early.reply().status, 200);
}

#[test]
fn what_is_passed_and_is_no_listening_socket_is_told() {
    let refused = |variables: &str| {
        let script = format!("{variables} exec \"$0\" serve 3<&0");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_rte")]);
        let key = ("RTE_AUTH_SECRET", "the secret of the tests has more than 32 bytes");
        let output = command.env(key.0, key.1).stdin(std::process::Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let why = refused("LISTEN_FDS=1");
    assert!(why.contains("LISTEN_FDS: ") && why.contains("not a socket"), "{why}");
    let why = refused("LISTEN_FDS=2");
    assert!(why.contains("2 sockets are passed"), "{why}");
}

/// What a supervisor hears.
struct Supervisor(UnixDatagram);

impl Supervisor {
    fn bind(name: &str) -> Supervisor {
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Supervisor(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 200];
        let bytes = self.0.recv(&mut buffer).expect("the hub says something");
        String::from_utf8_lossy(&buffer[..bytes]).into_owned()
    }

    /// The next message that is no sign of life.
    fn next_news(&self) -> String {
        std::iter::repeat_with(|| self.next()).find(|message| message != "WATCHDOG=1").unwrap()
    }
}

/// A hub that such a supervisor watches.
fn watched(name: &str, watchdog_usec: &str) -> (Supervisor, Hub) {
    let name = format!("rte-{name}-{}", std::process::id());
    let supervisor = Supervisor::bind(&name);
    let mut command = serve();
    command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", watchdog_usec);
    let hub = Hub::launch(command, &["server.threads=2"]);
    assert_eq!(supervisor.next_news(), "READY=1");
    (supervisor, hub)
}

#[test]
fn a_supervisor_is_told_of_start_reload_and_end() {
    let (supervisor, mut hub) = watched("told", "0");
    hub.reload();
    let reloading = supervisor.next();
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime_s: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(usec.parse::<f64>().unwrap() / 1e6 <= uptime_s + 1.0, "{usec} us of {uptime_s} s");
    assert_eq!(supervisor.next(), "READY=1");
    hub.terminate();
    assert_eq!(supervisor.next(), "STOPPING=1");
    assert_eq!(hub.exit_code(), Some(0), "{}", hub.log());
}

#[test]
fn an_idle_hub_shows_its_watchdog_that_all_shards_turn() {
    let (supervisor, _hub) = watched("watchdog", "100000");
    for _ in 0..3 {
        assert_eq!(supervisor.next(), "WATCHDOG=1");
    }
}
