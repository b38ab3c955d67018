//! How far a reader has come in the log of a partition, and what it makes of each entry.

use super::engine::{Opened, Verdict};
use super::entry::{Fingerprint, Head, Kind, Origin, Place, Raw};
use crate::clock::{Deadline, Instant, Now};
use crate::hub::partition::Partition;
use crate::limits::{BACKPLANE_MARKS_MAX, BACKPLANE_RECENT_MS, BACKPLANE_SETTLE_MS};
use std::collections::{BTreeMap, BTreeSet};

/// Something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// How many entries, as far as that is known.
    pub missed: u64,
}

/// Gaps that are told at once, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointGap {
    /// Why.
    pub reason: GapReason,
    /// In which partitions.
    pub partitions: Vec<Partition>,
    /// How many entries of all, as far as that is known.
    pub missed: u64,
}

impl JointGap {
    /// Those of partitions, by their reasons: what Redis loses as a whole is one piece of news.
    pub(crate) fn of(gaps: impl Iterator<Item = (Partition, Gap)>) -> Vec<JointGap> {
        let mut all: Vec<JointGap> = Vec::new();
        for (partition, Gap { reason, missed }) in gaps {
            match all.iter_mut().find(|gaps| gaps.reason == reason) {
                Some(gaps) => {
                    gaps.missed += missed;
                    if !gaps.partitions.contains(&partition) {
                        gaps.partitions.push(partition);
                    }
                }
                None => all.push(JointGap { reason, partitions: vec![partition], missed }),
            }
        }
        all
    }
}

/// Makes an enum from rows: a reason, its name, and who must do what about it.
macro_rules! gap_reasons {
    ($($(#[$doc:meta])* $Reason:ident $label:literal $remedy:literal;)*) => {
        /// Why something is missing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum GapReason {
            $($(#[$doc])* $Reason,)*
        }

        impl GapReason {
            /// What it is called in facts.
            pub fn label(self) -> &'static str {
                match self { $(GapReason::$Reason => $label,)* }
            }

            /// Who must do what, so that it does not come again.
            pub(crate) fn remedy(self) -> &'static str {
                match self { $(GapReason::$Reason => $remedy,)* }
            }
        }
    };
}

gap_reasons! {
    /// The log was cut before it was read.
    Trimmed "trimmed"
        "raise journal.redis.retain_entries: this node was away, or behind, for longer than the log reaches back";
    /// The engine has lost entries, and whoever appended them has not appended them again.
    Forked "forked"
        "let Redis keep what it has: appendonly yes, wait_replicas of journal.redis where a replica may take over, and no \
         FLUSHALL while nodes run; what is lost does not come back";
    /// An entry is of a newer program.
    Unreadable "unreadable"
        "give all nodes one version, and look whether somebody else writes to these logs";
}

/// What an entry is to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The next one.
    New,
    /// It was taken before, at another place.
    Again,
    /// The next one, behind something that is missing.
    Behind(Gap),
    /// It was taken before, and stands behind something that is missing.
    AgainBehind(Gap),
}

/// The highest number that is known of an origin.
#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    seen_at: Instant,
    /// What is missing behind it has been told.
    is_loose: bool,
}

/// What is read before the line is at the present.
#[derive(Debug)]
struct Past {
    until: Place,
    marks: Vec<(Origin, u64)>,
}

/// The line of a partition.
///
/// [`Line::on_opened`] takes what the engine says at first and whenever the lane comes back,
/// [`Line::take`] each entry from [`Line::cursor`] on, and `Line::settle` says, some time after
/// another epoch has begun, whether anybody is missing.
#[derive(Debug)]
pub struct Line {
    cursor: Place,
    /// The entry that was taken last, to be found again.
    known: Option<(Place, Fingerprint)>,
    marks: BTreeMap<Origin, Mark>,
    past: Option<Past>,
    /// Another epoch has begun: by when those who wrote shortly before it must have been heard.
    fork: Option<(Deadline, BTreeSet<Origin>)>,
}

impl Default for Line {
    fn default() -> Line {
        Line { cursor: Place::START, known: None, marks: BTreeMap::new(), past: None, fork: None }
    }
}

impl Line {
    /// What is read next stands behind this place.
    pub fn cursor(&self) -> Place {
        self.cursor
    }

    /// The entry that was taken last, to be found again.
    pub(super) fn known(&self) -> Option<(Place, Fingerprint)> {
        self.known
    }

    /// Whether what is read was there before the line was.
    pub fn is_past(&self) -> bool {
        self.past.is_some()
    }

    /// The highest number taken of an origin.
    pub(super) fn number(&self, origin: Origin) -> u64 {
        self.marks.get(&origin).map_or(0, |mark| mark.number)
    }

    /// Origins that are known.
    pub fn origins(&self) -> usize {
        self.marks.len()
    }

    /// When another epoch is to be judged.
    pub(super) fn settles_at(&self) -> Deadline {
        self.fork.as_ref().map_or(Deadline::NEVER, |(settles_at, _)| *settles_at)
    }

    /// The engine has told what became of the log. What is missing, if anything is.
    pub fn on_opened(&mut self, opened: &Opened, now: Now) -> Option<Gap> {
        match opened.verdict {
            Verdict::Start => {
                if opened.first > opened.newest {
                    self.cursor = opened.newest;
                }
                self.past = Some(Past { until: opened.newest, marks: opened.marks.clone() });
                self.end_past(now);
                None
            }
            Verdict::Same => None,
            Verdict::Trimmed => {
                let missed = opened.first.sequence.saturating_sub(self.cursor.sequence.saturating_add(1));
                self.loosen();
                self.cursor = Place { sequence: opened.first.sequence.saturating_sub(1), ..opened.first };
                Some(Gap { reason: GapReason::Trimmed, missed })
            }
            Verdict::Fork => {
                let is_cut = opened.first.epoch > self.cursor.epoch && opened.first.sequence > 0;
                self.cursor = Place::START;
                // What was told to be missing before may not be all that is: it can't be told from
                // what this log has lost.
                self.marks.values_mut().for_each(|mark| mark.is_loose = is_cut);
                is_cut.then_some(Gap { reason: GapReason::Forked, missed: 0 })
            }
        }
    }

    /// Whether an epoch begins with the next entry: with its marker, or, where that has been cut
    /// off before it was read, with whatever is there of the epoch.
    pub(super) fn begins_epoch(&self, entry: &Raw, head: Option<&Head<'_>>) -> bool {
        let is_marker = head.is_some_and(|head| head.kind == Kind::Marker);
        is_marker || self.known.is_some_and(|(known, _)| entry.place.epoch > known.epoch)
    }

    /// Takes the next entry, with its head, if that can be read.
    pub fn take(&mut self, entry: &Raw, head: Option<&Head<'_>>, now: Now) -> Taken {
        let place = entry.place;
        if self.begins_epoch(entry, head) {
            self.begin_epoch(now);
        }
        let before = std::mem::replace(&mut self.cursor, place);
        self.known = Some((place, entry.fingerprint()));
        let mut gap = None;
        if before != Place::START && !place.is_next_of(before) {
            let is_same = place.epoch == before.epoch;
            let missed = if is_same { place.sequence.saturating_sub(before.sequence.saturating_add(1)) } else { 0 };
            gap = Some(Gap { reason: GapReason::Trimmed, missed });
            self.loosen();
        }
        let taken = match head {
            None => Taken::Behind(Gap { reason: GapReason::Unreadable, missed: 1 }),
            Some(head) if head.kind == Kind::Marker => Taken::New,
            Some(head) => self.count(head, now),
        };
        self.end_past(now);
        match (gap, taken) {
            (Some(gap), Taken::New) => Taken::Behind(gap),
            (Some(gap), Taken::Again) => Taken::AgainBehind(gap),
            (_, taken) => taken,
        }
    }

    /// Judges a number by the mark of its origin.
    fn count(&mut self, head: &Head<'_>, now: Now) -> Taken {
        if let Some((_, silent)) = &mut self.fork {
            silent.remove(&head.origin);
        }
        let next = Mark { number: head.number, seen_at: now.mono, is_loose: false };
        let is_past = self.past.is_some();
        let missed = match self.marks.get_mut(&head.origin) {
            Some(mark) if head.number <= mark.number => {
                mark.seen_at = now.mono;
                return Taken::Again;
            }
            Some(mark) => {
                let missed = if mark.is_loose { 0 } else { head.number - mark.number - 1 };
                *mark = next;
                missed
            }
            None => {
                self.marks.insert(head.origin, next);
                self.forget_oldest();
                if is_past { 0 } else { head.number.saturating_sub(1) }
            }
        };
        if missed == 0 { Taken::New } else { Taken::Behind(Gap { reason: GapReason::Forked, missed }) }
    }

    fn forget_oldest(&mut self) {
        if self.marks.len() > BACKPLANE_MARKS_MAX
            && let Some((oldest, _)) = self.marks.iter().min_by_key(|(_, mark)| mark.seen_at)
        {
            let oldest = *oldest;
            self.marks.remove(&oldest);
        }
    }

    /// What is missing of all origins has been told.
    fn loosen(&mut self) {
        self.marks.values_mut().for_each(|mark| mark.is_loose = true);
    }

    /// What is read has come to the present: from now on numbers are those that the engine knew
    /// when the line began.
    fn end_past(&mut self, now: Now) {
        let Some(past) = self.past.take_if(|past| past.until <= self.cursor) else { return };
        for (origin, number) in past.marks {
            let mark = Mark { number, seen_at: now.mono, is_loose: false };
            let known = self.marks.entry(origin).or_insert(mark);
            known.number = known.number.max(number);
        }
        while self.marks.len() > BACKPLANE_MARKS_MAX {
            self.forget_oldest();
        }
    }

    /// Whoever wrote shortly before a new epoch is to be heard in it.
    fn begin_epoch(&mut self, now: Now) {
        if self.past.is_some() {
            return;
        }
        // By what was heard last, since the line may have been away for long.
        let heard_at = self.marks.values().map(|mark| mark.seen_at).max().unwrap_or(now.mono);
        let is_recent = |mark: &Mark| heard_at.ms_since(mark.seen_at) <= BACKPLANE_RECENT_MS;
        let recent = self.marks.iter().filter(|(_, mark)| is_recent(mark)).map(|(origin, _)| *origin);
        let silent = recent.chain(self.fork.take().into_iter().flat_map(|(_, silent)| silent)).collect();
        self.fork = Some((now.after_ms(BACKPLANE_SETTLE_MS), silent));
    }

    /// The time since another epoch began is over: what is missing, where somebody has not been
    /// heard since.
    pub(super) fn settle(&mut self) -> Option<Gap> {
        let (_, silent) = self.fork.take()?;
        (!silent.is_empty()).then_some(Gap { reason: GapReason::Forked, missed: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::position::Epoch;
    use proptest::prelude::*;

    fn at(epoch: u64, sequence: u64) -> Place {
        Place { epoch: Epoch::from_number(epoch), sequence }
    }

    fn sent(origin: u64, number: u64) -> Head<'static> {
        Head { kind: Kind::Sent, origin: Origin(origin), number, body: b"" }
    }

    fn now(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    fn opened(verdict: Verdict, first: Place, newest: Place, marks: &[(u64, u64)]) -> Opened {
        let marks = marks.iter().map(|(origin, number)| (Origin(*origin), *number)).collect();
        Opened { verdict, first, newest, marks }
    }

    fn take(line: &mut Line, place: Place, head: Option<&Head<'_>>, now: Now) -> Taken {
        let bytes = head.map_or_else(Vec::new, Head::encode);
        line.take(&Raw { place, head: bytes.into(), data: Box::default() }, head, now)
    }

    fn begun() -> Line {
        let mut line = Line::default();
        let marker = Head { kind: Kind::Marker, ..sent(9, 0) };
        assert_eq!(line.on_opened(&opened(Verdict::Start, at(5, 0), at(5, 0), &[]), now(0)), None);
        assert_eq!(take(&mut line, at(5, 0), Some(&marker), now(0)), Taken::New);
        assert!(!line.is_past() && line.settles_at() == Deadline::NEVER);
        line
    }

    fn missing(reason: GapReason, missed: u64) -> Gap {
        Gap { reason, missed }
    }

    #[test]
    fn what_was_appended_again_is_taken_once_and_what_is_not_there_is_missed() {
        let mut line = begun();
        assert_eq!(take(&mut line, at(5, 1), Some(&sent(1, 1)), now(0)), Taken::New);
        assert_eq!(take(&mut line, at(5, 2), Some(&sent(1, 1)), now(0)), Taken::Again);
        let gap = missing(GapReason::Forked, 2);
        assert_eq!(take(&mut line, at(5, 3), Some(&sent(1, 4)), now(0)), Taken::Behind(gap));
        let gap = missing(GapReason::Trimmed, 6);
        assert_eq!(take(&mut line, at(5, 10), Some(&sent(1, 9)), now(0)), Taken::Behind(gap), "told once");
        let gap = missing(GapReason::Unreadable, 1);
        assert_eq!(take(&mut line, at(5, 11), None, now(0)), Taken::Behind(gap));
    }

    #[test]
    fn numbers_of_the_past_are_those_that_the_engine_knew() {
        let mut line = Line::default();
        line.on_opened(&opened(Verdict::Start, at(5, 7), at(5, 8), &[(1, 4), (2, 9)]), now(0));
        assert_eq!(take(&mut line, at(5, 7), Some(&sent(1, 3)), now(0)), Taken::New);
        assert!(line.is_past());
        assert_eq!(take(&mut line, at(5, 8), Some(&sent(1, 4)), now(0)), Taken::New);
        assert!(!line.is_past() && line.origins() == 2);
        assert_eq!(take(&mut line, at(5, 9), Some(&sent(2, 10)), now(0)), Taken::New);
        assert_eq!(take(&mut line, at(5, 10), Some(&sent(1, 4)), now(0)), Taken::Again);
    }

    #[test]
    fn what_is_lost_in_many_partitions_for_one_reason_is_one_piece_of_news() {
        let partition = |number| Partition::from_number(number).unwrap();
        let forked = (0..16).map(|number| (partition(number), missing(GapReason::Forked, 1)));
        let trimmed = [7, 7].map(|number| (partition(number), missing(GapReason::Trimmed, 2)));
        let gaps = JointGap::of(forked.chain(trimmed));
        assert_eq!(gaps.iter().map(|gaps| gaps.partitions.len()).collect::<Vec<_>>(), [16, 1]);
        assert_eq!(
            gaps.iter().map(|gaps| (gaps.reason.label(), gaps.missed)).collect::<Vec<_>>(),
            [("forked", 16), ("trimmed", 4)]
        );
        assert!(!gaps[0].reason.remedy().contains("retain_entries"), "no longer log would have it");
    }

    #[test]
    fn a_log_that_was_cut_behind_the_cursor_is_a_gap_that_is_told_once() {
        let mut line = begun();
        take(&mut line, at(5, 1), Some(&sent(1, 1)), now(0));
        let gap = line.on_opened(&opened(Verdict::Trimmed, at(5, 12), at(5, 20), &[]), now(0));
        assert_eq!(gap, Some(missing(GapReason::Trimmed, 10)));
        assert_eq!(take(&mut line, at(5, 12), Some(&sent(1, 12)), now(0)), Taken::New);
        assert_eq!(take(&mut line, at(5, 13), Some(&sent(1, 13)), now(0)), Taken::New);
    }

    #[test]
    fn whoever_wrote_before_a_fork_and_is_not_heard_after_it_is_missed() {
        let mut line = begun();
        take(&mut line, at(5, 1), Some(&sent(1, 1)), now(0));
        take(&mut line, at(5, 2), Some(&sent(2, 1)), now(BACKPLANE_RECENT_MS));
        let marker = Head { kind: Kind::Marker, ..sent(2, 0) };
        let later = now(BACKPLANE_RECENT_MS + 1);
        assert_eq!(line.on_opened(&opened(Verdict::Fork, at(5, 0), at(6, 0), &[]), later), None);
        assert_eq!(take(&mut line, at(5, 0), Some(&marker), later), Taken::New);
        assert_eq!(take(&mut line, at(5, 1), Some(&sent(1, 1)), later), Taken::Again);
        assert_eq!(take(&mut line, at(6, 0), Some(&marker), later), Taken::New);
        assert!(line.settles_at().is_due(now(BACKPLANE_RECENT_MS + 1 + BACKPLANE_SETTLE_MS)));
        assert_eq!(line.settle(), Some(missing(GapReason::Forked, 0)), "the second one");
        assert_eq!((line.settle(), line.settles_at()), (None, Deadline::NEVER));
        take(&mut line, at(7, 0), Some(&marker), later);
        take(&mut line, at(7, 1), Some(&sent(1, 2)), later);
        take(&mut line, at(7, 2), Some(&sent(2, 2)), later);
        assert_eq!(line.settle(), None);
    }

    #[test]
    fn an_epoch_whose_marker_is_cut_off_before_it_is_read_begins_all_the_same() {
        let mut line = begun();
        take(&mut line, at(5, 1), Some(&sent(1, 1)), now(0));
        take(&mut line, at(5, 2), Some(&sent(2, 1)), now(0));
        assert_eq!(line.on_opened(&opened(Verdict::Fork, at(6, 0), at(6, 1), &[]), now(0)), None);
        assert_eq!(take(&mut line, at(6, 1), Some(&sent(1, 2)), now(0)), Taken::New);
        assert!(line.settles_at().is_due(now(BACKPLANE_SETTLE_MS)));
        assert_eq!(line.settle(), Some(missing(GapReason::Forked, 0)), "the second one is not heard");
    }

    #[test]
    fn a_gap_in_front_of_what_was_taken_before_is_told() {
        let mut line = begun();
        take(&mut line, at(5, 1), Some(&sent(1, 1)), now(0));
        take(&mut line, at(5, 2), Some(&sent(2, 1)), now(0));
        line.on_opened(&opened(Verdict::Fork, at(5, 0), at(6, 4), &[]), now(0));
        assert_eq!(take(&mut line, at(6, 1), Some(&sent(1, 1)), now(0)), Taken::Again);
        // What was 6:2 may have been one that is new, and may be appended no more.
        let missing = Gap { reason: GapReason::Trimmed, missed: 1 };
        assert_eq!(take(&mut line, at(6, 3), Some(&sent(2, 1)), now(0)), Taken::AgainBehind(missing));
        assert_eq!(take(&mut line, at(6, 4), Some(&sent(1, 4)), now(0)), Taken::New, "it has been told");
    }

    #[test]
    fn a_fork_whose_beginning_is_gone_is_a_gap() {
        let mut line = begun();
        let gap = line.on_opened(&opened(Verdict::Fork, at(6, 3), at(6, 9), &[]), now(0));
        assert_eq!(gap, Some(missing(GapReason::Forked, 0)));
    }

    #[test]
    fn marks_are_bounded_and_the_oldest_goes() {
        let mut line = begun();
        for origin in 0..=BACKPLANE_MARKS_MAX as u64 {
            take(&mut line, at(5, origin + 1), Some(&sent(origin, 1)), now(origin));
        }
        assert_eq!(line.origins(), BACKPLANE_MARKS_MAX);
        assert_eq!((line.number(Origin(0)), line.number(Origin(1))), (0, 1));
    }

    proptest! {
        /// The twin remembers every entry that was ever taken.
        #[test]
        fn marks_tell_what_a_set_of_all_entries_tells(entries: Vec<(u8, u8)>) {
            let (mut line, mut twin) = (begun(), BTreeMap::<u64, BTreeSet<u64>>::new());
            for (sequence, (origin, number)) in (1..).zip(entries) {
                let (origin, number) = (u64::from(origin % 3), u64::from(number % 8) + 1);
                let seen = twin.entry(origin).or_default();
                let newest = seen.last().copied().unwrap_or(0);
                // What is not seen, and before what is, has been told to be missing.
                let expected = match number {
                    number if number <= newest => Taken::Again,
                    number if number == newest + 1 => Taken::New,
                    _ => Taken::Behind(missing(GapReason::Forked, number - newest - 1)),
                };
                seen.insert(number);
                prop_assert_eq!(take(&mut line, at(5, sequence), Some(&sent(origin, number)), now(0)), expected);
            }
        }
    }
}
