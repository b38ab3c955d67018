//! Answers to `Catalogue`: long, and the same for a principal until the catalogue or what tokens
//! are checked by changes. So they are made once, and a repeated question costs their bytes only.

use super::results::Described;
use crate::auth::grant::Grant;
use crate::limits::DESCRIPTIONS_BYTES_MAX;
use crate::proto::signalr::protocol::HubProtocol;
use crate::proto::signalr::value::{Value, Writer};
use std::collections::VecDeque;
use std::sync::Arc;
use uuid::Uuid;

/// The answers that a shard has made of late, the oldest first.
#[derive(Debug, Default)]
pub(in super::super) struct Descriptions {
    made: VecDeque<Description>,
    bytes: usize,
}

/// What was answered to whom: all that the answer depends on.
#[derive(Debug)]
struct Description {
    protocol: HubProtocol,
    user: Option<Uuid>,
    is_backend: bool,
    grants: Arc<[Grant]>,
    answer: Vec<u8>,
}

impl Description {
    fn is_of(&self, protocol: HubProtocol, described: &Described<'_>) -> bool {
        let principal = described.principal;
        self.protocol == protocol
            && self.user == principal.user
            && self.is_backend == principal.is_backend
            && self.grants == principal.grants
    }
}

impl Descriptions {
    /// The answer, and whether it had to be made.
    pub(super) fn answer(&mut self, protocol: HubProtocol, described: &Described<'_>) -> (Written<'_>, bool) {
        let found = self.made.iter().position(|made| made.is_of(protocol, described));
        let at = found.unwrap_or_else(|| self.make(protocol, described));
        (Written(self.made.get(at).map_or(&[], |made| &made.answer)), found.is_none())
    }

    fn make(&mut self, protocol: HubProtocol, described: &Described<'_>) -> usize {
        let mut answer = Vec::new();
        described.write(&mut Writer::new(protocol, &mut answer));
        self.bytes += answer.len();
        while self.bytes > DESCRIPTIONS_BYTES_MAX
            && let Some(oldest) = self.made.pop_front()
        {
            self.bytes -= oldest.answer.len();
        }
        let principal = described.principal;
        let (user, is_backend, grants) = (principal.user, principal.is_backend, Arc::clone(&principal.grants));
        self.made.push_back(Description { protocol, user, is_backend, grants, answer });
        self.made.len() - 1
    }
}

/// A value that is written already, in the protocol of the answer.
pub(super) struct Written<'w>(&'w [u8]);

impl Written<'_> {
    /// How long it is.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }
}

impl Value for Written<'_> {
    fn write(&self, out: &mut Writer<'_>) {
        out.written(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::principal::Principal;
    use crate::auth::token::{Options, Verifier};
    use crate::schema::Catalogue;

    fn verifier() -> Verifier {
        let source = KeySource::Secret("a secret of at least thirty-two bytes".to_owned());
        let keys = Keys::new(&[KeyOptions { id: None, algorithm: None, issuers: Vec::new(), source }]);
        Verifier::new(Options::new(keys.unwrap())).unwrap()
    }

    fn user(number: usize) -> Principal {
        Principal {
            user: Some(Uuid::from_u128(number as u128)),
            organization: None,
            publisher: None,
            may_publish: false,
            is_admin: false,
            is_backend: false,
            grants: Arc::default(),
            foreign_grants: 0,
            expires_unix_s: 0,
            marks: crate::auth::marks::Marks::default(),
        }
    }

    #[test]
    fn an_answer_is_made_once_for_each_principal_and_within_the_bound() {
        let (catalogue, verifier) = (Catalogue::built_in(None), verifier());
        let mut descriptions = Descriptions::default();
        let mut ask = |principal: &Principal| {
            let described = Described { catalogue: &catalogue, verifier: &verifier, principal };
            let mut expected = Vec::new();
            described.write(&mut Writer::new(HubProtocol::Json, &mut expected));
            let (answer, is_fresh) = descriptions.answer(HubProtocol::Json, &described);
            assert_eq!(answer.0, expected);
            let held: usize = descriptions.made.iter().map(|made| made.answer.capacity().min(made.answer.len())).sum();
            assert!(held == descriptions.bytes && held <= DESCRIPTIONS_BYTES_MAX, "{held} bytes");
            is_fresh
        };
        assert!(ask(&user(1)) && ask(&user(2)));
        assert!(!ask(&user(1)) && !ask(&user(2)));
        assert!(ask(&Principal { is_backend: true, ..user(1) }));
        let grants = [Grant { family: None, entity: None, event: None }];
        assert!(ask(&Principal { grants: grants.into(), ..user(1) }));
        assert!((0..1_000).all(|number| ask(&user(10 + number))));
        assert!(!ask(&user(1_009)) && ask(&user(1)), "the oldest make room");
    }
}
