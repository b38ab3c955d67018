//! One seed: a world with its limits, actors of all manners, faults while it plays, and then none
//! until all is empty.

mod ending;
mod relay;
mod restart;
mod watch;

use super::actor::{Actor, Manner, ReplyDue, Role, Stage, Vanishes, any_client, mask};
use super::cast::ORGANIZATIONS;
use super::client::{self, Heard};
use super::model::Model;
use super::net::Faults;
use super::reached::Reached;
use super::rng::Rng;
use super::setting::Setting;
use super::tab::Tab;
use super::world::World;
use rte::limits::Limits;

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
    /// Clients that go and come back, and say since when.
    Returns,
}

struct Play<'r> {
    rng: Rng,
    theme: Theme,
    world: World,
    model: Model,
    /// By the number of their pipe.
    actors: Vec<Actor>,
    /// Those before it had to do with hubs before this one.
    first_actor: usize,
    /// Those that have no connection now, and how many there are in all.
    tabs: Vec<Tab>,
    tab_count: usize,
    capacities: &'static [usize],
    /// One move of the clock in so many is a jump.
    jumps_one_in: usize,
    /// The hub is killed at one in so many of the steps that may; 0 is never.
    restarts_one_in: usize,
    hash: u64,
    reached: &'r mut Reached,
    opened: u64,
    turned_away: u64,
}

/// Plays a seed; the hash of all facts and of every byte that a peer heard.
pub fn play(seed: u64, reached: &mut Reached) -> u64 {
    play_by(Rng::new(seed), seed, reached)
}

/// Plays what the bytes of a fuzzer choose, until they are over.
pub fn play_tape(tape: &[u8]) {
    let mut rng = Rng::of_tape(tape);
    let seed = rng.next();
    play_by(rng, seed, &mut Reached::default());
}

fn play_by(mut rng: Rng, seed: u64, reached: &mut Reached) -> u64 {
    let is_about_returns = aside(&rng) % 2 == 1;
    let theme = rng.pick(&[Theme::Mixed, Theme::Crowd, Theme::Siege]);
    let theme = if is_about_returns && theme != Theme::Crowd { Theme::Returns } else { theme };
    let limits = limits(theme, &mut rng);
    let setting = Setting {
        seed,
        shards: 1 + rng.below(4),
        is_written: rng.one_in(4),
        is_shared: false,
        limits,
        close_on_expiry: rng.one_in(3),
        detailed_errors: rng.one_in(2),
        trusted_proxies: Vec::new(),
        links_max: rng.pick(&[
            if theme == Theme::Returns { usize::MAX } else { 4 },
            usize::MAX,
            usize::MAX,
            usize::MAX,
        ]),
    };
    let world = World::new(&setting);
    let model = Model::new(setting.limits.clone(), world.shared.journal.term().epoch);
    let capacities: &[usize] = if rng.one_in(2) { &[64, 700, 5_000] } else { &[20_000, 300_000, WIDE] };
    let jumps_one_in = if matches!(theme, Theme::Crowd | Theme::Returns) { 100 } else { rng.pick(&[3, 10, 30]) };
    let restarts_one_in = match (theme, aside(&rng) % 4) {
        (Theme::Returns, 2) => 6,
        (Theme::Returns, 3) => 12,
        (Theme::Mixed | Theme::Siege, 3) => 16,
        _ => 0,
    };
    let mut play = Play {
        rng,
        theme,
        world,
        model,
        actors: Vec::new(),
        first_actor: 0,
        tabs: Vec::new(),
        tab_count: 0,
        capacities,
        jumps_one_in,
        restarts_one_in,
        hash: 0xCBF2_9CE4_8422_2325,
        reached,
        opened: 0,
        turned_away: 0,
    };
    play.world.set_faults(faults(&mut play.rng));
    let steps = 300 + play.rng.below(700);
    for _ in 0..steps {
        if play.rng.is_played_out() {
            break;
        }
        play.step();
    }
    play.calm();
    play.end();
    play.hash
}

/// A number that is drawn aside, so that what follows on a tape goes on to mean what it did; 0
/// where a fuzzer has chosen a byte.
fn aside(rng: &Rng) -> u64 {
    rng.clone().next() >> 8
}

fn limits(theme: Theme, rng: &mut Rng) -> Limits {
    let mut limits = Limits::DEFAULT;
    if theme == Theme::Crowd || rng.one_in(2) {
        limits.event_bytes_max = 1500;
        limits.outbox_soft_bytes = 2_000 + rng.below(4_000);
        limits.outbox_hard_bytes = limits.outbox_soft_bytes + 1_000 + rng.below(8_000);
        limits.body_bytes_max = 4_000 + rng.below(12_000);
    }
    if rng.one_in(2) {
        limits.overrun_ms = 0;
    }
    if rng.one_in(2) {
        limits.pinned_bytes_max = rng.below(4_000);
    }
    if rng.one_in(2) {
        limits.backlog_bytes_max = limits.outbox_hard_bytes + 1 + rng.below(20_000);
    }
    if rng.one_in(2) {
        limits.record_bytes_max = 150 + rng.below(600);
        limits.subscriptions_max = 1 + rng.below(4);
        limits.head_bytes_max = 1_500;
        limits.headers_max = 8;
        limits.items_max = 1 + rng.below(5);
        limits.negotiated_max = rng.below(3);
    }
    limits.read_budget_bytes = rng.pick(&[50, 300, 4_096, limits.read_budget_bytes]);
    limits.turn_deliveries_max = rng.pick(&[1, 4, 30, limits.turn_deliveries_max, limits.turn_deliveries_max]);
    limits.mailbox_bytes_max = rng.pick(&[1, 3_000, limits.mailbox_bytes_max]);
    limits.connections_max = rng.pick(&[3, limits.connections_max, limits.connections_max]);
    limits.user_connections_max = rng.pick(&[1, 0, 100, 100]);
    limits.strangers_max = rng.pick(&[5, limits.strangers_max, limits.strangers_max]);
    limits.history_bytes_max = rng.pick(&[limits.history_bytes_max, limits.history_bytes_max, 3_000, 0]);
    limits.history_ms = rng.pick(&[limits.history_ms, limits.history_ms, 4_000]);
    limits.replay_items_max = rng.pick(&[limits.replay_items_max, 1, 0]);
    limits.since_wait_ms = rng.pick(&[limits.since_wait_ms, 500, 0]);
    limits.connection_deliveries_max = rng.pick(&[200, limits.connection_deliveries_max]);
    limits.connection_deliveries_per_s = rng.pick(&[100, 5_000]);
    // Drawn aside: what follows on a tape goes on to mean what it did.
    limits.memory_bytes_max = rng.clone().pick(&[0, 0, 0, 40_000, 400_000]);
    // A drain ends by itself here, not by its time.
    limits.drain_ms = 10_000_000;
    if theme == Theme::Returns { for_returns(limits, rng) } else { limits }
}

/// The same, but that all who come are let in, and most of what they have missed is there.
fn for_returns(drawn: Limits, rng: &mut Rng) -> Limits {
    let all = Limits::DEFAULT;
    let some = if rng.one_in(2) { &drawn } else { &all };
    Limits {
        outbox_soft_bytes: some.outbox_soft_bytes,
        outbox_hard_bytes: some.outbox_hard_bytes,
        backlog_bytes_max: all.backlog_bytes_max,
        record_bytes_max: all.record_bytes_max,
        subscriptions_max: all.subscriptions_max,
        negotiated_max: all.negotiated_max,
        connections_max: all.connections_max,
        user_connections_max: all.user_connections_max,
        strangers_max: all.strangers_max,
        history_bytes_max: rng.pick(&[all.history_bytes_max, all.history_bytes_max, drawn.history_bytes_max]),
        replay_items_max: rng.pick(&[all.replay_items_max, all.replay_items_max, drawn.replay_items_max]),
        connection_deliveries_max: some.connection_deliveries_max,
        connection_deliveries_per_s: some.connection_deliveries_per_s,
        memory_bytes_max: 0,
        ..drawn
    }
}

fn faults(rng: &mut Rng) -> Faults {
    Faults {
        short_write: rng.pick(&[0, 0, 3, 30]),
        accept: rng.pick(&[0, 2, 5]),
        partial_poll: rng.pick(&[0, 2, 5]),
        spurious: rng.pick(&[0, 3, 20]),
        interrupted: rng.pick(&[0, 5]),
        late_bytes: rng.pick(&[0, 2, 10]),
        preempt: rng.pick(&[0, 2, 10]),
    }
}

impl Play<'_> {
    fn step(&mut self) {
        let (about_returns, present) = (self.theme == Theme::Returns, self.present().count());
        match self.rng.below(27) {
            0 if self.actors.len() < 16 || about_returns && present < 8 => self.arrive(),
            1 if self.actors.len() < 6 || about_returns && present < 4 => self.arrive(),
            2 => {
                let ms = if self.rng.one_in(self.jumps_one_in) {
                    self.rng.pick(&[1_000, 4_000, 16_000, 30_500, 30_500, 31_000, 80_000])
                } else {
                    self.rng.pick(&[0, 1, 20, 100])
                };
                self.world.advance(ms);
            }
            3..=9 if !self.actors.is_empty() => {
                let actor = if about_returns { self.any_present() } else { Some(self.rng.below(self.actors.len())) };
                actor.into_iter().for_each(|actor| self.act(actor));
            }
            20..=22 if about_returns => self.any_present().into_iter().for_each(|actor| self.act(actor)),
            10..=12 => self.world.net().drift(),
            13..=14 => self.relay(),
            16 if about_returns && self.rng.one_in(2) || self.rng.one_in(6) => self.cut(),
            17 if !self.tabs.is_empty() && self.actors.len() < 40 => self.come_back(),
            23..=24 if about_returns && !self.tabs.is_empty() && present < 12 => self.come_back(),
            18 if self.restarts_one_in > 0 && self.rng.clone().one_in(self.restarts_one_in) => self.restart(),
            19 if self.rng.clone().one_in(6) => {
                self.world.ask_for_rows();
                // Other threads may have come in between.
                self.observe();
            }
            26 if self.world.is_written => {
                let (most, fails) = (self.rng.below(8), self.rng.one_in(20));
                self.world.proceed_with_writing(most, fails, self.rng.next());
                // Other threads may have come in between.
                self.observe();
            }
            15 if !self.actors.is_empty() => {
                // Where it has spoken HTTP only. Its peer notices nothing.
                let (actor, shard) = (self.rng.below(self.actors.len()), self.rng.below(self.world.shards));
                self.world.move_link(actor, shard);
                // Other threads may have come in between.
                self.observe();
            }
            _ => {
                let shard = self.rng.below(self.world.shards);
                // A poll may return for nothing.
                if !self.world.is_quiet(shard) || self.rng.one_in(8) {
                    self.turn(shard);
                }
            }
        }
    }

    /// A shard's thread polls once and turns once.
    fn turn(&mut self, shard: usize) {
        self.world.step(shard);
        self.observe();
        self.check(shard);
        self.check_answered();
    }

    /// Those that can still say something.
    fn present(&self) -> impl Iterator<Item = usize> {
        (self.first_actor..self.actors.len())
            .filter(|number| !self.actors[*number].has_vanished && self.world.pipe(*number).ending.is_none())
    }

    fn any_present(&mut self) -> Option<usize> {
        let present: Vec<usize> = self.present().collect();
        self.rng.pick_from(&present)
    }

    fn arrive(&mut self) {
        let capacity = self.rng.pick(self.capacities);
        let number = self.world.net().connect(capacity);
        let is_roomy = self.is_roomy();
        let (rng, theme) = (&mut self.rng, self.theme);
        let role = match rng.below(9) {
            0 if theme != Theme::Crowd && theme != Theme::Returns => Role::Stranger,
            0..=3 => Role::Publisher(usize::from(rng.one_in(4))),
            _ => any_client(rng),
        };
        let is_calm = matches!(theme, Theme::Crowd | Theme::Returns) || (theme == Theme::Mixed && rng.one_in(2));
        let manner = Manner {
            reads: if matches!(role, Role::Publisher(_)) { WIDE } else { rng.pick(&[WIDE, WIDE, 5_000, 1_000, 50, 0]) },
            lies_one_in: if is_calm { 0 } else { rng.pick(&[0, 3, 5, 40]) },
            // Who speaks before it is let in must be sure of it.
            floods: rng.one_in(8) && is_roomy,
            vanishes_at: (!is_calm && rng.one_in(4)).then(|| rng.below(6_000)),
            vanishes: rng.pick(&[Vanishes::WithReset, Vanishes::WithEnd, Vanishes::WithoutWord, Vanishes::WithoutWord]),
            is_polite: !rng.one_in(4),
        };
        let mut actor = Actor::new(number, role, manner);
        if let Role::Client(rights, token) = role
            && (self.rng.one_in(2) || theme == Theme::Returns)
        {
            actor.tab = Some(Tab::new(self.tab_count, rights, token));
            actor.resumes = true;
            self.tab_count += 1;
        }
        let rng = &mut self.rng;
        actor.is_brief = !manner.floods && rng.one_in(4) && theme != Theme::Returns;
        if rng.one_in(15) && theme != Theme::Returns {
            actor.stage = Stage::Silent;
        }
        self.actors.push(actor);
    }

    /// A client that says since when has read so far, and its connection breaks.
    fn cut(&mut self) {
        let is_there = |actor: &&Actor| actor.tab.is_some() && actor.stage == Stage::Speaking;
        let may: Vec<usize> = self.actors.iter().filter(is_there).map(|actor| actor.number).collect();
        let Some(number) = self.rng.pick_from(&may) else { return self.forsake() };
        let unread = self.world.pipe(number).from_hub.len();
        let most = self.rng.below(unread + 1);
        self.hear(number, most);
        match self.rng.below(3) {
            0 => self.world.net().break_off(number),
            1 => self.world.net().end(number),
            _ => self.world.pipe(number).lose(),
        }
        let actor = &mut self.actors[number];
        (actor.has_vanished, actor.stage) = (true, Stage::Silent);
        self.forsake();
    }

    /// Clients whose connection is over are free to come back.
    fn forsake(&mut self) {
        for number in 0..self.actors.len() {
            if self.actors[number].has_vanished || self.world.pipe(number).ending.is_some() {
                self.tabs.extend(self.actors[number].tab.take());
                self.model.leave(number);
            }
        }
    }

    /// A client comes back, and says since when.
    fn come_back(&mut self) {
        self.arrive();
        let at = self.rng.below(self.tabs.len());
        let tab = self.tabs.swap_remove(at);
        self.reached.returns += 1;
        let Some(actor) = self.actors.last_mut() else { return };
        (actor.role, actor.tab, actor.resumes) = (Role::Client(tab.rights, tab.token), Some(tab), true);
        actor.comes_back = self.theme == Theme::Returns;
    }

    /// Whether everybody is let in who has a token.
    fn is_roomy(&self) -> bool {
        let limits = &self.world.shared.limits;
        limits.connections_max > 100 && limits.user_connections_max != 1 && limits.memory_bytes_max == 0
    }

    /// An actor reads, and says something.
    fn act(&mut self, number: usize) {
        self.hear(number, self.actors[number].manner.reads);
        let actor = &self.actors[number];
        let pipe = self.world.pipe(number);
        if actor.has_vanished || pipe.ending.is_some() || pipe.is_shut || pipe.unread() > 200_000 {
            return;
        }
        drop(pipe);
        let (bytes, _) = self.say(number);
        self.send(number, &bytes);
    }

    /// What an actor says next, and the tags of the items in it.
    fn say(&mut self, number: usize) -> (Vec<u8>, Vec<String>) {
        let actor = &mut self.actors[number];
        let before = actor.tags.len();
        let bytes = actor.speak(&mut self.rng, &self.world.shared.limits);
        let tags = actor.tags[before..].to_vec();
        if let Role::Publisher(organization) = actor.role {
            tags.iter().for_each(|tag| self.model.journals.send(ORGANIZATIONS[organization], tag));
        }
        (bytes, tags)
    }

    fn send(&mut self, number: usize, bytes: &[u8]) {
        let actor = &mut self.actors[number];
        let mut net = self.world.net();
        let made = actor.sent - bytes.len();
        match actor.manner.vanishes_at {
            Some(at) if at <= actor.sent => {
                net.send(number, &bytes[..at.saturating_sub(made).min(bytes.len())]);
                match actor.manner.vanishes {
                    Vanishes::WithReset => net.break_off(number),
                    Vanishes::WithEnd => net.end(number),
                    Vanishes::WithoutWord => net.pipe(number).lose(),
                }
                (actor.has_vanished, actor.stage) = (true, Stage::Silent);
            }
            Some(_) | None => net.send(number, bytes),
        }
    }

    /// An actor reads at most so many bytes, and understands them.
    fn hear(&mut self, number: usize, most: usize) {
        let mut pipe = self.world.pipe(number);
        let n = pipe.from_hub.len().min(most);
        let bytes: Vec<u8> = pipe.from_hub.drain(..n).collect();
        drop(pipe);
        self.note(&bytes);
        self.actors[number].ear.hear(&bytes);
        while let Some(heard) = self.actors[number].ear.next().unwrap_or_else(|error| panic!("actor {number}: {error}"))
        {
            self.understand(number, &heard);
        }
    }

    fn understand(&mut self, number: usize, heard: &Heard) {
        if let Heard::Reply(reply) = heard {
            *self.reached.statuses.entry(reply.status).or_default() += 1;
            return self.understand_reply(number, reply);
        }
        if self.actors[number].has_lied && !self.model.knows(number) {
            // The answer to a handshake that was none.
            return;
        }
        if let Some(tab) = &mut self.actors[number].tab {
            tab.hear(heard);
        }
        if let Err(error) = self.model.hear(number, heard) {
            // A client that never shook hands is told so in a handshake response, and that it took
            // too long.
            let is_told = self.world.is_ending(number) && !self.model.knows(number);
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
        let is_ending = self.world.is_ending(number);
        let is_turned_away = self.world.place(number).is_none();
        let actor = &mut self.actors[number];
        match (actor.role, actor.stage, reply.status) {
            (_, _, status) if is_turned_away => {
                assert_eq!(status, 503, "{}", reply.head);
                actor.stage = Stage::Silent;
            }
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
            // The hub or the user is full, or the hub drains.
            (Role::Client(..), Stage::Negotiating | Stage::Upgrading, 429 | 503) => actor.stage = Stage::Silent,
            (Role::Client(..), Stage::Upgrading, 404) => actor.stage = Stage::Silent,
            (Role::Publisher(_) | Role::Stranger, _, 503) if reply.text().contains("memory_bytes_max") => {
                actor.replies.pop_front();
                // What it has sent behind a body is lost with the link.
                actor.has_lied |= reply.head.contains("Connection: close");
            }
            (Role::Client(..), _, 401) if actor.is_brief => actor.stage = Stage::Silent,
            (Role::Client(..), Stage::Silent, _) if actor.has_lied || actor.has_vanished => {}
            _ => {
                let due = actor.replies.pop_front();
                let counts = due.and_then(|due| due.counts).map(|_| {
                    let body: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
                    let count = |name: &str| usize::try_from(body[name].as_u64().unwrap()).unwrap();
                    (count("accepted"), count("rejected"))
                });
                let accepted = due.map_or(0, |due| due.accepted);
                let heard = ReplyDue { status: reply.status, counts, accepted };
                assert_eq!(Some(heard), due, "{actor:?}: {}", String::from_utf8_lossy(&reply.body));
                assert!(accepted <= actor.accepted, "a reply before all its items are published: {actor:?}");
                if let Role::Publisher(organization) = actor.role {
                    let answered = actor.tags[actor.answered..accepted].iter();
                    answered.for_each(|tag| self.model.journals.answer(ORGANIZATIONS[organization], tag));
                    actor.answered = accepted;
                }
            }
        }
    }
}
