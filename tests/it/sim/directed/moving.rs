//! A socket that goes to another shard between two requests, with what was read behind the first
//! one.

use super::*;
use rte::limits::DRAIN_FIRST_MS;

/// Two shards, and a publisher on the first.
fn two_shards() -> (World, Peer) {
    let world = World::new(&Setting { shards: 2, ..Setting::one_shard() });
    let peer = Peer::dial(&world, WIDE);
    assert_eq!(shard_of(&world, &peer), 0);
    (world, peer)
}

fn shard_of(world: &World, peer: &Peer) -> usize {
    world.place(peer.id).expect("a link that was accepted").0
}

fn item(tag: &str) -> Vec<u8> {
    post(&ALERT.item(ORGANIZATIONS[0], user(), tag))
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";

#[test]
fn a_socket_that_is_kept_alive_moves_and_moves_again() {
    let (world, mut peer) = two_shards();
    for turn in 0..6 {
        peer.send(&world, &item("a"));
        assert_eq!(statuses(&peer.hear(&world)), [202], "after {turn} moves");
        let to = 1 - shard_of(&world, &peer);
        world.move_link(peer.id, to);
        world.settle();
        assert_eq!(shard_of(&world, &peer), to);
    }
    assert_eq!((world.shard(0).link_count(), world.shard(1).link_count(), world.load()), (1, 0, 1));
    let numbers = world.numbers(0);
    assert_eq!((numbers.accepted, numbers.closed.iter().sum::<u64>()), (1, 0));
    world.net().end(peer.id);
    world.settle();
    assert_eq!((closed(&world, CloseReason::Served), world.load()), (1, 0));
}

#[test]
fn requests_that_were_read_behind_the_first_go_with_the_socket_in_order() {
    let (world, mut peer) = two_shards();
    // The home of the first publish is asked; the move waits for its reply, and the rest moves
    // unread.
    let half = &HEALTH[..HEALTH.len() - 5];
    let pipelined = [item("a"), HEALTH.to_vec(), item("b"), item("c"), half.to_vec()].concat();
    world.net().send(peer.id, &pipelined);
    world.net().arrive_all();
    world.step(0);
    world.move_link(peer.id, 1);
    world.settle();
    assert_eq!(shard_of(&world, &peer), 1);
    assert_eq!(statuses(&peer.hear(&world)), [202, 200, 202, 202]);
    world.move_link(peer.id, 0);
    world.settle();
    peer.send(&world, &HEALTH[HEALTH.len() - 5..]);
    assert_eq!((statuses(&peer.hear(&world)), shard_of(&world, &peer)), (vec![200], 0), "half a head moves, too");
    assert_eq!([0, 1].map(|shard| world.numbers(shard).input_bytes), [0; 2], "and counts where it is");
}

#[test]
fn bytes_that_come_while_nobody_polls_the_socket_are_read() {
    let (world, mut peer) = two_shards();
    world.move_link(peer.id, 1);
    assert!(world.pipe(peer.id).is_moving, "the letter is under way");
    world.net().send(peer.id, HEALTH);
    world.net().arrive_all();
    world.settle();
    assert_eq!((statuses(&peer.hear(&world)), shard_of(&world, &peer)), (vec![200], 1));
}

#[test]
fn nothing_moves_while_a_reply_is_unsent_or_a_body_is_missing() {
    let (world, mut peer) = two_shards();
    peer.stop_reading(&world, 10);
    peer.send(&world, HEALTH);
    world.move_link(peer.id, 1);
    world.settle();
    assert_eq!(shard_of(&world, &peer), 0, "the reply is stuck");
    peer.read_again(&world);
    world.net().make_room(peer.id);
    assert_eq!((statuses(&peer.hear(&world)), shard_of(&world, &peer)), (vec![200], 1));
    let publish = item("a");
    peer.send(&world, &publish[..publish.len() - 3]);
    world.move_link(peer.id, 0);
    world.settle();
    assert_eq!(shard_of(&world, &peer), 1, "the body is missing");
    peer.send(&world, &publish[publish.len() - 3..]);
    assert_eq!((statuses(&peer.hear(&world)), shard_of(&world, &peer)), (vec![202], 0));
}

#[test]
fn what_carries_a_connection_stays_with_it() {
    let world = World::new(&Setting { shards: 2, ..Setting::one_shard() });
    let mut client = Peer::connect(&world);
    world.move_link(client.id, 1);
    client.subscribe(&world, ALERT, user());
    assert_eq!(shard_of(&world, &client), 0);
}

#[test]
fn a_socket_that_comes_to_a_draining_shard_is_drained_there() {
    let (world, peer) = two_shards();
    world.move_link(peer.id, 1);
    world.drain();
    world.step(1);
    pass(&world, DRAIN_FIRST_MS);
    assert!(!peer.is_there(&world) && world.load() == 0);
    assert_eq!(world.numbers(1).closed[CloseReason::Drain.index()], 1);
}

/// Two thousand deliveries at once, a thousand each second, and a link that has spent nearly all.
fn nearly_spent() -> (World, Peer) {
    let limits = Limits { connection_deliveries_max: 2_000, connection_deliveries_per_s: 1_000, ..Limits::DEFAULT };
    let world = World::new(&Setting { shards: 2, limits, ..Setting::one_shard() });
    let mut peer = Peer::dial(&world, WIDE);
    peer.send(&world, &HEALTH.repeat(7));
    assert_eq!(statuses(&peer.hear(&world)), [200; 7]);
    assert!(!rests(&world, &peer));
    (world, peer)
}

fn rests(world: &World, peer: &Peer) -> bool {
    world.look(peer.id).expect("a link that was accepted").rests
}

#[test]
fn whoever_moves_takes_along_what_it_has_used_of_its_allowance() {
    let (world, peer) = nearly_spent();
    world.move_link(peer.id, 1);
    world.settle();
    assert_eq!(shard_of(&world, &peer), 1);
    peer.send(&world, HEALTH);
    assert!(rests(&world, &peer), "a move would be a way to have a fresh one");
}

#[test]
fn what_has_come_back_of_an_allowance_is_not_lost_where_a_link_moves_behind_the_first_byte_of_a_request() {
    let (world, mut peer) = nearly_spent();
    pass(&world, 10_000);
    peer.send(&world, &HEALTH[..1]);
    world.move_link(peer.id, 1);
    world.settle();
    assert_eq!(shard_of(&world, &peer), 1);
    peer.send(&world, &HEALTH[1..]);
    assert_eq!(statuses(&peer.hear(&world)), [200]);
    assert!(!rests(&world, &peer));
}
