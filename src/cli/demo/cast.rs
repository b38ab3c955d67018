//! Who and what is in the simulated call centre. The GUIDs are the same for every seed, so that a
//! line pasted once fits every run.

use uuid::{Uuid, uuid};

/// The one organization.
pub const ORGANIZATION: Uuid = uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59");
/// Whom the printed client token is for.
pub const SUPERVISOR: Uuid = uuid!("5e0f2d3c-4b1a-4c8d-9e7f-6a5b4c3d2e1f");

/// A user of the platform. All telephone numbers are from the ranges that Ofcom keeps free for
/// fiction.
pub struct Person {
    /// UserId.
    pub id: Uuid,
    /// UserName.
    pub name: &'static str,
    /// The work number.
    pub number: &'static str,
}

/// User A of the reference's scenario: calls "Support" from a webphone and serves in no queue.
pub const A: usize = 0;
/// User B: declines.
pub const B: usize = 1;
/// User C: answers, and later hangs up.
pub const C: usize = 2;
/// Whose desk the demo shows: in both queues, and calls back.
pub const DESK: usize = 4;

/// The users; [`A`], [`B`] and [`C`] first.
pub const PEOPLE: [Person; 7] = [
    Person {
        id: uuid!("a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "anna.virtanen@example.com",
        number: "+441632960101",
    },
    Person {
        id: uuid!("b2eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "bo.lindqvist@example.com",
        number: "+441632960102",
    },
    Person {
        id: uuid!("c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "carla.rossi@example.com",
        number: "+441632960103",
    },
    Person {
        id: uuid!("d4eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "david.mwangi@example.com",
        number: "+441632960104",
    },
    Person {
        id: uuid!("e5eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "emma.novak@example.com",
        number: "+441632960105",
    },
    Person {
        id: uuid!("f6eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "farid.haddad@example.com",
        number: "+441632960106",
    },
    Person {
        id: uuid!("a7eeb030-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "greta.olsen@example.com",
        number: "+441632960107",
    },
];

/// A service queue.
pub struct Queue {
    /// QueueId.
    pub id: Uuid,
    /// QueueName.
    pub name: &'static str,
    /// The number that callers dial.
    pub number: &'static str,
    /// Who is attached to it, as indices of [`PEOPLE`].
    pub agents: &'static [usize],
}

/// The queue of the reference's scenario.
pub const SUPPORT: usize = 0;

/// The queues; [`SUPPORT`] first.
pub const QUEUES: [Queue; 2] = [
    Queue {
        id: uuid!("cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3"),
        name: "Support",
        number: "+441632960200",
        agents: &[B, C, 3, 4],
    },
    Queue {
        id: uuid!("d4d6cfb2-64a4-4a3c-9c1f-90c1e6a3f0a7"),
        name: "Sales",
        number: "+441632960300",
        agents: &[4, 5, 6],
    },
];

/// The list of callback requests: its CallListId.
pub const CALL_LIST: Uuid = uuid!("e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11");
/// Who handles callbacks.
pub const CALLBACK_TEAM: [usize; 3] = [3, 4, 5];
/// Whose availability turns: the scenario needs the others.
pub const TURNING: [usize; 4] = [3, 4, 5, 6];
