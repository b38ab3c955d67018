//! What waits to be written before anybody hears of it, and the terms of the journal.

use super::Shard;
use crate::clock::Now;
use crate::conn::{Delivery, Entry, Mail, Progress, SnapshotPart, Term, To, ToWrite};
use crate::entropy::next_u64;
use crate::hub::position::{Epoch, Position};
use crate::trace::{Fact, Level};
use crate::wire::Wire;
use std::sync::Arc;

impl Shard {
    /// Whether something waits to be written.
    pub fn waits_for_writing(&self) -> bool {
        self.unwritten.waits()
    }

    /// Some of it is written by now.
    pub fn handle_progress(&mut self, progress: Progress, now: Now, wire: &mut dyn Wire) {
        self.unwritten.handle_progress(progress, now);
        self.proceed_with_written(now, wire);
    }

    /// What is written by now goes to the members, and who waited for it is answered.
    pub(super) fn proceed_with_written(&mut self, now: Now, wire: &mut dyn Wire) {
        while self.proceed_with_gap(now, wire)
            && let Some(entry) = self.unwritten.first()
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
                Some(Entry::Publication { .. } | Entry::Record { .. }) | None => {}
                Some(Entry::Answer { to, caller, mut answer }) => {
                    answer.bring_to(&self.homes);
                    self.answer(to, caller, answer, now, wire);
                }
                Some(Entry::Gap(partition)) => {
                    self.outbound.post(To::Siblings, Mail::Gap(partition));
                    self.begin_gap(partition);
                }
            }
        }
    }

    /// Another term may have begun.
    pub(super) fn look_at_term(&mut self, now: Now) {
        let (term, former) = (self.shared.journal.term(), self.unwritten.term);
        if term.number == former.number {
            return;
        }
        self.unwritten.begin(term);
        if term.epoch != former.epoch
            && let Some(home) = self.homes.only_mut()
        {
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
    pub(super) fn hand_over_rows(&mut self, now: Now) {
        let Some(home) = self.homes.only().filter(|_| self.unwritten.term.is_written) else { return };
        self.to_write.extend(self.unwritten.poll_records(self.number));
        self.to_write.push(ToWrite::Rows {
            shard: self.number,
            term: self.unwritten.term.number,
            part: SnapshotPart {
                place: home.last(),
                gaps: home.gaps(),
                rows: home.held().cloned().collect(),
                catalogue: Arc::clone(&self.catalogue),
                ids: home.ids_held(now).collect(),
            },
        });
    }

    /// Nothing has been written for too long: the hub goes on without.
    pub(super) fn lose_journal(&mut self, now: Now) {
        let term = self.unwritten.term;
        let epoch = Epoch::begin(now, next_u64(self.entropy.as_mut()));
        // Siblings that notice the same do not wait for each other.
        self.to_write.push(ToWrite::Lost);
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
}
