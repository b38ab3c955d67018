//! Something is missing in the log that several processes share: whoever has missed it hears of it,
//! whatever was on its way.

use super::*;
use rte::backplane::entry::{Head, Kind as EntryKind, Origin, Place, Raw};
use rte::backplane::line::{Gap, GapReason};
use rte::backplane::reader::{Found, ReaderMail, Tense};
use rte::clock::UnixMs;
use rte::hub::partition::Partition;
use rte::hub::position::{Epoch, Position, WirePosition};
use rte::hub::publication::Effect;
use rte::hub::record::{Record, Written};
use std::collections::BTreeSet;

const GAP: &str = "gap: publications of its organization are missing";

/// The log of the first organization, as its reader hands it over.
struct Log {
    epoch: Epoch,
    next: u64,
}

impl Log {
    /// Shards that have taken over a log with nothing in it but its marker.
    fn begin(world: &World) -> Log {
        let log = Log { epoch: Epoch::begin(world.net().now, 7), next: 1 };
        let through = Place { epoch: log.epoch, sequence: 0 };
        world.read_engine(ReaderMail::Begun(partition()));
        world.read_engine(ReaderMail::Entries { partition: partition(), entries: Vec::new(), through });
        world.read_engine(ReaderMail::Ready);
        world.settle();
        log
    }

    fn place(&self, sequence: u64) -> Place {
        Place { epoch: self.epoch, sequence }
    }

    /// So many alerts are read, each with its number for a tag.
    fn read(&mut self, world: &World, count: u64) {
        let entries = (self.next..self.next + count).map(|sequence| self.found(sequence)).collect();
        self.next += count;
        let through = self.place(self.next - 1);
        world.read_engine(ReaderMail::Entries { partition: partition(), entries, through });
    }

    fn found(&self, sequence: u64) -> Found {
        let written = Written {
            event: ALERT.name,
            organization: ORGANIZATIONS[0],
            entity: user(),
            position: Position::at(UnixMs::from_ms(0)),
            at: UnixMs::from_ms(1),
            expires: None,
            effect: Effect::None,
            id: None,
            data: &[],
        };
        let mut body = Vec::new();
        Record::Publication(written).encode(&mut body);
        let head = Head { kind: EntryKind::Sent, origin: Origin(1), number: sequence, body: &body }.encode();
        let data = ALERT.data(ORGANIZATIONS[0], user(), &tag(&sequence.to_string(), 0));
        let entry = Raw { place: self.place(sequence), head: head.into(), data: data.into_bytes().into() };
        Found { entry, tense: Tense::Present }
    }

    /// So many entries are gone before they were read.
    fn lose(&mut self, world: &World, count: u64) {
        self.next += count;
        let gap = Gap { reason: GapReason::Trimmed, missed: count };
        world.read_engine(ReaderMail::Gap { partition: partition(), gap, at: self.place(self.next) });
    }
}

fn partition() -> Partition {
    Partition::of(ORGANIZATIONS[0])
}

fn shared(shards: usize, limits: Limits) -> World {
    World::new(&Setting { shards, is_shared: true, limits, ..Setting::one_shard() })
}

/// A Subscribe to the alerts that says since when.
fn subscribe(peer: &Peer, world: &World) {
    let item = format!("{{\"EntityId\":\"{}\",\"EventName\":\"{}\",\"Since\":null}}", user(), ALERT.name);
    let record = format!("{{\"type\":1,\"invocationId\":\"s\",\"target\":\"Subscribe\",\"arguments\":[[{item}]]}}\x1e");
    let mut bytes = Vec::new();
    client::frame(true, client::TEXT, MASK, record.as_bytes(), &mut bytes);
    world.net().send(peer.id, &bytes);
}

/// The place from which on a client hears everything, as its verdict says.
fn begins_at(heard: &[Heard]) -> Position {
    let Some(Heard::Record(verdict)) = heard.first() else { panic!("{heard:?}") };
    let (_, place) = verdict.split_once("\"position\":\"").expect("it has said since when");
    let place: WirePosition = place[..WirePosition::LENGTH].parse().unwrap();
    place.position
}

/// Clients subscribe while publications and gaps come, in any order of the threads: what each of
/// them hears has no hole behind its verdict, and ends in front of the first that is not told.
fn play(seed: u64) {
    let mut rng = Rng::new(seed);
    let turn_deliveries_max = rng.pick(&[1, 64 * 1024]);
    let limits = Limits { turn_deliveries_max, gap_spread_ms: 100, ..Limits::DEFAULT };
    let shards = 1 + rng.below(3);
    let world = shared(shards, limits.clone());
    let mut log = Log::begin(&world);
    let mut peers: Vec<Peer> = (0..4).map(|_| Peer::connect(&world)).collect();
    let mut silent: Vec<usize> = (0..peers.len()).collect();
    let mut lost = BTreeSet::new();
    for _ in 0..60 {
        match rng.below(8) {
            0 => log.read(&world, 1 + rng.below(3) as u64),
            1 if rng.one_in(4) => {
                lost.extend(log.next..log.next + 2);
                log.lose(&world, 2);
            }
            2..=3 if !silent.is_empty() => {
                let at = silent.swap_remove(rng.below(silent.len()));
                subscribe(&peers[at], &world);
            }
            4 => world.net().arrive_all(),
            _ => world.step(rng.below(shards)),
        }
    }
    silent.iter().for_each(|at| subscribe(&peers[*at], &world));
    world.settle();
    log.read(&world, 1);
    pass(&world, limits.gap_spread_ms + 200);
    for peer in &mut peers {
        let heard = peer.hear(&world);
        let begin = begins_at(&heard);
        let behind = (1..log.next).filter(|sequence| Position::of_entry(log.epoch, *sequence) > begin);
        let whole: Vec<u64> = behind.take_while(|sequence| !lost.contains(sequence)).collect();
        let has_hole =
            whole.last().map_or(begin < Position::of_entry(log.epoch, log.next - 1), |last| *last + 1 < log.next);
        let tags: Vec<u64> = tags(&heard).iter().map(|tag| tag.parse().unwrap()).collect();
        let is_told = heard.iter().any(|heard| matches!(heard, Heard::Record(record) if record.contains(GAP)));
        assert!(whole.starts_with(&tags), "seed {seed}: from {begin:?} on {tags:?}, without {lost:?}");
        assert!(is_told || !has_hole && tags == whole, "seed {seed}: not told of {lost:?} behind {begin:?}: {tags:?}");
    }
}

#[test]
fn whoever_subscribes_while_a_gap_is_told_hears_of_it_or_begins_behind_it() {
    (0..64).for_each(play);
}

#[test]
fn those_who_have_missed_something_are_looked_at_in_portions_and_nothing_of_behind_it_comes_before() {
    let limits = Limits { turn_deliveries_max: 500, gap_spread_ms: 100, ..Limits::DEFAULT };
    let world = shared(1, limits.clone());
    let mut log = Log::begin(&world);
    let mut members: Vec<Peer> = (0..300).map(|_| Peer::connect(&world)).collect();
    members.iter_mut().for_each(|member| member.subscribe(&world, ALERT, user()));
    let mut other = Peer::connect(&world);
    other.subscribe(&world, AVAILABILITY, user());
    log.lose(&world, 1);
    log.read(&world, 1);
    let left = |turn: usize| {
        world.step(0);
        let left = world.numbers(0).subscriptions;
        assert!(left > 1 || turn > 2, "all were looked at in {turn} turns");
        left
    };
    assert_eq!((1..100).map(left).find(|left| *left == 1), Some(1), "one has missed nothing");
    pass(&world, limits.gap_spread_ms + 200);
    assert!(members.iter_mut().all(|member| {
        let heard = member.hear(&world);
        tags(&heard).is_empty() && matches!(&heard[..], [Heard::Record(close), ..] if close.contains(GAP))
    }));
    assert!(other.is_there(&world) && other.hear(&world).is_empty());
}
