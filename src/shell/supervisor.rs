//! The program that has started this one, where it wants to be told how it goes: systemd, by
//! `Type=notify`. A message is a datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).

use crate::clock::{Deadline, Now};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a shard that is late is looked at again, in parts of the time that systemd waits.
const LOOKS: u64 = 16;

/// Who is told. Nobody, where nobody asks.
#[derive(Debug, Default)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Watchdog>,
}

impl Supervisor {
    /// Returns the one that the variables of this process name; `variable` reads one.
    ///
    /// # Errors
    ///
    /// The address is none that can be sent to.
    pub fn of(variable: impl Fn(&str) -> Option<String>, process: u32, now: Now) -> io::Result<Supervisor> {
        let Some(path) = variable("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Ok(Supervisor::default());
        };
        let address =
            address(&path).map_err(|error| io::Error::new(error.kind(), format!("NOTIFY_SOCKET: {error}")))?;
        let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
        let is_mine = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(process));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_mine && *usec > 0);
        let watchdog = watchdog.map(|usec| Watchdog::new(usec / 1000, now));
        Ok(Supervisor { socket: Some((UnixDatagram::unbound()?, address)), watchdog })
    }

    /// The hub takes connections; also said at the end of a reload.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// Files are read again. The time says which reload systemd's `Type=notify-reload` sees.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The process is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// Returns when [`Supervisor::watch`] has something to do.
    pub fn next_look(&self) -> Deadline {
        self.watchdog.as_ref().map_or(Deadline::NEVER, |watchdog| watchdog.look_at)
    }

    /// Says that the process is alive, if it is time and all shards have turned since it was last
    /// said; `ask` asks them to count themselves when they turn.
    pub fn watch(&mut self, shards: usize, now: Now, ask: impl FnOnce(&Turns)) {
        if let Some(watchdog) = &mut self.watchdog
            && watchdog.look(shards, now)
        {
            ask(watchdog.turns.insert(Turns::default()));
            self.say("WATCHDOG=1");
        }
    }

    fn say(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            // A supervisor that doesn't listen any more misses nothing.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// An address as systemd writes it: a path, or `@` and a name that is in no file system.
fn address(text: &str) -> io::Result<SocketAddr> {
    match text.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(text),
    }
}

/// How many shards have turned since they were asked.
pub type Turns = Arc<AtomicUsize>;

/// Whether all shards turn.
#[derive(Debug)]
struct Watchdog {
    within_ms: u64,
    look_at: Deadline,
    /// `None` before they are first asked.
    turns: Option<Turns>,
}

impl Watchdog {
    /// Returns one that systemd wants to hear of within that time.
    fn new(within_ms: u64, now: Now) -> Watchdog {
        Watchdog { within_ms, look_at: now.after_ms(0), turns: None }
    }

    /// Returns whether it is time to say that all is well, and to ask again with a new count.
    fn look(&mut self, shards: usize, now: Now) -> bool {
        if !self.look_at.is_due(now) {
            return false;
        }
        let is_well = self.turns.as_ref().is_none_or(|turns| turns.load(Ordering::Relaxed) >= shards);
        self.look_at = now.after_ms((self.within_ms / if is_well { 2 } else { LOOKS }).max(1));
        is_well
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::from_ms(ms, 0)
    }

    fn variables<'v>(list: &'v [(&'v str, String)]) -> impl Fn(&str) -> Option<String> + 'v {
        |name| list.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone())
    }

    fn heard(socket: &UnixDatagram) -> Vec<String> {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 200];
        let next = || socket.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_supervisor_hears_by_a_path_or_an_abstract_name() {
        let path = std::env::temp_dir().join(format!("rte-notify-{}", std::process::id()));
        let name = format!("rte-notify-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (text, socket) in [(path.to_str().unwrap().to_owned(), by_path), (format!("@{name}"), by_name)] {
            let list = [("NOTIFY_SOCKET", text)];
            let supervisor = Supervisor::of(variables(&list), 1, at(0)).unwrap();
            supervisor.ready();
            supervisor.reloading();
            supervisor.stopping();
            let heard = heard(&socket);
            let usec = heard[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(usec.parse::<u64>().unwrap() > 0);
            assert_eq!((heard[0].as_str(), heard[2].as_str(), heard.len()), ("READY=1", "STOPPING=1", 3));
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_socket_nothing_is_said_and_a_watchdog_for_another_process_is_none() {
        let none = Supervisor::of(|_| None, 1, at(0)).unwrap();
        none.ready();
        assert_eq!(none.next_look(), Deadline::NEVER);
        let list = |pid: &str| {
            [("NOTIFY_SOCKET", "@x"), ("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", pid)]
                .map(|(name, text)| (name, text.to_owned()))
        };
        let other = Supervisor::of(variables(&list("2")), 1, at(0)).unwrap();
        assert_eq!(other.next_look(), Deadline::NEVER);
        assert!(Supervisor::of(variables(&list("1")), 1, at(0)).unwrap().next_look().is_due(at(0)));
        let long = [("NOTIFY_SOCKET", format!("/{}", "x".repeat(200)))];
        assert!(Supervisor::of(variables(&long), 1, at(0)).unwrap_err().to_string().contains("NOTIFY_SOCKET"));
    }

    #[test]
    fn the_watchdog_is_told_at_half_of_its_time_only_if_every_shard_has_turned() {
        let mut watchdog = Watchdog::new(1_600, at(0));
        assert!(watchdog.look(2, at(0)), "the start counts");
        let turns = Turns::clone(watchdog.turns.insert(Turns::default()));
        assert!(!watchdog.look(2, at(799)));
        turns.fetch_add(1, Ordering::Relaxed);
        assert!(!watchdog.look(2, at(800)), "one of two is stuck");
        assert!(!watchdog.look(2, at(899)) && watchdog.look_at.is_due(at(900)), "looked at again soon");
        turns.fetch_add(1, Ordering::Relaxed);
        assert!(watchdog.look(2, at(900)), "it was only late");
        watchdog.turns = Some(Turns::default());
        assert!(!watchdog.look(2, at(1_699)) && !watchdog.look(2, at(1_700)), "what it said before doesn't count");
    }
}
