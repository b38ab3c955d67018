//! The lanes of two processes against a Redis of their own, which is killed, emptied and cut.

use crate::support::{Folder, asking, free_port};
use rte::backplane::entry::{FINGERPRINT_BYTES, Place, Raw};
use rte::backplane::partition::tag;
use rte::backplane::reader::{Found, ReaderMail, Tense};
use rte::backplane::values::Value;
use rte::backplane::writer::WriterMail;
use rte::backplane::{Append, Fault, Item, Notice, Refused, Row};
use rte::clock::{Deadline, Now};
use rte::conn::Side;
use rte::hub::partition::Partition;
use rte::hub::seen::ItemKey;
use rte::shell::backplane::{Complaint, Lanes, Listener, Options, Password};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Whatever is waited for comes within this time.
const LONGEST: Duration = Duration::from_secs(60);
/// The page of the manual that says what the hub may do at its Redis, and no more.
const GUIDE: &str = include_str!("../../../src/guide/nodes.md");
/// How often a server is asked before a test gives up waiting.
const ITEMS: usize = 20;
const CALLS: u64 = 30;

/// A server on a port and in a folder of its own.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
    pub(super) folder: Folder,
    arguments: Vec<String>,
}

/// A server with these arguments, and its port.
pub(super) fn started(name: &str, arguments: &[&str]) -> Option<(Server, u16)> {
    let server = Server::start_with(name, arguments)?;
    let port = server.port;
    Some((server, port))
}

impl Server {
    /// None where there is no Redis.
    pub(super) fn start(name: &str, is_kept: bool) -> Option<Server> {
        Server::start_with(name, &["--appendonly", if is_kept { "yes" } else { "no" }])
    }

    /// The same, with these arguments.
    pub(super) fn start_with(name: &str, arguments: &[&str]) -> Option<Server> {
        let (port, folder) = (free_port(), Folder::new(&format!("engine-{name}"), &[("kept", "")]));
        let (own, path) = (port.to_string(), folder.path().to_owned());
        let own = ["--port", &own, "--bind", "127.0.0.1", "-::1", "--save", "", "--dir", &path];
        Server::run(port, folder, &[&own, arguments].concat())
    }

    /// A Sentinel that watches over the server of that host and port, which it calls `hub`; with
    /// these lines before.
    pub(super) fn sentinel(name: &str, (host, master): (&str, u16), lines: &str) -> Option<Server> {
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1 -::1\n{lines}sentinel monitor hub {host} {master} 1\n\
             sentinel down-after-milliseconds hub 1000\nsentinel failover-timeout hub 10000\n"
        );
        let folder = Folder::new(&format!("engine-{name}"), &[("sentinel.conf", &text)]);
        let file = folder.file("sentinel.conf");
        Server::run(port, folder, &[&file, "--sentinel"])
    }

    fn run(port: u16, folder: Folder, arguments: &[&str]) -> Option<Server> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Some(Server { process: Server::spawn(&arguments)?, port, folder, arguments })
    }

    fn spawn(arguments: &[String]) -> Option<Child> {
        let mut command = Command::new("redis-server");
        command.args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let is_ready = |line: &str| line.contains("eady to accept connections") || line.contains("Sentinel ID is");
        assert!(lines.any(|line| is_ready(&line.unwrap())));
        // Its pipe stays open, and is far from full.
        std::thread::spawn(move || lines.for_each(drop));
        Some(process)
    }

    pub(super) fn kill_and_restart(&mut self) {
        self.kill();
        self.process = Server::spawn(&self.arguments).unwrap();
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// What the server answers to a command.
    pub(super) fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut answer = String::new();
        // What a Sentinel does not take as a command it takes as the end; one that becomes a
        // replica cuts all clients.
        let said = stream.write_all(format!("{command}\r\n").as_bytes());
        let _ = said.and_then(|()| stream.shutdown(Shutdown::Write)).and_then(|()| stream.read_to_string(&mut answer));
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a process has heard.
#[derive(Debug, Default)]
struct Heard {
    is_ready: bool,
    /// In their order.
    delivered: Vec<String>,
    gaps: usize,
    settled: BTreeMap<u64, Result<Vec<u32>, Refused>>,
    /// Why the engine has not answered.
    faults: Vec<Fault>,
    values: BTreeMap<Box<[u8]>, String>,
}

#[derive(Default)]
struct Ears {
    heard: Mutex<Heard>,
    news: Condvar,
}

impl Ears {
    fn wait(&self, what: &str, until: impl Fn(&Heard) -> bool) {
        let heard = self.heard.lock().unwrap();
        let (heard, waited) = self.news.wait_timeout_while(heard, LONGEST, |heard| !until(heard)).unwrap();
        assert!(!waited.timed_out(), "{what} never comes: {} delivered, {} gaps", heard.delivered.len(), heard.gaps);
    }
}

impl Listener for Ears {
    fn hear_writer(&self, mail: WriterMail) {
        let mut heard = self.heard.lock().unwrap();
        match mail {
            WriterMail::Settled(settled) => drop(heard.settled.insert(settled.call, settled.outcome)),
            WriterMail::Notice(_) | WriterMail::Acked { .. } | WriterMail::Repaired { .. } => {}
        }
        self.news.notify_all();
    }

    fn hear_notice(&self, _: Side, notice: Notice, _: Option<&Complaint>) {
        if let Notice::Away { fault, .. } = notice {
            self.heard.lock().unwrap().faults.push(fault);
            self.news.notify_all();
        }
    }

    fn hear_reader(&self, mail: ReaderMail) {
        let mut heard = self.heard.lock().unwrap();
        match mail {
            ReaderMail::Entries { entries, .. } => {
                for Found { entry, tense } in entries {
                    let text = String::from_utf8(entry.data.to_vec()).unwrap();
                    heard.values.insert(entry.head[FINGERPRINT_BYTES..].into(), text.clone());
                    if tense == Tense::Present {
                        heard.delivered.push(text);
                    }
                }
            }
            ReaderMail::Gap { .. } => heard.gaps += 1,
            ReaderMail::Values { values, horizon: None, .. } => {
                for value in values {
                    heard.values.insert(value.field, String::from_utf8(value.entry.data.to_vec()).unwrap());
                }
            }
            ReaderMail::Ready => heard.is_ready = true,
            ReaderMail::Values { .. }
            | ReaderMail::Begun(_)
            | ReaderMail::Lost(_)
            | ReaderMail::Restart
            | ReaderMail::Notice(_) => {}
        }
        self.news.notify_all();
    }
}

impl Ears {
    /// What becomes of items, once it is known.
    fn append(&self, lanes: &Lanes, call: u64, items: Vec<Item>) -> Result<Vec<u32>, Refused> {
        lanes.appender().append(append(call, items));
        self.settled(call)
    }

    fn settled(&self, call: u64) -> Result<Vec<u32>, Refused> {
        self.wait("an answer", |heard| heard.settled.contains_key(&call));
        self.heard.lock().unwrap().settled[&call].clone()
    }
}

fn partition() -> Partition {
    Partition::from_number(3).unwrap()
}

/// For which there is time as long as a test takes.
fn append(call: u64, items: Vec<Item>) -> Append {
    let expires_at = Deadline::at(Now::from_ms(3_600_000, 0).mono);
    Append { partition: partition(), shard: 0, call, items, expires_at }
}

fn items(call: u64) -> Vec<Item> {
    let item = |number: usize| {
        let field = [u8::try_from(number).unwrap()];
        let row = Some(Row::Becomes(field.into()));
        Item { body: field.into(), data: format!("{call}.{number}").into_bytes().into(), id: None, row }
    };
    (0..ITEMS).map(item).collect()
}

fn start(server: &Server) -> (Arc<Ears>, Lanes) {
    let (ears, lanes) = start_as(server, None, 0);
    ears.wait("a start", |heard| heard.is_ready);
    (ears, lanes)
}

fn start_as(server: &Server, user: Option<(&str, &str)>, wait_replicas: u32) -> (Arc<Ears>, Lanes) {
    let options = Options {
        addresses: vec![("127.0.0.1".to_owned(), server.port)],
        tls: None,
        sentinel: None,
        is_cluster: false,
        user: user.map(|(name, _)| name.to_owned()),
        password: user.map(|(_, password)| Password::new(password.to_owned())),
        prefix: "rte".to_owned(),
        retain_entries: 20_000,
        wait_replicas,
        is_passing: false,
        dedupe_ms: 300_000,
        lanes: rte::backplane::Options::default(),
    };
    let ears = Arc::new(Ears::default());
    let lanes = Lanes::start(&options, &ears).unwrap();
    (ears, lanes)
}

/// Two processes publish in turn; in the midst of it that happens. What was answered has come to
/// both of them, once, and nothing is told to be missing.
fn endures(name: &str, is_kept: bool, loses: bool, fault: impl FnOnce(&mut Server, &Ears)) {
    let Some(mut server) = Server::start(name, is_kept) else { return skip() };
    let nodes = [start(&server), start(&server)];
    let mut fault = Some(fault);
    for call in 0..CALLS {
        let (ears, lanes) = &nodes[usize::try_from(call % 2).unwrap()];
        lanes.appender().append(append(call, items(call)));
        if call == CALLS / 2 {
            fault.take().unwrap()(&mut server, ears);
        }
        assert_eq!(ears.settled(call), Ok(Vec::new()));
    }
    let mut all: Vec<String> =
        (0..CALLS).flat_map(|call| (0..ITEMS).map(move |item| format!("{call}.{item}"))).collect();
    for (ears, _) in &nodes {
        ears.wait("an entry", |heard| heard.delivered.len() >= all.len());
        let heard = ears.heard.lock().unwrap();
        let mut delivered = heard.delivered.clone();
        if loses {
            // What was lost before it was read comes behind what others have appended since.
            all.sort();
            delivered.sort();
        }
        assert_eq!(heard.gaps, 0, "{name}: nothing is missing");
        assert_eq!(delivered, all, "{name}");
    }
    // One that comes later knows what holds.
    let (ears, lanes) = start(&server);
    assert_eq!(ears.heard.lock().unwrap().values, nodes[0].0.heard.lock().unwrap().values, "{name}");
    lanes.end();
    nodes.into_iter().for_each(|(_, lanes)| lanes.end());
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
pub(super) fn skip() {
    eprintln!("SKIPPED: there is no redis-server");
}

#[test]
fn two_processes_on_one_redis_deliver_the_same_in_one_order() {
    endures("quiet", true, false, |_, _| {});
}

#[test]
fn a_redis_that_is_killed_loses_nothing_that_it_has_kept() {
    endures("killed", true, false, |server, _| server.kill_and_restart());
}

#[test]
fn a_redis_that_comes_back_empty_gets_back_what_it_has_lost() {
    endures("empty", false, true, |server, _| server.kill_and_restart());
}

#[test]
fn a_redis_that_is_emptied_or_forgets_its_scripts_or_cuts_its_clients_gets_all_the_same() {
    endures("flushed", true, true, |server, _| assert!(server.ask("FLUSHALL").starts_with("+OK")));
    let log = format!("{}:s", tag("rte", partition()));
    endures("without-log", true, true, |server, _| assert!(server.ask(&format!("DEL {log}")).starts_with(":1")));
    endures("forgetful", true, false, |server, _| assert!(server.ask("SCRIPT FLUSH").starts_with("+OK")));
    endures("cutting", true, false, |server, _| assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':')));
}

#[test]
fn a_redis_that_is_frozen_is_left_and_taken_up_again() {
    endures("frozen", true, false, |server, ears| {
        server.signal("-STOP");
        ears.wait("a timeout", |heard| heard.faults.contains(&Fault::Timeout));
        server.signal("-CONT");
    });
}

#[test]
fn a_redis_without_room_refuses_at_once_and_takes_again_what_comes_later() {
    let Some(server) = Server::start("full", true) else { return skip() };
    let (ears, lanes) = start(&server);
    assert!(server.ask("CONFIG SET maxmemory 1").starts_with("+OK"));
    assert_eq!(ears.append(&lanes, 0, items(0)), Err(Refused::Full));
    assert!(server.ask("CONFIG SET maxmemory 0").starts_with("+OK"));
    let taken = (1..).find(|call| ears.append(&lanes, *call, items(*call)).is_ok()).unwrap();
    ears.wait("an entry", |heard| heard.delivered.len() >= ITEMS);
    let heard = ears.heard.lock().unwrap();
    assert!(heard.delivered.iter().all(|text| text.starts_with(&format!("{taken}."))), "{heard:?}");
    assert_eq!(heard.gaps, 0, "numbers of what was refused come, too");
    drop(heard);
    lanes.end();
}

#[test]
fn an_item_that_is_sent_again_is_a_duplicate_whichever_process_takes_it() {
    let Some(server) = Server::start("ids", true) else { return skip() };
    let nodes = [start(&server), start(&server)];
    let known = |call| {
        let key = |number: usize| ItemKey([u8::try_from(number).unwrap(); 16]);
        let with_key = |(number, item): (usize, Item)| Item { id: Some(key(number)), ..item };
        items(call).into_iter().enumerate().map(with_key).collect::<Vec<_>>()
    };
    assert_eq!(nodes[0].0.append(&nodes[0].1, 0, known(0)), Ok(Vec::new()));
    let mut mixed = items(1);
    mixed[7] = known(1)[7].clone();
    assert_eq!(nodes[1].0.append(&nodes[1].1, 1, mixed), Ok(vec![7]));
    for (ears, lanes) in nodes {
        ears.wait("an entry", |heard| heard.delivered.len() >= 2 * ITEMS - 1);
        assert!(!ears.heard.lock().unwrap().delivered.contains(&"1.7".to_owned()));
        lanes.end();
    }
}

/// The command that makes the user of the guide, with that password.
pub(super) fn guide_user(password: &str) -> String {
    let line = GUIDE.lines().find(|line| line.starts_with("user rte on >CHANGE-ME ")).unwrap();
    line.replacen("user", "ACL SETUSER", 1).replacen("CHANGE-ME", password, 1)
}

#[test]
fn a_user_with_few_rights_is_enough_and_a_wrong_password_is_told() {
    let Some(server) = Server::start("acl", true) else { return skip() };
    assert!(server.ask(&guide_user("CHANGE-ME")).starts_with("+OK"));
    let master = server.port.to_string();
    let _replica = Server::start_with("acl-replica", &["--replicaof", "127.0.0.1", &master]).unwrap();
    let user = Some(("rte", "CHANGE-ME"));
    let (ears, lanes) = start_as(&server, user, 1);
    ears.wait("a start", |heard| heard.is_ready);
    let mut all = items(0);
    (all[0].id, all[1].row) = (Some(ItemKey([1; 16])), Some(Row::Ends(vec![[2].into()])));
    assert_eq!(ears.append(&lanes, 0, all), Ok(Vec::new()));
    ears.wait("an entry", |heard| heard.delivered.len() == ITEMS);
    let entry = Raw { place: Place::START, head: [0].into(), data: [].into() };
    lanes.appender().restore(partition(), vec![Value { field: b"lost".as_slice().into(), entry }]);
    let values = format!("HEXISTS {}:v lost", tag("rte", partition()));
    assert!(asking().any(|()| server.ask(&values).starts_with(":1")), "it gets back what it has lost");
    lanes.end();
    // Another one finds what is there, and scans.
    let (second, lanes) = start_as(&server, user, 0);
    second.wait("a start", |heard| heard.is_ready);
    lanes.end();
    for heard in [&ears, &second].map(|ears| ears.heard.lock().unwrap()) {
        let is_of_rights = |fault: &Fault| *fault != Fault::Unreplicated;
        assert!(!heard.faults.iter().any(is_of_rights), "nothing is refused: {:?}", heard.faults);
    }
    let (ears, lanes) = start_as(&server, Some(("rte", "wrong")), 0);
    ears.wait("a refusal", |heard| heard.faults.contains(&Fault::WrongPassword));
    lanes.end();
}
