//! The client's side of one SignalR connection, as `rte listen` needs it: pure, text in and steps
//! out.
//!
//! Send [`HELLO`], give every text message to [`Session::on_text`], do the steps that it returns,
//! in order. A session serves one connection; after a reconnect a fresh one subscribes again.
//!
//! ```text
//!   Greeting ──{}──▶ Listing (only if an interest has a pattern) ──▶ Subscribing ──last verdict──▶ Live
//! ```

use super::cursors::Cursors;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What ends each record.
const SEPARATOR: char = '\u{1e}';
/// The handshake request.
pub(crate) const HELLO: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
/// A ping.
pub(crate) const PING: &str = "{\"type\":6}\u{1e}";
/// A client's goodbye.
pub(crate) const CLOSE: &str = "{\"type\":7}\u{1e}";
/// Items of one `Subscribe`, so that an invocation stays well below the 32 KiB that a hub reads.
const ITEMS_PER_SUBSCRIBE: usize = 100;

/// What the caller wants to hear: an entity, and an event name that may have `*` for any
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    /// The entity's GUID, as the caller wrote it.
    pub(crate) entity: String,
    /// An event name or a pattern.
    pub(crate) event: String,
}

/// The hub's word on one item of `Subscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    /// Whether events will come.
    pub(crate) subscribed: bool,
    /// Why not.
    pub(crate) message: Option<String>,
    /// The entity as the hub repeats it.
    pub(crate) entity_id: Option<String>,
    /// The event as the hub repeats it.
    pub(crate) event_name: Option<String>,
    /// Where the subscription begins, where it said since when.
    pub(crate) position: Option<String>,
    /// Whether all that was missed follows.
    pub(crate) recovered: Option<bool>,
    /// How much follows of what was missed.
    pub(crate) replayed: Option<u64>,
    /// How many last values follow.
    pub(crate) snapshot: Option<u64>,
    /// Whether the event came from a pattern: then a refusal is not a failure.
    #[serde(skip)]
    pub(crate) by_pattern: bool,
}

/// What the caller of a [`Session`] has to do.
#[derive(Debug)]
pub(crate) enum Step<'t> {
    /// Send this text.
    Send(String),
    /// The hub has accepted the handshake.
    Greeted,
    /// One item is subscribed or refused.
    Verdict(Verdict),
    /// Every item has its verdict.
    Live,
    /// An event: the argument of `MessageReceived`, as it came.
    Event(&'t RawValue),
    /// The hub ends the connection.
    Closed {
        /// What it says about it.
        error: Option<String>,
        /// Whether it wants to be called again.
        may_reconnect: bool,
    },
}

/// The hub broke the protocol, or refused the session as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Listing,
    Subscribing,
    Live,
}

/// An item of `Subscribe`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Item {
    #[serde(rename = "EntityId")]
    entity: String,
    #[serde(rename = "EventName")]
    event: String,
    #[serde(skip)]
    by_pattern: bool,
    #[serde(rename = "Snapshot", skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
    /// From where on; null is from now on.
    #[serde(rename = "Since", skip_serializing_if = "Option::is_none")]
    since: Option<Option<String>>,
}

/// One connection's conversation.
pub(crate) struct Session {
    interests: Vec<Interest>,
    snapshots: bool,
    cursors: Option<Cursors>,
    phase: Phase,
    /// All items, in the order they were sent; invocation n (from 1) has the n-th hundred.
    items: Vec<Item>,
    answers_due: usize,
}

/// The id of `AvailableSubscriptions`; those of `Subscribe` follow it.
const LISTING_ID: usize = 0;

/// A record, with the members of all message types (SignalR: they come in any order).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'t> {
    #[serde(rename = "type")]
    kind: Option<u64>,
    #[serde(borrow)]
    invocation_id: Option<Cow<'t, str>>,
    #[serde(borrow)]
    target: Option<Cow<'t, str>>,
    #[serde(borrow)]
    arguments: Option<Vec<&'t RawValue>>,
    #[serde(borrow)]
    result: Option<&'t RawValue>,
    error: Option<String>,
    #[serde(default)]
    allow_reconnect: bool,
}

impl Session {
    /// Returns a session that will ask for `interests`.
    pub fn new(interests: &[Interest]) -> Session {
        let interests = interests.to_vec();
        Session {
            interests,
            snapshots: false,
            cursors: None,
            phase: Phase::Greeting,
            items: Vec::new(),
            answers_due: 0,
        }
    }

    /// Makes it ask for the last values of states, too.
    pub fn with_snapshots(self, snapshots: bool) -> Session {
        Session { snapshots, ..self }
    }

    /// Makes it say since when, and get positions.
    pub fn with_cursors(self, cursors: Option<Cursors>) -> Session {
        Session { cursors, ..self }
    }

    /// Takes one WebSocket text message, which holds whole records, and appends what there is to
    /// do.
    ///
    /// # Errors
    /// [`Fault`], after which the connection is of no use.
    pub(crate) fn on_text<'t>(&mut self, text: &'t str, steps: &mut Vec<Step<'t>>) -> Result<(), Fault> {
        let Some(records) = text.strip_suffix(SEPARATOR) else {
            return if text.is_empty() { Ok(()) } else { Err(Fault("the hub sent an incomplete message".to_owned())) };
        };
        for text in records.split(SEPARATOR) {
            let record: Record<'t> = serde_json::from_str(text)
                .map_err(|error| Fault(format!("the hub sent a record that is not SignalR: {error}")))?;
            self.on_record(record, steps)?;
        }
        Ok(())
    }

    fn on_record<'t>(&mut self, record: Record<'t>, steps: &mut Vec<Step<'t>>) -> Result<(), Fault> {
        match (self.phase, record.kind) {
            (Phase::Greeting, None) => self.on_greeting(record.error, steps),
            (Phase::Greeting, Some(_)) => Err(Fault("expected a handshake response from the hub".to_owned())),
            (_, None) => Err(Fault("the hub sent a record without a type".to_owned())),
            (_, Some(1)) => on_invocation(&record, steps),
            (_, Some(3)) => self.on_completion(&record, steps),
            (_, Some(7)) => {
                steps.push(Step::Closed { error: record.error, may_reconnect: record.allow_reconnect });
                Ok(())
            }
            // Pings (6) count as life by having come at all; the rest is for clients with streams
            // or stateful reconnect.
            (_, Some(_)) => Ok(()),
        }
    }

    fn on_greeting(&mut self, error: Option<String>, steps: &mut Vec<Step<'_>>) -> Result<(), Fault> {
        if let Some(error) = error {
            return Err(Fault(format!("the hub refused the handshake: {error}")));
        }
        steps.push(Step::Greeted);
        steps.push(Step::Send(PING.to_owned()));
        if self.interests.iter().any(|interest| is_pattern(&interest.event)) {
            self.phase = Phase::Listing;
            steps.push(Step::Send(invocation(LISTING_ID, "AvailableSubscriptions", "[]")));
        } else {
            self.subscribe(&[], steps)?;
        }
        Ok(())
    }

    /// Asks for all interests, with the patterns resolved among `available`.
    fn subscribe(&mut self, available: &[String], steps: &mut Vec<Step<'_>>) -> Result<(), Fault> {
        self.phase = Phase::Subscribing;
        for interest in &self.interests {
            let before = self.items.len();
            let item = |event: &str, by_pattern| Item {
                entity: interest.entity.clone(),
                event: event.to_owned(),
                by_pattern,
                snapshot: self.snapshots,
                since: self.cursors.as_ref().map(|cursors| cursors.since(&interest.entity, event)),
            };
            if is_pattern(&interest.event) {
                let fitting = available.iter().filter(|name| fits(&interest.event, name));
                self.items.extend(fitting.map(|name| item(name, true)));
            } else {
                self.items.push(item(&interest.event, false));
            }
            if self.items.len() == before {
                return Err(Fault(format!("no event of the hub fits {:?}", interest.event)));
            }
        }
        for (number, items) in self.items.chunks(ITEMS_PER_SUBSCRIBE).enumerate() {
            let items = serde_json::to_string(&[items]).map_err(|error| Fault(error.to_string()))?;
            steps.push(Step::Send(invocation(LISTING_ID + 1 + number, "Subscribe", &items)));
            self.answers_due += 1;
        }
        Ok(())
    }

    fn on_completion(&mut self, record: &Record<'_>, steps: &mut Vec<Step<'_>>) -> Result<(), Fault> {
        if let Some(error) = &record.error {
            return Err(Fault(error.clone()));
        }
        let id = record.invocation_id.as_deref().and_then(|id| id.parse::<usize>().ok());
        let (Some(id), Some(result)) = (id, record.result) else {
            return Err(Fault("the hub completed something that was not asked for".to_owned()));
        };
        let strange =
            |error: serde_json::Error| Fault(format!("the hub's answer to invocation {id} is strange: {error}"));
        if id == LISTING_ID && self.phase == Phase::Listing {
            let available: Vec<String> = serde_json::from_str(result.get()).map_err(strange)?;
            return self.subscribe(&available, steps);
        }
        let verdicts: Vec<Verdict> = serde_json::from_str(result.get()).map_err(strange)?;
        let asked =
            id.checked_sub(LISTING_ID + 1).and_then(|number| self.items.chunks(ITEMS_PER_SUBSCRIBE).nth(number));
        let asked = asked.filter(|asked| asked.len() == verdicts.len());
        let Some(asked) = asked else {
            return Err(Fault(format!("the hub answered invocation {id} with {} verdicts", verdicts.len())));
        };
        for (mut verdict, item) in verdicts.into_iter().zip(asked) {
            verdict.by_pattern = item.by_pattern;
            steps.push(Step::Verdict(verdict));
        }
        self.answers_due = self.answers_due.saturating_sub(1);
        if self.answers_due == 0 {
            self.phase = Phase::Live;
            steps.push(Step::Live);
        }
        Ok(())
    }
}

fn on_invocation<'t>(record: &Record<'t>, steps: &mut Vec<Step<'t>>) -> Result<(), Fault> {
    // Client method names are matched with case, as the .NET, Java and Python clients do.
    if record.target.as_deref() != Some("MessageReceived") {
        return Ok(());
    }
    match record.arguments.as_deref() {
        Some([event]) => {
            steps.push(Step::Event(event));
            Ok(())
        }
        _ => Err(Fault("the hub sent MessageReceived without its one argument".to_owned())),
    }
}

fn invocation(id: usize, target: &str, arguments: &str) -> String {
    format!("{{\"type\":1,\"invocationId\":\"{id}\",\"target\":\"{target}\",\"arguments\":{arguments}}}{SEPARATOR}")
}

fn is_pattern(event: &str) -> bool {
    event.contains('*')
}

/// Returns whether `name` fits `pattern`, where `*` stands for any characters; without case.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// What a hub answers to negotiate (SignalR: version 1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    /// The value of `id` in the URL of the WebSocket.
    pub(crate) connection_token: String,
}

/// Reads the answer to `POST …/negotiate?negotiateVersion=1`.
///
/// # Errors
/// A sentence: what the hub refused, or what is missing in its answer.
pub(crate) fn parse_negotiated(body: &[u8]) -> Result<Negotiated, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        error: Option<String>,
        url: Option<String>,
        connection_token: Option<String>,
        #[serde(default)]
        available_transports: Vec<Offer>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Offer {
        transport: String,
        transfer_formats: Vec<String>,
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("this is no SignalR endpoint: {error}"))?;
    if let Some(error) = body.error {
        return Err(format!("the hub refused to negotiate: {error}"));
    }
    if body.url.is_some() {
        return Err("the hub sends its clients elsewhere, and rte listen does not follow: name that hub".to_owned());
    }
    let has_text =
        |offer: &Offer| offer.transport == "WebSockets" && offer.transfer_formats.iter().any(|format| format == "Text");
    if !body.available_transports.iter().any(has_text) {
        return Err("the hub offers no WebSockets with text".to_owned());
    }
    // The token stands in a URL: 22 characters of base64url, from a hub that means well.
    match body.connection_token {
        Some(token) if token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
            Ok(Negotiated { connection_token: token })
        }
        _ => Err("the hub's answer to negotiate has no usable connectionToken".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3";

    fn interest(event: &str) -> Interest {
        Interest { entity: GUID.to_owned(), event: event.to_owned() }
    }

    /// Feeds `text` and returns what there is to do, in a form that compares.
    fn fed(session: &mut Session, text: &str) -> Result<Vec<String>, Fault> {
        let mut steps = Vec::new();
        session.on_text(text, &mut steps)?;
        let told = steps.into_iter().map(|step| match step {
            Step::Send(text) => format!("send {}", text.trim_end_matches(SEPARATOR)),
            Step::Greeted => "greeted".to_owned(),
            Step::Verdict(v) => format!("{} {:?} {:?}", v.subscribed, v.event_name.unwrap_or_default(), v.message),
            Step::Live => "live".to_owned(),
            Step::Event(event) => format!("event {}", event.get()),
            Step::Closed { error, may_reconnect } => format!("closed {error:?} {may_reconnect}"),
        });
        Ok(told.collect())
    }

    #[test]
    fn each_item_asks_for_a_snapshot_where_that_is_wanted() {
        let mut session = Session::new(&[interest("QueueStatus")]).with_snapshots(true);
        let steps = fed(&mut session, "{}\u{1e}").unwrap().join("\n");
        assert!(steps.contains("\"EventName\":\"QueueStatus\",\"Snapshot\":true}"), "{steps}");
    }

    #[test]
    fn each_item_says_how_far_it_has_come_where_positions_are_wanted() {
        let mut cursors = Cursors::default();
        cursors.note(GUID, "queuestatus", "p1");
        let interests = [interest("QueueStatus"), interest("QueueAttachedUsers")];
        let mut session = Session::new(&interests).with_cursors(Some(cursors));
        let steps = fed(&mut session, "{}\u{1e}").unwrap().join("\n");
        assert!(steps.contains("\"EventName\":\"QueueStatus\",\"Since\":\"p1\"}"), "{steps}");
        assert!(steps.contains("\"EventName\":\"QueueAttachedUsers\",\"Since\":null}"), "{steps}");
    }

    #[test]
    fn a_session_greets_subscribes_and_hears() {
        let mut session = Session::new(&[interest("QueueStatus"), interest("Nope")]);
        let subscribe = format!(
            "send {{\"type\":1,\"invocationId\":\"1\",\"target\":\"Subscribe\",\"arguments\":[[\
             {{\"EntityId\":\"{GUID}\",\"EventName\":\"QueueStatus\"}},{{\"EntityId\":\"{GUID}\",\"EventName\":\"Nope\"}}]]}}"
        );
        assert_eq!(fed(&mut session, "{}\u{1e}").unwrap(), ["greeted", "send {\"type\":6}", &subscribe]);
        let answer = format!(
            "{{\"type\":3,\"invocationId\":\"1\",\"result\":[\
             {{\"subscribed\":true,\"message\":null,\"entityId\":\"{GUID}\",\"eventName\":\"queuestatus\"}},\
             {{\"subscribed\":false,\"message\":\"Unknown EventName\",\"entityId\":\"{GUID}\",\"eventName\":\"nope\"}}]}}\u{1e}\
             {{\"type\":6}}\u{1e}{{\"arguments\":[{{\"data\":{{\"maxWaitTime\":9007199254740993}}}}],\"target\":\"MessageReceived\",\"type\":1}}\u{1e}"
        );
        assert_eq!(
            fed(&mut session, &answer).unwrap(),
            [
                "true \"queuestatus\" None",
                "false \"nope\" Some(\"Unknown EventName\")",
                "live",
                "event {\"data\":{\"maxWaitTime\":9007199254740993}}"
            ]
        );
        assert_eq!(fed(&mut session, "{\"type\":7,\"allowReconnect\":true}\u{1e}").unwrap(), ["closed None true"]);
    }

    #[test]
    fn patterns_are_resolved_among_what_the_hub_lists() {
        let mut session = Session::new(&[interest("queue*status"), interest("UserAlert")]);
        let steps = fed(&mut session, "{}\u{1e}").unwrap();
        assert!(steps[2].contains("AvailableSubscriptions"), "{steps:?}");
        let listed = "{\"type\":3,\"invocationId\":\"0\",\"result\":[\"UserStatus\",\"QueueStatus\",\"QueueCallInArrived\"]}\u{1e}";
        let steps = fed(&mut session, listed).unwrap();
        assert_eq!(steps.len(), 1);
        assert!(steps[0].contains("\"QueueStatus\"") && steps[0].contains("\"UserAlert\""), "{steps:?}");
        assert!(!steps[0].contains("UserStatus") && !steps[0].contains("Arrived"), "{steps:?}");
    }

    #[test]
    fn many_items_are_asked_for_in_several_invocations_and_live_comes_after_the_last() {
        let interests: Vec<Interest> = (0..150).map(|n| interest(&format!("E{n}"))).collect();
        let mut session = Session::new(&interests);
        assert_eq!(fed(&mut session, "{}\u{1e}").unwrap().len(), 4);
        let answer = |id: usize, n: usize| {
            let verdict = "{\"subscribed\":true,\"message\":null,\"entityId\":null,\"eventName\":\"e\"}";
            format!("{{\"type\":3,\"invocationId\":\"{id}\",\"result\":[{}]}}\u{1e}", vec![verdict; n].join(","))
        };
        assert!(!fed(&mut session, &answer(1, 100)).unwrap().contains(&"live".to_owned()));
        assert!(fed(&mut session, &answer(2, 50)).unwrap().contains(&"live".to_owned()));
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        for (text, part) in [
            ("{\"error\":\"The protocol 'json' is not supported.\"}\u{1e}", "refused the handshake: The protocol"),
            ("{\"type\":6}\u{1e}", "expected a handshake response"),
            ("{}", "incomplete"),
            ("{]\u{1e}", "not SignalR"),
            ("{}\u{1e}{}\u{1e}", "without a type"),
            ("{}\u{1e}{\"type\":3,\"invocationId\":\"9\",\"result\":[]}\u{1e}", "0 verdicts"),
            ("{}\u{1e}{\"type\":3,\"invocationId\":\"1\",\"result\":[]}\u{1e}", "0 verdicts"),
            (
                "{}\u{1e}{\"type\":3,\"invocationId\":\"1\",\"error\":\"Failed to invoke 'Subscribe'\"}\u{1e}",
                "Failed to invoke",
            ),
            ("{}\u{1e}{\"type\":1,\"target\":\"MessageReceived\",\"arguments\":[]}\u{1e}", "one argument"),
        ] {
            let mut session = Session::new(&[interest("A")]);
            let fault = fed(&mut session, text).unwrap_err();
            assert!(fault.0.contains(part), "{text:?}: {fault}");
        }
    }

    #[test]
    fn types_and_methods_of_later_hubs_are_skipped() {
        let mut session = Session::new(&[interest("A")]);
        fed(&mut session, "{}\u{1e}").unwrap();
        let text = "{\"type\":99,\"new\":[1]}\u{1e}{\"type\":1,\"target\":\"messagereceived\",\"arguments\":[1]}\u{1e}";
        assert_eq!(fed(&mut session, text).unwrap(), Vec::<String>::new());
        assert_eq!(fed(&mut session, "").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, does) in [
            ("*", "UserAlert", true),
            ("queue*", "QueueStatus", true),
            ("queue*", "UserQueueAlert", false),
            ("*queue*", "UserQueueAlert", true),
            ("*Status", "QueueStatus", true),
            ("*Status", "StatusOther", false),
            ("a*a", "a", false),
            ("User*In*Connected", "UserCallInUserConnected", true),
        ] {
            assert_eq!(fits(pattern, name), does, "{pattern} {name}");
        }
    }

    #[test]
    fn negotiation_needs_web_sockets_with_text_and_a_token_fit_for_a_url() {
        let body = |transport: &str, token: &str| {
            format!(
                "{{\"negotiateVersion\":1,\"connectionId\":\"c\",\"connectionToken\":\"{token}\",\"availableTransports\":[{{\"transport\":\"{transport}\",\"transferFormats\":[\"Text\"]}}]}}"
            )
        };
        assert_eq!(parse_negotiated(body("WebSockets", "a-_9").as_bytes()).unwrap().connection_token, "a-_9");
        for (text, part) in [
            (body("LongPolling", "a"), "no WebSockets"),
            (body("WebSockets", "a&b=c"), "no usable connectionToken"),
            ("{\"error\":\"The client requested a non-integer protocol version.\"}".to_owned(), "non-integer"),
            ("{\"url\":\"https://other\"}".to_owned(), "elsewhere"),
            ("<html>".to_owned(), "no SignalR endpoint"),
        ] {
            let reason = parse_negotiated(text.as_bytes()).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }
}
