//! What the seeds reach by chance, reached on purpose: slow consumers, deadlines, the drain.

mod again;
mod ahead;
mod blocks;
mod calendar;
mod deadlines;
mod gaps;
mod memory;
mod moving;
pub mod polling;
mod requests;
mod rests;
pub mod resuming;
mod revoking;
mod shared;
mod slow;
mod strangers;
mod turns;
mod written;

use super::cast::{CLIENTS, KINDS, Kind, ORGANIZATIONS, TOKENS};
use super::client::{self, Ear, Heard, Reply};
use super::net::Faults;
use super::rng::Rng;
use super::setting::{self, Setting};
use super::world::World;
use rte::close::CloseReason;
use rte::limits::Limits;
use uuid::Uuid;

const AVAILABILITY: Kind = KINDS[0];
const ALERT: Kind = KINDS[1];
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
/// A pipe that never fills.
const WIDE: usize = usize::MAX;

/// One shard with these limits.
fn world(limits: Limits) -> World {
    World::new(&Setting { limits, ..Setting::one_shard() })
}

/// What goes wrong on the way of a client whose transport is tried at random.
fn faults(rng: &mut Rng) -> Faults {
    Faults {
        short_write: rng.pick(&[0, 3]),
        partial_poll: rng.pick(&[0, 2]),
        spurious: rng.pick(&[0, 3]),
        interrupted: rng.pick(&[0, 5]),
        late_bytes: rng.pick(&[0, 2]),
        preempt: rng.pick(&[0, 2]),
        ..Faults::default()
    }
}

/// Bounds that a few small events pass.
fn tight() -> Limits {
    Limits {
        event_bytes_max: 2 * 1024,
        outbox_soft_bytes: 4 * 1024,
        outbox_hard_bytes: 16 * 1024,
        overrun_ms: 0,
        ..Limits::DEFAULT
    }
}

/// One connection and its peer.
struct Peer {
    /// The number of its pipe.
    id: usize,
    ear: Ear,
}

impl Peer {
    fn dial(world: &World, capacity: usize) -> Peer {
        let id = world.net().connect(capacity);
        world.settle();
        Peer { id, ear: Ear::default() }
    }

    /// A SignalR client, all rights in the first organization, past its handshake.
    fn connect(world: &World) -> Peer {
        let mut peer = Peer::dial(world, WIDE);
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
        peer.send(world, client::upgrade("", &authorization).as_bytes());
        let heard = peer.hear(world);
        assert!(matches!(&heard[..], [Heard::Reply(Reply { status: 101, .. })]), "{heard:?}");
        peer.say(world, client::HANDSHAKE);
        assert_eq!(peer.hear(world), [Heard::Record("{}".into())]);
        peer
    }

    fn publisher(world: &World) -> Peer {
        Peer::dial(world, WIDE)
    }

    /// Bytes as they are; the hub reads them.
    fn send(&self, world: &World, bytes: &[u8]) {
        world.net().send(self.id, bytes);
        world.settle();
    }

    /// Records in a frame.
    fn say(&self, world: &World, records: &[u8]) {
        let mut bytes = Vec::new();
        client::frame(true, client::TEXT, MASK, records, &mut bytes);
        self.send(world, &bytes);
    }

    fn invoke(&self, world: &World, id: &str, method: &str, kind: Kind, entity: Uuid) {
        let record = format!(
            "{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"{method}\",\"arguments\":[[{{\"EntityId\":\"{entity}\",\
             \"EventName\":\"{}\"}}]]}}\x1e",
            kind.name
        );
        self.say(world, record.as_bytes());
    }

    fn subscribe(&mut self, world: &World, kind: Kind, entity: Uuid) {
        self.invoke(world, "s", "Subscribe", kind, entity);
        let heard = self.hear(world);
        assert!(matches!(&heard[..], [Heard::Record(r)] if r.contains("\"subscribed\":true")), "{heard:?}");
    }

    /// Publishes one event; whether it was taken.
    fn publish(&mut self, world: &World, kind: Kind, entity: Uuid, tag: &str) {
        let body = kind.item(ORGANIZATIONS[0], entity, tag);
        self.send(world, &post(&body));
        let heard = self.hear(world);
        assert!(matches!(&heard[..], [Heard::Reply(Reply { status: 202, .. })]), "{heard:?}");
    }

    /// The peer reads all there is; the hub goes on meanwhile.
    fn hear(&mut self, world: &World) -> Vec<Heard> {
        loop {
            let bytes: Vec<u8> = world.pipe(self.id).from_hub.drain(..).collect();
            if bytes.is_empty() {
                break;
            }
            self.ear.hear(&bytes);
            world.settle();
        }
        let mut heard = Vec::new();
        while let Some(next) = self.ear.next().unwrap() {
            heard.push(next);
        }
        heard
    }

    /// The peer reads no more than so many bytes ahead from here on.
    fn stop_reading(&self, world: &World, capacity: usize) {
        world.pipe(self.id).capacity = capacity;
    }

    fn read_again(&self, world: &World) {
        world.pipe(self.id).capacity = WIDE;
        world.settle();
    }

    fn is_there(&self, world: &World) -> bool {
        world.pipe(self.id).ending.is_none()
    }

    fn backlog(&self, world: &World) -> usize {
        world.look(self.id).map_or(0, |look| look.backlog_bytes)
    }
}

/// The items of a request: alerts of these tags.
fn alerts(tags: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = tags.map(|tag| ALERT.item(ORGANIZATIONS[0], user(), &tag)).collect();
    format!("[{}]", items.join(","))
}

/// A publish request of the first organization.
fn post(body: &str) -> Vec<u8> {
    post_of(0, body)
}

/// A publish request of an organization.
fn post_of(organization: usize, body: &str) -> Vec<u8> {
    let token = &TOKENS.publishers[organization];
    format!(
        "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn user() -> Uuid {
    CLIENTS[0].user
}

/// Time passes, and the hub sees all of it.
fn pass(world: &World, ms: u64) {
    for _ in 0..ms / 100 {
        world.advance(100);
        world.settle();
    }
    world.advance(ms % 100);
    world.settle();
}

/// The statuses of the replies heard.
fn statuses(heard: &[Heard]) -> Vec<u16> {
    let status = |heard: &Heard| match heard {
        Heard::Reply(reply) => Some(reply.status),
        Heard::Record(_) | Heard::Pong(_) | Heard::Close(_) => None,
    };
    heard.iter().filter_map(status).collect()
}

/// How many connections ended for that reason.
fn closed(world: &World, reason: CloseReason) -> u64 {
    world.numbers(0).closed[reason.index()]
}

/// The tags of the events heard, cut at their first hash.
fn tags(heard: &[Heard]) -> Vec<String> {
    let tag = |heard: &Heard| match heard {
        Heard::Record(record) if record.contains("\"MessageReceived\"") => {
            let start = record.find('#').unwrap() + 1;
            Some(record[start..].split('#').next().unwrap().to_owned())
        }
        Heard::Record(_) | Heard::Reply(_) | Heard::Pong(_) | Heard::Close(_) => None,
    };
    heard.iter().filter_map(tag).collect()
}

/// A tag with padding, so that the event has at least so many bytes.
fn tag(name: &str, bytes: usize) -> String {
    format!("#{name}#{}", "x".repeat(bytes))
}

/// The header by which that client shows its token.
fn authorization(client: usize) -> String {
    format!("Authorization: Bearer {}\r\n", TOKENS.clients[client])
}

/// The id of a connection that somebody has negotiated who shows this.
fn negotiated(world: &World, authorization: &str) -> String {
    let mut peer = Peer::dial(world, WIDE);
    let line = "POST /rte/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n";
    peer.send(world, format!("{line}{authorization}\r\n").as_bytes());
    let heard = peer.hear(world);
    let [Heard::Reply(reply)] = &heard[..] else { panic!("{heard:?}") };
    let offer: serde_json::Value = serde_json::from_slice(&reply.body).expect("an offer");
    offer["connectionToken"].as_str().expect("an id").to_owned()
}
