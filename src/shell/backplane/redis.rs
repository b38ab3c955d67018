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

use super::dialed::{Address, Answered};
use super::faults::Complaint;
use super::followers::Followers;
use super::layout::{Entries, Tail, agreed, encode_value, id, meta, parse_value, partitions, place, reading};
use super::masters::Masters;
use super::options::Options;
use super::rights;
use super::server::{Risk, ServerFacts};
use super::servers::{self, Servers};
use crate::backplane::entry::{Head, Kind, Origin, Place};
use crate::backplane::partition::tag;
use crate::backplane::values::Value as LastValue;
use crate::backplane::{Appended, Batch, Command, Fault, Input, Opened, Opening, Row, Verdict};
use crate::hub::partition::Partition;
use crate::hub::seen::ItemKey;
use crate::limits::{BACKPLANE_COMMAND_MS, BACKPLANE_SCAN_VALUES};
use redis::{Cmd, Value};
use std::collections::BTreeMap;

/// Connections, by which what a lane asks is executed.
pub(super) struct Redis {
    options: Options,
    /// How long its commands may wait at a server.
    waits_ms: u64,
    tags: Vec<String>,
    /// Which of the addresses is tried next.
    next: usize,
    servers: Option<Servers>,
    /// Where the logs are read of several servers.
    followers: Followers,
    /// The secret that there will be where there is none: the one of all processes, once it is
    /// known, since an engine may lose it.
    secret: String,
    is_agreed: bool,
    /// What the engine has told of itself, and nobody has heard.
    facts: Option<EngineFacts>,
    /// Why the last command has not been executed, where it has not.
    complaint: Option<Complaint>,
}

/// The engine has lost the secret, and a process that had none yet has brought another one.
const OTHER_SECRET: Risk = (
    "another secret for connection ids stands there than this node has: an id that one node hands out is unknown to the other",
    "restart this node, or give all nodes the same server.id_secret_file, which no Redis can lose",
);

/// What an engine tells of itself.
pub struct EngineFacts {
    /// A secret that all processes have which share the engine.
    pub(crate) secret: String,
    /// By what each server may lose something that it has taken.
    pub(crate) risks: Vec<(String, Risk)>,
}

/// A complaint with all that the servers can be asked about it.
fn complete(complaint: Complaint, options: &Options, servers: &mut Servers) -> Complaint {
    let Some((partition, dialed)) = servers.named(complaint.server.as_deref()) else { return complaint };
    rights::detailed(complaint, options, &tag(&options.prefix, partition), dialed)
}

impl Redis {
    /// An engine that nobody has connected to; that secret is good where there is none yet.
    pub(super) fn new(options: Options, secret: String, waits_ms: u64) -> Redis {
        let tags = partitions().map(|partition| tag(&options.prefix, partition)).collect();
        let followers = Followers::default();
        let (is_agreed, facts, complaint) = (false, None, None);
        Redis { options, waits_ms, tags, next: 0, servers: None, followers, secret, is_agreed, facts, complaint }
    }

    /// Connects by these options from now on, which have the same logs.
    pub(super) fn renew(&mut self, options: Options) {
        self.options = options;
    }

    /// Executes a command. Connections are thrown away where one has failed.
    pub(super) fn execute(&mut self, command: &Command) -> Input {
        if matches!(command, Command::Connect) {
            self.disconnect();
        }
        self.complaint = None;
        let outcome = match command {
            Command::Connect => self.connect().map(|()| Input::Connected),
            Command::Open(openings) => self.open(openings),
            Command::Append(batches) => self.append(batches),
            Command::Read(places) => self.read(places),
            Command::Newest => self.newest(),
            Command::Values { partition, scan } => self.values(*partition, *scan),
            Command::Restore { partition, values } => self.restore(*partition, values),
        };
        outcome.unwrap_or_else(|complaint| {
            let complaint = match &mut self.servers {
                Some(servers) => complete(complaint, &self.options, servers),
                None => complaint,
            };
            self.disconnect();
            Input::Failed(self.complaint.insert(complaint).fault)
        })
    }

    fn disconnect(&mut self) {
        (self.servers, self.followers) = (None, Followers::default());
    }

    /// Connects by the next of the addresses. Where nobody else says which one is the master, it
    /// passes over replicas, which may be named beside that.
    fn connect(&mut self) -> Result<(), Complaint> {
        let tries = if self.options.is_told() { 1 } else { self.options.addresses.len() };
        let mut outcome = self.connect_by_next();
        for _ in 1..tries {
            if !outcome.as_ref().is_err_and(|complaint| complaint.fault == Fault::Moved) {
                break;
            }
            outcome = self.connect_by_next();
        }
        outcome
    }

    fn connect_by_next(&mut self) -> Result<(), Complaint> {
        let found = self.find()?;
        let is_told = self.options.is_told();
        // Where others say who has the logs, they are about to name another one.
        let absent = |it: Complaint| match it.fault.is_silence() && is_told {
            true => Complaint { fault: Fault::Absent, ..it },
            false => it,
        };
        let mut servers = Servers::dial(&self.options, found).map_err(absent)?;
        let taken = self.take_up(&mut servers).map_err(absent);
        taken.map_err(|complaint| complete(complaint, &self.options, &mut servers))?;
        servers.all().iter().try_for_each(|dialed| dialed.be_patient(self.waits_ms))?;
        self.servers = Some(servers);
        Ok(())
    }

    /// These servers are the right ones, and learn what they need.
    fn take_up(&mut self, servers: &mut Servers) -> Result<(), Complaint> {
        let risks = self.check(servers)?;
        self.agree(servers, risks)?;
        servers.load()
    }

    /// Where the logs are, by the next of the addresses: the server, or the first of those who know
    /// it that answers.
    fn find(&mut self) -> Result<Masters, Complaint> {
        let tries = if self.options.is_told() { self.options.addresses.len() } else { 1 };
        let mut found = Err(Fault::Away.into());
        for _ in 0..tries {
            let address = self.next_address()?;
            found = servers::find(&self.options, &address);
            if found.is_ok() {
                break;
            }
        }
        found
    }

    fn next_address(&mut self) -> Result<Address, Complaint> {
        let addresses = &self.options.addresses;
        let address = addresses.get(self.next % addresses.len().max(1)).ok_or(Fault::Away)?;
        self.next += 1;
        Ok(address.clone())
    }

    /// Whether they are masters, of a version that counts ids, and keep the same partitions.
    fn check(&self, servers: &mut Servers) -> Result<Vec<(String, Risk)>, Complaint> {
        let mut risks = Vec::new();
        for dialed in servers.all() {
            let server = ServerFacts::ask(dialed)?;
            if !server.is_new_enough() {
                return Err(dialed.blamed(Fault::Outdated));
            }
            if let Some(fault) = server.misfit(&self.options) {
                return Err(dialed.blamed(fault));
            }
            if let Some(replica) = server.replica() {
                return Err(dialed.blamed(Complaint::replica(&replica)));
            }
            risks.extend(server.risks().into_iter().map(|risk| (dialed.server().to_owned(), risk)));
        }
        risks.retain(|_| !self.options.is_passing);
        Ok(risks)
    }

    /// What all processes hold to stands there, or is brought.
    fn agree(&mut self, servers: &mut Servers, mut risks: Vec<(String, Risk)>) -> Result<(), Complaint> {
        let (key, dialed) = (meta(&self.options.prefix), servers.of_meta()?);
        // The first node says it, and all others hold to that.
        let mut agree = |name: &str, value: &str| -> Result<String, Complaint> {
            let mut ask = || dialed.ask::<Option<String>>(redis::cmd("HGET").arg(&key).arg(name));
            // It is there nearly always, also while nothing can be written.
            if let Some(held) = ask()? {
                return Ok(held);
            }
            let () = dialed.ask(redis::cmd("HSETNX").arg(&key).arg(name).arg(value))?;
            dialed.ask(redis::cmd("HGET").arg(&key).arg(name))
        };
        for (name, value) in agreed() {
            if agree(name, &value)? != value {
                return Err(dialed.blamed(Fault::Foreign));
            }
        }
        let secret = agree("secret", &self.secret)?;
        if !std::mem::replace(&mut self.is_agreed, true) {
            self.secret.clone_from(&secret);
        } else if secret != self.secret {
            risks.push((dialed.server().to_owned(), OTHER_SECRET));
        }
        self.facts = Some(EngineFacts { secret, risks });
        Ok(())
    }

    /// A fault that a lane tells, and what is known of it: by the last command, where it has not
    /// been executed for that, else which server it is, where it is one alone.
    pub(super) fn complaint(&self, fault: Fault) -> Complaint {
        let known = self.complaint.as_ref().filter(|complaint| complaint.fault == fault).cloned();
        let own =
            || Complaint { server: self.servers.as_ref().and_then(Servers::sole).map(str::to_owned), ..fault.into() };
        known.unwrap_or_else(own)
    }

    /// What the engine has told of itself since this was asked.
    pub(super) fn poll_facts(&mut self) -> Option<EngineFacts> {
        self.facts.take()
    }

    fn key(&self, partition: Partition, what: &str) -> String {
        let tag = self.tags.get(usize::from(partition.number())).map_or("", String::as_str);
        format!("{tag}:{what}")
    }

    /// A command that executes a script.
    fn script(&self, script: usize, partition: Partition, keys: &[&str]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.servers.as_ref().map_or("", |servers| servers.hash(script))).arg(keys.len());
        keys.iter().for_each(|what| _ = command.arg(self.key(partition, what)));
        command
    }

    fn run(&mut self, commands: &[(Partition, Cmd)]) -> Result<Vec<Answered>, Complaint> {
        self.servers.as_mut().ok_or(Fault::Away)?.run(commands)
    }

    fn open(&mut self, openings: &[Opening]) -> Result<Input, Complaint> {
        let command = |Opening { partition, cursor, epoch, origin }: &Opening| {
            let marker = Head { kind: Kind::Marker, origin: *origin, number: 0, body: &[] };
            let (cursor, fingerprint) =
                cursor.map_or_else(Default::default, |(place, bytes)| (id(place), bytes.to_vec()));
            let mut command = self.script(1, *partition, &["s", "o"]);
            command.arg(epoch.number()).arg(marker.encode()).arg(cursor).arg(fingerprint);
            (*partition, command)
        };
        let commands: Vec<_> = openings.iter().map(command).collect();
        let answers = self.run(&commands)?;
        // An engine that has lost a log has lost that, too.
        let mut servers = self.servers.take().ok_or(Fault::Away)?;
        self.agree(&mut servers, Vec::new())?;
        self.servers = Some(servers);
        let opened = |(verdict, first, newest, marks): (String, String, String, BTreeMap<u64, u64>)| {
            let verdict = match &*verdict {
                "start" => Verdict::Start,
                "same" => Verdict::Same,
                "trimmed" => Verdict::Trimmed,
                "fork" => Verdict::Fork,
                _ => return Err(Fault::Garbled.into()),
            };
            let newest = place(&newest)?;
            let behind = Place { sequence: newest.sequence + 1, ..newest };
            let first = if first.is_empty() { behind } else { place(&first)? };
            let marks = marks.into_iter().map(|(origin, number)| (Origin(origin), number)).collect();
            Ok(Opened { verdict, first, newest, marks })
        };
        answers.into_iter().map(|answer| answer.read(opened)).collect::<Result<_, Complaint>>().map(Input::Opened)
    }

    fn append(&mut self, batches: &[Batch]) -> Result<Input, Complaint> {
        let mut commands: Vec<_> = batches.iter().map(|batch| (batch.partition, self.appending(batch))).collect();
        let waits = self.waits(batches);
        commands.extend(waits.iter().cloned());
        let mut answers = self.run(&commands)?;
        let mut alone = Vec::new();
        for ((partition, _), answer) in waits.iter().zip(answers.split_off(batches.len().min(answers.len()))) {
            let blamed = answer.blamed(Fault::Unreplicated);
            if answer.read(|replicas: u32| Ok(replicas < self.options.wait_replicas))? {
                alone.push((self.index(*partition), blamed));
            }
        }
        let mut appended = Vec::new();
        for (batch, answer) in batches.iter().zip(answers) {
            let index = self.index(batch.partition);
            let alone = alone.iter().find_map(|(other, blamed)| (*other == index).then_some(blamed));
            let outcome = answer.read(|(last, duplicates): (Option<String>, Vec<u64>)| {
                alone.map_or(Ok(()), |blamed| Err(blamed.clone()))?;
                Ok(Appended { last: last.map(|last| place(&last)).transpose()?, duplicates })
            });
            appended.push(match outcome {
                Ok(appended) => Ok(appended),
                Err(complaint) if complaint.fault == Fault::Stale => Err(Fault::Stale),
                // The lane tells the first of them.
                Err(complaint) if complaint.fault.is_hitch() => {
                    let fault = complaint.fault;
                    self.complaint.get_or_insert(complaint);
                    Err(fault)
                }
                Err(complaint) => return Err(complaint),
            });
        }
        Ok(Input::Appended(appended))
    }

    fn appending(&self, batch: &Batch) -> Cmd {
        let Batch { partition, epoch, origin, after, first, entries } = batch;
        let ids = entries.iter().filter_map(|entry| entry.id.as_ref()).map(|ItemKey(id)| {
            let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("i:{hex}")
        });
        let ids: Vec<String> = ids.collect();
        let keys: Vec<&str> = ["s", "o", "v"].into_iter().chain(ids.iter().map(String::as_str)).collect();
        let mut command = self.script(0, *partition, &keys);
        command.arg(epoch.number()).arg(origin.0).arg(*after).arg(*first);
        let Options { retain_entries, dedupe_ms, wait_replicas, .. } = &self.options;
        command.arg(retain_entries).arg((*dedupe_ms).max(1)).arg(wait_replicas);
        let mut seen = 0;
        for entry in entries {
            seen += usize::from(entry.id.is_some());
            let row = match &entry.row {
                None => Vec::new(),
                Some(Row::Becomes(field)) => [b"=", &**field].concat(),
                Some(Row::Ends(fields)) => [b"-".to_vec(), fields.join(&0)].concat(),
            };
            command.arg(if entry.id.is_some() { seen } else { 0 });
            command.arg(row).arg(&entry.head).arg(&*entry.data);
        }
        command
    }

    /// Of each server that has one of them, by a partition there: how many replicas have it.
    fn waits(&self, batches: &[Batch]) -> Vec<(Partition, Cmd)> {
        let mut waits = BTreeMap::new();
        if self.options.wait_replicas > 0 {
            let mut command = redis::cmd("WAIT");
            command.arg(self.options.wait_replicas).arg(BACKPLANE_COMMAND_MS);
            waits.extend(batches.iter().map(|batch| (self.index(batch.partition), (batch.partition, command.clone()))));
        }
        waits.into_values().collect()
    }

    /// Which server has the log of a partition.
    fn index(&self, partition: Partition) -> usize {
        self.servers.as_ref().map_or(0, |servers| servers.index(partition))
    }

    fn read(&mut self, places: &[(Partition, Place)]) -> Result<Input, Complaint> {
        let tail = |(partition, place): &(Partition, Place)| Tail {
            partition: *partition,
            key: self.key(*partition, "s"),
            behind: id(*place),
        };
        let tails: Vec<Tail> = places.iter().map(tail).collect();
        let servers = self.servers.as_mut().ok_or(Fault::Away)?;
        if self.options.is_cluster {
            return self.followers.read(&tails, &self.options, servers).map(Input::Entries);
        }
        let Some(first) = tails.first() else { return Ok(Input::Entries(Vec::new())) };
        let of_tails = |(key, entries): (String, _)| {
            let tail = tails.iter().find(|tail| tail.key == key).ok_or(Fault::Garbled)?;
            Ok(tail.found(vec![(key, entries)])?.ok_or(Fault::Garbled)?)
        };
        let answer = servers.answer(first.partition, &reading(&tails))?;
        let read = |read: Option<Entries>| read.unwrap_or_default().into_iter().map(of_tails).collect();
        answer.read(read).map(Input::Entries)
    }

    fn newest(&mut self) -> Result<Input, Complaint> {
        let commands: Vec<_> = partitions().map(|partition| (partition, self.script(2, partition, &["s"]))).collect();
        let newest = |newest: Option<String>| Ok(newest.map(|newest| place(&newest)).transpose()?);
        let newest = self.run(&commands)?.into_iter().map(|answer| answer.read(newest));
        newest.collect::<Result<_, Complaint>>().map(Input::Newest)
    }

    fn values(&mut self, partition: Partition, scan: u64) -> Result<Input, Complaint> {
        let mut command = redis::cmd("HSCAN");
        command.arg(self.key(partition, "v")).arg(scan).arg("COUNT").arg(BACKPLANE_SCAN_VALUES);
        type Pairs = Vec<(Vec<u8>, Vec<u8>)>;
        let servers = self.servers.as_mut().ok_or(Fault::Away)?;
        servers.answer(partition, &command)?.read(|(scan, pairs): (u64, Pairs)| {
            let values = pairs.into_iter().map(|(field, value)| {
                let entry = parse_value(&value).ok_or(Fault::Garbled)?;
                Ok(LastValue { field: field.into(), entry })
            });
            Ok(Input::Values { values: values.collect::<Result<_, Complaint>>()?, scan })
        })
    }

    fn restore(&mut self, partition: Partition, values: &[LastValue]) -> Result<Input, Complaint> {
        let command = |values: &[LastValue]| {
            let mut command = self.script(3, partition, &["v"]);
            for LastValue { field, entry } in values {
                command.arg(&**field).arg(encode_value(entry));
            }
            (partition, command)
        };
        let commands: Vec<_> = values.chunks(BACKPLANE_SCAN_VALUES).map(command).collect();
        self.run(&commands)?.into_iter().try_for_each(|answer| answer.read(|_: Value| Ok(())))?;
        Ok(Input::Restored)
    }
}
