//! A Redis that is reached over TLS, and what is told where it is not.

use super::super::engine::{Server, skip};
use super::{POSITIONED, await_ready, next, publish, subscribe};
use crate::support::{Folder, Hub, free_port, rte};
use crate::wire::since::availability;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// An authority, in files of a folder.
pub(super) struct Authority {
    pub(super) folder: Folder,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let folder = Folder::new(name, &[]);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // One that is called like those whom it certifies is taken for one of them.
        params.distinguished_name.push(DnType::CommonName, "authority");
        folder.write("ca.pem", &params.self_signed(&key).unwrap().pem());
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate for that name, and its key.
    pub(super) fn certify(&self, file: &str, name: &str, change: fn(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate: Certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.folder.write(&format!("{file}.pem"), &certificate.pem());
        self.folder.write(&format!("{file}.key"), &key.serialize_pem());
    }

    /// A Redis with that certificate, and its port for TLS.
    fn server(&self, name: &str, file: &str, clients: &str) -> Option<(Server, u16)> {
        self.start(name, file, &["--tls-auth-clients", clients, "--appendonly", "yes"])
    }

    /// The same with these arguments.
    pub(super) fn start(&self, name: &str, file: &str, arguments: &[&str]) -> Option<(Server, u16)> {
        let port = free_port();
        let lines = self.lines(file, port);
        let own = lines.lines().flat_map(|line| line.split(' '));
        let own: Vec<String> =
            own.map(|word| if word.starts_with("tls-") { format!("--{word}") } else { word.to_owned() }).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        Some((Server::start_with(name, &[arguments, &own].concat())?, port))
    }

    /// What the configuration of a server has that takes TLS at that port with that certificate.
    pub(super) fn lines(&self, file: &str, port: u16) -> String {
        let [certificate, key, ca] =
            [format!("{file}.pem"), format!("{file}.key"), "ca.pem".to_owned()].map(|name| self.folder.file(&name));
        format!("tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {ca}\n")
    }

    /// What makes a server at that address the engine of a node.
    pub(super) fn settings(&self, port: u16, more: &[(&str, &str)]) -> Vec<String> {
        let mut settings = vec![
            "journal.engine=redis".to_owned(),
            format!("journal.redis.addresses=localhost:{port}"),
            "journal.redis.tls=true".to_owned(),
        ];
        settings.extend(more.iter().map(|(key, file)| format!("journal.redis.{key}={}", self.folder.file(file))));
        settings
    }

    /// What `rte check --connect` says, and whether a hub would work.
    pub(super) fn check(&self, settings: &[String]) -> (bool, String) {
        let mut command = rte();
        command.args(["check", "--connect"]).args(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    }
}

#[test]
fn nodes_share_a_redis_that_takes_only_tls_with_a_certificate_of_theirs() {
    let authority = Authority::new("nodes-tls");
    authority.certify("redis", "localhost", |_| ());
    authority.certify("node", "node", |_| ());
    let Some((_server, port)) = authority.server("nodes-tls", "redis", "yes") else { return skip() };
    let all = [("ca_file", "ca.pem"), ("cert_file", "node.pem"), ("key_file", "node.key")];
    let settings = authority.settings(port, &all);
    let (is_good, said) = authority.check(&settings);
    assert!(is_good && said.contains("is reached and asks for no password, over TLS"), "{said}");
    let nodes = [(); 2].map(|()| {
        let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
        await_ready(&hub);
        hub
    });
    let mut peer = nodes[1].client();
    subscribe(&mut peer, POSITIONED);
    // More than a record of TLS has.
    let long = "x".repeat(20_000);
    for mark in ["first", &long, "last"] {
        publish(&nodes[0], &availability(mark));
        assert_eq!(next(&mut peer).0, mark);
    }
}

#[test]
fn passwords_and_certificates_that_are_replaced_hold_from_sighup_on() {
    let (authority, other) = (Authority::new("nodes-tls-renewed"), Authority::new("nodes-tls-former"));
    authority.certify("redis", "localhost", |_| ());
    let Some((server, port)) = authority.server("nodes-tls-renewed", "redis", "no") else { return skip() };
    assert!(server.ask("CONFIG SET requirepass sesame").starts_with("+OK"));
    let read = |authority: &Authority| std::fs::read_to_string(authority.folder.file("ca.pem")).unwrap();
    authority.folder.write("trusted.pem", &read(&other));
    authority.folder.write("word", "another");
    let settings = authority.settings(port, &[("ca_file", "trusted.pem"), ("password_file", "word")]);
    let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    hub.await_log("journal.redis.ca_file");
    authority.folder.write("trusted.pem", &read(&authority));
    hub.reload();
    hub.await_log(&format!("with this password\" server=localhost:{port} said=\"WRONGPASS "));
    authority.folder.write("word", "sesame");
    hub.reload();
    hub.await_log("redis_files=ca_file,password_file\n");
    await_ready(&hub);
    publish(&hub, &availability("taken"));
    assert!(!hub.log().contains("sesame"), "{}", hub.log());
}

#[test]
fn what_is_wrong_with_the_certificate_of_a_redis_is_told_in_a_sentence_that_says_what_to_do() {
    let (authority, other) = (Authority::new("nodes-tls-wrong"), Authority::new("nodes-tls-other"));
    authority.certify("redis", "localhost", |_| ());
    authority.certify("elsewhere", "redis.example.com", |_| ());
    authority.certify("old", "localhost", |params| params.not_after = date_time_ymd(2020, 1, 1));
    other.certify("node", "node", |_| ());
    authority.folder.write("other.pem", &std::fs::read_to_string(other.folder.file("ca.pem")).unwrap());
    for file in ["node.pem", "node.key"] {
        authority.folder.write(file, &std::fs::read_to_string(other.folder.file(file)).unwrap());
    }
    let ca = [("ca_file", "ca.pem")];
    let foreign = [("ca_file", "ca.pem"), ("cert_file", "node.pem"), ("key_file", "node.key")];
    for (name, file, clients, settings, told) in [
        ("issuer", "redis", "no", &[("ca_file", "other.pem")][..], "journal.redis.ca_file"),
        ("machine", "redis", "no", &[], "journal.redis.ca_file"),
        ("name", "elsewhere", "no", &ca, "is for another name: name it in journal.redis.addresses"),
        ("time", "old", "no", &ca, "has expired, or is not valid yet: give Redis another certificate"),
        ("none", "redis", "yes", &ca, "journal.redis.cert_file and key_file"),
        ("foreign", "redis", "yes", &foreign, "journal.redis.cert_file and key_file"),
    ] {
        let Some((server, port)) = authority.server(&format!("nodes-tls-{name}"), file, clients) else {
            return skip();
        };
        let (is_good, said) = authority.check(&authority.settings(port, settings));
        assert!(!is_good && said.contains(told), "{name}: {said}");
        let (is_good, said) = authority.check(&authority.settings(server.port, settings));
        assert!(
            !is_good && said.contains("does not answer TLS in time: name its tls-port"),
            "{name} without TLS: {said}"
        );
    }
    let Some((_server, port)) = authority.server("nodes-tls-log", "old", "no") else { return skip() };
    let mut plain = authority.settings(port, &[]);
    plain.retain(|setting| setting != "journal.redis.tls=true");
    let (is_good, said) = authority.check(&plain);
    assert!(!is_good && said.contains("it speaks TLS there, and this node does not: set journal.redis.tls"), "{said}");
    let settings = authority.settings(port, &ca);
    let hub = Hub::start_with(&settings.iter().map(String::as_str).collect::<Vec<_>>());
    hub.await_log("its certificate has expired");
    assert_eq!(hub.request("GET /readyz", &[], "").status, 503);
}
