//! A master with a replica, and a Sentinel that makes that the master when it is to.

use super::super::engine::{Server, skip, started};
use super::{all_come, await_ready};
use crate::support::{Folder, Hub, asking, rte};

pub(super) struct Estate {
    pub(super) master: Server,
    replica: Server,
    /// By which nodes reach that.
    replica_port: u16,
    pub(super) sentinel: Server,
}

fn await_answer(server: &Server, command: &str, is_good: impl Fn(&str) -> bool) {
    let is_there = asking().any(|()| is_good(&server.ask(command)));
    assert!(is_there, "{command}: {}", server.ask(command));
}

impl Estate {
    fn start(name: &str) -> Option<Estate> {
        Estate::start_by(name, "127.0.0.1", started, "")
    }

    /// Of servers that are started so, and reached by that name and the port that is told; the
    /// Sentinel has these lines.
    pub(super) fn start_by(
        name: &str,
        host: &str,
        start: impl Fn(&str, &[&str]) -> Option<(Server, u16)>,
        lines: &str,
    ) -> Option<Estate> {
        let kept = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
        let (master, port) = start(&format!("{name}-master"), &kept)?;
        let own = port.to_string();
        let follows = ["--replicaof", host, &own, "--replica-announce-ip", host];
        let (replica, replica_port) = start(&format!("{name}-replica"), &[&kept[..], &follows].concat())?;
        await_answer(&master, "INFO replication", |said| said.contains("state=online"));
        let sentinel = Server::sentinel(&format!("{name}-sentinel"), (host, port), lines)?;
        let estate = Estate { master, replica, replica_port, sentinel };
        await_answer(&estate.sentinel, "SENTINEL replicas hub", |said| {
            said.contains(&replica_port.to_string()) && said.contains("master-link-status\r\n$2\r\nok")
        });
        Some(estate)
    }

    fn settings(&self) -> Vec<String> {
        vec![
            "journal.engine=redis".to_owned(),
            // Of several the first that answers is asked.
            format!("journal.redis.addresses=127.0.0.1:1,127.0.0.1:{}", self.sentinel.port),
            "journal.redis.sentinel=hub".to_owned(),
        ]
    }

    fn nodes(&self) -> [Hub; 2] {
        [(); 2].map(|()| {
            let settings = self.settings();
            let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
            await_ready(&hub);
            hub
        })
    }

    pub(super) fn await_takeover(&self) {
        let told = format!("{}\r\n", self.replica_port);
        await_answer(&self.sentinel, "SENTINEL get-master-addr-by-name hub", |said| said.contains(&told));
    }
}

#[test]
fn nothing_that_was_taken_is_lost_or_doubled_where_a_sentinel_makes_another_server_the_master() {
    let Some(mut estate) = Estate::start("sentinel-killed") else { return skip() };
    let nodes = estate.nodes();
    all_come(&nodes, || estate.master.kill());
    estate.await_takeover();
}

#[test]
fn a_master_that_was_frozen_and_is_none_any_more_is_not_taken_for_one() {
    let Some(estate) = Estate::start("sentinel-frozen") else { return skip() };
    let nodes = estate.nodes();
    all_come(&nodes, || estate.master.signal("-STOP"));
    estate.await_takeover();
    all_come(&nodes, || estate.master.signal("-CONT"));
    await_answer(&estate.master, "ROLE", |said| said.contains("slave"));
    assert!(estate.replica.ask("ROLE").contains("master"));
    all_come(&nodes, || ());
}

#[test]
fn a_check_says_who_the_master_is_and_what_is_wrong_with_the_sentinels() {
    let Some(estate) = Estate::start("sentinel-check") else { return skip() };
    let folder = Folder::new("sentinel-check-secrets", &[("right", "hush-hush\n"), ("wrong", "guessed")]);
    let check = |addresses: u16, more: &[String]| {
        let mut command = rte();
        let address = format!("journal.redis.addresses=127.0.0.1:{addresses}");
        command.args(["check", "--connect", "--set", "journal.engine=redis", "--set", &address]);
        command.args(more.iter().flat_map(|set| ["--set", set.as_str()]));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let all = text(output.stdout) + &text(output.stderr);
        assert!(!all.contains("hush-hush"), "{all}");
        (output.status.success(), all)
    };
    let told = |(is_good, all): (bool, String), expected: bool, part: &str| {
        assert!(is_good == expected && all.contains(part), "{part}: {all}");
    };
    let by = |name: &str| format!("journal.redis.sentinel={name}");
    let (own, master) = (estate.sentinel.port, estate.master.port);
    told(check(own, &[by("hub")]), true, &format!("is a Sentinel, which knows \"hub\" at 127.0.0.1:{master}"));
    told(check(own, &[by("hub")]), true, &format!("127.0.0.1:{master} is reached"));
    told(check(own, &[by("nobody")]), false, "the Sentinel knows no master by the name in journal.redis.sentinel");
    told(check(own, &[]), false, "is a Sentinel: set journal.redis.sentinel");
    told(check(master, &[by("hub")]), false, "it is no Sentinel: name the Sentinels, and nobody else");
    let password = |name: &str| format!("journal.redis.sentinel_password_file={}", folder.file(name));
    let unasked = "the Sentinel asks for no password, and this node tells it one: leave journal.redis.sentinel_pass";
    let unknown = "the Sentinel knows no such user with this password: look at the password in journal.redis.sentinel";
    told(check(own, &[by("hub"), password("right")]), false, unasked);
    let user = "journal.redis.sentinel_user=rte".to_owned();
    told(check(own, &[by("hub"), password("right"), user.clone()]), false, unknown);
    assert!(
        estate.sentinel.ask("CONFIG SET requirepass hush-hush").contains("OK") || {
            estate.sentinel.ask("ACL SETUSER default on resetpass >hush-hush").contains("OK")
        }
    );
    told(check(own, &[by("hub")]), false, "it says \"NOAUTH ");
    told(check(own, &[by("hub")]), false, "the Sentinel asks for a password, and this node tells it none: set");
    told(check(own, &[by("hub"), password("wrong")]), false, unknown);
    told(check(own, &[by("hub"), password("wrong")]), false, "it says \"WRONGPASS ");
    told(check(own, &[by("hub"), password("right"), user]), false, unknown);
    told(check(own, &[by("hub"), password("right")]), true, &format!("127.0.0.1:{master} is reached"));
}
