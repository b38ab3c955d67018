//! What goes to an engine that several processes share, and what is read of it.
//!
//! A home gives nothing its place there: what its requests bring is appended, and what is read goes
//! to the members, that of other processes like its own.

use super::Shard;
use crate::auth::revoked::Revocation;
use crate::backplane::entry::{Place, Raw};
use crate::backplane::reader::{Found, ReaderMail, Tense};
use crate::backplane::values::{Value, supersedes};
use crate::backplane::{Append, Refused, Settled};
use crate::clock::{Deadline, Now};
use crate::close::CloseReason;
use crate::conn::{
    Answer, Appending, Caller, Contact, Content, Delivery, Mail, Order, Published, To, ToWrite, Unstamped, content,
    item, revocation_item, revocation_value, sweep_item, value,
};
use crate::entropy::next_u64;
use crate::hub::partition::Partition;
use crate::hub::position::{Epoch, Position};
use crate::hub::publication::{Effect, Publication};
use crate::hub::registry::ConnKey;
use crate::hub::topic::Pattern;
use crate::limits::Limits;
use crate::wire::{LinkKey, Wire};
use smallvec::SmallVec;
use std::sync::Arc;

/// Last values that one entry ends.
const SWEEP_VALUES: usize = 256;
/// What it costs to look whether a connection has missed something, in deliveries.
const LOOK_COST: usize = 4;
/// And for each subscription of which it has.
const LEAVE_COST: usize = 8;

/// Whether a row has ended by time.
fn is_over(publication: &Publication, limits: &Limits, now: Now) -> bool {
    let lives_ms = match publication.effect {
        Effect::None | Effect::Value => return false,
        Effect::Keyed { .. } => limits.keep_ms,
        Effect::Call { .. } => limits.open_call_ms,
    };
    publication.stamp.is_some_and(|stamp| stamp.at.ms().saturating_add(lives_ms) <= now.unix.ms())
}

/// Whether a last value is older than the engine is to keep it.
fn is_old(publication: &Publication, values_ms: u64, now: Now) -> bool {
    publication.stamp.is_some_and(|stamp| stamp.at.ms().saturating_add(values_ms) <= now.unix.ms())
}

impl Shard {
    /// Requests go to the engine, each whole, a link after the other.
    pub(super) fn append_requests(&mut self, now: Now) {
        self.intake.is_waiting = false;
        while !self.hub.is_spent()
            && let Some(mut queue) = self.intake.next()
        {
            if let Some((ticket, publications)) = self.intake.take_request(&mut queue) {
                self.append((queue.from, queue.link, ticket), &publications, now);
            }
            self.intake.put_back(queue);
        }
    }

    fn append(&mut self, (from, link, ticket): (usize, LinkKey, u32), publications: &[Unstamped], now: Now) {
        let Some(first) = publications.first() else { return };
        let partition = Partition::of(first.publication.topic.organization);
        let home = self.homes.in_partition(partition);
        let items = publications.iter().map(|unstamped| item(unstamped, home, &self.catalogue, now.unix)).collect();
        let has_ids = publications.iter().any(|unstamped| unstamped.identity.is_some());
        let item_of = |unstamped: &Unstamped| unstamped.identity.as_ref().and_then(|identity| identity.item);
        let named = if has_ids { publications.iter().map(item_of).collect() } else { Vec::new() };
        self.hub.spend(publications.len());
        let expires_at = self.appended_by(now);
        let call = self.appends.push(Appending { from, link, ticket, is_revocation: false, items: named, expires_at });
        self.to_write.push(ToWrite::Append(Append { partition, shard: self.number, call, items, expires_at }));
    }

    /// The other processes are told of a revocation.
    pub(super) fn spread(&mut self, (from, link, ticket): (usize, LinkKey, u32), revocation: &Revocation, now: Now) {
        let (partition, expires_at) = (Partition::FIRST, self.appended_by(now));
        let items = Vec::new();
        let call = self.appends.push(Appending { from, link, ticket, is_revocation: true, items, expires_at });
        let items = vec![revocation_item(revocation)];
        self.to_write.push(ToWrite::Append(Append { partition, shard: self.number, call, items, expires_at }));
    }

    /// By when what is handed over now is appended, or never.
    fn appended_by(&self, now: Now) -> Deadline {
        now.after_ms(self.shared.options.append_timeout_ms)
    }

    /// Another process has revoked tokens, or this one has.
    fn take_revocation(&mut self, revocation: Revocation, now: Now) {
        // One whose time is over lifts another of the same name.
        self.shared.revocations.restore(vec![revocation.clone()], now);
        if revocation.until_unix_s > now.unix.seconds() {
            let order = Order::Revoke(Arc::new(revocation));
            let caller = Caller::Request { link: LinkKey::default(), ticket: 0 };
            let letter = Mail::Order { from: self.number, caller, order };
            self.outbound.post(To::Siblings, letter.clone());
            self.intake.push_mail(letter);
        }
    }

    /// The first request that has waited for too long is told so, whatever its engine does. Whether
    /// there was one.
    pub(super) fn expire_append(&mut self, now: Now, wire: &mut dyn Wire) -> bool {
        let Some(Appending { from, link, ticket, .. }) = self.appends.take_due(now) else { return false };
        let refused = self.shared.contact.as_ref().map_or(Refused::Away, Contact::refused);
        self.answer(from, Caller::Request { link, ticket }, Answer::NotAppended(refused), now, wire);
        true
    }

    /// It is known what became of a request, unless it has been told that it has waited for too
    /// long.
    pub(super) fn settle(&mut self, settled: Settled, now: Now, wire: &mut dyn Wire) {
        let Settled { call, outcome, last, .. } = settled;
        let Some(Appending { from, link, ticket, is_revocation, items, .. }) = self.appends.take(call) else { return };
        let answer = match outcome {
            Ok(_) if is_revocation => Answer::Revoked(0),
            Ok(doubles) => {
                self.books.metrics.duplicates += doubles.len() as u64;
                let item_of = |index: u32| items.get(usize::try_from(index).ok()?).copied().flatten();
                let last = last.map(|Place { epoch, sequence }| (epoch, Position::of_entry(epoch, sequence)));
                Answer::Published(Published { last, duplicates: doubles.into_iter().filter_map(item_of).collect() })
            }
            Err(refused) => Answer::NotAppended(refused),
        };
        self.answer(from, Caller::Request { link, ticket }, answer, now, wire);
    }

    /// The reader says that.
    pub(super) fn take_read(&mut self, mail: ReaderMail, now: Now, wire: &mut dyn Wire) {
        match mail {
            ReaderMail::Entries { partition, entries, through } => {
                self.take_loaded(partition, now);
                self.take_entries(partition, &entries, through, now, wire);
            }
            ReaderMail::Values { partition, values, horizon } => {
                self.take_values(partition, values, horizon, now, wire)
            }
            ReaderMail::Begun(partition) => {
                self.homes.in_partition(partition).forget();
                self.loaded.retain(|(other, _)| *other != partition);
                self.old.retain(|(other, _)| *other != partition);
            }
            ReaderMail::Lost(partition) => {
                let home = self.homes.in_partition(partition);
                let mut values: Vec<Value> = home.held().filter_map(|held| value(held, &self.catalogue)).collect();
                if partition == Partition::FIRST {
                    values.extend(self.shared.revocations.list(now).iter().map(revocation_value));
                }
                self.to_write.push(ToWrite::Restore(partition, values));
            }
            ReaderMail::Gap { partition, at, .. } => self.take_gap(partition, at),
            ReaderMail::Ready => self.note_ready(now),
            ReaderMail::Restart | ReaderMail::Notice(_) => {}
        }
    }

    fn take_entries(&mut self, partition: Partition, entries: &[Found], through: Place, now: Now, wire: &mut dyn Wire) {
        for Found { entry, tense } in entries {
            let Some(publication) = self.known(partition, entry, now) else { continue };
            if let Some(stamp) = publication.stamp.filter(|_| *tense == Tense::Present) {
                self.books.metrics.lag_ms = now.unix.ms().saturating_sub(stamp.at.ms());
            }
            if *tense != Tense::Again {
                self.come_to(partition, entry.place, 1);
            }
            let (_, mut turn) = self.turn(now, wire);
            Delivery::of(&mut turn).read(publication, *tense);
        }
        self.come_to(partition, through, 0);
    }

    /// The publication that an entry is, if its event is known here; what else it is has been done.
    fn known(&mut self, partition: Partition, entry: &Raw, now: Now) -> Option<Publication> {
        match content(entry, &self.catalogue) {
            Content::Publication(known) if Partition::of(known.topic.organization) == partition => return Some(known),
            Content::Revocation(revocation) => self.take_revocation(revocation, now),
            Content::Sweep => {}
            Content::Publication(_) | Content::Unknown => self.books.metrics.unknown_entries += 1,
        }
        None
    }

    /// The home of a partition has read up to that place, the last `read` entries of it just now.
    fn come_to(&mut self, partition: Partition, place: Place, read: u64) {
        let Place { epoch, sequence } = place;
        let home = self.homes.in_partition(partition);
        let is_first = home.epoch() == Epoch::NONE;
        let floor = match (sequence + 1).checked_sub(read + 1) {
            Some(before) if is_first && sequence > 0 => Position::of_entry(epoch, before),
            _ => epoch.start(),
        };
        home.come_to(epoch, Position::of_entry(epoch, sequence), floor);
    }

    /// What the engine has kept becomes what holds, in its order.
    fn take_loaded(&mut self, partition: Partition, now: Now) {
        if self.loaded.is_empty() {
            return;
        }
        let (mut own, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.loaded).into_iter().partition(|(other, _)| *other == partition);
        self.loaded = others;
        own.sort_by_key(|(_, publication)| publication.position());
        let home = self.homes.in_partition(partition);
        let mut stale = Vec::new();
        for (_, publication) in own {
            if home.held_at(&publication) < publication.position() {
                if is_old(&publication, self.shared.options.values_ms, now) {
                    self.old.push((partition, publication));
                    continue;
                }
                if is_over(&publication, &self.shared.limits, now) {
                    stale.extend(value(&publication, &self.catalogue).map(|value| value.field));
                }
                home.keep(publication);
            }
        }
        self.sweep(partition, stale, now);
    }

    /// What nobody has told anew for a long time ends in the engine, unless it has been by now.
    fn sweep_old(&mut self, partition: Partition, now: Now) {
        let home = self.homes.in_partition(partition);
        let (own, others) = std::mem::take(&mut self.old).into_iter().partition(|(other, _)| *other == partition);
        self.old = others;
        let own: Vec<(Partition, Publication)> = own;
        let still = own.iter().filter(|(_, publication)| home.held_at(publication) < publication.position());
        let stale = still.filter_map(|(_, publication)| value(publication, &self.catalogue)).map(|value| value.field);
        let stale = stale.collect();
        self.sweep(partition, stale, now);
    }

    /// What ends by time ends in the engine when a node comes and finds it there.
    fn sweep(&mut self, partition: Partition, mut stale: Vec<Box<[u8]>>, now: Now) {
        let expires_at = self.appended_by(now);
        while !stale.is_empty() {
            let rest = stale.split_off(stale.len().min(SWEEP_VALUES));
            let items = vec![sweep_item(std::mem::replace(&mut stale, rest))];
            // Nobody waits for it.
            self.to_write.push(ToWrite::Append(Append { partition, shard: self.number, call: 0, items, expires_at }));
        }
    }

    fn take_values(
        &mut self,
        partition: Partition,
        values: Vec<Value>,
        horizon: Option<Place>,
        now: Now,
        wire: &mut dyn Wire,
    ) {
        for Value { entry, .. } in values {
            let Some(publication) = self.known(partition, &entry, now) else { continue };
            let Some(horizon) = horizon else {
                self.loaded.push((partition, publication));
                continue;
            };
            let home = self.homes.in_partition(partition);
            let (held, found) = (home.held_at(&publication), publication.position());
            let horizon = Position::of_entry(horizon.epoch, horizon.sequence);
            if found.is_none_or(|found| !supersedes(found, held, Some(horizon))) {
                continue;
            }
            if matches!(publication.effect, Effect::Call { .. }) {
                // Whoever has missed an event of a call has been told so.
                home.keep(publication);
            } else {
                let (_, mut turn) = self.turn(now, wire);
                Delivery::of(&mut turn).correct(publication);
            }
        }
    }

    /// Something of a partition is missing in front of what is read next. Whoever asks from now on
    /// is told so with the answer; the members are told behind what has come before.
    fn take_gap(&mut self, partition: Partition, at: Place) {
        let home = self.homes.in_partition(partition);
        let position = Position::of_entry(at.epoch, at.sequence).before();
        home.come_to(at.epoch, position, position);
        home.note_gap();
        self.unwritten.push_gap(partition);
    }

    /// Whoever has to have every event of a partition has missed some: nothing that follows is
    /// delivered before all have been looked at.
    pub(super) fn begin_gap(&mut self, partition: Partition) {
        self.gap = Some((partition, self.connections.keys().collect()));
    }

    /// Looks at those who may have missed something, as far as the turn has room for it. Whether
    /// nobody is left.
    pub(super) fn proceed_with_gap(&mut self, now: Now, wire: &mut dyn Wire) -> bool {
        let Some((partition, mut conns)) = self.gap.take() else { return true };
        while let Some(conn) = conns.pop() {
            self.look_for_gap(conn, partition, now, wire);
            if self.hub.is_spent() {
                break;
            }
        }
        let is_done = conns.is_empty();
        self.gap = (!is_done).then_some((partition, conns));
        is_done
    }

    /// A connection that has missed something comes anew. Until its turn to be closed it gets no
    /// more of those events, so that the place which it says then is one from before.
    fn look_for_gap(&mut self, conn: ConnKey, partition: Partition, now: Now, wire: &mut dyn Wire) {
        let catalogue = &self.catalogue;
        let misses = |pattern: &Pattern| {
            let wildcard = pattern.wildcard();
            Partition::of(wildcard.organization) == partition && !catalogue.event(wildcard.event).has_one_value()
        };
        let missed: SmallVec<[Pattern; 8]> = self.hub.registry.patterns_of(conn).filter(misses).collect();
        self.hub.spend(LOOK_COST + LEAVE_COST * missed.len());
        if missed.is_empty() {
            return;
        }
        for pattern in missed {
            self.hub.leave(conn, pattern);
        }
        let share_ms = next_u64(self.entropy.as_mut()) % self.shared.limits.gap_spread_ms.max(1);
        self.end_within(conn, share_ms, CloseReason::Gap, now, wire);
    }

    /// What was there before this process is taken over.
    fn note_ready(&mut self, now: Now) {
        for partition in (0..=u8::MAX).map_while(Partition::from_number) {
            if partition.home(self.shared.shards) == self.number {
                self.take_loaded(partition, now);
                self.homes.in_partition(partition).note_whole();
                self.sweep_old(partition, now);
            }
        }
        if let Some(contact) = &self.shared.contact {
            contact.note_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::token::{self, Verifier};
    use crate::conn::{Options, Shared};
    use crate::entropy::Entropy;
    use crate::hub::position::Stamp;
    use crate::hub::registry::HashSeed;
    use crate::hub::topic::Topic;
    use crate::schema::Catalogue;
    use crate::trace::{Level, Trace};
    use uuid::Uuid;

    const DAY_MS: u64 = 86_400_000;
    const NOW_MS: u64 = 1_795_266_403_000;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn what_nobody_has_told_anew_for_days_ends_in_the_engine_when_a_process_starts_unless_it_just_has_been() {
        let now = Now::from_ms(0, NOW_MS);
        let options = Options { values_ms: 7 * DAY_MS, ..Options::default() };
        let shared = Shared::new(options, Limits::DEFAULT, 1, HashSeed(1, 2), Epoch::begin(now, 7));
        let keys = [KeyOptions::new(KeySource::Secret("q7#Lw0)vT2mZ!eR9xK4uB6yH1sD8fG3a".to_owned()))];
        let verifier = Verifier::new(token::Options::new(Keys::new(&keys).unwrap())).unwrap();
        let catalogue = Arc::new(Catalogue::built_in(None));
        let event = catalogue.find("UserAvailability").unwrap();
        let trace = Trace::new(Level::Trace);
        let mut shard = Shard::new(0, Arc::new(shared), catalogue, Arc::new(verifier), Box::new(Zeros), trace);
        let organization = Uuid::from_u128(1);
        let partition = Partition::of(organization);
        let publication = |entity: u128, age_days: u64, sequence: u64| {
            let topic = Topic { organization, event, entity: Uuid::from_u128(entity) };
            let epoch = Epoch::from_number(1);
            let at = crate::clock::UnixMs::from_ms(NOW_MS - age_days * DAY_MS);
            let stamp = Some(Stamp { epoch, position: Position::of_entry(epoch, sequence), at });
            Publication { stamp, effect: Effect::Value, ..Publication::new(topic, b"{}".as_slice().into()) }
        };
        let (young, old, told_anew) = (publication(2, 6, 1), publication(3, 8, 2), publication(4, 8, 3));
        shard.loaded.extend([&young, &old, &told_anew].map(|one| (partition, one.clone())));
        shard.take_loaded(partition, now);
        shard.homes.in_partition(partition).keep(publication(4, 0, 9));
        shard.note_ready(now);
        let held = |shard: &mut Shard, one: &Publication| shard.homes.in_partition(partition).held_at(one).is_some();
        assert!(held(&mut shard, &young) && !held(&mut shard, &old), "it is not kept here either");
        let [ToWrite::Append(Append { items, .. })] = shard.to_write.as_slice() else { panic!("{:?}", shard.to_write) };
        let field = value(&old, &shard.catalogue).unwrap().field;
        assert_eq!(items[0].row, Some(crate::backplane::Row::Ends(vec![field])));
    }
}
