//! What a shard does to connections of its own because somebody elsewhere asks for it: always by
//! letter, its own requests too, so that a link never reaches into the connection of another.

use super::ask::{Answer, Awaited, Caller};
use super::hub::connection::{Connections, Handle};
use super::mail::{Mail, To};
use super::order::{NotRefreshed, Order, Refreshed};
use super::turn::Turn;
use crate::auth::principal::Principal;
use crate::auth::revoked::Revocation;
use crate::hub::partition::Partition;
use crate::hub::registry::ConnKey;
use crate::wire::LinkKey;
use std::sync::Arc;

impl Turn<'_> {
    /// Posts an order to all shards, this one included; each answers.
    pub(super) fn order_all(&mut self, caller: Caller, order: Order) -> Awaited {
        let letter = Mail::Order { from: self.process.shard, caller, order };
        if self.process.shards > 1 {
            self.out.mail.post(To::Siblings, letter.clone());
        }
        self.intake.push_mail(letter);
        Awaited::new(None, self.process.shards, self.now.mono)
    }

    /// Ends all connections that a revocation concerns, here and at the other processes that share
    /// an engine.
    pub(super) fn revoke_all(&mut self, link: LinkKey, ticket: u32, revocation: Arc<Revocation>) -> Awaited {
        let awaited = self.order_all(Caller::Request { link, ticket }, Order::Revoke(Arc::clone(&revocation)));
        if self.process.contact.is_none() {
            return awaited;
        }
        let (from, home) = (self.process.shard, Partition::FIRST.home(self.process.shards));
        let letter = Mail::Spread { from, link, ticket, revocation };
        if home == from {
            self.intake.push_mail(letter);
        } else {
            self.out.mail.post(To::Shard(home), letter);
        }
        awaited.one_more()
    }

    /// Posts an order to that shard, which may be this one; it is answered in any case.
    pub(super) fn order(&mut self, caller: Caller, to: usize, order: Order) -> Awaited {
        let from = self.process.shard;
        let letter = Mail::Order { from, caller, order };
        if to == from {
            self.intake.push_mail(letter);
        } else {
            self.out.mail.post(To::Shard(to), letter);
        }
        Awaited::new(None, 1, self.now.mono)
    }
}

/// Does what is ordered. Returns with the answer the connections whose deadlines may be others now.
pub(crate) fn obey(order: &Order, connections: &mut Connections, turn: &mut Turn<'_>) -> (Answer, Vec<ConnKey>) {
    match order {
        Order::Refresh(key, fresh) => (Answer::Refreshed(refresh(*key, fresh, connections, turn)), vec![*key]),
        Order::Revoke(revocation) => {
            turn.hub.spend(connections.len());
            let revoke =
                |(key, connection)| Handle { key, connection, turn: &mut *turn }.revoke(revocation).then_some(key);
            let ended: Vec<ConnKey> = connections.iter_mut().filter_map(revoke).collect();
            (Answer::Revoked(ended.len() as u64), ended)
        }
    }
}

fn refresh(
    key: ConnKey,
    fresh: &Principal,
    connections: &mut Connections,
    turn: &mut Turn<'_>,
) -> Result<Refreshed, NotRefreshed> {
    let connection = connections.get_mut(key).ok_or(NotRefreshed::Gone)?;
    Handle { key, connection, turn }.refresh(fresh)
}
