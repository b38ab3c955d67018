//! What a home has stamped and is still to be written, and the answers that wait behind it.
//!
//! With an engine that writes, the home takes a publication as ever, but members, siblings and
//! publishers hear of it only once it is written. So do those who ask what holds: their answers,
//! which know of it, wait in the same order.

use super::ask::{Answer, Caller};
use super::journal::{Progress, Term, ToWrite};
use crate::clock::{Deadline, Instant, Now, UnixMs};
use crate::hub::partition::Partition;
use crate::hub::position::Position;
use crate::hub::publication::Publication;
use crate::hub::record::{Record, Written};
use crate::hub::seen::ItemKey;
use crate::limits::Limits;
use std::collections::VecDeque;

/// What waits.
#[derive(Debug)]
pub(crate) struct Unwritten {
    /// As this shard has heard of it.
    pub(crate) term: Term,
    entries: VecDeque<Entry>,
    /// Publications of this term that have been stamped, and written.
    stamped: u64,
    written: u64,
    /// Bytes of the publications among the entries.
    bytes: usize,
    /// Records that are not handed over yet, and when and where the last was stamped.
    records: Vec<u8>,
    last: Option<(UnixMs, Position)>,
    /// Since when nothing has been written, where something waits for it.
    since: Option<Instant>,
}

/// What waits in its place.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A publication for the members, unless it is nobody's news: the so manieth of its term. What
    /// waits for no file has the number 0.
    Publication { publication: Publication, is_news: bool, number: u64 },
    /// The so manieth of its term is nobody's news; who asked for it is answered behind it.
    Record { number: u64 },
    /// An answer for somebody at a shard.
    Answer { to: usize, caller: Caller, answer: Answer },
    /// Something of a partition is missing in front of what follows.
    Gap(Partition),
}

impl Unwritten {
    /// Nothing waits yet.
    pub(crate) fn new(term: Term) -> Unwritten {
        Unwritten {
            term,
            entries: VecDeque::new(),
            stamped: 0,
            written: 0,
            bytes: 0,
            records: Vec::new(),
            last: None,
            since: None,
        }
    }

    /// Whether what is stamped now waits here.
    pub(crate) fn is_on(&self) -> bool {
        self.term.is_written || !self.entries.is_empty()
    }

    /// Whether an answer would wait here.
    pub(crate) fn is_behind(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether nothing more should be stamped for now.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.bytes >= limits.mailbox_bytes_max
    }

    /// A publication of that event, whose item is known by that, has been stamped.
    pub(crate) fn push(
        &mut self,
        publication: Publication,
        is_news: bool,
        (event, id): (&str, Option<ItemKey>),
        now: Now,
    ) {
        self.bytes += publication.bytes();
        let mut number = 0;
        if self.term.is_written {
            self.stamped += 1;
            number = self.stamped;
            self.since.get_or_insert(now.mono);
            self.last = publication.stamp.map(|stamp| (stamp.at, stamp.position));
            if let Some(written) = Written::of(&publication, event) {
                Record::Publication(Written { id, ..written }).encode(&mut self.records);
            }
        }
        self.entries.push_back(Entry::Publication { publication, is_news, number });
    }

    /// A record that is no publication, behind that place.
    pub(crate) fn push_record(&mut self, record: &Record<'_>, place: Position, now: Now) {
        if self.term.is_written {
            self.stamped += 1;
            self.since.get_or_insert(now.mono);
            self.last = self.last.or(Some((now.unix, place)));
            record.encode(&mut self.records);
            self.entries.push_back(Entry::Record { number: self.stamped });
        }
    }

    /// An answer waits for all that has been stamped before.
    pub(crate) fn push_answer(&mut self, to: usize, caller: Caller, answer: Answer) {
        self.entries.push_back(Entry::Answer { to, caller, answer });
    }

    /// Those who have missed something are told so behind all that has come before.
    pub(crate) fn push_gap(&mut self, partition: Partition) {
        self.entries.push_back(Entry::Gap(partition));
    }

    /// Whether something waits for the file.
    pub(crate) fn waits(&self) -> bool {
        self.since.is_some()
    }

    /// So much has been written. What is said of another term is old.
    pub(crate) fn handle_progress(&mut self, Progress { term, through }: Progress, now: Now) {
        if term == self.term.number {
            self.written = through.max(self.written).min(self.stamped);
            self.since = (self.written < self.stamped).then_some(now.mono);
        }
    }

    /// Another term begins. What was still to be written waits for that no longer.
    pub(crate) fn begin(&mut self, term: Term) {
        self.term = term;
        self.records.clear();
        (self.stamped, self.written, self.last, self.since) = (0, 0, None, None);
        for entry in &mut self.entries {
            match entry {
                Entry::Publication { number, .. } | Entry::Record { number } => *number = 0,
                Entry::Answer { .. } | Entry::Gap(_) => {}
            }
        }
    }

    /// The publications that wait, and whether they are anybody's news.
    pub(crate) fn publications(&mut self) -> impl Iterator<Item = (&mut Publication, bool)> {
        self.entries.iter_mut().filter_map(|entry| match entry {
            Entry::Publication { publication, is_news, .. } => Some((publication, *is_news)),
            Entry::Record { .. } | Entry::Answer { .. } | Entry::Gap(_) => None,
        })
    }

    /// What waits first, if it waits no longer for the file.
    pub(crate) fn first(&self) -> Option<&Entry> {
        self.entries.front().filter(|entry| match entry {
            Entry::Publication { number, .. } | Entry::Record { number } => *number <= self.written,
            Entry::Answer { .. } | Entry::Gap(_) => true,
        })
    }

    /// Takes it.
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        self.first()?;
        let entry = self.entries.pop_front()?;
        if let Entry::Publication { publication, .. } = &entry {
            self.bytes -= publication.bytes();
        }
        Some(entry)
    }

    /// The records of this turn, for whatever writes.
    pub(crate) fn poll_records(&mut self, shard: usize) -> Option<ToWrite> {
        let (at, last) = self.last.take()?;
        let (term, through, bytes) = (self.term.number, self.stamped, std::mem::take(&mut self.records));
        Some(ToWrite::Records { shard, term, through, bytes, at, last })
    }

    /// When so much time has passed in which nothing was written that is too much.
    pub(crate) fn stalls_at(&self, limits: &Limits) -> Deadline {
        self.since.map_or(Deadline::NEVER, |since| since.after_ms(limits.journal_stall_ms))
    }
}
