//! What has come to a shard and waits for its turn: mail of the siblings, in its order, and publish
//! requests, of which the links take turns; links with more of their own to do than a portion of a
//! turn.
//!
//! Nothing of a request is stamped while it waits, so nothing that happens meanwhile is out of
//! order. What a sibling has stamped has its place: whoever subscribes to its topics waits behind
//! it.

use super::ahead::Ahead;
use super::mail::{Mail, Unstamped};
use super::whose::Whose;
use crate::hub::publication::Publication;
use crate::hub::seen::Identity;
use crate::limits::Limits;
use crate::wire::LinkKey;
use std::collections::VecDeque;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Mail, with how many of its publications have been delivered.
    mail: VecDeque<(Mail, usize)>,
    /// Links and connections that go on, in the order in which they stopped, each once.
    pub(crate) waiting: VecDeque<Whose>,
    /// Questions that this home cannot answer yet.
    pub(crate) ahead: Ahead,
    queues: VecDeque<Queue>,
    /// Bytes of publications in them.
    bytes: usize,
    /// Bytes of publications in the mail.
    mail_bytes: usize,
    /// All of them wait for readers who are behind.
    pub(crate) is_waiting: bool,
}

/// The requests of one link that wait to be stamped, in their order.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The link's shard.
    pub(crate) from: usize,
    pub(crate) link: LinkKey,
    requests: VecDeque<Request>,
}

#[derive(Debug)]
struct Request {
    ticket: u32,
    publications: VecDeque<Unstamped>,
    /// Indices of items that had been seen before.
    duplicates: Vec<u32>,
}

impl Intake {
    /// Whether further mail should be taken from the mailbox.
    pub(crate) fn takes_mail(&self, limits: &Limits) -> bool {
        self.mail.is_empty() && self.bytes < limits.mailbox_bytes_max
    }

    /// Mail of a sibling, behind what has come before.
    pub(crate) fn push_mail(&mut self, mail: Mail) {
        self.mail_bytes += mail.data_bytes();
        self.mail.push_back((mail, 0));
    }

    /// The mail that came first, with how many of its publications have been delivered.
    pub(crate) fn pop_mail(&mut self) -> Option<(Mail, usize)> {
        let (mail, delivered) = self.mail.pop_front()?;
        self.mail_bytes -= mail.data_bytes();
        Some((mail, delivered))
    }

    /// It is not done with, and is the first again.
    pub(crate) fn put_back_mail(&mut self, mail: Mail, delivered: usize) {
        self.mail_bytes += mail.data_bytes();
        self.mail.push_front((mail, delivered));
    }

    /// Bytes of publications that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.mail_bytes
    }

    /// Whether there is something to do before anything else happens.
    pub(crate) fn has_work(&self) -> bool {
        !(self.mail.is_empty() && self.waiting.is_empty()) || !(self.queues.is_empty() || self.is_waiting)
    }

    /// Whether requests wait.
    pub(crate) fn has_requests(&self) -> bool {
        !self.queues.is_empty()
    }

    /// Links of which requests wait.
    pub(crate) fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Whether requests of that link of that shard wait.
    pub(crate) fn has_requests_of(&self, from: usize, link: LinkKey) -> bool {
        self.queues.iter().any(|queue| queue.is_of(from, link))
    }

    /// A request of a link of that shard waits, behind those of the same link.
    pub(crate) fn push(&mut self, from: usize, link: LinkKey, ticket: u32, publications: Vec<Unstamped>) {
        self.bytes += bytes_of(&publications);
        self.is_waiting = false;
        let request = Request { ticket, publications: publications.into(), duplicates: Vec::new() };
        match self.queues.iter_mut().find(|queue| queue.is_of(from, link)) {
            Some(queue) => queue.requests.push_back(request),
            None => self.queues.push_back(Queue { from, link, requests: [request].into() }),
        }
    }

    /// The queue whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Queue> {
        self.queues.pop_front()
    }

    /// The first request of a queue has been taken: its ticket, and its publications.
    pub(crate) fn take_request(&mut self, queue: &mut Queue) -> Option<(u32, Vec<Unstamped>)> {
        let Request { ticket, publications, .. } = queue.requests.pop_front()?;
        let publications = Vec::from(publications);
        self.bytes -= bytes_of(&publications);
        Some((ticket, publications))
    }

    /// It waits for its next turn, where it holds anything.
    pub(crate) fn put_back(&mut self, queue: Queue) {
        if !queue.requests.is_empty() {
            self.queues.push_back(queue);
        }
    }

    /// What waits first in a queue has been taken.
    pub(crate) fn take(&mut self, queue: &mut Queue) -> Option<Unstamped> {
        let unstamped = queue.requests.front_mut()?.publications.pop_front()?;
        self.bytes -= unstamped.bytes();
        Some(unstamped)
    }
}

impl Queue {
    fn is_of(&self, from: usize, link: LinkKey) -> bool {
        (self.from, self.link) == (from, link)
    }

    /// What waits first.
    pub(crate) fn first(&self) -> Option<&Publication> {
        self.requests.front()?.publications.front().map(|unstamped| &unstamped.publication)
    }

    /// What was taken of its first request had been seen before.
    pub(crate) fn note_again(&mut self, again: Identity) {
        if let Some(request) = self.requests.front_mut() {
            request.duplicates.extend(again.item);
        }
    }

    /// The ticket of its first request, once nothing of that waits any more, and which of its items
    /// had been seen before.
    pub(crate) fn take_done(&mut self) -> Option<(u32, Vec<u32>)> {
        let is_done = self.requests.front().is_some_and(|request| request.publications.is_empty());
        is_done.then(|| self.requests.pop_front())?.map(|request| (request.ticket, request.duplicates))
    }
}

fn bytes_of(publications: &[Unstamped]) -> usize {
    publications.iter().map(Unstamped::bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::topic::Topic;
    use crate::schema::EventId;
    use slotmap::SlotMap;
    use uuid::Uuid;

    fn publication(n: u8) -> Unstamped {
        let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
        Unstamped { publication: Publication::new(topic, [n].into()), identity: None }
    }

    #[test]
    fn links_take_turns_and_the_requests_of_each_are_done_in_their_order() {
        let mut links = SlotMap::<LinkKey, ()>::with_key();
        let (one, other) = (links.insert(()), links.insert(()));
        let mut intake = Intake::default();
        intake.push(0, one, 7, vec![publication(1), publication(2)]);
        intake.push(1, one, 7, vec![publication(5)]);
        intake.push(0, other, 0, vec![publication(6)]);
        intake.push(0, one, 8, vec![publication(3), publication(4)]);
        let mut order = Vec::new();
        while let Some(mut queue) = intake.next() {
            let taken = intake.take(&mut queue).map(|unstamped| unstamped.publication.data[0]);
            order.push((taken, queue.take_done().map(|(ticket, _)| (queue.from, queue.link, ticket))));
            intake.put_back(queue);
        }
        let done = |from, link, ticket| Some((from, link, ticket));
        let expected = [
            (Some(1), None),
            (Some(5), done(1, one, 7)),
            (Some(6), done(0, other, 0)),
            (Some(2), done(0, one, 7)),
            (Some(3), None),
            (Some(4), done(0, one, 8)),
        ];
        assert_eq!(order, expected);
        assert!(!intake.has_requests() && !intake.has_work());
    }

    #[test]
    fn a_request_that_is_taken_whole_is_no_longer_counted() {
        let mut intake = Intake::default();
        intake.push(0, LinkKey::default(), 7, vec![publication(1), publication(2)]);
        assert_eq!(intake.bytes(), 2 * publication(1).bytes());
        let mut queue = intake.next().unwrap();
        assert_eq!(intake.take_request(&mut queue).map(|(ticket, taken)| (ticket, taken.len())), Some((7, 2)));
        assert_eq!(intake.bytes(), 0);
    }

    #[test]
    fn mail_is_left_in_the_mailbox_while_as_much_waits_as_fits_one() {
        let limits = Limits { mailbox_bytes_max: 2 * publication(1).bytes(), ..Limits::DEFAULT };
        let mut intake = Intake::default();
        intake.push(0, LinkKey::default(), 0, vec![publication(1)]);
        assert!(intake.takes_mail(&limits));
        intake.push(0, LinkKey::default(), 1, vec![publication(2)]);
        assert!(!intake.takes_mail(&limits));
        let mut queue = intake.next().unwrap();
        assert!(intake.take(&mut queue).is_some());
        assert!(intake.takes_mail(&limits));
        intake.mail.push_back((Mail::Drain, 0));
        assert!(!intake.takes_mail(&limits), "what came before comes first");
    }
}
