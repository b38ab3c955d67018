//! The pure whole of one thread: links, connections, fan-out, deadlines. Bytes, mail and time in;
//! bytes through a [`Wire`], mail and deadlines out. The shell drives it with sockets, a simulation
//! with whatever it likes.
//!
//! In each turn: [`Shard::handle_mail`], [`Shard::handle_bytes`] and its kin,
//! [`Shard::handle_deadlines`], [`Shard::handle_queued`], [`Shard::poll_to_write`] and
//! [`Shard::poll_outbound`] until they are empty, then [`Shard::end_turn`].

use crate::api::routes::Entrance;
use crate::auth::token::Verifier;
use crate::broken::broken;
use crate::clock::{Deadline, Instant, Now};
use crate::close::CloseReason;
use crate::conn::{
    Answer, Arrivals, Books, Caller, Connections, Cx, Delivery, End, Entry, Flow, Handle, Intake, Life, Link, Mail,
    Moved, Numbers, Outbound, Process, Progress, Published, Shared, SnapshotPart, Step, Term, To, ToWrite, Tools, Turn,
    Unwritten, View, WayOut, Whose, obey, polled,
};
use crate::entropy::{Entropy, next_u64};
use crate::hub::home::Home;
use crate::hub::past::Past;
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::Publication;
use crate::hub::registry::{ConnKey, HashSeed};
use crate::hub::{Hub, READ_BYTES_PER_DELIVERY};
use crate::limits::{SMALL_INPUT_BYTES, STRANGERS_WARN_MS, SUBSCRIPTION_BYTES};
use crate::metrics::{Metrics, Refusal};
use crate::schema::Catalogue;
use crate::timer::Timers;
use crate::trace::{Fact, Level, Trace};
use crate::wire::{Failure, LinkKey, Wire};
use core::net::IpAddr;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Deadlines that a turn sees to; what else is due waits for the next one.
const DEADLINES: usize = 128;
/// What it costs to accept a socket, or to close one, in deliveries.
const SOCKET_COST: usize = 128;
/// A link that has less to write is not kept waiting for those that have more.
const SMALL_REPLY_BYTES: usize = 4 * 1024;

/// One thread's links, connections, and all that belongs to them.
///
/// Whoever has no sockets drives it with bytes; a `Vec<u8>` is the [`Wire`] of a single link:
///
/// ```
/// use rte::auth::keys::{KeyOptions, KeySource, Keys};
/// use rte::auth::token::{Options, Verifier};
/// use rte::hub::{position::Epoch, registry::HashSeed};
/// use rte::{clock::Now, conn, entropy::Entropy, limits::Limits};
/// use rte::{schema::Catalogue, shard::Shard, trace::{Level, Trace}};
/// use std::sync::Arc;
///
/// struct Sevens;
/// impl Entropy for Sevens {
///     fn fill(&mut self, bytes: &mut [u8]) {
///         bytes.fill(7);
///     }
/// }
///
/// let source = KeySource::Secret("a secret of at least thirty-two bytes".to_owned());
/// let keys = Keys::new(&[KeyOptions { id: None, algorithm: None, issuers: Vec::new(), source }]).unwrap();
/// let verifier = Verifier::new(Options::new(keys)).unwrap();
/// let epoch = Epoch::begin(Now::from_ms(0, 0), 7);
/// let shared = conn::Shared::new(conn::Options::default(), Limits::DEFAULT, 1, HashSeed(1, 2), epoch);
/// let (catalogue, trace) = (Catalogue::built_in(None), Trace::new(Level::Info));
/// let (shared, catalogue, verifier) = (Arc::new(shared), Arc::new(catalogue), Arc::new(verifier));
/// let mut shard = Shard::new(0, shared, catalogue, verifier, Box::new(Sevens), trace);
///
/// let (now, mut wire) = (Now::from_ms(0, 0), Vec::new());
/// let link = shard.open([192, 0, 2, 1].into(), now);
/// let mut request = b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec();
/// assert!(shard.handle_bytes(link, &mut request, now, &mut wire), "it would read on");
/// shard.end_turn(now, &mut wire);
/// assert!(wire.starts_with(b"HTTP/1.1 200 OK\r\n") && wire.ends_with(b"ok\n"));
/// ```
pub struct Shard {
    number: usize,
    shared: Arc<Shared>,
    catalogue: Arc<Catalogue>,
    verifier: Arc<Verifier>,
    /// The one place where links are stored; empty while an event is with one.
    links: SlotMap<LinkKey, Option<Link>>,
    connections: Connections,
    /// Those of the links that have shown no token; each other public one has a place.
    strangers: Arrivals,
    /// Those that came in by the listener for the inside, which need none.
    internal: Arrivals,
    strangers_warn_at: Deadline,
    numbers: Numbers,
    /// What is still to be done behind an event; empty between them.
    steps: Vec<Step>,
    hub: Hub,
    home: Home,
    intake: Intake,
    unwritten: Unwritten,
    timers: Timers<Whose>,
    tools: Tools,
    entropy: Box<dyn Entropy>,
    /// What has been counted, and the notable facts since the shell last looked.
    pub(crate) books: Books,
    outbound: Outbound,
    /// What goes to whatever writes, before the records of this turn.
    to_write: Vec<ToWrite>,
    /// Links with bytes of their own to write at the end of the turn.
    dirty: Vec<LinkKey>,
    /// Links that read again after a pause.
    resumed: Vec<LinkKey>,
    /// Links that go to another shard.
    moved: Vec<(LinkKey, usize, Moved)>,
    /// Whose deadline has come, in that order.
    fired: VecDeque<Whose>,
    /// Memory of what peers have sent and what is not done with.
    input_bytes: usize,
    /// Memory of what else is kept, as far as it has been told.
    noted_bytes: usize,
    /// Connections to look at after a flush, and how much their sockets took; empty between turns.
    attention: Vec<(ConnKey, usize)>,
}

/// A link, to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The connection whose bytes it carries.
    pub connection: Option<ConnKey>,
    /// Whether that is past its handshake.
    pub is_open: bool,
    /// Whether only its last bytes matter.
    pub is_ending: bool,
    /// Whether nothing more is taken for its connection, which is given up, or whose socket has
    /// failed.
    pub is_sealed: bool,
    /// Whether its bytes should be read.
    pub wants_input: bool,
    /// Whether they are not, since its peer has used up its allowance of work.
    pub rests: bool,
    /// Bytes that wait for its socket.
    pub backlog_bytes: usize,
    /// When something is due.
    pub deadline: Deadline,
    /// Since when its socket has taken nothing, where it is full.
    pub blocked_since: Option<Instant>,
}

impl Shard {
    /// A shard without links.
    pub fn new(
        number: usize,
        shared: Arc<Shared>,
        catalogue: Arc<Catalogue>,
        verifier: Arc<Verifier>,
        mut entropy: Box<dyn Entropy>,
        trace: Trace,
    ) -> Shard {
        let seed = HashSeed(next_u64(entropy.as_mut()), next_u64(entropy.as_mut()));
        let hub = Hub::new(seed, &shared.limits, Arc::clone(&shared.backlog));
        let term = shared.journal.term();
        let home = Home::new(seed, &shared.limits, term.epoch, &shared.totals, shared.shards);
        Shard {
            numbers: Numbers::new(number, shared.shards),
            number,
            shared,
            catalogue,
            verifier,
            links: SlotMap::with_key(),
            connections: Connections::with_key(),
            strangers: Arrivals::new(seed),
            internal: Arrivals::new(seed),
            strangers_warn_at: Deadline::at(Instant::default()),
            steps: Vec::new(),
            hub,
            home,
            intake: Intake::default(),
            unwritten: Unwritten::new(term),
            timers: Timers::default(),
            tools: Tools::default(),
            entropy,
            books: Books::new(trace),
            outbound: Outbound::default(),
            to_write: Vec::new(),
            dirty: Vec::new(),
            resumed: Vec::new(),
            moved: Vec::new(),
            fired: VecDeque::new(),
            input_bytes: 0,
            noted_bytes: 0,
            attention: Vec::new(),
        }
    }

    /// Takes back what files have kept of this shard's partitions, before anything else comes.
    pub fn restore(&mut self, past: Past, now: Now) {
        self.home.restore(past, now);
    }

    /// Another catalogue is in force; events keep their numbers.
    pub(crate) fn replace_catalogue(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
        self.tools.forget_descriptions();
    }

    /// Tokens are checked by another verifier from now on; whoever is connected stays.
    pub(crate) fn replace_verifier(&mut self, verifier: Arc<Verifier>) {
        self.verifier = verifier;
        self.tools.forget_descriptions();
    }

    /// Whether a token has wanted a key, since the last call, that a fresher set may have.
    pub(crate) fn take_missing_key(&self) -> bool {
        self.verifier.take_missing_key()
    }

    /// A socket that came in there is about to be opened: the oldest of its kind makes room for it
    /// where this shard has its share of them, or `is_crowded` says that the process has no room.
    pub fn make_room(&mut self, entrance: Entrance, is_crowded: bool, now: Now, wire: &mut dyn Wire) {
        let limits = &self.shared.limits;
        let (arrivals, most) = match entrance {
            Entrance::Only | Entrance::Public => (&self.strangers, limits.strangers_max),
            Entrance::Internal => (&self.internal, limits.internal_max),
        };
        let count = arrivals.count();
        let is_full = is_crowded || count >= most.div_ceil(self.shared.shards);
        let Some(oldest) = arrivals.oldest().filter(|_| is_full) else { return };
        if self.strangers_warn_at.is_due(now) {
            self.strangers_warn_at = now.after_ms(STRANGERS_WARN_MS);
            self.books.trace.note(Level::Warn, || Fact::StrangersCrowd { strangers: count });
        }
        self.with(oldest, now, wire, |link, _| link.make_room());
    }

    /// Links of this shard that have shown no token.
    pub(crate) fn stranger_count(&self) -> usize {
        self.strangers.count()
    }

    /// A socket has been accepted.
    pub fn open(&mut self, peer: IpAddr, now: Now) -> LinkKey {
        self.open_at(self.shared.options.entrance(), peer, now)
    }

    /// A socket has been accepted by that listener.
    pub fn open_at(&mut self, entrance: Entrance, peer: IpAddr, now: Now) -> LinkKey {
        self.hub.spend(SOCKET_COST);
        let conn = self.numbers.take();
        let timers = &mut self.timers;
        let accept = |key| Some(Link::accepted(conn, timers.add(Whose::Link(key)), entrance, peer, now));
        let key = self.links.insert_with_key(accept);
        match entrance {
            Entrance::Only | Entrance::Public => self.strangers.enter(key),
            Entrance::Internal => self.internal.enter(key),
        }
        self.note_kept();
        self.books.metrics.accepted += 1;
        self.books.trace.note(Level::Debug, || Fact::Opened { conn, peer });
        self.arm(key);
        key
    }

    /// A link comes from another shard, and is as it was there. Once its socket is in its place,
    /// [`Shard::resume`] lets it look at the bytes that it brought.
    pub fn adopt(&mut self, moved: Moved) -> LinkKey {
        let (timers, is_stranger) = (&mut self.timers, moved.is_stranger);
        let is_internal = moved.entrance == Entrance::Internal;
        let key = self.links.insert_with_key(|key| Some(Link::adopted(moved, timers.add(Whose::Link(key)))));
        if is_internal {
            self.internal.enter(key);
        } else if is_stranger {
            self.strangers.enter(key);
        }
        let input_bytes = self.link(key).map_or(0, |link| link.input_bytes(&self.connections));
        self.note_input(0, input_bytes);
        self.arm(key);
        key
    }

    /// Lets a link go on with the bytes that it brought; ends it in time where the hub drains.
    pub fn resume(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::resume);
        if self.process().drain.has_begun() {
            self.with(key, now, wire, |link, cx| link.drain(0, cx));
        }
    }

    /// A link shall go to another shard, before its next request is looked at:
    /// [`Shard::poll_moved`] names it once nothing is unanswered and nothing unsent. A link that
    /// carries a connection stays.
    pub fn move_link(&mut self, key: LinkKey, shard: usize, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, |link, _| link.move_to(shard));
    }

    /// A link that has gone, to which shard, and what goes with its socket.
    pub fn poll_moved(&mut self) -> Option<(LinkKey, usize, Moved)> {
        self.moved.pop()
    }

    /// A socket that no descriptor is left for has been turned away; so many bytes of it were read.
    pub fn note_full(&mut self, peer: IpAddr, read: usize) {
        self.books.metrics.accepted += 1;
        self.books.metrics.bytes_in += read as u64;
        self.books.metrics.refuse(Refusal::Full);
        self.books.metrics.closed[CloseReason::Full.index()] += 1;
        let fact = || Fact::Refused { conn: 0, client: peer, status: 503, why: "no descriptor is left" };
        self.books.trace.note(Level::Debug, fact);
    }

    /// Bytes have been read; they may be spoilt. False when the link wants no more for now:
    /// [`Shard::poll_resumed`] will name it.
    pub fn handle_bytes(&mut self, key: LinkKey, bytes: &mut [u8], now: Now, wire: &mut dyn Wire) -> bool {
        let Some(link) = self.links.get(key).and_then(Option::as_ref) else {
            // It had to make room while they were read.
            self.books.metrics.bytes_in += bytes.len() as u64;
            return false;
        };
        let connections = &self.connections;
        self.books.trace.note(Level::Trace, || Fact::Read { conn: link.number(connections), bytes: bytes.len() });
        self.hub.begin_portion(bytes.len() / READ_BYTES_PER_DELIVERY);
        self.with(key, now, wire, |link, cx| link.handle_bytes(bytes, cx));
        self.wants_input(key)
    }

    /// The peer sends no more.
    pub fn handle_eof(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::handle_eof);
    }

    /// The socket failed.
    pub fn handle_failure(&mut self, key: LinkKey, failure: Failure, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, |link, cx| link.handle_failure(failure, cx));
    }

    /// The socket takes bytes again.
    pub fn handle_writable(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::handle_writable);
    }

    /// Whether bytes of this link should be read.
    pub fn wants_input(&self, key: LinkKey) -> bool {
        self.link(key).is_some_and(|link| link.wants_input(self.view()))
    }

    /// A link that reads again.
    pub fn poll_resumed(&mut self) -> Option<LinkKey> {
        self.resumed.pop()
    }

    /// Whether the turn has had its work: what else is ready waits for the next one.
    pub fn is_spent(&self) -> bool {
        self.hub.is_spent()
    }

    /// Whether mail should be handed over. While it should not, what has come before still waits.
    pub fn takes_mail(&self) -> bool {
        self.intake.takes_mail(&self.shared.limits)
    }

    /// Whether something waits to be written.
    pub fn waits_for_writing(&self) -> bool {
        self.unwritten.waits()
    }

    /// Some of it is written by now.
    pub fn handle_progress(&mut self, progress: Progress, now: Now, wire: &mut dyn Wire) {
        self.unwritten.handle_progress(progress, now);
        self.proceed_with_written(now, wire);
    }

    /// Mail of a sibling; what the turn has no room for waits in its order.
    pub fn handle_mail(&mut self, mail: Mail, now: Now, wire: &mut dyn Wire) {
        self.intake.push_mail(mail);
        self.proceed_with_mail(now, wire);
    }

    /// What has waited goes on, as far as the turn has room for it.
    pub fn handle_queued(&mut self, now: Now, wire: &mut dyn Wire) {
        self.hub.begin_second_half(now);
        self.proceed_with_mail(now, wire);
        self.proceed_with_written(now, wire);
        self.proceed_with_requests(now, wire);
        self.proceed_with_ahead(now, wire);
        self.proceed_with_links(now, wire);
    }

    /// Links go on with what they have read, a portion each; one of them does in any case.
    fn proceed_with_links(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut links = self.intake.waiting.len();
        while links > 0
            && let Some(whose) = self.intake.waiting.pop_front()
        {
            self.hub.begin_portion(0);
            let key = match whose {
                Whose::Link(key) => Some(key),
                Whose::Connection(conn) => self.carrier(conn, now, wire, |mut it| it.proceed()),
            };
            if let Some(key) = key {
                self.with(key, now, wire, Link::proceed);
                self.note_resumed(key);
            }
            links = if self.hub.is_spent() { 0 } else { links - 1 };
        }
    }

    fn proceed_with_mail(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some((mail, delivered)) = self.intake.pop_mail() {
            let Mail::Publications(publications) = mail else {
                self.take_letter(mail, now, wire);
                continue;
            };
            let delivered = self.deliver(&publications, delivered, now, wire);
            if delivered < publications.len() {
                return self.intake.put_back_mail(Mail::Publications(publications), delivered);
            }
        }
    }

    /// Delivers what a sibling has stamped, from there on; how far that came.
    fn deliver(&mut self, publications: &[Publication], from: usize, now: Now, wire: &mut dyn Wire) -> usize {
        let (_, mut turn) = self.turn(now, wire);
        let mut delivery = Delivery::of(&mut turn);
        let mut delivered = from;
        while let Some(publication) = publications.get(delivered)
            && !delivery.hub.is_spent()
            && !delivery.hub.is_crowded(&publication.topic)
        {
            delivery.deliver(publication);
            delivered += 1;
        }
        self.books.metrics.from_siblings += (delivered - from) as u64;
        delivered
    }

    /// What is written by now goes to the members, and who waited for it is answered.
    fn proceed_with_written(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some(entry) = self.unwritten.first()
            && !self.hub.is_spent()
        {
            if let Entry::Publication { publication, is_news: true, .. } = entry
                && self.hub.is_crowded(&publication.topic)
            {
                return;
            }
            match self.unwritten.pop() {
                Some(Entry::Publication { publication, is_news: true, .. }) => {
                    let (_, mut turn) = self.turn(now, wire);
                    Delivery::of(&mut turn).send(publication);
                }
                Some(Entry::Publication { .. }) | None => {}
                Some(Entry::Answer { to, caller, mut answer }) => {
                    answer.bring_to(&self.home);
                    self.answer(to, caller, answer, now, wire);
                }
            }
        }
    }

    /// Stamps what waits, an item of each link after the other.
    fn proceed_with_requests(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut in_vain = 0;
        let is_full = self.unwritten.is_full(&self.shared.limits);
        while in_vain < self.intake.queue_count()
            && !self.hub.is_spent()
            && !self.unwritten.is_full(&self.shared.limits)
            && let Some(mut queue) = self.intake.next()
        {
            let may_go = queue.first().is_none_or(|publication| self.hub.takes(&publication.topic));
            if may_go && let Some(unstamped) = self.intake.take(&mut queue) {
                let (_, mut turn) = self.turn(now, wire);
                if let Some(again) = Delivery::of(&mut turn).stamp_once(unstamped) {
                    queue.note_again(again);
                }
            }
            in_vain = if may_go { 0 } else { in_vain + 1 };
            let (from, link, done) = (queue.from, queue.link, queue.take_done());
            self.intake.put_back(queue);
            if let Some((ticket, duplicates)) = done {
                let answer = Answer::Published(Published::by(&self.home, duplicates));
                self.answer_in_order(from, Caller::Request { link, ticket }, answer, now, wire);
            }
        }
        // What is written at the end of the turn may be what they wait for, and no edge will tell.
        let all_wait = in_vain > 0 && in_vain == self.intake.queue_count();
        self.intake.is_waiting = is_full || all_wait && !self.hub.is_dirty();
    }

    /// Answers behind all that has been stamped: at once, unless some of it is to be written.
    fn answer_in_order(&mut self, to: usize, caller: Caller, answer: Answer, now: Now, wire: &mut dyn Wire) {
        if self.unwritten.is_behind() {
            self.unwritten.push_answer(to, caller, answer);
        } else {
            self.answer(to, caller, answer, now, wire);
        }
    }

    /// Questions that were ahead of this home are answered once it has come there, or their time is
    /// over.
    fn proceed_with_ahead(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some(question) = self.intake.ahead.take(self.home.last(), now) {
            let block = self.home.recover(question.organization, &question.wanted, now);
            self.answer_in_order(question.from, question.caller, Answer::Block(block), now, wire);
        }
    }

    fn answer(&mut self, to: usize, caller: Caller, answer: Answer, now: Now, wire: &mut dyn Wire) {
        if to == self.number {
            self.handle_answer(caller, answer, now, wire);
        } else if matches!(answer, Answer::Block(_)) {
            // Its place among the publications is the cut.
            self.outbound.post(To::Shard(to), Mail::Answered { caller, answer });
        } else {
            self.outbound.post_last(To::Shard(to), Mail::Answered { caller, answer });
        }
    }

    fn take_letter(&mut self, mail: Mail, now: Now, wire: &mut dyn Wire) {
        match mail {
            Mail::Publications(_) => broken("publications are delivered one by one"),
            Mail::Publish { from, link, ticket, publications } => self.intake.push(from, link, ticket, publications),
            Mail::Ask { from, caller, question } => match self.turn(now, wire).1.answer(from, caller, question) {
                Some(answer @ (Answer::Block(_) | Answer::Position(_))) => {
                    self.answer_in_order(from, caller, answer, now, wire);
                }
                Some(answer) => self.answer(from, caller, answer, now, wire),
                None => {}
            },
            Mail::Order { from, caller, order } => {
                let (connections, mut turn) = self.turn(now, wire);
                let (answer, changed) = obey(&order, connections, &mut turn);
                for conn in changed {
                    match self.polls(conn) {
                        true => self.look_at(conn),
                        false => self.hub.link(conn).into_iter().for_each(|key| self.arm(key)),
                    }
                }
                self.answer(from, caller, answer, now, wire);
            }
            Mail::Withdraw(from, caller) => self.intake.ahead.withdraw(from, caller),
            Mail::Term => self.look_at_term(now),
            Mail::Checkpoint => {
                self.look_at_term(now);
                self.hand_over_rows(now);
            }
            Mail::Answered { caller, answer } => self.handle_answer(caller, answer, now, wire),
            Mail::Drain => self.drain(now, wire),
        }
    }

    fn handle_answer(&mut self, caller: Caller, answer: Answer, now: Now, wire: &mut dyn Wire) {
        let key = match caller {
            Caller::Request { link, ticket } => {
                self.with(link, now, wire, |link, cx| link.handle_answer_to_request(ticket, answer, cx));
                Some(link)
            }
            Caller::Connection(conn) if self.polls(conn) => {
                self.with_polled(conn, now, wire, |mut it| it.handle_answer(answer));
                None
            }
            Caller::Connection(conn) => {
                let key = self.hub.link(conn);
                if let Some(key) = key {
                    self.with(key, now, wire, |link, cx| link.handle_answer_to_connection(answer, cx));
                }
                key
            }
        };
        self.resumed.extend(key);
    }

    /// Another term may have begun.
    fn look_at_term(&mut self, now: Now) {
        let (term, former) = (self.shared.journal.term(), self.unwritten.term);
        if term.number == former.number {
            return;
        }
        self.unwritten.begin(term);
        if term.epoch != former.epoch {
            let home = &mut self.home;
            // What nobody has heard of yet becomes a part of the new epoch, in its place.
            let first = self.unwritten.publications().find_map(|(publication, _)| publication.position());
            home.begin(term.epoch, first.map_or(home.last(), Position::before));
            for (publication, is_news) in self.unwritten.publications() {
                publication.stamp.iter_mut().for_each(|stamp| stamp.epoch = term.epoch);
                if is_news {
                    home.record(publication.clone());
                }
            }
        }
        if term.is_written {
            self.hand_over_rows(now);
        }
    }

    /// What holds goes to whatever writes, behind the records that it follows from.
    fn hand_over_rows(&mut self, now: Now) {
        if !self.unwritten.term.is_written {
            return;
        }
        self.to_write.extend(self.unwritten.poll_records(self.number));
        self.to_write.push(ToWrite::Rows {
            shard: self.number,
            term: self.unwritten.term.number,
            part: SnapshotPart {
                place: self.home.last(),
                gaps: self.home.gaps(),
                rows: self.home.held().cloned().collect(),
                catalogue: Arc::clone(&self.catalogue),
                ids: self.home.ids_held(now).collect(),
            },
        });
    }

    /// Nothing has been written for too long: the hub goes on without.
    fn lose_journal(&mut self, now: Now) {
        let term = self.unwritten.term;
        let epoch = Epoch::begin(now, next_u64(self.entropy.as_mut()));
        if let Some(Term { epoch, .. }) = self.shared.journal.lose(term.number, epoch) {
            let why = format!("nothing was written for {} ms", self.shared.limits.journal_stall_ms);
            self.books.trace.note(Level::Error, || Fact::JournalLost { why, epoch: epoch.to_string() });
            self.outbound.post(To::Siblings, Mail::Term);
        }
        self.look_at_term(now);
    }

    /// What is to be written, in this order.
    pub fn poll_to_write(&mut self) -> impl Iterator<Item = ToWrite> {
        self.to_write.extend(self.unwritten.poll_records(self.number));
        self.to_write.drain(..)
    }

    /// Deadlines that have come.
    pub fn handle_deadlines(&mut self, now: Now, wire: &mut dyn Wire) {
        if self.unwritten.stalls_at(&self.shared.limits).is_due(now) {
            self.lose_journal(now);
        }
        self.timers.poll(now, &mut self.fired);
        for _ in 0..DEADLINES {
            let Some(timed) = self.fired.pop_front() else { break };
            let key = match timed {
                Whose::Link(key) => Some(key),
                Whose::Connection(conn) => self.carrier(conn, now, wire, |mut it| it.handle_deadline()),
            };
            if let Some(key) = key {
                let wanted_input = self.wants_input(key);
                self.with(key, now, wire, Link::handle_deadline);
                if !wanted_input {
                    self.note_resumed(key);
                }
            }
        }
    }

    /// When something is due.
    pub fn next_deadline(&self) -> Deadline {
        let excuse = if self.intake.has_requests() { self.hub.next_excuse() } else { Deadline::NEVER };
        let stalls_at = self.unwritten.stalls_at(&self.shared.limits);
        self.timers.next_deadline().min(excuse).min(self.intake.ahead.next_deadline()).min(stalls_at)
    }

    /// What goes to the siblings, in this order; before the flush, so that who reads a reply knows
    /// that the siblings have what it tells of.
    pub fn poll_outbound(&mut self) -> impl Iterator<Item = (To, Mail)> {
        self.outbound.drain()
    }

    /// Whether another turn should follow at once.
    pub fn has_work(&self) -> bool {
        self.hub.is_dirty()
            || self.intake.has_work()
            || self.unwritten.first().is_some()
            || !self.dirty.is_empty()
            || !self.fired.is_empty()
            || !self.resumed.is_empty()
            || !self.moved.is_empty()
    }

    /// Writes what waits, each link once, and ends who has been given up. Of large replies as much
    /// is written as a turn has room for.
    pub fn end_turn(&mut self, now: Now, wire: &mut dyn Wire) {
        self.end_doomed(now, wire);
        let mut attention = std::mem::take(&mut self.attention);
        let connections = &mut self.connections;
        self.hub.flush(now, wire, |conn, taken, left| {
            let Some(connection) = connections.get_mut(conn) else { return };
            if taken > 0 {
                connection.note_spoken(now.mono);
            }
            // Nothing to do for a connection that keeps up, which is what nearly all are.
            if left > 0 || !connection.is_open() || connection.waits_for_reader() {
                attention.push((conn, taken));
            }
        });
        for (conn, taken) in attention.drain(..) {
            let Some(key) = self.hub.link(conn) else { continue };
            self.with(key, now, wire, |link, cx| link.handle_flushed(taken, cx));
            self.note_resumed(key);
        }
        self.attention = attention;
        self.flush_links(now, wire);
        self.end_doomed(now, wire);
        self.home.shrink(now);
        self.note_kept();
    }

    /// Writes what links have of their own: all that is small, and of the large as much as a turn
    /// has room for, one of them in any case.
    fn flush_links(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|key| {
            let is_large = self.link(*key).is_some_and(|link| link.backlog_bytes(&self.hub) > SMALL_REPLY_BYTES);
            if !is_large {
                self.flush_link(*key, now, wire);
            }
            is_large
        });
        let (mut left, mut flushed) = (self.hub.writes_max(), 0);
        while left > 0
            && let Some(key) = dirty.get(flushed)
        {
            let before = self.books.metrics.bytes_out;
            self.flush_link(*key, now, wire);
            left = left.saturating_sub(self.hub.write_cost(self.books.metrics.bytes_out - before));
            flushed += 1;
        }
        dirty.drain(..flushed);
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn flush_link(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::flush);
        self.note_resumed(key);
    }

    fn note_resumed(&mut self, key: LinkKey) {
        if self.wants_input(key) {
            self.resumed.push(key);
        }
    }

    /// The fan-out, to look at: memberships and backlogs.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// A link, to look at.
    pub fn look(&self, key: LinkKey) -> Option<Look> {
        let (link, view) = (self.link(key)?, self.view());
        let connection = link.connection();
        Some(Look {
            connection,
            is_open: connection.and_then(|conn| self.connections.get(conn)).is_some_and(|it| it.is_open()),
            is_ending: link.is_ending(),
            is_sealed: connection.is_some_and(|conn| self.hub.is_sealed(conn)),
            wants_input: link.wants_input(view),
            rests: link.rests(view),
            backlog_bytes: link.backlog_bytes(&self.hub),
            deadline: link.deadline(key, view).0,
            blocked_since: link.blocked_since(&self.hub),
        })
    }

    /// What this shard has counted.
    pub(crate) fn numbers(&mut self, now: Now, wire: &mut dyn Wire) -> Metrics {
        self.turn(now, wire).1.measure()
    }

    /// Memory of what this shard keeps of the past.
    pub fn past_bytes(&self) -> usize {
        self.home.memory_bytes()
    }

    /// Links of this shard.
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// The hub has given up connections, or sockets have failed.
    fn end_doomed(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some(doomed) = self.hub.poll_doomed() {
            if self.polls(doomed.conn) {
                let end = End::given_up(doomed.reason, doomed.lost_bytes);
                self.with_polled(doomed.conn, now, wire, |it| it.end_once(end));
            } else if let Some(key) = self.hub.link(doomed.conn) {
                self.with(key, now, wire, |link, cx| link.handle_doomed(doomed, cx));
            }
        }
    }

    fn drain(&mut self, now: Now, wire: &mut dyn Wire) {
        let keys: Vec<LinkKey> = self.links.keys().collect();
        let spread_ms = self.shared.limits.drain_spread_ms.max(1);
        for key in keys {
            let share_ms = next_u64(self.entropy.as_mut()) % spread_ms;
            self.with(key, now, wire, |link, cx| link.drain(share_ms, cx));
        }
        let polled: Vec<ConnKey> = self.connections.keys().filter(|conn| self.polls(*conn)).collect();
        for conn in polled {
            let share_ms = next_u64(self.entropy.as_mut()) % spread_ms;
            self.with_polled(conn, now, wire, |mut it| it.drain(share_ms));
        }
    }

    /// Whether a connection has no link of its own.
    fn polls(&self, conn: ConnKey) -> bool {
        self.hub.polls(conn)
    }

    /// The link that carries a connection and is to be given an event of it. One that polls has
    /// none, and has had the event.
    fn carrier(
        &mut self,
        conn: ConnKey,
        now: Now,
        wire: &mut dyn Wire,
        event: impl FnOnce(Handle<'_, '_>) -> Flow,
    ) -> Option<LinkKey> {
        if !self.polls(conn) {
            return self.hub.link(conn);
        }
        self.with_polled(conn, now, wire, event);
        None
    }

    /// Gives an event to a connection that polls, if it is still there, and sees to what follows.
    fn with_polled(
        &mut self,
        conn: ConnKey,
        now: Now,
        wire: &mut dyn Wire,
        event: impl FnOnce(Handle<'_, '_>) -> Flow,
    ) {
        let (connections, mut turn) = self.turn(now, wire);
        let Some(connection) = connections.get_mut(conn) else { return };
        let before = connection.input_bytes();
        let flow = event(Handle { key: conn, connection, turn: &mut turn });
        if let Flow::End(end) = flow {
            polled::end(&end, Handle { key: conn, connection, turn: &mut turn });
        }
        let after = connection.input_bytes();
        self.note_input(before, after);
        self.look_at(conn);
        self.take_steps(now, wire);
    }

    /// Looks at the deadline of a connection that polls.
    fn look_at(&mut self, conn: ConnKey) {
        if let Some(connection) = self.connections.get(conn) {
            let deadline = connection.next_deadline(conn, &self.hub, &self.shared.limits);
            self.timers.arm_sooner(connection.timer(), deadline);
        }
    }

    /// Does what an event has led to beside its own link.
    fn take_steps(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain(..) {
            match step {
                Step::Answer(poll) => self.with(poll, now, wire, |link, cx| link.handle_flushed(0, cx)),
                Step::Replaced(poll) => self.with(poll, now, wire, Link::replaced),
                Step::End(conn, end) => {
                    if let Some(key) = self.carrier(conn, now, wire, |it| it.end_once(end.clone())) {
                        self.with(key, now, wire, |link, cx| link.end_connection(end, cx));
                    }
                }
                Step::Input(before, after) => self.note_input(before, after),
                Step::Look(conn) => self.look_at(conn),
                Step::Free(conn) => {
                    let (connections, mut turn) = self.turn(now, wire);
                    polled::free(conn, connections, &mut turn);
                }
            }
        }
        if self.steps.is_empty() {
            self.steps = steps;
        }
    }

    /// Hands a link, if it is still there, to `then`, stores what it becomes, and sees to what that
    /// needs.
    fn with(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire, then: impl FnOnce(Link, &mut Cx<'_, '_>) -> Link) {
        self.with_link(key, now, wire, then);
        if !self.steps.is_empty() {
            self.take_steps(now, wire);
        }
    }

    fn with_link(
        &mut self,
        key: LinkKey,
        now: Now,
        wire: &mut dyn Wire,
        then: impl FnOnce(Link, &mut Cx<'_, '_>) -> Link,
    ) {
        let Some(link) = self.links.get_mut(key).and_then(Option::take) else { return };
        let before = link.input_bytes(&self.connections);
        self.note_input(before, 0);
        let (connections, mut turn) = self.turn(now, wire);
        let mut link = then(link, &mut Cx { link: key, connections, turn: &mut turn });
        let after = link.input_bytes(connections);
        if after > before.max(SMALL_INPUT_BYTES) && !turn.hub.share().all().has_room(after) {
            link = link.give_up_input(&mut Cx { link: key, connections, turn: &mut turn });
        }
        self.note_input(0, link.input_bytes(&self.connections));
        if let Some(shard) = link.moves_now() {
            return self.part_with(key, link, shard);
        }
        if link.why_over().is_some() {
            return self.free(key, link, now, wire);
        }
        if link.takes_place_to_flush() {
            self.dirty.push(key);
        }
        if let Some(place) = self.links.get_mut(key) {
            *place = Some(link);
        }
        self.arm(key);
    }

    /// What the peer of a link has sent, and is not done with, took so much memory, and takes so
    /// much now.
    fn note_input(&mut self, before: usize, now: usize) {
        if before != now {
            self.input_bytes = self.input_bytes - before + now;
            self.shared.backlog.note_besides(before, now);
        }
    }

    /// What else this shard keeps, but for backlogs.
    fn kept_bytes(&self) -> usize {
        let subscriptions = self.hub.registry.subscription_count() * SUBSCRIPTION_BYTES;
        let links = self.links.len() * self.shared.link_bytes;
        subscriptions + links + self.intake.bytes() + self.home.memory_bytes()
    }

    fn note_kept(&mut self) {
        let now = self.kept_bytes();
        if now != self.noted_bytes {
            self.shared.backlog.note_besides(std::mem::replace(&mut self.noted_bytes, now), now);
        }
    }

    fn part_with(&mut self, key: LinkKey, link: Link, shard: usize) {
        self.note_input(link.input_bytes(&self.connections), 0);
        let (_, _, timer) = link.deadline(key, self.view());
        if let Some(timer) = timer {
            self.timers.remove(timer);
        }
        self.links.remove(key);
        let is_stranger = self.strangers.leave(key);
        self.internal.leave(key);
        self.moved.extend(link.into_moved(is_stranger).map(|moved| (key, shard, moved)));
    }

    fn free(&mut self, key: LinkKey, mut link: Link, now: Now, wire: &mut dyn Wire) {
        let (Some(why), Some(life)) = (link.why_over(), link.life(&self.hub, now)) else { return };
        if let (_, _, Some(timer)) = link.deadline(key, self.view()) {
            self.timers.remove(timer);
        }
        self.links.remove(key);
        self.hub.spend(SOCKET_COST);
        if !self.strangers.leave(key) && !self.internal.leave(key) {
            self.shared.places.give_back();
        }
        let conn = link.number(&self.connections);
        let cut = link.free(&mut self.hub, &mut self.connections, &self.shared.quotas, &mut self.books.metrics);
        self.books.metrics.closed[why.reason.index()] += 1;
        let Life { age_s, backlog_bytes, delivered } = life;
        let fact = Fact::Closed { conn, reason: why.reason, detail: why.detail, age_s, backlog_bytes, delivered };
        self.books.trace.note(fact.level(), || fact);
        wire.close(key, cut);
    }

    /// Looks at the deadline of a link, which is its connection's where it carries one.
    fn arm(&mut self, key: LinkKey) {
        let Some(link) = self.link(key) else { return };
        if let (deadline, timed, Some(timer)) = link.deadline(key, self.view()) {
            self.timers.hand_over(timer, timed);
            self.timers.arm_sooner(timer, deadline);
        }
    }

    fn link(&self, key: LinkKey) -> Option<&Link> {
        self.links.get(key)?.as_ref()
    }

    fn view(&self) -> View<'_> {
        View { connections: &self.connections, hub: &self.hub, limits: &self.shared.limits }
    }

    fn process(&self) -> Process<'_> {
        Process::new(self.number, &self.shared, &self.catalogue, &self.verifier)
    }

    fn turn<'t>(&'t mut self, now: Now, wire: &'t mut dyn Wire) -> (&'t mut Connections, Turn<'t>) {
        // The gauges are cheap here and nowhere else.
        self.books.metrics.open = self.links.len() as u64;
        self.books.metrics.strangers = self.strangers.count() as u64;
        self.books.metrics.internal = self.internal.count() as u64;
        self.books.metrics.input_bytes = self.input_bytes as u64;
        let turn = Turn {
            now,
            process: Process::new(self.number, &self.shared, &self.catalogue, &self.verifier),
            hub: &mut self.hub,
            home: &mut self.home,
            intake: &mut self.intake,
            steps: &mut self.steps,
            timers: &mut self.timers,
            numbers: &mut self.numbers,
            strangers: &mut self.strangers,
            internal: &mut self.internal,
            unwritten: &mut self.unwritten,
            books: &mut self.books,
            out: WayOut { wire, mail: &mut self.outbound, entropy: self.entropy.as_mut() },
            tools: &mut self.tools,
        };
        (&mut self.connections, turn)
    }
}
