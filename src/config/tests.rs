//! What operators type, and what they are told.

use super::check::{THREADS_DEFAULT_MAX, check_path};
use super::*;
use crate::auth::keys::Algorithm;
use crate::auth::token::Tenancy;
use crate::limits::Limits;
use crate::schema::WireCase;
use crate::schema::validate::Mode;
use crate::shell::log::Format;
use crate::trace::Level;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(super) struct Given<'t> {
    text: &'t str,
    variables: &'t [(&'t str, &'t str)],
    settings: &'t [(&'t str, &'t str)],
}

impl Given<'_> {
    pub(super) fn config(&self) -> Result<Config, ConfigErrors> {
        let owned = |(key, text): &(&str, &str)| ((*key).to_owned(), (*text).to_owned());
        let set = |(key, text): &(&str, &str)| Setting {
            key: (*key).to_owned(),
            text: (*text).to_owned(),
            origin: "--set".to_owned(),
        };
        Config::from_sources(Sources {
            file: Some((PathBuf::from("/etc/rte/rte.toml"), self.text.to_owned())),
            variables: self.variables.iter().map(owned).collect(),
            settings: self.settings.iter().map(set).collect(),
            read: &|path| match path.to_str() {
                Some("/etc/rte/secret" | "secret") => Ok(format!("{SECRET}\r\n")),
                Some("/keys/short") => Ok("short".to_owned()),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        })
    }

    fn errors(&self) -> Vec<String> {
        self.config().unwrap_err().0.iter().map(ToString::to_string).collect()
    }
}

pub(super) fn given(text: &str) -> Given<'_> {
    Given { text, variables: &[("RTE_AUTH_SECRET", SECRET)], settings: &[] }
}

pub(super) fn errors(text: &str) -> Vec<String> {
    given(text).errors()
}

#[test]
fn the_defaults_serve_with_nothing_but_a_key() {
    let sources = Sources {
        file: None,
        variables: vec![("RTE_AUTH_SECRET".to_owned(), SECRET.to_owned()), ("PATH".to_owned(), "/bin".to_owned())],
        settings: Vec::new(),
        read: &|_| Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let config = Config::from_sources(sources).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!((config.hub.path.as_str(), config.log, config.log_level), ("/rte", Format::Human, Level::Info));
    assert!((1..=THREADS_DEFAULT_MAX).contains(&config.threads));
    assert_eq!(config.limits, Limits::DEFAULT);
    assert_eq!((config.hub.publish.validation, config.wire_case), (Mode::Strict, None));
    assert!(config.hub.origins.allow(Some("https://anybody.example"), None));
    assert_eq!(config.verifier.options().leeway_s, 5);
    assert!(config.warnings.is_empty() && config.derive.is_empty() && config.file.is_none());
}

#[test]
fn without_a_key_the_error_says_what_to_do() {
    let told = Given { text: "", variables: &[], settings: &[] }.errors();
    let [error] = told.as_slice() else { panic!("{told:?}") };
    assert!(error.starts_with("/etc/rte/rte.toml: there is no key"), "{error}");
    for advice in ["RTE_AUTH_SECRET=", "openssl rand", "rte token", "pem_file", "jwks_file", "secret_file"] {
        assert!(error.contains(advice), "{advice}");
    }
}

#[test]
fn pages_are_where_what_they_load_is() {
    let inside = [("server.internal", "127.0.0.1:9090"), ("pages.enabled", "true")];
    let told =
        |settings: &[(&str, &str)]| Given { text: "auth.secret_file = \"secret\"", variables: &[], settings }.errors();
    let errors = told(&inside);
    assert!(errors.len() == 1 && errors[0].contains("set `server.public_documents`, too"), "{errors:?}");
}

#[test]
fn everything_can_be_configured() {
    let text = r#"
        [server]
        listen = "[::]:80"
        path = "/hubs/rte"
        threads = 3
        trusted_proxies = ["10.0.0.0/8", "::1"]
        log = "json"
        log_level = "debug"
        detailed_errors = true
        [auth]
        issuer = "pbx"
        audience = "hub"
        leeway_s = 0
        claims = { user = "uid", organization = "tenant", grants = "grants", scope = "scp" }
        default_grants = ["user/*/UserAvailability"]
        tenancy = "single"
        close_on_expiry = true
        [[auth.keys]]
        id = "main"
        algorithm = "HS256"
        secret_file = "secret"
        [cors]
        origins = ["https://App.example.com", "http://localhost:3000"]
        [publish]
        validation = "lenient"
        [derive]
        UserCallbackChanged = false
        [catalogue]
        wire_case = "documented"
        [limits]
        items_max = 7
    "#;
    let config = Given { text, variables: &[], settings: &[] }.config().unwrap();
    assert_eq!((config.listen.port(), config.hub.path.as_str(), config.threads), (80, "/hubs/rte", 3));
    assert!(config.hub.trusted_proxies.len() == 2 && config.hub.detailed_errors);
    assert_eq!((config.log, config.log_level), (Format::Json, Level::Debug));
    let auth = config.verifier.options();
    assert!(auth.keys.issuers().all(|issuers| issuers == ["pbx"]));
    assert_eq!((auth.audiences.as_slice(), auth.leeway_s), (&["hub".to_owned()][..], 0));
    assert_eq!((auth.claims.user.to_string(), auth.claims.scope.to_string()), ("uid".to_owned(), "scp".to_owned()));
    assert!(auth.default_grants.len() == 1 && auth.tenancy == Tenancy::Single && auth.close_on_expiry);
    assert_eq!(auth.keys.iter().collect::<Vec<_>>(), [(Some("main"), Algorithm::Hs256)]);
    assert_eq!(config.hub.origins.allowed.clone().unwrap(), ["https://app.example.com", "http://localhost:3000"]);
    assert_eq!((config.hub.publish.validation, config.wire_case), (Mode::Lenient, Some(WireCase::Documented)));
    assert_eq!(config.derive.get("UserCallbackChanged"), Some(&false));
    assert_eq!(config.limits, Limits { items_max: 7, ..Limits::DEFAULT });
    assert!(config.signing_key().is_some());
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
    assert_eq!(
        errors("[server]\n  lisen = 1"),
        ["/etc/rte/rte.toml:2:3: unknown key `lisen` in [server]: did you mean `listen`?"]
    );
    assert_eq!(errors("[sever]"), ["/etc/rte/rte.toml:1:2: unknown key `sever`: did you mean `server`?"]);
    assert_eq!(errors("origins = []"), ["/etc/rte/rte.toml:1:1: unknown key `origins`: it belongs in [cors]"]);
    assert_eq!(
        errors("secret_file = \"secret\""),
        ["/etc/rte/rte.toml:1:1: unknown key `secret_file`: it belongs in [auth]"]
    );
    let elsewhere = errors("[[auth.keys]]\nkid = \"a\"");
    assert_eq!(elsewhere.len(), 1);
    assert!(elsewhere[0].starts_with("/etc/rte/rte.toml:2:1: unknown key `kid` in [auth.keys[0]]: "), "{elsewhere:?}");
    assert_eq!(
        errors("[publish]\n\"ü\" = 1"),
        ["/etc/rte/rte.toml:2:1: unknown key `ü` in [publish]: known are `query_token`, `validation`"]
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_without_being_quoted() {
    assert_eq!(
        errors("[server]\nlisten = 8080\nthreads = \"4\"\n[auth]\nissuer = [true]\nkeys = \"hush\"\nleeway_s = 1.5"),
        [
            "/etc/rte/rte.toml:2:10: `server.listen` must be a string, not a whole number",
            "/etc/rte/rte.toml:3:11: `server.threads` must be a whole number, not a string",
            "/etc/rte/rte.toml:5:11: `auth.issuer[0]` must be a string, not true or false",
            "/etc/rte/rte.toml:6:8: `auth.keys` must be a list of tables, not a string",
            "/etc/rte/rte.toml:7:12: `auth.leeway_s` must be a whole number, not a number with a fraction",
        ]
    );
}

#[test]
fn a_value_out_of_bounds_is_refused() {
    for (text, told) in [
        ("[server]\nthreads = 0", "2:11: `server.threads` must be 1 to 256, not 0"),
        ("[server]\nthreads = 100000", "2:11: `server.threads` must be 1 to 256, not 100000"),
        (
            "[limits]\nconnections_max = 1152921504606846976",
            "2:19: `limits.connections_max` must be 1 to 16777216, not 1152921504606846976",
        ),
        ("[limits]\nping_every_ms = 0", "2:17: `limits.ping_every_ms` must be 100 to 3600000, not 0"),
        ("[limits]\nidle_ms = 86400001", "2:11: `limits.idle_ms` must be 1 to 86400000, not 86400001"),
        ("[limits]\nitems_max = 0", "2:13: `limits.items_max` must be 1 to 4294967296, not 0"),
        ("[limits]\njson_depth_max = 257", "2:18: `limits.json_depth_max` must be 8 to 256, not 257"),
    ] {
        assert_eq!(errors(text), [format!("/etc/rte/rte.toml:{told}")]);
    }
    assert_eq!(
        errors("[server]\nthreads = 70000\nlog_level = \"warning\"\n[limits]\nitems_max = -1"),
        [
            "/etc/rte/rte.toml:2:11: `server.threads` must be 1 to 256, not 70000",
            "/etc/rte/rte.toml:3:13: `server.log_level` must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\", not \"warning\": did you mean \"warn\"?",
            "/etc/rte/rte.toml:5:13: `limits.items_max` must be 1 to 4294967296, not -1",
        ]
    );
    assert_eq!(
        errors("[limits]\nitems_max = 99999999999999999999"),
        ["/etc/rte/rte.toml:2:13: `limits.items_max` must be a whole number, not a number beyond 64 bits"]
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let told = errors(
        "[server]\nlisten = \"localhost\"\npath = \"rte/\"\ntrusted_proxies = [\"::1\",\n  \"lan\"]\n\
         [cors]\norigins = [\"*\", \"https://a.example/\"]\n[auth]\ndefault_grants = [\"queue\"]\n\
         [limits]\nping_every_ms = 40000",
    );
    let starts = [
        "/etc/rte/rte.toml:2:10: \"localhost\" is not an address and a port",
        "/etc/rte/rte.toml:3:8: \"rte/\" is not a path",
        "/etc/rte/rte.toml:5:3: \"lan\" is neither an address nor a network",
        "/etc/rte/rte.toml:7:12: leave `cors.origins` out",
        "/etc/rte/rte.toml:7:17: \"https://a.example/\" is not an origin",
        "/etc/rte/rte.toml:9:19: \"queue\": A grant is not of the form",
        "/etc/rte/rte.toml:10:1: ping_every_ms (40000) must be less than client_timeout_ms (30000)",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
}

#[test]
fn what_is_no_toml_is_told_without_its_line() {
    let told = errors("[auth]\nsecret = \"hush\n");
    assert!(told[0].starts_with("/etc/rte/rte.toml:2:"), "{told:?}");
    assert!(!format!("{told:?}").contains("hush"), "{told:?}");
}

#[test]
fn the_environment_goes_over_the_file_and_flags_over_both() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\npath = \"/file\"\nthreads = 1\n[cors]\norigins = []";
    let variables = &[
        ("RTE_AUTH_SECRET", SECRET),
        ("RTE_SERVER_PATH", "/variable"),
        ("RTE_SERVER_THREADS", "2"),
        ("RTE_AUTH_CLOSE_ON_EXPIRY", "true"),
        ("RTE_CORS_ORIGINS", "https://a.example, https://b.example"),
        ("RTE_AUTH_CLAIMS_USER", "uid"),
        ("RTE_LIMITS_ITEMS_MAX", "5"),
        ("RTE_SERVER_LOG", ""),
        ("RTE_CONFIG", "elsewhere"),
        ("RTE_TOKEN", "a.b.c"),
    ];
    let settings = &[("server.threads", "3"), ("catalogue.wire_case", "camel")];
    let config = Given { text, variables, settings }.config().unwrap();
    assert_eq!((config.listen.port(), config.hub.path.as_str(), config.threads), (1, "/variable", 3));
    assert!(config.verifier.options().close_on_expiry);
    assert_eq!(config.hub.origins.allowed.clone().unwrap(), ["https://a.example", "https://b.example"]);
    assert_eq!(config.verifier.options().claims.user.to_string(), "uid");
    assert_eq!((config.limits.items_max, config.wire_case), (5, Some(WireCase::Camel)));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn folders_of_events_are_relative_to_the_file_that_names_them() {
    let text = "[catalogue]\nschema_dirs = [\"schema.d\", \"/srv/events\"]";
    let config = given(text).config().unwrap();
    assert_eq!(config.schema_dirs, [PathBuf::from("/etc/rte/schema.d"), PathBuf::from("/srv/events")]);
    let variables = &[("RTE_AUTH_SECRET", SECRET), ("RTE_CATALOGUE_SCHEMA_DIRS", "a, b")];
    let config = Given { text, variables, settings: &[] }.config().unwrap();
    assert_eq!(config.schema_dirs, [PathBuf::from("a"), PathBuf::from("b")]);
    assert!(given("").config().unwrap().schema_dirs.is_empty());
}

#[test]
fn a_bad_variable_or_flag_is_named() {
    let variables = &[("RTE_AUTH_SECRET", "short"), ("RTE_AUTH_LEEWAY_S", "soon"), ("RTE_SERVER_LOG", "xml")];
    let settings = &[("server.lisen", "1"), ("auth.keys", "1"), ("server.detailed_errors", "yes")];
    assert_eq!(
        Given { text: "", variables, settings }.errors(),
        [
            "RTE_AUTH_LEEWAY_S: `auth.leeway_s` must be a whole number",
            "--set: unknown key `server.lisen`: did you mean `server.listen`?",
            "--set: unknown key `auth.keys`",
            "--set: `server.detailed_errors` must be true or false",
            "RTE_SERVER_LOG: `server.log` must be one of \"human\", \"json\", not \"xml\"",
        ]
    );
    let short = Given { text: "", variables: &[("RTE_AUTH_SECRET", "short")], settings: &[] }.errors();
    assert!(short[0].starts_with("RTE_AUTH_SECRET: the secret has 5 bytes"), "{short:?}");
}

#[test]
fn a_strange_variable_is_a_warning_with_the_nearest_known_one() {
    let variables = &[("RTE_AUTH_SECRET", SECRET), ("RTE_SERVICE_HOST", "10.0.0.1"), ("RTE_SERVER_LISTN", "x")];
    let config = Given { text: "", variables, settings: &[] }.config().unwrap();
    assert_eq!(
        config.warnings,
        [
            "RTE_SERVICE_HOST: no key has this variable",
            "RTE_SERVER_LISTN: no key has this variable: did you mean RTE_SERVER_LISTEN?"
        ]
    );
}

#[test]
fn a_key_file_named_by_the_file_is_relative_to_it() {
    let alone = |text, variables| Given { text, variables, settings: &[] };
    assert!(alone("[auth]\nsecret_file = \"secret\"", &[]).config().is_ok());
    assert!(alone("", &[("RTE_AUTH_SECRET_FILE", "secret")]).config().is_ok());
    assert_eq!(
        alone("[[auth.keys]]\npem_file = \"no.pem\"\n[[auth.keys]]\nsecret_file = \"/keys/short\"", &[]).errors(),
        [
            "/etc/rte/rte.toml:2:12: /etc/rte/no.pem can't be read: entity not found",
            "/etc/rte/rte.toml:4:15: the secret has 5 bytes, and HS256 needs at least 32: make one with `openssl rand -base64 48`"
        ]
    );
}

#[test]
fn each_key_has_exactly_one_source() {
    let told = errors(
        "[[auth.keys]]\nid = \"a\"\n[[auth.keys]]\nsecret = \"x\"\npem_file = \"y\"\n[[auth.keys]]\nalgorithm = \"ES512\"\njwks_file = \"z\"",
    );
    let starts = [
        "/etc/rte/rte.toml:1:1: has no key: give exactly one",
        "/etc/rte/rte.toml:5:12: has secret and pem_file: give exactly one",
        "/etc/rte/rte.toml:7:13: \"ES512\" is not served: the cryptography library has no P-521; HS256, HS384",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
    let two = errors("[[auth.keys]]\nsecret_file = \"secret\"");
    assert!(two[0].contains("two keys for HS256"), "{two:?}");
    assert!(given("[[auth.keys]]\nid = \"a\"\nsecret_file = \"secret\"").config().is_ok(), "one step to a second key");
    let lost = errors("[auth]\nalgorithm = \"HS512\"");
    assert!(lost[0].starts_with("RTE_AUTH_SECRET: the secret has 32 bytes, and HS512 needs at least 64"), "{lost:?}");
}

#[test]
fn issuers_and_audiences_are_one_or_many_and_an_issuer_may_be_a_keys_own() {
    let text = r#"
        [auth]
        issuer = ["https://a", "https://b"]
        audience = "rte"
        secret_file = "secret"
        [auth.claims]
        grants = ["realm_access", "roles"]
        [[auth.keys]]
        id = "c"
        issuer = "https://c"
        secret_file = "secret"
    "#;
    let of = |settings| Given { text, variables: &[], settings }.config();
    let issuers = |config: &Config| {
        let issuers = config.verifier.options().keys.issuers().map(<[String]>::to_vec);
        issuers.collect::<Vec<_>>().iter().map(|list| list.join(" ")).collect::<Vec<_>>()
    };
    let config = of(&[]).unwrap();
    assert_eq!(issuers(&config), ["https://a https://b", "https://c"]);
    assert_eq!(config.verifier.options().claims.grants.names(), ["realm_access", "roles"]);
    let config = of(&[("auth.issuer", "https://d"), ("auth.audience", "x, y"), ("auth.claims.grants", "r.s")]).unwrap();
    assert_eq!(issuers(&config), ["https://d", "https://c"]);
    assert_eq!(config.verifier.options().audiences, ["x", "y"]);
    assert_eq!(config.verifier.options().claims.grants.names(), ["r.s"]);
    let told = errors("[auth]\nissuer = []\naudience = [\"a\", 1]\n[auth.claims]\nscope = 5");
    assert_eq!(
        told,
        [
            "/etc/rte/rte.toml:3:18: `auth.audience[1]` must be a string, not a whole number",
            "/etc/rte/rte.toml:5:9: `auth.claims.scope` must be a string or a list of strings, not a whole number",
        ]
    );
    for text in ["[auth]\nissuer = []", "[auth]\nissuer = \"\"", "[auth]\nissuer = [\"a\", \"\"]"] {
        assert!(errors(text)[0].contains("`auth.issuer` is empty"), "{text}");
    }
}

#[test]
fn options_of_tokens_are_told_at_their_place() {
    assert!(errors("[auth]\nleeway_s = 301")[0].starts_with("/etc/rte/rte.toml:2:12: a leeway of more than 300 s"));
    assert!(errors("[auth.claims]\nuser = \"exp\"")[0].starts_with("/etc/rte/rte.toml:1:1: the claim name \"exp\""));
}

#[test]
fn a_list_of_words_is_a_key_like_any_other() {
    for settings in [[("server.transports", "LongPolling,WebSockets")], [("server.transports", "LongPolling")]] {
        assert!(Given { settings: &settings, ..given("") }.config().is_ok(), "{settings:?}");
    }
    assert!(given("[server]\ntransports = [\"WebSockets\"]").config().is_ok());
}

#[test]
fn a_word_in_capitals_is_told_with_the_word_as_it_is() {
    let told = "/etc/rte/rte.toml:2:10: `journal.engine` must be one of \"memory\", \"file\", \"redis\", not \"Redis\": did you mean \"redis\"?";
    assert_eq!(errors("[journal]\nengine = \"Redis\""), [told]);
    assert_eq!(
        Given { settings: &[("journal.engine", "Redis")], ..given("") }.errors(),
        [told.replace("/etc/rte/rte.toml:2:10", "--set")]
    );
}

#[test]
fn a_derivation_that_nobody_knows_is_told_with_the_nearest_one() {
    let catalogue = Catalogue::built_in(None);
    let config = given("[derive]\nUserCallbackChange = false\nusercallbackchanged = true").config().unwrap();
    assert_eq!(
        config.not_derived(&catalogue).unwrap_err(),
        "[derive] names `UserCallbackChange`, which is no derived event: did you mean `UserCallbackChanged`?"
    );
    let config = given("[derive]\nusercallbackchanged = false").config().unwrap();
    let options = config.into_shell(catalogue).unwrap();
    assert_eq!(options.hub.publish.not_derived, [options.catalogue.find("UserCallbackChanged").unwrap()]);
}

#[test]
fn a_path_of_the_hub_is_plain_and_nobody_elses() {
    for path in ["/rte", "/hubs/a.b_c-d~1"] {
        assert_eq!(check_path(path), Ok(()), "{path}");
    }
    for path in ["", "/", "rte", "/rte/", "//rte", "/a/../b", "/a b", "/a?b", "/%41"] {
        assert!(check_path(path).unwrap_err().contains("is not a path"), "{path}");
    }
    for (path, taken) in [
        ("/publish", "/publish"),
        ("/Metrics/rte", "/metrics"),
        ("/reference", "/reference"),
        ("/schemas", "/schemas/…"),
        ("/schemas/v1", "/schemas/…"),
    ] {
        let told = format!("{path:?} can't be the hub's: {taken} serves something else");
        assert_eq!(check_path(path), Err(told));
    }
}

#[test]
fn a_url_of_the_hub_is_told_with_what_it_must_be() {
    let url = "public_url = \"https://node-1.example.com/rte\"";
    let wrong = errors(&format!("[server]\npath = \"/hub\"\n{url}\n"));
    let why = "it ends with `server.path`, as in \"https://node-1.example.com/rte\"";
    assert!(wrong.len() == 1 && wrong[0].contains("rte.toml:3:") && wrong[0].contains(why), "{wrong:?}");
    assert!(given(&format!("[server]\n{url}\n")).config().is_ok());
}

#[test]
fn nothing_prints_a_secret() {
    let settings = &[("auth.secret", SECRET)];
    let config = Given { text: "", variables: &[], settings }.config().unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
    let setting = Setting { key: "auth.secret".to_owned(), text: SECRET.to_owned(), origin: "--set".to_owned() };
    assert_eq!(format!("{setting:?}"), "Setting(auth.secret by --set)");
    let raw: Raw =
        serde_json::from_value(serde_json::json!({"auth": {"secret": SECRET, "keys": [{"secret": SECRET}]}})).unwrap();
    assert!(!format!("{raw:?}").contains(SECRET));
    assert!(!serde_json::to_string(&raw).unwrap().contains(SECRET));
}

#[test]
fn every_variable_belongs_to_one_key() {
    let schema = Config::json_schema();
    let mut variables: Vec<_> = schema::leaves(&schema).iter().filter_map(schema::Leaf::variable).collect();
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count);
    assert!(variables.contains(&"RTE_LIMITS_HEAD_BYTES_MAX".to_owned()) && count > 50, "{count}");
    assert!(OTHER_VARIABLES.iter().all(|other| !variables.contains(&(*other).to_owned())));
}

#[test]
fn the_reference_has_every_key_with_default_and_meaning() {
    let rows: Vec<String> = Config::reference().iter().map(|cells| format!("| {} |", cells.join(" | "))).collect();
    let table = rows.join("\n");
    for row in [
        "| server.listen | `\"127.0.0.1:8080\"` | Address and port to listen at.",
        "| server.threads |  | Threads",
        "| server.log | `\"human\"` | Form of the log lines on standard error. One of `\"human\"`, `\"json\"`. |",
        "| auth.keys[].id |  | What tokens name",
        "| auth.secret |  | A secret",
        "| auth.claims.user | `\"sub\"` | ",
        "| derive | `{}` | ",
        "| catalogue.wire_case |  | How property names are spelled on the wire. By default as the catalogue says. One of `\"camel\"`, `\"documented\"`. |",
        "| limits.head_bytes_max | `32768` | ",
    ] {
        assert!(table.contains(row), "{row}\n{table}");
    }
    for [key, _, meaning] in Config::reference() {
        assert!(meaning.len() > 10, "no meaning: {key}");
    }
}

#[test]
fn the_schema_accepts_what_the_configuration_accepts() {
    let schema = Config::json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (text, is_good) in [
        ("[server]\nlisten = \"127.0.0.1:1\"\nthreads = 2\n[limits]\nitems_max = 5\n[[auth.keys]]\nid = \"a\"", true),
        ("[catalogue]\nwire_case = \"camel\"\n[derive]\nX = false\n[cors]\norigins = []", true),
        ("[server]\nlisen = 1", false),
        ("[limits]\nitems_max = -5", false),
        ("[server]\nlog = \"xml\"", false),
        ("[derive]\nX = 1", false),
    ] {
        let json = Tree::parse("x", text).json();
        assert_eq!(validator.is_valid(&json), is_good, "{text}");
        let mut tree = Tree::parse("x", text);
        tree.check(&schema);
        assert_eq!(tree.is_good(), is_good, "{text}");
        assert_eq!(serde_json::from_value::<Raw>(json).is_ok(), is_good, "{text}");
    }
}

#[test]
fn a_certificate_and_its_key_belong_together_and_neither_is_quoted() {
    let pair = || rcgen::generate_simple_self_signed(["rte.example.com".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let told = |certificate: &str, key: &str, text: &str| {
        let config = Config::from_sources(Sources {
            file: Some((PathBuf::from("/etc/rte/rte.toml"), text.to_owned())),
            variables: vec![("RTE_AUTH_SECRET".to_owned(), SECRET.to_owned())],
            settings: Vec::new(),
            read: &|path| match path.to_str() {
                Some("/etc/rte/c.pem") => Ok(certificate.to_owned()),
                Some("/etc/rte/k.pem") => Ok(key.to_owned()),
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            },
        });
        let is_tls =
            |config: Config| config.tls.is_some() || config.backplane.is_some_and(|engine| engine.tls.is_some());
        config.map(is_tls).map_err(|errors| errors.to_string())
    };
    let redis = |tls: &str| format!("[journal]\nengine = \"redis\"\n[journal.redis]\naddresses = [\"a:1\"]\n{tls}");
    let node = redis("tls = true\nca_file = \"c.pem\"\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"");
    let both = "[server]\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\"";
    let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    assert_eq!(told(&chain, &key, both), Ok(true));
    assert_eq!(told(&chain, &key, ""), Ok(false));
    assert_eq!(told(&chain, &key, &node), Ok(true));
    assert_eq!(told(&chain, &key, &redis("tls = true\nca_file = \"c.pem\"")), Ok(true));
    assert_eq!(told(&chain, &key, &redis("tls = true")), Ok(true));
    for (certificate, key, text, place, why) in [
        (chain.as_str(), key.as_str(), "[server]\ntls_certificate = \"c.pem\"", "2:", "`server.tls_key`"),
        (&chain, &key, "[server]\ntls_key = \"k.pem\"", "2:", "`server.tls_certificate`"),
        (&key, &key, both, "2:", "BEGIN CERTIFICATE"),
        ("", &key, both, "2:", "BEGIN CERTIFICATE"),
        (&chain, &chain, both, "3:", "BEGIN PRIVATE KEY"),
        (&chain, &other.signing_key.serialize_pem(), both, "3:", "can't serve"),
        (&chain, &key, &redis("tls = false\nca_file = \"c.pem\""), "6:", "`journal.redis.tls = true`"),
        (&chain, &key, &redis("tls = true\nkey_file = \"k.pem\""), "6:", "`journal.redis.cert_file`"),
        (&chain, &key, &redis("tls = true\nca_file = \"k.pem\""), "6:", "BEGIN CERTIFICATE"),
        (&chain, &other.signing_key.serialize_pem(), &node, "8:", "can't be shown"),
    ] {
        let error = told(certificate, key, text).unwrap_err();
        assert!(error.contains(&format!("rte.toml:{place}")) && error.contains(why), "{error}");
        assert!(!error.contains(key.lines().nth(1).unwrap_or("-----")), "{error}");
    }
}

#[test]
fn what_is_set_outside_is_read_as_toml_writes_it_or_told_how() {
    let variables = &[("RTE_AUTH_SECRET", SECRET)];
    let given = |text, settings| Given { text, variables, settings };
    let config = given("", &[("limits.connections_max", "10_000")]).config().unwrap();
    assert_eq!(config.limits.connections_max, 10_000);
    assert!(given("", &[("limits.connections_max", "1\n2")]).config().is_err());
    assert_eq!(
        given("", &[("cors.origins", "[\"https://a\",\"https://b\"]")]).errors(),
        ["--set: the texts of `cors.origins` are separated by commas here, without brackets"]
    );
    let told = given("[limits]\nitems_max = 7", &[("limits.connections_max", "99999999")]).errors();
    assert!(
        told.len() == 1 && told[0].starts_with("--set: `limits.connections_max` must be 1 to 16777216"),
        "{told:?}"
    );
    assert_eq!(Setting::parse(" limits.items_max=1", "--set").unwrap().origin, "--set limits.items_max");
}

#[test]
fn what_waits_for_the_redis_of_nodes_has_room_for_every_request() {
    let text = |engine: &str| {
        format!(
            "[journal]\nengine = \"{engine}\"\nredis.addresses = [\"here:1\"]\n[limits]\nbackplane_queue_bytes_max = 1048576\n"
        )
    };
    let told = errors(&text("redis"));
    assert!(told.iter().any(|told| told.contains("must be more than body_bytes_max (1048576)")), "{told:?}");
    assert!(given(&text("memory")).config().is_ok(), "where nodes share none");
}
