//! Who plays: two organizations whose entities have the same GUIDs, principals with different
//! rights, and what they publish.

use super::rng::Rng;
use super::setting::START;
use rte::auth::keys::{KeyOptions, KeySource, Keys};
use rte::auth::mint::{SigningKey, Statement, mint};
use rte::auth::token::ClaimNames;
use std::sync::LazyLock;
use uuid::Uuid;

const SECRET: &str = "a secret of the simulation: 32 bytes";
const FOREIGN_SECRET: &str = "a secret of somebody else: 32 bytes!";

pub const ORGANIZATIONS: [Uuid; 2] = [Uuid::from_u128(0xA000), Uuid::from_u128(0xB000)];
pub const USERS: [Uuid; 3] = [Uuid::from_u128(0x0101), Uuid::from_u128(0x0102), Uuid::from_u128(0x01FA)];
pub const QUEUES: [Uuid; 2] = [Uuid::from_u128(0x0201), Uuid::from_u128(0x02FB)];
pub const LISTS: [Uuid; 2] = [Uuid::from_u128(0x0301), Uuid::from_u128(0x03FC)];

/// An event that the cast publishes and subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    pub family: &'static str,
    pub is_state: bool,
    /// Its newest publication is a row, for those who ask: a state's, or the begin of a call of
    /// which there is one for each entity and which never ends.
    pub is_kept: bool,
    pub entities: &'static [Uuid],
    /// The event's own data with `{entity}`, `{organization}` and `{tag}` to be filled in.
    template: &'static str,
}

pub const KINDS: [Kind; 5] = [
    Kind {
        name: "UserAvailability",
        family: "user",
        is_state: true,
        is_kept: true,
        entities: &USERS,
        template: r#"{"availability":"Busy","endTime":"9999-12-31T23:59:59.9999999Z","eventSource":"User","note":"{tag}","organizationId":"{organization}","profileId":"6f1f0c1e-2c1b-4f0a-8f55-1f0f3b1d2c77","startTime":"2024-05-31T14:02:11.4830000Z","userId":"{entity}","userName":"anna"}"#,
    },
    Kind {
        name: "UserAlert",
        family: "user",
        is_state: false,
        is_kept: false,
        entities: &USERS,
        template: r#"{"alertId":"64f2d8b3-90ce-4e17-a5b8-3d1c7f06e92a","conditionExpression":"a > 5","conditionName":"a","conditionValue":"5","organizationId":"{organization}","userId":"{entity}","value":"{tag}"}"#,
    },
    Kind {
        name: "QueueStatus",
        family: "queue",
        is_state: true,
        is_kept: true,
        entities: &QUEUES,
        template: r#"{"maxWaitTime":74,"nbrOfAgentsCheckedInQueue":5,"nbrOfAgentsImmediatelyFree":0,"nbrOfAgentsLongTermAway":1,"nbrOfAgentsOnWrapUp":1,"nbrOfAgentsShortTermAway":3,"nbrOfAllocated":1,"nbrOfConnected":3,"nbrOfNotServedRequesters":3,"nbrOfProviders":5,"nbrOfQueuingRequesters":2,"nbrOfRequesters":6,"nbrOfServingAgentsEstimate":4,"openStatus":5,"organizationId":"{organization}","queueId":"{entity}","queueName":"{tag}"}"#,
    },
    Kind {
        name: "QueueCallInArrived",
        family: "queue",
        is_state: false,
        is_kept: true,
        entities: &QUEUES,
        template: r#"{"callerNumber":"+358401234501","callId":"7b0d3a52-8e1c-4f56-9d2b-3c4a5e6f7081","legId":"81f6b2c47d0e9a35","organizationId":"{organization}","queueId":"{entity}","queueName":"{tag}","queueNumber":"+358942450100","targetNumber":"+358942450100"}"#,
    },
    Kind {
        name: "CallListNotification",
        family: "calllist",
        is_state: false,
        is_kept: false,
        entities: &LISTS,
        template: r#"{"assignedUserId":null,"cbrId":"9d2e6b41-7c05-4a8f-b1d3-e0f4682a5c97","contactMessage":"{tag}","contactName":"P","contactNumber":"+358401234567","listId":"{entity}"}"#,
    },
];

impl Kind {
    pub fn find(name: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// The event's data with that tag in it.
    pub fn data(&self, organization: Uuid, entity: Uuid, tag: &str) -> String {
        self.template
            .replace("{entity}", &entity.to_string())
            .replace("{organization}", &organization.to_string())
            .replace("{tag}", tag)
    }

    /// An item of a publish request. `beside` is the organization beside the data.
    pub fn item(&self, organization: Uuid, entity: Uuid, tag: &str) -> String {
        let data = self.data(organization, entity, tag);
        format!(r#"{{"eventName":"{}","organizationId":"{organization}","data":{data}}}"#, self.name)
    }
}

/// What a client may be told of, as this simulation understands the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    pub organization: Uuid,
    pub user: Uuid,
    /// Families of which every client event may be heard.
    pub families: &'static [&'static str],
    /// Events, by name, that may be heard of every entity.
    pub events: &'static [&'static str],
}

impl Rights {
    pub fn cover(&self, kind: Kind, entity: Uuid) -> bool {
        self.families.contains(&kind.family)
            || self.events.contains(&kind.name)
            || (kind.family == "user" && entity == self.user)
    }

    fn grants(&self) -> Vec<String> {
        let families = self.families.iter().map(|family| format!("{family}/*"));
        let events = self.events.iter().map(|name| {
            let family = Kind::find(name).unwrap().family;
            format!("{family}/*/{name}")
        });
        families.chain(events).collect()
    }
}

const fn rights(
    organization: usize,
    user: usize,
    families: &'static [&'static str],
    events: &'static [&'static str],
) -> Rights {
    Rights { organization: ORGANIZATIONS[organization], user: USERS[user], families, events }
}

/// Clients.
pub const CLIENTS: [Rights; 5] = [
    rights(0, 0, &["queue", "calllist", "user"], &[]),
    rights(0, 1, &["queue"], &["UserAvailability"]),
    rights(0, 2, &[], &[]),
    rights(1, 0, &["queue", "calllist", "user"], &[]),
    rights(1, 1, &[], &["QueueStatus", "CallListNotification"]),
];

/// The tokens of the cast. They are made once; their times are those of the simulated clock.
pub struct Tokens {
    /// By the index in [`CLIENTS`].
    pub clients: Vec<String>,
    /// The same for half a minute only.
    pub brief: Vec<String>,
    /// Publishers, one per organization.
    pub publishers: Vec<String>,
    /// Revokes tokens.
    pub admin: String,
    /// No organization.
    pub homeless: String,
    /// Expired before the start.
    pub expired: String,
    /// Signed by somebody else.
    pub forged: String,
}

pub const BRIEF_S: u64 = 30;

pub static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let key = SigningKey::from_secret(None, SECRET, None).unwrap();
    let start_s = START.unix.seconds();
    let sign = |key: &SigningKey, statement: Statement| mint(key, &ClaimNames::default(), &statement).unwrap();
    let client = |rights: &Rights, expires_unix_s: u64| Statement {
        user: Some(rights.user.to_string()),
        organization: Some(rights.organization),
        grants: rights.grants(),
        issued_unix_s: start_s,
        expires_unix_s,
        ..Statement::default()
    };
    let late_s = start_s + 1_000_000;
    let publisher = |organization| Statement {
        organization: Some(organization),
        scopes: vec!["publish".into()],
        expires_unix_s: late_s,
        ..Statement::default()
    };
    Tokens {
        clients: CLIENTS.iter().map(|rights| sign(&key, client(rights, late_s))).collect(),
        brief: CLIENTS.iter().map(|rights| sign(&key, client(rights, start_s + BRIEF_S))).collect(),
        publishers: ORGANIZATIONS.iter().map(|organization| sign(&key, publisher(*organization))).collect(),
        admin: sign(&key, Statement { scopes: vec!["admin".into()], expires_unix_s: late_s, ..Statement::default() }),
        homeless: sign(&key, Statement { expires_unix_s: late_s, ..Statement::default() }),
        expired: sign(&key, client(&CLIENTS[0], start_s - 1000)),
        forged: sign(&SigningKey::from_secret(None, FOREIGN_SECRET, None).unwrap(), client(&CLIENTS[0], late_s)),
    }
});

impl Tokens {
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let single = [&self.admin, &self.homeless, &self.expired, &self.forged];
        self.clients.iter().chain(&self.brief).chain(&self.publishers).chain(single).map(String::as_str)
    }
}

/// The hub's keys.
pub fn keys() -> Keys {
    Keys::new(&[KeyOptions::new(KeySource::Secret(SECRET.into()))]).unwrap()
}

/// A kind and one of its entities; mostly one of three, so that publishers and members meet.
pub fn any_topic(rng: &mut Rng) -> (Kind, Uuid) {
    if rng.one_in(3) {
        let kind = rng.pick(&KINDS);
        (kind, rng.pick(kind.entities))
    } else {
        let kind = KINDS[rng.below(3)];
        (kind, kind.entities[0])
    }
}
