//! The engine `redis`: Redis from 7.0 on, and Valkey.
//!
//! All keys of a partition share a hash tag `T`:
//!
//! | key | what |
//! |---|---|
//! | `T:s` | the log: a stream of which Redis itself counts the ids within an epoch |
//! | `T:o` | of each origin, the highest number that was appended |
//! | `T:v` | last values: the place of the entry, the length of its head, head and data |
//! | `T:i:…` | ids of items, each with origin and number of the first entry that has had it |
//! | `<prefix>:meta` | what all processes must agree upon |

use super::dialed::{Dialed, Manners, read};
use super::faults::fault;
use super::options::Options;
use super::sentinel::{self, Address};
use super::server::{Risk, ServerFacts};
use crate::backplane::entry::{Head, Kind, Origin, Place, Raw};
use crate::backplane::partition::tag;
use crate::backplane::values::Value as LastValue;
use crate::backplane::{Appended, Batch, Command, Fault, Input, Opened, Opening, Row, Verdict};
use crate::hub::partition::{PARTITIONS, Partition};
use crate::hub::position::Epoch;
use crate::hub::seen::ItemKey;
use crate::limits::{BACKPLANE_BLOCK_MS, BACKPLANE_COMMAND_MS, BACKPLANE_READ_ENTRIES, BACKPLANE_SCAN_VALUES};
use redis::{Pipeline, RedisResult, Value};
use std::collections::BTreeMap;

/// The scripts, in the order of their hashes.
const SCRIPTS: [&str; 4] =
    [include_str!("append.lua"), include_str!("open.lua"), include_str!("newest.lua"), include_str!("restore.lua")];
/// How keys and heads are laid out.
const FORMAT: &str = "1";

/// What all processes must agree upon, by its names.
pub(super) fn agreed() -> [(&'static str, String); 2] {
    [("format", FORMAT.to_owned()), ("partitions", PARTITIONS.to_string())]
}

/// What a server holds of that.
pub(super) type Held = [Option<String>; 2];

/// The key that it stands at.
pub(super) fn meta(prefix: &str) -> String {
    format!("{prefix}:meta")
}

/// One connection, which executes what a lane asks.
pub(super) struct Redis {
    options: Options,
    tags: Vec<String>,
    /// Which of the addresses is tried next.
    next: usize,
    connection: Option<Dialed>,
    /// What the server calls the scripts.
    hashes: Vec<String>,
    /// The secret that there will be where there is none.
    proposal: String,
    facts: Option<EngineFacts>,
}

/// What an engine tells of itself.
pub struct EngineFacts {
    /// A secret that all processes have which share the engine.
    pub(crate) secret: String,
    /// By what it may lose something that it has taken.
    pub(crate) risks: Vec<Risk>,
}

impl Redis {
    pub(super) fn new(options: Options, proposal: String) -> Redis {
        let partitions = (0..PARTITIONS).filter_map(Partition::from_number);
        let tags = partitions.map(|partition| tag(&options.prefix, partition)).collect();
        Redis { options, tags, next: 0, connection: None, hashes: Vec::new(), proposal, facts: None }
    }

    /// Executes a command. A connection that has failed is thrown away.
    pub(super) fn execute(&mut self, command: &Command) -> Input {
        let outcome = match command {
            Command::Connect => self.connect().map(|()| Input::Connected),
            Command::Open(openings) => self.open(openings),
            Command::Append(batches) => self.append(batches),
            Command::Read(places) => self.read(places),
            Command::Newest => self.newest(),
            Command::Values { partition, scan } => self.values(*partition, *scan),
            Command::Restore { partition, values } => self.restore(*partition, values),
        };
        outcome.unwrap_or_else(|fault| {
            self.connection = None;
            Input::Failed(fault)
        })
    }

    fn connect(&mut self) -> Result<(), Fault> {
        self.connection = None;
        let mut connection = self.dial()?;
        self.check(&mut connection)?;
        self.hashes = load(&mut connection)?;
        connection.be_patient()?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Connects to the next of the addresses, or to the master that the next of the Sentinels which
    /// answers knows.
    fn dial(&mut self) -> Result<Dialed, Fault> {
        let Some(sentinel) = self.options.sentinel.clone() else {
            let server = self.next_address()?;
            return dial(&self.options, &server);
        };
        let mut found = Err(Fault::Away);
        for _ in 0..self.options.addresses.len() {
            let address = self.next_address()?;
            found = sentinel::master(&self.options, &sentinel, &address);
            if found.is_ok() {
                break;
            }
        }
        // Another one will be the master.
        let moved = |fault| if matches!(fault, Fault::Away | Fault::Timeout) { Fault::Moved } else { fault };
        found.and_then(|master| dial(&self.options, &master).map_err(moved))
    }

    fn next_address(&mut self) -> Result<Address, Fault> {
        let addresses = &self.options.addresses;
        let address = addresses.get(self.next % addresses.len().max(1)).ok_or(Fault::Away);
        self.next += 1;
        address.cloned()
    }

    /// Whether it is a master, of a version that counts ids, and keeps the same partitions.
    fn check(&mut self, connection: &mut Dialed) -> Result<(), Fault> {
        let server = ServerFacts::ask(connection)?;
        if !server.is_new_enough() {
            return Err(Fault::Refused);
        }
        if server.is_sentinel() {
            return Err(Fault::Nameless);
        }
        if !server.is_master() {
            return Err(Fault::Moved);
        }
        let key = meta(&self.options.prefix);
        // The first node says it, and all others hold to that.
        let mut agree = |name: &str, value: &str| -> Result<String, Fault> {
            let mut ask = || connection.ask::<Option<String>>(redis::cmd("HGET").arg(&key).arg(name));
            // It is there nearly always, also while nothing can be written.
            if let Some(held) = ask()? {
                return Ok(held);
            }
            let () = connection.ask(redis::cmd("HSETNX").arg(&key).arg(name).arg(value))?;
            connection.ask(redis::cmd("HGET").arg(&key).arg(name))
        };
        for (name, value) in agreed() {
            if agree(name, &value)? != value {
                return Err(Fault::Refused);
            }
        }
        let secret = agree("secret", &self.proposal)?;
        let risks = if self.options.is_passing { Vec::new() } else { server.risks() };
        self.facts = Some(EngineFacts { secret, risks });
        Ok(())
    }

    /// What the engine has told of itself, once it has been reached.
    pub(super) fn facts(&self) -> Option<&EngineFacts> {
        self.facts.as_ref()
    }

    fn key(&self, partition: Partition, what: &str) -> String {
        let tag = self.tags.get(usize::from(partition.number())).map_or("", String::as_str);
        format!("{tag}:{what}")
    }

    fn hash(&self, script: usize) -> &str {
        self.hashes.get(script).map_or("", String::as_str)
    }

    /// Executes scripts in one go; where the server has forgotten them, once more. That is no harm:
    /// what has been executed is known by its numbers.
    fn run(&mut self, pipeline: impl Fn(&Redis) -> Pipeline) -> Result<Vec<Value>, Fault> {
        let mut is_again = false;
        loop {
            let commands = pipeline(self);
            let connection = self.connection.as_mut().ok_or(Fault::Away)?;
            let answers = connection.ask_all(&commands)?;
            let is_forgotten =
                |answer: &Value| matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT");
            if is_again || !answers.iter().any(is_forgotten) {
                return Ok(answers);
            }
            self.hashes = load(connection)?;
            is_again = true;
        }
    }

    fn open(&mut self, openings: &[Opening]) -> Result<Input, Fault> {
        let answers = self.run(|redis| {
            let mut pipeline = redis::pipe();
            for Opening { partition, cursor, epoch, origin } in openings {
                let marker = Head { kind: Kind::Marker, origin: *origin, number: 0, body: &[] };
                let (cursor, fingerprint) =
                    cursor.map_or_else(Default::default, |(place, bytes)| (id(place), bytes.to_vec()));
                pipeline.cmd("EVALSHA").arg(redis.hash(1)).arg(2);
                pipeline.arg(redis.key(*partition, "s")).arg(redis.key(*partition, "o"));
                pipeline.arg(epoch.number()).arg(marker.encode()).arg(cursor).arg(fingerprint);
            }
            pipeline
        })?;
        let opened = answers.into_iter().map(|answer| {
            let (verdict, first, newest, marks): (String, String, String, BTreeMap<u64, u64>) =
                read(answer).map_err(|error| fault(&error))?;
            let verdict = match &*verdict {
                "start" => Verdict::Start,
                "same" => Verdict::Same,
                "trimmed" => Verdict::Trimmed,
                "fork" => Verdict::Fork,
                _ => return Err(Fault::Garbled),
            };
            let newest = place(&newest)?;
            let behind = Place { sequence: newest.sequence + 1, ..newest };
            let first = if first.is_empty() { behind } else { place(&first)? };
            let marks = marks.into_iter().map(|(origin, number)| (Origin(origin), number)).collect();
            Ok(Opened { verdict, first, newest, marks })
        });
        opened.collect::<Result<_, Fault>>().map(Input::Opened)
    }

    fn append(&mut self, batches: &[Batch]) -> Result<Input, Fault> {
        let replicas = self.options.wait_replicas;
        let mut answers = self.run(|redis| {
            let mut pipeline = redis::pipe();
            for batch in batches {
                let Batch { partition, epoch, origin, after, first, entries } = batch;
                let ids: Vec<ItemKey> = entries.iter().filter_map(|entry| entry.id).collect();
                pipeline.cmd("EVALSHA").arg(redis.hash(0)).arg(3 + ids.len());
                for what in ["s", "o", "v"] {
                    pipeline.arg(redis.key(*partition, what));
                }
                for ItemKey(id) in &ids {
                    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
                    pipeline.arg(redis.key(*partition, &format!("i:{hex}")));
                }
                pipeline.arg(epoch.number()).arg(origin.0).arg(*after).arg(*first);
                pipeline.arg(redis.options.retain_entries).arg(redis.options.dedupe_ms.max(1)).arg(replicas);
                let mut seen = 0;
                for entry in entries {
                    seen += usize::from(entry.id.is_some());
                    let row = match &entry.row {
                        None => Vec::new(),
                        Some(Row::Becomes(field)) => [b"=", &**field].concat(),
                        Some(Row::Ends(fields)) => [b"-".to_vec(), fields.join(&0)].concat(),
                    };
                    pipeline.arg(if entry.id.is_some() { seen } else { 0 });
                    pipeline.arg(row).arg(&entry.head).arg(&*entry.data);
                }
            }
            if replicas > 0 {
                pipeline.cmd("WAIT").arg(replicas).arg(BACKPLANE_COMMAND_MS);
            }
            pipeline
        })?;
        let waited = answers.split_off(batches.len().min(answers.len())).pop().map(read::<u32>).transpose();
        let is_alone = waited.map_err(|error| fault(&error))?.is_some_and(|count| count < replicas);
        let appended = answers.into_iter().map(|answer| match read::<(Option<String>, Vec<u64>)>(answer) {
            Ok(_) if is_alone => Ok(Err(Fault::Unreplicated)),
            Ok((last, duplicates)) => {
                Ok(last.map(|last| place(&last)).transpose().map(|last| Appended { last, duplicates }))
            }
            Err(error) => {
                let fault = fault(&error);
                if matches!(fault, Fault::Stale | Fault::Full | Fault::Unwritable) {
                    Ok(Err(fault))
                } else {
                    Err(fault)
                }
            }
        });
        appended.collect::<Result<_, Fault>>().map(Input::Appended)
    }

    fn read(&mut self, places: &[(Partition, Place)]) -> Result<Input, Fault> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(BACKPLANE_READ_ENTRIES).arg("BLOCK").arg(BACKPLANE_BLOCK_MS).arg("STREAMS");
        let keys: Vec<(String, Partition)> =
            places.iter().map(|(partition, _)| (self.key(*partition, "s"), *partition)).collect();
        for (key, _) in &keys {
            command.arg(key);
        }
        for (_, place) in places {
            command.arg(id(*place));
        }
        type Entries = Vec<(String, Vec<Vec<u8>>)>;
        let connection = self.connection.as_mut().ok_or(Fault::Away)?;
        let read: Option<Vec<(String, Entries)>> = connection.ask(&command)?;
        let read = read.unwrap_or_default().into_iter().map(|(key, entries)| {
            let (_, partition) = keys.iter().find(|(other, _)| *other == key).ok_or(Fault::Garbled)?;
            let raw = |(id, fields): (String, Vec<Vec<u8>>)| {
                let Ok([_, head, _, data]) = <[Vec<u8>; 4]>::try_from(fields) else { return Err(Fault::Garbled) };
                Ok(Raw { place: place(&id)?, head: head.into(), data: data.into() })
            };
            Ok((*partition, entries.into_iter().map(raw).collect::<Result<_, Fault>>()?))
        });
        read.collect::<Result<_, Fault>>().map(Input::Entries)
    }

    fn newest(&mut self) -> Result<Input, Fault> {
        let answers = self.run(|redis| {
            let mut pipeline = redis::pipe();
            for tag in &redis.tags {
                pipeline.cmd("EVALSHA").arg(redis.hash(2)).arg(1).arg(format!("{tag}:s"));
            }
            pipeline
        })?;
        let newest = answers.into_iter().map(|answer| {
            let newest: Option<String> = read(answer).map_err(|error| fault(&error))?;
            newest.map(|newest| place(&newest)).transpose()
        });
        newest.collect::<Result<_, Fault>>().map(Input::Newest)
    }

    fn values(&mut self, partition: Partition, scan: u64) -> Result<Input, Fault> {
        let mut command = redis::cmd("HSCAN");
        command.arg(self.key(partition, "v")).arg(scan).arg("COUNT").arg(BACKPLANE_SCAN_VALUES);
        let connection = self.connection.as_mut().ok_or(Fault::Away)?;
        type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
        let (scan, pairs): (u64, Pairs) = connection.ask(&command)?;
        let values = pairs.into_iter().map(|(field, value)| {
            let entry = parse_value(&value).ok_or(Fault::Garbled)?;
            Ok(LastValue { field: field.into(), entry })
        });
        Ok(Input::Values { values: values.collect::<Result<_, Fault>>()?, scan })
    }

    fn restore(&mut self, partition: Partition, values: &[LastValue]) -> Result<Input, Fault> {
        let answers = self.run(|redis| {
            let mut pipeline = redis::pipe();
            for values in values.chunks(BACKPLANE_SCAN_VALUES) {
                pipeline.cmd("EVALSHA").arg(redis.hash(3)).arg(1).arg(redis.key(partition, "v"));
                for LastValue { field, entry } in values {
                    pipeline.arg(&**field).arg(encode_value(entry));
                }
            }
            pipeline
        })?;
        let kept: RedisResult<Vec<Value>> = answers.into_iter().map(Value::extract_error).collect();
        kept.map_err(|error| fault(&error))?;
        Ok(Input::Restored)
    }
}

/// Connects to a server, as whoever the hub is there.
pub(super) fn dial(options: &Options, (host, port): &Address) -> Result<Dialed, Fault> {
    let Options { tls, user, password, .. } = options;
    let manners = Manners { tls: tls.as_ref(), user: user.as_deref(), password: password.as_ref() };
    Dialed::dial(host, *port, manners)
}

fn load(connection: &mut Dialed) -> Result<Vec<String>, Fault> {
    SCRIPTS.iter().map(|script| connection.ask(redis::cmd("SCRIPT").arg("LOAD").arg(script))).collect()
}

/// The id of an entry in its stream.
fn id(place: Place) -> String {
    format!("{}-{}", place.epoch.number(), place.sequence)
}

fn place(id: &str) -> Result<Place, Fault> {
    let (epoch, sequence) = id.split_once('-').ok_or(Fault::Garbled)?;
    let number = |digits: &str| digits.parse().map_err(|_| Fault::Garbled);
    Ok(Place { epoch: Epoch::from_number(number(epoch)?), sequence: number(sequence)? })
}

fn encode_value(entry: &Raw) -> Vec<u8> {
    let mut value = format!("{} {} ", id(entry.place), entry.head.len()).into_bytes();
    value.extend_from_slice(&entry.head);
    value.extend_from_slice(&entry.data);
    value
}

fn parse_value(value: &[u8]) -> Option<Raw> {
    let mut parts = value.splitn(3, |byte| *byte == b' ');
    let at = place(core::str::from_utf8(parts.next()?).ok()?).ok()?;
    let length = core::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (head, data) = parts.next()?.split_at_checked(length)?;
    Some(Raw { place: at, head: head.into(), data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_whatever_bytes_it_has() {
        let place = Place { epoch: Epoch::from_number(u64::MAX), sequence: 7 };
        let entry = Raw { place, head: b"a b \xff".as_slice().into(), data: b" {}".as_slice().into() };
        let value = encode_value(&entry);
        assert!(value.starts_with(b"18446744073709551615-7 5 a b "));
        assert_eq!(parse_value(&value), Some(entry));
        for wrong in ["", "1-2", "1-2 9 short", "x-2 0 ", "1 0 "] {
            assert_eq!(parse_value(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
