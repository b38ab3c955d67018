//! The built hub as a child process, tokens for it, and what the suite asks of it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

/// How long anything may take before a test is given up; nothing waits for this long where all is
/// well.
pub const PATIENCE: Duration = Duration::from_secs(20);

const ORGANIZATION: &str = "0b9a4f5e-7a51-4a0f-9d0e-5d1f2c3b4a59";
pub const USER: &str = "c9eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
pub const OTHER_USER: &str = "a1eeb030-ff4b-ea11-ac9c-00155d4fdcf3";
const EVENT: &str = "UserCallInComing";

/// A hub on a port of loopback.
pub struct Hub {
    child: Child,
    pub port: u16,
    secret: String,
}

impl Hub {
    pub fn start() -> Hub {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Hub::start_at(0, format!("a secret of {} nanoseconds", now.as_nanos()))
    }

    fn start_at(port: u16, secret: String) -> Hub {
        let listen = format!("server.listen=127.0.0.1:{port}");
        let mut child = rte(&secret, &["serve", "--set", &listen]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the hub does not listen");
            if let Some((_, place)) = line.split_once("listening address=127.0.0.1:") {
                break place.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        // The pipe is read to its end, so that the hub never waits for it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Hub { child, port, secret }
    }

    /// Another one in its place, once it has ended.
    pub fn again(&self) -> Hub {
        Hub::start_at(self.port, self.secret.clone())
    }

    /// Asks it to drain, and waits for its end.
    pub fn drain(&mut self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    pub fn client_token(&self) -> String {
        client_token(&self.secret)
    }

    /// Publishes one call to each of the users, in this order.
    pub fn publish(&self, users: &[&str]) {
        let items: Vec<Value> = users.iter().map(|user| json!({ "eventName": EVENT, "data": call_in(user) })).collect();
        let mut child = rte(&self.secret, &["publish", "--url", &format!("http://127.0.0.1:{}", self.port)])
            .env("RTE_TOKEN", token(&self.secret, &["--scope", "publish"]))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(json!(items).to_string().as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, which has this secret and nothing else of its environment.
fn rte(secret: &str, arguments: &[&str]) -> Command {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../target/debug/rte").into();
    let mut command = Command::new(std::env::var_os("HUB_BINARY").unwrap_or(built));
    command.args(arguments).env_clear().env("RTE_AUTH_SECRET", secret);
    command
}

/// A token that this secret signs, made with these options of `rte token`.
fn token(secret: &str, options: &[&str]) -> String {
    let output = rte(secret, &["token", "--org", ORGANIZATION]).args(options).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A client's, which is good for a hub that has this secret.
pub fn client_token(secret: &str) -> String {
    token(secret, &["--sub", USER, "--grant", "user/*"])
}

/// The data of one call.
fn call_in(user: &str) -> Value {
    json!({
        "callerNumber": "+358401234567",
        "callId": "2f7f0a54-1f0b-4c0b-9a3a-7f1f4c1d9e02",
        "legId": "leg-1",
        "organizationId": ORGANIZATION,
        "targetNumber": "+358101234567",
        "userId": user,
        "username": "päivi@example.com",
    })
}

pub fn pair(entity: &str) -> Value {
    json!({ "EntityId": entity, "EventName": EVENT })
}

pub fn verdict(entity: &str, subscribed: bool) -> Value {
    json!({ "subscribed": subscribed, "message": null, "entityId": entity, "eventName": EVENT.to_lowercase() })
}

/// What arrives for a call to that user.
pub fn message(user: &str) -> Value {
    json!({ "subscription": { "entityId": user, "eventName": EVENT.to_lowercase() }, "data": call_in(user) })
}
