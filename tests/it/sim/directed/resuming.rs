//! Stateful reconnect: a client whose sockets are cut at any byte, and that comes back over others,
//! beside one that is never cut. Whatever the seed, the one page sees what the other sees.

use super::*;
use crate::sim::messagepack;
use crate::sim::reached::Reached;
use serde_json::Value;
use std::collections::BTreeMap;

const SEEDS: u64 = 24;

/// A client with stateful reconnect, which counts as the stock one does.
struct Client {
    id: String,
    packs: bool,
    wire: Peer,
    is_cut: bool,
    /// What it says goes out once its upgrade is accepted.
    is_upgraded: bool,
    /// Messages that count and that the hub has not acknowledged: the number of the first, and
    /// each.
    unacked: (u64, Vec<String>),
    /// The hub's messages: the number of the next one and the highest that has come.
    next: u64,
    latest: u64,
    awaits_sequence: bool,
    seen: Page,
    /// The answers that have come, by their ids.
    answers: Vec<u64>,
    asked: u64,
}

/// What a page has seen: the tags of each topic in their order.
type Page = BTreeMap<String, Vec<String>>;

fn see(page: &mut Page, message: &Value) {
    let argument = &message["arguments"][0];
    let name = argument["subscription"]["eventName"].as_str().expect("an event").to_owned();
    let data = argument["data"].to_string();
    page.entry(name).or_default().push(data.split('#').nth(1).expect("a tag").to_owned());
}

fn upgrade(id: &str) -> String {
    client::upgrade(&format!("?id={id}&access_token={}", TOKENS.clients[0]), "")
}

impl Client {
    fn connect(world: &World, packs: bool) -> Client {
        let mut wire = Peer::dial(world, WIDE);
        if packs {
            wire.ear = Ear::for_messagepack();
        }
        let token = &TOKENS.clients[0];
        let negotiate = format!(
            "POST /rte/negotiate?negotiateVersion=1&useStatefulReconnect=true HTTP/1.1\r\nHost: hub\r\n\
             Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        wire.send(world, negotiate.as_bytes());
        let heard = wire.hear(world);
        let Some(Heard::Reply(reply)) = heard.first() else { panic!("no reply: {heard:?}") };
        let body: Value = serde_json::from_str(reply.text()).expect("an offer");
        assert_eq!(body["useStatefulReconnect"], true);
        let id = body["connectionToken"].as_str().expect("an id").to_owned();
        wire.send(world, upgrade(&id).as_bytes());
        let heard = wire.hear(world);
        assert!(matches!(&heard[..], [Heard::Reply(Reply { status: 101, .. })]), "{heard:?}");
        let protocol = if packs { "messagepack" } else { "json" };
        wire.say(world, format!("{{\"protocol\":\"{protocol}\",\"version\":2}}\x1e").as_bytes());
        assert_eq!(wire.hear(world), [Heard::Record("{}".into())]);
        let (unacked, seen, answers) = ((1, Vec::new()), Page::new(), Vec::new());
        let awaits_sequence = false;
        let is_cut = false;
        Client {
            id,
            packs,
            wire,
            is_cut,
            is_upgraded: true,
            unacked,
            next: 1,
            latest: 0,
            awaits_sequence,
            seen,
            answers,
            asked: 0,
        }
    }

    /// Its socket is cut: what is on its way, either way, is lost from some byte on.
    fn cut(&mut self, world: &World, rng: &mut Rng) {
        self.read(world, rng.pick(&[0, 1, 70, 500, WIDE]));
        let id = self.wire.id;
        match rng.below(4) {
            0 => world.net().break_off(id),
            1 => world.net().end(id),
            // The hub believes that it is there.
            _ => world.pipe(id).lose(),
        }
        (self.is_cut, self.is_upgraded) = (true, false);
    }

    /// Another socket, narrow or wide, with the same id.
    fn come_back(&mut self, world: &World, rng: &mut Rng) {
        let wire = Peer {
            id: world.net().connect(rng.pick(&[WIDE, 2_000, 300])),
            ear: if self.packs { Ear::of_messagepack() } else { Ear::default() },
        };
        world.net().send(wire.id, upgrade(&self.id).as_bytes());
        (self.wire, self.is_cut, self.is_upgraded, self.awaits_sequence) = (wire, false, false, true);
    }

    /// It has a socket, which may be about to be accepted.
    fn is_there(&self, world: &World) -> bool {
        let pipe = world.pipe(self.wire.id);
        !self.is_cut && pipe.ending.is_none()
    }

    fn transmit(&self, world: &World, record: &str) {
        let mut bytes = Vec::new();
        match self.packs {
            true => client::frame(true, client::BINARY, MASK, &messagepack::pack(record.as_bytes()), &mut bytes),
            false => client::frame(true, client::TEXT, MASK, format!("{record}\u{1e}").as_bytes(), &mut bytes),
        }
        world.net().send(self.wire.id, &bytes);
    }

    /// A message that counts.
    fn say(&mut self, world: &World, record: String) {
        if self.is_upgraded {
            self.transmit(world, &record);
        }
        self.unacked.1.push(record);
    }

    fn ask(&mut self, world: &World) {
        let id = self.asked;
        self.asked += 1;
        self.say(
            world,
            format!(r#"{{"type":1,"invocationId":"{id}","target":"GetActiveSubscriptions","arguments":[]}}"#),
        );
    }

    fn subscribe(&mut self, world: &World, kinds: [Kind; 2]) {
        let item = |kind: Kind| format!(r#"{{"EntityId":"{}","EventName":"{}"}}"#, user(), kind.name);
        let items = kinds.map(item).join(",");
        let id = self.asked;
        self.asked += 1;
        self.say(world, format!(r#"{{"type":1,"invocationId":"{id}","target":"Subscribe","arguments":[[{items}]]}}"#));
    }

    /// It reads so much of what has come.
    fn read(&mut self, world: &World, most: usize) {
        let bytes: Vec<u8> = {
            let mut pipe = world.pipe(self.wire.id);
            let count = pipe.from_hub.len().min(most);
            pipe.from_hub.drain(..count).collect()
        };
        world.net().make_room(self.wire.id);
        self.wire.ear.hear(&bytes);
        while let Some(heard) = self.wire.ear.next().expect("frames") {
            match heard {
                Heard::Reply(reply) => {
                    assert_eq!(reply.status, 101, "{}", reply.head);
                    self.is_upgraded = true;
                    self.send_again(world);
                }
                Heard::Record(record) => self.handle(&serde_json::from_str(&record).expect("JSON")),
                Heard::Pong(_) | Heard::Close(_) => panic!("{heard:?}"),
            }
        }
    }

    fn send_again(&mut self, world: &World) {
        let (first, messages) = &self.unacked;
        self.transmit(world, &format!(r#"{{"type":9,"sequenceId":{first}}}"#));
        messages.iter().for_each(|message| self.transmit(world, message));
    }

    fn handle(&mut self, message: &Value) {
        let kind = message["type"].as_u64().expect("a type");
        let number = || message["sequenceId"].as_u64().expect("a number");
        match kind {
            9 => {
                assert!(number() <= self.next, "{message} where {} is next", self.next);
                (self.next, self.awaits_sequence) = (number(), false);
            }
            _ if self.awaits_sequence => {}
            8 => {
                let gone = (number() + 1).saturating_sub(self.unacked.0);
                let gone = usize::try_from(gone).unwrap();
                self.unacked.1.drain(..gone);
                self.unacked.0 += gone as u64;
            }
            1 | 3 => {
                self.next += 1;
                if self.next - 1 <= self.latest {
                    return;
                }
                self.latest = self.next - 1;
                match message["invocationId"].as_str() {
                    Some(id) => self.answers.push(id.parse().expect("a number")),
                    None => see(&mut self.seen, message),
                }
            }
            _ => assert_eq!(kind, 6, "{message}"),
        }
    }

    fn acknowledge(&self, world: &World) {
        if self.is_upgraded && !self.awaits_sequence {
            self.transmit(world, &format!(r#"{{"type":8,"sequenceId":{}}}"#, self.latest));
        }
    }
}

/// The client that is never cut reads all, and sees it.
fn watch(world: &World, other: &mut Peer, page: &mut Page) {
    for heard in other.hear(world) {
        if let Heard::Record(record) = &heard
            && record.contains("MessageReceived")
        {
            see(page, &serde_json::from_str(record).expect("JSON"));
        }
    }
}

pub fn play(seed: u64, reached: &mut Reached) -> u64 {
    let mut rng = Rng::new(seed);
    let limits = Limits { outbox_soft_bytes: 66_000, ..Limits::DEFAULT };
    let world = World::new(&Setting { seed, shards: 1 + rng.below(4), limits, ..Setting::one_shard() });
    let publisher = Peer::publisher(&world);
    let (mut other, mut page) = (Peer::connect(&world), Page::new());
    other.subscribe(&world, ALERT, user());
    other.subscribe(&world, AVAILABILITY, user());
    let mut client = Client::connect(&world, seed / 8 % 2 == 1);
    client.subscribe(&world, [ALERT, AVAILABILITY]);
    world.settle();
    client.read(&world, WIDE);
    world.set_faults(faults(&mut rng));
    let mut sent = 0;
    for _ in 0..400 {
        match rng.below(12) {
            0 | 1 => {
                let kind = rng.pick(&[ALERT, AVAILABILITY]);
                world.net().send(publisher.id, &post(&kind.item(ORGANIZATIONS[0], user(), &format!("#{sent}#"))));
                sent += 1;
            }
            2 if client.is_there(&world) => client.read(&world, rng.pick(&[WIDE, 700, 10])),
            3 => client.ask(&world),
            4 => client.acknowledge(&world),
            5 if rng.one_in(5) && client.is_there(&world) => client.cut(&world, &mut rng),
            6 if !client.is_there(&world) => client.come_back(&world, &mut rng),
            7 => world.net().drift(),
            // Never so long in all that it is late: it is away for some of these steps.
            8 => world.advance(rng.pick(&[0, 1, 20, 150])),
            _ => world.step(rng.below(world.shards)),
        }
    }
    world.set_faults(Faults::default());
    loop {
        if !client.is_there(&world) {
            client.come_back(&world, &mut rng);
        }
        world.settle();
        if client.is_there(&world) && world.pipe(client.wire.id).from_hub.is_empty() {
            break;
        }
        client.read(&world, WIDE);
        client.acknowledge(&world);
    }
    watch(&world, &mut other, &mut page);
    let resumed: u64 = (0..world.shards).map(|shard| world.numbers(shard).resumed).sum();
    let alert = ALERT.name.to_ascii_lowercase();
    assert_eq!(client.seen.get(&alert), page.get(&alert), "seed {seed}: what both pages have seen of occurrences");
    let last = |page: &Page| page.get("useravailability").and_then(|tags| tags.last().cloned());
    assert_eq!(last(&client.seen), last(&page), "seed {seed}: what both pages hold");
    let answers: Vec<u64> = (0..client.asked).collect();
    assert_eq!(client.answers, answers, "seed {seed}: each question is answered once, in their order");
    leave(&world, &client, &other, &publisher);
    (0..world.shards).for_each(|shard| reached.add(&world.numbers(shard)));
    resumed
}

/// All are gone, and nothing is left once the client is late.
fn leave(world: &World, client: &Client, other: &Peer, publisher: &Peer) {
    for peer in [&client.wire, other, publisher] {
        world.net().end(peer.id);
    }
    world.settle();
    pass(world, Limits::DEFAULT.disconnect_ms + Limits::DEFAULT.write_stuck_ms + 1_000);
    let late: u64 = (0..world.shards).map(|shard| world.numbers(shard).closed[CloseReason::NotResumed.index()]).sum();
    assert_eq!(late, 1);
    assert_eq!((world.load(), world.shared.is_empty()), (0, true));
    for shard in 0..world.shards {
        let numbers = world.numbers(shard);
        assert_eq!((numbers.hub_open, numbers.detached, numbers.subscriptions), (0, 0, 0));
        assert_eq!((world.shard(shard).hub().backlog_bytes_total(), world.shard(shard).hub().pinned_bytes()), (0, 0));
        assert_eq!(numbers.input_bytes, 0);
    }
    assert_eq!(world.shared.backlog.bytes(), 0, "nothing is kept for it");
}

#[test]
fn a_page_whose_sockets_are_cut_sees_what_a_page_sees_whose_socket_is_not() {
    let resumed: u64 = (0..SEEDS).map(|seed| play(seed, &mut Reached::default())).sum();
    assert!(resumed > SEEDS, "{resumed} came back");
}
