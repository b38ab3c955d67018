//! The end of a turn: what waits is written, and who has been given up ends.

use super::Shard;
use crate::clock::Now;
use crate::conn::{End, Link};
use crate::wire::{LinkKey, Wire};

/// A link that has less to write is not kept waiting for those that have more.
const SMALL_REPLY_BYTES: usize = 4 * 1024;

impl Shard {
    /// Writes what waits, each link once, and ends who has been given up. Of large replies as much
    /// is written as a turn has room for.
    pub fn end_turn(&mut self, now: Now, wire: &mut dyn Wire) {
        self.end_doomed(now, wire);
        let mut attention = std::mem::take(&mut self.attention);
        let connections = &mut self.connections;
        self.hub.flush(now, wire, |conn, taken, left| {
            let Some(connection) = connections.get_mut(conn) else { return };
            if taken > 0 {
                connection.note_spoken(now.mono);
            }
            // Nothing to do for a connection that keeps up, which is what nearly all are.
            if left > 0 || !connection.is_open() || connection.waits_for_reader() {
                attention.push((conn, taken));
            }
        });
        for (conn, taken) in attention.drain(..) {
            let Some(key) = self.hub.link(conn) else { continue };
            self.with(key, now, wire, |link, cx| link.handle_flushed(taken, cx));
            self.note_resumed(key);
        }
        self.attention = attention;
        self.flush_links(now, wire);
        self.end_doomed(now, wire);
        self.homes.iter_mut().for_each(|home| home.shrink(now));
        self.note_kept();
    }

    /// Writes what links have of their own: all that is small, and of the large as much as a turn
    /// has room for, one of them in any case. Guests wait for each other, as they do for their
    /// work.
    fn flush_links(&mut self, now: Now, wire: &mut dyn Wire) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|key| {
            let is_large = self.link(*key).is_some_and(|link| link.backlog_bytes(&self.hub) > SMALL_REPLY_BYTES);
            if !is_large {
                self.flush_link(*key, now, wire);
            }
            is_large
        });
        for (are_guests, most) in [(false, self.hub.writes_max()), (true, self.hub.share_max())] {
            let mut left = most;
            dirty.retain(|key| {
                if left == 0 || self.is_guest(*key) != are_guests {
                    return true;
                }
                let before = self.books.metrics.bytes_out;
                self.flush_link(*key, now, wire);
                left = left.saturating_sub(self.hub.write_cost(self.books.metrics.bytes_out - before));
                false
            });
        }
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn flush_link(&mut self, key: LinkKey, now: Now, wire: &mut dyn Wire) {
        self.with(key, now, wire, Link::flush);
        self.note_resumed(key);
    }

    /// The hub has given up connections, or sockets have failed.
    fn end_doomed(&mut self, now: Now, wire: &mut dyn Wire) {
        while let Some(doomed) = self.hub.poll_doomed() {
            if self.hub.is_linkless(doomed.conn) {
                let end = End::given_up(doomed.reason, doomed.lost_bytes);
                self.with_linkless(doomed.conn, now, wire, |it| it.end_once(end));
            } else if let Some(key) = self.hub.link(doomed.conn) {
                self.with(key, now, wire, |link, cx| link.handle_doomed(doomed, cx));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, shard};
    use super::*;
    use crate::api::routes::Entrance;
    use crate::wire::{Cut, WireError};

    /// Takes everything, and keeps whose bytes came in which order.
    #[derive(Default)]
    struct Order(Vec<LinkKey>);

    impl Wire for Order {
        fn write(&mut self, link: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
            self.0.push(link);
            Ok(slices.iter().map(|slice| slice.len()).sum())
        }

        fn shutdown_write(&mut self, _: LinkKey) {}

        fn close(&mut self, _: LinkKey, _: Cut) {}
    }

    /// A link of its own asks for that path. From the inside nobody is a guest.
    fn ask(shard: &mut Shard, entrance: Entrance, path: &str, wire: &mut Order) -> LinkKey {
        let link = shard.open_at(entrance, [192, 0, 2, 1].into(), now());
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n").into_bytes();
        shard.handle_bytes(link, &mut request, now(), wire);
        link
    }

    #[test]
    fn long_replies_to_guests_are_written_behind_those_to_others_whoever_asked_first() {
        let (mut shard, mut wire) = (shard(), Order::default());
        let guest = ask(&mut shard, Entrance::Only, "/reference", &mut wire);
        let other = ask(&mut shard, Entrance::Internal, "/reference", &mut wire);
        shard.end_turn(now(), &mut wire);
        assert_eq!(wire.0, [other, guest]);
    }

    #[test]
    fn a_short_reply_does_not_wait_for_the_long_ones_that_a_turn_has_no_room_for() {
        let (mut shard, mut wire) = (shard(), Order::default());
        let long = (0..100).map(|_| ask(&mut shard, Entrance::Internal, "/reference", &mut wire)).count();
        let short = ask(&mut shard, Entrance::Internal, "/healthz", &mut wire);
        shard.end_turn(now(), &mut wire);
        assert_eq!(wire.0.first(), Some(&short));
        assert!((2..long).contains(&wire.0.len()), "{} were written", wire.0.len());
    }
}
