//! What waits for slow readers in the whole process, in bytes of memory, and its bound; with what
//! else the process keeps for its peers, and the bound of all of it.
//!
//! An outbox counts what its own peer has to take; here counts what that costs. Data that a
//! thousand slow readers wait for are held once, so they are counted once. Shards are threads, so
//! the sum is atomic; it changes only where somebody is slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum over all shards.
#[derive(Debug)]
pub struct Backlog {
    bytes: AtomicUsize,
    /// Of these, what unread replies cost.
    reply_bytes: AtomicUsize,
    /// And what only blocks hold of the past: several readers on several shards may wait for the
    /// same.
    pinned_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
    /// What mailboxes hold.
    mail_bytes: AtomicUsize,
    /// What shards keep besides: input, connections, subscriptions, rows, history.
    besides: AtomicUsize,
    /// For all of it together.
    memory_bytes_max: usize,
    shards: usize,
}

/// This part of the bound is all that unread replies may cost: who asks and does not read takes no
/// room from slow connections.
const REPLIES_PART: usize = 4;
/// This part of all that the process may keep is for backlogs alone.
const BACKLOGS_PART: usize = 8;

impl Backlog {
    /// Nothing waits yet.
    pub fn new(bytes_max: usize, shards: usize) -> Backlog {
        Backlog {
            bytes: AtomicUsize::new(0),
            reply_bytes: AtomicUsize::new(0),
            pinned_bytes: Arc::default(),
            bytes_max,
            mail_bytes: AtomicUsize::new(0),
            besides: AtomicUsize::new(0),
            memory_bytes_max: usize::MAX,
            shards: shards.max(1),
        }
    }

    /// The same, where all that the process keeps has a bound; 0 is none.
    pub fn within(self, memory_bytes_max: usize) -> Backlog {
        let memory_bytes_max = if memory_bytes_max == 0 { usize::MAX } else { memory_bytes_max };
        Backlog { memory_bytes_max, ..self }
    }

    /// The same, where blocks hold so much of what no table has any more.
    pub(crate) fn beside(self, pinned_bytes: Arc<AtomicUsize>) -> Backlog {
        Backlog { pinned_bytes, ..self }
    }

    /// Bytes that the process keeps for its peers.
    pub fn memory_bytes(&self) -> usize {
        self.bytes().saturating_add(self.bytes_besides())
    }

    fn bytes_besides(&self) -> usize {
        self.besides.load(Ordering::Relaxed).saturating_add(self.mail_bytes())
    }

    /// Whether the process may keep so many bytes more for something that is not a backlog.
    /// Backlogs make room for it; the last part is theirs, and whoever is slow for a moment is not
    /// ended because of others.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let most = self.memory_bytes_max - self.memory_bytes_max / BACKLOGS_PART;
        self.bytes_besides().saturating_add(bytes) <= most
    }

    /// Whether the process keeps more than it may.
    fn is_over(&self) -> bool {
        self.bytes() > self.bytes_max || self.memory_bytes() > self.memory_bytes_max
    }

    /// What mailboxes hold.
    pub(crate) fn mail_bytes(&self) -> usize {
        self.mail_bytes.load(Ordering::Relaxed)
    }

    /// What a mailbox holds was so much, and is so much now.
    pub(crate) fn note_mail(&self, before: usize, now: usize) {
        change(&self.mail_bytes, before, now);
    }

    /// What a shard keeps besides was so much, and is so much now.
    pub(crate) fn note_besides(&self, before: usize, now: usize) {
        change(&self.besides, before, now);
    }

    /// Bytes that are held now.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed).saturating_add(self.pinned_bytes.load(Ordering::Relaxed))
    }
}

/// The sum may wrap on the way, never at its end.
fn change(sum: &AtomicUsize, before: usize, now: usize) {
    if before != now {
        sum.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// The part of one shard.
#[derive(Debug)]
pub(crate) struct Share {
    bytes: AtomicUsize,
    all: Arc<Backlog>,
}

impl Share {
    /// A share of nothing.
    pub(crate) fn new(all: Arc<Backlog>) -> Share {
        Share { bytes: AtomicUsize::new(0), all }
    }

    /// What all shards hold.
    pub(crate) fn all(&self) -> &Backlog {
        &self.all
    }

    /// Whether this shard must give up a connection: the process holds too much, and this shard no
    /// less than the others on average. Where the sum is over its bound there is always such a
    /// shard, and the innocent ones keep their readers.
    pub fn is_over(&self) -> bool {
        if !self.all.is_over() {
            return false;
        }
        let (all, own) = (self.all.bytes.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        own > 0 && own >= all / self.all.shards
    }
}

/// Memory that waits for a slow reader; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: usize,
    share: Arc<Share>,
}

impl Held {
    /// Counts so many bytes.
    pub(crate) fn new(bytes: usize, share: &Arc<Share>) -> Held {
        let mut held = Held { bytes: 0, share: Arc::clone(share) };
        held.set(bytes);
        held
    }

    /// It has become more, or less.
    pub(crate) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            self.share.bytes.fetch_add(more, Ordering::Relaxed);
            self.share.all.bytes.fetch_add(more, Ordering::Relaxed);
        } else if bytes < self.bytes {
            let less = self.bytes - bytes;
            self.share.bytes.fetch_sub(less, Ordering::Relaxed);
            self.share.all.bytes.fetch_sub(less, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// Whose it is.
    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Replies that wait for an HTTP link's socket; counted like all that waits, and among themselves.
#[derive(Debug)]
pub(crate) struct HeldReplies(Held);

impl HeldReplies {
    /// Counts nothing yet.
    pub(crate) fn new(share: &Arc<Share>) -> HeldReplies {
        HeldReplies(Held::new(0, share))
    }

    /// It has become more, or less.
    pub(crate) fn set(&mut self, bytes: usize) {
        let reply_bytes = &self.0.share.all.reply_bytes;
        // The sum may wrap on the way, never at its end.
        reply_bytes.fetch_add(bytes, Ordering::Relaxed);
        reply_bytes.fetch_sub(self.0.bytes, Ordering::Relaxed);
        self.0.set(bytes);
    }

    /// Whether the process keeps too many of them.
    pub(crate) fn is_over(&self) -> bool {
        let all = &self.0.share.all;
        all.reply_bytes.load(Ordering::Relaxed) > all.bytes_max / REPLIES_PART
    }
}

impl Drop for HeldReplies {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_no_longer_counted() {
        let all = Arc::new(Backlog::new(100, 1));
        let share = Arc::new(Share::new(Arc::clone(&all)));
        let mut held = Held::new(60, &share);
        let other = Held::new(50, &share);
        assert!(share.is_over());
        held.set(50);
        assert!(!share.is_over());
        drop(other);
        assert_eq!(all.bytes(), 50);
        drop(held);
        assert_eq!(all.bytes(), 0);
    }

    #[test]
    fn what_is_kept_besides_backlogs_takes_room_from_them() {
        let all = Arc::new(Backlog::new(100, 1).within(160));
        let share = Arc::new(Share::new(Arc::clone(&all)));
        all.note_besides(0, 100);
        all.note_mail(0, 40);
        assert!(all.has_room(0) && !all.has_room(1), "the last eighth is for backlogs");
        let held = Held::new(20, &share);
        assert!(all.has_room(0) && !share.is_over());
        all.note_mail(40, 41);
        assert!(share.is_over(), "the largest backlog goes");
        drop(held);
        assert!(!share.is_over() && all.memory_bytes() == 141, "there is none any more");
        all.note_besides(100, 0);
        all.note_mail(41, 0);
        assert!(all.has_room(140) && !all.has_room(141));
        assert!(Backlog::new(100, 1).within(0).has_room(usize::MAX / 2), "no bound");
    }

    #[test]
    fn replies_have_a_quarter_of_the_bound_whatever_else_waits() {
        let all = Arc::new(Backlog::new(100, 1));
        let share = Arc::new(Share::new(Arc::clone(&all)));
        let connections = Held::new(90, &share);
        let (mut first, mut second) = (HeldReplies::new(&share), HeldReplies::new(&share));
        first.set(20);
        second.set(5);
        assert!(!first.is_over());
        second.set(6);
        assert!(first.is_over() && share.is_over());
        drop(second);
        assert!(!first.is_over());
        drop((connections, first));
        assert_eq!((all.bytes(), all.reply_bytes.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn only_a_shard_that_holds_as_much_as_the_others_is_asked_to_give_up() {
        let all = Arc::new(Backlog::new(100, 2));
        let (large, small) = (Arc::new(Share::new(Arc::clone(&all))), Arc::new(Share::new(Arc::clone(&all))));
        let _held = (Held::new(90, &large), Held::new(20, &small));
        assert!(large.is_over() && !small.is_over());
    }
}
