//! An engine that several processes share, and what publishers are told while it says nothing.

use super::revoking::revocation;
use super::*;
use rte::backplane::reader::ReaderMail;
use rte::backplane::{Append, Settled};
use rte::clock::{Deadline, Now};
use rte::conn::Mail;

/// How long publishers wait.
const TIMEOUT_MS: u64 = 5_000;

/// Hubs of one to three shards which have taken over what was there before.
fn worlds() -> impl Iterator<Item = World> {
    (1..=3).map(|shards| {
        let world = World::new(&Setting { shards, is_shared: true, ..Setting::one_shard() });
        world.tell_all(&Mail::Read(ReaderMail::Ready));
        world.settle();
        world
    })
}

/// The engine says that these are appended.
fn settle(world: &World, appends: Vec<Append>) {
    for Append { shard, call, .. } in appends {
        world.tell(shard, Mail::Settled(Settled { shard, call, outcome: Ok(Vec::new()), last: None }));
    }
    world.settle();
}

/// What has been answered by now, each with its status.
fn answered(world: &World, peers: &mut [Peer]) -> Vec<Vec<u16>> {
    peers.iter_mut().map(|peer| statuses(&peer.hear(world))).collect()
}

#[test]
fn whoever_waits_for_a_silent_engine_is_told_so_when_its_time_is_over_and_nothing_more() {
    for world in worlds() {
        let nothing = vec![Vec::<u16>::new(); 5];
        let began = world.net().now.mono.ms();
        let mut peers: Vec<Peer> = (0..5).map(|_| Peer::publisher(&world)).collect();
        for (number, peer) in peers.iter().enumerate() {
            let publish = || post(&alerts(std::iter::once(tag(&number.to_string(), 0))));
            peer.send(&world, &if number == 3 { revocation(Uuid::from_u128(7)) } else { publish() });
            pass(&world, 10);
        }
        let appends = world.take_appends();
        let due =
            |append: &Append| (0..).find(|ms| append.expires_at <= Deadline::at(Now::from_ms(began + ms, 0).mono));
        let all_due: Vec<u64> = appends.iter().map(|append| due(append).unwrap()).collect();
        assert_eq!(all_due, [0, 10, 20, 30, 40].map(|ms| TIMEOUT_MS + ms), "the engine knows it, too");
        pass(&world, TIMEOUT_MS - 51);
        assert_eq!(answered(&world, &mut peers), nothing);
        for number in 0..5 {
            pass(&world, 1);
            let mut expected = nothing.clone();
            expected[number] = vec![503];
            assert_eq!(answered(&world, &mut peers), expected);
            pass(&world, 9);
        }
        settle(&world, appends);
        assert_eq!(answered(&world, &mut peers), nothing, "what is said late is for nobody");
        peers[0].send(&world, &post(&alerts(std::iter::once(tag("again", 0)))));
        settle(&world, world.take_appends());
        assert_eq!(statuses(&peers[0].hear(&world)), [202]);
        pass(&world, TIMEOUT_MS);
        assert_eq!(answered(&world, &mut peers), nothing, "each is answered once");
    }
}

#[test]
fn whoever_waits_for_a_silent_engine_in_a_drain_is_told_so_in_its_time_too() {
    for world in worlds() {
        let mut peer = Peer::publisher(&world);
        peer.send(&world, &post(&alerts(std::iter::once(tag("a", 0)))));
        world.drain();
        pass(&world, TIMEOUT_MS - 1);
        assert_eq!(peer.hear(&world), []);
        pass(&world, 1);
        assert_eq!(statuses(&peer.hear(&world)), [503]);
    }
}
