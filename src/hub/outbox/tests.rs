use super::super::arena::Lane;
use super::super::backlog::Backlog;
use super::super::encoding::Form;
use super::super::frames::Frames;
use super::super::publication::{EventTraits, Payload};
use super::super::topic::Topic;
use super::*;
use crate::schema::EventId;
use proptest::prelude::*;
use std::collections::VecDeque;
use uuid::Uuid;

const BOUNDS: OutboxBounds = OutboxBounds { soft_bytes: 600, hard_bytes: 1500, overrun_ms: 0 };
const TOPIC: Topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };

/// Where a record came from, as far as conflation cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Answer,
    Occurrence,
    State(Topic),
}

#[derive(Clone, Debug)]
enum Step {
    /// A record with so many bytes of data: an answer, an occurrence, or a state of one of two
    /// topics.
    Push(usize, u8),
    Send(usize),
    Evict,
    EndTurn,
    Discard,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1usize..300, 0u8..4).prop_map(|(len, what)| Step::Push(len, what)),
        4 => (0usize..900).prop_map(Step::Send),
        1 => Just(Step::Evict),
        2 => Just(Step::EndTurn),
        1 => Just(Step::Discard),
    ]
}

/// Queue of whole frames with their origin, the first one perhaps partly sent.
#[derive(Default)]
struct Twin {
    waiting: VecDeque<(Origin, Vec<u8>)>,
    first_sent: usize,
    /// How many of `waiting` are past conflation: they were queued below the soft bound, or have
    /// been begun since.
    settled: usize,
}

impl Twin {
    fn backlog(&self) -> usize {
        self.waiting.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() - self.first_sent
    }

    fn push(&mut self, origin: Origin, bytes: Vec<u8>) -> Push {
        let has_late = self.settled < self.waiting.len();
        let is_late = has_late || (self.backlog() >= BOUNDS.soft_bytes && origin != Origin::Answer);
        let is_answer = |at: &usize| self.waiting[*at].0 == Origin::Answer;
        let since = (self.settled..self.waiting.len()).rfind(is_answer).map_or(self.settled, |at| at + 1);
        let older = (since..self.waiting.len())
            .find(|at| matches!(origin, Origin::State(_)) && self.waiting[*at].0 == origin)
            .filter(|_| is_late);
        let grown = self.backlog() + bytes.len() - older.map_or(0, |at| self.waiting[at].1.len());
        if is_late && origin != Origin::Answer && grown > BOUNDS.hard_bytes {
            return Push::Overrun;
        }
        if let Some(at) = older {
            self.waiting[at].1 = bytes;
            return Push::Conflated;
        }
        self.waiting.push_back((origin, bytes));
        self.settled += usize::from(!is_late);
        Push::Queued
    }

    fn send(&mut self, mut n: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while n > 0 {
            let (_, first) = &self.waiting[0];
            let part = n.min(first.len() - self.first_sent);
            taken.extend_from_slice(&first[self.first_sent..self.first_sent + part]);
            self.first_sent += part;
            n -= part;
            if self.first_sent == first.len() {
                self.waiting.pop_front();
                self.settled = self.settled.saturating_sub(1);
                self.first_sent = 0;
            }
        }
        self.settled = self.settled.max(usize::from(self.first_sent > 0));
        taken
    }

    fn discard(&mut self) -> usize {
        let before = self.backlog();
        self.waiting.truncate(usize::from(self.first_sent > 0));
        self.settled = self.waiting.len();
        before - self.backlog()
    }
}

/// An outbox and what it needs.
struct Bench {
    arena: Arena,
    outbox: Outbox,
    backlog: Arc<Backlog>,
    share: Arc<Share>,
    serial: u8,
}

impl Bench {
    fn new(encoding: Encoding) -> Bench {
        let backlog = Arc::new(Backlog::new(usize::MAX, 1));
        let share = Arc::new(Share::new(Arc::clone(&backlog)));
        let mut outbox = Outbox::default();
        outbox.set_encoding(encoding);
        outbox.set_writable(Writable::Blocked { since: Instant::default(), acked: None });
        Bench { arena: Arena::default(), outbox, backlog, share, serial: 0 }
    }

    /// Pushes a record; its origin and bytes, and what became of it.
    fn push(&mut self, len: usize, what: u8) -> (Origin, Vec<u8>, Push) {
        self.serial = self.serial.wrapping_add(1);
        let data = vec![self.serial; len];
        let encoding = self.outbox.encoding();
        let origin = match what {
            0 => Origin::Answer,
            1 => Origin::Occurrence,
            what => Origin::State(Topic { entity: Uuid::from_u128(u128::from(what)), ..TOPIC }),
        };
        if origin == Origin::Answer {
            let frame = self.arena.append(Lane::Own, |out| encoding.wrap(out, |out| out.extend_from_slice(&data)));
            let bytes = self.arena.bytes(frame).to_vec();
            return (origin, bytes, self.outbox.push_own(&mut self.arena, frame, true, &self.share));
        }
        let topic = if let Origin::State(topic) = origin { topic } else { TOPIC };
        let event = EventTraits {
            lower: "useralert",
            is_state: matches!(origin, Origin::State(_)),
            is_last: false,
            instants: None,
        };
        let mut frames = Frames::new(&topic, event, None, Payload::Borrowed(&data));
        let form = Form { encoding, positioned: false };
        let frame = frames.frame(form, &mut self.arena);
        let bytes = self.arena.bytes(frame).to_vec();
        let late = || frames.late(form, frame.len(), &self.share);
        (origin, bytes, self.outbox.push(&mut self.arena, frame, BOUNDS, Instant::default(), late))
    }

    /// All bytes that the outbox would write next.
    fn shown(&self) -> Vec<u8> {
        let (mut scratch, mut slices) = (Vec::new(), Slices::new());
        self.outbox.slices(&self.arena, &mut scratch, &mut slices);
        slices.concat()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn sends_what_a_queue_of_frames_would(
        encoding in prop_oneof![Just(Encoding::JsonText), Just(Encoding::JsonBare)],
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let (mut bench, mut twin) = (Bench::new(encoding), Twin::default());
        for step in steps {
            match step {
                Step::Push(len, what) => {
                    let (origin, bytes, push) = bench.push(len, what);
                    prop_assert_eq!(push, twin.push(origin, bytes));
                }
                Step::Send(n) => {
                    let offered = bench.shown();
                    prop_assert_eq!(offered.is_empty(), twin.backlog() == 0);
                    let n = n.min(offered.len());
                    prop_assert_eq!(&offered[..n], twin.send(n));
                    bench.outbox.sent(&mut bench.arena, n);
                }
                Step::Evict => {
                    bench.outbox.evict(&mut bench.arena, &bench.share);
                    prop_assert_eq!(bench.arena.pinned_bytes(), 0);
                }
                Step::EndTurn => bench.arena.end_turn(),
                Step::Discard => {
                    let dropped = bench.outbox.discard(&mut bench.arena, &bench.share);
                    prop_assert_eq!(dropped, twin.discard());
                }
            }
            prop_assert_eq!(bench.outbox.backlog_bytes(), twin.backlog());
            prop_assert_eq!(bench.outbox.is_slow(), bench.backlog.bytes() > 0);
        }
        bench.outbox.release(&mut bench.arena);
        bench.arena.end_turn();
        prop_assert_eq!((bench.arena.pinned_bytes(), bench.backlog.bytes()), (0, 0));
    }
}

#[test]
fn a_reply_before_the_first_frame_is_no_frame() {
    let mut bench = Bench::new(Encoding::JsonText);
    let Bench { arena, outbox, share, .. } = &mut bench;
    let reply = arena.append(Lane::Own, |out| out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"));
    outbox.push_own(arena, reply, true, share);
    let frame = arena.append(Lane::Own, |out| out.extend_from_slice(b"a frame"));
    outbox.push_own(arena, frame, true, share);
    outbox.sent(arena, 10);
    assert_eq!(outbox.discard(arena, share), frame.len());
    assert_eq!(bench.shown(), b"01 Switching Protocols\r\n\r\n");
}

#[test]
fn a_backlog_is_the_peers_fault_once_its_socket_has_taken_nothing_for_a_while() {
    const PATIENT: OutboxBounds = OutboxBounds { overrun_ms: 1_000, ..BOUNDS };
    let at = Instant::from_ms;
    let mut outbox = Outbox::default();
    let writable = [
        Writable::Open,
        Writable::Blocked { since: at(500), acked: None },
        Writable::Retrying { since: at(500), acked: None },
    ];
    let stuck = writable.map(|writable| {
        outbox.set_writable(writable);
        [at(500), at(1_499), at(1_500)].map(|now| outbox.is_stuck(PATIENT, now))
    });
    assert_eq!(stuck, [[false; 3], [false, false, true], [false, false, true]]);
}

#[test]
fn answers_that_nobody_takes_are_too_many_at_once_and_those_behind_publications_are_not() {
    let mut bench = Bench::new(Encoding::JsonText);
    let patient = OutboxBounds { overrun_ms: 1_000, ..BOUNDS };
    while bench.outbox.backlog_bytes() < 2 * BOUNDS.hard_bytes {
        let late = bench.push(100, 1).2;
        if late == Push::Overrun {
            break;
        }
    }
    assert_eq!(bench.outbox.is_too_much(100, patient, Instant::default()), None);
    while bench.outbox.answer_bytes <= BOUNDS.hard_bytes {
        bench.push(100, 0);
    }
    let verdict = bench.outbox.is_too_much(100, patient, Instant::default());
    assert_eq!(verdict, Some(CloseReason::OwnAnswers));
}

#[test]
fn what_a_socket_leaves_of_a_portion_still_waits_as_references() {
    let mut bench = Bench::new(Encoding::JsonText);
    while bench.push(100, 1).2 != Push::Overrun {}
    while !bench.outbox.ranges.is_empty() {
        let n = bench.shown().len();
        bench.outbox.sent(&mut bench.arena, n);
    }
    let offered = bench.shown();
    bench.outbox.sent(&mut bench.arena, 10);
    let slow = bench.outbox.rare.as_ref().unwrap();
    let rest: Vec<&[u8]> = slow.copied.slices().collect();
    assert!(offered.len() > 400 && rest.concat().len() < 300, "one record is copied, not the portion");
    assert!(offered[10..].starts_with(&rest.concat()));
    assert!(!slow.late.is_empty());
}

#[test]
fn an_outbox_that_keeps_up_has_no_heap() {
    let mut bench = Bench::new(Encoding::JsonText);
    for _ in 0..100 {
        let (_, bytes, _) = bench.push(2, 1);
        bench.outbox.sent(&mut bench.arena, bytes.len());
        bench.arena.end_turn();
    }
    assert!(!bench.outbox.ranges.spilled() && bench.outbox.rare.is_none());
    assert!(size_of::<Outbox>() <= 96, "{}", size_of::<Outbox>());
}

#[test]
fn a_full_socket_is_stuck_once_its_peer_has_acknowledged_too_little_for_so_long() {
    const STUCK_MS: u64 = 10_000;
    let at = Instant::from_ms;
    let blocked = Writable::Open.block(0, at(1_000));
    assert_eq!(blocked.next_look(STUCK_MS), at(1_000).after_ms(500));
    let mut looked = blocked;
    assert!(looked.look(Some(7_000), at(1_500), STUCK_MS), "the first look only asks");
    assert_eq!(looked.next_look(STUCK_MS), at(1_000).after_ms(STUCK_MS));
    let after = |acked| {
        let mut writable = looked;
        let is_alive = writable.look(acked, at(11_000), STUCK_MS);
        (is_alive, writable.next_look(STUCK_MS))
    };
    assert!(!after(Some(7_000 + 2_399)).0 && !after(None).0);
    assert_eq!(after(Some(7_000 + 2_400)), (true, at(11_000).after_ms(STUCK_MS)));
    let mut late = blocked;
    assert!(late.look(Some(7_000), at(50_000), STUCK_MS) && late.next_look(STUCK_MS) == at(50_000).after_ms(STUCK_MS));
    assert_eq!(looked.retry().block(0, at(9_000)).next_look(STUCK_MS), looked.next_look(STUCK_MS), "no room");
    assert_eq!(looked.retry().block(1, at(9_000)).next_look(STUCK_MS), at(9_000).after_ms(500));
}
