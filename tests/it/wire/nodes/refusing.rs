//! A Redis that answers and takes nothing, or not as surely as it is to.

use super::super::engine::{Server, skip};
use super::{POSITIONED, await_reply, call, next, node, publish, starting, subscribe};
use crate::support::{Hub, Reply, asking};

/// Each lane that was away has told of this server.
fn assert_named(hub: &Hub, server: &Server) {
    let (log, named) = (hub.log(), format!(" server=127.0.0.1:{} ", server.port));
    let mut away = log.lines().filter(|line| line.contains("backplane_away"));
    assert!(away.all(|line| line.contains(&named)), "{log}");
}

#[test]
fn publishers_are_sent_elsewhere_while_redis_takes_nothing_until_it_does_again_by_itself() {
    let Some(server) = Server::start("nodes-refusing", true) else { return skip() };
    let hub = node(&server, &[]);
    let mut peer = hub.client();
    subscribe(&mut peer, POSITIONED);
    for (number, [setting, off, on, told]) in [
        ["maxmemory", "1", "0", "has no room"],
        ["min-replicas-to-write", "1", "0", "takes nothing that is to be written"],
    ]
    .into_iter()
    .enumerate()
    {
        assert!(server.ask(&format!("CONFIG SET {setting} {off}")).starts_with("+OK"));
        let refused = hub.publish(&call("QueueCallInArrived", "refused").to_string());
        assert!(refused.status == 503 && refused.body.contains(told), "{setting}: {refused:?}");
        let is_told = |reply: &Reply| reply.status == 503 && reply.body.contains("the engine takes nothing for");
        await_reply(&hub, "GET /readyz?publish=1", is_told);
        assert_eq!(hub.request("GET /readyz", &[], "").status, 200, "clients stay");
        hub.await_log(&format!("lane=writer error=\"it {told}"));
        assert_named(&hub, &server);
        assert!(server.ask(&format!("CONFIG SET {setting} {on}")).starts_with("+OK"));
        await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 200);
        publish(&hub, &call("QueueCallInArrived", &number.to_string()));
        assert_eq!(next(&mut peer).0, number.to_string(), "what was refused does not come later");
    }
}

#[test]
fn a_redis_whose_disk_is_broken_is_told_in_its_own_words_and_taken_up_again_by_itself() {
    let Some(server) = Server::start("nodes-misconf", false) else { return skip() };
    let hub = node(&server, &[]);
    std::fs::remove_dir_all(server.folder.path()).unwrap();
    assert!(server.ask("CONFIG SET save \"3600 1\"").starts_with("+OK"));
    assert!(server.ask("BGSAVE").starts_with('+'));
    let is_broken = || server.ask("INFO persistence").contains("rdb_last_bgsave_status:err");
    assert!(asking().any(|()| is_broken()), "{}", server.ask("INFO persistence"));
    let refused = hub.publish(&call("QueueCallInArrived", "refused").to_string());
    assert!(refused.status == 503 && refused.body.contains("takes nothing that is to be written"), "{refused:?}");
    hub.await_log(&format!("for it could not write to its disk\" server=127.0.0.1:{} said=\"MISCONF ", server.port));
    assert!(server.ask("CONFIG SET stop-writes-on-bgsave-error no").starts_with("+OK"));
    await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 200);
    publish(&hub, &call("QueueCallInArrived", "taken"));
}

#[test]
fn a_user_that_loses_a_right_is_told_so_once_however_often_it_is_tried_again() {
    let Some(server) = Server::start("nodes-rights", true) else { return skip() };
    let hub = node(&server, &["journal.redis.append_timeout_ms=1000"]);
    let [lacks, said] = ["error=\"its user may not do what a hub does: XADD {rte:0.", "said=\"NOPERM "];
    for (number, (right, part)) in (1..).zip([("xadd", lacks), ("evalsha", said)]) {
        assert!(server.ask(&format!("ACL SETUSER default -{right}")).starts_with("+OK"));
        for _ in 0..2 {
            let refused = hub.publish(&call("QueueCallInArrived", "refused").to_string());
            assert_eq!(refused.status, 503, "{refused:?}");
        }
        let is_told = |line: &str| line.contains("backplane_away lane=writer") && line.contains(part);
        assert!(asking().any(|()| hub.log().lines().any(is_told)), "{}", hub.log());
        assert_named(&hub, &server);
        let told = hub.log().matches("backplane_away lane=writer").count();
        assert_eq!(told, number, "{right}: {}", hub.log());
        assert!(server.ask(&format!("ACL SETUSER default +{right}")).starts_with("+OK"));
        await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 200);
        publish(&hub, &call("QueueCallInArrived", "taken"));
    }
}

#[test]
fn by_what_an_engine_may_lose_something_is_told_once_however_often_it_comes_back() {
    let Some(server) = Server::start("nodes-unsafe", false) else { return skip() };
    let hub = node(&server, &[]);
    let told = |hub: &Hub| hub.log().matches("backplane_unsafe").count();
    assert_eq!(told(&hub), 1, "{}", hub.log());
    hub.await_log(&format!("backplane_unsafe server=127.0.0.1:{} what=", server.port));
    for back in 1..=2 {
        assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':'));
        let is_back = || hub.log().matches("backplane_back lane=reader").count() == back;
        assert!(asking().any(|()| is_back()), "{}", hub.log());
    }
    assert!(server.ask("CONFIG SET maxmemory-policy allkeys-lru").starts_with("+OK"));
    assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':'));
    hub.await_log("evicts whole logs");
    assert_eq!(told(&hub), 2, "another finding is told: {}", hub.log());
}

#[test]
fn a_publication_is_taken_once_so_many_replicas_have_it_also_where_it_was_sent_again() {
    let at_once = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
    let Some(server) = Server::start_with("nodes-replicas", &at_once) else { return skip() };
    let hub = node(&server, &["journal.redis.wait_replicas=1", "journal.redis.append_timeout_ms=1000"]);
    let mut peer = hub.client();
    subscribe(&mut peer, POSITIONED);
    let item = |mark: &str| {
        let mut item = call("QueueCallInArrived", mark);
        item["id"] = mark.into();
        item
    };
    let refused = hub.publish(&item("first").to_string());
    assert!(refused.status == 503 && refused.body.contains("too few replicas"), "{refused:?}");
    await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 503);
    hub.await_log("fewer of its replicas than journal.redis.wait_replicas have what is written");
    // Another connection has written nothing that it could wait for.
    assert!(server.ask("CLIENT KILL TYPE normal").starts_with(':'));
    let refused = hub.publish(&item("second").to_string());
    assert_eq!(refused.status, 503, "{refused:?}");
    let master = server.port.to_string();
    let replica = Server::start_with("nodes-replicas-own", &["--replicaof", "127.0.0.1", &master]).unwrap();
    await_reply(&hub, "GET /readyz?publish=1", |reply| reply.status == 200);
    for mark in ["first", "second", "third"] {
        publish(&hub, &item(mark));
    }
    // What was sent first is known to be there by its id; the second was in the log, or was not.
    let heard: Vec<String> = std::iter::repeat_with(|| next(&mut peer).0).take_while(|mark| mark != "third").collect();
    assert_eq!(heard, ["first", "second"]);
    assert_named(&hub, &server);
    drop(replica);
}

#[test]
fn a_node_that_can_t_start_says_why_and_of_a_replica_whom_it_follows() {
    let Some(server) = Server::start("nodes-unstarted", true) else { return skip() };
    let master = server.port.to_string();
    let replica = Server::start_with("nodes-unstarted-replica", &["--replicaof", "127.0.0.1", &master]).unwrap();
    let hub = starting(&replica, &[]);
    hub.await_log(&format!("the one that has the logs: it is a replica of 127.0.0.1:{master}, and takes nothing"));
    await_reply(&hub, "GET /readyz", |reply| reply.body.contains("away (another server has the logs): see"));
    assert_named(&hub, &replica);
    assert!(server.ask("CONFIG SET requirepass hush-hush").starts_with("+OK"));
    let hub = starting(&server, &[]);
    await_reply(&hub, "GET /readyz", |reply| reply.body.contains("away (it refuses this node): see"));
    assert_named(&hub, &server);
}

#[test]
fn each_lane_that_was_cut_says_by_whom() {
    let Some(server) = Server::start("nodes-cut", true) else { return skip() };
    let hub = node(&server, &["journal.redis.append_timeout_ms=1000"]);
    server.signal("-STOP");
    hub.publish(&call("QueueCallInArrived", "late").to_string());
    hub.await_log("backplane_away lane=writer");
    hub.await_log("backplane_away lane=reader");
    server.signal("-CONT");
    assert_named(&hub, &server);
}

#[test]
fn what_redis_loses_with_a_node_is_not_told_for_each_partition_and_has_an_advice_that_fits() {
    let Some(server) = Server::start("nodes-forked", true) else { return skip() };
    let [first, second] = [(); 2].map(|()| node(&server, &[]));
    let mut peer = second.client();
    subscribe(&mut peer, POSITIONED);
    for mark in ["one", "other"] {
        publish(&first, &call("QueueCallInArrived", mark));
        assert_eq!(next(&mut peer).0, mark);
    }
    drop(first);
    assert!(server.ask("FLUSHALL").starts_with("+OK"));
    second.await_log("reason=forked missed=0 do=\"let Redis keep what it has: ");
    // One line for all that are found at once, which they mostly are.
    let lines = second.log().matches("backplane_gap partitions=").count();
    assert!(lines < 8, "of 16 partitions: {}", second.log());
}
