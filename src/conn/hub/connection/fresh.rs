//! A connection goes on with a fresh token.

use super::{Handle, Stage, expiry};
use crate::auth::principal::Principal;
use crate::auth::revoked::Revocation;
use crate::close::CloseReason;
use crate::conn::end::{End, LastWord, Why};
use crate::conn::hub::refreshing;
use crate::conn::order::{NotRefreshed, Refreshed};
use crate::conn::step::Step;
use crate::trace::{Fact, Level};

impl Handle<'_, '_> {
    /// Goes on with a fresh token, where it is of the same user.
    ///
    /// # Errors
    /// It does not, and nothing has changed.
    pub(in crate::conn) fn refresh(&mut self, fresh: &Principal) -> Result<Refreshed, NotRefreshed> {
        match &mut self.connection.stage {
            Stage::Over => return Err(NotRefreshed::Gone),
            _ if !fresh.is_same_as(&self.connection.principal) => return Err(NotRefreshed::OtherUser),
            // Since it was verified by another shard.
            _ if self.turn.process.revocations.hold(fresh, self.turn.now) => return Err(NotRefreshed::Revoked),
            Stage::Waiting(waiting) => refreshing::judge_waiting(&mut waiting.subscribing, fresh, self.turn.process),
            Stage::Handshake(_) | Stage::Open(_) | Stage::Paused(_) => {}
        }
        let refreshed = refreshing::judge_again(self.key, fresh, self.turn);
        self.take_principal(fresh.clone());
        Ok(refreshed)
    }

    /// Ends soon where its token is revoked. Returns whether it does.
    pub(in crate::conn) fn revoke(&mut self, revocation: &Revocation) -> bool {
        if self.connection.is_over() || !revocation.concerns(&self.connection.principal) {
            return false;
        }
        match self.connection.stage {
            Stage::Handshake(_) => {
                let end = End::new(Why::new(CloseReason::Revoked), LastWord::GoingAway);
                self.turn.steps.push(Step::End(self.key, end));
            }
            Stage::Open(_) | Stage::Waiting(_) | Stage::Paused(_) | Stage::Over => {
                self.connection.ends = self.turn.now.after_ms(0);
                self.connection.ends_for = CloseReason::Revoked;
            }
        }
        true
    }

    /// It goes on with a fresh token, and by its time.
    pub(super) fn take_principal(&mut self, mut fresh: Principal) {
        fresh.grants = self.turn.tools.grants.share(&fresh.grants);
        let (ends, conn) = (expiry(&fresh, self.turn), self.connection.number);
        if self.connection.ends_for == CloseReason::TokenExpired {
            self.connection.ends = ends;
        }
        self.connection.principal = fresh;
        self.turn.books.metrics.refreshes += 1;
        self.turn.books.trace.note(Level::Debug, || Fact::TokenRefreshed { conn });
    }
}
