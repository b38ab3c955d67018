//! `rte publish`: items from a file or standard input to `POST /publish`.

use super::batch::{self, Batch, Form, Line, Lines};
use super::console::Console;
use super::credential::{Bearer, Credential};
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::http;
use super::http::HttpClient;
use super::trust::Trust;
use crate::shell::roots::Roots;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const LONG: &str = "\
Publishes events. An item is {\"eventName\":\"QueueStatus\",\"data\":{…}}, with \"entityId\" where the event does not name \
its entity.

The input is JSON (an item or an array of items), or NDJSON (an item per line), which is sent as it comes, in requests of \
at most 1 MiB and 10,000 items; so it can follow a pipe that never ends. Items of one run are taken in order. Each rejected \
item is printed as FILE:LINE: POINTER: RULE: MESSAGE, one line per fault; the others are delivered nonetheless. Exit code 1: \
an item was rejected.

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
    let mut input: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.file).map_err(unreadable)?)
    };
    let publisher = Publisher::new(&args.url, args.trust.roots(&args.url)?, args.credential.read()?, query(args));
    let mut run = Run { publisher, console, name: &name, tally: Tally::default(), is_dry: args.dry_run };
    let done = run.input(&mut *input, form(args), &unreadable);
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
}

impl Publisher {
    /// Publishes to `endpoint`, on `/publish` where it names no path, with `query` behind it.
    pub fn new(endpoint: &Endpoint, roots: Roots, token: Bearer, query: Option<&str>) -> Publisher {
        let url = endpoint.clone().or_path("/publish").http_url("", query);
        Publisher { client: HttpClient::new(roots), url, token }
    }

    /// Sends a batch, which is empty afterwards.
    ///
    /// # Errors
    /// Where the hub did not take the request at all; what it did with each item is in the answer.
    pub(crate) fn send(&self, batch: &mut Batch) -> Result<Outcome, Failure> {
        let content_type = batch.form().content_type();
        let answer = self.client.post(&self.url, &self.token, Some(content_type), batch.body());
        let outcome = answer.and_then(|answer| Outcome::of(&answer, batch.lines()));
        batch.clear();
        outcome
    }
}

/// What a hub did with the items of one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Taken items.
    pub(crate) accepted: u64,
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
        let rejections: Vec<Rejection> = body
            .results
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
        Ok(Outcome { accepted: body.accepted, members: body.members, tolerated: body.tolerated, rejections })
    }
}

/// What has become of the items.
#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    members: Option<u64>,
    tolerated: u64,
    requests: u64,
    /// The line of the first item whose request failed: it and what follows is not published, as
    /// far as is known.
    stopped_at: Option<u64>,
}

/// One run of the command.
struct Run<'a> {
    publisher: Publisher,
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
                self.document(&start)
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
        lines.finish(|line| self.line(&mut batch, line))?;
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
        let items = batch::items_of_json(text).map_err(|error| wrong(format!("no JSON: {error}")))?;
        let mut batch = Batch::new(Form::Json);
        for (line, item) in items {
            self.add(&mut batch, line, item.as_bytes())?;
        }
        self.send(&mut batch)
    }

    fn add(&mut self, batch: &mut Batch, line: u64, item: &[u8]) -> Result<(), Failure> {
        if !batch.has_room(item.len()) {
            self.send(batch)?;
        }
        batch.push(line, item);
        Ok(())
    }

    fn send(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Some(&first) = batch.lines().first() else { return Ok(()) };
        self.tally.requests += 1;
        let outcome = self.publisher.send(batch).inspect_err(|_| self.tally.stopped_at = Some(first))?;
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
        let Tally { accepted, rejected, members, tolerated, requests, stopped_at } = &self.tally;
        let verb = if self.is_dry { "would be taken" } else { "taken" };
        let mut summary = format!("{accepted} {verb}, {rejected} rejected, {requests} request(s)");
        if let Some(members) = members {
            summary.push_str(&format!(", {members} members would be reached"));
        }
        if *tolerated > 0 {
            summary.push_str(&format!(", {tolerated} faults tolerated"));
        }
        self.console.note(format_args!("{summary}"));
        if let Some(line) = stopped_at {
            self.console.note(format_args!("stopped at {}:{line}", self.name));
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
