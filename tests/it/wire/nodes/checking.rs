//! What `rte check --connect` says of a Redis.

use super::super::engine::{Server, guide_user, skip};
use crate::support::{Folder, rte};

/// A Redis, and a folder of passwords.
struct Checked {
    server: Server,
    secrets: Folder,
}

impl Checked {
    fn start(name: &str) -> Option<Checked> {
        let server = Server::start(name, true)?;
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
    checked.tells(&[], None, 2, &["is reached", "refuses this node", "it says \"NOAUTH "]);
    let refused = "refuses this node: look at journal.redis.user and password_file";
    checked.tells(&[], Some("wrong"), 2, &[refused, "it says \"WRONGPASS "]);
    checked.tells(&[], Some("right"), 0, &["is reached and takes the password"]);
    checked.server.kill();
    checked.tells(&[], None, 2, &["it can't be reached: look whether Redis runs"]);
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
        as_user(2, &["refuses this node: look at", "the user's rights (rte help nodes)", "it says \"NOPERM "]);
    }
    checked.done("DBSIZE", ":0");
}

#[test]
fn a_check_that_connects_says_why_no_publication_would_be_taken() {
    let Some(checked) = Checked::start("nodes-check-writes") else { return skip() };
    checked.tells(&["journal.redis.wait_replicas=1"], None, 2, &["has 0 replicas, and a publication is to be on 1"]);
    checked.done("CONFIG SET min-replicas-to-write 1", "+OK");
    let told = ["takes nothing that is to be written: look into the log of Redis", "it says \"NOREPLICAS "];
    checked.tells(&[], None, 2, &told);
    checked.done("CONFIG SET min-replicas-to-write 0", "+OK");
    checked.done("CONFIG SET maxmemory 1", "+OK");
    checked.tells(&[], None, 2, &["has no room: give Redis more memory", "it says \"OOM "]);
    checked.done("DBSIZE", ":0");
}
