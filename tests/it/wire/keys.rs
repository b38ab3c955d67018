//! Keys that change while the hub runs: SIGHUP, and sets at an address.

use crate::support::{Folder, Hub, ORGANIZATION, serve};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// An issuer with one key of that number.
pub(super) struct Issuer {
    id: String,
    pair: Ed25519KeyPair,
}

impl Issuer {
    pub(super) fn new(number: u8) -> Issuer {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
        Issuer { id: format!("key-{number}"), pair }
    }

    fn jwk(&self) -> Value {
        let x = BASE64.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x })
    }

    pub(super) fn token(&self) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let claims = json!({ "exp": 4_102_444_800_u64, "org": ORGANIZATION, "iss": "https://id.example.com" });
        let signed = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": self.id })), part(&claims));
        format!("{signed}.{}", BASE64.encode(self.pair.sign(signed.as_bytes()).as_ref()))
    }
}

pub(super) fn set(issuers: &[&Issuer]) -> String {
    json!({ "keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The status of a negotiate with the issuer's token.
fn status(hub: &Hub, issuer: &Issuer) -> u16 {
    hub.request("POST /rte/negotiate", &[&format!("Authorization: Bearer {}", issuer.token())], "").status
}

/// Serves one text at any path, and counts who asked; an empty text is a 500.
struct Site {
    url: String,
    text: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Site {
    fn start(text: &str) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let site = Site { url, text: Arc::new(Mutex::new(text.to_owned())), asked: Arc::default() };
        let (text, asked) = (Arc::clone(&site.text), Arc::clone(&site.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                asked.fetch_add(1, Ordering::SeqCst);
                answer(stream, &text.lock().unwrap());
            }
        });
        site
    }

    fn says(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }
}

fn answer(stream: impl Read + Write, text: &str) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|count| count > 2) {
        line.clear();
    }
    let status = if text.is_empty() { "500 Down" } else { "200 OK" };
    let length = text.len();
    let _ =
        write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}");
    let _ = stream.get_mut().flush();
}

/// A hub with this file as its configuration, and no key of the environment.
fn hub_of(folder: &Folder) -> Hub {
    let mut command = serve();
    command.env_remove("RTE_AUTH_SECRET").args(["--config", &folder.file("rte.toml")]);
    Hub::launch(command, &[])
}

/// A hub whose only keys are at that address.
fn hub_at(url: &str) -> Hub {
    let mut command = serve();
    command.env_remove("RTE_AUTH_SECRET");
    Hub::launch(command, &[&format!("auth.jwks_url={url}")])
}

#[test]
fn sighup_reads_configuration_and_keys_again_and_says_what_changed() {
    let (a, b) = (Issuer::new(1), Issuer::new(2));
    let text = "[auth]\njwks_file = \"jwks.json\"\n";
    let folder = Folder::new("keys-keys", &[("rte.toml", text), ("jwks.json", &set(&[&a]))]);
    let hub = hub_of(&folder);
    assert_eq!((status(&hub, &a), status(&hub, &b)), (200, 401));
    let mut live = hub.client_with(&a.token());

    folder.write("jwks.json", &set(&[&a, &b]));
    hub.reload();
    hub.await_log("info reloaded events=41 added=0 keys=2 new_keys=1 gone_keys=0\n");
    assert_eq!((status(&hub, &a), status(&hub, &b)), (200, 200));

    folder.write("jwks.json", &set(&[&b]));
    folder.write("rte.toml", &format!("{text}issuer = \"https://id.example.com\"\nleeway_s = 0\n"));
    hub.reload();
    hub.await_log("keys=1 new_keys=1 gone_keys=2 changed=auth.issuer,auth.leeway_s\n");
    assert_eq!((status(&hub, &a), status(&hub, &b)), (401, 200));
    assert!(live.invoke("UnsubscribeAll", "[]").contains("true"), "who is connected stays");
}

#[test]
fn a_reload_is_all_or_nothing_and_names_what_cannot_change() {
    let (a, b) = (Issuer::new(1), Issuer::new(2));
    let good = "[auth]\njwks_file = \"jwks.json\"\n";
    let folder = Folder::new("keys-refusals", &[("rte.toml", good), ("jwks.json", &set(&[&a]))]);
    let hub = hub_of(&folder);
    let both = set(&[&a, &b]);
    for (text, keys, why) in [
        (format!("{good}tenancy = \"single\"\n"), both.as_str(), "`auth.tenancy` can't change while the hub runs"),
        (format!("{good}[server]\npath = \"/x\"\n"), &both, "`server.path` can't change"),
        (format!("{good}[limits]\nitems_max = 7\n"), &both, "`limits.items_max` can't change"),
        (format!("{good}[derive]\nUserCallbackChanged = false\n"), &both, "`derive.UserCallbackChanged` can't change"),
        (format!("{good}issuers = \"x\"\n"), &both, "unknown key `issuers`"),
        (good.to_owned(), "{\"keys\":[]}", "none of the 0 keys"),
        (good.to_owned(), "not json", "this is not a JWK set"),
        ("[auth]\n".to_owned(), &both, "there is no key"),
        (
            "[auth]\njwks_url = \"http://127.0.0.1:1/jwks\"\n".to_owned(),
            &both,
            "http://127.0.0.1:1/jwks: io: Connection refused",
        ),
    ] {
        folder.write("rte.toml", &text);
        folder.write("jwks.json", keys);
        hub.reload();
        hub.await_log(&format!("error reload_refused why=\"{}", if why.starts_with('`') { why } else { "" }));
        hub.await_log(why);
        assert_eq!((status(&hub, &a), status(&hub, &b)), (200, 401), "{text}");
    }
    assert!(!hub.log().contains("info reloaded"), "{}", hub.log());
    folder.write("rte.toml", good);
    folder.write("jwks.json", &both);
    hub.reload();
    hub.await_log("keys=2 new_keys=1");
    assert_eq!(status(&hub, &b), 200);
}

#[test]
fn a_broken_key_of_a_set_is_told_at_the_start_and_the_others_serve() {
    let a = Issuer::new(1);
    let weak = json!({ "kty": "RSA", "n": "AAEB", "e": "AQAB", "kid": "weak" });
    let text = json!({ "keys": [weak, a.jwk(), { "kty": "RSA", "use": "enc" }] }).to_string();
    let folder =
        Folder::new("keys-broken-key", &[("rte.toml", "[auth]\njwks_file = \"jwks.json\"\n"), ("jwks.json", &text)]);
    let hub = hub_of(&folder);
    assert_eq!(status(&hub, &a), 200);
    let told = "warn warning name=configuration why=\"auth.jwks_file: passed over: `keys[0]` of the JWK set: the RSA key has 9 bits";
    assert!(hub.log().contains(told), "{}", hub.log());
}

#[test]
fn a_set_at_an_address_is_fetched_for_a_key_that_nobody_has_and_not_for_each_such_token() {
    let (a, b, c) = (Issuer::new(1), Issuer::new(2), Issuer::new(3));
    let site = Site::start(&set(&[&a]));
    let asked = || site.asked.load(Ordering::SeqCst);
    let hub = hub_at(&format!("{}?key=hidden", site.url));
    hub.await_log("info keys_fetched url=http://127.0.0.1:");
    assert_eq!((status(&hub, &a), asked()), (200, 1));

    site.says(&set(&[&a, &b]));
    assert_eq!(status(&hub, &b), 401, "its key is asked for only now");
    hub.await_log(" new=1 gone=0\n");
    hub.await_log("keys=2 new=1");
    assert_eq!((status(&hub, &b), status(&hub, &a), asked()), (200, 200, 2));

    site.says(&set(&[&c]));
    for _ in 0..50 {
        assert_eq!(status(&hub, &c), 401);
    }
    assert_eq!(asked(), 2, "not before 30 s are over");
    assert!(!hub.log().contains("hidden"), "{}", hub.log());
}

#[test]
fn keys_stay_while_their_issuer_is_down_or_odd() {
    let (a, b) = (Issuer::new(1), Issuer::new(2));
    for odd in
        ["", "<html>down for maintenance</html>", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"]
    {
        let site = Site::start(&set(&[&a]));
        let hub = hub_at(&site.url);
        site.says(odd);
        assert_eq!(status(&hub, &b), 401);
        hub.await_log("warn keys_not_fetched url=http://127.0.0.1:");
        assert_eq!(status(&hub, &a), 200, "{odd}");
        hub.reload();
        hub.await_log("info reloaded");
        assert_eq!(status(&hub, &a), 200, "a reload forgets nothing: {odd}");
    }
}

#[test]
fn a_hub_starts_while_its_issuer_is_down() {
    let a = Issuer::new(1);
    let site = Site::start("");
    let folder = Folder::new("keys-down", &[("rte.toml", &format!("[[auth.keys]]\njwks_url = \"{}\"\n", site.url))]);
    let mut command = serve();
    command.args(["--config", &folder.file("rte.toml")]);
    let hub = Hub::launch(command, &[]);
    assert!(hub.log().contains("warn keys_not_fetched"), "{}", hub.log());
    assert_eq!(status(&hub, &a), 401);
    let own = hub.request_as_client("POST /rte/negotiate", &[]);
    assert_eq!(own.status, 200, "the other keys serve");
    hub.reload();
    hub.await_log("info reloaded events=41 added=0 keys=1");
}

#[test]
fn an_address_comes_and_goes_by_reload() {
    let (a, b) = (Issuer::new(1), Issuer::new(2));
    let site = Site::start(&set(&[&b]));
    let by_file = "[auth]\njwks_file = \"jwks.json\"\n";
    let by_url = format!("{by_file}[[auth.keys]]\njwks_url = \"{}\"\n", site.url);
    let folder = Folder::new("keys-address", &[("rte.toml", by_file), ("jwks.json", &set(&[&a]))]);
    let hub = hub_of(&folder);
    folder.write("rte.toml", &by_url);
    hub.reload();
    hub.await_log("keys=2 new_keys=1 gone_keys=0 changed=auth.keys\n");
    assert_eq!((status(&hub, &a), status(&hub, &b)), (200, 200));
    site.says(&set(&[&a, &b]));
    let c = Issuer::new(3);
    assert_eq!(status(&hub, &c), 401);
    hub.await_log("key_passed_over");
    folder.write("rte.toml", by_file);
    hub.reload();
    hub.await_log("keys=1 new_keys=0 gone_keys=1 changed=auth.keys\n");
    assert_eq!((status(&hub, &a), status(&hub, &b)), (200, 401));
}

/// A certificate for `localhost` by an authority of its own, both good until 2126, made by OpenSSL
/// and used nowhere else.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUTWXZ45LMFE/3qhsCosnOOJ/NDewwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLcnRlIHRlc3QgQ0EwIBcNMjYxMTI2MDIxNzU1WhgPMjEyNjEx
MDIwMjE3NTVaMBYxFDASBgNVBAMMC3J0ZSB0ZXN0IENBMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAE7s8DYMEhMhYAZ0T9RMhwymVb1FB6mz6X1GNzh7jLEEo/0JMw
9hoSFuB8+hrDv17Ona+DzfT7dl5eOEcAxIZaYaNjMGEwHQYDVR0OBBYEFOaHKmf/
4k4ZVkd/wcu+u+VRobHLMB8GA1UdIwQYMBaAFOaHKmf/4k4ZVkd/wcu+u+VRobHL
MA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoGCCqGSM49BAMCA0cA
MEQCIAee/pyy62FWa9MzAx/OaQapiAwxeN5ws7fte5jrEkuPAiB5OX5VxL7hZ9bu
/cu83Q3RWDrF8nYRd28rzHQVteTKtg==
-----END CERTIFICATE-----
";
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBpjCCAUygAwIBAgIUPLyXT7JZCyla7ln3zaix9uWVHZcwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLcnRlIHRlc3QgQ0EwIBcNMjYxMTI2MDIxNzU2WhgPMjEyNjEx
MDIwMjE3NTZaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABDMsK46iw1i0K+brPF0BbZoYAQvZI2F/oRJjE25Px8WcYwLqPd52
AJKw7xHC3+uudDF+tKx++0fXEJMKiDxmX2ejeDB2MAkGA1UdEwQCMAAwFAYDVR0R
BA0wC4IJbG9jYWxob3N0MBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBRy
gJNz+GM0Il1NHKTw9PcTVDa9aTAfBgNVHSMEGDAWgBTmhypn/+JOGVZHf8HLvrvl
UaGxyzAKBggqhkjOPQQDAgNIADBFAiAJ977/slnHnJJ1i4DtfOVeHNrzyjq2cjsj
itLnj429SQIhAKdpcHHYnpAqxy9/jjjUFMvF1Ihb+2qouKCgGuwjBwTK
-----END CERTIFICATE-----
";
const PRIVATE: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvWpkVwJTRQeq3YCE
wg5AbOGWgXS+1aNe1+oz87JSmcWhRANCAAQzLCuOosNYtCvm6zxdAW2aGAEL2SNh
f6ESYxNuT8fFnGMC6j3edgCSsO8Rwt/rrnQxfrSsfvtH1xCTCog8Zl9n
-----END PRIVATE KEY-----
";

/// Serves a text over TLS.
fn tls_site(text: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/jwks", listener.local_addr().unwrap().port());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PRIVATE.as_bytes()).unwrap();
    let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            answer(rustls::StreamOwned::new(connection, stream), &text);
        }
    });
    url
}

#[test]
fn a_set_is_fetched_over_tls_from_whom_this_machine_trusts_and_from_nobody_else() {
    let a = Issuer::new(1);
    let url = tls_site(set(&[&a]));
    let folder = Folder::new("keys-trust", &[("authority.pem", AUTHORITY)]);
    let mut trusting = serve();
    trusting.env_remove("RTE_AUTH_SECRET").env("SSL_CERT_FILE", folder.file("authority.pem"));
    let hub = Hub::launch(trusting, &[&format!("auth.jwks_url={url}")]);
    assert_eq!(status(&hub, &a), 200, "{}", hub.log());
    let hub = hub_at(&url);
    hub.await_log("warn keys_not_fetched");
    assert!(hub.log().contains("certificate"), "{}", hub.log());
    assert_eq!(status(&hub, &a), 401);
}
