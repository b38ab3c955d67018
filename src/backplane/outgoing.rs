//! What a process has to append to the log of a partition, and what it has appended of late.

use super::engine::{Appended, Batch, BatchEntry};
use super::entry::{Fingerprint, Head, Kind, Origin, Place};
use super::fault::Fault;
use super::item::{Append, Item, Refused, Settled};
use super::options::Options;
use crate::clock::{Deadline, Instant, Now};
use crate::hub::partition::Partition;
use crate::hub::position::Epoch;
use crate::limits::{BACKPLANE_BATCH_BYTES, BACKPLANE_BATCH_ENTRIES, BACKPLANE_RETRY_MS};
use std::collections::VecDeque;
use std::sync::Arc;

/// An entry with a number, or with one to come; nothing is delivered of it where it has no item.
#[derive(Clone, Debug)]
struct Sent {
    item: Option<Item>,
    /// Who waits for it.
    ticket: Option<u64>,
}

impl Sent {
    const VOID: Sent = Sent { item: None, ticket: None };

    fn bytes(&self) -> usize {
        size_of::<Sent>() + self.item.as_ref().map_or(0, Item::bytes)
    }
}

/// Who waits for items, in the order in which they came.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    shard: usize,
    call: u64,
    /// Items that are not known to be appended.
    left: usize,
    items: usize,
    duplicates: Vec<u32>,
    expires_at: Deadline,
}

/// What is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    None,
    /// So many of the memory, from that number on.
    Repair(u64, usize),
    /// The batch.
    Batch,
}

/// What goes to the log of one partition.
///
/// An entry waits in the queue; gets its number when it is put into the batch, of which there is
/// one at a time; stays there until it is known that the engine has it, however often that takes;
/// and then in the memory for a while, from which it is appended again where the engine has lost
/// it.
#[derive(Debug)]
pub(super) struct Outgoing {
    partition: Partition,
    origin: Origin,
    /// None until the engine has told it.
    epoch: Option<Epoch>,
    /// The highest number that the engine knows, as far as it has told.
    mark: u64,
    /// The highest number that is known to have been appended.
    acked: u64,
    cursor: Option<(Place, Fingerprint)>,
    memory: VecDeque<(Instant, Sent)>,
    batch: VecDeque<Sent>,
    queue: VecDeque<Sent>,
    pending: VecDeque<Pending>,
    flight: Flight,
    beat_at: Deadline,
    /// What was on its way is not where it is to be; why, and when it is tried again.
    hitch: Option<(Deadline, Fault)>,
    queue_bytes: usize,
    memory_bytes: usize,
    /// Publications among what was in memory once: beats are of no use to anybody later.
    forgotten: u64,
    pub(super) repaired: u64,
    pub(super) unrepaired: u64,
}

impl Outgoing {
    pub(super) fn new(partition: Partition, origin: Origin) -> Outgoing {
        Outgoing {
            partition,
            origin,
            epoch: None,
            mark: 0,
            acked: 0,
            cursor: None,
            memory: VecDeque::new(),
            batch: VecDeque::new(),
            queue: VecDeque::new(),
            pending: VecDeque::new(),
            flight: Flight::None,
            beat_at: Deadline::NEVER,
            hitch: None,
            queue_bytes: 0,
            memory_bytes: 0,
            forgotten: 0,
            repaired: 0,
            unrepaired: 0,
        }
    }

    /// What waits to be appended.
    pub(super) fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    /// What is kept to be appended again.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Why what was on its way last is not where it is to be.
    pub(super) fn hitch(&self) -> Option<Fault> {
        self.hitch.map(|(_, fault)| fault)
    }

    /// Why nothing is taken that would only wait.
    pub(super) fn refuses(&self) -> Option<Refused> {
        let fault = self.hitch()?;
        let refuses = [
            (Fault::Full, Refused::Full),
            (Fault::DiskFailed, Refused::Unwritable),
            (Fault::FewReplicas, Refused::Unwritable),
        ];
        refuses.into_iter().find_map(|(one, refused)| (one == fault).then_some(refused))
    }

    /// Whether the engine lacks something that it had taken.
    pub(super) fn has_lost(&self) -> bool {
        self.is_open() && self.mark < self.acked
    }

    pub(super) fn is_open(&self) -> bool {
        self.epoch.is_some()
    }

    /// The entry that was appended last, to be found again, and the number of it.
    pub(super) fn known(&self) -> Option<(Place, Fingerprint)> {
        self.cursor
    }

    /// The highest number that is known to have been appended.
    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    pub(super) fn push(&mut self, append: Append, ticket: u64) {
        let Append { shard, call, items, expires_at, .. } = append;
        self.pending.push_back(Pending {
            ticket,
            shard,
            call,
            left: items.len(),
            items: items.len(),
            duplicates: Vec::new(),
            expires_at,
        });
        let queued = items.into_iter().map(|item| Sent { item: Some(item), ticket: Some(ticket) });
        let before = self.queue.len();
        self.queue.extend(queued);
        self.queue_bytes += self.queue.range(before..).map(Sent::bytes).sum::<usize>();
    }

    /// The engine has told where the log stands; it may have lost what it had.
    pub(super) fn on_opened(&mut self, epoch: Epoch, mark: u64, now: Now, options: &Options) {
        let is_other = self.cursor.is_some_and(|(place, _)| place.epoch != epoch);
        // The others want to hear that this one lives, and what it has no more.
        let is_lost = mark < self.acked;
        let beat_ms = if is_other || is_lost { 0 } else { options.beat_ms };
        self.beat_at = self.beat_at.min(now.after_ms(beat_ms));
        (self.epoch, self.mark, self.flight) = (Some(epoch), mark, Flight::None);
    }

    /// Nothing is known of the log any more, nor what became of what was on its way.
    pub(super) fn close(&mut self) {
        (self.epoch, self.flight, self.hitch) = (None, Flight::None, None);
    }

    /// The number of the first entry in memory; of the next, where there is none.
    fn memory_first(&self) -> u64 {
        self.acked + 1 - self.memory.len() as u64
    }

    /// What is to be appended next. Nothing else is, until it is known what became of it.
    pub(super) fn poll_batch(&mut self, now: Now) -> Option<Batch> {
        let epoch = self.epoch?;
        let waits = self.hitch.is_some_and(|(until, _)| !until.is_due(now));
        if self.flight != Flight::None || waits {
            return None;
        }
        let lost_from = self.memory_first().max(self.mark + 1);
        let (first, entries) = if lost_from <= self.acked {
            let index = usize::try_from(lost_from - self.memory_first()).unwrap_or(usize::MAX);
            let lost = self.memory.iter().skip(index).take(BACKPLANE_BATCH_ENTRIES).map(|(_, sent)| sent);
            let entries = self.entries(lost_from, lost);
            self.flight = Flight::Repair(lost_from, entries.len());
            (lost_from, entries)
        } else {
            self.fill_batch(now);
            if self.batch.is_empty() {
                return None;
            }
            self.flight = Flight::Batch;
            (self.acked + 1, self.entries(self.acked + 1, self.batch.iter()))
        };
        Some(Batch { partition: self.partition, epoch, origin: self.origin, after: self.mark, first, entries })
    }

    fn fill_batch(&mut self, now: Now) {
        if !self.batch.is_empty() {
            return;
        }
        let mut bytes = 0;
        while self.batch.len() < BACKPLANE_BATCH_ENTRIES
            && let Some(sent) =
                self.queue.pop_front_if(|next| bytes == 0 || bytes + next.bytes() <= BACKPLANE_BATCH_BYTES)
        {
            bytes += sent.bytes();
            self.batch.push_back(sent);
        }
        if self.batch.is_empty() && self.beat_at.is_due(now) {
            self.batch.push_back(Sent::VOID);
            self.queue_bytes += Sent::VOID.bytes();
        }
    }

    fn entries<'s>(&'s self, first: u64, sent: impl Iterator<Item = &'s Sent>) -> Vec<BatchEntry> {
        let origin = self.origin;
        let entry = |(number, sent): (u64, &Sent)| match &sent.item {
            Some(Item { body, data, id, row }) => BatchEntry {
                head: Head { kind: Kind::Sent, origin, number, body }.encode(),
                data: Arc::clone(data),
                id: *id,
                row: row.clone(),
            },
            None => BatchEntry {
                head: Head { kind: Kind::Void, origin, number, body: &[] }.encode(),
                data: Arc::default(),
                id: None,
                row: None,
            },
        };
        (first..).zip(sent).map(entry).collect()
    }

    /// What was on its way has been appended, or was there.
    pub(super) fn on_appended(&mut self, appended: &Appended, now: Now, options: &Options) -> Vec<Settled> {
        self.hitch = None;
        self.beat_at = now.after_ms(options.beat_ms);
        let mut settled = Vec::new();
        match std::mem::replace(&mut self.flight, Flight::None) {
            Flight::None => {}
            Flight::Repair(first, count) => {
                let (first_known, end) = (self.memory_first(), first + count as u64);
                for (number, (at, sent)) in (first_known..end).zip(&mut self.memory) {
                    if number >= first {
                        *at = now.mono;
                    }
                    if appended.duplicates.contains(&number) {
                        self.memory_bytes -= sent.bytes();
                        *sent = Sent::VOID;
                        self.memory_bytes += sent.bytes();
                    }
                }
                let again = (first_known..end).zip(&self.memory).filter(|(number, _)| *number >= first);
                self.repaired += again.filter(|(_, (_, sent))| sent.item.is_some()).count() as u64;
                self.give_up(first - self.mark - 1);
                self.mark = end - 1;
                self.remember_place(appended, self.mark);
            }
            Flight::Batch => {
                self.give_up(self.acked.saturating_sub(self.mark));
                settled = self.settle_batch(appended, now);
                self.mark = self.mark.max(self.acked);
                self.remember_place(appended, self.acked);
                self.forget_old(now, options);
            }
        }
        settled
    }

    /// The engine has lost so many entries that are not in memory: publications at the most, and
    /// none that was given up before.
    fn give_up(&mut self, entries: u64) {
        let lost = entries.min(self.forgotten);
        self.forgotten -= lost;
        self.unrepaired += lost;
    }

    fn settle_batch(&mut self, appended: &Appended, now: Now) -> Vec<Settled> {
        let mut settled = Vec::new();
        while let Some(mut sent) = self.batch.pop_front() {
            self.acked += 1;
            self.queue_bytes -= sent.bytes();
            let is_double = appended.duplicates.contains(&self.acked);
            if let Some(pending) = self.pending.front_mut().filter(|pending| Some(pending.ticket) == sent.ticket) {
                let index = u32::try_from(pending.items - pending.left);
                pending.duplicates.extend(index.ok().filter(|_| is_double));
                pending.left -= 1;
            }
            if let Some(done) = self.pending.pop_front_if(|pending| pending.left == 0) {
                let Pending { shard, call, duplicates, .. } = done;
                settled.push(Settled { shard, call, outcome: Ok(duplicates), last: appended.last });
            }
            sent.ticket = None;
            if is_double {
                sent.item = None;
            }
            self.memory_bytes += sent.bytes();
            self.memory.push_back((now.mono, sent));
        }
        settled
    }

    fn remember_place(&mut self, appended: &Appended, number: u64) {
        let Some(place) = appended.last else { return };
        let index = number.checked_sub(self.memory_first()).and_then(|index| usize::try_from(index).ok());
        let sent = index.and_then(|index| self.memory.get(index));
        let kind = if sent.is_some_and(|(_, sent)| sent.item.is_some()) { Kind::Sent } else { Kind::Void };
        let head = Head { kind, origin: self.origin, number, body: &[] };
        self.cursor = Some((place, head.fingerprint()));
    }

    /// What was on its way is not where it is to be, and is sent again. Where the engine takes
    /// nothing, all who wait are told so.
    pub(super) fn on_hitch(&mut self, fault: Fault, now: Now) -> Vec<Settled> {
        self.flight = Flight::None;
        self.hitch = Some((now.after_ms(BACKPLANE_RETRY_MS), fault));
        self.refuses().map_or_else(Vec::new, |refused| self.refuse(refused, usize::MAX))
    }

    /// Those whose time is over are told so.
    pub(super) fn on_time(&mut self, refused: Refused, now: Now) -> Vec<Settled> {
        let due = self.pending.iter().take_while(|pending| pending.expires_at.is_due(now)).count();
        let is_alone = self.hitch() == Some(Fault::Unreplicated);
        self.refuse(if is_alone { Refused::Unreplicated } else { refused }, due)
    }

    /// So many of those who wait are told so. What is in no batch goes; of the batch nothing is
    /// delivered any more, but its numbers are to come.
    fn refuse(&mut self, refused: Refused, count: usize) -> Vec<Settled> {
        let count = count.min(self.pending.len());
        let gone: Vec<Pending> = self.pending.drain(..count).collect();
        let Some(last) = gone.last() else { return Vec::new() };
        let is_gone = |sent: &Sent| sent.ticket.is_some_and(|ticket| ticket <= last.ticket);
        for sent in self.batch.iter_mut().filter(|sent| is_gone(sent)) {
            self.queue_bytes -= sent.bytes();
            *sent = Sent::VOID;
            self.queue_bytes += sent.bytes();
        }
        while let Some(sent) = self.queue.pop_front_if(|sent| is_gone(sent)) {
            self.queue_bytes -= sent.bytes();
        }
        let told = |Pending { shard, call, .. }| Settled { shard, call, outcome: Err(refused), last: None };
        gone.into_iter().map(told).collect()
    }

    /// Forgets what was appended long ago. What the engine may have lost by the time that it comes
    /// back is younger than its last answer, not than now.
    fn forget_old(&mut self, now: Now, options: &Options) {
        while self.memory.front().is_some_and(|(at, _)| at.after_ms(options.repair_ms).is_due(now)) {
            self.forget_first();
        }
    }

    /// Forgets what was appended first of what is in memory.
    pub(super) fn forget_first(&mut self) {
        if let Some((_, sent)) = self.memory.pop_front() {
            self.memory_bytes -= sent.bytes();
            self.forgotten += u64::from(sent.item.is_some());
        }
    }

    /// When something is due here.
    pub(super) fn next_deadline(&self) -> Deadline {
        let expires_at = self.pending.front().map_or(Deadline::NEVER, |pending| pending.expires_at);
        let is_idle = self.is_open() && self.flight == Flight::None;
        let append_at = match self.hitch {
            Some((until, _)) => until,
            None => self.beat_at,
        };
        if is_idle { expires_at.min(append_at) } else { expires_at }
    }
}
