//! `rte demo`: a hub on the loopback and a simulated call centre that publishes to it over HTTP,
//! like any back end.
//!
//! The simulation ([`centre`]) is pure; this room drives it by the clock and shows how to listen.

mod call;
mod callback;
mod callbacks;
mod calls;
pub mod cast;
pub mod centre;
mod date;
pub mod events;
pub mod key;
mod nodes;
mod state;
mod states;
mod transfers;

use super::batch::{Batch, Form};
use super::console::Console;
use super::credential::Bearer;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::publish::Publisher;
use super::publish::ids::Ids;
use super::publish::retry::Retry;
use super::trust::Trust;
use super::{listen, token, world};
use crate::config::{Config, Setting, Sources, file};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cast::{A, B, C, CALL_LIST, DESK, PEOPLE, QUEUES, SUPPORT};
use centre::{Calendar, Centre};
use events::Item;
use key::Key;
use nodes::OwnRedis;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const LONG: &str = "\
Starts a hub with a key of its own and a simulated call centre that publishes to it over HTTP. Nothing has to be \
configured, and nothing is kept.

Every minute or so user A calls the queue Support; the call is allocated to user B, who declines, then to user C, who \
answers and later hangs up: one CallId throughout, a LegId for each leg. Around that go other calls, availabilities, agent \
and queue status, and callback requests with their attempts. The same --seed gives the same traffic, dates included: the \
centre has a clock of its own then, which starts on a Monday at 08:00 UTC.

With --restart the hub ends again and again, and another one begins at the same address that knows nothing of before: what a \
hub in memory is after a crash. Clients come back and are told that something may be missing; the centre, as a good publisher \
does, tells all its states anew, and sends what was not answered again, with its ids.

With --nodes 2 there are two hubs that share a Redis, and are one: what the centre publishes to the first is heard at the \
second, and with --restart the first ends and comes back while the second goes on. The Redis is one of its own, where \
redis-server is installed, or that of --set journal.redis.addresses=HOST:PORT, where keys stay that begin with rte-demo-.

It prints a client token, the URL, the addresses of the pages, which open with a token of their own, and a line for \
listening. Exit code 1: the hub rejected an event (that would be a fault).

Neither rte.toml nor the environment counts here; --set and --schema-dir do as they do for `rte serve`. Each start has a \
secret of its own, so that a token is good until the demo ends; with --secret-file it is good for the next one too.

Examples:
  rte demo
  rte demo --secret-file demo.secret --ttl 30d --set cors.origins=https://app.example.com
  rte demo --restart 20
  rte demo --nodes 2 --restart 20
  rte demo --listen 127.0.0.1:0 --seed 7 --speed 10 --for 60 --print";

/// Runs a hub and a call centre.
#[derive(clap::Args)]
#[command(about = "Run a hub with a simulated call centre, to look around", long_about = LONG)]
pub struct Args {
    /// Where the hub listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What all chances of the simulation are drawn from; without it the events are of today
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How much faster than life the centre works, from 0.01 to 1000
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    speed: f64,
    /// End after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = listen::seconds)]
    duration: Option<Duration>,
    /// End the hub every so many seconds, and begin another, to see clients come back
    #[arg(long, value_name = "SECONDS", value_parser = listen::seconds)]
    restart: Option<Duration>,
    /// So many hubs that are one, by a Redis that they share
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// Date the events by the wall clock, at any speed, although there is a seed
    #[arg(long)]
    wall_clock: bool,
    /// A file that holds the secret which signs the tokens, at least 32 bytes; by default a fresh
    /// one
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// How long the client token is valid: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = token::seconds)]
    ttl: u64,
    /// Sets any key of the hub's configuration, `--set server.path=/hub`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<Setting>,
    /// A folder of further events; may be repeated
    #[arg(long = "schema-dir", value_name = "DIR")]
    schema_dirs: Vec<PathBuf>,
    /// Print each published item as a line of JSON
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    trust: Trust,
}

impl Args {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }
}

/// Monday 2 March 2026, 08:00 UTC.
const MONDAY_UNIX_MS: u64 = 1_772_438_400_000;
/// How long a node may take to be ready, and how often it is looked at.
const READY_MS: u64 = 20_000;
const READY_LOOK_MS: u64 = 20;

/// A hub that runs in threads of its own, until it is dropped.
pub trait DemoHub {
    /// Returns where it really listens.
    fn local_addr(&self) -> SocketAddr;
    /// Whether it takes clients.
    fn is_ready(&self) -> bool;
    /// Drains it and waits for the end, so that listeners are told.
    fn end(self: Box<Self>);
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("must be a number from 0.01 to 1000".to_owned()),
    }
}

fn setting(text: &str) -> Result<Setting, &'static str> {
    Setting::parse(text, "--set").ok_or(Setting::FORM)
}

/// Returns the configuration of the demo's hub: what a demo needs, and over it what is set.
///
/// # Errors
/// [`Failure::Usage`] with all that is wrong.
fn configuration(args: &Args, secret: &str, listen: SocketAddr, redis: Option<&OwnRedis>) -> Result<Config, Failure> {
    let own = |key: &str, text: String| Setting { key: key.to_owned(), text, origin: "rte demo".to_owned() };
    let mut settings = vec![
        own("server.listen", listen.to_string()),
        own("server.threads", "1".to_owned()),
        own("server.log_level", "warn".to_owned()),
        own("server.detailed_errors", "true".to_owned()),
        own("server.public_documents", "true".to_owned()),
        own("pages.enabled", "true".to_owned()),
    ];
    if let Some(file) = &args.secret_file {
        let (key, text, origin) = ("auth.secret_file".to_owned(), file.clone(), "--secret-file".to_owned());
        settings.push(Setting { key, text, origin });
    } else if !args.set.iter().any(|set| set.key.starts_with("auth.secret")) {
        settings.push(own("auth.secret", secret.to_owned()));
    }
    if args.restart.is_some() {
        // Its end is no goodbye.
        let at_once = [("drain_spread_ms", "0"), ("drain_ms", "200")];
        settings.extend(at_once.map(|(limit, ms)| own(&format!("limits.{limit}"), ms.to_owned())));
    }
    if args.nodes > 1 {
        settings.push(own("journal.engine", "redis".to_owned()));
        // Not that of real nodes, where the Redis is one of theirs.
        settings.push(own("journal.redis.prefix", format!("rte-demo-{}", secret.get(..8).unwrap_or_default())));
    }
    settings.extend(redis.map(OwnRedis::setting));
    settings.extend(args.set.iter().cloned());
    let sources = Sources { file: None, variables: Vec::new(), settings, read: &file::read };
    let mut config = Config::from_sources(sources).map_err(|errors| Failure::Usage(errors.to_string()))?;
    if let (Some(_), Some(engine)) = (redis, &mut config.backplane) {
        engine.is_passing = true;
    }
    if !args.schema_dirs.is_empty() {
        config.schema_dirs.clone_from(&args.schema_dirs);
    }
    Ok(config)
}

/// Runs the demo on a hub that `start` starts, until its time is over.
///
/// # Errors
/// Where the configuration is wrong, or the hub does not start, goes away, or rejects an event.
pub fn run(
    args: &Args,
    console: &mut Console,
    mut start: impl FnMut(Config, &mut Console) -> Result<Box<dyn DemoHub>, Failure>,
) -> Result<(), Failure> {
    let secret = URL_SAFE_NO_PAD.encode(world::entropy::<32>().map_err(Failure::Refused)?);
    let has_redis = args.set.iter().any(|set| set.key == "journal.redis.addresses");
    let redis = (args.nodes > 1 && !has_redis).then(OwnRedis::start).transpose()?;
    let config = configuration(args, &secret, args.listen, redis.as_ref())?;
    let issued_unix_s = world::unix_ms() / 1000;
    let key = Key::of(&config)?;
    let (client, publisher) = (key.client_token(issued_unix_s, args.ttl)?, key.publisher_token(issued_unix_s)?);
    let for_pages = if config.hub.pages { Some(key.pages_token(issued_unix_s, args.ttl)?) } else { None };
    let (path, is_tls) = (config.hub.path.clone(), config.tls.is_some());
    let trust = Trust { ca: args.trust.ca.clone().or_else(|| own_certificate(args)) };
    let mut hub = start(config, console)?;
    let address = hub.local_addr();
    let other = |_| start(configuration(args, &secret, (address.ip(), 0).into(), redis.as_ref())?, console);
    let others = (1..args.nodes).map(other).collect::<Result<Vec<_>, Failure>>()?;
    others.iter().chain([&hub]).try_for_each(|hub| await_ready(&**hub))?;
    let scheme = if is_tls { "https" } else { "http" };
    let endpoint = Endpoint::parse(&format!("{scheme}://{}", reachable(address))).map_err(Failure::Refused)?;
    let until = date::rfc3339(issued_unix_s.saturating_add(args.ttl).saturating_mul(1000));
    let own = |hub: &dyn DemoHub| Endpoint::parse(&format!("{scheme}://{}", reachable(hub.local_addr())));
    let nodes = others.iter().map(|node| Ok(own(&**node)?.or_path(&path)));
    let nodes = nodes.collect::<Result<Vec<_>, _>>().map_err(Failure::Refused)?;
    introduce(args, console, &endpoint.clone().or_path(&path), &nodes, &trust, &client, &until)?;
    if let Some(token) = &for_pages {
        say(args, console, pages(&endpoint, token))?;
    }

    let mut publishing = Publishing {
        publisher: Publisher::new(&endpoint, trust.roots(&endpoint)?, publisher, None),
        // Each run has a time of its own.
        ids: args.restart.map(|_| Ids::new(world::unix_ms())),
        retry: Retry::new(None, args.seed()),
        batch: Batch::new(Form::Ndjson),
    };
    let calendar = if args.wall_clock || args.seed.is_none() {
        Calendar { start_unix_ms: world::unix_ms(), speed: args.speed }
    } else {
        Calendar::own(MONDAY_UNIX_MS)
    };
    let mut centre = Centre::new(args.seed(), calendar);
    let began_at = world::now();
    let mut restart = args.restart;
    loop {
        let due = Duration::from_millis(centre.next_due()).div_f64(args.speed);
        let end = args.duration.filter(|&end| end <= due);
        let until = end.unwrap_or(due);
        let due_restart = restart.filter(|&at| at <= until);
        world::pause(due_restart.unwrap_or(until).saturating_sub(world::now().duration_since(began_at)));
        if let (Some(at), Some(every)) = (due_restart, args.restart) {
            let what =
                if others.is_empty() { "hub ends, and another one begins" } else { "first node ends, and comes back" };
            console.note(format_args!("the {what}"));
            hub.end();
            hub = start(configuration(args, &secret, address, redis.as_ref())?, console)?;
            await_ready(&*hub)?;
            if others.is_empty() {
                centre.forget_told();
            }
            restart = Some(at + every);
            continue;
        }
        if end.is_some() {
            hub.end();
            others.into_iter().for_each(DemoHub::end);
            return Ok(());
        }
        // The time of what is due, not of the clock: a slow machine gets the same traffic, only
        // later.
        for item in centre.step(centre.next_due()) {
            let text = serde_json::to_string(&item).map_err(|error| Failure::Refused(error.to_string()))?;
            if args.print {
                console.line(format_args!("{text}"))?;
            }
            publishing.push(&text)?;
        }
        console.flush()?;
        publishing.deliver()?;
    }
}

/// Waits until a hub takes clients.
///
/// # Errors
/// [`Failure::Refused`], where that takes too long.
fn await_ready(hub: &dyn DemoHub) -> Result<(), Failure> {
    for _ in 0..READY_MS / READY_LOOK_MS {
        if hub.is_ready() {
            return Ok(());
        }
        world::pause(Duration::from_millis(READY_LOOK_MS));
    }
    Err(Failure::Refused("the Redis of journal.redis.addresses is not read: look whether it runs there".to_owned()))
}

/// The way from the centre to the hub.
struct Publishing {
    publisher: Publisher,
    /// Where the hub is restarted, and a request may have to be sent again.
    ids: Option<Ids>,
    retry: Retry,
    batch: Batch,
}

impl Publishing {
    fn push(&mut self, item: &str) -> Result<(), Failure> {
        let item = self.ids.as_mut().map_or(item.as_bytes().into(), |ids| ids.name(item.as_bytes()));
        if !self.batch.has_room(item.len()) {
            self.deliver()?;
        }
        self.batch.push(0, &item);
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), Failure> {
        let Publishing { publisher, retry, batch, .. } = self;
        if batch.is_empty() {
            return Ok(());
        }
        let wait = |_: &str, pause| {
            world::pause(pause);
            true
        };
        match publisher.send(batch, retry, wait)?.rejections.first() {
            None => Ok(()),
            Some(rejection) => {
                Err(Failure::Refused(format!("the hub rejected an event of the demo: {}", rejection.faults.join("; "))))
            }
        }
    }
}

/// Returns the file of the hub's own certificate, if it has one: that vouches for itself here.
fn own_certificate(args: &Args) -> Option<PathBuf> {
    let setting = args.set.iter().rfind(|setting| setting.key == "server.tls_certificate");
    setting.map(|setting| PathBuf::from(&setting.text))
}

/// Returns an address to connect to, where the hub listens on all of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// Says what there is and how to listen to it.
fn introduce(
    args: &Args,
    console: &mut Console,
    hub: &Endpoint,
    nodes: &[Endpoint],
    trust: &Trust,
    token: &Bearer,
    until: &str,
) -> Result<(), Failure> {
    let (support, token) = (&QUEUES[SUPPORT], token.reveal());
    let program = world::program();
    let (a, b, c, desk) = (&PEOPLE[A], &PEOPLE[B], &PEOPLE[C], &PEOPLE[DESK]);
    let (hub, publish) = (hub.http_url("", None), hub.root().or_path("/publish").http_url("", None));
    let ca = trust.ca.as_ref().map_or_else(String::new, |file| format!("--ca '{}' ", file.display()));
    let node = |(number, node): (u8, &Endpoint)| {
        format!("  node {number}      {}  the same hub: listen there, too", node.http_url("", None))
    };
    let head = [
        format!("A hub and a simulated call centre, seed {}. Ctrl-C ends both.", args.seed()),
        String::new(),
        format!("  hub         {hub}"),
    ];
    let lines = [
        format!("  publish     {publish}"),
        format!("  token       {token}"),
        format!("              (good until {until}: may hear every user, queue and call list here)"),
        format!("  Support     {}  the queue", support.id),
        format!("  user A      {}  {}, calls Support", a.id, a.name),
        format!("  user B      {}  {}, declines", b.id, b.name),
        format!("  user C      {}  {}, answers", c.id, c.name),
        format!("  user E      {}  {}, whose desk is shown", desk.id, desk.name),
        format!("  callbacks   {CALL_LIST}  the call list"),
        String::new(),
        "To listen, paste this into another terminal:".to_owned(),
        String::new(),
        format!(
            "  {program} listen --url {hub} {ca}--token {token} '{}:Queue*' '{}:UserCall*' '{}:UserCall*' \
             '{}:UserCall*' {CALL_LIST}:CallbackChanged,CallbackListStatus",
            support.id, a.id, b.id, c.id
        ),
        String::new(),
        "Or, as a wallboard does, to the state of every queue and every user:".to_owned(),
        String::new(),
        format!(
            "  {program} listen --url {hub} {ca}--token {token} --snapshot \
             '*:QueueStatus,UserAvailability,UserStatus'"
        ),
        String::new(),
    ];
    say(args, console, head.into_iter().chain((2..).zip(nodes).map(node)).chain(lines))
}

/// Returns the lines that name the pages. A token stands behind the `#`, which no browser sends and
/// the page removes.
fn pages(hub: &Endpoint, token: &Bearer) -> [String; 6] {
    let at = |page: &str, query: &str| {
        let page = hub.root().or_path(&format!("/{page}")).http_url("", None);
        format!("{page}{query}#token={}", token.reveal())
    };
    [
        "Or look at it; each of these opens without typing anything, for it brings its token along:".to_owned(),
        String::new(),
        // No event tells what the call list is called.
        format!("  wallboard   {}", at("wall", &format!("?name.{CALL_LIST}=Returns"))),
        format!("  desk        {}", at("desk", &format!("?user={}", PEOPLE[DESK].id))),
        format!("  playground  {}", at("try", "")),
        String::new(),
    ]
}

fn say(args: &Args, console: &mut Console, lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    for line in lines {
        if args.print {
            // The results are the items then.
            console.note(format_args!("{line}"));
        } else {
            console.line(format_args!("{line}"))?;
        }
    }
    console.flush()
}

/// Returns the items of the first `until_ms` of a centre: what a demo with this seed publishes.
pub fn items(seed: u64, until_ms: u64) -> Vec<Item> {
    let mut centre = Centre::new(seed, Calendar::own(MONDAY_UNIX_MS));
    let mut items = Vec::new();
    while centre.next_due() <= until_ms {
        items.extend(centre.step(centre.next_due()));
    }
    items
}

#[cfg(test)]
mod tests;
