//! The samples: configurations are read, events compiled, items published, commands entered.

use super::{Fence, Stale, fences, hold_or_bless, pages, path, printed};
use crate::support::{Hub, Reply};
use rte::config::{Config, Sources};
use rte::schema::compiler;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An Ed25519 public key (RFC 8032 section 7.1, test 1) as an issuer would hand it over.
const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
/// The same key as a JWK set.
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// The folder of a vendor's events, as the first line of their samples names it.
const VENDOR: &str = "schema.d/";

impl Fence {
    /// The file that the first line names, as a comment.
    fn file(&self) -> &str {
        self.text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default()
    }
}

#[test]
fn every_sample_in_toml_is_what_its_first_line_says() {
    let pair = rcgen::generate_simple_self_signed(["rte.example.com".to_owned()]).unwrap();
    for fence in fences("toml") {
        let name = fence.file();
        if name.starts_with(VENDOR) {
            continue;
        }
        assert_eq!(name, "rte.toml", "{}: the first line names the file", fence.place);
        let sources = Sources {
            file: Some((PathBuf::from(name), fence.text.clone())),
            variables: Vec::new(),
            settings: Vec::new(),
            read: &|path| match path.to_str() {
                Some("rte.pem" | "redis-ca.pem") => Ok(pair.cert.pem()),
                Some("rte.key") => Ok(pair.signing_key.serialize_pem()),
                Some("issuer.pem") => Ok(PEM.to_owned()),
                Some("jwks.json") => Ok(JWKS.to_owned()),
                Some("secret" | "id-secret") => Ok("a secret of the manual, long enough\n".to_owned()),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        };
        let config = Config::from_sources(sources).unwrap_or_else(|e| panic!("{}: {e}", fence.place));
        assert_eq!(config.warnings, Vec::<String>::new());
    }
}

/// The files of a page compile together, without a warning, on top of the catalogue.
#[test]
fn the_events_of_each_page_compile() {
    for page in pages() {
        let fences = page.fences();
        let of_vendor = fences.iter().filter(|fence| fence.language == "toml" && fence.file().starts_with(VENDOR));
        let samples: Vec<(String, String)> =
            of_vendor.map(|fence| (fence.file().to_owned(), fence.text.clone())).collect();
        if !samples.is_empty() {
            assert_eq!(findings(&samples), Vec::<String>::new(), "{}", page.name);
        }
    }
}

/// What the compiler says of these files, on top of the catalogue.
fn findings(samples: &[(String, String)]) -> Vec<String> {
    let mut built_in = Vec::new();
    read_catalogue(&path("schema"), &mut built_in);
    built_in.sort();
    let files: Vec<(String, String)> = built_in.into_iter().chain(samples.iter().cloned()).collect();
    let compiled = compiler::compile(&files, compiler::Options::default());
    let findings = compiled.map(|compiled| compiled.warnings).unwrap_or_else(|findings| findings);
    let of_samples = findings.iter().filter(|finding| samples.iter().any(|(name, _)| *name == finding.place.file));
    of_samples.map(ToString::to_string).collect()
}

fn read_catalogue(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap().to_owned();
        if path.is_dir() {
            read_catalogue(&path, files);
        } else if compiler::source::is_catalogue_file(&name) {
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_mistake_that_is_shown_is_told_so() {
    let fences = fences("toml");
    let (right, wrong) = ("UserId         = { type = \"Guid\"", "UserId         = { type = \"GUID\"");
    let fence = fences.iter().find(|fence| fence.file() == "schema.d/AcmeLunchStarted.toml").unwrap();
    assert!(fence.text.contains(right), "{}", fence.place);
    let findings = findings(&[(fence.file().to_owned(), fence.text.replace(right, wrong))]);
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let line = format!("\n{finding}\n");
    assert!(pages().iter().any(|page| page.text.contains(&line)), "no page shows{line}");
}

#[test]
fn every_sample_in_json_is_json_and_the_items_are_taken() {
    let parsed = |fence: &Fence| serde_json::from_str(&fence.text).unwrap_or_else(|e| panic!("{}: {e}", fence.place));
    let samples: Vec<Value> = fences("json").iter().map(parsed).collect();
    let hub = Hub::start();
    let publish = |item: &Value| -> Reply { hub.publish(&item.to_string()) };
    let is_item = |value: &Value| value.get("eventName").is_some() && value.get("data").is_some();
    for item in samples.iter().filter(|sample| is_item(sample)) {
        assert_eq!(publish(item).status, 202, "{item}");
    }
    for event in samples.iter().filter(|sample| sample.get("specversion").is_some()) {
        let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
        let headers = [authorization.as_str(), "Content-Type: application/cloudevents+json"];
        assert_eq!(hub.request("POST /publish", &headers, &event.to_string()).status, 202, "{event}");
    }
    for item in items_of_shell() {
        assert_eq!(publish(&item).status, 202, "{item}");
    }
    let at = samples.iter().position(|sample| sample.get(0).is_some_and(is_item)).expect("an array of items");
    let reply = publish(&samples[at]);
    assert_eq!(reply.status, 207, "{}", reply.body);
    assert_eq!(reply.json(), samples[at + 1], "the answer shown is not the hub's: {}", reply.body);

    let described = samples.iter().find(|sample| sample.get("entityProperty").is_some()).expect("a row of Catalogue");
    let token = hub.token(json!({ "rte": ["queue/*"] }));
    let answer: Value = serde_json::from_str(&hub.client_with(&token).invoke("Catalogue", "[]")).unwrap();
    assert!(answer["result"].as_array().unwrap().contains(described), "{answer}");
}

/// A request without `Host` and length, which each client adds, and without the token, which is
/// nobody's to show.
#[test]
fn every_sample_in_http_is_answered_as_its_page_says() {
    let hub = Hub::start();
    let authorization = format!("Authorization: Bearer {}", hub.publisher_token());
    for fence in fences("http") {
        let (head, body) = fence.text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let line = lines.next().and_then(|line| line.strip_suffix(" HTTP/1.1")).unwrap();
        let is_publish = line.starts_with("POST");
        let headers: Vec<&str> = lines.chain(is_publish.then_some(authorization.as_str())).collect();
        let reply = hub.request(line, &headers, body.trim_end());
        assert_eq!(reply.status, if is_publish { 202 } else { 200 }, "{}: {reply:?}", fence.place);
        let allowed = reply.header("webhook-allowed-origin");
        assert_eq!(allowed, (!is_publish).then_some("events.example.com"), "{}", fence.place);
    }
}

/// What samples for a shell write into a file, to publish it.
fn items_of_shell() -> Vec<Value> {
    let written = fences("sh").into_iter().filter_map(|fence| {
        let (_, text) = fence.text.split_once("<<'END'\n")?;
        let (item, _) = text.split_once("\nEND\n")?;
        Some(serde_json::from_str(item).unwrap_or_else(|e| panic!("{}: {e}", fence.place)))
    });
    let items: Vec<Value> = written.collect();
    assert!(!items.is_empty());
    items
}

/// Each page from its first command to its last, in a folder of its own: samples whose first line
/// names a file of the vendor's folder are that file from there on.
#[test]
fn the_commands_of_each_page_print_what_is_shown() {
    let mut stale = Vec::new();
    for page in pages() {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual").join(page.name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for fence in page.fences() {
            if fence.language == "toml" && fence.file().starts_with(VENDOR) {
                let file = folder.join(fence.file());
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, &fence.text).unwrap();
            } else if fence.language == "console" {
                let commands = fence.text.lines().filter_map(|line| line.strip_prefix("$ "));
                let real: String = commands.map(|line| format!("$ {line}\n{}", entered(line, &folder))).collect();
                if real != fence.text {
                    let fenced = |text: &str| format!("```console\n{text}```\n");
                    stale.push(Stale { page: page.name, shown: fenced(&fence.text), real: fenced(&real) });
                }
            }
        }
    }
    hold_or_bless(&stale);
}

/// What a line entered into a shell puts on the screen, with the `rte` of this build.
fn entered(line: &str, folder: &Path) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_rte")).parent().unwrap();
    let search = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let script = format!("exec 2>&1\n{line}");
    let output = Command::new("sh").args(["-c", &script]).env("PATH", search).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_shown_has_the_options_shown() {
    let lines = fences("sh").into_iter().chain(fences("console")).map(|fence| fence.text);
    let quoted = pages().into_iter().flat_map(|page| {
        let quoted = page.prose().into_iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        quoted.map(str::to_owned).collect::<Vec<_>>()
    });
    let shown: BTreeSet<(String, String)> = lines
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .chain(quoted.filter(|code| code.starts_with("rte ")))
        .filter_map(|line| {
            let start = line.find("rte ").filter(|&at| at == 0 || line[..at].ends_with(['/', ' ']))?;
            let mut words = line[start..].split('#').next()?.split_whitespace().skip(1).map(str::to_owned);
            let mut command = words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))?;
            while ["schema", "schema new"].contains(&&*command) {
                command = format!("{command} {}", words.next()?);
            }
            Some(words.filter(|word| word.starts_with("--")).map(|word| (command.clone(), word)).collect::<Vec<_>>())
        })
        .flatten()
        .collect();
    assert!(shown.len() > 20, "{shown:?}");
    for (command, option) in shown {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = printed(&args);
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
            "rte {command} {option}"
        );
    }
}
