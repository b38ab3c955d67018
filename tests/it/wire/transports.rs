//! The transports of those whose WebSocket does not get through: server-sent events and long
//! polling.

use crate::support::{Hub, ORGANIZATION, RS, Reply, UPGRADE, Wire, request};
use serde_json::{Value, json};

const QUEUE: &str = "5a1fd6a1-3c1f-4c2b-9a52-6d1c2d8f0b11";
const THREADS: [&str; 3] = ["server.threads=1", "server.threads=2", "server.threads=4"];
const HANDSHAKE: &str = r#"{"protocol":"json","version":1}"#;

/// A client that has negotiated, whichever socket its requests go over.
pub struct Client {
    id: String,
    pub token: String,
}

impl Client {
    pub fn negotiated(hub: &Hub) -> Client {
        Client { id: hub.negotiate(), token: hub.client_token() }
    }

    /// A client whose connection polls and is past its handshake.
    pub fn polling(hub: &Hub, wire: &mut Wire) -> Client {
        Client::negotiated(hub).polls(wire)
    }

    /// It polls for the first time, and shakes hands.
    pub fn polls(self, wire: &mut Wire) -> Client {
        let client = self;
        let first = client.ask(wire, "GET", "");
        assert_eq!((first.status, first.body.as_str()), (200, ""), "the first poll is answered at once");
        client.says(wire, HANDSHAKE);
        assert_eq!(client.poll(wire), format!("{{}}{RS}"));
        client
    }

    /// The text of a request of this connection.
    pub fn request(&self, method: &str, headers: &[&str], body: &str) -> String {
        let authorization = format!("Authorization: Bearer {}", self.token);
        request(&format!("{method} /rte?id={}", self.id), &[headers, &[authorization.as_str()]].concat(), body)
    }

    pub fn ask(&self, wire: &mut Wire, method: &str, body: &str) -> Reply {
        wire.send(self.request(method, &[], body).as_bytes());
        wire.reply()
    }

    /// Sends a hub message.
    pub fn says(&self, wire: &mut Wire, record: &str) {
        let reply = self.ask(wire, "POST", &format!("{record}{RS}"));
        assert_eq!((reply.status, reply.body.as_str()), (200, ""), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/plain"));
    }

    pub fn subscribes(&self, wire: &mut Wire) {
        let item = format!(r#"{{"EntityId":"{QUEUE}","EventName":"QueueCallInArrived"}}"#);
        self.says(wire, &format!(r#"{{"type":1,"invocationId":"1","target":"Subscribe","arguments":[[{item}]]}}"#));
    }

    /// What a poll brings.
    pub fn poll(&self, wire: &mut Wire) -> String {
        let reply = self.ask(wire, "GET", "");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// A stream that is past its handshake.
    pub fn streaming(hub: &Hub, wire: &mut Wire) -> (Client, Stream) {
        Client::negotiated(hub).streams(hub.connect(), wire)
    }

    /// It opens its stream on that socket, and shakes hands.
    pub fn streams(self, stream: Wire, wire: &mut Wire) -> (Client, Stream) {
        let client = self;
        let mut stream = client.stream(stream);
        client.says(wire, HANDSHAKE);
        assert_eq!(stream.event(), format!("{{}}{RS}"));
        (client, stream)
    }

    pub fn stream(&self, mut wire: Wire) -> Stream {
        wire.send(self.request("GET", &["Accept: text/event-stream"], "").as_bytes());
        let head = wire.reply_without_body();
        assert_eq!(head.status, 200, "{head:?}");
        let mut stream = Stream { wire, head };
        assert_eq!(stream.wire.until(b"\r\n"), ":\r\n", "a comment tells that it is open");
        stream
    }
}

/// An event stream.
pub struct Stream {
    pub wire: Wire,
    head: Reply,
}

impl Stream {
    /// The data of the next event.
    pub fn event(&mut self) -> String {
        let event = self.wire.until(b"\r\n\r\n");
        let data = event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\r\n\r\n"));
        data.unwrap_or_else(|| panic!("no event: {event:?}")).to_owned()
    }
}

/// A publication with that mark.
fn publish(hub: &Hub, mark: &str) {
    let item = json!({ "eventName": "QueueCallInArrived", "data": {
        "callerNumber": "+358401234501", "callId": QUEUE, "legId": "81f6b2c47d0e9a35",
        "organizationId": ORGANIZATION, "queueId": QUEUE, "queueName": mark,
        "queueNumber": "+358942450100", "targetNumber": "+358942450100",
    }});
    // With line ends between its tokens, as people write it.
    let reply = hub.publish(&serde_json::to_string_pretty(&item).unwrap());
    assert_eq!(reply.status, 202, "{reply:?}");
}

/// The marks of the publications in these records.
fn marks(records: &str) -> Vec<String> {
    let records = records.split_terminator(RS).map(|record| serde_json::from_str::<Value>(record).expect(record));
    let told = records.filter(|record| record["target"] == "MessageReceived");
    told.map(|record| record["arguments"][0]["data"]["queueName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_client_that_polls_gets_everything_in_order_on_any_number_of_threads() {
    for threads in THREADS {
        let hub = Hub::start_with(&[threads]);
        let (mut polls, mut posts) = (hub.connect(), hub.connect());
        let client = Client::polling(&hub, &mut polls);
        // The poll waits before there is anything to get.
        polls.send(client.request("GET", &[], "").as_bytes());
        client.subscribes(&mut posts);
        let verdict = polls.reply();
        assert_eq!((verdict.status, verdict.header("content-type")), (200, Some("application/octet-stream")));
        assert_eq!(verdict.header("cache-control"), Some("no-cache, no-store"));
        assert_eq!(verdict.header("pragma"), Some("no-cache"));
        assert_eq!(verdict.header("expires"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert!(verdict.body.contains(r#""subscribed":true"#), "{}", verdict.body);
        let all: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        all.iter().take(50).for_each(|mark| publish(&hub, mark));
        polls.send(client.request("GET", &[], "").as_bytes());
        all.iter().skip(50).for_each(|mark| publish(&hub, mark));
        let mut heard = marks(&polls.reply().body);
        while heard.len() < all.len() {
            heard.extend(marks(&client.poll(&mut polls)));
        }
        assert_eq!(heard, all, "{threads}");
        hub.await_metric("rte_transport_connections{transport=\"LongPolling\"}", |count| count == 1.0);
    }
}

#[test]
fn an_event_stream_brings_everything_in_order_on_any_number_of_threads() {
    for threads in THREADS {
        let hub = Hub::start_with(&[threads]);
        let mut posts = hub.connect();
        let (client, mut stream) = Client::streaming(&hub, &mut posts);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache,no-store"),
            ("pragma", "no-cache"),
            ("content-encoding", "identity"),
            ("x-accel-buffering", "no"),
            ("connection", "close"),
        ] {
            assert_eq!(stream.head.header(name), Some(value));
        }
        client.subscribes(&mut posts);
        assert!(stream.event().contains(r#""subscribed":true"#));
        let all: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        all.iter().for_each(|mark| publish(&hub, mark));
        let heard: Vec<String> = all.iter().flat_map(|_| marks(&stream.event())).collect();
        assert_eq!(heard, all, "{threads}");
        // A Close of the client's ends both.
        client.says(&mut posts, r#"{"type":7}"#);
        assert_eq!(stream.event(), format!(r#"{{"type":7}}{RS}"#));
        stream.wire.assert_ends();
        assert_eq!(client.ask(&mut posts, "POST", "").status, 404);
    }
}

#[test]
fn one_socket_of_a_proxy_serves_many_connections_in_turn() {
    for threads in THREADS {
        let hub = Hub::start_with(&[threads]);
        let mut wires = [hub.connect(), hub.connect(), hub.connect()];
        // Sockets are spread over the threads, and connections live where they began.
        let clients: Vec<Client> = (0..9).map(|n| Client::polling(&hub, &mut wires[n % 3])).collect();
        let mut upstream = hub.connect();
        for client in &clients {
            client.subscribes(&mut upstream);
            assert!(client.poll(&mut upstream).contains(r#""subscribed":true"#));
        }
        for round in 0..5 {
            publish(&hub, &round.to_string());
            for client in &clients {
                assert_eq!(marks(&client.poll(&mut upstream)), [round.to_string()], "{threads}");
                client.says(&mut upstream, r#"{"type":6}"#);
            }
        }
        // Requests of several of them in one segment are answered in their order.
        publish(&hub, "last");
        let together: String = clients.iter().map(|client| client.request("GET", &[], "")).collect();
        upstream.send(together.as_bytes());
        for _ in &clients {
            assert_eq!(marks(&upstream.reply().body), ["last"]);
        }
    }
}

#[test]
fn a_poll_takes_the_place_of_the_one_before_and_a_delete_ends_the_connection() {
    for threads in THREADS {
        let hub = Hub::start_with(&[threads]);
        let (mut older, mut newer, mut other) = (hub.connect(), hub.connect(), hub.connect());
        let client = Client::polling(&hub, &mut older);
        older.send(client.request("GET", &[], "").as_bytes());
        newer.send(client.request("GET", &[], "").as_bytes());
        // Which of the two came first only the hub knows: that one gets nothing, the other waits.
        let (replaced, mut waiting) = match older.is_answered_before(&mut newer) {
            true => (older.reply(), newer),
            false => (newer.reply(), older),
        };
        assert_eq!(replaced.status, 204, "{replaced:?}");
        let deleted = client.ask(&mut other, "DELETE", "");
        assert_eq!((deleted.status, deleted.header("content-type")), (202, Some("text/plain")));
        assert_eq!(waiting.reply().status, 204);
        for method in ["GET", "POST", "DELETE"] {
            let gone = client.ask(&mut other, method, "");
            assert_eq!((gone.status, gone.body.as_str()), (404, "No Connection with that ID"), "{method}");
        }
        hub.await_metric("rte_hub_connections", |count| count == 0.0);
    }
}

#[test]
fn a_connection_that_is_over_has_its_last_word_for_the_next_poll_and_then_nothing() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let client = Client::polling(&hub, &mut wire);
    client.says(&mut wire, r#"{"type":7}"#);
    assert_eq!(client.poll(&mut wire), format!(r#"{{"type":7}}{RS}"#));
    assert_eq!(client.ask(&mut wire, "GET", "").status, 204);
    assert_eq!(client.ask(&mut wire, "GET", "").status, 404);
    // One that waits is told at once.
    let (client, mut posts) = (Client::polling(&hub, &mut wire), hub.connect());
    wire.send(client.request("GET", &[], "").as_bytes());
    client.says(&mut posts, r#"{"type":1,"target":7}"#);
    assert!(wire.reply().body.contains("malformed_message"));
    assert_eq!(client.ask(&mut wire, "GET", "").status, 204);
}

#[test]
fn a_poll_waits_for_poll_ms_and_a_client_that_polls_no_more_is_given_up_after_disconnect_ms() {
    let hub = Hub::start_with(&["limits.poll_ms=100", "limits.disconnect_ms=1000"]);
    let mut wire = hub.connect();
    let client = Client::polling(&hub, &mut wire);
    let timed_out = client.ask(&mut wire, "GET", "");
    assert_eq!((timed_out.status, timed_out.body.as_str()), (200, ""));
    assert_eq!(timed_out.header("content-type"), Some("text/plain"));
    hub.await_metric("rte_connections_closed_total{reason=\"no_poll\"}", |count| count == 1.0);
    assert_eq!(client.ask(&mut wire, "GET", "").status, 404);
}

#[test]
fn what_a_client_says_before_its_first_poll_is_taken() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let client = Client::negotiated(&hub);
    client.says(&mut wire, HANDSHAKE);
    assert_eq!(client.poll(&mut wire), format!("{{}}{RS}"));
}

#[test]
fn a_connection_keeps_its_transport_and_has_one_stream() {
    let hub = Hub::start();
    let mut wire = hub.connect();
    let polling = Client::polling(&hub, &mut wire);
    let (streaming, _stream) = Client::streaming(&hub, &mut wire);
    let websocket = Client::negotiated(&hub);
    let _peer = hub.websocket(&format!("/rte?id={}", websocket.id));
    let stream = ["Accept: text/event-stream"];
    let changed = "Cannot change transports mid-connection";
    for (client, method, headers, status, text) in [
        (&polling, "GET", &UPGRADE[..], 400, changed),
        (&polling, "GET", &stream, 400, changed),
        (&streaming, "GET", &UPGRADE[..], 400, changed),
        (&streaming, "GET", &[], 400, changed),
        (&streaming, "GET", &stream, 409, "This connection ID is in use: negotiate again"),
        (&streaming, "DELETE", &[], 400, "Cannot terminate this connection using the DELETE endpoint."),
        (&websocket, "GET", &stream, 400, changed),
        (&websocket, "GET", &[], 400, changed),
    ] {
        let mut wire = hub.connect();
        wire.send(client.request(method, headers, "").as_bytes());
        let reply = wire.reply();
        assert_eq!((reply.status, reply.body.as_str()), (status, text), "{method} {headers:?}");
    }
}

#[test]
fn a_transport_that_is_off_is_neither_offered_nor_served() {
    let transports = ["WebSockets", "ServerSentEvents", "LongPolling"];
    for (off, headers) in [(0, &UPGRADE[..]), (1, &["Accept: text/event-stream"]), (2, &[])] {
        let on: Vec<&str> = transports.into_iter().filter(|name| *name != transports[off]).collect();
        let hub = Hub::start_with(&[&format!("server.transports={}", on.join(","))]);
        let offer = hub.request_as_client("POST /rte/negotiate?negotiateVersion=1", &[]).json();
        let offered: Vec<&Value> =
            offer["availableTransports"].as_array().unwrap().iter().map(|offer| &offer["transport"]).collect();
        assert_eq!(offered, on);
        let reply = hub.request_as_client(&format!("GET /rte?id={}", hub.negotiate()), headers);
        let sentence = format!("{} transport not supported by this end point type", transports[off]);
        assert_eq!((reply.status, reply.body), (404, sentence));
    }
}

#[test]
fn a_drain_ends_every_transport_with_a_close() {
    let mut hub = Hub::start_with(&["limits.drain_spread_ms=1"]);
    let (mut polls, mut posts) = (hub.connect(), hub.connect());
    let polling = Client::polling(&hub, &mut polls);
    let (_streaming, mut stream) = Client::streaming(&hub, &mut posts);
    polls.send(polling.request("GET", &[], "").as_bytes());
    // While it waits it is no stranger: those are the socket of the posts, and the one that asks.
    hub.await_metric("rte_strangers", |count| count == 2.0);
    hub.terminate();
    let close = format!(r#"{{"type":7,"allowReconnect":true}}{RS}"#);
    assert_eq!(polls.reply().body, close);
    polls.assert_ends();
    assert_eq!(stream.event(), close);
    stream.wire.assert_ends();
    drop((polls, posts, stream));
    assert_eq!(hub.exit_code(), Some(0));
}

#[test]
fn who_is_between_two_polls_when_a_drain_begins_hears_of_it_by_the_next() {
    for threads in THREADS {
        let mut hub = Hub::start_with(&["limits.drain_spread_ms=1", "limits.close_ms=9000", threads]);
        let mut wire = hub.connect();
        let clients: Vec<Client> = (0..3).map(|_| Client::polling(&hub, &mut wire)).collect();
        hub.terminate();
        hub.await_log("draining");
        wire.assert_ends();
        for client in &clients {
            // The socket of a proxy that opens one for each request.
            let mut further = hub.connect();
            assert_eq!(client.poll(&mut further), format!(r#"{{"type":7,"allowReconnect":true}}{RS}"#), "{threads}");
            further.assert_ends();
        }
        assert_eq!(hub.exit_code(), Some(0), "nobody is waited for any longer");
    }
}

#[test]
fn who_negotiates_by_another_name_is_sent_to_the_hubs_own_and_no_further() {
    let hub = Hub::start_with(&["server.public_url=http://node-1.example/rte"]);
    let token = hub.client_token();
    let negotiate = |query: &str, host: &str, authorization: &str| {
        let line = request(&format!("POST /rte/negotiate?{query}negotiateVersion=1"), &[authorization], "{}");
        let mut wire = hub.connect();
        wire.send(line.replace("Host: hub.example", &format!("Host: {host}")).as_bytes());
        wire.reply()
    };
    let header = format!("Authorization: Bearer {token}");
    let sent_on = json!({ "url": "http://node-1.example/rte?direct=1", "accessToken": token });
    let reply = negotiate("", "hub.example", &header);
    assert_eq!((reply.header("cache-control"), reply.json()), (Some("no-store"), sent_on.clone()));
    assert_eq!(negotiate(&format!("access_token={token}&"), "hub.example", "X: y").json(), sent_on);
    assert_eq!(negotiate("", "hub.example", "X: y").status, 401);
    for (query, host) in [("", "Node-1.example"), ("direct=1&", "hub.example"), ("direct=1&", "127.0.0.1:8080")] {
        let offer = negotiate(query, host, &header).json();
        assert!(offer["connectionToken"].is_string() && offer.get("url").is_none(), "{offer}");
    }
}

#[test]
fn polls_that_all_return_at_once_are_more_than_strangers_max_and_none_is_cut_by_who_comes_then() {
    let hub = Hub::start_with(&["server.threads=1", "limits.strangers_max=8"]);
    let mut pages: Vec<_> = (0..20)
        .map(|_| {
            let mut wire = hub.connect();
            let client = Client::polling(&hub, &mut wire);
            client.subscribes(&mut wire);
            assert!(client.poll(&mut wire).contains(r#""subscribed":true"#));
            wire.send(client.request("GET", &[], "").as_bytes());
            (client, wire)
        })
        .collect();
    for mark in ["first", "second", "third"] {
        publish(&hub, mark);
        for (_, wire) in &mut pages {
            assert!(wire.reply().body.contains(mark));
        }
        // All of them are between two polls.
        let _others: Vec<Wire> = (0..6).map(|_| hub.connect()).collect();
        assert_eq!(hub.request("GET /healthz", &[], "").status, 200);
        for (client, wire) in &mut pages {
            wire.send(client.request("GET", &[], "").as_bytes());
        }
    }
    publish(&hub, "last");
    assert!(pages.iter_mut().all(|(_, wire)| wire.reply().body.contains("last")));
    assert_eq!(hub.metric("rte_connections_closed_total{reason=\"made_room\"} "), 0.0);
}

#[test]
fn a_body_may_come_in_pieces_or_chunks_and_a_message_in_several_bodies_over_several_sockets() {
    let hub = Hub::start_with(&["server.threads=2"]);
    let (mut wire, mut posts, mut others) = (hub.connect(), hub.connect(), hub.connect());
    let client = Client::polling(&hub, &mut wire);
    let record = format!(r#"{{"type":1,"invocationId":"1","target":"UnsubscribeAll","arguments":[]}}{RS}"#);
    let completion = format!(r#"{{"type":3,"invocationId":"1","result":true}}{RS}"#);
    for byte in client.request("POST", &[], &record).into_bytes() {
        posts.send(&[byte]);
    }
    assert_eq!((posts.reply().status, client.poll(&mut wire).as_str()), (200, completion.as_str()));
    let (begin, rest) = record.split_at(20);
    assert_eq!(client.ask(&mut posts, "POST", begin).status, 200);
    assert_eq!(client.ask(&mut others, "POST", "").status, 200);
    assert_eq!(client.ask(&mut others, "POST", rest).status, 200);
    assert_eq!(client.poll(&mut wire), completion);
    let head = client.request("POST", &["Transfer-Encoding: chunked"], "");
    let head = head.replace("Content-Length: 0\r\n", "");
    posts.send(format!("{head}{:x}\r\n{begin}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", begin.len(), rest.len()).as_bytes());
    assert_eq!((posts.reply().status, client.poll(&mut wire).as_str()), (200, completion.as_str()));
}

#[test]
fn a_message_too_long_ends_a_connection_of_each_transport_behind_the_good_ones() {
    let hub = Hub::start_with(&["limits.record_bytes_max=1000"]);
    let (mut wire, mut posts) = (hub.connect(), hub.connect());
    let good = r#"{"type":1,"invocationId":"1","target":"UnsubscribeAll","arguments":[]}"#;
    let long = format!(r#"{good}{RS}{{"type":1,"target":"{}"#, "x".repeat(1_000));
    let is_told = |told: &str| {
        let (completion, close) = told.split_once(RS).unwrap();
        completion.contains(r#""result":true"#) && close.starts_with(r#"{"type":7,"error":"message_too_long: "#)
    };
    let client = Client::polling(&hub, &mut wire);
    assert_eq!(client.ask(&mut posts, "POST", &long).status, 200);
    assert!(is_told(&client.poll(&mut wire)));
    assert_eq!(client.ask(&mut wire, "GET", "").status, 204);
    let (client, mut stream) = Client::streaming(&hub, &mut posts);
    assert_eq!(client.ask(&mut posts, "POST", &long).status, 200);
    assert!(is_told(&[stream.event(), stream.event()].concat()));
    // MessagePack says the length first.
    let client = Client::negotiated(&hub);
    assert_eq!(client.ask(&mut wire, "GET", "").status, 200);
    client.says(&mut posts, r#"{"protocol":"messagepack","version":1}"#);
    assert_eq!(client.poll(&mut wire), format!("{{}}{RS}"));
    let head = client.request("POST", &[], "..");
    posts.send(&[head.trim_end_matches('.').as_bytes(), &[0xE9, 0x07]].concat());
    assert_eq!(posts.reply().status, 200);
    wire.send(client.request("GET", &[], "").as_bytes());
    assert!(wire.reply_in_bytes().1.windows(17).any(|bytes| bytes == b"message_too_long:"));
}
