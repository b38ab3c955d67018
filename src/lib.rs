//! `rte`, a Real-Time Engine: one binary that pushes the user, queue and call-list events of a
//! telephony platform to browsers and native clients. Clients speak SignalR, over WebSocket where
//! they can, show a JWT when they connect, subscribe to (entity, event) pairs, and receive
//! `MessageReceived`; back ends publish over HTTP. The TOML files under `schema/` say which events
//! exist, and everything that can be derived from them is generated.
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
//! | Link | one accepted socket and what it speaks now: HTTP, WebSocket, an event stream, a waiting poll, or its last bytes |
//! | Entrance | the listener that a link came in by: the only one, the public one, or that for the inside |
//! | stranger | a link that is not past its upgrade and has shown no token of a publisher |
//! | Connection | SignalR's connection: principal, subscriptions, outbox; a link carries its bytes, or one poll after the other does |
//! | stateful, detached | a connection that can go on on another link, where its client asks for that; one that waits for it |
//! | Transport | how a connection's bytes travel: WebSockets, ServerSentEvents, LongPolling (SignalR's words) |
//! | Principal | an authenticated identity: user, organization, grants, scopes |
//! | Event, EventId | a type declared in the catalogue |
//! | Piece | what the WebSocket decoder yields of a frame (what a poll reports is a *readiness*) |
//! | Entity | the user, queue or call list that an event is about: family and GUID |
//! | Topic | (organization, event, entity): a member of another tenant cannot even be written down |
//! | Wildcard, Pattern | every topic of an event in an organization, `EntityId: "*"`; what a subscription names: that or one topic |
//! | Subscription, Member | (connection, topic); a connection in a topic |
//! | Revocation | tokens that are good no more before their time: a user's, an organization's, or one |
//! | Grant | a `family/entity/event` pattern that a principal holds |
//! | Publication | one validated event instance on a topic |
//! | Partition, Position | organizations share partitions, each with one order; a place in that order, opaque outside |
//! | Home | the part of a shard that gives a partition's publications their order, and alone knows what follows from them |
//! | Contact | how it stands with an engine that several processes share: whether it is read, and since when it is away |
//! | Journal, Term | where publications are kept: in memory, or in files before members get them; a time in which it stays so |
//! | Block | what follows a Subscribe's Completion before anything live: a replay or a snapshot |
//! | Kept, row | the publications that still hold, for those who ask for a snapshot; one of them, by topic and key |
//! | Effect | what a publication does to the rows |
//! | HubMessage, ServerMessage | SignalR's own, from a client and to one: Invocation, Completion, Ping, Close, … |
//! | HubProtocol | how hub messages are written: json, messagepack |
//! | Intake | what has come to a shard and waits for its turn: mail of siblings, requests to stamp |
//! | Frame | encoded transport bytes in a shared segment |
//! | Outbox, backlog, overrun | a connection's send queue; what waits in it; the verdict over one that is too long |
//! | dirty / blocked / doomed / hot | has bytes to flush / waits for a writable edge / is to be closed / may still be readable |
//! | behind | over the soft bound, and reading on: a publication waits a while for many such members of its topic |
//! | drain / flush / close | stop accepting and finish / write the outbox / end with a reason |
//! | state event / occurrence | only the last value matters, of each key where it has one / every one does |
//! | engine, lane | what keeps the logs that several processes share; one of a process's two connections to it |
//! | entry, origin, mark | a publication in such a log; the run of a process that has appended it; the highest number known of one |
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
//! | 0 | [`bom`] | what editors and shells add to texts |
//! | 0 | [`packed`] | the texts that the program has in it deflated |
//! | 1 | [`echo`] | what is repeated of foreign names |
//! | 1 | [`proto`] | HTTP/1.1, WebSocket, SignalR: bytes to values and back |
//! | 1 | [`close`], [`timer`], [`metrics`], [`trace`] | why links and connections end; deadlines; counters; notable facts |
//! | 1 | [`wire`] | the way out of the core |
//! | 1 | [`schema::compiler`] | catalogue files → model → checks → generated artefacts; the validator. `build.rs` compiles it too |
//! | 2 | [`schema`], [`auth`] | the catalogue at run time; tokens to principals, grants to verdicts |
//! | 3 | [`hub`] | topics and members, publications, outboxes |
//! | 3 | [`pages`] | the files of the pages that people look at, the texts of the manual among them |
//! | 4 | [`api`] | routes as functions |
//! | 5 | [`conn`] | links: what a socket speaks, each state a type; connections: the SignalR side; questions to other shards |
//! | 5 | [`backplane`] | several processes are one hub: what to ask an engine that they share, what its answers mean |
//! | 6 | [`shard`] | the pure whole of one thread |
//! | 7 | [`shell`] | mio, sockets, threads, clocks, signals, key sets at addresses |
//! | 8 | [`config`], [`fuzzing`], [`guide`], [`cli`] | `rte.toml` to checked options; the bodies of the fuzz targets; the manual; the commands |
//! | – | `main` | the program: hands its command line to [`cli`] |
//!
//! # A publish, from socket to sockets
//!
//! 1. The reactor polls and reads the clock; a poll token becomes a link's key, and a stale
//!    key finds nothing.
//! 2. It reads until the socket is drained or its budget is used up; then the key is *hot*. Once
//!    the turn has had its work, the other sockets wait for the next.
//! 3. [`shard::Shard::handle_bytes`] hands the link, which is a value, to the event, and stores
//!    what it becomes. It speaks HTTP: [`proto::http`] says partial (kept), wrong (4xx, then it
//!    ends) or complete.
//! 4. [`auth`] verifies the token at `now`, before the body is read.
//! 5. The validator walks each item once against the catalogue; all errors are told, each with
//!    pointer and rule. The text is rewritten only where something must change. What is more than
//!    a portion of the turn waits with the link, and the link in the intake; so do records of a
//!    client.
//! 6. What is accepted goes to the home of its organization, which gives it its place in the order,
//!    delivers it to its own members and mails it to every sibling. What the turn has no room for
//!    waits in the intake before it gets its place, so that others come in between; so does what
//!    goes to many members that are behind. With a journal in files, members, siblings and the
//!    publisher hear of it once it is written, in the same order; so do those who ask what holds.
//!    Where several processes share an engine, the home appends instead, and what is read gives it
//!    its place.
//! 7. [`hub::Hub::publish`] encodes one frame per encoding into the turn's arena and queues a range
//!    of it for each member. One that is far behind gets a reference to the publication instead,
//!    made into bytes when its socket takes them. A slow reader that passes its bound is given up.
//! 8. The reply waits with the publisher's link until all is stamped; sibling shards get the
//!    publication by mailbox before it is written.
//! 9. End of turn: dirty outboxes and links are written once, of large topics a slice, the doomed
//!    end, the next deadline is known.
//!
//! # A Subscribe
//!
//! Frame → unmasked in place, which is all that its link knows of it → its connection: record →
//! invocation → each item: form, event, entity, permission → the home's answer, where what holds
//! is asked for, or mail of it waits → limit → registry → one Completion with a verdict per item,
//! in order. Whatever is queued behind that Completion belongs to a publish that saw the
//! subscription; nothing of the topic comes before it.
//!
//! # An end
//!
//! A connection that ends says why and what its peer is told last. Its link queues that, becomes an
//! ending, and is freed once the last bytes are out and the peer has had its time. The first reason
//! counts, for both. One that polls has no link to end with: what is left waits for its last polls.
//! A stateful one outlives its link, and ends when no other has come in time.

pub mod api;
pub mod auth;
pub mod backplane;
pub mod bom;
pub mod broken;
pub mod cli;
pub mod clock;
pub mod close;
pub mod config;
pub mod conn;
pub mod echo;
pub mod entropy;
pub mod fuzzing;
pub mod guide;
pub mod hub;
pub mod limits;
pub mod metrics;
pub mod packed;
pub mod pages;
pub mod proto;
pub mod schema;
pub mod shard;
pub mod shell;
pub mod timer;
pub mod trace;
pub mod wire;
