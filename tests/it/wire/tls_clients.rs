//! `rte` as the client of hubs with TLS, and what it says where that fails.

use crate::support::{Folder, Hub, USER, rte, serve};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use std::io::{BufRead, BufReader, Read};
use std::process::{Output, Stdio};

/// What a certificate is like.
type Change = fn(&mut CertificateParams);

const HERE: [&str; 2] = ["localhost", "127.0.0.1"];

/// A hub with a certificate for these names, which no authority has signed.
struct Secure {
    folder: Folder,
    hub: Hub,
}

/// The files of a certificate, and the settings that name them.
fn certified(name: &str, names: &[&str], change: Change) -> (Folder, [String; 2]) {
    let folder = Folder::new(name, &[]);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>()).unwrap();
    change(&mut params);
    folder.write("rte.pem", &params.self_signed(&key).unwrap().pem());
    folder.write("rte.key", &key.serialize_pem());
    folder.write("item.json", &item());
    let settings = [
        format!("server.tls_certificate={}", folder.file("rte.pem")),
        format!("server.tls_key={}", folder.file("rte.key")),
    ];
    (folder, settings)
}

fn item() -> String {
    let data = r#"{"queueId":"cbeeb190-ff4b-ea11-ac9c-00155d4fdcf3","queueName":"Support"}"#;
    format!(r#"{{"eventName":"UserQueueAlert","entityId":"{USER}","data":{data}}}"#)
}

impl Secure {
    fn new(name: &str, names: &[&str], change: Change) -> Secure {
        let (folder, settings) = certified(name, names, change);
        let hub = Hub::launch(serve(), &settings.each_ref().map(String::as_str));
        Secure { folder, hub }
    }

    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.hub.address())
    }

    /// Publishes one item there, on a machine that trusts the certificates of `machine`.
    fn publish(&self, scheme: &str, ca: &str, machine: &str) -> Output {
        publish(&self.folder, &self.hub, &self.url(scheme), ca, machine)
    }
}

fn publish(folder: &Folder, hub: &Hub, url: &str, ca: &str, machine: &str) -> Output {
    let mut command = rte();
    command.env("SSL_CERT_FILE", folder.file(machine)).env_remove("SSL_CERT_DIR");
    command.args(["publish", "--url", url, &folder.file("item.json")]).env("RTE_TOKEN", hub.publisher_token());
    if !ca.is_empty() {
        command.args(["--ca", &folder.file(ca)]);
    }
    command.output().unwrap()
}

/// What a command that gets no answer says.
fn fault(hub: &Hub, output: Output) -> String {
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(!said.contains(&hub.publisher_token()), "{said}");
    said
}

#[test]
fn listen_publish_and_why_reach_a_hub_with_tls_by_the_authority_that_they_are_given() {
    let secure = Secure::new("tls-commands", &HERE, |_| ());
    let ca = secure.folder.file("rte.pem");
    let topic = format!("{USER}:UserQueueAlert");
    let mut listen = rte();
    listen.args(["listen", "--url", &secure.url("wss"), "--ca", &ca, "--count", "1", "--timeout", "20", &topic]);
    listen.env("RTE_TOKEN", secure.hub.client_token()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut listen = listen.spawn().unwrap();
    let mut remarks = BufReader::new(listen.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(remarks.any(|line| line.starts_with("subscribed")));

    secure.folder.write("publisher.jwt", &secure.hub.publisher_token());
    let mut why = rte();
    why.args(["why", "--url", &secure.url("https"), "--ca", &ca, &topic, "--publisher-token-file"]);
    let why = why.arg(secure.folder.file("publisher.jwt")).env("RTE_TOKEN", secure.hub.client_token());
    let why = String::from_utf8(why.output().unwrap().stdout).unwrap();
    assert!(why.contains("takes the subscription") && why.contains("members       1"), "{why}");

    let published = secure.publish("https", "rte.pem", "none.pem");
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let mut heard = String::new();
    listen.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    assert!(heard.contains("Support"), "{heard}");
    assert_eq!(listen.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_file_the_authorities_of_the_machine_count_and_with_one_they_do_not() {
    let secure = Secure::new("tls-machine", &HERE, |_| ());
    let (other, _) = certified("tls-machine-other", &HERE, |_| ());
    let other = std::fs::read_to_string(other.file("rte.pem")).unwrap();
    secure.folder.write("other.pem", &other);
    assert_eq!(secure.publish("https", "", "rte.pem").status.code(), Some(0));
    let said = fault(&secure.hub, secure.publish("https", "other.pem", "rte.pem"));
    assert!(said.contains("UnknownIssuer") || said.contains("BadSignature"), "{said}");
}

#[test]
fn each_certificate_that_will_not_do_is_told_with_what_to_do() {
    let cases: [(&[&str], Change, &str, &str); 5] = [
        (&HERE, |_| (), "", "with --ca"),
        (&["hub.example"], |_| (), "rte.pem", "with a name that it has"),
        (&HERE, |params| params.not_after = date_time_ymd(2020, 1, 1), "rte.pem", "has to renew it"),
        (&HERE, |params| params.not_before = date_time_ymd(2090, 1, 1), "rte.pem", "look at the clocks"),
        (&HERE, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained), "rte.pem", "CA:FALSE"),
    ];
    for (number, (names, change, ca, advice)) in cases.into_iter().enumerate() {
        let secure = Secure::new(&format!("tls-wrong-{number}"), names, change);
        let said = fault(&secure.hub, secure.publish("https", ca, "none.pem"));
        assert!(said.contains(advice), "{advice}: {said}");
    }
}

#[test]
fn the_wrong_scheme_for_a_port_is_told_either_way() {
    let secure = Secure::new("tls-scheme", &HERE, |_| ());
    let output = secure.publish("http", "", "none.pem");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("use https://"), "{said}");

    let plain = Hub::launch(serve(), &[]);
    let url = format!("https://{}", plain.address());
    let said = fault(&plain, publish(&secure.folder, &plain, &url, "rte.pem", "none.pem"));
    assert!(said.contains("write http://"), "{said}");
}

#[test]
fn a_file_that_holds_no_certificate_is_wrong_usage() {
    let secure = Secure::new("tls-no-ca", &HERE, |_| ());
    for (file, why) in [("item.json", "no PEM file"), ("rte.key", "no PEM file"), ("none.pem", "No such file")] {
        let output = secure.publish("https", file, "none.pem");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && !said.contains("PRIVATE"), "{said}");
    }
}

#[test]
fn a_demo_with_a_certificate_publishes_over_https_and_says_how_to_listen_so() {
    let (folder, settings) = certified("tls-demo", &HERE, |_| ());
    let mut demo = rte();
    demo.args(["demo", "--listen", "127.0.0.1:0", "--for", "0.2", "--speed", "100"]);
    settings.iter().for_each(|setting| {
        demo.args(["--set", setting]);
    });
    let output = demo.env("SSL_CERT_FILE", folder.file("none.pem")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("publish     https://127.0.0.1:"), "{said}");
    assert!(said.contains(&format!("/rte --ca '{}' --token", folder.file("rte.pem"))), "{said}");
}
