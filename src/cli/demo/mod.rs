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
mod state;
mod states;

use super::batch::{Batch, Form};
use super::console::Console;
use super::credential::Bearer;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::publish::Publisher;
use super::{listen, world};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cast::{A, B, C, CALL_LIST, PEOPLE, QUEUES, SUPPORT};
use centre::Centre;
use events::Item;
use key::Key;
use std::net::SocketAddr;
use std::time::Duration;

const LONG: &str = "\
Starts a hub with a key of its own and a simulated call centre that publishes to it over HTTP. Nothing has to be \
configured, and nothing is kept.

Every minute or so user A calls the queue Support; the call is allocated to user B, who declines, then to user C, who \
answers and later hangs up: one CallId throughout, a LegId for each leg. Around that go other calls, availabilities, agent \
and queue status, and callback requests with their attempts. The same --seed gives the same traffic, dates included: the \
centre has a clock of its own, which starts on a Monday at 08:00 UTC.

It prints a client token, the URL, and a line for listening. Exit code 1: the hub rejected an event (that would be a fault).

Examples:
  rte demo
  rte demo --listen 127.0.0.1:0 --seed 7 --speed 10 --for 60 --print";

/// Runs a hub and a call centre.
#[derive(clap::Args)]
#[command(about = "Run a hub with a simulated call centre, to look around", long_about = LONG)]
pub struct Args {
    /// Where the hub listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// What all chances of the simulation are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How much faster than life the centre works, from 0.01 to 1000
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    speed: f64,
    /// End after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = listen::seconds)]
    duration: Option<Duration>,
    /// Date the events by the wall clock
    #[arg(long)]
    wall_clock: bool,
    /// Print each published item as a line of JSON
    #[arg(long)]
    print: bool,
}

/// Monday 2 March 2026, 08:00 UTC.
const MONDAY_UNIX_MS: u64 = 1_772_438_400_000;
/// The hub that a demo needs: it takes HS256 tokens made with `secret`.
pub struct HubPlan {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The secret of its one key.
    pub secret: String,
}

/// A hub that runs in threads of its own, until it is dropped.
pub trait DemoHub {
    /// Returns where it really listens.
    fn local_addr(&self) -> SocketAddr;
    /// Drains it and waits for the end, so that listeners are told.
    fn end(self: Box<Self>);
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("must be a number from 0.01 to 1000".to_owned()),
    }
}

/// Runs the demo on a hub that `start` starts, until its time is over.
///
/// # Errors
/// Where the hub does not start, goes away, or rejects an event.
pub fn run(
    args: &Args,
    console: &mut Console,
    start: impl FnOnce(&HubPlan) -> Result<Box<dyn DemoHub>, Failure>,
) -> Result<(), Failure> {
    let secret = URL_SAFE_NO_PAD.encode(world::entropy::<32>().map_err(Failure::Refused)?);
    let key = Key::new(&secret)?;
    let hub = start(&HubPlan { listen: args.listen, secret })?;
    let issued_unix_s = world::unix_ms() / 1000;
    let address = reachable(hub.local_addr());
    introduce(args, console, address, &key.client_token(issued_unix_s)?)?;

    let endpoint = Endpoint::parse(&format!("http://{address}")).map_err(Failure::Refused)?;
    let publisher = Publisher::new(&endpoint, key.publisher_token(issued_unix_s)?, None);
    let start_unix_ms = if args.wall_clock { world::unix_ms() } else { MONDAY_UNIX_MS };
    let mut centre = Centre::new(args.seed, start_unix_ms);
    let mut batch = Batch::new(Form::Ndjson);
    let began_at = world::now();
    loop {
        let due = Duration::from_millis(centre.next_due()).div_f64(args.speed);
        let end = args.duration.filter(|&end| end <= due);
        world::pause(end.unwrap_or(due).saturating_sub(world::now().duration_since(began_at)));
        if end.is_some() {
            hub.end();
            return Ok(());
        }
        // The time of what is due, not of the clock: a slow machine gets the same traffic, only
        // later.
        for item in centre.step(centre.next_due()) {
            let text = serde_json::to_string(&item).map_err(|error| Failure::Refused(error.to_string()))?;
            if args.print {
                console.line(format_args!("{text}"))?;
            }
            if !batch.has_room(text.len()) {
                deliver(&publisher, &mut batch)?;
            }
            batch.push(0, text.as_bytes());
        }
        console.flush()?;
        deliver(&publisher, &mut batch)?;
    }
}

fn deliver(publisher: &Publisher, batch: &mut Batch) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    match publisher.send(batch)?.rejections.first() {
        None => Ok(()),
        Some(rejection) => {
            Err(Failure::Refused(format!("the hub rejected an event of the demo: {}", rejection.faults.join("; "))))
        }
    }
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
fn introduce(args: &Args, console: &mut Console, address: SocketAddr, token: &Bearer) -> Result<(), Failure> {
    let (support, token) = (&QUEUES[SUPPORT], token.reveal());
    let program = world::program();
    let (a, b, c) = (&PEOPLE[A], &PEOPLE[B], &PEOPLE[C]);
    let lines = [
        format!("A hub and a simulated call centre, seed {}. Ctrl-C ends both.", args.seed),
        String::new(),
        format!("  hub         http://{address}/rte"),
        format!("  publish     http://{address}/publish"),
        format!("  token       {token}"),
        "              (good for a day: may hear every user, queue and call list here)".to_owned(),
        format!("  Support     {}  the queue", support.id),
        format!("  user A      {}  {}, calls Support", a.id, a.name),
        format!("  user B      {}  {}, declines", b.id, b.name),
        format!("  user C      {}  {}, answers", c.id, c.name),
        format!("  callbacks   {CALL_LIST}  the call list"),
        String::new(),
        "To listen, paste this into another terminal:".to_owned(),
        String::new(),
        format!(
            "  {program} listen --url http://{address}/rte --token {token} '{}:Queue*' '{}:UserCall*' '{}:UserCall*' \
             '{}:UserCall*' {CALL_LIST}:CallbackChanged,CallbackListStatus",
            support.id, a.id, b.id, c.id
        ),
        String::new(),
    ];
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
    let mut centre = Centre::new(seed, MONDAY_UNIX_MS);
    let mut items = Vec::new();
    while centre.next_due() <= until_ms {
        items.extend(centre.step(centre.next_due()));
    }
    items
}

#[cfg(test)]
mod tests;
