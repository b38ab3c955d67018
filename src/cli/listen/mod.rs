//! `rte listen`: a SignalR client like any other. It negotiates, connects, subscribes, prints, and
//! comes back after a loss.

use super::console::Console;
use super::credential::Credential;
use super::cursors::Cursors;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::http::HttpClient;
use super::random::Random;
use super::session::{self, Interest, Session, Step};
use super::trust::Trust;
use super::{redact, world};
use crate::hub::block::Since;
use crate::schema::Catalogue;
use serde::Deserialize;
use serde_json::value::RawValue;
use socket::{Read, Stream, goodbye, read, send};
use std::time::{Duration, Instant};
use tungstenite::WebSocket;

pub(super) mod socket;

const LONG: &str = "\
Subscribes to events like any SignalR client and prints each one as a line of JSON: {\"subscription\":…,\"data\":…}.

The hub's verdict on each subscription goes to standard error, with what it says of events that were missed. After a lost connection it comes back, at once, after 2, \
10 and 30 seconds and then every 30 seconds (a little later each time, so that many clients do not come at once), and \
subscribes again with the position of the last event that it printed: events of the meantime follow, each once, as far as the \
hub still has them (it says so). Each line has that \"position\" and \"at\", when the hub took the event; --since goes on there.

Exit code 0: the count or the time is over. 1: a subscription that was named in full has been refused (at once if none is \
left). 2: wrong usage. 3: the first connection failed, or the hub ended it for good. 4: the token is not good. 5: --timeout came \
before the last of --count.

Examples, with GUID for the 36 characters of one:
  rte listen --token-file token.jwt GUID:QueueStatus,QueueCallInArrived
  rte listen --token-file token.jwt --snapshot '*:QueueStatus'
  rte listen --url ws://127.0.0.1:8080/rte --subscribe 'GUID/User*' --count 1
  rte listen --since -30s GUID:QueueCallInArrived
  rte listen --all 'Queue*' GUID1 GUID2 | jq .data";

/// Subscribes and prints.
#[derive(clap::Args)]
#[command(about = "Subscribe to events and print them", long_about = LONG)]
pub(crate) struct Args {
    /// The hub; the path is /rte where none is given
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080/rte", value_parser = Endpoint::parse)]
    url: Endpoint,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    credential: Credential,
    /// What to hear: a GUID, or '*' for every entity that is granted, and its events; an event may
    /// be a pattern ('Queue*'), and is --all's where left out
    #[arg(value_name = "ENTITY[:EVENT,…]", required_unless_present = "subscribe")]
    topics: Vec<String>,
    /// The same, written as a pair; may be repeated
    #[arg(long, value_name = "ENTITY/EVENT")]
    subscribe: Vec<String>,
    /// Events of each ENTITY that names none itself; may be patterns
    #[arg(long, value_name = "EVENT,…", value_delimiter = ',', default_value = "*")]
    all: Vec<String>,
    /// End after this many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this many seconds; without --count that is a good end
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Ask for the last value of each state first, as a page does that was just loaded
    #[arg(long)]
    snapshot: bool,
    /// Begin there: a position, or how far back (-30s, -5m, -1h); null is from now on
    #[arg(long, value_name = "POSITION", value_parser = since, allow_hyphen_values = true)]
    since: Option<From>,
    /// Print for people: event, entity, and its data as name=value
    #[arg(long)]
    text: bool,
    /// Mask personal data (numbers, names, addresses, free text), as the built-in catalogue marks
    /// it
    #[arg(long)]
    redact: bool,
    /// End when the connection is lost, instead of coming back
    #[arg(long)]
    no_reconnect: bool,
}

/// A ping goes out this often (SignalR clients: KeepAliveInterval).
const PING_EVERY: Duration = Duration::from_secs(15);
/// A hub that is silent for this long is gone (SignalR clients: ServerTimeout).
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Waits before the first reconnects, in milliseconds; the last one repeats (SignalR clients give
/// up there).
const BACKOFF_MS: [u64; 4] = [0, 2_000, 10_000, 30_000];
/// The least span over which reconnects are spread: clients of a restarted hub must not all come in
/// the same instant.
const SPREAD_MS: u64 = 500;

/// Reads a number of seconds, above nothing and up to ten years, with a fraction if wanted.
///
/// # Errors
/// A sentence for the caller.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if !(seconds > 0.0 && seconds <= 315_360_000.0) {
        return Err("must be more than 0 and at most ten years".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// From where on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct From(Option<String>);

/// Reads what `--since` says.
fn since(text: &str) -> Result<From, &'static str> {
    match Since::parse(text) {
        _ if text == "null" => Ok(From(None)),
        Since::Unreadable => Err("a position of 27 characters, how far back as -30s, -5m, -1h or -1500ms, or null"),
        Since::Present | Since::Behind(_) | Since::Back { .. } => Ok(From(Some(text.to_owned()))),
    }
}

/// Listens until the count, the timeout, or the hub ends it.
///
/// # Errors
/// As the exit codes of the long help say.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    let interests = interests(args)?;
    let mut random = Random::new(u64::from_le_bytes(world::entropy().map_err(Failure::Refused)?));
    let first = args.since.as_ref().map(|From(first)| first.clone());
    let mut listener = Listener {
        // Who does not come back, and does not say since when, needs no positions.
        cursors: (first.is_some() || !args.no_reconnect).then(|| Cursors::starting(first.flatten())),
        args,
        catalogue: args.redact.then(|| Catalogue::built_in(None)),
        endpoint: args.url.clone().or_path("/rte"),
        client: HttpClient::new(args.trust.roots(&args.url)?),
        ends_at: args.timeout.and_then(|timeout| world::now().checked_add(timeout)),
        heard: 0,
        refused: 0,
        was_greeted: false,
        losses: 0,
        console,
    };
    loop {
        let lost = match listener.connect_and_listen(&interests) {
            Ok(End::Done) => break,
            Ok(End::Lost(reason)) => reason,
            Ok(End::Over(reason)) => return Err(Failure::Connection(reason)),
            Err(Failure::Connection(reason)) if listener.was_greeted && !args.no_reconnect => reason,
            Err(failure) => return Err(failure),
        };
        if !listener.was_greeted || args.no_reconnect {
            return Err(Failure::Connection(lost));
        }
        let wait = backoff(listener.losses, &mut random);
        listener.losses = listener.losses.saturating_add(1);
        listener.console.note(format_args!("connection lost: {lost}; coming back in {:.1} s", wait.as_secs_f64()));
        let left = listener.left();
        world::pause(left.map_or(wait, |left| left.min(wait)));
        if left.is_some_and(|left| left <= wait) {
            listener.on_timeout()?;
            break;
        }
    }
    match listener.refused {
        0 => Ok(()),
        refused => Err(Failure::Refused(format!("{refused} subscription(s) refused"))),
    }
}

/// Returns the topics of the command line.
fn interests(args: &Args) -> Result<Vec<Interest>, Failure> {
    let mut interests = Vec::new();
    let mut add = |entity: &str, events: &mut dyn Iterator<Item = &str>, given: &str| {
        for event in events {
            if entity.is_empty() || event.is_empty() {
                return Err(Failure::Usage(format!(
                    "{given:?} is no topic: write ENTITY:EVENT, such as GUID:QueueStatus"
                )));
            }
            interests.push(Interest { entity: entity.to_owned(), event: event.to_owned() });
        }
        Ok(())
    };
    for given in &args.topics {
        match given.split_once([':', '/']) {
            Some((entity, events)) => add(entity, &mut events.split(','), given)?,
            None => add(given, &mut args.all.iter().map(String::as_str), given)?,
        }
    }
    for given in &args.subscribe {
        let (entity, event) = given.split_once(['/', ':']).unwrap_or((given, ""));
        add(entity, &mut std::iter::once(event), given)?;
    }
    Ok(interests)
}

/// Returns how long to wait before reconnect number `losses` (from 0).
fn backoff(losses: usize, random: &mut Random) -> Duration {
    let base_ms = BACKOFF_MS.get(losses).or(BACKOFF_MS.last()).copied().unwrap_or_default();
    Duration::from_millis(base_ms + random.between(0, SPREAD_MS.max(base_ms / 4)))
}

/// How one connection ended, where that is no failure yet.
enum End {
    /// All is heard, or the time is over.
    Done,
    /// The connection is gone.
    Lost(String),
    /// The hub does not want to be called again.
    Over(String),
}

/// What stays over all connections of one `rte listen`.
struct Listener<'a> {
    /// By which personal data is masked, if it is.
    catalogue: Option<Catalogue>,
    cursors: Option<Cursors>,
    args: &'a Args,
    endpoint: Endpoint,
    client: HttpClient,
    ends_at: Option<Instant>,
    heard: u64,
    /// Refused by name, on the newest connection.
    refused: usize,
    was_greeted: bool,
    /// Since the last greeting.
    losses: usize,
    console: &'a mut Console,
}

impl Listener<'_> {
    fn connect_and_listen(&mut self, interests: &[Interest]) -> Result<End, Failure> {
        // A token lives shorter than a listener: the file may have a fresh one.
        let token = self.args.credential.read()?;
        let mut socket = socket::connect(&self.client, &self.endpoint, &token)?;
        self.refused = 0;
        send(&mut socket, session::HELLO)?;
        let mut conversation = Conversation {
            session: Session::new(interests).with_snapshots(self.args.snapshot).with_cursors(self.cursors.clone()),
            subscribed: 0,
        };
        let (mut pinged_at, mut heard_at) = (world::now(), world::now());
        loop {
            let now = world::now();
            if self.left() == Some(Duration::ZERO) {
                self.on_timeout()?;
                goodbye(&mut socket);
                return Ok(End::Done);
            }
            if now.duration_since(heard_at) >= SILENCE_MAX {
                return Ok(End::Lost("the hub has been silent for 30 s".to_owned()));
            }
            if now.duration_since(pinged_at) >= PING_EVERY {
                send(&mut socket, session::PING)?;
                pinged_at = now;
            }
            let quiet = [
                PING_EVERY.saturating_sub(now.duration_since(pinged_at)),
                SILENCE_MAX.saturating_sub(now.duration_since(heard_at)),
            ];
            let wait = quiet.into_iter().chain(self.left()).min().unwrap_or(PING_EVERY);
            let text = match read(&mut socket, wait) {
                Read::Text(text) => text,
                Read::Life => {
                    heard_at = world::now();
                    continue;
                }
                Read::Nothing => continue,
                Read::Lost(reason) => return Ok(End::Lost(reason)),
            };
            heard_at = world::now();
            let end = self.on_text(&mut conversation, &mut socket, &text)?;
            self.console.flush()?;
            if let Some(end) = end {
                goodbye(&mut socket);
                return Ok(end);
            }
        }
    }

    /// Does what one message asks for; the connection ends where it answers with an end.
    fn on_text(
        &mut self,
        conversation: &mut Conversation,
        socket: &mut WebSocket<Stream>,
        text: &str,
    ) -> Result<Option<End>, Failure> {
        let mut steps = Vec::new();
        let understood = conversation.session.on_text(text, &mut steps);
        for step in steps {
            match step {
                Step::Send(text) => send(socket, &text)?,
                Step::Greeted => {
                    self.was_greeted = true;
                    self.losses = 0;
                    self.console.note(format_args!("connected to {}", self.endpoint.authority()));
                }
                Step::Verdict(verdict) => {
                    conversation.subscribed += usize::from(verdict.subscribed);
                    self.refused += usize::from(!verdict.subscribed && !verdict.by_pattern);
                    self.on_verdict(&verdict);
                }
                Step::Live if conversation.subscribed == 0 => {
                    return Err(Failure::Refused("every subscription was refused".to_owned()));
                }
                Step::Live => {}
                Step::Event(event) => {
                    self.print(event)?;
                    if let Some(cursors) = &mut self.cursors {
                        cursors.note_event(event.get());
                    }
                    self.heard += 1;
                    if self.args.count == Some(self.heard) {
                        return Ok(Some(End::Done));
                    }
                }
                Step::Closed { error, may_reconnect } => {
                    let said =
                        error.map_or_else(|| "the hub closed it".to_owned(), |error| format!("the hub says: {error}"));
                    return Ok(Some(if may_reconnect { End::Lost(said) } else { End::Over(said) }));
                }
            }
        }
        match understood {
            Ok(()) => Ok(None),
            Err(fault) if conversation.subscribed > 0 => Ok(Some(End::Lost(fault.to_string()))),
            Err(fault) => Err(Failure::Refused(fault.to_string())),
        }
    }

    fn on_verdict(&mut self, verdict: &session::Verdict) {
        let event = verdict.event_name.as_deref().unwrap_or("null");
        let entity = verdict.entity_id.as_deref().unwrap_or("null");
        if let (Some(cursors), Some(position)) = (&mut self.cursors, &verdict.position) {
            cursors.note(entity, event, position);
        }
        match &verdict.message {
            _ if verdict.subscribed => {
                self.console.note(format_args!("subscribed  {event}  {entity}{}", of_the_past(verdict)));
            }
            message => {
                let message = message.as_deref().unwrap_or("no reason given");
                let near = nearest_to(event, message).unwrap_or_default();
                self.console.note(format_args!("refused     {event}  {entity}: {message}{near}"));
            }
        }
    }

    fn print(&mut self, event: &RawValue) -> Result<(), Failure> {
        let line = match &self.catalogue {
            Some(catalogue) => redact::redacted(event, catalogue),
            None => redact::one_line(event),
        };
        let line = self.args.text.then(|| for_people(&line)).flatten().unwrap_or(line);
        self.console.line(format_args!("{line}"))
    }

    /// The time is over: fine, unless events were to be counted.
    fn on_timeout(&self) -> Result<(), Failure> {
        match self.args.count {
            Some(count) => Err(Failure::TimedOut(format!("heard {} of {count} events in time", self.heard))),
            None => Ok(()),
        }
    }

    /// Returns what is left of `--timeout`.
    fn left(&self) -> Option<Duration> {
        self.ends_at.map(|at| at.saturating_duration_since(world::now()))
    }
}

/// What an event is called that is like an unknown one, as a publisher is told.
fn nearest_to(event: &str, message: &str) -> Option<String> {
    let catalogue = (message == "Unknown EventName").then(|| Catalogue::built_in(None))?;
    catalogue.nearest(event).map(|name| format!("; did you mean {name}?"))
}

/// What a verdict says of what was missed, and of last values.
fn of_the_past(verdict: &session::Verdict) -> String {
    let replayed = verdict.replayed.unwrap_or_default();
    let mut told = match verdict.recovered {
        None => String::new(),
        Some(true) => format!("  recovered, {replayed} missed"),
        Some(false) => format!("  NOT RECOVERED, {replayed} of what was missed: something may be missing"),
    };
    if let Some(values) = verdict.snapshot {
        told.push_str(&format!("  snapshot of {values}"));
    }
    told
}

/// What belongs to one connection.
struct Conversation {
    session: Session,
    subscribed: usize,
}

/// Returns an event as a line for people: `queuestatus  cbee…  maxWaitTime=3 …`; nothing where it
/// has not the form of one.
fn for_people(event: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Received {
        subscription: About,
        data: serde_json::Map<String, serde_json::Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct About {
        entity_id: String,
        event_name: String,
    }
    let event: Received = serde_json::from_str(event).ok()?;
    let mut line = format!("{}  {}", event.subscription.event_name, event.subscription.entity_id);
    for (name, value) in &event.data {
        line.push_str(&format!("  {name}={value}"));
    }
    Some(line)
}

#[cfg(test)]
mod tests;
