//! What shards say to each other.

use super::ask::{Answer, Caller, Question};
use super::order::Order;
use crate::auth::revoked::Revocation;
use crate::backplane::Settled;
use crate::backplane::reader::ReaderMail;
use crate::hub::partition::Partition;
use crate::hub::publication::Publication;
use crate::hub::seen::Identity;
use crate::wire::LinkKey;
use std::sync::Arc;

/// A letter from shard to shard. Letters of one shard to another arrive in the order in which they
/// were posted.
#[derive(Clone, Debug)]
pub enum Mail {
    /// The sender, their home, has stamped these, in this order; deliver them to your members.
    Publications(Arc<[Publication]>),
    /// Stamp these, you being their home, in this order; answer `from` with [`Answer::Published`].
    Publish {
        /// The publisher's shard.
        from: usize,
        /// The publisher's link.
        link: LinkKey,
        /// Which of the link's questions it is.
        ticket: u32,
        /// Items and what is derived from them.
        publications: Vec<Unstamped>,
    },
    /// A question; answer `from` with [`Mail::Answered`].
    Ask {
        /// The shard that asks.
        from: usize,
        /// Who waits there.
        caller: Caller,
        /// What it wants to know.
        question: Question,
    },
    /// Something to do to connections of yours; answer `from` with [`Mail::Answered`].
    Order {
        /// The shard that asks for it.
        from: usize,
        /// Who waits there.
        caller: Caller,
        /// What is to be done.
        order: Order,
    },
    /// The answer to a question. What the sender posted before is what the answer knows of: its
    /// place is the cut.
    Answered {
        /// Who waits.
        caller: Caller,
        /// The answer.
        answer: Answer,
    },
    /// Nobody waits any more for the answer to a question of that caller, of that shard.
    Withdraw(usize, Caller),
    /// Tell the other processes that share an engine of this, you being its home; answer `from`
    /// with [`Answer::Revoked`].
    Spread {
        /// The shard that asks for it.
        from: usize,
        /// Whose link waits there.
        link: LinkKey,
        /// For the answer to which of its questions.
        ticket: u32,
        /// What is revoked.
        revocation: Arc<Revocation>,
    },
    /// What became of publications that went to an engine which several processes share.
    Settled(Settled),
    /// What has been read of that engine.
    Read(ReaderMail),
    /// The sender is home to that partition: something of it is missing between what it posted
    /// before and what follows.
    Gap(Partition),
    /// Another term has begun ([`Journal`](super::Journal)).
    Term,
    /// Hand over what still holds, so that what is older need not be kept on disk.
    Checkpoint,
    /// The drain begins.
    Drain,
}

impl Mail {
    /// Bytes of publications in it, as far as they are bounded in mailboxes.
    pub fn data_bytes(&self) -> usize {
        let sum = |publications: &[Publication]| publications.iter().map(Publication::bytes).sum();
        match self {
            Mail::Publications(publications) => sum(publications),
            Mail::Publish { publications, .. } => publications.iter().map(Unstamped::bytes).sum(),
            Mail::Read(ReaderMail::Entries { entries, .. }) => entries.iter().map(|found| found.entry.bytes()).sum(),
            Mail::Read(ReaderMail::Values { values, .. }) => values.iter().map(|value| value.entry.bytes()).sum(),
            Mail::Ask { .. }
            | Mail::Order { .. }
            | Mail::Answered { .. }
            | Mail::Withdraw(..)
            | Mail::Spread { .. }
            | Mail::Settled(_)
            | Mail::Read(_)
            | Mail::Gap(_)
            | Mail::Term
            | Mail::Checkpoint
            | Mail::Drain => 0,
        }
    }
}

/// A publication that waits for its home.
#[derive(Clone, Debug)]
pub struct Unstamped {
    /// Without its stamp.
    pub(crate) publication: Publication,
    /// What it is known by, where its publisher has given an id, which few do.
    pub(crate) identity: Option<Box<Identity>>,
}

impl Unstamped {
    /// What it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        let identity = self.identity.as_ref().map_or(0, |_| size_of::<Identity>());
        size_of::<Option<Box<Identity>>>() + identity + self.publication.bytes()
    }
}

/// Whom a letter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every other shard.
    Siblings,
    /// One other shard.
    Shard(usize),
}

/// The letters of a turn, in their order.
#[derive(Debug, Default)]
pub struct Outbound {
    letters: Vec<(To, Mail)>,
    /// Stamped here and not yet in a letter: those of a turn share one as long as nothing else is
    /// posted between them.
    stamped: Vec<Publication>,
    /// Go behind all others.
    last: Vec<(To, Mail)>,
}

impl Outbound {
    /// Posts a publication that was stamped here to all siblings.
    pub(crate) fn publish(&mut self, publication: Publication) {
        self.stamped.push(publication);
    }

    /// Posts a letter.
    pub(crate) fn post(&mut self, to: To, mail: Mail) {
        self.seal();
        self.letters.push((to, mail));
    }

    /// Posts a letter that may stand behind whatever else the turn posts, so that it parts no
    /// publications.
    pub(crate) fn post_last(&mut self, to: To, mail: Mail) {
        self.last.push((to, mail));
    }

    /// Takes the letters.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (To, Mail)> {
        self.seal();
        self.letters.drain(..).chain(self.last.drain(..))
    }

    /// An answer must not overtake the publications that it knows of.
    fn seal(&mut self) {
        if !self.stamped.is_empty() {
            let publications = self.stamped.drain(..).collect();
            self.letters.push((To::Siblings, Mail::Publications(publications)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Now;
    use crate::conn::ask::Published;
    use crate::hub::position::Epoch;
    use crate::hub::topic::Topic;
    use crate::schema::EventId;
    use uuid::Uuid;

    #[test]
    fn an_answer_stands_behind_what_was_stamped_before_it() {
        let publication = |n: u8| {
            let topic = Topic { organization: Uuid::nil(), event: EventId(0), entity: Uuid::nil() };
            Publication::new(topic, [n].into())
        };
        let caller = Caller::Request { link: LinkKey::default(), ticket: 0 };
        let epoch = Epoch::begin(Now::from_ms(0, 0), 0);
        let published = Published { last: Some((epoch, epoch.start())), duplicates: Vec::new() };
        let mut outbound = Outbound::default();
        outbound.post_last(To::Shard(2), Mail::Drain);
        outbound.publish(publication(1));
        outbound.publish(publication(2));
        outbound.post(To::Shard(1), Mail::Answered { caller, answer: Answer::Published(published) });
        outbound.publish(publication(3));
        let told: Vec<(To, Vec<u8>)> = outbound
            .drain()
            .map(|(to, mail)| {
                let Mail::Publications(list) = mail else { return (to, Vec::new()) };
                (to, list.iter().map(|publication| publication.data[0]).collect())
            })
            .collect();
        let shard = |number| (To::Shard(number), vec![]);
        assert_eq!(told, [(To::Siblings, vec![1, 2]), shard(1), (To::Siblings, vec![3]), shard(2)]);
        assert_eq!(outbound.drain().count(), 0);
    }
}
