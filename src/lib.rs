//! `rte`, a Real-Time Engine: one binary that pushes the user, queue and call-list events of a
//! telephony platform to browsers and native clients. Clients speak SignalR over WebSocket, show a
//! JWT when they connect, subscribe to (entity, event) pairs, and receive `MessageReceived`; back
//! ends publish over HTTP. The TOML files under `schema/` say which events exist, and everything
//! that can be derived from them is generated.
//!
//! The manual for those who use it is the room [`guide`]; what follows is for those who change it.
//!
//! # Words
//!
//! One word, one meaning, in code, docs, logs and metrics. A capital says that the word is a type:
//! a test holds that there is at most one of that name.
//!
//! | say | means |
//! |---|---|
//! | Connection | one accepted socket and its protocol state |
//! | Principal | an authenticated identity: user, organization, grants, scopes |
//! | Event, EventId | a type declared in the catalogue |
//! | Piece | what the WebSocket decoder yields of a frame (what a poll reports is a *readiness*) |
//! | Entity | the user, queue or call list that an event is about: family and GUID |
//! | Topic | (organization, event, entity): a member of another tenant cannot even be written down |
//! | Subscription, Member | (connection, topic); a connection in a topic |
//! | Grant | a `family/entity/event` pattern that a principal holds |
//! | Publication | one validated event instance on a topic |
//! | Partition, Position | organizations share partitions, each with one order; a place in that order, opaque outside |
//! | Home | the shard that gives a partition's publications their order, and alone knows what follows from them |
//! | Kept | a publication that still holds, for those who ask for a snapshot |
//! | HubMessage | SignalR's own: Invocation, Completion, Ping, Close, … |
//! | HubProtocol | how hub messages are written: json |
//! | Frame | encoded transport bytes in a shared segment |
//! | Outbox, backlog, overrun | a connection's send queue; what waits in it; the verdict over one that is too long |
//! | dirty / blocked / doomed / hot | has bytes to flush / waits for a writable edge / is to be closed / may still be readable |
//! | drain / flush / close | stop accepting and finish / write the outbox / end with a reason |
//! | state event / occurrence | only the last value matters / every one does |
//! | Ask, Answer | what a shard wants to know of its siblings; what they say |
//! | Now, Instant, UnixMs, Deadline | injected time |
//!
//! Not in the name of a type: Manager, Handler, Helper, Util, Processor, Service, Data, Info,
//! Context, Wrapper, Base, Impl, Desk, Wish, Told, Parcel.
//!
//! # Rooms
//!
//! A room imports only rooms of its own or a lower rank; a test reads this table and the sources,
//! and says so. Ranks 0 to 6 are the **core**: no socket, no thread, no clock, no randomness of its
//! own. Time is a [`clock::Now`], randomness an [`entropy::Entropy`], and bytes leave through a
//! [`wire::Wire`]: that is what makes fuzzing, simulation and speed possible.
//!
//! | rank | room | responsibility |
//! |---|---|---|
//! | 0 | [`limits`], [`clock`], [`entropy`] | every bound; injected time and randomness |
//! | 0 | [`broken`] | the one expected panic |
//! | 1 | [`proto`] | HTTP/1.1, WebSocket, SignalR: bytes to values and back |
//! | 1 | [`close`], [`timer`], [`metrics`], [`trace`] | why connections end; deadlines; counters; notable facts |
//! | 1 | [`wire`] | the way out of the core |
//! | 1 | [`schema::compiler`] | catalogue files → model → checks → generated artefacts; the validator. `build.rs` compiles it too |
//! | 2 | [`schema`], [`auth`] | the catalogue at run time; tokens to principals, grants to verdicts |
//! | 3 | [`hub`] | topics and members, publications, outboxes |
//! | 4 | [`api`] | routes as functions |
//! | 5 | [`conn`] | one peer: bytes in become requests and hub messages |
//! | 6 | [`shard`] | the pure whole of one thread |
//! | 7 | [`shell`] | mio, sockets, threads, clocks, signals |
//! | 8 | [`config`], [`guide`], [`cli`] | `rte.toml` to checked options; the manual; the commands |
//! | – | [`fuzzing`] | the bodies of the fuzz targets |
//! | – | `main` | the program: hands its command line to [`cli`] |
//!
//! # A publish, from socket to sockets
//!
//! 1. The reactor polls and reads the clock once; a poll token becomes a connection key, and a
//!    stale key finds nothing.
//! 2. It reads until the socket is drained or its budget is used up; then the key is *hot*.
//! 3. [`shard::Shard::handle_bytes`] → [`proto::http`]: partial (kept), wrong (4xx, closed) or
//!    complete.
//! 4. [`auth`] verifies the token at `now`, before the body is read.
//! 5. The validator walks each item once against the catalogue; all errors are told, each with
//!    pointer and rule. The text is rewritten only where something must change.
//! 6. [`hub::Hub::publish`] encodes one frame per encoding into the turn's arena and queues a range
//!    of it for each member. One that is far behind gets a reference to the publication instead,
//!    made into bytes when its socket takes them. An outbox that passes its bound dooms its
//!    connection, later.
//! 7. The reply to the publisher is queued the same way; sibling shards get the publication by
//!    mailbox before it is written.
//! 8. End of turn: each dirty connection is written once, the doomed are freed, the next deadline
//!    is known.
//!
//! # A Subscribe
//!
//! Frame → unmasked in place → record → invocation → each item: form, event, entity, permission,
//! limit → registry → one Completion with a verdict per item, in order. Whatever is queued behind
//! that Completion belongs to a publish that saw the subscription; nothing of the topic comes
//! before it.

pub mod api;
pub mod auth;
pub mod broken;
pub mod cli;
pub mod clock;
pub mod close;
pub mod config;
pub mod conn;
pub mod entropy;
pub mod fuzzing;
pub mod guide;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod proto;
pub mod schema;
pub mod shard;
pub mod shell;
pub mod timer;
pub mod trace;
pub mod wire;
