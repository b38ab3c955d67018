//! What is no error and all the same cannot hold, or is not meant: one list, for `rte check` and
//! for the start.

use super::checked::Config;
use super::machine::{Machine, memory_bytes_max, unwritten};
use crate::auth::keys::{Algorithm, Material};
use crate::schema::Catalogue;
use crate::shell::descriptors::needed;
use crate::shell::listener::BACKLOG;
use crate::shell::shown;
use std::fmt;
use std::path::PathBuf;

/// Something that the operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its stable name.
    pub name: &'static str,
    /// What is so, what follows, and what to do.
    pub why: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.why)
    }
}

/// A kind of warning.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its stable name.
    pub name: &'static str,
    /// When it is given, for people.
    pub meaning: &'static str,
    judge: fn(&Config, &Machine, &Catalogue) -> Vec<String>,
}

/// All kinds, in the order in which they are told.
pub const ROWS: [Row; 17] = [
    row(
        "configuration",
        "a variable that is no key, a key of a set that is passed over, or `journal.redis` with another engine",
        configuration,
    ),
    row(
        "descriptors",
        "the process may not have as many file descriptors as `connections_max` and `strangers_max` need",
        descriptors,
    ),
    row(
        "memory",
        "limits.memory_bytes_max is more than the machine or the control group has, or what is kept of the past leaves too little of it",
        memory,
    ),
    row("somaxconn", "`net.core.somaxconn` is less than the queue of connections that the hub asks for", somaxconn),
    row("wmem_max", "`net.core.wmem_max` is less than `socket_send_bytes`", wmem_max),
    row(
        "default_grants",
        "a default grant covers nothing: there is no such family or event, or not together",
        default_grants,
    ),
    row("weak_secret", "a secret is long enough and easy to guess all the same", weak_secret),
    row("secret_readable", "everybody on the machine may read a file with a secret", secret_readable),
    row("key_writable", "everybody on the machine may write a file that says whom to trust", key_writable),
    row(
        "trusted_proxies",
        "a trusted network is larger than any private one: everybody chooses the address that the log shows",
        trusted_proxies,
    ),
    row("issuer", "a public key or set serves tokens of any issuer", issuer),
    row("audience", "with a public key or set, tokens that were issued for other programs are taken", audience),
    row("tickets", "tokens of clients are refused in queries, and browsers get no tickets", tickets),
    row("journal", "the folder of the journal cannot be written to; to `rte check` that is wrong", journal),
    row("listen", "nobody can listen on the address now; told by `rte check` only", listen),
    row(
        "keys_not_fetched",
        "a set of keys cannot be fetched now; told by `rte check`, and in the log of a hub",
        keys_not_fetched,
    ),
    row(
        "backplane_unsafe",
        "the Redis of the nodes may lose what was answered 202; told by `rte check --connect`, and in the log of a hub",
        |_, machine, _| machine.backplane_unsafe.clone(),
    ),
];

/// What whoever has a secret of tokens does.
pub(super) const MAKES_TOKENS: &str = "makes tokens";

/// A secret that tells less than so many bits, by how its characters are spread, is weak.
const SECRET_BITS_MIN: f64 = 96.0;

const fn row(
    name: &'static str,
    meaning: &'static str,
    judge: fn(&Config, &Machine, &Catalogue) -> Vec<String>,
) -> Row {
    Row { name, meaning, judge }
}

/// Everything that is odd with this configuration on this machine.
pub fn warnings(config: &Config, machine: &Machine, catalogue: &Catalogue) -> Vec<Warning> {
    let of_row = |row: &Row| {
        let name = row.name;
        (row.judge)(config, machine, catalogue).into_iter().map(move |why| Warning { name, why }).collect::<Vec<_>>()
    };
    ROWS.iter().flat_map(of_row).collect()
}

fn configuration(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    config.warnings.clone()
}

fn descriptors(config: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let (connections, strangers) = (config.limits.connections_max, config.limits.strangers_max);
    let (needed, max) = (needed(&config.limits, config.internal.is_some()), machine.descriptors_max);
    let told = max.filter(|max| *max < needed).map(|max| {
        format!(
            "limits.connections_max = {connections} and limits.strangers_max = {strangers} need {needed} file descriptors, and \
             the process may have {max}: raise LimitNOFILE= (ulimit -Hn), or lower the limits"
        )
    });
    told.into_iter().collect()
}

fn memory(config: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let Some(memory) = machine.memory_bytes else { return Vec::new() };
    let (most, past) = (memory_bytes_max(&config.limits, Some(memory)) as u64, config.limits.past_bytes_max());
    let mut told = Vec::new();
    if most > memory {
        let (most, memory) = (most >> 20, memory >> 20);
        told.push(format!("limits.memory_bytes_max is {most} MiB, and there are {memory} MiB: lower it"));
    }
    if past > most / 4 * 3 {
        told.push(format!(
            "what is kept of the past takes up to {} MiB of the {} MiB that limits.memory_bytes_max comes to, and there are {} \
             MiB: lower kept_bytes_max, kept_rows_max, history_bytes_max or dedupe_max, or clients are refused for it",
            past >> 20,
            most >> 20,
            memory >> 20
        ));
    }
    told
}

fn somaxconn(_: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let told = machine.somaxconn.filter(|max| i128::from(*max) < i128::from(BACKLOG)).map(|max| {
        format!(
            "the kernel queues at most {max} connections that wait to be accepted, and a crowd that comes back at once is more: \
             sysctl net.core.somaxconn={BACKLOG}"
        )
    });
    told.into_iter().collect()
}

fn wmem_max(config: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let asked = config.limits.socket_send_bytes;
    let told = machine.wmem_max.filter(|max| *max < asked as u64).map(|max| {
        format!("limits.socket_send_bytes = {asked}, of which the kernel gives {max}: sysctl net.core.wmem_max={asked}, or lower the limit")
    });
    told.into_iter().collect()
}

fn default_grants(config: &Config, _: &Machine, catalogue: &Catalogue) -> Vec<String> {
    let grants = &config.verifier.options().default_grants;
    grants.iter().filter_map(|grant| Some(format!("{grant} {}", grant.fault(catalogue)?))).collect()
}

fn weak_secret(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    let told = |path: &String| {
        format!("the secret of {path} repeats itself and can be guessed: make one with `openssl rand -base64 48`")
    };
    config.key_sources.weak.iter().map(told).collect()
}

/// Whether a secret is easy to guess, by what it repeats: a heuristic that knows no words.
pub(super) fn is_weak(secret: &str) -> bool {
    let bytes = secret.as_bytes();
    let repeats = |period: &usize| bytes.iter().zip(bytes.iter().skip(*period)).all(|(a, b)| a == b);
    let period = (1..bytes.len()).find(repeats).unwrap_or(bytes.len());
    let unit = bytes.get(..period).unwrap_or(bytes);
    let mut counts = [0_u32; 256];
    unit.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let total = f64::from(u32::try_from(unit.len()).unwrap_or(u32::MAX));
    let bits: f64 = counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| f64::from(count) * (total / f64::from(count)).log2())
        .sum();
    bits < SECRET_BITS_MIN
}

fn secret_readable(config: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let sources = &config.key_sources;
    let does = |path: &PathBuf| {
        let secret = sources.secrets.iter().find(|(secret, _)| secret == path).map(|(_, does)| *does);
        secret.or_else(|| (sources.is_in_config && config.file.as_ref() == Some(path)).then_some(MAKES_TOKENS))
    };
    let open = machine.modes.iter().filter(|(_, mode)| mode & 0o004 != 0);
    open.filter_map(|(path, _)| {
        Some(format!("everybody may read {}: chmod o-r, for who has it {}", path.display(), does(path)?))
    })
    .collect()
}

fn key_writable(_: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let open = machine.modes.iter().filter(|(_, mode)| mode & 0o002 != 0);
    open.map(|(path, _)| format!("everybody may write {}: chmod o-w, for it says whom to trust", path.display()))
        .collect()
}

fn trusted_proxies(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    let wide = config.hub.trusted_proxies.iter().filter(|network| network.is_wider_than_private());
    wide.map(|network| {
        format!("{network} trusts strangers: they choose the address that the log shows; name the proxies, or their own network")
    })
    .collect()
}

fn issuer(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    let keys = &config.verifier.options().keys;
    let mut told: Vec<String> = Vec::new();
    for ((id, algorithm), issuers) in keys.iter().zip(keys.issuers()) {
        if algorithm.material() != Material::Secret && issuers.is_empty() {
            let id = id.map_or_else(|| "without id".to_owned(), |id| format!("{id:?}"));
            told.push(format!(
                "the {algorithm} key {id} serves tokens of any `iss`: set auth.issuer, or the key's own"
            ));
        }
    }
    let sentence =
        |url| format!("the keys of {} serve tokens of any `iss`: set auth.issuer, or the set's own", shown(url));
    told.extend(keys.urls_for_any_issuer().map(sentence));
    told
}

fn audience(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    let options = config.verifier.options();
    let is_public = |algorithm: Algorithm| algorithm.material() != Material::Secret;
    let is_others = options.keys.iter().any(|(_, algorithm)| is_public(algorithm)) || !options.keys.urls().is_empty();
    let why = "tokens that the issuer made for other programs are good here, too: set auth.audience";
    (is_others && options.audiences.is_empty()).then(|| why.to_owned()).into_iter().collect()
}

fn tickets(config: &Config, _: &Machine, _: &Catalogue) -> Vec<String> {
    let why = "auth.jwt_in_query refuses the only place where a browser can put its token, and no ticket stands for it: set \
               auth.tickets, or no browser gets a WebSocket or an event stream";
    (!config.hub.jwt_in_query && !config.hub.tickets).then(|| why.to_owned()).into_iter().collect()
}

fn journal(config: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let Some(journal) = &config.journal else { return Vec::new() };
    let unwritten = machine.journal_not_written.as_ref().map(|error| unwritten(&journal.dir, error));
    unwritten.into_iter().collect()
}

fn listen(_: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let told = machine.not_bound.as_ref().map(|error| format!("{error}; that is well where this hub runs already"));
    told.into_iter().collect()
}

fn keys_not_fetched(_: &Config, machine: &Machine, _: &Catalogue) -> Vec<String> {
    let told =
        |why: &String| format!("{why}; a hub that starts now refuses the tokens of that issuer until it has the set");
    machine.keys_not_fetched.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;
    use std::io;

    const GOOD: &str = "q7#Lw0)vT2mZ!eR9xK4uB6yH1sD8fG3a";
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    fn config(text: &str) -> Config {
        Config::from_sources(Sources {
            file: Some((PathBuf::from("rte.toml"), text.to_owned())),
            variables: Vec::new(),
            settings: Vec::new(),
            read: &|path| match path.to_str() {
                Some("secret") => Ok(format!("{GOOD}\n")),
                Some("weak") => Ok("changeme".repeat(4)),
                Some("key.pem") => Ok(PEM.to_owned()),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        })
        .unwrap()
    }

    /// The names and sentences of what is told.
    fn told(text: &str, machine: &Machine) -> Vec<(&'static str, String)> {
        let warnings = warnings(&config(text), machine, &Catalogue::built_in(None));
        warnings.into_iter().map(|warning| (warning.name, warning.why)).collect()
    }

    /// What is told, which is one thing of that name, with these words.
    fn alone(text: &str, machine: &Machine, name: &str, words: &[&str]) {
        let told = told(text, machine);
        assert!(told.len() == 1 && told[0].0 == name, "{told:?}");
        assert!(words.iter().all(|word| told[0].1.contains(word)), "{told:?}");
    }

    const SECRET: &str = "[auth]\nsecret_file = \"secret\"\n";

    fn machine() -> Machine {
        Machine {
            descriptors_max: Some(524_288),
            somaxconn: Some(4096),
            wmem_max: Some(212_992),
            memory_bytes: Some(64 << 30),
            modes: [("secret", 0o100_640), ("rte.toml", 0o100_644)].map(|(path, mode)| (path.into(), mode)).into(),
            journal_not_written: None,
            not_bound: None,
            keys_not_fetched: Vec::new(),
            backplane_unsafe: Vec::new(),
        }
    }

    #[test]
    fn an_ordinary_machine_gives_no_warning_nor_does_one_that_tells_nothing() {
        assert_eq!(told(SECRET, &machine()), []);
        assert_eq!(told(SECRET, &Machine::default()), []);
    }

    #[test]
    fn queries_without_tokens_and_without_tickets_are_told() {
        let refuse = format!("{SECRET}jwt_in_query = \"refuse\"\n");
        alone(&refuse, &machine(), "tickets", &["auth.jwt_in_query", "set auth.tickets"]);
        assert_eq!(told(&format!("{refuse}tickets = true\n"), &machine()), []);
        assert_eq!(told(&format!("{SECRET}tickets = true\n"), &machine()), []);
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_told() {
        let text = format!("{SECRET}[journal]\nengine = \"file\"\ndir = \"kept\"\n");
        let closed = Machine { journal_not_written: Some("No such file".to_owned()), ..machine() };
        alone(&text, &closed, "journal", &["kept (No such file)", "make the folder"]);
        assert_eq!((told(SECRET, &closed), told(&text, &machine())), (vec![], vec![]), "where none is asked for");
    }

    #[test]
    fn a_redis_that_another_engine_does_not_use_is_told() {
        let redis = "[journal.redis]\naddresses = [\"10.0.0.7:6379\"]\n";
        let words = ["journal.redis is passed over", "set journal.engine = \"redis\""];
        alone(&format!("{SECRET}{redis}"), &machine(), "configuration", &words);
        alone(
            &format!("{SECRET}[journal]\nengine = \"file\"\ndir = \"kept\"\n{redis}"),
            &machine(),
            "configuration",
            &words,
        );
        assert_eq!(told(&format!("{SECRET}[journal]\nengine = \"redis\"\n{redis}"), &machine()), []);
    }

    #[test]
    fn descriptors_below_connections_max_are_told_and_just_enough_are_not() {
        let with = |max| Machine { descriptors_max: Some(max), ..machine() };
        alone(SECRET, &with(58_255), "descriptors", &["connections_max = 50000 and", "need 58256", "LimitNOFILE"]);
        assert_eq!(told(SECRET, &with(58_256)), []);
        let small = format!("{SECRET}[limits]\nconnections_max = 900\nstrangers_max = 60\n");
        assert_eq!(told(&small, &with(1024)), []);
    }

    #[test]
    fn a_bound_of_memory_that_the_machine_has_not_or_that_the_past_fills_is_told() {
        let with = |memory| Machine { memory_bytes: Some(memory), ..machine() };
        alone(SECRET, &with(256 << 20), "memory", &["192 MiB", "there are 256 MiB", "kept_bytes_max"]);
        assert_eq!(told(SECRET, &with(512 << 20)), []);
        let large = format!("{SECRET}[limits]\nmemory_bytes_max = 1073741824\n");
        alone(&large, &with(512 << 20), "memory", &["memory_bytes_max is 1024 MiB", "there are 512 MiB"]);
        let small = "[limits]\nconnections_max = 500\nstrangers_max = 100\ndedupe_max = 10000\nbacklog_bytes_max = 33554432\nkept_bytes_max = 8388608\n";
        assert_eq!(told(&format!("{SECRET}{small}[server]\nthreads = 1\n"), &with(256 << 20)), []);
    }

    #[test]
    fn queues_of_the_kernel_that_are_shorter_than_asked_for_are_told() {
        alone(SECRET, &Machine { somaxconn: Some(128), ..machine() }, "somaxconn", &["at most 128", "somaxconn=4096"]);
        let text = format!("{SECRET}[limits]\nsocket_send_bytes = 262144\n");
        alone(&text, &machine(), "wmem_max", &["262144", "gives 212992"]);
    }

    #[test]
    fn a_default_grant_that_covers_nothing_is_told_with_the_nearest_name() {
        let with = |grant: &str| format!("{SECRET}default_grants = [\"{grant}\"]\n");
        for (grant, word) in [
            ("user/*/UserAvailabilty", "did you mean `UserAvailability`?"),
            ("usr/*", "no family `usr`: did you mean `User`?"),
            ("queue/*/UserStatus", "UserStatus is an event of the family User"),
        ] {
            alone(&with(grant), &machine(), "default_grants", &[word, "covers nothing"]);
        }
        for grant in ["user/*/UserAvailability", "*/*", "*/*/queuestatus", "CALLLIST/*"] {
            assert_eq!(told(&with(grant), &machine()), [], "{grant}");
        }
    }

    #[test]
    fn a_secret_that_repeats_itself_is_weak_and_random_ones_are_not() {
        for weak in [
            "a".repeat(64),
            "changeme".repeat(4),
            "0123456789abcdef".repeat(2),
            "passwordpasswordpasswordpassword1".into(),
        ] {
            assert!(is_weak(&weak), "{weak}");
        }
        let random = [
            GOOD,
            "8f14e45fceea167a5a36dedd4bea2543",
            "correct horse battery staple and more words",
            "0aGm3F7XrYV5v1kqjVQ0fWm9PzJt2b8sLd6cHnUe4xTi==",
        ];
        assert!(random.iter().all(|secret| !is_weak(secret)));
        alone("[auth]\nsecret_file = \"weak\"\n", &Machine::default(), "weak_secret", &["auth.secret_file", "openssl"]);
    }

    #[test]
    fn files_open_to_everybody_are_told_as_far_as_they_matter() {
        let with = |path: &str, mode| Machine { modes: vec![(path.into(), mode)], ..machine() };
        alone(SECRET, &with("secret", 0o100_644), "secret_readable", &["may read secret", "chmod o-r"]);
        alone(SECRET, &with("rte.toml", 0o100_646), "key_writable", &["may write rte.toml"]);
        let inline = format!("[auth]\nsecret = \"{GOOD}\"\n");
        alone(&inline, &with("rte.toml", 0o100_644), "secret_readable", &["may read rte.toml"]);
        assert_eq!(told(&inline, &with("rte.toml", 0o100_640)), []);
        let redis = format!(
            "{SECRET}[journal]\nengine = \"redis\"\n[journal.redis]\naddresses = [\"a:1\"]\npassword_file = \"weak\"\n"
        );
        alone(&redis, &with("weak", 0o100_644), "secret_readable", &["may read weak", "may do at Redis what"]);
        let public = "[auth]\npem_file = \"key.pem\"\nissuer = \"i\"\naudience = \"a\"\n";
        assert_eq!(told(public, &with("key.pem", 0o100_644)), [], "a public key is public");
        alone(public, &with("key.pem", 0o100_666), "key_writable", &["key.pem"]);
        let ids = |file: &str| format!("[server]\nid_secret_file = \"{file}\"\n{public}");
        alone(&ids("secret"), &with("secret", 0o100_644), "secret_readable", &["may read secret", "connection ids"]);
        alone(&ids("weak"), &machine(), "weak_secret", &["server.id_secret_file"]);
    }

    #[test]
    fn networks_larger_than_private_ones_are_told() {
        let with = |network: &str| format!("{SECRET}[server]\ntrusted_proxies = [\"{network}\"]\n");
        for wide in ["0.0.0.0/0", "::/0", "128.0.0.0/1", "10.0.0.0/7", "2000::/3"] {
            alone(&with(wide), &machine(), "trusted_proxies", &[wide]);
        }
        for own in ["127.0.0.1", "::1", "10.0.0.0/8", "fc00::/7", "172.16.0.0/12"] {
            assert_eq!(told(&with(own), &machine()), [], "{own}");
        }
    }

    #[test]
    fn a_public_key_for_any_issuer_and_any_audience_is_told_and_a_secret_is_not() {
        let with = |more: &str| format!("[auth]\npem_file = \"key.pem\"\n{more}");
        let names = |text: &str| told(text, &machine()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&with("")), ["issuer", "audience"]);
        alone(&with("audience = \"rte\"\n"), &machine(), "issuer", &["EdDSA key without id"]);
        alone(&with("issuer = \"https://id\"\n"), &machine(), "audience", &["auth.audience"]);
        let set = "[auth]\njwks_url = \"https://id.example.com/keys\"\n";
        assert_eq!(names(set), ["issuer", "audience"], "a set that is still to be fetched");
        alone(&format!("{set}audience = \"rte\"\n"), &machine(), "issuer", &["https://id.example.com/keys"]);
        let own = "audience = \"rte\"\n[[auth.keys]]\nid = \"k\"\npem_file = \"key.pem\"\nissuer = \"i\"\n";
        assert_eq!(names(&format!("[auth]\n{own}")), [""; 0]);
    }

    #[test]
    fn an_address_that_is_taken_is_told() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!("{SECRET}[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
        let machine = machine().with_port(&config(&text));
        alone(&text, &machine, "listen", &["cannot be listened on now"]);
        let free = format!("{SECRET}[server]\nlisten = \"127.0.0.1:0\"\n");
        assert_eq!(told(&free, &Machine::default().with_port(&config(&free))), []);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_and_the_machine_is_asked() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..at].iter().all(|other| other.name != row.name), "{}", row.name);
        }
        let config = Config { file: Some(PathBuf::from("/nonexistent")), ..config(SECRET) };
        let machine = Machine::read(&config);
        assert!(machine.descriptors_max.is_some() && machine.modes.is_empty());
        assert!(!cfg!(target_os = "linux") || machine.memory_bytes.is_some() && machine.somaxconn.is_some());
    }
}
