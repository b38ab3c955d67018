//! Mail of siblings, publish requests and answers: what comes to a shard and waits for its turn.

use super::Shard;
use crate::broken::broken;
use crate::clock::Now;
use crate::close::CloseReason;
use crate::conn::{Answer, Caller, Delivery, Link, Mail, Published, To, Whose, obey};
use crate::entropy::next_u64;
use crate::hub::publication::Publication;
use crate::hub::registry::ConnKey;
use crate::wire::{LinkKey, Wire};

impl Shard {
    /// Whether mail should be handed over. While it should not, what has come before still waits.
    pub fn takes_mail(&self) -> bool {
        self.intake.takes_mail(&self.shared.limits)
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

    /// Links go on with what they have read, a portion each, and no more of them in a turn than
    /// others would notice; one of them does in any case.
    fn proceed_with_links(&mut self, now: Now, wire: &mut dyn Wire) {
        let others = self.hub.begin_share();
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
        self.hub.end_share(others);
    }

    fn proceed_with_mail(&mut self, now: Now, wire: &mut dyn Wire) {
        while self.proceed_with_gap(now, wire)
            && let Some((mail, delivered)) = self.intake.pop_mail()
        {
            if matches!(mail, Mail::Ask { .. }) && self.hub.is_spent() {
                // What is found for an answer may be long work.
                return self.intake.put_back_mail(mail, delivered);
            }
            if matches!(mail, Mail::Read(_)) && self.unwritten.is_full(&self.shared.limits) {
                // What has been read before is still to be delivered.
                return self.intake.put_back_mail(mail, delivered);
            }
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

    /// Stamps what waits, an item of each link after the other.
    fn proceed_with_requests(&mut self, now: Now, wire: &mut dyn Wire) {
        if self.shared.contact.is_some() {
            return self.append_requests(now);
        }
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
                let answer = Answer::Published(Published::by(&self.homes, duplicates));
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
        while let Some(question) = self.intake.ahead.take(|of| self.homes.of(of).last(), now) {
            let home = self.homes.of_mut(question.organization);
            let block = home.recover(question.organization, &question.wanted, now);
            self.hub.spend(block.work);
            self.answer_in_order(question.from, question.caller, Answer::Block(block), now, wire);
        }
    }

    pub(super) fn answer(&mut self, to: usize, caller: Caller, answer: Answer, now: Now, wire: &mut dyn Wire) {
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
                    match self.hub.is_linkless(conn) {
                        true => self.look_at(conn),
                        false => self.hub.link(conn).into_iter().for_each(|key| self.arm(key)),
                    }
                }
                // A revocation is told of once it is written.
                if matches!(answer, Answer::Revoked(_)) {
                    self.answer_in_order(from, caller, answer, now, wire);
                } else {
                    self.answer(from, caller, answer, now, wire);
                }
            }
            Mail::Withdraw(from, caller) => self.intake.ahead.withdraw(from, caller),
            Mail::Spread { from, link, ticket, revocation } => {
                self.spread((from, link, ticket), &revocation, now);
            }
            Mail::Settled(settled) => self.settle(settled, now, wire),
            Mail::Read(read) => self.take_read(read, now, wire),
            Mail::Gap(partition) => self.begin_gap(partition),
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
            Caller::Connection(conn) if self.hub.is_linkless(conn) => {
                self.with_linkless(conn, now, wire, |mut it| it.handle_answer(answer));
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

    fn drain(&mut self, now: Now, wire: &mut dyn Wire) {
        let keys: Vec<LinkKey> = self.links.keys().collect();
        let spread_ms = self.shared.limits.drain_spread_ms.max(1);
        for key in keys {
            let share_ms = next_u64(self.entropy.as_mut()) % spread_ms;
            self.with(key, now, wire, |link, cx| link.drain(share_ms, cx));
        }
        let linkless: Vec<ConnKey> = self.connections.keys().filter(|conn| self.hub.is_linkless(*conn)).collect();
        for conn in linkless {
            let share_ms = next_u64(self.entropy.as_mut()) % spread_ms;
            self.with_linkless(conn, now, wire, |mut it| it.drain(share_ms));
        }
    }

    /// A connection ends for that reason within that time.
    pub(super) fn end_within(
        &mut self,
        conn: ConnKey,
        share_ms: u64,
        reason: CloseReason,
        now: Now,
        wire: &mut dyn Wire,
    ) {
        if let Some(key) = self.carrier(conn, now, wire, |mut it| it.end_within(share_ms, reason)) {
            self.with(key, now, wire, |link, cx| link.end_within(share_ms, reason, cx));
        }
    }
}
