//! Pages that show calls, callbacks and states: some are closed and opened again, some are cut and
//! go on, the hub is killed, and its journal fails. What each of them shows is what was published.

mod fold;
mod page;
mod publisher;

use super::client::{Ear, Heard};
use super::disk::Restored;
use super::journal::tag_of;
use super::net::Faults;
use super::reached::Reached;
use super::rng::Rng;
use super::setting::Setting;
use super::world::World;
use fold::{Facts, Lives, Message, Picture, Shown, read_index};
pub use page::Tally;
use page::{By, Group, Page};
use publisher::{AGENTS, LIST, Publisher, QUEUE};
use rte::clock::UnixMs;
use rte::hub::position::WirePosition;
use rte::limits::Limits;
use rte::trace::Fact;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const WIDE: usize = usize::MAX;

/// What the hub publishes of its events.
static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let world = World::new(&Setting::one_shard());
    let (id, mut ear) = (world.net().connect(WIDE), Ear::default());
    world.net().send(id, b"GET /schemas/v1/index.json HTTP/1.1\r\nHost: hub\r\n\r\n");
    world.settle();
    let bytes: Vec<u8> = world.pipe(id).from_hub.drain(..).collect();
    ear.hear(&bytes);
    let Ok(Some(Heard::Reply(reply))) = ear.next() else { panic!("no reply") };
    read_index(&reply)
});

/// ISO 8601 in UTC, with milliseconds.
fn iso(unix_ms: u64) -> String {
    let mut text = Vec::new();
    UnixMs::from_ms(unix_ms).encode_rfc3339(&mut text);
    String::from_utf8(text).expect("ASCII")
}

struct Play {
    rng: Rng,
    world: World,
    lives: Lives,
    pages: Vec<Page>,
    publishers: Vec<Publisher>,
    /// All that was published, by its place, in the one order.
    taken: BTreeMap<u64, Message>,
    /// What was taken of an item, by its tag, event and entity.
    places: BTreeMap<(String, String, String), Vec<u64>>,
    /// When the hub has last lost what it had.
    lost_ms: Option<u64>,
    /// So many kills lost the ids.
    forgotten: usize,
    /// It keeps few rows.
    evicts: bool,
    tally: Tally,
    judged: u64,
}

fn limits(rng: &mut Rng) -> Limits {
    let mut limits = Limits {
        linger_ms: rng.pick(&[300, 2_000, Limits::DEFAULT.linger_ms]),
        open_call_ms: rng.pick(&[2_000, 8_000, Limits::DEFAULT.open_call_ms]),
        keep_ms: rng.pick(&[3_000, 9_000, 86_400_000]),
        ..Limits::DEFAULT
    };
    limits.history_ms = rng.pick(&[limits.history_ms, limits.history_ms, 4_000]);
    limits.history_bytes_max = rng.pick(&[limits.history_bytes_max, limits.history_bytes_max, 6_000]);
    limits.replay_items_max = rng.pick(&[limits.replay_items_max, limits.replay_items_max, 4]);
    limits.kept_rows_max = if rng.one_in(8) { 6 } else { limits.kept_rows_max };
    limits.turn_deliveries_max = rng.pick(&[1, 4, limits.turn_deliveries_max]);
    limits.user_connects_per_minute = 0;
    limits
}

fn faults(rng: &mut Rng) -> Faults {
    Faults {
        short_write: rng.pick(&[0, 3, 30]),
        accept: 0,
        partial_poll: rng.pick(&[0, 2]),
        spurious: rng.pick(&[0, 3]),
        interrupted: rng.pick(&[0, 5]),
        late_bytes: rng.pick(&[0, 2]),
        preempt: rng.pick(&[0, 2, 10]),
    }
}

/// All that a page with every right shows, or one that has but its own; by entity or by `*`.
fn groups(token: usize, rng: &mut Rng) -> Vec<Group> {
    let of_calls = |family: &str| -> Vec<&str> {
        FACTS.values().filter(|fact| fact.call().is_some() && fact.family == family).map(|fact| fact.name).collect()
    };
    let mut groups = Vec::new();
    let (agents, queue) = (AGENTS.map(|agent| agent.to_string()), QUEUE.to_string());
    let own = if token == 0 { &agents[..] } else { &agents[1..] };
    for events in [of_calls("User"), vec!["UserCallbackChanged"], vec!["UserAvailability"]] {
        if rng.one_in(2) {
            groups.push(Group::new(&events, "*", own));
        } else {
            groups.extend(own.iter().map(|agent| Group::new(&events, agent, std::slice::from_ref(agent))));
        }
    }
    if token == 0 {
        let list = LIST.to_string();
        for (events, entity) in
            [(of_calls("Queue"), &queue), (vec!["QueueStatus"], &queue), (vec!["CallbackChanged"], &list)]
        {
            let named = if rng.one_in(2) { "*" } else { entity };
            groups.push(Group::new(&events, named, std::slice::from_ref(entity)));
        }
    }
    groups
}

/// Plays a seed.
pub fn play(seed: u64, reached: &mut Reached) {
    let mut rng = Rng::new(seed ^ 0xFA6E);
    let limits = limits(&mut rng);
    let Limits { keep_ms, open_call_ms, linger_ms, .. } = limits;
    let lives = Lives { keep_ms, open_call_ms, linger_ms };
    let evicts = limits.kept_rows_max < Limits::DEFAULT.kept_rows_max;
    let (shards, is_written) = (1 + rng.below(4), !rng.one_in(3));
    let world = World::new(&Setting { seed, shards, is_written, limits, ..Setting::one_shard() });
    // Longer than anything holds: the hub is sure of what it has.
    world.advance(lives.longest_ms() + 1);
    let pages = [0, 0, 0, 2].into_iter().map(|token| Page::new(token, groups(token, &mut rng))).collect();
    let mut play = Play {
        rng,
        world,
        lives,
        pages,
        publishers: (0..2).map(Publisher::new).collect(),
        taken: BTreeMap::new(),
        places: BTreeMap::new(),
        lost_ms: None,
        forgotten: 0,
        evicts,
        tally: Tally::default(),
        judged: 0,
    };
    for _ in 0..3 {
        let faults = faults(&mut play.rng);
        play.world.set_faults(faults);
        for _ in 0..150 + play.rng.below(150) {
            play.step();
        }
        play.rest();
    }
    play.end();
    reached.pages.add(&play.tally);
    reached.judged += play.judged;
}

impl Play {
    fn now_ms(&self) -> u64 {
        self.world.net().now.unix.ms()
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..=1 => {
                let at = self.rng.below(self.publishers.len());
                self.publishers[at].read(&self.world, WIDE);
                self.publishers[at].speak(&self.world, &FACTS, &mut self.rng);
            }
            2..=5 => {
                let at = self.rng.below(self.pages.len());
                let most = self.rng.pick(&[WIDE, 3_000, 200, 1]);
                self.read(at, most);
                self.speak(at);
            }
            6 if self.rng.one_in(2) => {
                let at = self.rng.below(self.pages.len());
                self.cut(at);
            }
            7 => {
                let ms = if self.rng.one_in(12) {
                    let Lives { linger_ms, open_call_ms, keep_ms } = self.lives;
                    self.rng.pick(&[linger_ms, open_call_ms / 2, open_call_ms, keep_ms]).min(10_000)
                } else {
                    self.rng.pick(&[0, 1, 20, 150])
                };
                self.world.advance(ms);
            }
            8..=9 => self.world.net().drift(),
            10 if self.rng.one_in(10) => self.restart(),
            11 if self.rng.one_in(4) => self.world.ask_for_rows(),
            12 if self.world.is_written => {
                let (most, fails) = (self.rng.below(8), self.rng.one_in(60));
                let chance = self.rng.next();
                self.world.proceed_with_writing(most, fails, chance);
            }
            _ => {
                let shard = self.rng.below(self.world.shards);
                self.world.step(shard);
            }
        }
        self.observe();
    }

    /// What the shards have handed to their members.
    fn observe(&mut self) {
        for (_, fact) in self.world.facts() {
            if let Fact::Delivered { position, event, entity, data, .. } = &fact {
                let place: WirePosition = position.parse().expect("a position");
                let data = std::str::from_utf8(data).expect("text");
                self.take(place.position.number(), event, &entity.to_string(), data);
            }
        }
    }

    /// A publication has its place. Whether it is the last of its key, those who have published
    /// tell, or that it says of itself that another has it now.
    fn take(&mut self, place: u64, event: &str, entity: &str, data: &str) {
        let (event, tag) = (event.to_ascii_lowercase(), tag_of(data.as_bytes()).to_owned());
        let is_moved = event == "usercallbackchanged" && !data.contains(&format!("\"assignedUserId\":\"{entity}\""));
        let is_last = is_moved || self.publishers.iter().any(|publisher| publisher.lasts.contains(&tag));
        let message = Message::new(&FACTS, &event, entity, place >> 10, is_last, data);
        if let Some(before) = self.taken.get(&place) {
            assert_eq!(*before, message, "two at one place");
            return;
        }
        self.taken.insert(place, message);
        self.places.entry((tag, event, entity.to_owned())).or_default().push(place);
    }

    fn read(&mut self, at: usize, most: usize) {
        let by = By { facts: &FACTS, lives: self.lives, now_ms: self.now_ms(), taken: &self.taken };
        self.pages[at].read(&self.world, most, by, &mut self.tally);
    }

    fn speak(&mut self, at: usize) {
        let page = &mut self.pages[at];
        if page.pipe().is_some_and(|id| self.world.pipe(id).ending.is_some()) {
            page.leave();
        }
        if page.pipe().is_none() {
            let capacity = self.rng.pick(&[WIDE, WIDE, 5_000, 700]);
            page.dial(&self.world, capacity);
        }
        page.speak(&self.world, &mut self.rng);
    }

    /// A page's connection breaks, behind any byte; or it is closed, and opened again.
    fn cut(&mut self, at: usize) {
        let Some(id) = self.pages[at].pipe() else { return };
        let unread = self.world.pipe(id).from_hub.len();
        let most = self.rng.below(unread + 1);
        self.read(at, most);
        match self.rng.below(3) {
            0 => self.world.net().break_off(id),
            1 => self.world.net().end(id),
            _ => self.world.pipe(id).lose(),
        }
        if self.rng.one_in(3) {
            self.pages[at].die();
        } else {
            self.pages[at].leave();
        }
    }

    /// The hub is killed; each of its peers has heard so much of what was on its way.
    fn restart(&mut self) {
        for at in 0..self.pages.len() {
            let Some(id) = self.pages[at].pipe() else { continue };
            let unread = self.world.pipe(id).from_hub.len();
            let most = self.rng.below(unread + 1);
            self.read(at, most);
            self.pages[at].leave();
        }
        for publisher in &mut self.publishers {
            let most = self.rng.pick(&[0, WIDE]);
            publisher.read(&self.world, most);
            publisher.leave();
        }
        self.world.advance(1 + self.rng.below(2_000) as u64);
        let shards = 1 + self.rng.below(4);
        let Restored { floor, rows, .. } = self.world.restart(shards);
        if floor.is_none() {
            self.lost_ms = Some(self.now_ms());
            self.forgotten += 1;
        }
        for row in rows {
            let data = std::str::from_utf8(&row.data).expect("text");
            self.take(row.position, row.name.0, &row.name.1.to_string(), data);
        }
    }

    /// Everything that can happen happens: all is published, and all pages have subscribed and
    /// heard.
    fn settle(&mut self) {
        self.world.set_faults(Faults::default());
        for _ in 0..10_000 {
            for at in 0..self.pages.len() {
                self.read(at, WIDE);
                if !self.pages[at].is_live() {
                    self.speak(at);
                }
            }
            for publisher in &mut self.publishers {
                publisher.read(&self.world, WIDE);
                publisher.send(&self.world);
            }
            self.world.settle();
            self.observe();
            let is_there = |id: Option<usize>| {
                id.is_some_and(|id| self.world.pipe(id).ending.is_none() && self.world.pipe(id).from_hub.is_empty())
            };
            let is_quiet = self.pages.iter().all(|page| page.is_live() && is_there(page.pipe()))
                && self.publishers.iter().all(Publisher::is_idle);
            if is_quiet {
                return;
            }
            // Those that rest, or are ahead of their home.
            self.world.advance(50);
        }
        panic!("it never becomes quiet");
    }

    /// All is quiet: each page shows what was published, now and a while later.
    fn rest(&mut self) {
        self.settle();
        self.judge();
        let Lives { linger_ms, open_call_ms, keep_ms } = self.lives;
        let later = self.rng.pick(&[linger_ms, open_call_ms, keep_ms]).min(10_000);
        self.world.advance(later);
        // Who was gone without a word meanwhile is back.
        self.settle();
        self.judge();
    }

    fn judge(&mut self) {
        let (lives, now_ms) = (self.lives, self.now_ms());
        let mut whole = Picture::default();
        self.taken.values().for_each(|message| whole.fold(&FACTS, lives, message, false));
        for (number, page) in self.pages.iter().enumerate() {
            for group in &page.groups {
                let shown = group.picture.shows(lives, now_ms, |_| true);
                let mut expected = whole.shows(lives, now_ms, |message| group.covers(message));
                if group.is_unsure {
                    let may_be = self.evicts || self.lost_ms.is_some();
                    assert!(may_be, "page {number} may have too little of {:?}, for no reason", group.events);
                    continue;
                }
                if group.is_of_values(&FACTS) {
                    expected.retain(|what, said| shown.contains_key(what) || !self.may_lack(said, group));
                }
                assert_eq!(shown, expected, "page {number} shows of {:?} of {}", group.events, group.named);
                self.judged += 1;
            }
        }
        self.check_holders(&whole);
        self.check_ids();
    }

    /// A callback is with one user at a time: who has had it has heard so.
    fn check_holders(&self, whole: &Picture) {
        let shown = whole.shows(self.lives, self.now_ms(), |message| message.event == "usercallbackchanged");
        let keys: BTreeSet<&str> = shown.keys().filter_map(|what| what.split(" of ").next()).collect();
        let may_be = self.evicts || self.lost_ms.is_some();
        assert!(may_be || keys.len() == shown.len(), "with two users: {:?}", shown.keys());
    }

    /// A hub that has lost what it had, or lets go of rows, has no old values of states.
    fn may_lack(&self, said: &Shown, group: &Group) -> bool {
        let (at_ms, _) = said.last().expect("something");
        self.evicts || self.lost_ms.is_some_and(|lost_ms| *at_ms <= lost_ms && group.built_ms >= lost_ms)
    }

    /// What was answered was taken, and once: but for kills that have lost the ids.
    fn check_ids(&self) {
        for publisher in &self.publishers {
            for tag in &publisher.answered {
                let taken = self.places.keys().any(|(of, ..)| of == tag);
                assert!(taken, "{tag} was answered and never taken");
            }
        }
        for ((tag, event, entity), places) in &self.places {
            let sent = self.publishers.iter().find_map(|publisher| publisher.sent.get(tag)).expect("somebody's");
            let most = 1 + self.forgotten.min(sent - 1);
            assert!(places.len() <= most, "{event} of {entity} {} times: {tag} was sent {sent} times", places.len());
        }
    }

    /// Once nothing holds any more of the time when the hub may have lost something, it is sure.
    fn end(&mut self) {
        self.world.advance(2 * self.lives.longest_ms() + 1);
        for at in 0..self.pages.len() {
            self.cut(at);
            self.pages[at].die();
        }
        self.publishers.iter_mut().for_each(Publisher::leave);
        self.settle();
        for _ in 0..20 {
            self.publishers[0].speak(&self.world, &FACTS, &mut self.rng);
            self.settle();
        }
        // Of values it may have lost some, however long ago.
        let is_sure = |page: &Page| page.groups.iter().all(|group| !group.is_unsure || group.is_of_values(&FACTS));
        assert!(self.evicts || self.pages.iter().all(is_sure), "not sure, and nothing is missing");
        self.judge();
    }
}
