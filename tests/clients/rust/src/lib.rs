//! `signalr-client`: WebSockets alone, its token in the URL of the upgrade, and no ping ever.
#![cfg(test)]

mod hub;

use hub::{Hub, OTHER_USER, PATIENCE, USER, client_token, message, pair, verdict};
use serde_json::{Value, json};
use signalr_client::{ArgumentConfiguration, InvocationContext, SignalRClient};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

const PROTOCOLS: [&str; 2] = ["json", "messagepack"];

/// A connection with its messages in a queue.
struct Client {
    connection: SignalRClient,
    messages: UnboundedReceiver<Value>,
}

impl Client {
    async fn connect(hub: &Hub, token: &str, protocol: &str) -> Result<Client, String> {
        let mut connection = SignalRClient::connect_with("127.0.0.1", "rte", |options| {
            options.with_port(i32::from(hub.port));
            options.unsecure();
            options.authenticate_bearer(token.to_owned());
            if protocol == "messagepack" {
                options.with_messagepack_protocol();
            }
        })
        .await?;
        let (told, messages) = unbounded_channel();
        let hear = move |message: InvocationContext| drop(told.send(message.argument(0).unwrap()));
        let _ = connection.register("MessageReceived".to_owned(), hear);
        Ok(Client { connection, messages })
    }

    async fn invoke(&mut self, method: &str, argument: Value) -> Value {
        let argued = |options: &mut ArgumentConfiguration| {
            options.argument(argument.clone());
        };
        let answer = self.connection.invoke_with_args(method.to_owned(), argued);
        timeout(PATIENCE, answer).await.expect("an answer").unwrap()
    }

    /// Nobody tells when a connection is over: it takes nothing any more.
    async fn end(&mut self) {
        let takes_nothing = async { while self.connection.send("UnsubscribeAll".to_owned()).await.is_ok() {} };
        timeout(PATIENCE, takes_nothing).await.expect("the end of the connection");
    }

    async fn next(&mut self) -> Value {
        timeout(PATIENCE, self.messages.recv()).await.expect("a message").unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_refused_with_a_bad_or_no_token() {
    let hub = Hub::start();
    for token in ["", "not.a.token", &client_token("a secret that this hub does not have")] {
        assert!(Client::connect(&hub, token, "json").await.is_err(), "{token:?}");
    }
    // The client does not tell of a status.
    let metrics = hub.metrics();
    for refusals in ["rte_refusals_total{reason=\"no_token\"} 1\n", "rte_refusals_total{reason=\"bad_token\"} 2\n"] {
        assert!(metrics.contains(refusals), "{refusals}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_receives_and_after_unsubscribe_no_more() {
    let hub = Hub::start();
    for protocol in PROTOCOLS {
        let mut client = Client::connect(&hub, &hub.client_token(), protocol).await.unwrap();
        let verdicts = client.invoke("Subscribe", json!([pair(USER), pair(OTHER_USER), pair("not-a-guid")])).await;
        let mut refused = verdict("not-a-guid", false);
        refused["message"] = json!("Invalid EntityId");
        assert_eq!(verdicts, json!([verdict(USER, true), verdict(OTHER_USER, true), refused]), "{protocol}");
        hub.publish(&[USER]);
        assert_eq!(client.next().await, message(USER), "{protocol}");
        let refreshed = client.invoke("RefreshToken", json!(hub.client_token())).await;
        assert_eq!((&refreshed["removed"], &refreshed["changed"]), (&json!([]), &json!([])), "{protocol}");
        assert_eq!(client.invoke("Unsubscribe", json!([pair(USER)])).await, json!([verdict(USER, false)]));
        // What follows on the other topic proves that nothing came on this one: one publisher's
        // order is kept.
        hub.publish(&[USER, OTHER_USER]);
        assert_eq!(client.next().await, message(OTHER_USER), "{protocol}");
        assert!(client.messages.is_empty(), "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_a_drain_and_another_connection_is_served_by_the_hub_that_is_back() {
    let mut hub = Hub::start();
    for protocol in PROTOCOLS {
        let mut client = Client::connect(&hub, &hub.client_token(), protocol).await.unwrap();
        client.invoke("Subscribe", json!([pair(USER)])).await;
        hub.drain();
        client.end().await;
        hub = hub.again();
        let mut client = Client::connect(&hub, &hub.client_token(), protocol).await.unwrap();
        client.invoke("Subscribe", json!([pair(USER)])).await;
        hub.publish(&[USER]);
        assert_eq!(client.next().await, message(USER), "{protocol}");
    }
}

#[test]
fn the_guide_names_what_was_tried() {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock.split_once("name = \"signalr-client\"\nversion = \"").unwrap();
    let row = format!("| `signalr-client` {} | {} |  |  |\n", &rest[..rest.find('"').unwrap()], PROTOCOLS.join(", "));
    assert!(include_str!("../../../../src/guide/compatibility.md").contains(&row), "{row}");
}
