//! A process among several that share an engine, and what publishers have sent to it.

use super::rng::Rng;
use rte::backplane::entry::{Origin, Place};
use rte::backplane::reader::Reader;
use rte::backplane::writer::Writer;
use rte::backplane::{Append, Command, Options};
use rte::clock::{Deadline, Now};
use rte::hub::partition::Partition;
use rte::hub::seen::ItemKey;
use std::collections::BTreeMap;

/// A command on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    pub command: Command,
    pub at_ms: u64,
    pub step: usize,
}

/// One connection to the engine.
#[derive(Debug, Default)]
pub struct Line {
    /// Which of the engines, while it holds.
    pub server: Option<usize>,
    pub sent: Option<Sent>,
}

/// A process.
pub struct Node {
    pub origin: Origin,
    pub writer: Writer,
    pub reader: Reader,
    pub lines: [Line; 2],
    /// What it shows: the last value of each topic, and where that stood.
    pub rows: BTreeMap<(Partition, Vec<u8>), (Place, String)>,
    pub delivered: BTreeMap<Partition, Vec<String>>,
    /// The steps at which it was told of gaps.
    pub gaps: BTreeMap<Partition, Vec<usize>>,
    pub ready_at: Option<usize>,
    /// What has been posted and the thread that appends has not taken yet.
    pub posted: Vec<Append>,
    /// Requests that have not been answered, and those that were when their time was over, of which
    /// the writer is still to tell.
    pub tickets: BTreeMap<u64, Ticket>,
    pub expired: BTreeMap<u64, Vec<String>>,
}

/// What a request has published, and when its time is over.
#[derive(Debug)]
pub struct Ticket {
    pub tags: Vec<String>,
    pub expires_at: Deadline,
}

/// What publishers have sent.
#[derive(Clone, Debug)]
pub struct Published {
    pub partition: Partition,
    pub origin: Origin,
    pub id: Option<ItemKey>,
    /// The step at which it was sent.
    pub sent: usize,
    /// The step at which its publisher was told that it is taken.
    pub acked: Option<usize>,
    /// And that it is not.
    pub refused: Option<usize>,
    /// It was on its way then, and is known to be appended.
    pub is_late: bool,
}

pub fn partition_of(number: usize) -> Partition {
    Partition::from_number(u8::try_from(number).unwrap()).unwrap()
}

/// The tag of an item, by its data.
pub fn tag(data: &[u8]) -> String {
    String::from_utf8(data.to_vec()).unwrap()
}

/// The so manieth item of all has that tag.
pub fn serial(tag: &str) -> usize {
    tag.split_once('#').and_then(|(_, number)| number.parse().ok()).unwrap()
}

impl Node {
    pub fn new(options: Options, origin: Origin, [of_writer, of_reader]: [Rng; 2], now: Now) -> Node {
        Node {
            origin,
            writer: Writer::new(options, origin, Box::new(of_writer), now),
            reader: Reader::new(options, origin, Box::new(of_reader), now),
            lines: [Line::default(), Line::default()],
            rows: BTreeMap::new(),
            delivered: BTreeMap::new(),
            gaps: BTreeMap::new(),
            ready_at: None,
            posted: Vec::new(),
            tickets: BTreeMap::new(),
            expired: BTreeMap::new(),
        }
    }
}
