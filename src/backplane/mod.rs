//! Several processes are one hub: the pure half of a journal that they share.
//!
//! The **engine** keeps a log for each partition. A process appends what it takes and delivers what
//! it reads, its own entries too: so all of them deliver in one order. It has two lanes to the
//! engine: a [`writer::Writer`] and a [`reader::Reader`] decide what to ask and what an answer
//! means; whoever drives them executes each [`Command`] and hands back an [`Input`].
//!
//! ```text
//!   shards ── Append ──▶ Writer ── Append ──▶ engine ── Read ──▶ Reader ── entries ──▶ homes
//!      ▲                    │  ▲                                   ▲
//!      └────── Settled ─────┘  └── what the engine has lost is     └── takes each entry once, by
//!                                  appended again, in order            the numbers of its origin
//! ```
//!
//! An engine may lose what it had, and begin anew. What it loses shows in three ways, whichever
//! comes first: the entry at a lane's cursor is another; it knows a lower number of an origin than
//! was appended; it is younger than what was read. Then another **epoch** begins, with a marker;
//! the writers append again what is missing, from memory; the readers read again all that is
//! retained, and skip what they have taken. Only what nobody had in memory is a [`line::Gap`], and
//! that is told.

mod engine;
pub mod entry;
mod fault;
mod item;
mod lane;
pub mod line;
mod options;
mod outgoing;
pub mod partition;
pub mod reader;
pub mod values;
pub mod writer;

pub use engine::{Appended, Batch, BatchEntry, Command, Input, Opened, Opening, Verdict};
pub use fault::Fault;
pub use item::{Append, Item, Refused, Row, Settled};
pub use lane::Notice;
pub use options::Options;
