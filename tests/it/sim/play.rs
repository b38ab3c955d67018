//! One seed: a world with its limits, actors of all manners, faults while it plays, and then none until all is empty.

use super::actor::{Act, Actor, Manner, ReplyDue, Role, Stage, any_client, mask};
use super::cast::TOKENS;
use super::client::{self, Heard};
use super::model::Model;
use super::reached::Reached;
use super::rng::Rng;
use super::world::{Seen, Setting, World};
use rte::close::CloseReason;
use rte::conn;
use rte::hub::publication::Publication;
use rte::limits::Limits;
use rte::metrics::Metrics;
use rte::timer::GRAIN_MS;
use rte::trace::Fact;
use std::collections::BTreeMap;

const WIDE: usize = usize::MAX;

/// What a seed is mostly about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    /// Everything.
    Mixed,
    /// Clients that read slowly or not at all, publishers that publish, and little else.
    Crowd,
    /// Mostly peers that mean no good.
    Siege,
}

struct Play<'r> {
    rng: Rng,
    theme: Theme,
    world: World,
    model: Model,
    actors: Vec<Actor>,
    actor_of: BTreeMap<(usize, u64), usize>,
    capacities: &'static [usize],
    /// One move of the clock in so many is a jump.
    jumps_one_in: usize,
    hash: u64,
    reached: &'r mut Reached,
    opened: u64,
    turned_away: u64,
}

/// Plays a seed; the hash of all facts and of every byte that a peer heard.
pub fn play(seed: u64, reached: &mut Reached) -> u64 {
    let mut rng = Rng::new(seed);
    let limits = limits(&mut rng);
    let setting = Setting {
        seed,
        shards: 2 + rng.below(2),
        limits,
        close_on_expiry: rng.one_in(3),
        detailed_errors: rng.one_in(2),
        trusted_proxies: Vec::new(),
    };
    let world = World::new(&setting);
    let model = Model::new(setting.limits.subscriptions_max);
    let theme = rng.pick(&[Theme::Mixed, Theme::Crowd, Theme::Siege]);
    let capacities: &[usize] = if rng.one_in(2) { &[64, 700, 5_000] } else { &[20_000, 300_000, WIDE] };
    let jumps_one_in = if theme == Theme::Crowd { 100 } else { rng.pick(&[3, 10, 30]) };
    let mut play = Play {
        rng,
        theme,
        world,
        model,
        actors: Vec::new(),
        actor_of: BTreeMap::new(),
        capacities,
        jumps_one_in,
        hash: 0xCBF2_9CE4_8422_2325,
        reached,
        opened: 0,
        turned_away: 0,
    };
    for shard in 0..setting.shards {
        play.world.sockets[shard].short_one_in = play.rng.pick(&[0, 0, 3, 30]);
    }
    let steps = 200 + play.rng.below(500);
    for _ in 0..steps {
        play.step();
    }
    play.calm();
    play.end();
    play.hash
}

fn limits(rng: &mut Rng) -> Limits {
    let mut limits = Limits::DEFAULT;
    if rng.one_in(2) {
        limits.event_bytes_max = 1500;
        limits.outbox_soft_bytes = 2_000 + rng.below(4_000);
        limits.outbox_hard_bytes = limits.outbox_soft_bytes + 1_000 + rng.below(8_000);
        limits.body_bytes_max = 4_000 + rng.below(12_000);
    }
    if rng.one_in(2) {
        limits.pinned_bytes_max = rng.below(4_000);
    }
    if rng.one_in(2) {
        limits.record_bytes_max = 150 + rng.below(600);
        limits.subscriptions_max = 1 + rng.below(4);
        limits.head_bytes_max = 1_500;
        limits.headers_max = 8;
        limits.items_max = 1 + rng.below(5);
        limits.negotiated_max = rng.below(3);
    }
    limits
}

impl Play<'_> {
    fn step(&mut self) {
        let shards = self.world.shards.len();
        match self.rng.below(20) {
            0 if self.actors.len() < 12 => self.arrive(),
            1 if self.actors.len() < 5 => self.arrive(),
            2 => {
                let ms = if self.rng.one_in(self.jumps_one_in) {
                    self.rng.pick(&[1_000, 4_000, 16_000, 31_000, 80_000])
                } else {
                    self.rng.pick(&[0, 1, 20, 100])
                };
                self.world.advance(ms);
            }
            3..=9 if !self.actors.is_empty() => {
                let actor = self.rng.below(self.actors.len());
                self.act(actor);
            }
            _ => {
                let shard = self.rng.below(shards);
                self.turn(shard);
            }
        }
    }

    fn arrive(&mut self) {
        if self.rng.one_in(60) {
            self.world.shards[0].note_full([192, 0, 2, 9].into());
            self.turned_away += 1;
        }
        let shard = self.rng.below(self.world.shards.len());
        let capacity = self.rng.pick(self.capacities);
        let key = self.world.open(shard, capacity);
        self.opened += 1;
        let (rng, theme) = (&mut self.rng, self.theme);
        let role = match rng.below(9) {
            0 if theme != Theme::Crowd => Role::Stranger,
            0..=3 => Role::Publisher(usize::from(rng.one_in(4))),
            _ => any_client(rng),
        };
        let is_calm = theme == Theme::Crowd || (theme == Theme::Mixed && rng.one_in(2));
        let manner = Manner {
            reads: if matches!(role, Role::Publisher(_)) { WIDE } else { rng.pick(&[WIDE, WIDE, 5_000, 1_000, 50, 0]) },
            lies_one_in: if is_calm { 0 } else { rng.pick(&[0, 3, 5, 40]) },
            floods: rng.one_in(8),
            vanishes_at: (!is_calm && rng.one_in(4)).then(|| rng.below(6_000)),
            resets: rng.one_in(2),
            is_polite: !rng.one_in(4),
        };
        let number = self.actors.len();
        let mut actor = Actor::new(number, (shard, key), role, manner);
        // Who speaks before it is let in must be sure of it.
        actor.is_brief = !manner.floods && rng.one_in(4);
        if rng.one_in(15) {
            actor.stage = Stage::Silent;
        }
        self.actor_of.insert((shard, conn::fact_number(shard, key)), number);
        self.actors.push(actor);
    }

    /// An actor reads, and says something.
    fn act(&mut self, number: usize) {
        self.hear(number, self.actors[number].manner.reads);
        let limits = self.world.shared.limits.clone();
        let actor = &mut self.actors[number];
        let (shard, key) = actor.place;
        let pipe = self.world.pipe(shard, key);
        if actor.has_vanished || pipe.ending.is_some() || pipe.is_shut || pipe.to_hub.len() > 200_000 {
            return;
        }
        let bytes = actor.speak(&mut self.rng, &limits);
        self.send(number, &bytes);
    }

    fn send(&mut self, number: usize, bytes: &[u8]) {
        let actor = &mut self.actors[number];
        let (shard, key) = actor.place;
        let pipe = self.world.pipe(shard, key);
        let made = actor.sent - bytes.len();
        match actor.manner.vanishes_at {
            Some(at) if at <= actor.sent => {
                pipe.to_hub.extend(&bytes[..at.saturating_sub(made).min(bytes.len())]);
                (pipe.is_ended, pipe.is_broken) = (true, actor.manner.resets);
                (actor.has_vanished, actor.stage) = (true, Stage::Silent);
            }
            Some(_) | None => pipe.to_hub.extend(bytes),
        }
    }

    /// An actor reads at most so many bytes, and understands them.
    fn hear(&mut self, number: usize, most: usize) {
        let (shard, key) = self.actors[number].place;
        let pipe = self.world.pipe(shard, key);
        let n = pipe.from_hub.len().min(most);
        let bytes: Vec<u8> = pipe.from_hub.drain(..n).collect();
        self.note(&bytes);
        self.actors[number].ear.hear(&bytes);
        while let Some(heard) = self.actors[number].ear.next().unwrap_or_else(|error| panic!("actor {number}: {error}"))
        {
            self.understand(number, &heard);
        }
    }

    fn understand(&mut self, number: usize, heard: &Heard) {
        let place = self.actors[number].place;
        if let Heard::Reply(reply) = heard {
            *self.reached.statuses.entry(reply.status).or_default() += 1;
            return self.understand_reply(number, reply);
        }
        if self.actors[number].has_lied && !self.model.knows(place) {
            // The answer to a handshake that was none.
            return;
        }
        if let Err(error) = self.model.hear(place, heard) {
            // A client that never shook hands is told so in a handshake response, and that it took too long.
            let is_told = self.is_ending(number) && !self.model.knows(place);
            assert!(is_told, "actor {number} {:?}: {error}", self.actors[number]);
        }
        if matches!(heard, Heard::Close(_)) {
            self.answer_close(number);
        }
    }

    fn answer_close(&mut self, number: usize) {
        let actor = &mut self.actors[number];
        actor.stage = Stage::Silent;
        if actor.manner.is_polite && !actor.has_vanished && !actor.has_lied {
            let mut bytes = Vec::new();
            client::frame(true, client::CLOSE, mask(&mut self.rng), &1000u16.to_be_bytes(), &mut bytes);
            actor.sent += bytes.len();
            self.send(number, &bytes);
        }
    }

    fn understand_reply(&mut self, number: usize, reply: &client::Reply) {
        let is_ending = self.is_ending(number);
        let actor = &mut self.actors[number];
        match (actor.role, actor.stage, reply.status) {
            (_, _, 408) => {
                assert!(is_ending, "a 408 that ends nothing");
                actor.stage = Stage::Silent;
            }
            (Role::Client(..), Stage::Upgrading, 101) => {
                let bytes = if actor.manner.lies_one_in > 0 && self.rng.one_in(4) {
                    actor.lie_in_frames(&mut self.rng, &self.world.shared.limits)
                } else {
                    actor.shake_hands(&mut self.rng)
                };
                actor.sent += bytes.len();
                self.send(number, &bytes);
            }
            (Role::Client(..), Stage::Speaking | Stage::Silent, 101) => {}
            (Role::Client(..), Stage::Negotiating, 200) => {
                let body: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
                let bytes = actor.upgrade(body["connectionToken"].as_str().unwrap());
                self.send(number, &bytes);
            }
            (Role::Client(..), Stage::Negotiating, 503) => actor.stage = Stage::Silent,
            (Role::Client(..), Stage::Upgrading, 404) => actor.stage = Stage::Silent,
            (Role::Client(..), _, 401) if actor.is_brief => actor.stage = Stage::Silent,
            (Role::Client(..), Stage::Silent, _) if actor.has_lied => {}
            _ => {
                let due = actor.replies.pop_front();
                let counts = due.and_then(|due| due.counts).map(|_| {
                    let body: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
                    let count = |name: &str| usize::try_from(body[name].as_u64().unwrap()).unwrap();
                    (count("accepted"), count("rejected"))
                });
                let heard = ReplyDue { status: reply.status, counts };
                assert_eq!(Some(heard), due, "{:?}: {}", self.actors[number], String::from_utf8_lossy(&reply.body));
            }
        }
    }

    fn is_ending(&self, number: usize) -> bool {
        let (shard, key) = self.actors[number].place;
        self.world.shards[shard].connection(key).is_none_or(|connection| connection.is_ending())
    }

    /// One turn of a shard: mail, edges, bytes, deadlines, flush.
    fn turn(&mut self, shard: usize) {
        for _ in 0..self.rng.below(6) {
            let from = self.rng.below(self.world.shards.len());
            self.world.carry(from, shard);
            self.observe();
        }
        let mine: Vec<usize> = (0..self.actors.len()).filter(|n| self.actors[*n].place.0 == shard).collect();
        for number in mine {
            let key = self.actors[number].place.1;
            let is_spurious = self.rng.one_in(25);
            if self.rng.one_in(2) {
                self.world.edge(shard, key, is_spurious);
            }
            if !self.rng.one_in(3) {
                let most = self.rng.pick(&[1, 7, 130, 4_096, 65_536, 65_536, 65_536, 65_536]);
                self.feed(number, most);
            }
        }
        self.finish_turn(shard);
    }

    /// The hub reads of an actor, and the model learns what it has read.
    fn feed(&mut self, number: usize, most: usize) -> bool {
        let place = self.actors[number].place;
        let was_ended = self.is_ending(number) || self.world.shards[place.0].hub().is_sealed(place.1);
        let has_fed = self.world.feed(place.0, place.1, most);
        let pipe = self.world.pipe(place.0, place.1);
        let fed = pipe.fed;
        self.reached.pauses += u64::from(pipe.is_paused);
        let actor = &mut self.actors[number];
        while actor.acts.front().is_some_and(|(at, _)| *at <= fed) {
            let Some((_, act)) = actor.acts.pop_front() else { break };
            match (act, actor.role) {
                _ if was_ended => {}
                (Act::Handshake, Role::Client(rights, _)) => self.model.join(place, rights),
                (Act::Handshake, Role::Publisher(_) | Role::Stranger) => {}
                (Act::Ping(payload), _) => self.model.ping(place, payload),
                (Act::Invoke(id, call), _) => self.model.invoke(place, id, call),
            }
        }
        self.observe();
        self.compare(number);
        has_fed
    }

    fn compare(&mut self, number: usize) {
        let is_ended = self.is_ending(number);
        let place = self.actors[number].place;
        let result = self.model.compare(place, self.world.shards[place.0].hub(), is_ended);
        assert_eq!(result, Ok(()), "actor {number}");
    }

    fn finish_turn(&mut self, shard: usize) {
        self.world.finish_turn(shard);
        let fading = (0..self.actors.len()).filter(|number| self.is_ending(*number));
        self.model.fading = fading.map(|number| self.actors[number].place).collect();
        self.observe();
        self.model.fading.clear();
        for number in 0..self.actors.len() {
            if self.actors[number].place.0 == shard {
                self.compare(number);
            }
        }
        self.check(shard);
    }

    /// What must hold between any two turns.
    fn check(&mut self, shard: usize) {
        let limits = &self.world.shared.limits;
        let it = &self.world.shards[shard];
        assert_eq!(it.hub().registry.subscription_count(), self.model.subscriptions(shard), "subscriptions");
        // An own answer is taken at any backlog below the hard bound, and so is the Close.
        let answer_bytes = 2 * limits.record_bytes_max.max(2_000) + limits.event_bytes_max;
        for (key, pipe) in self.world.pipes(shard) {
            let backlog = it.hub().backlog_bytes(key);
            assert!(pipe.ending.is_none() || backlog == 0, "bytes for a connection that is gone");
            if backlog > 0 {
                let is_known = it.hub().is_dirty() || it.hub().blocked_since_ms(key).is_some();
                assert!(is_known, "{backlog} bytes wait for nothing");
            }
            if it.connection(key).is_some_and(|connection| connection.is_hub_open()) {
                assert!(backlog <= limits.outbox_hard_bytes + answer_bytes, "a backlog of {backlog} bytes");
            }
        }
        assert_eq!(it.connection_count() == 0, self.is_empty(shard));
        let pinned_bytes = it.hub().pinned_bytes();
        assert!(it.has_work() || pinned_bytes <= limits.pinned_bytes_max, "{pinned_bytes} bytes pinned");
        let now_ms = self.world.now.mono_ms;
        for (key, _) in self.world.pipes(shard) {
            let Some(connection) = it.connection(key) else { continue };
            let due_ms = connection.next_deadline(key, it.hub(), limits).0;
            assert!(due_ms + GRAIN_MS > now_ms, "a deadline that nobody kept, {} ms ago", now_ms - due_ms);
            let armed_ms = it.next_deadline().expect("a deadline while there are connections").0;
            assert!(armed_ms < due_ms + GRAIN_MS, "a deadline {} ms later than due", armed_ms - due_ms);
        }
    }

    fn is_empty(&self, shard: usize) -> bool {
        self.world.pipes(shard).all(|(_, pipe)| pipe.ending.is_some())
    }

    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    /// The model learns what the shards did.
    fn observe(&mut self) {
        for seen in std::mem::take(&mut self.world.seen) {
            match seen {
                Seen::Accepted(shard, publication) => {
                    self.accepted(&publication);
                    self.model.deliver(shard, &publication);
                }
                Seen::Delivered(shard, publication) => self.model.deliver(shard, &publication),
                Seen::Fact(shard, fact) => self.fact(shard, &fact),
            }
        }
    }

    /// A publication is the next valid item of its publisher.
    fn accepted(&mut self, publication: &Publication) {
        let text = std::str::from_utf8(&publication.data).unwrap();
        let tag = text.split('#').nth(1).expect("a tag");
        let number: usize = tag.split('.').next().unwrap().parse().unwrap();
        let due = self.actors[number].pending.pop_front();
        assert_eq!(due.as_deref(), Some(format!("#{tag}#").as_str()), "actor {number} published out of order");
    }

    fn fact(&mut self, shard: usize, fact: &Fact) {
        let line = fact.human();
        assert!(TOKENS.all().all(|token| !line.contains(token)), "a token in a fact");
        self.note(line.as_bytes());
        if let Fact::Closed { conn, reason, .. } = fact {
            let actor = &mut self.actors[self.actor_of[&(shard, *conn)]];
            assert_eq!(actor.closed.replace(*reason), None, "a connection ended twice");
            let is_right = match reason {
                CloseReason::FrameError
                | CloseReason::MalformedMessage
                | CloseReason::MessageTooLong
                | CloseReason::HandshakeRefused
                | CloseReason::BadRequest
                | CloseReason::BadBody => actor.has_lied,
                CloseReason::PeerGone | CloseReason::SocketFailed => actor.has_vanished,
                CloseReason::TokenExpired => actor.is_brief,
                CloseReason::Full => false,
                CloseReason::Served
                | CloseReason::PeerClosed
                | CloseReason::RequestTimeout
                | CloseReason::IdleTimeout
                | CloseReason::HandshakeTimeout
                | CloseReason::ClientTimeout
                | CloseReason::Overrun
                | CloseReason::WriteStuck
                | CloseReason::Drain => true,
            };
            assert!(is_right, "{reason:?} ends {actor:?}");
            let is_whole = self.world.pipe(shard, actor.place.1).ending == Some(rte::hub::Ending::Graceful);
            let heard_all = *reason == CloseReason::Overrun || self.model.heard_all(actor.place);
            assert!(heard_all || !is_whole, "{reason:?} lost something due to {actor:?}");
        }
    }

    /// Faults off: everything that is under way arrives.
    fn calm(&mut self) {
        for sockets in &mut self.world.sockets {
            sockets.short_one_in = 0;
        }
        for actor in &mut self.actors {
            if actor.stage != Stage::Negotiating && actor.stage != Stage::Upgrading {
                actor.stage = Stage::Silent;
            }
            let (shard, key) = actor.place;
            self.world.pipe(shard, key).capacity = WIDE;
        }
        self.settle();
        for number in 0..self.actors.len() {
            if self.actors[number].closed.is_none() && !self.is_ending(number) {
                let actor = &self.actors[number];
                let is_settled =
                    actor.has_vanished || actor.has_lied || actor.replies.is_empty() && actor.pending.is_empty();
                assert!(is_settled, "never answered: {actor:?}");
            }
        }
        assert_eq!(self.model.check_settled(), Ok(()));
    }

    fn settle(&mut self) {
        let shards = self.world.shards.len();
        for _ in 0..100_000 {
            let mut is_busy = false;
            for (from, to) in (0..shards).flat_map(|from| (0..shards).map(move |to| (from, to))) {
                while self.world.carry(from, to) {
                    is_busy = true;
                    self.observe();
                }
            }
            for number in 0..self.actors.len() {
                let (shard, key) = self.actors[number].place;
                is_busy |= self.world.edge(shard, key, false);
                is_busy |= self.feed(number, WIDE);
                is_busy |= !self.world.pipe(shard, key).from_hub.is_empty();
                self.hear(number, WIDE);
            }
            for shard in 0..shards {
                self.finish_turn(shard);
                is_busy |= self.world.shards[shard].has_work();
            }
            if !is_busy {
                return;
            }
        }
        panic!("it never becomes quiet");
    }

    /// A client that finds the hub draining.
    fn come_late(&mut self) {
        self.arrive();
        let Some(late) = self.actors.last_mut() else { return };
        (late.role, late.stage, late.manner.vanishes_at) = (Role::Stranger, Stage::Silent, None);
        late.replies.push_back(ReplyDue { status: 503, counts: None });
        let (number, (shard, key)) = (late.number, late.place);
        self.world.pipe(shard, key).capacity = WIDE;
        let authorization = format!("Authorization: Bearer {}\r\n", TOKENS.clients[0]);
        let bytes = client::upgrade("", &authorization).into_bytes();
        self.actors[number].sent += bytes.len();
        self.send(number, &bytes);
    }

    /// The drain: everything empties, and the sums are right.
    fn end(&mut self) {
        let limits = self.world.shared.limits.clone();
        self.world.drain();
        self.come_late();
        let soon = limits.drain_spread_ms + limits.close_ms + 2 * GRAIN_MS;
        for _ in 0..=soon / GRAIN_MS {
            self.settle();
            self.world.advance(GRAIN_MS);
        }
        self.settle();
        for shard in &self.world.shards {
            let hub_open =
                self.actors.iter().filter(|actor| shard.connection(actor.place.1).is_some_and(|c| c.is_hub_open()));
            assert_eq!(hub_open.count(), 0, "a client is left after a drain");
        }
        // Half a request has its time even now, and so has the end of a connection that gets it.
        self.world.advance(limits.body_ms);
        self.settle();
        self.world.advance(limits.close_ms + GRAIN_MS);
        self.settle();

        let mut sum = Metrics::default();
        let (mut fed, mut taken) = (0, 0);
        for shard in 0..self.world.shards.len() {
            assert_eq!(self.world.shards[shard].connection_count(), 0, "shard {shard} is not empty");
            assert_eq!(self.world.shards[shard].hub().backlog_bytes_total(), 0);
            assert_eq!(self.world.shards[shard].hub().pinned_bytes(), 0);
            sum.add(&self.world.numbers(shard));
            fed += self.world.pipes(shard).map(|(_, pipe)| pipe.fed).sum::<usize>();
            taken += self.world.pipes(shard).map(|(_, pipe)| pipe.taken).sum::<usize>();
        }
        for actor in &self.actors {
            assert!(actor.closed.is_some(), "ended without a fact: {actor:?}");
            assert!(!actor.ear.is_partial() || self.world.is_reset(actor.place), "ended within a word: {actor:?}");
        }
        assert_eq!(
            (sum.open, sum.hub_open, sum.subscriptions, sum.topics, sum.backlog_bytes, sum.blocked),
            (0, 0, 0, 0, 0, 0)
        );
        assert_eq!(sum.accepted, self.opened + self.turned_away);
        assert_eq!(sum.closed.iter().sum::<u64>(), self.opened + self.turned_away);
        assert_eq!((sum.bytes_in, sum.bytes_out), (fed as u64, taken as u64));
        let delivered: u64 = sum.events.iter().map(|event| event.delivered).sum();
        let (matched, perhaps) = (self.model.matched, self.model.perhaps_matched);
        assert!(
            (matched..=matched + perhaps).contains(&delivered),
            "{delivered} delivered, {matched} matched, {perhaps}"
        );
        assert!(
            self.model.conflated <= sum.conflated,
            "{} conflated, {} heard of",
            sum.conflated,
            self.model.conflated
        );
        let is_lossless = self.actors.iter().all(|actor| {
            !matches!(
                actor.closed,
                Some(
                    CloseReason::Overrun | CloseReason::WriteStuck | CloseReason::SocketFailed | CloseReason::PeerGone
                )
            ) && !self.world.is_reset(actor.place)
        });
        if is_lossless {
            assert_eq!(self.model.conflated, sum.conflated);
            assert_eq!((sum.dropped, sum.discarded_bytes), (0, 0));
        }
        self.note(format!("{sum:?}").as_bytes());
        self.reached.add(&sum);
        self.reached.matched += self.model.matched;
        self.reached.refusals.extend(&self.model.refusals);
    }
}
