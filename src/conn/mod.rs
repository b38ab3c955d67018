//! What comes in becomes requests or hub messages. A link is a socket; a connection is
//! SignalR's; and there are questions to other shards, and mail between them.

mod ahead;
mod allowance;
mod answers;
mod arrivals;
mod ask;
mod books;
mod delivery;
mod drain;
mod end;
mod hub;
mod intake;
mod journal;
mod link;
mod mail;
mod obey;
mod order;
mod places;
mod quotas;
mod tools;
mod turn;
mod unwritten;

pub(crate) use arrivals::Arrivals;
pub use ask::{Answer, Caller, Published, Question};
pub use books::Books;
pub(crate) use delivery::Delivery;
pub use drain::Drain;
pub use hub::connection::{Connection, Connections};
pub(crate) use intake::Intake;
pub use journal::{Journal, Progress, Term, ToWrite};
pub use link::LINK_BYTES;
pub use link::Moved;
pub(crate) use link::READ_BYTES_PER_DELIVERY;
pub(crate) use link::cx::Cx;
pub(crate) use link::{Life, Link, Timed, View};
pub use mail::{Mail, Outbound, To, Unstamped};
pub(crate) use obey::obey;
pub use order::{NotRefreshed, Order, Refreshed};
pub(crate) use tools::Tools;
pub use turn::{Options, Shared};
pub(crate) use turn::{Process, Turn, WayOut};
pub(crate) use unwritten::{Entry, Unwritten};
