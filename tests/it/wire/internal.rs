//! The listener for the inside.

use crate::support::{Hub, UPGRADE, Wire, request, serve_inside_on};
use std::io::{Read, Write};
use std::net::TcpListener;

const INTERNAL: &str = "server.internal=127.0.0.1:0";
const EVENT: &str = r#"{"eventName":"UserQueueAlert","entityId":"c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3","data":{"queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support"}}"#;

fn publish(hub: &Hub) -> String {
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    request("POST /publish", &[&authorization, "Content-Type: application/json"], EVENT)
}

fn published(hub: &Hub) -> u16 {
    let mut wire = hub.connect_inside();
    wire.send(publish(hub).as_bytes());
    wire.reply().status
}

#[test]
fn each_route_is_at_its_listener_and_the_other_one_says_where() {
    for threads in ["server.threads=1", "server.threads=2"] {
        let hub = Hub::start_with(&[INTERNAL, threads]);
        for line in ["GET /metrics", "POST /publish", "OPTIONS /publish", "GET /reference", "GET /schemas/index.json"] {
            let reply = hub.request(line, &["Origin: https://app.example"], "");
            assert_eq!(reply.status, 404, "{line}");
            assert!(reply.body.contains("server.internal"), "{reply:?}");
            assert_eq!(reply.header("access-control-allow-origin"), None, "{line}");
        }
        for line in ["GET /healthz", "GET /readyz"] {
            assert_eq!((hub.request(line, &[], "").status, hub.request_inside(line, &[], "").status), (200, 200));
        }
        let mut client = hub.websocket(&format!("/rte?id={}", hub.negotiate()));
        for line in ["GET /metrics", "GET /reference", "GET /openapi.json"] {
            assert_eq!(hub.request_inside(line, &[], "").status, 200, "{line}");
        }
        assert_eq!(published(&hub), 202);
        for line in ["GET /rte", "POST /rte/negotiate"] {
            let reply = hub.request_inside(line, &[], "");
            assert!(reply.status == 404 && reply.body.contains("server.listen"), "{line}: {reply:?}");
        }
        client.close(1000);
    }
    let hub = Hub::start_with(&[INTERNAL, "server.public_documents=true"]);
    assert_eq!(["GET /reference", "GET /metrics"].map(|line| hub.request(line, &[], "").status), [200, 404]);
}

/// The status of what it hears; 0 where it is cut off.
fn status(wire: &mut Wire) -> u16 {
    let mut line = [0; 12];
    let is_heard = wire.stream().read_exact(&mut line).is_ok();
    if is_heard { std::str::from_utf8(&line[9..]).unwrap().parse().unwrap() } else { 0 }
}

#[test]
fn the_inside_is_reached_when_the_public_side_is_full() {
    let hub = Hub::start_with_descriptors(160, &[INTERNAL]);
    let authorization = format!("Authorization: Bearer {}", hub.client_token());
    let upgrade = request("GET /rte", &[&[authorization.as_str()], &UPGRADE[..]].concat(), "");
    let mut crowd: Vec<_> = (0..200).map(|_| hub.connect()).collect();
    let statuses: Vec<u16> = crowd
        .iter_mut()
        .map(|wire| {
            // Some had to make room for others before they said a word.
            let _ = wire.stream().write(upgrade.as_bytes());
            status(wire)
        })
        .collect();
    let clients = statuses.iter().filter(|status| **status == 101).count();
    assert!((20..=80).contains(&clients), "{statuses:?}");
    let mut more: Vec<_> = (0..100).map(|_| hub.connect()).collect();
    more.iter_mut().for_each(|wire| drop(wire.stream().write(upgrade.as_bytes())));
    for line in ["GET /healthz", "GET /readyz", "GET /metrics"] {
        assert_eq!(hub.request_inside(line, &[], "").status, 200, "{line}");
    }
    assert_eq!(published(&hub), 202);
}

#[test]
fn who_has_not_published_for_longest_makes_room_inside() {
    let hub = Hub::start_with(&[INTERNAL, "server.threads=1", "limits.internal_max=8"]);
    let mut publisher = hub.connect_inside();
    let mut idle = hub.connect_inside();
    for _ in 0..5 {
        publisher.send(publish(&hub).as_bytes());
        assert_eq!(publisher.reply().status, 202);
        let _crowd: Vec<_> = (0..7).map(|_| hub.connect_inside()).collect();
    }
    idle.assert_ends();
    let metrics = hub.request_inside("GET /metrics", &[], "").body;
    let count = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(count("rte_internal_connections ") <= 8.0 && count("rte_strangers ") < 1.0, "{metrics}");
}

#[test]
fn a_passed_socket_of_that_name_is_the_one_for_the_inside() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = Hub::launch(serve_inside_on(&socket), &[]);
    assert_eq!(hub.inside(), socket.local_addr().unwrap());
    assert_eq!(published(&hub), 202);
    assert_eq!([hub.request("GET /metrics", &[], "").status, hub.request("GET /healthz", &[], "").status], [404, 200]);
    let mut next = Hub::launch(serve_inside_on(&socket), &[]);
    drop(hub);
    assert_eq!(published(&next), 202);
    next.terminate();
    assert_eq!(next.exit_code(), Some(0), "{}", next.log());
}
