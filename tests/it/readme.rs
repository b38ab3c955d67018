//! The README says nothing that the program doesn't: its tables are generated, its samples are tried.
//!
//! A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; `RTE_BLESS=1` writes it anew, and what the commands of a
//! `console` fence print.

use crate::support::{Hub, Reply};
use rte::api::exposition;
use rte::api::publish::rule as item_rule;
use rte::api::routes::{Gate, ROUTES};
use rte::close::{Blame, CloseReason};
use rte::config::{Config, Sources};
use rte::metrics::Refusal;
use rte::proto::http::head::Method;
use rte::schema::catalogue::Catalogue;
use rte::schema::compiler;
use rte::schema::compiler::model::{EntityRule, Event, Kind};
use rte::schema::compiler::validate::rule as data_rule;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A README that is longer is no longer read.
const LINES_MAX: usize = 960;

/// An Ed25519 public key (RFC 8032 section 7.1, test 1) as an issuer would hand it over.
const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
/// The same key as a JWK set.
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn readme() -> String {
    std::fs::read_to_string(path("README.md")).unwrap()
}

/// A fenced block.
struct Fence {
    /// The language behind the fence.
    language: String,
    text: String,
    /// Its first line in the README, from 1.
    line: usize,
}

fn fences(language: &str) -> Vec<Fence> {
    let mut fences = all_fences();
    fences.retain(|fence| fence.language == language);
    assert!(!fences.is_empty(), "README.md: no fence is {language}");
    fences
}

/// In the README's order.
fn all_fences() -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut is_open = false;
    for (number, line) in (1..).zip(readme().lines()) {
        match line.strip_prefix("```") {
            Some(name) if !is_open => {
                fences.push(Fence { language: name.to_owned(), text: String::new(), line: number + 1 });
                is_open = true;
            }
            Some(_) => is_open = false,
            None if is_open => {
                let fence = fences.last_mut().unwrap();
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            None => {}
        }
    }
    assert!(!is_open, "README.md: the last fence has no end");
    fences
}

/// What `rte` prints for these arguments.
fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_rte")).args(args).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(head.len()));
    row(&head) + &rule + &rows.into_iter().map(|cells| row(&cells)).collect::<String>()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The tables by name, as they ought to be.
fn tables() -> Vec<(&'static str, String)> {
    vec![
        ("routes", routes()),
        ("events", events()),
        ("rules", rules()),
        ("config", keys(false)),
        ("limits", keys(true)),
        ("metrics", metrics()),
        ("reasons", reasons()),
        ("commands", commands()),
        ("rooms", rooms()),
    ]
}

/// The routes, those that serve the same in a row.
fn routes() -> String {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for route in &ROUTES {
        let path = code(&route.at.written("/rte"));
        let is_served = |(method, name): (Method, _)| route.serves(method).then_some(name);
        let methods = Method::NAMED.into_iter().filter_map(is_served).collect::<Vec<_>>().join(", ");
        let token = match route.gate {
            Gate::Open(_) => "none",
            Gate::Client(_) => "a user's",
            Gate::Publisher => "with scope `publish`",
        };
        match rows.iter_mut().find(|row| row[1..] == [methods.as_str(), token, route.what]) {
            Some(row) => row[0] = format!("{}, {path}", row[0]),
            None => rows.push([path, methods, token.to_owned(), route.what.to_owned()]),
        }
    }
    table(&["path", "methods", "token", "what"], rows.into_iter().map(Vec::from))
}

/// The events, those of the same nature in a row.
fn events() -> String {
    let catalogue = Catalogue::built_in(None);
    let mut rows: Vec<[String; 5]> = Vec::new();
    for (id, event) in catalogue.events() {
        let nature = nature(event);
        let family = catalogue.family_of(id).to_owned();
        match rows.iter_mut().find(|row| row[0] == family && row[2..] == nature) {
            Some(row) => row[1] = format!("{}, {}", row[1], event.name),
            None => {
                let [kind, entity, audience] = nature;
                rows.push([family, event.name.clone(), kind, entity, audience]);
            }
        }
    }
    table(&["family", "events", "kind", "entity", "audience"], rows.into_iter().map(Vec::from))
}

fn nature(event: &Event) -> [String; 3] {
    let property = |index: usize| event.properties[index].name.clone();
    let entity = match event.entity {
        EntityRule::Property(index) => property(index),
        EntityRule::PropertyOrPublisher(index) => format!("{} or `entityId`", property(index)),
        EntityRule::Publisher => "`entityId`".to_owned(),
    };
    let kind = match event.kind {
        Kind::State => "state",
        Kind::Occurrence => "occurrence",
    };
    let audience = match (event.audience.client, event.audience.backend) {
        (true, true) => "client, backend",
        (true, false) => "client",
        (false, _) => "backend",
    };
    [kind.to_owned(), entity, audience.to_owned()]
}

fn rules() -> String {
    let rules = data_rule::ALL.into_iter().chain(item_rule::ALL);
    table(&["rule", "meaning"], rules.map(|(name, meaning)| vec![code(name), meaning.to_owned()]))
}

/// The keys of the configuration, or its limits; these without their section, in units that people read.
fn keys(limits: bool) -> String {
    let reference = Config::reference_table();
    let rows = reference.lines().skip(2).filter(|row| row.starts_with("| `limits.") == limits);
    let rows: Vec<Vec<String>> = rows
        .map(|row| {
            let mut cells: Vec<String> =
                row.trim_matches('|').splitn(3, " | ").map(|cell| cell.trim().to_owned()).collect();
            if limits {
                cells[0] = cells[0].replace("limits.", "");
                cells[1] = in_units(&cells[0], &cells[1]);
            }
            cells
        })
        .collect();
    assert!(rows.len() > 20 && rows.iter().all(|cells| cells.len() == 3), "{rows:?}");
    table(&[if limits { "limit" } else { "key" }, "default", "meaning"], rows)
}

/// `8 KiB` for `8192` of a name that ends in bytes.
fn in_units(name: &str, default: &str) -> String {
    let value: u64 = default.trim_matches('`').parse().unwrap();
    let units: &[(&str, u64)] = if name.contains("bytes") {
        &[("MiB", 1024 * 1024), ("KiB", 1024), ("B", 1)]
    } else if name.contains("_ms") {
        &[("s", 1000), ("ms", 1)]
    } else {
        return default.trim_matches('`').to_owned();
    };
    let (unit, factor) = units.iter().find(|(_, factor)| value.is_multiple_of(*factor)).unwrap();
    format!("{} {unit}", value / factor)
}

fn metrics() -> String {
    let rows = exposition::reference();
    table(&["metric", "type", "meaning"], rows.map(|(name, kind, help)| vec![code(name), kind.into(), help.into()]))
}

fn reasons() -> String {
    let mut text = "Reasons of `rte_connections_closed_total`:\n".to_owned();
    for (blame, whose) in [
        (Blame::Nobody, "As connections do"),
        (Blame::Peer, "The client's software or network is to blame"),
        (Blame::Operator, "The operator has to act"),
        (Blame::Us, "The hub is to blame"),
    ] {
        let of_blame = CloseReason::ALL.into_iter().filter(|reason| reason.blame() == blame);
        let reasons: Vec<String> =
            of_blame.map(|reason| format!("`{}` ({})", reason.label(), reason.sentence())).collect();
        if !reasons.is_empty() {
            text.push_str(&format!("\n- {whose}: {}.", reasons.join(", ")));
        }
    }
    let refusals: Vec<String> = Refusal::ALL.into_iter().map(|(_, label)| code(label)).collect();
    format!("{text}\n\nReasons of `rte_refusals_total`: {}.\n", refusals.join(", "))
}

fn commands() -> String {
    let help = printed(&["--help"]);
    let section = |name: &str| {
        let start = help.find(&format!("{name}:\n")).unwrap();
        let section = &help[start..];
        section.split_once("\n\n").map_or(section, |(section, _)| section).to_owned()
    };
    format!("```text\n{}\n\n{}\n```\n", section("Commands"), section("Exit codes"))
}

/// The table of the crate's documentation, without its links.
fn rooms() -> String {
    let library = std::fs::read_to_string(path("src/lib.rs")).unwrap();
    let lines = library.lines().skip_while(|line| !line.starts_with("//! | rank"));
    let rows = lines.map_while(|line| line.strip_prefix("//! |"));
    rows.map(|row| format!("|{}\n", row.replace("[`", "`").replace("`]", "`"))).collect()
}

#[test]
fn the_tables_are_those_of_the_program() {
    let text = readme();
    let mut stale = Vec::new();
    for (name, wanted) in tables() {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
        let from = text.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")) + begin.len();
        let to = text.find(&end).unwrap_or_else(|| panic!("README.md has no {end}"));
        if text[from..to] != wanted {
            stale.push((format!("{begin}{}{end}", &text[from..to]), format!("{begin}{wanted}{end}")));
        }
    }
    if is_to_be_blessed(&stale) {
        return bless(&stale);
    }
    let names: Vec<_> = stale.iter().filter_map(|(shown, _)| shown.lines().next()).collect();
    assert!(
        names.is_empty(),
        "stale in README.md: {names:?}; RTE_BLESS=1 cargo test --test it readme writes them anew"
    );
}

fn is_to_be_blessed(stale: &[(String, String)]) -> bool {
    !stale.is_empty() && std::env::var_os("RTE_BLESS").is_some_and(|value| value == "1")
}

/// Writes the second of each pair over the first, one test after the other.
fn bless(stale: &[(String, String)]) {
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap();
    let text = stale.iter().fold(readme(), |text, (shown, real)| text.replacen(shown, real, 1));
    std::fs::write(path("README.md"), text).unwrap();
}

#[test]
fn every_sample_in_toml_is_what_its_first_line_says() {
    for fence in fences("toml") {
        let name = fence.text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        if name == "rte.toml" {
            let sources = Sources {
                file: Some((PathBuf::from(name), fence.text.clone())),
                variables: Vec::new(),
                settings: Vec::new(),
                read: &|path| match path.to_str() {
                    Some("issuer.pem") => Ok(PEM.to_owned()),
                    Some("jwks.json") => Ok(JWKS.to_owned()),
                    Some("secret") => Ok("a secret of the README, long enough\n".to_owned()),
                    _ => Err(io::Error::from(io::ErrorKind::NotFound)),
                },
            };
            let config = Config::from_sources(sources).unwrap_or_else(|e| panic!("README.md:{}: {e}", fence.line));
            assert_eq!(config.warnings, Vec::<String>::new());
        } else {
            event_sample(name, &fence);
        }
    }
}

/// The sample compiles with the catalogue, and the error that the text beneath it shows is the compiler's.
fn event_sample(name: &str, fence: &Fence) {
    let compiled = |text: String| {
        let mut files = vec![(name.to_owned(), text)];
        read_catalogue(&path("schema"), &mut files);
        files.sort();
        compiler::compile(&files, compiler::Options::default())
    };
    let findings = compiled(fence.text.clone()).map(|compiled| compiled.warnings).unwrap_or_else(|findings| findings);
    let findings: Vec<_> = findings.iter().filter(|finding| finding.place.file == name).collect();
    assert!(findings.is_empty(), "README.md:{}: {findings:?}", fence.line);

    let right = "UserId         = { type = \"Guid\"";
    assert!(fence.text.contains(right));
    let findings = compiled(fence.text.replace(right, "UserId         = { type = \"GUID\"")).unwrap_err();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let line = format!("\n{finding}\n");
    assert!(readme().contains(&line), "README.md does not show{line}");
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
fn every_sample_in_json_is_json_and_the_items_are_taken() {
    let samples: Vec<Value> = fences("json")
        .iter()
        .map(|fence| serde_json::from_str(&fence.text).unwrap_or_else(|e| panic!("README.md:{}: {e}", fence.line)))
        .collect();
    let hub = Hub::start();
    let publish = |item: &Value| -> Reply { hub.publish(&item.to_string()) };
    let is_item = |value: &Value| value.get("eventName").is_some() && value.get("data").is_some();
    for item in samples.iter().filter(|sample| is_item(sample)) {
        assert_eq!(publish(item).status, 202, "{item}");
    }
    let at = samples.iter().position(|sample| sample.get(0).is_some_and(is_item)).expect("an array of items");
    let reply = publish(&samples[at]);
    assert_eq!(reply.status, 207, "{}", reply.body);
    assert_eq!(reply.json(), samples[at + 1], "the answer in README.md is not the hub's: {}", reply.body);

    let described = samples.iter().find(|sample| sample.get("entityProperty").is_some()).expect("a row of Catalogue");
    let token = hub.token(json!({ "rte": ["queue/*"] }));
    let answer: Value = serde_json::from_str(&hub.client_with(&token).invoke("Catalogue", "[]")).unwrap();
    assert!(answer["result"].as_array().unwrap().contains(described), "{answer}");
}

/// The worked example from its first command to its last, in one folder: samples whose first line names a file of `schema.d` are
/// that file from there on.
#[test]
fn the_commands_of_the_worked_example_print_what_is_shown() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut stale = Vec::new();
    for fence in all_fences() {
        let file = fence.text.lines().next().and_then(|line| line.strip_prefix("# schema.d/"));
        if let ("toml", Some(file)) = (&*fence.language, file) {
            std::fs::write(folder.join("schema.d").join(file), &fence.text).unwrap();
        } else if fence.language == "console" {
            let commands = fence.text.lines().filter_map(|line| line.strip_prefix("$ "));
            let real: String = commands.map(|line| format!("$ {line}\n{}", entered(line, &folder))).collect();
            if real != fence.text {
                stale.push((fence.text, real));
            }
        }
    }
    if is_to_be_blessed(&stale) {
        return bless(&stale);
    }
    assert_eq!(stale, [], "README.md shows the first of each pair and ought to show the second");
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
    let shown: BTreeSet<(String, String)> = fences("sh")
        .iter()
        .flat_map(|fence| fence.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| {
            let start = line.find("rte ").filter(|&at| at == 0 || line[..at].ends_with(['/', ' ']))?;
            let mut words = line[start..].split('#').next()?.split_whitespace().skip(1).map(str::to_owned);
            let mut command = words.next()?;
            if command == "schema" {
                command = format!("{command} {}", words.next()?);
            }
            Some(words.filter(|word| word.starts_with("--")).map(|word| (command.clone(), word)).collect::<Vec<_>>())
        })
        .flatten()
        .collect();
    assert!(shown.len() > 5, "{shown:?}");
    for (command, option) in shown {
        let args: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = printed(&args);
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
            "rte {command} {option}"
        );
    }
}

#[test]
fn the_contents_lead_to_headings_and_the_whole_can_be_read() {
    let text = readme();
    assert!(text.lines().count() <= LINES_MAX, "{} lines", text.lines().count());
    let anchors: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")))
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let links: BTreeSet<String> =
        text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect();
    let dead: Vec<_> = links.difference(&anchors).collect();
    assert!(dead.is_empty(), "no heading is {dead:?}");
    let unlisted: Vec<_> = anchors.difference(&links).collect();
    assert!(unlisted.is_empty(), "the contents lack {unlisted:?}");
}
