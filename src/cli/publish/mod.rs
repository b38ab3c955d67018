//! `rte publish`: items from a file or standard input to `POST /publish`.

use super::batch::{self, Batch, Form, Line, Lines};
use super::console::Console;
use super::credential::{Bearer, Credential};
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::http;
use super::http::HttpClient;
use super::trust::Trust;
use super::world;
use crate::bom;
use crate::shell::roots::Roots;
use ids::Ids;
use retry::Retry;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stop::{Stop, Stoppable};

pub(crate) mod ids;
pub(crate) mod retry;
mod stop;

const LONG: &str = "\
Publishes events. An item is {\"eventName\":\"QueueStatus\",\"data\":{…}}, with \"entityId\" where the event does not name \
its entity.

The input is JSON (an item or an array of items), or NDJSON (an item per line), which is sent as it comes, in requests of \
at most 1 MiB and 10,000 items; so it can follow a pipe that never ends. Items of one run are taken in order. Each rejected \
item is printed as FILE:LINE: POINTER: RULE: MESSAGE, one line per fault; the others are delivered nonetheless.

An item without an \"id\" gets one, so that a request without an answer can be sent again and its items are delivered once. That \
is done where the hub cannot be reached, or says 429, 502, 503 or 504: after a quarter of a second, then twice as long each \
time, up to 30 s, and not before the hub's Retry-After is over. A token that is no longer good is read again from --token-file. \
Meanwhile nothing is read, so a pipe goes on where it was. A hub that has never answered is tried again only with --retry-for.

SIGINT and SIGTERM end it: what has been read up to the end of a line is published, a second one ends it at once.

Exit code 0: everything read was taken, now or before. 1: an item was rejected. 3: the hub did not answer, for as long as \
--retry-for says, or after a signal; \"stopped at\" names the first item that is not known to be taken. 4: the token is not good.

Examples:
  rte publish --token-file publisher.jwt events.ndjson
  echo '{\"eventName\":\"QueueStatus\",\"data\":{}}' | rte publish --dry-run -";

/// Publishes.
#[derive(clap::Args)]
#[command(about = "Publish events from a file or standard input", long_about = LONG)]
pub(crate) struct Args {
    /// The items; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The hub; the path is /publish where none is given
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = Endpoint::parse)]
    url: Endpoint,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    credential: Credential,
    /// Read an item per line, whatever the name or the first line looks like
    #[arg(long, conflicts_with = "json")]
    ndjson: bool,
    /// Read one item or one array
    #[arg(long)]
    json: bool,
    /// Have everything checked and nothing delivered; says how many members would be reached
    #[arg(long)]
    dry_run: bool,
    /// Try again for so long, where the hub does not answer; by default without end, once it has
    /// answered
    #[arg(long, value_name = "SECONDS", value_parser = super::listen::seconds)]
    retry_for: Option<Duration>,
    /// Check as a hub with validation = "lenient" does
    #[arg(long, requires = "dry_run")]
    lenient: bool,
}

/// Bytes of a JSON text; NDJSON has no bound, as it is not kept.
const DOCUMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes read at once; each read that brings whole lines is followed by a request, so a slow pipe
/// is published as it flows.
const READ_BYTES: usize = batch::BODY_BYTES_MAX;

/// Publishes everything there is.
///
/// # Errors
/// As the exit codes of the program say.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let name = if args.file == Path::new("-") { "stdin".to_owned() } else { args.file.display().to_string() };
    let unreadable = |error: io::Error| Failure::Usage(format!("cannot read {name}: {error}"));
    let input: Box<dyn Read + Send> = if args.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(unreadable)?)
    };
    let publisher = Publisher::new(&args.url, args.trust.roots(&args.url)?, args.credential.read()?, query(args));
    let system = |error: io::Error| Failure::Refused(format!("the system refuses: {error}"));
    let stop = Stop::by_signals().map_err(system)?;
    let mut input = Stoppable::new(input, READ_BYTES, &stop).map_err(system)?;
    let number = || world::entropy().map(u64::from_le_bytes).map_err(Failure::Refused);
    let mut run = Run {
        publisher: publisher.reading(args.credential.clone()),
        ids: if args.dry_run { None } else { Some(Ids::new(number()?)) },
        retry: Retry::new(args.retry_for, number()?),
        stop,
        console,
        name: &name,
        tally: Tally::default(),
        is_dry: args.dry_run,
    };
    let done = run.input(&mut input, form(args), &unreadable);
    run.summary();
    done?;
    match run.tally.rejected {
        0 => Ok(()),
        1 => Err(Failure::Refused("1 item was rejected".to_owned())),
        n => Err(Failure::Refused(format!("{n} items were rejected"))),
    }
}

fn query(args: &Args) -> Option<&'static str> {
    match (args.dry_run, args.lenient) {
        (false, _) => None,
        (true, false) => Some("dry_run=1"),
        (true, true) => Some("dry_run=1&validation=lenient"),
    }
}

/// Returns the form as the flags or the name of the file say it.
fn form(args: &Args) -> Option<Form> {
    match (args.ndjson, args.json) {
        (true, _) => Some(Form::Ndjson),
        (false, true) => Some(Form::Json),
        (false, false) => Form::by_extension(args.file.extension()?.to_str()?),
    }
}

/// A hub that takes publications, and the right to publish.
pub(crate) struct Publisher {
    client: HttpClient,
    url: String,
    token: Bearer,
    /// Where a fresh token comes from.
    credential: Option<Credential>,
}

/// What became of one try.
enum Tried {
    Answered(Outcome),
    /// Not now; the hub itself says so, perhaps for how long.
    Later {
        why: String,
        is_there: bool,
        after: Option<Duration>,
    },
}

impl Publisher {
    /// Publishes to `endpoint`, with `query` behind it; on `/publish` where it names no path, or
    /// the hub's usual one, as the URL of listeners does.
    pub fn new(endpoint: &Endpoint, roots: Roots, token: Bearer, query: Option<&str>) -> Publisher {
        let url = endpoint.clone().without_path("/rte").or_path("/publish").http_url("", query);
        Publisher { client: HttpClient::new(roots), url, token, credential: None }
    }

    /// A token that is refused is read again.
    fn reading(self, credential: Credential) -> Publisher {
        Publisher { credential: Some(credential), ..self }
    }

    /// Sends a batch until it is answered; then it is empty. `wait` is told why there is to be a
    /// further try and how long to wait; false where it is to be the last.
    ///
    /// # Errors
    /// Where the hub did not take the request at all; what it did with each item is in the answer.
    pub(crate) fn send(
        &mut self,
        batch: &mut Batch,
        retry: &mut Retry,
        mut wait: impl FnMut(&str, Duration) -> bool,
    ) -> Result<Outcome, Failure> {
        let (mut may_wait, mut is_fresh) = (true, false);
        loop {
            match self.attempt(batch) {
                Ok(Tried::Answered(outcome)) => {
                    retry.answered();
                    batch.clear();
                    return Ok(outcome);
                }
                Ok(Tried::Later { why, is_there, after }) => {
                    let pause = retry.next(is_there, after, world::now()).filter(|_| may_wait);
                    let Some(pause) = pause else { return Err(Failure::Connection(why)) };
                    may_wait = wait(&why, pause);
                    is_fresh = false;
                }
                Err(Failure::Token(_)) if !is_fresh && self.renew()? => is_fresh = true,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Sends a batch once; then it is empty.
    ///
    /// # Errors
    /// As [`Publisher::send`].
    pub(crate) fn send_once(&self, batch: &mut Batch) -> Result<Outcome, Failure> {
        let tried = self.attempt(batch);
        batch.clear();
        match tried? {
            Tried::Answered(outcome) => Ok(outcome),
            Tried::Later { why, .. } => Err(Failure::Connection(why)),
        }
    }

    fn attempt(&self, batch: &mut Batch) -> Result<Tried, Failure> {
        let content_type = batch.form().content_type();
        match self.client.post(&self.url, &self.token, Some(content_type), batch.body()) {
            Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                Ok(Tried::Later { why: answer.sentence(), is_there: true, after: answer.retry_after })
            }
            Ok(answer) => Ok(Tried::Answered(Outcome::of(&answer, batch.lines())?)),
            Err(Failure::Connection(why)) => Ok(Tried::Later { why, is_there: false, after: None }),
            Err(failure) => Err(failure),
        }
    }

    /// Reads the token again; whether it is another one.
    fn renew(&mut self) -> Result<bool, Failure> {
        let Some(credential) = &self.credential else { return Ok(false) };
        let fresh = credential.read()?;
        let is_another = fresh != self.token;
        self.token = fresh;
        Ok(is_another)
    }
}

/// What a hub did with the items of one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Taken items.
    pub(crate) accepted: u64,
    /// Those of them that had been taken before.
    pub(crate) duplicates: u64,
    /// Members that a dry run would have reached, where the hub says so.
    pub(crate) members: Option<u64>,
    /// What lenient checking let through in them.
    pub(crate) tolerated: u64,
    /// The others.
    pub(crate) rejections: Vec<Rejection>,
}

/// A rejected item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The line of the input that it stands on.
    pub(crate) line: u64,
    /// Why, each fault as `POINTER: RULE: MESSAGE`; may be empty, where the hub's answer would have
    /// become too long.
    pub(crate) faults: Vec<String>,
}

impl Outcome {
    /// Reads an answer to a request whose items stand on `lines`.
    fn of(answer: &http::Response, lines: &[u64]) -> Result<Outcome, Failure> {
        #[derive(Deserialize)]
        struct Body {
            accepted: u64,
            rejected: u64,
            #[serde(default)]
            results: Vec<Rejected>,
            members: Option<u64>,
            #[serde(default)]
            tolerated: u64,
        }
        #[derive(Deserialize)]
        struct Rejected {
            index: usize,
            #[serde(default)]
            duplicate: bool,
            #[serde(default)]
            errors: Vec<Fault>,
        }
        #[derive(Deserialize)]
        struct Fault {
            pointer: String,
            rule: String,
            message: String,
        }
        let body: Body = match (answer.status, serde_json::from_slice(&answer.body)) {
            (200 | 202 | 207 | 422, Ok(body)) => body,
            _ => return Err(Failure::Refused(answer.sentence())),
        };
        let (duplicates, rejected): (Vec<Rejected>, Vec<Rejected>) =
            body.results.into_iter().partition(|item| item.duplicate);
        let rejections: Vec<Rejection> = rejected
            .into_iter()
            .filter_map(|item| {
                // The hub counts the lines of the body; that of the input is told already.
                let in_body = format!("line {} column", item.index.saturating_add(1));
                let faults = item.errors.into_iter().map(|fault| {
                    let place = if fault.pointer.is_empty() { "item" } else { &fault.pointer };
                    let message = match fault.rule.as_str() {
                        "json" => fault.message.replace(&in_body, "column"),
                        _ => fault.message,
                    };
                    format!("{place}: {}: {message}", fault.rule)
                });
                Some(Rejection { line: *lines.get(item.index)?, faults: faults.collect() })
            })
            .collect();
        if usize::try_from(body.rejected) != Ok(rejections.len()) {
            return Err(Failure::Refused(format!(
                "the hub's answer contradicts itself: {} rejected, {} listed",
                body.rejected,
                rejections.len()
            )));
        }
        let duplicates = duplicates.len() as u64;
        Ok(Outcome {
            accepted: body.accepted,
            duplicates,
            members: body.members,
            tolerated: body.tolerated,
            rejections,
        })
    }
}

/// What has become of the items.
#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    members: Option<u64>,
    tolerated: u64,
    requests: u64,
    /// The line of the last item that was answered.
    last: Option<u64>,
    /// The line of the first item whose request failed: it and what follows is not published, as
    /// far as is known.
    stopped_at: Option<u64>,
}

/// One run of the command.
struct Run<'a> {
    publisher: Publisher,
    /// For items that have none; nothing where nothing is delivered.
    ids: Option<Ids>,
    retry: Retry,
    stop: Arc<Stop>,
    console: &'a mut Console,
    name: &'a str,
    tally: Tally,
    is_dry: bool,
}

impl Run<'_> {
    /// Reads and publishes `input`, whose form shows in its start where it is not known.
    fn input(
        &mut self,
        input: &mut dyn Read,
        form: Option<Form>,
        unreadable: &dyn Fn(io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut start = Vec::new();
        let mut piece = vec![0; READ_BYTES];
        let mut form = form;
        while form.is_none() {
            let read = read_some(input, &mut piece).map_err(unreadable)?;
            start.extend_from_slice(piece.get(..read).unwrap_or_default());
            form = Form::by_start(&start, read == 0 || start.len() > batch::BODY_BYTES_MAX);
        }
        match form {
            Some(Form::Ndjson) => self.lines(&start, input, piece, unreadable),
            Some(Form::Json) | None => {
                input.take(DOCUMENT_BYTES_MAX).read_to_end(&mut start).map_err(unreadable)?;
                if self.stop.is_set() { Ok(()) } else { self.document(&start) }
            }
        }
    }

    fn lines(
        &mut self,
        start: &[u8],
        input: &mut dyn Read,
        mut piece: Vec<u8>,
        unreadable: &dyn Fn(io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut lines = Lines::default();
        let mut batch = Batch::new(Form::Ndjson);
        lines.push(start, |line| self.line(&mut batch, line))?;
        loop {
            self.send(&mut batch)?;
            let read = read_some(input, &mut piece).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            lines.push(piece.get(..read).unwrap_or_default(), |line| self.line(&mut batch, line))?;
        }
        // A line that is cut is not known to be whole.
        if !self.stop.is_set() {
            lines.finish(|line| self.line(&mut batch, line))?;
        }
        self.send(&mut batch)
    }

    fn line(&mut self, batch: &mut Batch, line: Line<'_>) -> Result<(), Failure> {
        match line {
            Line::Item(number, item) => self.add(batch, number, item),
            Line::TooLong(number) => {
                self.send(batch)?;
                self.tally.rejected += 1;
                self.console.line(format_args!("{}:{number}: item: too-large: longer than any request", self.name))
            }
        }
    }

    fn document(&mut self, text: &[u8]) -> Result<(), Failure> {
        let wrong = |why: String| Failure::Refused(format!("{}: {why}", self.name));
        let text = std::str::from_utf8(text).map_err(|error| wrong(format!("no UTF-8: {error}")))?;
        // No item at all, as NDJSON may have none either.
        if bom::behind(text).trim_ascii().is_empty() {
            return Ok(());
        }
        let items = batch::items_of_json(text).map_err(|error| wrong(format!("no JSON: {error}")))?;
        let mut batch = Batch::new(Form::Json);
        for (line, item) in items {
            self.add(&mut batch, line, item.as_bytes())?;
        }
        self.send(&mut batch)
    }

    fn add(&mut self, batch: &mut Batch, line: u64, item: &[u8]) -> Result<(), Failure> {
        let item = self.ids.as_mut().map_or(item.into(), |ids| ids.name(item));
        if !batch.has_room(item.len()) {
            self.send(batch)?;
        }
        batch.push(line, &item);
        Ok(())
    }

    fn send(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let (Some(&first), last) = (batch.lines().first(), batch.lines().last().copied()) else { return Ok(()) };
        self.tally.requests += 1;
        let Run { publisher, retry, stop, console, .. } = self;
        let wait = |why: &str, pause: Duration| {
            console.note(format_args!("{why}; trying again in {:.1} s", pause.as_secs_f64()));
            !stop.pause(pause)
        };
        let outcome = publisher.send(batch, retry, wait).inspect_err(|_| self.tally.stopped_at = Some(first))?;
        self.tally.last = last;
        self.tally.duplicates = self.tally.duplicates.saturating_add(outcome.duplicates);
        self.tally.accepted = self.tally.accepted.saturating_add(outcome.accepted);
        self.tally.tolerated = self.tally.tolerated.saturating_add(outcome.tolerated);
        self.tally.members = match (self.tally.members, outcome.members) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            (sum, more) => sum.or(more),
        };
        for rejection in &outcome.rejections {
            self.tally.rejected += 1;
            if rejection.faults.is_empty() {
                self.console.line(format_args!("{}:{}: item: rejected", self.name, rejection.line))?;
            }
            for fault in &rejection.faults {
                self.console.line(format_args!("{}:{}: {fault}", self.name, rejection.line))?;
            }
        }
        self.console.flush()
    }

    fn summary(&mut self) {
        let Tally { accepted, duplicates, rejected, members, tolerated, requests, last, stopped_at } = &self.tally;
        let verb = if self.is_dry { "would be taken" } else { "taken" };
        let mut summary = format!("{accepted} {verb}, {rejected} rejected, {requests} request(s)");
        if *duplicates > 0 {
            summary.push_str(&format!(", {duplicates} had been taken before"));
        }
        if self.retry.again > 0 {
            summary.push_str(&format!(", {} further tries", self.retry.again));
        }
        if let Some(members) = members {
            summary.push_str(&format!(", {members} members would be reached"));
        }
        if *tolerated > 0 {
            summary.push_str(&format!(", {tolerated} faults tolerated"));
        }
        self.console.note(format_args!("{summary}"));
        if let Some(line) = stopped_at {
            self.console.note(format_args!("stopped at {}:{line}", self.name));
        } else if self.stop.is_set() {
            let line = last.unwrap_or_default();
            self.console.note(format_args!("ended by a signal behind {}:{line}", self.name));
        }
    }
}

/// Reads what there is, and waits only where there is nothing.
fn read_some(input: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests;
