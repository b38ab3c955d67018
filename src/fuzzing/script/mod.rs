//! A shard, and what a script of bytes does to it: peers that connect, speak, and go, and time that
//! passes. Targets that judge whole connections share it.

use super::fixtures::{CATALOGUE, NOW};
use crate::auth::keys::{KeyOptions, KeySource, Keys};
use crate::auth::mint::{SigningKey, Statement, mint};
use crate::auth::token::{ClaimNames, Options, Verifier};
use crate::broken::broken;
use crate::clock::Now;
use crate::conn::{self, Shared};
use crate::entropy::Entropy;
use crate::hub::position::Epoch;
use crate::hub::registry::HashSeed;
use crate::limits::Limits;
use crate::shard::Shard;
use crate::trace::{Level, Trace};
use crate::wire::{Cut, Failure, LinkKey, Wire, WireError};
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use uuid::{Uuid, uuid};

const SECRET: &str = "a secret of the fuzz targets: 32 bytes";
const ORGANIZATION: Uuid = uuid!("0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59");
const USER: Uuid = uuid!("c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3");

/// What stands in a script for the id that was negotiated last.
const ID: &[u8] = b"{id}";
/// What it stands behind where a hub tells it.
const TOLD_ID: &[u8] = br#""connectionToken":""#;

/// What begins a line of a script: no UTF-8 has this byte.
const LINE: u8 = 0xFF;

/// What stands for a token in a script, and the token.
static TOKENS: LazyLock<[(&str, String); 4]> = LazyLock::new(|| {
    let now_s = NOW.unix.seconds();
    let sign = |grants: &[&str], scopes: &[&str], expires_unix_s| {
        let key = SigningKey::from_secret(None, SECRET, None);
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let statement = Statement {
            user: Some(USER.to_string()),
            organization: Some(ORGANIZATION),
            grants: own(grants),
            scopes: own(scopes),
            expires_unix_s,
            ..Statement::default()
        };
        let token = key.and_then(|key| mint(&key, &ClaimNames::default(), &statement));
        token.unwrap_or_else(|_| broken("the secret of the targets signs"))
    };
    [
        ("{client}", sign(&["queue/*"], &[], now_s + 3600)),
        ("{publisher}", sign(&[], &["publish"], now_s + 3600)),
        ("{admin}", sign(&["*/*"], &["publish", "admin", "backend"], now_s + 30)),
        ("{expired}", sign(&["*/*"], &["publish"], now_s - 3600)),
    ]
});

/// One line of a script.
pub(super) enum Line {
    /// A peer, by its letter, sends bytes.
    Bytes(u8, Vec<u8>),
    /// A peer sends no more.
    End(u8),
    /// The socket of a peer fails.
    Failure(u8),
    /// So many milliseconds pass.
    Time(u64),
}

impl Line {
    /// Bytes that come in by it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Line::Bytes(_, bytes) => bytes.len(),
            Line::End(_) | Line::Failure(_) | Line::Time(_) => 0,
        }
    }
}

/// Reads a script, of which each line begins with [`LINE`] and a letter.
///
/// - `a` to `d`: the peer of that letter sends these bytes, in which `{client}`, `{publisher}`,
///   `{admin}` and `{expired}` stand for tokens, and `{id}` for what was negotiated last.
/// - `A` to `D`: the same in a WebSocket frame of text.
/// - `P`: the peer `p` publishes this body, an item or an array.
/// - `e` and `f`: the peer that the next letter names ends, or fails.
/// - `t`: seconds pass, as many as there are bytes.
pub(super) fn read(input: &[u8]) -> Vec<Line> {
    input.split(|byte| *byte == LINE).filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<Line> {
    let (letter, rest) = line.split_first()?;
    Some(match letter {
        b'a'..=b'd' => Line::Bytes(*letter, with_tokens(rest)),
        b'A'..=b'D' => Line::Bytes(letter.to_ascii_lowercase(), framed(rest)),
        b'P' => Line::Bytes(b'p', published(rest)),
        b'e' => Line::End(*rest.first()?),
        b'f' => Line::Failure(*rest.first()?),
        b't' => Line::Time(rest.len() as u64 * 1000),
        _ => return None,
    })
}

fn with_tokens(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (name, token) in TOKENS.iter() {
        replace(&mut bytes, name.as_bytes(), token.as_bytes());
    }
    bytes
}

fn replace(bytes: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    while let Some(at) = memchr::memmem::find(bytes, name) {
        bytes.splice(at..at + name.len(), value.iter().copied());
    }
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let header =
        FrameHeader { is_final: true, opcode: OpCode::Data(Data::Text), mask: Some([0; 4]), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    let framed = Frame::from_payload(header, payload.to_vec().into()).format(&mut bytes);
    framed.unwrap_or_else(|_| broken("a Vec takes all bytes"));
    bytes
}

fn published(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{publisher}}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [with_tokens(head.as_bytes()).as_slice(), body].concat()
}

/// Small limits, so that inputs reach them.
pub(super) fn small_limits() -> Limits {
    Limits {
        head_bytes_max: 2048,
        headers_max: 12,
        body_bytes_max: 4096,
        items_max: 5,
        event_bytes_max: 1500,
        record_bytes_max: 700,
        subscriptions_max: 4,
        outbox_soft_bytes: 4_000,
        outbox_hard_bytes: 300_000,
        negotiated_max: 2,
        read_budget_bytes: 1024,
        ..Limits::DEFAULT
    }
}

/// A peer's end of its link.
pub(super) struct Peer {
    /// How the script calls it.
    pub(super) letter: u8,
    link: LinkKey,
    /// What its link has not taken yet.
    to_hub: VecDeque<Vec<u8>>,
    /// What it has heard.
    pub(super) heard: Vec<u8>,
    /// How the hub has closed it.
    pub(super) closed: Option<Cut>,
}

/// All peers of a stage, dead ones included: the way out of the shard.
#[derive(Default)]
struct Peers {
    all: Vec<Peer>,
    /// Bytes that they have heard together.
    heard_bytes: usize,
}

impl Peers {
    fn of(&mut self, link: LinkKey) -> Option<&mut Peer> {
        self.all.iter_mut().rev().find(|peer| peer.link == link)
    }
}

impl Wire for Peers {
    fn write(&mut self, link: LinkKey, slices: &[&[u8]]) -> Result<usize, WireError> {
        let heard_bytes = self.of(link).ok_or(WireError)?.heard.write(link, slices)?;
        self.heard_bytes += heard_bytes;
        Ok(heard_bytes)
    }

    fn shutdown_write(&mut self, _: LinkKey) {}

    fn close(&mut self, link: LinkKey, cut: Cut) {
        if let Some(peer) = self.of(link) {
            peer.closed = Some(cut);
        }
    }
}

/// The same bytes each time.
struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

/// A shard with its peers.
pub(super) struct Stage {
    shard: Shard,
    peers: Peers,
    now: Now,
}

impl Stage {
    pub(super) fn new(limits: Limits) -> Stage {
        let options = conn::Options { detailed_errors: true, ..conn::Options::default() };
        let shared = Shared::new(options, limits, 1, HashSeed(1, 2), Epoch::begin(NOW, 7));
        let keys = Keys::new(&[KeyOptions::new(KeySource::Secret(SECRET.to_owned()))]);
        let keys = keys.unwrap_or_else(|_| broken("the key of the targets is good"));
        let options = Options { close_on_expiry: true, ..Options::new(keys) };
        let verifier = Verifier::new(options).unwrap_or_else(|_| broken("these options go together"));
        let (catalogue, trace) = (Arc::clone(&CATALOGUE), Trace::new(Level::Trace));
        let shard = Shard::new(0, Arc::new(shared), catalogue, Arc::new(verifier), Box::new(Counter(0)), trace);
        Stage { shard, peers: Peers::default(), now: NOW }
    }

    /// What the peers have heard, in the order in which they came.
    pub(super) fn peers(&self) -> &[Peer] {
        &self.peers.all
    }

    /// Bytes that all peers together have heard.
    pub(super) fn heard_bytes(&self) -> usize {
        self.peers.heard_bytes
    }

    /// Memory of what the peers have heard, which is none of the hub's.
    pub(super) fn heard_capacity(&self) -> usize {
        self.peers.all.iter().map(|peer| peer.heard.capacity()).sum()
    }

    /// Plays a line; its bytes arrive in these pieces.
    pub(super) fn play(&mut self, line: &Line, piece_bytes: &mut dyn FnMut() -> usize) {
        self.play_and_look(line, piece_bytes, &mut |_| ());
    }

    /// The same; `look` is told after each turn what all peers together have heard, in bytes.
    pub(super) fn play_and_look(
        &mut self,
        line: &Line,
        piece_bytes: &mut dyn FnMut() -> usize,
        look: &mut dyn FnMut(usize),
    ) {
        match line {
            Line::Bytes(letter, bytes) => {
                let link = self.link(*letter);
                let bytes = self.with_id(bytes);
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at_checked(piece_bytes()).unwrap_or((rest, &[]));
                    if let Some(peer) = self.peers.of(link) {
                        peer.to_hub.push_back(piece.to_vec());
                    }
                    self.feed(link);
                    self.turn(look);
                    rest = after;
                }
            }
            Line::End(letter) => {
                if let Some(link) = self.alive(*letter) {
                    self.shard.handle_eof(link, self.now, &mut self.peers);
                }
            }
            Line::Failure(letter) => {
                if let Some(link) = self.alive(*letter) {
                    self.shard.handle_failure(link, Failure::Socket, self.now, &mut self.peers);
                }
            }
            Line::Time(ms) => self.now = Now::from_ms(self.now.mono.ms() + ms, self.now.unix.ms() + ms),
        }
        self.turn(look);
    }

    /// Bytes with the id that was negotiated last, where one was.
    fn with_id(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let told = |peer: &Peer| {
            let at = memchr::memmem::rfind(&peer.heard, TOLD_ID)? + TOLD_ID.len();
            let id = peer.heard.get(at..)?;
            Some(id.split(|byte| *byte == b'"').next()?.to_vec())
        };
        if let Some(id) = self.peers.all.iter().rev().find_map(told) {
            replace(&mut bytes, ID, &id);
        }
        bytes
    }

    fn alive(&self, letter: u8) -> Option<LinkKey> {
        let peer = self.peers.all.iter().rev().find(|peer| peer.letter == letter)?;
        peer.closed.is_none().then_some(peer.link)
    }

    /// The link of a peer, which connects anew where it has none.
    fn link(&mut self, letter: u8) -> LinkKey {
        self.alive(letter).unwrap_or_else(|| {
            let link = self.shard.open([192, 0, 2, letter].into(), self.now);
            self.peers.all.push(Peer { letter, link, to_hub: VecDeque::new(), heard: Vec::new(), closed: None });
            link
        })
    }

    /// Hands a link what its peer has sent, until it wants no more.
    fn feed(&mut self, link: LinkKey) {
        while self.shard.wants_input(link)
            && let Some(mut bytes) = self.peers.of(link).and_then(|peer| peer.to_hub.pop_front())
        {
            self.shard.handle_bytes(link, &mut bytes, self.now, &mut self.peers);
        }
    }

    /// Turns until there is nothing left to do.
    fn turn(&mut self, look: &mut dyn FnMut(usize)) {
        for _ in 0..10_000 {
            self.shard.handle_deadlines(self.now, &mut self.peers);
            self.shard.handle_queued(self.now, &mut self.peers);
            self.shard.poll_outbound().for_each(drop);
            self.shard.end_turn(self.now, &mut self.peers);
            look(self.peers.heard_bytes);
            let mut has_fed = false;
            while let Some(link) = self.shard.poll_resumed() {
                self.feed(link);
                has_fed = true;
            }
            if !has_fed && !self.shard.has_work() {
                return;
            }
        }
        broken("a shard has no work without an end");
    }
}

#[cfg(test)]
mod tests;
