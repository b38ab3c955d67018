//! Peers: what each of them is like, and what it sends.

use super::cast::{CLIENTS, KINDS, ORGANIZATIONS, Rights, TOKENS, any_topic};
use super::client::{self, Ask, Call, Ear, Since};
use super::messagepack;
use super::rng::Rng;
use super::setting::ORIGIN;
use super::tab::Tab;
use rte::close::CloseReason;
use rte::limits::Limits;
use std::collections::VecDeque;

/// One client in so many speaks MessagePack.
const PACKS_ONE_IN: usize = 3;

/// What a client does that the hub has to answer or to know, once it has read the last byte of it.
#[derive(Clone, Debug)]
pub enum Act {
    Handshake,
    Ping(Vec<u8>),
    Invoke(Option<String>, Call),
}

/// What a peer is like.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Bytes it reads at a time; 0 is mute.
    pub reads: usize,
    /// One of its words in so many is a lie, and its last; 0 is never.
    pub lies_one_in: usize,
    /// Sends without waiting for anything.
    pub floods: bool,
    /// Is gone at this byte.
    pub vanishes_at: Option<usize>,
    pub vanishes: Vanishes,
    /// Answers a Close with one.
    pub is_polite: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vanishes {
    WithEnd,
    WithReset,
    /// Its machine is gone, and acknowledges nothing any more.
    WithoutWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing sent yet.
    Dialling,
    /// Waits for the token it negotiated.
    Negotiating,
    /// The upgrade is out.
    Upgrading,
    /// Speaks SignalR.
    Speaking,
    /// Says no more.
    Silent,
}

/// The reply that a request must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyDue {
    pub status: u16,
    /// Items accepted and rejected, where the reply counts them.
    pub counts: Option<(usize, usize)>,
    /// Items of this actor that are accepted by then.
    pub accepted: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Role {
    Client(Rights, usize),
    /// Publishes for one organization.
    Publisher(usize),
    /// Comes without anything that opens a door.
    Stranger,
}

#[derive(Debug)]
pub struct Actor {
    /// Its number, and that of its pipe.
    pub number: usize,
    pub role: Role,
    pub manner: Manner,
    pub stage: Stage,
    pub ear: Ear,
    /// Speaks MessagePack.
    packs: bool,
    /// What it keeps of earlier connections, if it says since when.
    pub tab: Option<Tab>,
    /// It has said since when, even if its tab has gone elsewhere by now.
    pub resumes: bool,
    /// It has yet to subscribe to what it had before.
    pub comes_back: bool,
    /// Bytes made so far, on their way or read.
    pub sent: usize,
    /// What the hub knows once it has read so many bytes.
    pub acts: VecDeque<(usize, Act)>,
    pub replies: VecDeque<ReplyDue>,
    /// Tags of valid items sent and not seen accepted.
    pub pending: VecDeque<String>,
    /// Tags of all valid items sent; so many of them were seen accepted, of so many the answer was
    /// heard.
    pub tags: Vec<String>,
    pub accepted: usize,
    pub answered: usize,
    /// Bytes that the hub has looked at.
    pub fed: usize,
    pub has_lied: bool,
    pub has_vanished: bool,
    pub is_brief: bool,
    pub closed: Option<CloseReason>,
    serial: usize,
}

impl Actor {
    pub fn new(number: usize, role: Role, manner: Manner) -> Actor {
        // By its number, and not drawn, so that a seed means what it meant.
        let packs = matches!(role, Role::Client(..)) && number % PACKS_ONE_IN == 1;
        Actor {
            number,
            role,
            manner,
            stage: Stage::Dialling,
            ear: if packs { Ear::for_messagepack() } else { Ear::default() },
            packs,
            tab: None,
            resumes: false,
            comes_back: false,
            sent: 0,
            acts: VecDeque::new(),
            replies: VecDeque::new(),
            pending: VecDeque::new(),
            tags: Vec::new(),
            accepted: 0,
            answered: 0,
            fed: 0,
            has_lied: false,
            has_vanished: false,
            is_brief: false,
            closed: None,
            serial: 0,
        }
    }

    fn serial(&mut self) -> usize {
        self.serial += 1;
        self.serial
    }

    /// The next bytes, if it has anything to say.
    pub fn speak(&mut self, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        let lies = self.manner.lies_one_in > 0 && rng.one_in(self.manner.lies_one_in);
        let is_waiting = !self.manner.floods && self.replies.len() > 3;
        let bytes = match (self.role, self.stage) {
            (_, Stage::Silent | Stage::Negotiating) => return Vec::new(),
            (Role::Client(_, token), Stage::Dialling) => self.dial(token, rng),
            (Role::Client(..), Stage::Upgrading) if !self.manner.floods => return Vec::new(),
            (Role::Client(..), _) if lies => self.lie_in_frames(rng, limits),
            (Role::Client(..), Stage::Upgrading) => self.shake_hands(rng),
            (Role::Client(..), Stage::Speaking) => self.say(rng, limits),
            _ if is_waiting => return Vec::new(),
            (Role::Publisher(_) | Role::Stranger, _) if lies => self.lie_in_requests(rng, limits),
            (Role::Publisher(organization), _) => self.publish(organization, rng, limits),
            (Role::Stranger, _) => self.knock(rng),
        };
        self.sent += bytes.len();
        bytes
    }

    fn dial(&mut self, token: usize, rng: &mut Rng) -> Vec<u8> {
        let text = if self.is_brief { &TOKENS.brief[token] } else { &TOKENS.clients[token] };
        if !self.manner.floods && rng.one_in(3) {
            self.stage = Stage::Negotiating;
            return format!(
                "POST /rte/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {text}\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .into_bytes();
        }
        self.stage = Stage::Upgrading;
        if rng.one_in(2) {
            client::upgrade(&format!("?access_token={text}"), &format!("Origin: {ORIGIN}\r\n")).into_bytes()
        } else {
            client::upgrade("", &format!("Authorization: Bearer {text}\r\n")).into_bytes()
        }
    }

    /// The upgrade with the token that negotiate gave.
    pub fn upgrade(&mut self, id: &str) -> Vec<u8> {
        let Role::Client(_, token) = self.role else { return Vec::new() };
        let text = if self.is_brief { &TOKENS.brief[token] } else { &TOKENS.clients[token] };
        self.stage = Stage::Upgrading;
        let bytes = client::upgrade(&format!("?id={id}&access_token={text}"), "").into_bytes();
        self.sent += bytes.len();
        bytes
    }

    /// The handshake, once the hub has upgraded.
    pub fn shake_hands(&mut self, rng: &mut Rng) -> Vec<u8> {
        self.stage = Stage::Speaking;
        let handshake = if self.packs { messagepack::HANDSHAKE } else { client::HANDSHAKE };
        self.payload(vec![(handshake.to_vec(), Some(Act::Handshake))], rng)
    }

    /// Records, as its hub protocol writes them.
    fn records(&mut self, mut records: Vec<(Vec<u8>, Option<Act>)>, rng: &mut Rng) -> Vec<u8> {
        if self.packs {
            records.iter_mut().for_each(|(record, _)| *record = messagepack::pack(record));
        }
        self.payload(records, rng)
    }

    /// Records in one frame or in fragments, and notes where each ends.
    fn payload(&mut self, records: Vec<(Vec<u8>, Option<Act>)>, rng: &mut Rng) -> Vec<u8> {
        let payload: Vec<u8> = records.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        // A text is UTF-8, as is every handshake.
        let is_text = !rng.one_in(4) && std::str::from_utf8(&payload).is_ok();
        let opcode = if is_text { client::TEXT } else { client::BINARY };
        let cut = if rng.one_in(3) { rng.below(payload.len()) } else { payload.len() };
        let mut bytes = Vec::new();
        // Where each payload byte ends up, to know when the hub has read the last one of a record.
        let mut places = Vec::with_capacity(payload.len());
        let pieces = if cut < payload.len() { vec![(0, cut), (cut, payload.len())] } else { vec![(0, cut)] };
        for (start, end) in pieces {
            let (is_first, is_last) = (start == 0 && places.is_empty() && bytes.is_empty(), end == payload.len());
            let opcode = if is_first { opcode } else { client::CONTINUATION };
            client::frame(is_last, opcode, mask(rng), &payload[start..end], &mut bytes);
            let first = bytes.len() - (end - start);
            places.extend(first..bytes.len());
        }
        let mut at = 0;
        for (record, act) in records {
            at += record.len();
            self.acts.extend(act.map(|act| (self.sent + places[at - 1] + 1, act)));
        }
        bytes
    }

    /// All that it had before, of a client that comes back: one Subscribe, as the manual tells.
    fn come_back(&mut self, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        let asks = self.tab.as_ref().map(|tab| tab.asks(rng)).unwrap_or_default();
        let id = self.serial().to_string();
        let record = record(Some(&id), "Subscribe", &items(&asks));
        if asks.is_empty() || record.len() > limits.record_bytes_max {
            return Vec::new();
        }
        self.records(vec![(record, Some(Act::Invoke(Some(id), Call::Subscribe(asks))))], rng)
    }

    fn say(&mut self, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        if std::mem::take(&mut self.comes_back) {
            return self.come_back(rng, limits);
        }
        match rng.below(12) {
            0 => {
                let payload: Vec<u8> = (0..rng.below(126)).map(|_| b'p').collect();
                let mut bytes = Vec::new();
                client::frame(true, client::PING, mask(rng), &payload, &mut bytes);
                self.acts.push_back((self.sent + bytes.len(), Act::Ping(payload)));
                bytes
            }
            1 if rng.one_in(4) => {
                self.stage = Stage::Silent;
                if rng.one_in(2) {
                    let mut bytes = Vec::new();
                    client::frame(true, client::CLOSE, mask(rng), &1000u16.to_be_bytes(), &mut bytes);
                    return bytes;
                }
                self.records(vec![(b"{\"type\":7}\x1e".to_vec(), None)], rng)
            }
            2 => self.records(vec![(b"{\"type\":6}\x1e".to_vec(), None)], rng),
            _ => {
                let count = if self.manner.floods { 1 + rng.below(60) } else { 1 + rng.below(3) };
                let mut records = Vec::new();
                for _ in 0..count {
                    let id = (self.tab.is_some() || !rng.one_in(10)).then(|| self.serial().to_string());
                    let (record, call) = invocation(id.as_deref(), self.tab.as_ref(), rng);
                    if record.len() <= limits.record_bytes_max {
                        records.push((record, Some(Act::Invoke(id, call))));
                    }
                }
                if records.is_empty() { Vec::new() } else { self.records(records, rng) }
            }
        }
    }

    /// Something that ends the connection: nothing behind it counts.
    pub fn lie_in_frames(&mut self, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        self.has_lied = true;
        let was = std::mem::replace(&mut self.stage, Stage::Silent);
        let packs = self.packs && was == Stage::Speaking;
        let mut bytes = Vec::new();
        let mut frame = |is_final, opcode, payload: &[u8], rng: &mut Rng| {
            client::frame(is_final, opcode, mask(rng), payload, &mut bytes);
        };
        match rng.below(11) {
            0 => bytes = vec![0x81, 3, b'a', b'b', b'c'],
            1 => bytes = vec![0xC1, 0x80, 0, 0, 0, 0],
            2 => frame(true, client::TEXT, b"{\"type\":6,\"x\":\"\xFF\"}\x1e", rng),
            3 => frame(true, 3, b"", rng),
            4 => frame(false, client::PING, b"", rng),
            5 => frame(true, client::PING, &[0; 126], rng),
            6 => frame(true, client::CONTINUATION, b"x", rng),
            7 => frame(true, client::CLOSE, &1005u16.to_be_bytes(), rng),
            8 => frame(true, client::TEXT, &vec![b' '; limits.record_bytes_max + 1], rng),
            // An invocation of a number, and a byte that means nothing.
            9 if packs => frame(true, client::BINARY, &messagepack::frame(&[0x95, 1, 0x80, 0xC0, 7, 0x90]), rng),
            10 if packs => frame(true, client::BINARY, &messagepack::frame(&[0xC1]), rng),
            9 => frame(true, client::TEXT, b"{\"type\":1,\"target\":7}\x1e", rng),
            _ if was == Stage::Upgrading => {
                frame(true, client::TEXT, b"{\"protocol\":\"msgpack\",\"version\":1}\x1e", rng);
            }
            _ => frame(true, client::TEXT, b"no json\x1e", rng),
        }
        bytes
    }

    fn lie_in_requests(&mut self, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        self.has_lied = true;
        self.stage = Stage::Silent;
        let token = &TOKENS.publishers[0];
        let head = format!(
            "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        );
        let (bytes, status) = match rng.below(7) {
            0 => ("\u{1}\u{2} nonsense\r\n\r\n".to_owned(), 400),
            1 => (format!("GET /{} HTTP/1.1\r\n", "a".repeat(limits.head_bytes_max)), 431),
            2 => (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(limits.headers_max + 1)), 431),
            3 => (format!("{head}Content-Length: {}\r\n\r\n", limits.body_bytes_max + 1), 413),
            4 => (format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", limits.body_bytes_max + 1), 413),
            5 => (format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
            // Half a body, and then nothing.
            _ => (format!("{head}Content-Length: 10\r\n\r\n["), 408),
        };
        self.expect_reply(status, None);
        bytes.into_bytes()
    }

    /// The reply that the next request must get.
    pub fn expect_reply(&mut self, status: u16, counts: Option<(usize, usize)>) {
        self.replies.push_back(ReplyDue { status, counts, accepted: self.tags.len() });
    }

    fn request(&mut self, status: u16, counts: Option<(usize, usize)>, bytes: String) -> Vec<u8> {
        self.expect_reply(status, counts);
        bytes.into_bytes()
    }

    fn publish(&mut self, organization: usize, rng: &mut Rng, limits: &Limits) -> Vec<u8> {
        let token = &TOKENS.publishers[organization];
        let authorization = format!("Host: hub\r\nAuthorization: Bearer {token}\r\n");
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n");
        let post = |kind: &str, query: &str, body: &str| {
            let len = body.len();
            format!(
                "POST /publish{query} HTTP/1.1\r\n{authorization}Content-Type: {kind}\r\nContent-Length: {len}\r\n\r\n{body}"
            )
        };
        match rng.below(40) {
            0 => return self.request(200, None, get("/healthz")),
            1 => return self.request(200, None, get("/metrics")),
            2 => return self.request(404, None, get("/nowhere")),
            3 => return self.request(400, None, post("application/json", "", "[{]")),
            4 => {
                self.stage = Stage::Silent;
                return self.request(415, None, post("text/plain", "", "x"));
            }
            5 => return self.request(405, None, get("/publish")),
            6 => {
                let items = vec!["1"; limits.items_max + 1].join(",");
                let is_small = items.len() + 2 <= limits.body_bytes_max;
                let status = if is_small { 413 } else { 200 };
                let bytes = if is_small { post("application/json", "", &format!("[{items}]")) } else { get("/readyz") };
                return self.request(status, None, bytes);
            }
            7 => {
                let (kind, entity) = any_topic(rng);
                let item = kind.item(ORGANIZATIONS[organization], entity, "dry");
                return self.request(202, Some((1, 0)), post("application/json", "?dry_run=1", &item));
            }
            _ => {}
        }
        let (mut items, mut accepted, mut rejected) = (Vec::new(), 0, 0);
        let mut len = 0;
        for _ in 0..1 + rng.below(limits.items_max.min(6)) {
            if items.len() >= limits.items_max {
                break;
            }
            let (kind, entity) = any_topic(rng);
            let other = rng.one_in(12);
            let owner = ORGANIZATIONS[if other { 1 - organization } else { organization }];
            let (number, serial) = (self.number, self.serial());
            let tag = format!("#{number}.{serial}#");
            let room = limits.event_bytes_max.saturating_sub(kind.data(owner, entity, &tag).len());
            let is_fat = rng.one_in(15) && limits.body_bytes_max > 4 * limits.event_bytes_max;
            let padding = if is_fat { room + 1 } else { rng.below(room.min(3000) + 1) };
            let mut item = kind.item(owner, entity, &format!("{tag}{}", "x".repeat(padding)));
            let has_id = rng.one_in(2);
            if has_id {
                item = item.replacen('{', &format!("{{\"id\":\"{number}.{serial}\","), 1);
            }
            if len + item.len() + 2 > limits.body_bytes_max {
                break;
            }
            len += item.len() + 1;
            if other || is_fat {
                rejected += 1;
            } else {
                accepted += 1;
                self.tags.push(tag.trim_matches('#').to_owned());
                self.pending.push_back(tag);
            }
            let is_again = has_id && rng.one_in(4);
            if is_again && len + item.len() + 2 <= limits.body_bytes_max && items.len() + 2 <= limits.items_max {
                // Taken, and delivered once.
                len += item.len() + 1;
                let is_taken = !(other || is_fat);
                accepted += usize::from(is_taken);
                rejected += usize::from(!is_taken);
                items.push(item.clone());
            }
            items.push(item);
        }
        if items.is_empty() {
            return Vec::new();
        }
        let status = if rejected == 0 { 202 } else { if accepted == 0 { 422 } else { 207 } };
        let is_lines = rng.one_in(3);
        let kind = if is_lines { "application/x-ndjson" } else { "application/json" };
        let body = if is_lines { items.join("\n") } else { format!("[{}]", items.join(",")) };
        let counts = Some((accepted, rejected));
        if !rng.one_in(3) {
            return self.request(status, counts, post(kind, "", &body));
        }
        let head = format!(
            "POST /publish HTTP/1.1\r\n{authorization}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let cut = rng.below(body.len());
        let chunks = [&body[..cut], &body[cut..]].into_iter().filter(|chunk| !chunk.is_empty());
        let chunks: String = chunks.map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
        self.request(status, counts, format!("{head}{chunks}0\r\n\r\n"))
    }

    /// Requests that are refused.
    fn knock(&mut self, rng: &mut Rng) -> Vec<u8> {
        let client = &TOKENS.clients[0];
        let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
        let (status, bytes) = match rng.below(8) {
            0 => (401, client::upgrade("", "")),
            1 => (401, client::upgrade("", &bearer(&TOKENS.expired))),
            2 => (401, client::upgrade("", &bearer(&TOKENS.forged))),
            3 => (401, client::upgrade("", &bearer(&TOKENS.homeless))),
            4 => (403, client::upgrade("", &format!("{}Origin: https://evil.example\r\n", bearer(client)))),
            5 => (404, client::upgrade("?id=AAAAAAAAAAAAAAAAAAAAAA", &bearer(client))),
            6 => (400, format!("GET /rte HTTP/1.1\r\nHost: hub\r\n{}\r\n", bearer(client))),
            _ => {
                self.stage = Stage::Silent;
                let head = format!("POST /publish HTTP/1.1\r\nHost: hub\r\n{}", bearer(client));
                (403, format!("{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"))
            }
        };
        self.request(status, None, bytes)
    }
}

pub fn mask(rng: &mut Rng) -> [u8; 4] {
    let [a, b, c, d, ..] = rng.next().to_le_bytes();
    [a, b, c, d]
}

/// Any of the rights and the number of its tokens; mostly those that may hear everything.
pub fn any_client(rng: &mut Rng) -> Role {
    let token = if rng.one_in(2) { 0 } else { rng.below(CLIENTS.len()) };
    Role::Client(CLIENTS[token], token)
}

fn invocation(id: Option<&str>, tab: Option<&Tab>, rng: &mut Rng) -> (Vec<u8>, Call) {
    let asks = |rng: &mut Rng| -> Vec<Ask> { (0..1 + rng.below(3)).map(|_| any_ask(tab, rng)).collect() };
    let (target, call) = match rng.below(30) {
        0..=19 => ("Subscribe", Call::Subscribe(asks(rng))),
        20..=23 => ("unsubscribe", Call::Unsubscribe(asks(rng))),
        24 => ("UnsubscribeAll", Call::UnsubscribeAll),
        25..=26 => ("AvailableSubscriptions", Call::Available),
        27..=28 => ("GetActiveSubscriptions", Call::Active),
        _ => ("Nothing", Call::Unknown),
    };
    let arguments = match &call {
        Call::Subscribe(asks) | Call::Unsubscribe(asks) => items(asks),
        Call::UnsubscribeAll | Call::Available | Call::Active | Call::Unknown => "[]".to_owned(),
    };
    (record(id, target, &arguments), call)
}

fn record(id: Option<&str>, target: &str, arguments: &str) -> Vec<u8> {
    let id = id.map(|id| format!("\"invocationId\":\"{id}\",")).unwrap_or_default();
    format!("{{\"type\":1,{id}\"target\":\"{target}\",\"arguments\":{arguments}}}\x1e").into_bytes()
}

/// The argument of a Subscribe.
fn items(asks: &[Ask]) -> String {
    let member = |name: &str, text: &Option<String>| {
        text.as_ref().map(|text| format!("\"{name}\":\"{text}\"")).unwrap_or_else(|| format!("\"{name}\":null"))
    };
    let item = |ask: &Ask| {
        let snapshot = if ask.snapshot { ",\"Snapshot\":true" } else { "" };
        let since = match &ask.since {
            Since::Absent => String::new(),
            Since::Present => ",\"Since\":null".to_owned(),
            Since::Behind(position) | Since::Forged(position) => format!(",\"Since\":\"{position}\""),
        };
        format!("{{{},{}{snapshot}{since}}}", member("EntityId", &ask.entity), member("EventName", &ask.event))
    };
    format!("[[{}]]", asks.iter().map(item).collect::<Vec<_>>().join(","))
}

fn any_ask(tab: Option<&Tab>, rng: &mut Rng) -> Ask {
    let (kind, entity) = any_topic(rng);
    let since = tab.map_or(Since::Absent, |tab| tab.since(kind, entity, rng));
    let entity = entity.to_string();
    let entity = if rng.one_in(2) { entity.to_uppercase() } else { entity };
    let (mut entity, mut event) = (Some(entity), Some(kind.name.to_owned()));
    match rng.below(30) {
        0 => entity = None,
        1 => event = None,
        2 => entity = Some("0101".into()),
        3 => event = Some("UserNothing".into()),
        4 if tab.is_none() => event = Some(KINDS[rng.below(KINDS.len())].name.to_uppercase()),
        5..=8 if tab.is_none() => entity = Some("*".into()),
        _ => {}
    }
    Ask { entity, event, snapshot: rng.one_in(4), since }
}
