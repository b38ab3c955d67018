//! The lanes of two processes against a Redis of their own, which is killed, emptied and cut.

use crate::support::Folder;
use rte::backplane::entry::FINGERPRINT_BYTES;
use rte::backplane::partition::tag;
use rte::backplane::reader::{Found, ReaderMail, Tense};
use rte::backplane::writer::WriterMail;
use rte::backplane::{Append, Item, Row};
use rte::hub::partition::Partition;
use rte::shell::backplane::{Lanes, Listener, Options};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Whatever is waited for comes within this time.
const LONGEST: Duration = Duration::from_secs(60);
const ITEMS: usize = 20;
const CALLS: u64 = 30;

/// A server on a port and in a folder of its own.
struct Server {
    process: Child,
    port: u16,
    folder: Folder,
    is_kept: bool,
}

impl Server {
    /// None where there is no Redis.
    fn start(name: &str, is_kept: bool) -> Option<Server> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = Folder::new(&format!("engine-{name}"), &[("kept", "")]);
        Some(Server { process: Server::spawn(port, &folder, is_kept)?, port, folder, is_kept })
    }

    fn spawn(port: u16, folder: &Folder, is_kept: bool) -> Option<Child> {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir", folder.path()]);
        command.args(["--appendonly", if is_kept { "yes" } else { "no" }]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("eady to accept connections")));
        // Its pipe stays open, and is far from full.
        std::thread::spawn(move || lines.for_each(drop));
        Some(process)
    }

    fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Server::spawn(self.port, &self.folder, self.is_kept).unwrap();
    }

    /// What the server answers to a command.
    fn ask(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
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
    settled: BTreeMap<u64, bool>,
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
        if let WriterMail::Settled(settled) = mail {
            self.heard.lock().unwrap().settled.insert(settled.call, settled.outcome.is_ok());
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

fn start(server: &Server) -> (Arc<Ears>, Lanes) {
    let options = Options {
        addresses: vec![("127.0.0.1".to_owned(), server.port)],
        user: None,
        password: None,
        prefix: "rte".to_owned(),
        retain_entries: 20_000,
        dedupe_ms: 300_000,
        lanes: rte::backplane::Options { append_timeout_ms: 30_000, ..rte::backplane::Options::default() },
    };
    let ears = Arc::new(Ears::default());
    let lanes = Lanes::start(&options, &ears).unwrap();
    ears.wait("a start", |heard| heard.is_ready);
    (ears, lanes)
}

/// Two processes publish in turn; in the midst of it that happens. What was answered has come to
/// both of them, once, and nothing is told to be missing.
fn endures(name: &str, is_kept: bool, loses: bool, fault: impl FnOnce(&mut Server)) {
    let Some(mut server) = Server::start(name, is_kept) else { return skip() };
    let nodes = [start(&server), start(&server)];
    let partition = Partition::from_number(3).unwrap();
    let mut fault = Some(fault);
    for call in 0..CALLS {
        let items = (0..ITEMS).map(|item| {
            let row = Some(Row { field: [u8::try_from(item).unwrap()].into(), is_last: false });
            let data = format!("{call}.{item}").into_bytes().into();
            Item { body: [u8::try_from(item).unwrap()].into(), data, id: None, row }
        });
        let (ears, lanes) = &nodes[usize::try_from(call % 2).unwrap()];
        lanes.append(Append { partition, shard: 0, call, items: items.collect() });
        if call == CALLS / 2 {
            fault.take().unwrap()(&mut server);
        }
        ears.wait("an answer", |heard| heard.settled.contains_key(&call));
        assert!(ears.heard.lock().unwrap().settled[&call]);
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
fn skip() {
    eprintln!("SKIPPED: there is no redis-server");
}

#[test]
fn two_processes_on_one_redis_deliver_the_same_in_one_order() {
    endures("quiet", true, false, |_| {});
}

#[test]
fn a_redis_that_is_killed_loses_nothing_that_it_has_kept() {
    endures("killed", true, false, Server::kill_and_restart);
}

#[test]
fn a_redis_that_comes_back_empty_gets_back_what_it_has_lost() {
    endures("empty", false, true, Server::kill_and_restart);
}

#[test]
fn a_redis_that_is_emptied_or_forgets_its_scripts_or_cuts_its_clients_gets_all_the_same() {
    endures("flushed", true, true, |server| assert!(server.ask("FLUSHALL").starts_with("+OK")));
    let log = format!("{}:s", tag("rte", Partition::from_number(3).unwrap()));
    endures("without-log", true, true, |server| assert!(server.ask(&format!("DEL {log}")).starts_with(":1")));
    endures("forgetful", true, false, |server| assert!(server.ask("SCRIPT FLUSH").starts_with("+OK")));
    endures("cutting", true, false, |server| assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':')));
}
