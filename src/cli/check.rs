//! `rte check`: is the configuration good, and what does it come to?

use super::console::Console;
use super::failure::Failure;
use super::schema;
use crate::api::routes::{Gate, ROUTES};
use crate::auth::keys::Keys;
use crate::auth::token::Tenancy;
use crate::config::{Config, Flags, Machine, environment, unwritten, warnings};
use crate::limits::Limits;
use crate::schema::validate::Mode;
use crate::shell;
use crate::shell::JournalOptions;
use crate::shell::backplane::{self, Look};

const LONG: &str = "\
Reads the configuration as `rte serve` would: the file, the environment (RTE_…) and --set; with the keys and the events that it names.

Everything that is wrong is told at once, with file, line and column, and the exit code is 1; where the file itself cannot be \
read, it is 2. Otherwise a summary says what holds; it shows no secret. What is no error but cannot hold on this machine, or is not meant, is told before it as a warning, as \
the log tells it at the start of a hub; `rte help warnings` lists them.

With --connect it also asks the Redis that nodes share (journal.engine = \"redis\"), and writes nothing there. Where no hub would \
work with it, the exit code is 2.

Example:
  rte check --config /etc/rte/rte.toml";

/// Checks the configuration.
#[derive(clap::Args)]
#[command(about = "Check the configuration and its keys", long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Ask the Redis of [journal.redis], too: is it there, and would a hub work with it?
    #[arg(long)]
    connect: bool,
}

/// Prints what the configuration comes to.
///
/// # Errors
/// [`Failure::Refused`] with everything that is wrong.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    check(args, environment(), |config| Machine::read(config).with_port(config), console)
}

fn check(
    args: &Args,
    variables: Vec<(String, String)>,
    machine: impl Fn(&Config) -> Machine,
    console: &mut Console,
) -> Result<(), Failure> {
    let given = Config::given(&args.flags, &variables).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut config = Config::load_given(given, &args.flags, variables)
        .map_err(|errors| Failure::Refused(format!("the configuration is wrong\n{errors}")))?;
    let catalogue = schema::load(&config.schema_dirs, config.wire_case, console).map_err(Failure::Refused)?;
    let wrong = |why: String| Failure::Refused(format!("the configuration is wrong\n{why}"));
    config.not_derived(&catalogue).map_err(wrong)?;
    let (keys, keys_not_fetched) = shell::fetched_keys(&config.verifier.options().keys);
    for url in keys.urls() {
        let told = |one| format!("{}: passed over: {one}", shell::shown(url));
        config.warnings.extend(keys.passed_over_of(url).map(told));
    }
    let engine = args.connect.then_some(config.backplane.as_ref());
    let looks = engine.flatten().map(backplane::look).unwrap_or_default();
    let backplane_unsafe = looks.iter().flat_map(|look| look.risks.iter().cloned()).collect();
    let machine = Machine { keys_not_fetched, backplane_unsafe, ..machine(&config) };
    if let Some((journal, error)) = config.journal.as_ref().zip(machine.journal_not_written.as_ref()) {
        return Err(wrong(format!("journal.dir: {}", unwritten(&journal.dir, error))));
    }
    for warning in warnings(&config, &machine, &catalogue) {
        console.note(format_args!("rte: warning: {warning}"));
    }
    for (name, value) in summary(&config, &keys) {
        console.line(format_args!("{name:<16}{value}"))?;
    }
    if matches!(engine, Some(None)) {
        console.line(format_args!("{:<16}none is asked for: journal.engine is another", "redis"))?;
    }
    tell(looks, console)
}

/// Tells what the servers are like that may be the engine; one of them must do.
fn tell(looks: Vec<Look>, console: &mut Console) -> Result<(), Failure> {
    let serves = looks.is_empty() || looks.iter().any(|look| look.wrong.is_empty());
    let mut wrong = Vec::new();
    for mut look in looks {
        let list = if serves { &mut look.good } else { &mut wrong };
        look.wrong.retain(|sentence| !list.contains(sentence));
        list.append(&mut look.wrong);
        for sentence in look.good {
            console.line(format_args!("{:<16}{sentence}", "redis"))?;
        }
    }
    if serves {
        Ok(())
    } else {
        Err(Failure::Usage(format!("no hub would work with this Redis\n{}", wrong.join("\n"))))
    }
}

/// Returns what holds, as pairs of a word and its value.
fn summary(config: &Config, keys: &Keys) -> Vec<(&'static str, String)> {
    let auth = config.verifier.options();
    let or = |list: Vec<String>, none: &str| if list.is_empty() { none.to_owned() } else { list.join(", ") };
    let file = config.file.as_ref().map_or("none, the defaults hold".to_owned(), |path| path.display().to_string());
    let mut lines = vec![
        ("file", file),
        ("listen", format!("{}{}", config.listen, config.hub.path)),
        ("internal", config.internal.map_or("none, all is at one listener".to_owned(), |address| address.to_string())),
        ("for clients", served(config, |gate| matches!(gate, Gate::Client(_) | Gate::Either))),
        ("for publishers", served(config, |gate| matches!(gate, Gate::Publisher | Gate::Either))),
        ("for admins", served(config, |gate| gate == Gate::Admin)),
        ("without token", served(config, |gate| matches!(gate, Gate::Open(_)))),
        ("threads", config.threads.to_string()),
    ];
    let of = |issuers: &[String]| match issuers {
        [] => "any issuer".to_owned(),
        issuers => format!("of {}", issuers.join(", ")),
    };
    for ((id, algorithm), issuers) in keys.iter().zip(keys.issuers()) {
        let id = id.map_or("without id".to_owned(), |id| format!("id {id:?}"));
        lines.push(("key", format!("{algorithm}, {id}, {}", of(issuers))));
    }
    let sets =
        keys.sets().map(|(url, issuers)| format!("{}, {}, fetched at the start", shell::shown(url), of(issuers)));
    lines.extend(sets.map(|set| ("key set", set)));
    if keys.skipped() > 0 {
        lines.push(("passed over", format!("{} keys of JWK sets are not for this", keys.skipped())));
    }
    lines.extend(config.schema_dirs.iter().map(|folder| ("further events", folder.display().to_string())));
    lines.extend([
        ("audience", or(auth.audiences.clone(), "any")),
        ("default grants", or(auth.default_grants.iter().map(ToString::to_string).collect(), "none")),
        (
            "organizations",
            match auth.tenancy {
                Tenancy::Multi => "kept apart".to_owned(),
                Tenancy::Single => "one only".to_owned(),
            },
        ),
        ("origins", config.hub.origins.allowed.clone().map_or("any".to_owned(), |list| or(list, "none"))),
        (
            "validation",
            match config.hub.publish.validation {
                Mode::Strict => "strict".to_owned(),
                Mode::Lenient => "lenient".to_owned(),
            },
        ),
        ("limits", or(changed_limits(&config.limits), "the defaults")),
    ]);
    lines.push(("journal", journal(config)));
    lines.push(("memory", memory(config)));
    lines
}

/// What keeps publications.
fn journal(config: &Config) -> String {
    match (&config.backplane, &config.journal) {
        (Some(redis), _) => redis.to_string(),
        (None, Some(JournalOptions { dir, is_synced: true })) => {
            format!("files in {}, each publication on the disk before anybody hears of it", dir.display())
        }
        (None, Some(JournalOptions { dir, is_synced: false })) => format!("files in {}", dir.display()),
        (None, None) => "in memory, which ends with the process".to_owned(),
    }
}

/// What the limits allow together, by what takes it, and the bound of what is really kept.
fn memory(config: &Config) -> String {
    let parts = config.limits.memory_parts(config.threads, config.tls.is_some());
    let sum = parts.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
    let parts = parts.map(|(name, bytes)| format!("{name} {}", bytes >> 20)).join(", ");
    let most = match config.limits.memory_bytes_max {
        0 => "three quarters of the machine".to_owned(),
        bytes => format!("{} MiB", bytes >> 20),
    };
    format!("at most {most}; the other limits alone allow {} MiB ({parts})", sum >> 20)
}

/// Returns the paths behind such a gate, for the rules of a proxy.
fn served(config: &Config, is_meant: impl Fn(Gate) -> bool) -> String {
    let routes = ROUTES.iter().filter(|route| route.is_offered(config.hub.pages) && is_meant(route.gate));
    routes.map(|route| route.at.written(&config.hub.path)).collect::<Vec<_>>().join(", ")
}

/// Returns the limits that are not the defaults.
fn changed_limits(limits: &Limits) -> Vec<String> {
    let fields = |limits: &Limits| match serde_json::to_value(limits) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let defaults = fields(&Limits::DEFAULT);
    let changed = fields(limits).into_iter().filter(|(name, value)| defaults.get(name) != Some(value));
    changed.map(|(name, value)| format!("{name} = {value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::tests::console_on_paper;

    const SECRET: &str = "q7#Lw0)vT2mZ!eR9xK4uB6yH1sD8fG3a";

    /// Returns the outcome, the results and the remarks for these settings.
    fn checked(settings: &[&str], variables: &[(&str, &str)]) -> (Result<(), Failure>, String, String) {
        let set = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let (mut console, results, remarks) = console_on_paper();
        let args = Args { flags: Flags { set, ..Flags::default() }, connect: false };
        let outcome = check(&args, variables.iter().map(owned).collect(), |_| Machine::default(), &mut console);
        console.flush().unwrap();
        (outcome, results.text(), remarks.text())
    }

    #[test]
    fn a_good_configuration_is_summed_up_without_its_secret() {
        let settings = ["auth.default_grants=user/*/UserAvailability", "limits.items_max=7", "server.threads=2"];
        let (outcome, results, remarks) = checked(&settings, &[("RTE_AUTH_SECRET", SECRET)]);
        assert_eq!((outcome, remarks.as_str()), (Ok(()), ""));
        assert_eq!(
            results,
            "file            none, the defaults hold\n\
             listen          127.0.0.1:8080/rte\n\
             internal        none, all is at one listener\n\
             for clients     /rte, /rte/negotiate, /rte/refresh, /position\n\
             for publishers  /publish, /position\n\
             for admins      /revoke\n\
             without token   /healthz, /readyz, /metrics, /schemas/…, /asyncapi.json, /openapi.json, /events.d.mts, \
             /events.mjs, /events.d.ts, /client.mjs, /client.d.mts, /client/connection.mjs, /client/calls.mjs, \
             /client/handed.mjs, /client/item.mjs, /client/states.mjs, /client/tabs.mjs, /client/view.mjs, \
             /client/testing.mjs, /client/testing.d.mts, /client/checks.mjs, /client/rules.mjs, /events.cs, \
             /reference, /reference.html, /reference.md\n\
             threads         2\n\
             key             HS256, without id, any issuer\n\
             audience        any\n\
             default grants  user/*/useravailability\n\
             organizations   kept apart\n\
             origins         any\n\
             validation      strict\n\
             limits          items_max = 7\n\
             journal         in memory, which ends with the process\n\
             memory          at most three quarters of the machine; the other limits alone allow 8182 MiB \
             (connections 57, unfinished requests and messages 7306, subscriptions 343, threads 54, backlogs 256, rows for \
             snapshots 112, history 28, ids of items 22, log 2)\n"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let settings = ["server.listen=here", "server.path=/reference", "auth.tenancy=none"];
        let (outcome, results, _) = checked(&settings[..2], &[("RTE_AUTH_SECRET", "short")]);
        let failure = outcome.unwrap_err();
        let told = failure.sentence().unwrap();
        assert_eq!((failure.exit_code(), told.lines().count(), results.as_str()), (1, 4, ""));
        assert!(
            told.contains("\nRTE_AUTH_SECRET: the secret has 5 bytes")
                && told.contains("\n--set server.listen: \"here\""),
            "{told}"
        );
        assert!(told.contains("\n--set server.path: \"/reference\" can't be the hub's: /reference serves"), "{told}");
        let (outcome, ..) = checked(&settings, &[]);
        assert!(outcome.unwrap_err().sentence().unwrap().contains("`auth.tenancy` must be one of"));
    }

    #[test]
    fn a_key_set_that_cannot_be_had_is_a_warning_and_its_issuer_is_shown() {
        let variables = [("RTE_AUTH_JWKS_URL", "http://127.0.0.1:1/jwks?hidden"), ("RTE_AUTH_ISSUER", "https://id")];
        let (outcome, results, remarks) = checked(&["auth.audience=rte"], &variables);
        assert_eq!(outcome, Ok(()));
        assert!(results.contains("key set         http://127.0.0.1:1/jwks, of https://id, fetched"), "{results}");
        assert!(remarks.starts_with("rte: warning: keys_not_fetched: http://127.0.0.1:1/jwks: "), "{remarks}");
        assert!(!remarks.contains("hidden") && remarks.lines().count() == 1, "{remarks}");
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let (mut console, ..) = console_on_paper();
        let args =
            Args { flags: Flags { config: Some("/nonexistent/rte.toml".into()), ..Flags::default() }, connect: false };
        let failure = check(&args, Vec::new(), |_| Machine::default(), &mut console).unwrap_err();
        assert!(failure.sentence().unwrap().contains("/nonexistent/rte.toml: can't be read"), "{failure:?}");
        assert_eq!(failure.exit_code(), 2, "as of every file that a command is given");
    }

    #[test]
    fn a_journal_that_no_hub_will_start_with_is_wrong() {
        let set = ["journal.engine=file", "journal.dir=kept"].map(str::to_owned).to_vec();
        let args = Args { flags: Flags { set, ..Flags::default() }, connect: false };
        let checked = |machine: Machine| {
            let (mut console, ..) = console_on_paper();
            let variables = vec![("RTE_AUTH_SECRET".to_owned(), SECRET.to_owned())];
            check(&args, variables, |_| machine.clone(), &mut console)
        };
        assert_eq!(checked(Machine::default()), Ok(()));
        let closed = Machine { journal_not_written: Some("No such file".to_owned()), ..Machine::default() };
        let failure = checked(closed).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        let told = failure.sentence().unwrap();
        assert!(told.contains("\njournal.dir: no file can be made in kept (No such file), and no hub"), "{told}");
    }

    #[test]
    fn a_derivation_of_no_event_is_wrong_and_a_strange_variable_only_odd() {
        let folder = std::env::temp_dir().join(format!("rte-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("rte.toml");
        let variables =
            || vec![("RTE_AUTH_SECRET".to_owned(), SECRET.to_owned()), ("RTE_PORT".to_owned(), "1".to_owned())];
        let (mut console, _, remarks) = console_on_paper();
        let args = Args { flags: Flags { config: Some(path.clone()), ..Flags::default() }, connect: false };
        std::fs::write(&path, "[derive]\nUserCallbackChanged = false").unwrap();
        assert_eq!(check(&args, variables(), |_| Machine::default(), &mut console), Ok(()));
        assert!(
            remarks.text().starts_with("rte: warning: configuration: RTE_PORT: no key has this variable"),
            "{}",
            remarks.text()
        );
        std::fs::write(&path, "[derive]\nUserCallbackChangd = false").unwrap();
        let failure = check(&args, variables(), |_| Machine::default(), &mut console).unwrap_err();
        assert!(failure.sentence().unwrap().contains("did you mean `UserCallbackChanged`?"), "{failure:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
