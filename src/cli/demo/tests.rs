//! The traffic of the demo, replayed: a model that knows only the items checks what a listener may
//! rely on.

use super::cast::ORGANIZATION;
use super::centre::Centre;
use super::*;
use crate::api::publish;
use crate::auth::principal::Principal;
use crate::limits::Limits;
use crate::schema::Catalogue;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

const TEN_MINUTES_MS: u64 = 600_000;

fn text<'i>(item: &'i Item, name: &str) -> &'i str {
    item.data[name].as_str().unwrap_or_else(|| panic!("{item:?} has no {name}"))
}

fn count(item: &Item, name: &str) -> u64 {
    item.data[name].as_u64().unwrap_or_else(|| panic!("{item:?} has no {name}"))
}

#[test]
fn the_same_seed_gives_the_same_traffic_and_another_one_other_traffic() {
    assert_eq!(items(7, TEN_MINUTES_MS), items(7, TEN_MINUTES_MS));
    assert_ne!(items(7, TEN_MINUTES_MS), items(8, TEN_MINUTES_MS));
}

#[test]
fn how_often_the_centre_is_asked_makes_no_difference() {
    let mut centre = Centre::new(3, Calendar::own(MONDAY_UNIX_MS));
    let mut in_big_steps = Vec::new();
    for now_ms in (0..=TEN_MINUTES_MS).step_by(60_000) {
        in_big_steps.extend(centre.step(now_ms));
    }
    assert_eq!(in_big_steps, items(3, TEN_MINUTES_MS));
}

#[test]
fn the_scenario_of_the_reference_comes_within_the_first_seconds() {
    let (a, b, c) = (PEOPLE[A].id.to_string(), PEOPLE[B].id.to_string(), PEOPLE[C].id.to_string());
    for seed in 0..20 {
        let items = items(seed, 40_000);
        let call =
            items.iter().find(|item| item.event_name == "UserCallOutGoing" && text(item, "userId") == a).unwrap();
        let of_call: Vec<&Item> = items.iter().filter(|item| item.data["callId"] == call.data["callId"]).collect();
        let told: Vec<(&str, Option<&str>)> =
            of_call.iter().map(|item| (item.event_name, item.data["userId"].as_str())).collect();
        assert_eq!(
            told,
            [
                ("UserCallOutGoing", Some(a.as_str())),
                ("QueueCallInComing", None),
                ("QueueCallInArrived", None),
                ("QueueCallInUserAllocated", Some(&b)),
                ("UserCallInUserAllocated", Some(&b)),
                ("QueueCallInUserCancelled", Some(&b)),
                ("UserCallInUserCancelled", Some(&b)),
                ("QueueCallInUserAllocated", Some(&c)),
                ("UserCallInUserAllocated", Some(&c)),
                ("QueueCallInUserConnected", Some(&c)),
                ("UserCallInUserConnected", Some(&c)),
                ("UserCallOutConnected", Some(&a)),
                ("QueueCallInDisconnected", None),
                ("UserCallInDisconnected", Some(&c)),
                ("UserCallOutDisconnected", Some(&a)),
            ],
            "seed {seed}"
        );
        let legs: BTreeSet<&str> = of_call.iter().map(|item| text(item, "legId")).collect();
        assert_eq!(legs.len(), 3, "one leg of A, one for each allocation");
        let reasons: Vec<&str> = of_call.iter().rev().take(3).map(|item| text(item, "reason")).collect();
        assert_eq!(reasons, ["remote", "local", "local"], "C hangs up");
    }
}

#[test]
fn the_scenario_comes_again_and_again() {
    let items = items(5, TEN_MINUTES_MS);
    let a = PEOPLE[A].id.to_string();
    let runs = items.iter().filter(|item| item.event_name == "UserCallOutDisconnected" && text(item, "userId") == a);
    assert!(runs.count() >= 6);
}

/// What a listener to everything would know of each user and each queue.
#[derive(Default)]
struct Model {
    /// By user: the call it is in, and whether it talks.
    engaged: BTreeMap<String, (String, bool)>,
    /// By call in a queue: the queue, and whether it is queuing, allocated or connected.
    calls: BTreeMap<String, (String, Stage)>,
    statuses: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Queuing,
    Allocated,
    Connected,
}

impl Model {
    fn take(&mut self, item: &Item) {
        let call = || text(item, "callId").to_owned();
        let user = || text(item, "userId").to_owned();
        match item.event_name {
            "UserCallInUserAllocated" | "UserCallOutGoing" => {
                let before = self.engaged.insert(user(), (call(), false));
                assert_eq!(before, None, "{item:?}: the user is in another call");
            }
            "UserCallInUserConnected" | "UserCallOutConnected" => {
                let before = self.engaged.insert(user(), (call(), true));
                assert_eq!(before, Some((call(), false)), "{item:?}: connected without allocation");
            }
            "UserCallInUserCancelled" => {
                assert_eq!(self.engaged.remove(&user()), Some((call(), false)), "{item:?}: nothing to cancel");
            }
            "UserCallInDisconnected" => {
                // A direct call that nobody answered ends after its cancellation.
                let before = self.engaged.remove(&user());
                let is_unanswered = text(item, "techReason") == "no_answer";
                assert_eq!(before, (!is_unanswered).then(|| (call(), true)), "{item:?}: nothing to end");
            }
            "UserCallOutDisconnected" => {
                let before = self.engaged.remove(&user()).expect("a call to end");
                assert_eq!(before, (call(), text(item, "techReason") != "no_answer"), "{item:?}");
            }
            "QueueCallInArrived" => self.turn(item, None, Some(Stage::Queuing)),
            "QueueCallInUserAllocated" => self.turn(item, Some(Stage::Queuing), Some(Stage::Allocated)),
            "QueueCallInUserCancelled" => self.turn(item, Some(Stage::Allocated), Some(Stage::Queuing)),
            "QueueCallInUserConnected" => self.turn(item, Some(Stage::Allocated), Some(Stage::Connected)),
            "QueueCallInOverflow" => self.turn(item, Some(Stage::Queuing), Some(Stage::Queuing)),
            "QueueCallInDisconnected" => {
                let before = self.calls.remove(&call()).expect("a call to end").1;
                assert_ne!(before, Stage::Allocated, "{item:?}: an allocation is cancelled first");
            }
            "QueueStatus" => self.check_status(item),
            "UserStatus" => {
                let talks = self.engaged.get(&user()).is_some_and(|(_, talks)| *talks);
                assert_eq!(item.data["talking"], Value::Bool(talks), "{item:?}");
            }
            _ => {}
        }
    }

    fn turn(&mut self, item: &Item, from: Option<Stage>, to: Option<Stage>) {
        let call = text(item, "callId").to_owned();
        let before = self.calls.remove(&call).map(|(_, stage)| stage);
        assert_eq!(before, from, "{item:?}");
        self.calls.extend(to.map(|to| (call, (text(item, "queueId").to_owned(), to))));
    }

    fn check_status(&mut self, item: &Item) {
        self.statuses += 1;
        let queue = text(item, "queueId");
        let in_stage = |wanted: Stage| {
            let fitting = self.calls.values().filter(|(of, stage)| of == queue && *stage == wanted);
            u64::try_from(fitting.count()).unwrap()
        };
        let (queuing, allocated, connected) =
            (in_stage(Stage::Queuing), in_stage(Stage::Allocated), in_stage(Stage::Connected));
        for (name, expected) in [
            ("nbrOfQueuingRequesters", queuing),
            ("nbrOfAllocated", allocated),
            ("nbrOfConnected", connected),
            ("nbrOfNotServedRequesters", queuing + allocated),
            ("nbrOfRequesters", queuing + allocated + connected),
        ] {
            assert_eq!(count(item, name), expected, "{name} of {item:?}");
        }
        let parts = ["ImmediatelyFree", "ShortTermAway", "LongTermAway", "OnWrapUp"];
        let sum: u64 = parts.iter().map(|part| count(item, &format!("nbrOfAgents{part}"))).sum();
        assert_eq!(count(item, "nbrOfAgentsCheckedInQueue"), sum, "{item:?}");
        assert!(count(item, "nbrOfAgentsShortTermAway") >= allocated + connected || queuing > 0, "{item:?}");
    }
}

#[test]
fn calls_go_in_order_nobody_is_in_two_and_the_counters_agree() {
    for seed in 0..10 {
        let mut model = Model::default();
        for item in items(seed, TEN_MINUTES_MS) {
            model.take(&item);
        }
        assert!(model.statuses > 100, "seed {seed}");
        assert!(model.calls.len() < 20, "seed {seed}: calls pile up");
    }
}

/// What the desk of a user shows of calls that are given on: each story a leg's events.
#[test]
fn calls_are_given_on_blind_and_attended_and_nobody_keeps_an_open_leg() {
    let mut names = BTreeMap::<&str, usize>::new();
    let mut story = BTreeMap::<(String, String), Vec<&str>>::new();
    for item in items(1, TEN_MINUTES_MS).iter().filter(|item| item.event_name.starts_with("UserCallIn")) {
        let leg = (text(item, "userId").to_owned(), text(item, "callId").to_owned());
        let told = story.entry(leg).or_default();
        let is_over = told.contains(&"UserCallInDisconnected");
        assert!(!is_over, "{item:?}: behind the end of the call for this user");
        told.push(item.event_name);
        let is_blind = item.event_name == "UserCallInUserOverflow" && text(item, "reason") == "BlindTransfer";
        *names.entry(if is_blind { "blind" } else { item.event_name }).or_default() += 1;
    }
    let count = |name: &str| names.get(name).copied().unwrap_or_default();
    let (connected, cancelled) = (count("UserCallInTransferConnected"), count("UserCallInTransferCancelled"));
    assert!(count("blind") > 0 && connected > 0 && cancelled > 0, "{names:?}");
    assert!(count("UserCallInTransferStarted") - connected - cancelled <= 1, "{names:?}");
    let ends = ["UserCallInUserCancelled", "UserCallInDisconnected"];
    let open = story.values().filter(|told| told.last().is_some_and(|last| !ends.contains(last)));
    assert!(open.count() <= PEOPLE.len(), "only the calls of now");
}

#[test]
fn whoever_looks_at_the_desk_for_three_minutes_sees_a_transfer() {
    let desk = PEOPLE[DESK].id.to_string();
    let of_desk = |item: &Item| item.data["userId"] == desk.as_str();
    let is_seen = |item: &&Item| match item.event_name {
        "UserCallInTransferStarted" => of_desk(item),
        "UserCallInUserAllocated" => of_desk(item) && item.data["detailedReason"] == "Transfer",
        "UserCallInUserOverflow" => of_desk(item) && text(item, "reason") == "BlindTransfer",
        _ => false,
    };
    let mut outside = 0;
    let (mut windows, mut empty) = (0, 0);
    for seed in 0..20 {
        let mut centre = Centre::new(seed, Calendar::own(MONDAY_UNIX_MS));
        for now_ms in (180_000..=3 * TEN_MINUTES_MS).step_by(180_000) {
            let items = centre.step(now_ms);
            windows += 1;
            empty += usize::from(!items.iter().any(|item| is_seen(&item)));
            let is_outside = |item: &&Item| item.data["transferTarget"].as_str().is_some_and(|to| to.starts_with('+'));
            outside += items.iter().filter(is_outside).count();
        }
    }
    assert!(empty * 10 <= windows, "none in {empty} of {windows} times three minutes");
    assert!(outside > 20, "{outside} to somebody outside");
}

#[test]
fn callbacks_are_tried_and_done_and_the_list_adds_up() {
    let items = items(2, TEN_MINUTES_MS);
    let changes: Vec<&Item> = items.iter().filter(|item| item.event_name == "CallbackChanged").collect();
    let attempts = |item: &Item| item.data["callbackAttempts"].as_array().unwrap().len();
    assert!(changes.iter().any(|item| attempts(item) >= 2), "a request is tried more than once");
    assert!(changes.iter().any(|item| item.data["typeId"] == 1) && changes.iter().any(|item| item.data["typeId"] == 2));
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for item in &changes {
        let before = known.insert(text(item, "callBackId"), attempts(item));
        assert!(before.unwrap_or(0) <= attempts(item), "{item:?}: attempts are a history");
    }
    let lists: Vec<&Item> = items.iter().filter(|item| item.event_name == "CallbackListStatus").collect();
    assert!(lists.len() > 5);
    for item in lists {
        let sum =
            count(item, "totalAssigned") + count(item, "totalFreeForAllocation") + count(item, "totalHidingNotBefore");
        assert_eq!(count(item, "totalOpenRequests"), sum, "{item:?}");
    }
}

/// Counts what is delivered.
#[derive(Default)]
struct Counter {
    sent: usize,
    derived: usize,
}

impl publish::Sink for Counter {
    fn publish(&mut self, made: publish::Made<'_>) {
        assert_eq!(made.topic.organization, ORGANIZATION);
        match made.provenance {
            publish::Provenance::Sent => self.sent += 1,
            publish::Provenance::Derived => self.derived += 1,
            publish::Provenance::Withdrawn => {}
        }
    }
}

#[test]
fn a_strict_hub_takes_every_event() {
    let catalogue = Catalogue::built_in(None);
    let (options, limits) = (publish::Options::default(), Limits::DEFAULT);
    let rules = publish::Rules { catalogue: &catalogue, options: &options, everybody: &[], limits: &limits };
    let principal = Principal {
        user: None,
        organization: Some(ORGANIZATION),
        publisher: None,
        may_publish: true,
        is_admin: false,
        is_backend: false,
        grants: Arc::default(),
        foreign_grants: 0,
        expires_unix_s: 0,
        marks: crate::auth::marks::Marks::default(),
    };
    let mut names = BTreeSet::new();
    for seed in 0..5 {
        let items = items(seed, TEN_MINUTES_MS);
        let body: Vec<String> = items.iter().map(|item| serde_json::to_string(item).unwrap()).collect();
        let head = publish::RequestHead::of(Some("application/x-ndjson"), "").unwrap();
        let request = publish::Request { head: &head, body: &body.join("\n").into_bytes() };
        let mut counter = Counter::default();
        let outcome = publish::publish(request, rules, &principal, &mut publish::Scratch::default(), &mut counter);
        let reply = outcome.unwrap().reply(None);
        let told = String::from_utf8_lossy(reply.body.bytes());
        assert_eq!((reply.status, counter.sent), (202, items.len()), "seed {seed}: {told}");
        assert!(counter.derived > 0, "an assigned callback is told to its user too");
        names.extend(items.iter().map(|item| item.event_name));
    }
    for family in ["User", "Queue", "Callback"] {
        assert!(names.iter().any(|name| name.starts_with(family)), "{names:?}");
    }
    assert!(names.len() >= 23, "{} kinds of events: {names:?}", names.len());
}

/// A hub that takes everything and keeps it.
struct TakingHub(SocketAddr);

impl DemoHub for TakingHub {
    fn local_addr(&self) -> SocketAddr {
        self.0
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn end(self: Box<Self>) {}
}

/// Serves publish requests on one connection until it ends; answers the items, and checks the
/// token.
fn serve(listener: &TcpListener) -> Vec<Value> {
    let mut stream = listener.accept().unwrap().0;
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut items = Vec::new();
    loop {
        let (mut length, mut line, mut is_first) = (0, String::new(), true);
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap() == 0 {
                return items;
            }
            if is_first {
                assert_eq!(line, "POST /publish HTTP/1.1\r\n");
                is_first = false;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let of_body: Vec<Value> =
            body.split(|&b| b == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
        let answer = format!("{{\"accepted\":{},\"rejected\":0,\"results\":[]}}", of_body.len());
        items.extend(of_body);
        write!(stream, "HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).unwrap();
    }
}

fn demo_args(arguments: &[&str]) -> Args {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    <Line as clap::Parser>::try_parse_from(std::iter::once(&"demo").chain(arguments)).unwrap().args
}

#[test]
fn the_demo_publishes_its_centre_over_http_and_says_how_to_listen() {
    use crate::cli::console::tests::console_on_paper;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hub = std::thread::spawn(move || serve(&listener));
    let (mut console, results, _) = console_on_paper();
    let args = demo_args(&["--seed", "7", "--speed", "1000", "--for", "0.03"]);
    run(&args, &mut console, |_, _| Ok(Box::new(TakingHub(address)))).unwrap();
    drop(console);
    let published = hub.join().unwrap();
    assert!(published.len() > 20);
    let expected = items(7, TEN_MINUTES_MS);
    for (item, expected) in published.iter().zip(&expected) {
        assert_eq!(item, &serde_json::to_value(expected).unwrap());
    }
    let said = results.text();
    let line = said.lines().find(|line| line.contains(" listen --url ")).unwrap();
    assert!(line.contains(&format!("http://{address}/rte --token ey")) && line.contains("'cbeeb190-"), "{line}");
    let wallboard = said.lines().filter(|line| line.contains(" listen --url ")).nth(1).unwrap();
    // Each page links the others, which take the token that there is.
    let mut tokens: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once("#token=")?.1)).collect();
    assert_eq!(tokens.len(), 3);
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    for page in [
        "  wallboard   http://{}/wall?name.e7d3c5a1-0b1f-4f3e-a3a5-2a4b6c8d0e11=Returns#token=ey",
        "  desk        http://{}/desk?user=e5eeb030-",
        "  playground  http://{}/try#token=ey",
    ] {
        let page = page.replace("{}", &address.to_string());
        assert!(said.lines().any(|line| line.starts_with(&page)), "{page}");
    }
    assert!(wallboard.ends_with(" --snapshot '*:QueueStatus,UserAvailability,UserStatus'"), "{wallboard}");
}

#[test]
fn a_demo_without_a_seed_is_of_today() {
    use crate::cli::console::tests::console_on_paper;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hub = std::thread::spawn(move || serve(&listener));
    let (mut console, _, _) = console_on_paper();
    let began = date::rfc3339(world::unix_ms());
    let args = demo_args(&["--speed", "1000", "--for", "0.01"]);
    run(&args, &mut console, |_, _| Ok(Box::new(TakingHub(address)))).unwrap();
    let published = hub.join().unwrap();
    let dates = published.iter().filter_map(|item| item["data"]["startTime"].as_str());
    assert!(dates.clone().count() > 0 && dates.clone().all(|date| date >= began.as_str()), "{began}");
}

#[test]
fn a_rejected_event_ends_the_demo() {
    use crate::cli::console::tests::console_on_paper;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hub = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let body = r#"{"accepted":0,"rejected":1,"results":[{"index":0,"errors":[{"pointer":"/data","rule":"type","message":"no"}]}]}"#;
        let mut bytes = [0; 65_536];
        assert!(stream.read(&mut bytes).unwrap() > 0);
        write!(stream, "HTTP/1.1 422 No\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        // Until the client has read the answer and closed.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (mut console, _, _) = console_on_paper();
    let failure = run(&demo_args(&[]), &mut console, |_, _| Ok(Box::new(TakingHub(address)))).unwrap_err();
    hub.join().unwrap();
    assert_eq!(failure, Failure::Refused("the hub rejected an event of the demo: /data: type: no".to_owned()));
}

/// Runs a demo on a hub that takes nothing, and returns the hub's configuration with the client
/// token that is printed.
fn started(arguments: &[&str]) -> Result<(Config, String), Failure> {
    use crate::cli::console::tests::console_on_paper;
    let (mut console, results, _) = console_on_paper();
    let mut used = None;
    let arguments = [arguments, &["--for", "0.001"]].concat();
    run(&demo_args(&arguments), &mut console, |config, _| {
        used = Some(config);
        Ok(Box::new(TakingHub("127.0.0.1:9".parse().unwrap())))
    })
    .or_else(|failure| if used.is_some() { Ok(()) } else { Err(failure) })?;
    drop(console);
    let said = results.text();
    let token = said.lines().find_map(|line| line.strip_prefix("  token       ")).unwrap();
    Ok((used.unwrap(), token.to_owned()))
}

/// When a token that the hub takes expires, seconds from now.
fn expires_in_s(config: &Config, token: &str) -> u64 {
    use crate::auth::token::Token;
    use crate::clock::Now;
    let now_ms = world::unix_ms();
    let principal = config.verifier.verify(Token::new(token), Now::from_ms(0, now_ms)).unwrap();
    assert_eq!((principal.organization, principal.may_publish), (Some(ORGANIZATION), false));
    principal.expires_unix_s - now_ms / 1000
}

#[test]
fn the_token_of_a_secret_file_is_good_at_the_next_demo_and_for_as_long_as_was_said() {
    let file = std::env::temp_dir().join(format!("rte-demo-secret-{}", std::process::id()));
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let with_file = ["--secret-file", file.to_str().unwrap(), "--ttl", "30d"];
    let (_, token) = started(&with_file).unwrap();
    let (next, _) = started(&with_file).unwrap();
    let expires_in_s = expires_in_s(&next, &token);
    std::fs::remove_file(&file).unwrap();
    assert!((30 * 86_400 - 5..=30 * 86_400).contains(&expires_in_s), "{expires_in_s}");
    assert!(matches!(started(&["--secret-file", "/no/such/file"]), Err(Failure::Usage(_))));
}

#[test]
fn without_a_secret_each_demo_has_its_own() {
    let (first, token) = started(&[]).unwrap();
    assert!(expires_in_s(&first, &token) > 86_000);
    let (next, _) = started(&[]).unwrap();
    let now = crate::clock::Now::from_ms(0, world::unix_ms());
    assert!(next.verifier.verify(crate::auth::token::Token::new(&token), now).is_err());
}

#[test]
fn a_demo_is_set_like_a_hub() {
    let (config, token) = started(&[
        "--set=server.path=/hub",
        "--set=auth.audience=rte",
        "--set=auth.claims.organization=tenant",
        "--set=auth.secret=fedcba9876543210fedcba9876543210",
        "--schema-dir=extra",
    ])
    .unwrap();
    assert_eq!((config.hub.path.as_str(), config.threads), ("/hub", 1));
    assert_eq!(config.schema_dirs, ["extra"].map(PathBuf::from));
    assert!(expires_in_s(&config, &token) > 0, "the token says what the hub looks at");
    let Err(Failure::Usage(why)) = started(&["--set=server.pth=/hub"]) else { panic!("taken") };
    assert!(why.contains("server.pth") && why.contains("server.path"), "{why}");
}

/// All dates that an event tells as past.
fn past_dates(items: &[Item]) -> Vec<String> {
    let names = ["startTime", "creationTime", "modified", "lastAttemptTimestamp"];
    let dates = items.iter().flat_map(|item| names.map(|name| item.data[name].as_str().map(str::to_owned)));
    dates.flatten().collect()
}

#[test]
fn by_the_wall_clock_nothing_is_dated_ahead_of_it_at_any_speed() {
    for speed in [0.01, 1.0, 7.0, 1000.0] {
        let mut centre = Centre::new(4, Calendar { start_unix_ms: MONDAY_UNIX_MS, speed });
        let mut dates = 0;
        while centre.next_due() < TEN_MINUTES_MS {
            let due_ms = centre.next_due();
            let wall = Duration::from_millis(due_ms).div_f64(speed);
            let now = date::rfc3339(MONDAY_UNIX_MS + u64::try_from(wall.as_millis()).unwrap());
            for told in past_dates(&centre.step(due_ms)) {
                assert!(told <= now, "at speed {speed} {told} is told at {now}");
                dates += 1;
            }
        }
        assert!(dates > 100);
    }
}
