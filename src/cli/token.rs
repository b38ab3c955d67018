//! `rte token`: makes a token, for trying a hub, for tests and for publishers without an identity
//! provider.

use super::console::Console;
use super::credential::Credential;
use super::failure::Failure;
use super::identity::Judge;
use super::inspect::inspect;
use super::{schema, world};
use crate::auth::grant::Grant;
use crate::auth::keys::{Algorithm, Material, SERVED};
use crate::auth::mint::{SigningKey, Statement, mint};
use crate::auth::token::{ClaimNames, Options, Tenancy};
use crate::bom;
use crate::config::file;
use crate::config::{Config, FILE_DEFAULT, Flags, environment};
use crate::schema::{Catalogue, guid, names};
use std::path::{Path, PathBuf};
use uuid::Uuid;

const LONG: &str = "\
Makes a token (JWT) and prints it on standard output, and nothing else there.

The key that signs is --secret, --secret-file or --pem; without any of them, the first secret of the configuration that \
`rte serve` would use here (its environment RTE_AUTH_SECRET included). The names of the claims, issuer and audience are \
the configuration's too. Where a key is given, the configuration need not be there.

--inspect shows a token instead, without its signature: what it says, what each claim means here, whether the hub takes it.

Examples:
  rte token --sub 6f1c0a52-1f0e-4c7e-9d7e-1a2b3c4d5e6f --org 0b9f… --grant 'queue/*'     a client
  rte token --sub billing --scope publish --ttl 30d                                      a publisher
  rte token --inspect --token-file token.jwt                                             what one says
  RTE_TOKEN=$(rte token --scope publish) rte publish events.json";

/// What the hub knows of scopes.
const SCOPES: [&str; 3] = ["publish", "admin", "backend"];

/// Makes a token.
#[derive(clap::Args)]
#[command(about = "Make a token for a client or a publisher", long_about = LONG)]
pub(crate) struct Args {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    key: KeyFlags,
    /// What `kid` says, where the hub has several keys; by default the id that the configuration
    /// gives to such a key
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// What the key signs by, where it can do several: RS256, PS512, HS384, …; by default the usual
    /// one
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    algorithm: Option<Algorithm>,
    /// The user's GUID; for publishers any name
    #[arg(long, value_name = "GUID")]
    sub: Option<String>,
    /// The organization's GUID; clients need one, unless tenancy is "single"
    #[arg(long, value_name = "GUID", value_parser = organization)]
    org: Option<Uuid>,
    /// A grant, family/entity/event, each part literal or *; may be repeated
    #[arg(long = "grant", value_name = "GRANT", value_parser = grant)]
    grants: Vec<String>,
    /// publish, admin or backend; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// How long it is valid: a number with s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    ttl: u64,
    /// Makes none, but shows what the one of --token, --token-file or RTE_TOKEN says, and what the
    /// hub makes of it
    #[arg(long)]
    inspect: bool,
    #[command(flatten)]
    credential: Credential,
}

/// The key that signs; at most one.
#[derive(clap::Args)]
#[group(multiple = false)]
struct KeyFlags {
    /// The shared secret. Other users of this machine can see it in the list of processes: prefer
    /// --secret-file
    #[arg(long, value_name = "TEXT")]
    secret: Option<String>,
    /// A file that holds the shared secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// A file with the private key in PEM: RSA, P-256, P-384 or Ed25519
    #[arg(long, value_name = "FILE")]
    pem: Option<PathBuf>,
}

/// Prints a token.
///
/// # Errors
/// [`Failure::Usage`] where there is no key that can sign, or the configuration is wrong.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result<(), Failure> {
    if args.inspect {
        let token = args.credential.read()?;
        let judge = Judge::new(&args.flags, environment())?;
        let catalogue = catalogue(&args.flags, judge.config.as_ref())?;
        return inspect(&judge, &catalogue, token.reveal(), world::unix_ms(), console);
    }
    if args.credential.token.is_some() || args.credential.token_file.is_some() {
        return Err(Failure::Usage("a token is given for --inspect only".to_owned()));
    }
    let (token, remarks) = make(args, environment(), world::unix_ms() / 1000)?;
    for remark in remarks {
        console.note(format_args!("rte: {remark}"));
    }
    console.line(format_args!("{token}"))
}

/// Returns a token and what is odd about it.
fn make(args: &Args, variables: Vec<(String, String)>, now_unix_s: u64) -> Result<(String, Vec<String>), Failure> {
    let given = args.key.read()?;
    // A configuration that nobody asked for must not forbid to sign by a key that was given.
    let is_asked_for = given.is_none() || args.flags.config.is_some() || !args.flags.set.is_empty();
    let config = match Config::load(&args.flags, variables) {
        Ok(config) => Some(config),
        Err(errors) if is_asked_for => return Err(Failure::Usage(errors.to_string())),
        Err(_) => None,
    };
    let own;
    let key = match (&given, &config) {
        (Some(text), _) => {
            own = signing_key(args, text, config.as_ref())?;
            &own
        }
        (None, config) => config.as_ref().and_then(Config::signing_key).ok_or_else(|| {
            let why = "the configuration has public keys only, which cannot sign: give the private one by --pem";
            Failure::Usage(why.to_owned())
        })?,
    };
    let options = config.as_ref().map(|config| config.verifier.options());
    let names = options.map_or_else(ClaimNames::default, |options| options.claims.clone());
    let statement = Statement {
        user: args.sub.clone(),
        organization: args.org,
        grants: args.grants.clone(),
        scopes: args.scopes.clone(),
        issuer: options.and_then(|options| issuer_of(options, key)),
        audience: options.and_then(|options| options.audiences.first().cloned()),
        issued_unix_s: now_unix_s,
        expires_unix_s: now_unix_s.saturating_add(args.ttl),
    };
    let token = mint(key, &names, &statement).map_err(|error| Failure::Usage(error.to_string()))?;
    let needs_organization = options.is_none_or(|options| options.tenancy == Tenancy::Multi);
    let mut remarks = remarks(args, needs_organization);
    if config.is_none() && Path::new(FILE_DEFAULT).exists() {
        remarks.push(format!(
            "{FILE_DEFAULT} is not usable (`rte check` says why): the token has no issuer and no audience of it"
        ));
    }
    // Nor must events that are no good: those are for `rte check` to tell.
    if let Ok(catalogue) = catalogue(&args.flags, config.as_ref()) {
        let grants = args.grants.iter().filter_map(|text| Grant::parse(text).ok());
        remarks.extend(grants.filter_map(|grant| Some(format!("{grant} {}", grant.fault(&catalogue)?))));
    }
    Ok((token, remarks))
}

/// The events that grants are for.
///
/// # Errors
/// [`Failure::Usage`] where they are no good.
pub(super) fn catalogue(flags: &Flags, config: Option<&Config>) -> Result<Catalogue, Failure> {
    let (folders, wire_case) = match config {
        Some(config) => (&config.schema_dirs, config.wire_case),
        None => (&flags.schema_dirs, None),
    };
    let mut silent = Console::new(std::io::sink(), std::io::sink());
    schema::load(folders, wire_case, &mut silent).map_err(Failure::Usage)
}

/// The text of the key that was given.
enum KeyText {
    Secret(String),
    Pem(String),
}

impl KeyFlags {
    fn read(&self) -> Result<Option<KeyText>, Failure> {
        if let Some(secret) = &self.secret {
            return Ok(Some(KeyText::Secret(bom::secret(secret).to_owned())));
        }
        if let Some(path) = &self.secret_file {
            let text = read(path)?;
            return Ok(Some(KeyText::Secret(bom::secret(&text).to_owned())));
        }
        self.pem.as_deref().map(|path| read(path).map(KeyText::Pem)).transpose()
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    file::read(path).map_err(|error| Failure::Usage(format!("cannot read the key {}: {error}", path.display())))
}

fn signing_key(args: &Args, text: &KeyText, config: Option<&Config>) -> Result<SigningKey, Failure> {
    let make = |id| match text {
        KeyText::Secret(secret) => SigningKey::from_secret(id, secret, args.algorithm),
        KeyText::Pem(pem) => SigningKey::from_pem(id, pem, args.algorithm),
    };
    let key = make(args.kid.clone()).map_err(|error| Failure::Usage(error.to_string()))?;
    let Some(config) = config.filter(|_| args.kid.is_none()) else { return Ok(key) };
    // The hub's name for the other half of this key, where that can only be one.
    let keys = &config.verifier.options().keys;
    let mut ids = keys.iter().filter(|(_, algorithm)| *algorithm == key.algorithm()).map(|(id, _)| id);
    match (ids.next(), ids.next()) {
        (Some(Some(id)), None) => make(Some(id.to_owned())).map_err(|error| Failure::Usage(error.to_string())),
        _ => Ok(key),
    }
}

/// Returns what will probably surprise: the hub takes the token, and then refuses what it was made
/// for.
fn remarks(args: &Args, needs_organization: bool) -> Vec<String> {
    let has = |scope: &str| args.scopes.iter().any(|given| given == scope);
    let mut remarks = Vec::new();
    for scope in args.scopes.iter().filter(|scope| !SCOPES.contains(&scope.as_str())) {
        let near = names::hint(scope, SCOPES, "`");
        remarks.push(format!(
            "`{scope}` is no scope that the hub knows{near}{} It knows publish, admin and backend only, exactly so spelled",
            if near.is_empty() { "." } else { "" }
        ));
    }
    if needs_organization && args.org.is_none() && !has("publish") && !has("admin") {
        let why = "without --org this token is good for publishers only, and those need --scope publish";
        remarks.push(why.to_owned());
    }
    if args.sub.as_deref().is_some_and(|user| guid::parse(user).is_none()) && !has("publish") && !has("admin") {
        remarks.push("--sub is no GUID, so that no user's own events are covered".to_owned());
    }
    remarks
}

/// The first issuer whose tokens the other half of this key is for. Without such a key it is that
/// of the first set at an address, which may have it, or else of the first key.
pub(super) fn issuer_of(options: &Options, key: &SigningKey) -> Option<String> {
    let mut keys = options.keys.iter().zip(options.keys.issuers());
    let own = keys.clone().find(|((id, algorithm), _)| (*id, *algorithm) == (key.id(), key.algorithm()));
    // Secrets in such a set are not used.
    let mut sets = options.keys.sets().filter(|_| key.algorithm().material() != Material::Secret);
    let issuers = own.map(|(_, issuers)| issuers).or_else(|| Some(sets.next()?.1)).or_else(|| Some(keys.next()?.1));
    issuers?.first().cloned()
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::parse(text).ok_or_else(|| format!("one of {SERVED}"))
}

fn organization(text: &str) -> Result<Uuid, &'static str> {
    guid::parse(text)
        .filter(|guid| !guid.is_nil())
        .ok_or("an organization is a GUID of 36 characters, not the all-zero one")
}

fn grant(text: &str) -> Result<String, &'static str> {
    Grant::parse(text).map(|_| text.to_owned()).map_err(|error| error.sentence())
}

/// Reads `90s`, `15m`, `1h`, `30d` or plain seconds.
pub(super) fn seconds(text: &str) -> Result<u64, &'static str> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text.strip_prefix(digits) {
        Some("" | "s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 86_400,
        Some(_) | None => return Err("the unit is one of s, m, h and d"),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| *seconds > 0).ok_or("a number and a unit, as in 90s, 15m, 1h or 30d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::{KeyOptions, KeySource, Keys};
    use crate::auth::principal::Principal;
    use crate::auth::token::{Token, TokenError, Verifier};
    use crate::cli::console::tests::console_on_paper;
    use crate::clock::Now;
    use clap::Parser;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const GUID: &str = "11111111-2222-3333-4444-555555555555";
    const NOW_S: u64 = 1_800_000_000;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Result<Args, clap::Error> {
        Command::try_parse_from([&["token"], words].concat()).map(|command| command.args)
    }

    fn made(words: &[&str], variables: &[(&str, &str)]) -> Result<(String, Vec<String>), Failure> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        make(&args(words).unwrap(), variables.iter().map(owned).collect(), NOW_S)
    }

    fn verified(token: &str) -> Result<Principal, TokenError> {
        let source = KeySource::Secret(SECRET.to_owned());
        let keys = Keys::new(&[KeyOptions::new(source)]).unwrap();
        let verifier = Verifier::new(Options::new(keys)).unwrap();
        verifier.verify(Token::new(token), Now::from_ms(0, NOW_S * 1000))
    }

    #[test]
    fn a_token_says_what_was_asked_for() {
        let words = [
            "--secret",
            SECRET,
            "--sub",
            GUID,
            "--org",
            GUID,
            "--grant",
            "queue/*",
            "--scope",
            "publish,backend",
            "--ttl",
            "2m",
        ];
        let (token, remarks) = made(&words, &[]).unwrap();
        let principal = verified(&token).unwrap();
        assert_eq!(principal.user, principal.organization);
        assert!(principal.may_publish && principal.is_backend && !principal.is_admin);
        assert_eq!((principal.grants.len(), principal.expires_unix_s), (1, NOW_S + 120));
        assert!(remarks.is_empty(), "{remarks:?}");
    }

    #[test]
    fn without_a_key_flag_the_configurations_secret_signs_by_its_names() {
        let variables = [("RTE_AUTH_SECRET", SECRET), ("RTE_AUTH_CLAIMS_SCOPE", "scp"), ("RTE_AUTH_ISSUER", "pbx")];
        let words = ["--scope", "publish"];
        let (token, _) = made(&words, &variables).unwrap();
        assert!(!verified(&token).unwrap().may_publish, "the scope stands under another name");
        let none = made(&words, &[]).unwrap_err();
        assert_eq!(none.exit_code(), 2);
        assert!(none.sentence().unwrap().contains("RTE_AUTH_SECRET="), "{none:?}");
    }

    #[test]
    fn a_given_key_needs_no_configuration() {
        let wrong = [("RTE_SERVER_LISTEN", "nowhere")];
        assert!(made(&["--secret", SECRET], &wrong).is_ok());
        assert_eq!(made(&[], &wrong).unwrap_err().exit_code(), 2);
        let asked = made(&["--secret", SECRET, "--set", "server.path=nowhere"], &[("RTE_AUTH_SECRET", SECRET)]);
        assert_eq!(asked.unwrap_err().exit_code(), 2);
    }

    #[test]
    fn the_configurations_id_for_the_key_is_named() {
        let folder = std::env::temp_dir().join(format!("rte-token-command-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (config, secret) = (folder.join("rte.toml"), folder.join("secret"));
        std::fs::write(&config, "[[auth.keys]]\nid = \"main\"\nsecret_file = \"secret\"").unwrap();
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let (config, secret) = (config.to_str().unwrap(), secret.to_str().unwrap());
        let kid = |words: &[&str]| {
            let (token, _) = made(words, &[]).unwrap();
            jsonwebtoken::decode_header(token).unwrap().kid
        };
        assert_eq!(kid(&["--config", config]), Some("main".to_owned()));
        assert_eq!(kid(&["--config", config, "--secret-file", secret]), Some("main".to_owned()));
        assert_eq!(kid(&["--config", config, "--secret-file", secret, "--kid", "other"]), Some("other".to_owned()));
        assert_eq!(kid(&["--secret-file", secret]), None);
        let (token, _) = made(&["--secret-file", secret], &[]).unwrap();
        assert!(verified(&token).is_ok(), "the line end of the file is no part of the secret");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_would_surprise_is_remarked() {
        let remarks = |words: &[&str]| made(&[&["--secret", SECRET], words].concat(), &[]).unwrap().1.join("\n");
        assert!(remarks(&["--sub", GUID]).contains("--org"));
        assert!(remarks(&["--sub", "alice", "--org", GUID]).contains("no GUID"));
        for scope in ["Publish", "publis"] {
            let told = remarks(&["--org", GUID, "--scope", &format!("admin,{scope}")]);
            let expected = format!(
                "`{scope}` is no scope that the hub knows: did you mean `publish`? It knows publish, admin and \
                 backend only, exactly so spelled"
            );
            assert_eq!(told, expected);
        }
        let strange = remarks(&["--org", GUID, "--scope", "mail"]);
        assert!(strange.starts_with("`mail` is no scope that the hub knows. It knows publish,"), "{strange}");
        assert_eq!(remarks(&["--sub", "billing", "--scope", "publish"]), "");
        let slip = remarks(&["--org", GUID, "--grant", "qeue/*", "--grant", "user/*/UserStatus"]);
        assert_eq!(slip, "qeue/*/* covers nothing: there is no family `qeue`: did you mean `Queue`?");
    }

    #[test]
    fn a_given_key_signs_for_the_issuer_and_audience_of_the_configuration() {
        let pem = SigningKey::from_pem(None, crate::auth::fixtures::ED_PRIVATE, None);
        let options = |url: &str| {
            let set = KeyOptions {
                issuers: vec!["of-set".to_owned()],
                ..KeyOptions::new(KeySource::JwksUrl(url.to_owned()))
            };
            let secret = KeySource::Secret(SECRET.to_owned());
            let lone = KeyOptions { issuers: vec!["of-secret".to_owned()], ..KeyOptions::new(secret) };
            Options::new(Keys::new(&[lone, set]).unwrap())
        };
        let options = options("http://127.0.0.1:1/jwks");
        assert_eq!(issuer_of(&options, &pem.unwrap()), Some("of-set".to_owned()));
        let secret = SigningKey::from_secret(Some("other".to_owned()), SECRET, None).unwrap();
        assert_eq!(issuer_of(&options, &secret), Some("of-secret".to_owned()));
        let variables = [("RTE_AUTH_SECRET", SECRET), ("RTE_AUTH_ISSUER", "pbx"), ("RTE_AUTH_AUDIENCE", "rte")];
        let (token, _) = made(&["--secret", SECRET], &variables).unwrap();
        let claims = Token::new(&token).unverified().unwrap().claims;
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some("pbx"), Some("rte")));
    }

    #[test]
    fn wrong_arguments_are_refused_before_anything_is_signed() {
        for words in [
            ["--grant", "queue"],
            ["--org", "acme"],
            ["--org", "00000000-0000-0000-0000-000000000000"],
            ["--ttl", "0"],
            ["--ttl", "1w"],
            ["--ttl", "h"],
            ["--ttl", "99999999999999999d"],
        ] {
            assert!(args(&words).is_err(), "{words:?}");
        }
        assert!(args(&["--secret", SECRET, "--pem", "x"]).is_err(), "two keys");
        let short = made(&["--secret", "short"], &[]).unwrap_err();
        assert!(short.sentence().unwrap().contains("openssl rand"), "{short:?}");
        assert_eq!(made(&["--pem", "/nonexistent"], &[]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000)] {
            assert_eq!(seconds(text), Ok(expected));
        }
    }

    #[test]
    fn the_token_alone_goes_to_standard_output() {
        let (mut console, results, remarks) = console_on_paper();
        run(&args(&["--secret", SECRET, "--sub", GUID]).unwrap(), &mut console).unwrap();
        console.flush().unwrap();
        let token = results.text();
        assert_eq!((token.lines().count(), token.trim().split('.').count()), (1, 3));
        assert!(remarks.text().contains("--org") && !remarks.text().contains(token.trim()), "{}", remarks.text());
    }
}
