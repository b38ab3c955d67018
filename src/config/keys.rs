//! `[auth]`: from what is typed to a verifier.

use super::checker::Checker;
use super::raw;
use super::warning::{MAKES_TOKENS, is_weak};
use crate::api::negotiated::IdKey;
use crate::auth::grant::Grant;
use crate::auth::keys::{Algorithm, KeyError, KeyOptions, KeySource, Keys, SERVED};
use crate::auth::mint::SigningKey;
use crate::auth::token::{self, OneOrMany, OptionsError, Verifier};
use crate::bom;
use crate::shell::check_address;

/// The verifier; the key that signs what it verifies, and the one for connection ids, if there is a
/// secret to make them of.
pub(super) fn auth(
    checker: &mut Checker<'_>,
    auth: raw::Auth,
    warnings: &mut Vec<String>,
) -> Option<(Verifier, Option<SigningKey>, Option<IdKey>)> {
    let default_grants = checker.list("auth.default_grants", &auth.default_grants, |text| {
        Grant::parse(text).map_err(|error| format!("{text:?}: {error}"))
    });
    let raw::Auth { secret, secret_file, pem_file, jwks_file, jwks_url, algorithm, keys, issuer, audience, .. } = auth;
    let lone = raw::Key { secret, secret_file, pem_file, jwks_file, jwks_url, algorithm, ..raw::Key::default() };
    let issuers = texts(checker, "auth.issuer", issuer.as_ref());
    let audiences = texts(checker, "auth.audience", audience.as_ref());
    let (options, paths) = all(checker, lone, keys, &issuers);
    let keys = match Keys::new(&options) {
        Ok(keys) => keys,
        Err(errors) => {
            for KeyError { index, problem } in errors {
                checker.tree.complain(paths.get(index).map_or("auth", String::as_str), problem.to_string());
            }
            return None;
        }
    };
    let path_of = |index: usize| paths.get(index).map_or("auth", String::as_str);
    warnings.extend(keys.passed_over().map(|(index, one)| format!("{}: passed over: {one}", path_of(index))));
    if !checker.tree.is_good() && keys.is_empty() {
        // A key was given and told wrong already; "no key" would only add noise.
        return None;
    }
    let verifier = Verifier::new(token::Options {
        keys,
        audiences,
        leeway_s: auth.leeway_s,
        claims: auth.claims,
        default_grants,
        tenancy: auth.tenancy,
        close_on_expiry: auth.close_on_expiry,
    });
    match verifier {
        Ok(verifier) => Some((verifier, options.iter().find_map(signing_key), options.iter().find_map(id_key))),
        Err(error) => {
            match &error {
                OptionsError::NoKey => checker.tree.complain("auth", NO_KEY),
                OptionsError::Leeway => checker.tree.complain("auth.leeway_s", error.to_string()),
                OptionsError::ClaimName(_) => checker.tree.complain("auth.claims", error.to_string()),
            }
            None
        }
    }
}

/// One or several texts. An empty one is a mistake that would otherwise refuse, or let pass,
/// everybody.
fn texts(checker: &mut Checker<'_>, path: &str, typed: Option<&OneOrMany>) -> Vec<String> {
    let texts = typed.map_or(&[][..], OneOrMany::texts);
    if typed.is_some() && (texts.is_empty() || texts.iter().any(String::is_empty)) {
        checker.tree.complain(path, format!("`{path}` is empty: leave it out where it is not to be looked at"));
    }
    texts.to_vec()
}

/// The keys with the paths that name them in complaints.
fn all(
    checker: &mut Checker<'_>,
    lone: raw::Key,
    list: Vec<raw::Key>,
    issuers: &[String],
) -> (Vec<KeyOptions>, Vec<String>) {
    let (mut options, mut paths) = (Vec::new(), Vec::new());
    let mut add = |checker: &mut Checker<'_>, path: &str, key| {
        if let Some((path, key)) = one(checker, path, key, issuers) {
            options.push(key);
            paths.push(path);
        }
    };
    if !sources_of(&lone).is_empty() {
        add(checker, "auth", lone);
    } else if lone.algorithm.is_some() {
        let message = "`auth.algorithm` is for the key in [auth], and there is none: say it in [[auth.keys]]";
        checker.tree.complain("auth.algorithm", message);
    }
    for (index, key) in list.into_iter().enumerate() {
        add(checker, &format!("auth.keys.{index}"), key);
    }
    (options, paths)
}

/// One key with its path.
fn one(checker: &mut Checker<'_>, path: &str, key: raw::Key, issuers: &[String]) -> Option<(String, KeyOptions)> {
    let given = sources_of(&key);
    let [name] = given.as_slice() else {
        let wrong = if given.is_empty() { "has no key".to_owned() } else { format!("has {}", given.join(" and ")) };
        let message = format!(
            "{wrong}: give exactly one of secret, secret_file, pem_file, jwks_file and jwks_url, \
             and further keys in [[auth.keys]]"
        );
        let place = given.last().map_or(path.to_owned(), |name| format!("{path}.{name}"));
        checker.tree.complain(&place, message);
        return None;
    };
    let key_path = format!("{path}.{name}");
    let algorithm = match key.algorithm.as_deref().map(|name| (name, Algorithm::parse(name))) {
        Some((_, Some(algorithm))) => Some(algorithm),
        Some((name, None)) => {
            checker.tree.complain(&format!("{path}.algorithm"), not_served(name));
            return None;
        }
        None => None,
    };
    let own = texts(checker, &format!("{path}.issuer"), key.issuer.as_ref());
    note_source(checker, &key_path, &key);
    let source = if let Some(raw::Secret(text)) = key.secret {
        KeySource::Secret(bom::secret(&text).to_owned())
    } else if let Some(file) = key.secret_file {
        let text = checker.file(&key_path, &file)?;
        KeySource::Secret(bom::secret(&text).to_owned())
    } else if let Some(file) = key.pem_file {
        KeySource::Pem(checker.file(&key_path, &file)?)
    } else if let Some(url) = key.jwks_url {
        if let Err(message) = check_address(&url) {
            checker.tree.complain(&key_path, message);
            return None;
        }
        KeySource::JwksUrl(url)
    } else {
        KeySource::Jwks(checker.file(&key_path, &key.jwks_file?)?)
    };
    if let KeySource::Secret(secret) = &source
        && is_weak(secret)
    {
        checker.key_sources.weak.push(key_path.clone());
    }
    let issuers = if own.is_empty() { issuers.to_vec() } else { own };
    Some((key_path, KeyOptions { id: key.id, algorithm, issuers, source }))
}

/// Notes where a key comes from: who may read it, or write it, is looked at later.
fn note_source(checker: &mut Checker<'_>, path: &str, key: &raw::Key) {
    let file = key.secret_file.as_ref().or(key.pem_file.as_ref()).or(key.jwks_file.as_ref());
    let Some(file) = file.map(|file| checker.located(path, file)) else {
        // A set at an address is no secret.
        checker.key_sources.is_in_config |= key.secret.is_some() && checker.is_in_file(path);
        return;
    };
    if key.secret_file.is_some() {
        checker.key_sources.secrets.push((file.clone(), MAKES_TOKENS));
    }
    checker.key_sources.files.push(file);
}

fn not_served(name: &str) -> String {
    let why = if name.eq_ignore_ascii_case("ES512") { ": the cryptography library has no P-521" } else { "" };
    format!("{name:?} is not served{why}; {SERVED} is")
}

/// What an operator without a key has to do; the one thing that has no default.
pub(super) const NO_KEY: &str = "\
there is no key to verify tokens with.
  To try the hub, give it a secret:
    export RTE_AUTH_SECRET=\"$(openssl rand -base64 48)\"
  and make tokens with `rte token` in the same shell.
  For real use, name the public key of whoever issues your tokens in rte.toml:
    [auth]
    pem_file = \"issuer.pem\"        # or jwks_url = \"https://…\", jwks_file = \"jwks.json\", secret_file = \"secret\"";

/// The names of the key sources that are given.
fn sources_of(key: &raw::Key) -> Vec<&'static str> {
    let given = [
        ("secret", key.secret.is_some()),
        ("secret_file", key.secret_file.is_some()),
        ("pem_file", key.pem_file.is_some()),
        ("jwks_file", key.jwks_file.is_some()),
        ("jwks_url", key.jwks_url.is_some()),
    ];
    given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
}

/// The key of connection ids. A public key is no secret, so that none comes of one.
fn id_key(options: &KeyOptions) -> Option<IdKey> {
    match &options.source {
        KeySource::Secret(secret) => Some(IdKey::derived(secret.as_bytes())),
        KeySource::Pem(_) | KeySource::Jwks(_) | KeySource::JwksUrl(_) => None,
    }
}

/// The key that signs what a secret verifies.
fn signing_key(options: &KeyOptions) -> Option<SigningKey> {
    match &options.source {
        KeySource::Secret(secret) => SigningKey::from_secret(options.id.clone(), secret, options.algorithm).ok(),
        KeySource::Pem(_) | KeySource::Jwks(_) | KeySource::JwksUrl(_) => None,
    }
}
