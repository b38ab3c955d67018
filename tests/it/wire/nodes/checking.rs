//! What `rte check --connect` says of a Redis.

use super::super::engine::{Server, guide_user, skip};
use crate::support::{Folder, asking, rte};
use std::net::TcpListener;

/// A Redis, and a folder of passwords.
struct Checked {
    server: Server,
    secrets: Folder,
}

impl Checked {
    fn start(name: &str) -> Option<Checked> {
        Checked::start_with(name, &["--appendonly", "yes"])
    }

    fn start_with(name: &str, arguments: &[&str]) -> Option<Checked> {
        let server = Server::start_with(name, arguments)?;
        let secrets = Folder::new(&format!("{name}-secrets"), &[("right", "hush-hush\n"), ("wrong", "guessed")]);
        Some(Checked { server, secrets })
    }

    fn done(&self, command: &str, answer: &str) {
        let said = self.server.ask(command);
        assert!(said.starts_with(answer), "{command}: {said}");
    }

    /// Checks with these settings and that password; the exit code is that, and all of this is
    /// told.
    fn tells(&self, settings: &[&str], password: Option<&str>, expected: i32, texts: &[&str]) {
        let mut command = rte();
        command.args(["check", "--connect", "--set", "journal.engine=redis"]);
        command.args(["--set", &format!("journal.redis.addresses=127.0.0.1:{}", self.server.port)]);
        let file = password.map(|name| format!("journal.redis.password_file={}", self.secrets.file(name)));
        command.args(settings.iter().copied().chain(file.as_deref()).flat_map(|set| ["--set", set]));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let all = text(output.stdout) + &text(output.stderr);
        assert_eq!(output.status.code(), Some(expected), "{all}");
        assert!(texts.iter().all(|text| all.contains(text)) && !all.contains("hush-hush"), "{texts:?}: {all}");
    }
}

#[test]
fn a_check_that_connects_says_whether_a_hub_works_with_this_redis_and_writes_nothing_there() {
    let Some(mut checked) = Checked::start("nodes-check") else { return skip() };
    let good = ["is reached and asks for no password", "which is new enough", "has no rte:meta", "evicts nothing"];
    checked.tells(&[], None, 0, &good);
    checked.tells(
        &[],
        Some("right"),
        2,
        &["asks for no password, and this node tells it one: leave journal.redis.pass"],
    );
    checked.done("DBSIZE", ":0");
    checked.done("HSET rte:meta format 2 partitions 16", ":2");
    checked.tells(&[], None, 2, &["no hub would work", "has format \"2\" in rte:meta"]);
    checked.done("HSET rte:meta format 1", ":0");
    checked.done("CONFIG SET maxmemory-policy allkeys-lru", "+OK");
    checked.tells(&[], None, 0, &["has format \"1\"", "warning: backplane_unsafe: 127.0.0.1:"]);
    checked.done("CONFIG SET requirepass hush-hush", "+OK");
    let unasked = "asks for a password, and this node tells it none: set journal.redis.password_file";
    checked.tells(&[], None, 2, &["is reached", unasked, "it says \"NOAUTH "]);
    let wrong = "knows no such user with this password: look at the password in journal.redis.password_file";
    checked.tells(&[], Some("wrong"), 2, &["is reached", wrong, "it says \"WRONGPASS "]);
    checked.tells(&[], Some("right"), 0, &["is reached and takes the password"]);
    checked.server.kill();
    checked.tells(&[], None, 2, &["it refuses the connection: nobody listens there: start Redis"]);
}

#[test]
fn a_check_that_connects_tells_a_wrong_name_a_silence_and_a_cut_apart() {
    let Some(checked) = Checked::start("nodes-check-way") else { return skip() };
    let at = |host: &str, told: &str| {
        checked.tells(&[&format!("journal.redis.addresses={host}")], None, 2, &[told]);
    };
    // No name has a label of so many characters (RFC 1035 section 2.3.4): nobody is asked for it.
    at(&format!("{}.invalid:6379", "x".repeat(64)), "its name can't be resolved: correct the name");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    at(&silent.local_addr().unwrap().to_string(), "takes the connection and does not answer in time: look what holds");
    let cutting = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = cutting.local_addr().unwrap().to_string();
    std::thread::spawn(move || cutting.incoming().for_each(drop));
    at(&address, "it has cut the connection: look into the log of Redis");
    checked.server.signal("-STOP");
    checked.tells(&[], None, 2, &["takes the connection and does not answer in time"]);
    checked.server.signal("-CONT");
}

#[test]
fn a_check_that_connects_says_what_a_user_may_not_do_that_a_hub_does() {
    let Some(checked) = Checked::start("nodes-check-rights") else { return skip() };
    let user = guide_user("hush-hush");
    let as_user = |expected, texts: &[&str]| {
        checked.tells(&["journal.redis.user=rte", "journal.redis.wait_replicas=0"], Some("right"), expected, texts);
    };
    checked.done(&user, "+OK");
    as_user(0, &["is reached and takes the password", "allows its user what a hub does"]);
    checked.done("ACL SETUSER rte -xadd -hdel", "+OK");
    as_user(2, &["its user may not do what a hub does: XADD {rte:0.", "}:s, HDEL {rte:0.", "}:v: give it the rights"]);
    checked.done(&format!("{user} resetkeys ~rte:*"), "+OK");
    as_user(2, &["its user may not do what a hub does: EXISTS {rte:0.", "SET {rte:0."]);
    checked.done(&format!("{user} resetkeys ~{{rte:*"), "+OK");
    as_user(2, &["its user may not do what a hub does: HGET rte:meta, HSETNX rte:meta: give it"]);
    for right in ["-info", "-script|load", "-evalsha"] {
        checked.done(&format!("{user} {right}"), "+OK");
        as_user(
            2,
            &["is reached", "its user may not do what a hub does: give it the rights of the line", "it says \"NOPERM "],
        );
    }
    checked.done("DBSIZE", ":0");
}

#[test]
fn a_check_that_connects_says_why_no_publication_would_be_taken() {
    let Some(checked) = Checked::start("nodes-check-writes") else { return skip() };
    checked.tells(&["journal.redis.wait_replicas=1"], None, 2, &["has 0 replicas, of which 0 have said"]);
    checked.done("CONFIG SET min-replicas-to-write 1", "+OK");
    let told = ["fewer replicas follow it than its min-replicas-to-write: look whether", "it says \"NOREPLICAS "];
    checked.tells(&[], None, 2, &told);
    checked.done("CONFIG SET min-replicas-to-write 0", "+OK");
    checked.done("CONFIG SET maxmemory 1", "+OK");
    checked.tells(&[], None, 2, &["has no room: give Redis more memory", "it says \"OOM "]);
    checked.done("DBSIZE", ":0");
}

#[test]
fn a_check_that_connects_counts_no_replica_that_is_frozen_and_complains_of_none_beside_its_master() {
    let at_once = ["--repl-diskless-sync-delay", "0"];
    let Some(checked) = Checked::start_with("nodes-check-replicas", &at_once) else { return skip() };
    let master = checked.server.port.to_string();
    let replica = Server::start_with("nodes-check-replica", &["--replicaof", "127.0.0.1", &master]).unwrap();
    let says = |told: &str| asking().any(|()| checked.server.ask("INFO replication").contains(told));
    assert!(says("state=online"));
    let both = format!("journal.redis.addresses=127.0.0.1:{},127.0.0.1:{master}", replica.port);
    let waits = "journal.redis.wait_replicas=1";
    checked.tells(&[waits, &both], None, 0, &[&format!("is a replica of 127.0.0.1:{master}, and takes nothing")]);
    let alone = format!("journal.redis.addresses=127.0.0.1:{}", replica.port);
    checked.tells(&[&alone], None, 2, &["its master belongs into journal.redis.addresses, too"]);
    replica.signal("-STOP");
    let is_behind = || {
        let said = checked.server.ask("INFO replication");
        (4..60).any(|lag| said.contains(&format!("lag={lag}")))
    };
    assert!(asking().any(|()| is_behind()));
    checked.tells(&[waits], None, 2, &["has 1 replicas, of which 0 have said within 3 s", "look whether the replicas"]);
    replica.signal("-CONT");
}
