//! From typed values to checked ones, each with what its room wants.

use super::checked::Config;
use super::raw::{self, Raw};
use super::tree::{Place, Tree};
use crate::api::client_address::Network;
use crate::api::cors::{Origins, parse_origin};
use crate::api::{publish, routes};
use crate::auth::grant::Grant;
use crate::auth::keys::{Algorithm, KeyError, KeyOptions, KeySource, Keys};
use crate::auth::mint::SigningKey;
use crate::auth::token::{self, OptionsError, Tenancy, Verifier};
use crate::bom;
use crate::conn;
use crate::limits::Limits;
use std::io;
use std::path::{Path, PathBuf};

/// Most threads that are started where none are configured.
pub(super) const THREADS_DEFAULT_MAX: usize = 8;

/// Complaints gather in the tree, which knows their places.
pub(super) struct Checker<'s> {
    pub(super) tree: Tree,
    /// The folder of the configuration file: paths in it are relative to it.
    pub(super) folder: Option<&'s Path>,
    /// Reads a file.
    pub(super) read: &'s dyn Fn(&Path) -> io::Result<String>,
}

impl Checker<'_> {
    /// The configuration, where no complaint forbids to make one; there may be complaints all the same.
    pub(super) fn config(&mut self, raw: Raw, warnings: Vec<String>) -> Option<Config> {
        let Raw { server, auth, cors, publish, derive, catalogue, limits } = raw;
        let listen = server.listen.parse().ok();
        if listen.is_none() {
            let message =
                format!("{:?} is not an address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"", server.listen);
            self.tree.complain("server.listen", message);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = server.threads.map_or(cores.min(THREADS_DEFAULT_MAX), |threads| usize::from(threads.get()));
        let (log, log_level) = (server.log, server.log_level);
        let hub = self.hub(server, cors, publish, auth.tenancy);
        self.limits(&limits);
        let (verifier, signing_key) = self.auth(auth)?;
        let folders = catalogue.schema_dirs.iter();
        let schema_dirs = folders.map(|folder| self.located("catalogue.schema_dirs", folder)).collect();
        let (listen, wire_case, file) = (listen?, catalogue.wire_case, None);
        Some(Config {
            file,
            listen,
            threads,
            log,
            log_level,
            hub,
            limits,
            verifier,
            derive,
            wire_case,
            schema_dirs,
            warnings,
            signing_key,
        })
    }

    fn hub(&mut self, server: raw::Server, cors: raw::Cors, publish: raw::Publish, tenancy: Tenancy) -> conn::Options {
        if let Err(message) = check_path(&server.path) {
            self.tree.complain("server.path", message);
        }
        let allowed = cors.origins.map(|origins| self.list("cors.origins", &origins, parse_origin));
        conn::Options {
            path: server.path,
            origins: Origins { allowed },
            trusted_proxies: self.list("server.trusted_proxies", &server.trusted_proxies, Network::parse),
            detailed_errors: server.detailed_errors,
            snapshots: server.snapshots,
            // Which derivations are off can only be said when the catalogue is known.
            publish: publish::Options { validation: publish.validation, tenancy, not_derived: Vec::new() },
        }
    }

    /// What the texts of a list mean; those that mean nothing are told.
    fn list<T>(&mut self, path: &str, texts: &[String], parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut parsed = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(value) => parsed.push(value),
                Err(message) => self.tree.complain(&format!("{path}.{index}"), message),
            }
        }
        parsed
    }

    fn limits(&mut self, limits: &Limits) {
        if let Ok(serde_json::Value::Object(values)) = serde_json::to_value(limits) {
            for (name, value) in values {
                // A drain may close everybody at once; nothing else works without any room or time.
                if value == 0 && name != "drain_spread_ms" {
                    self.tree.complain(&format!("limits.{name}"), format!("`limits.{name}` must be at least 1"));
                }
            }
        }
        if let Err(message) = limits.check() {
            self.tree.complain("limits", message);
        }
    }

    fn auth(&mut self, auth: raw::Auth) -> Option<(Verifier, Option<SigningKey>)> {
        let default_grants = self.list("auth.default_grants", &auth.default_grants, |text| {
            Grant::parse(text).map_err(|error| format!("{text:?}: {error}"))
        });
        let (options, paths) = self.keys(auth.secret, auth.secret_file, auth.pem_file, auth.jwks_file, auth.keys);
        let keys = match Keys::new(&options) {
            Ok(keys) => keys,
            Err(errors) => {
                for KeyError { index, problem } in errors {
                    self.tree.complain(paths.get(index).map_or("auth", String::as_str), problem.to_string());
                }
                return None;
            }
        };
        if !self.tree.is_good() && keys.is_empty() {
            // A key was given and told wrong already; "no key" would only add noise.
            return None;
        }
        let verifier = Verifier::new(token::Options {
            keys,
            issuer: auth.issuer,
            audience: auth.audience,
            leeway_s: auth.leeway_s,
            claims: auth.claims,
            default_grants,
            tenancy: auth.tenancy,
            close_on_expiry: auth.close_on_expiry,
        });
        match verifier {
            Ok(verifier) => Some((verifier, options.iter().find_map(signing_key))),
            Err(error) => {
                match &error {
                    OptionsError::NoKey => self.tree.complain("auth", NO_KEY),
                    OptionsError::Leeway => self.tree.complain("auth.leeway_s", error.to_string()),
                    OptionsError::ClaimName(_) => self.tree.complain("auth.claims", error.to_string()),
                }
                None
            }
        }
    }

    /// The keys with the paths that name them in complaints.
    fn keys(
        &mut self,
        secret: Option<raw::Secret>,
        secret_file: Option<String>,
        pem_file: Option<String>,
        jwks_file: Option<String>,
        list: Vec<raw::Key>,
    ) -> (Vec<KeyOptions>, Vec<String>) {
        let (mut options, mut paths) = (Vec::new(), Vec::new());
        let lone = raw::Key { secret, secret_file, pem_file, jwks_file, ..raw::Key::default() };
        if !sources_of(&lone).is_empty() {
            self.key("auth", lone, &mut options, &mut paths);
        }
        for (index, key) in list.into_iter().enumerate() {
            self.key(&format!("auth.keys.{index}"), key, &mut options, &mut paths);
        }
        (options, paths)
    }

    fn key(&mut self, path: &str, key: raw::Key, options: &mut Vec<KeyOptions>, paths: &mut Vec<String>) {
        let given = sources_of(&key);
        let [name] = given.as_slice() else {
            let wrong = if given.is_empty() { "has no key".to_owned() } else { format!("has {}", given.join(" and ")) };
            let message = format!("{wrong}: give exactly one of secret, secret_file, pem_file and jwks_file");
            return self
                .tree
                .complain(given.last().map_or(path.to_owned(), |name| format!("{path}.{name}")).as_str(), message);
        };
        let key_path = format!("{path}.{name}");
        let algorithm = match key.algorithm.as_deref().map(|name| (name, Algorithm::parse(name))) {
            Some((_, Some(algorithm))) => Some(algorithm),
            Some((name, None)) => {
                let message = format!("{name:?} is not served: HS256, RS256, ES256 and EdDSA are");
                return self.tree.complain(&format!("{path}.algorithm"), message);
            }
            None => None,
        };
        let source = if let Some(raw::Secret(text)) = key.secret {
            Some(KeySource::Secret(bom::secret(&text).to_owned()))
        } else if let Some(file) = key.secret_file {
            self.file(&key_path, &file).map(|text| KeySource::Secret(bom::secret(&text).to_owned()))
        } else if let Some(file) = key.pem_file {
            self.file(&key_path, &file).map(KeySource::Pem)
        } else {
            key.jwks_file.and_then(|file| self.file(&key_path, &file)).map(KeySource::Jwks)
        };
        if let Some(source) = source {
            options.push(KeyOptions { id: key.id, algorithm, source });
            paths.push(key_path);
        }
    }

    /// What the key at `path` names: relative to the configuration file where that says it, else to the working directory.
    fn located(&self, path: &str, file: &str) -> PathBuf {
        let in_file = matches!(self.tree.node(path), Some(node) if matches!(node.place, Place::File(..)));
        match self.folder {
            Some(folder) if in_file => folder.join(file),
            Some(_) | None => PathBuf::from(file),
        }
    }

    /// Reads a file that a key names.
    fn file(&mut self, path: &str, file: &str) -> Option<String> {
        let full = self.located(path, file);
        match (self.read)(&full) {
            Ok(text) => Some(bom::behind(&text).to_owned()),
            Err(error) => {
                self.tree.complain(path, format!("{} can't be read: {error}", full.display()));
                None
            }
        }
    }
}

/// What an operator without a key has to do; the one thing that has no default.
const NO_KEY: &str = "\
there is no key to verify tokens with.
  To try the hub, give it a secret:
    export RTE_AUTH_SECRET=\"$(openssl rand -base64 48)\"
  and make tokens with `rte token` in the same shell.
  For real use, name the public key of whoever issues your tokens in rte.toml:
    [auth]
    pem_file = \"issuer.pem\"        # or jwks_file = \"jwks.json\", or secret_file = \"secret\"";

/// The names of the key sources that are given.
fn sources_of(key: &raw::Key) -> Vec<&'static str> {
    let given = [
        ("secret", key.secret.is_some()),
        ("secret_file", key.secret_file.is_some()),
        ("pem_file", key.pem_file.is_some()),
        ("jwks_file", key.jwks_file.is_some()),
    ];
    given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name)).collect()
}

/// The key that signs what a secret verifies.
fn signing_key(options: &KeyOptions) -> Option<SigningKey> {
    match &options.source {
        KeySource::Secret(secret) => SigningKey::from_secret(options.id.clone(), secret).ok(),
        KeySource::Pem(_) | KeySource::Jwks(_) => None,
    }
}

/// Whether a hub can be there: segments of unreserved characters (RFC 3986 section 2.3), so that its form is its only form, and
/// no other route's.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment)) {
        return Err(format!("{path:?} is not a path such as \"/rte\": letters, digits and -._~ between slashes"));
    }
    match routes::taker(path) {
        Some(route) => Err(format!("{path:?} can't be the hub's: {} serves something else", route.at.written(path))),
        None => Ok(()),
    }
}
