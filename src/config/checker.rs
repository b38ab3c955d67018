//! From typed values to checked ones, each with what its room wants.

use super::checked::Config;
use super::raw::{self, Raw};
use super::tree::{Place, Tree};
use crate::api::client_address::Network;
use crate::api::cors::Origins;
use crate::api::routes;
use crate::auth::grant::Grant;
use crate::auth::keys::{Algorithm, KeyError, KeyOptions, KeySource, Keys};
use crate::auth::mint::SigningKey;
use crate::auth::token::{self, ClaimNames, OptionsError, Tenancy, Verifier};
use crate::limits::Limits;
use crate::schema::WireCase;
use crate::schema::compiler::validate::Mode;
use crate::shell::log::Format;
use crate::trace::Level;
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
        if let Err(message) = check_path(&server.path) {
            self.tree.complain("server.path", message);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let proxies = server.trusted_proxies.iter().enumerate();
        let proxies = proxies.filter_map(|(index, text)| self.network(index, text)).collect();
        let allowed = cors.origins.map(|list| {
            let list = list.iter().enumerate();
            list.filter_map(|(index, origin)| self.origin(index, origin)).collect()
        });
        self.limits(&limits);
        let (verifier, signing_key) = self.auth(auth)?;
        Some(Config {
            file: None,
            listen: listen?,
            path: server.path,
            threads: server.threads.map_or(cores.min(THREADS_DEFAULT_MAX), |threads| usize::from(threads.get())),
            trusted_proxies: proxies,
            log: match server.log {
                raw::LogFormat::Human => Format::Human,
                raw::LogFormat::Json => Format::Json,
            },
            log_level: match server.log_level {
                raw::LogLevel::Error => Level::Error,
                raw::LogLevel::Warn => Level::Warn,
                raw::LogLevel::Info => Level::Info,
                raw::LogLevel::Debug => Level::Debug,
                raw::LogLevel::Trace => Level::Trace,
            },
            detailed_errors: server.detailed_errors,
            snapshots: server.snapshots,
            verifier,
            origins: Origins { allowed },
            validation: match publish.validation {
                raw::Validation::Strict => Mode::Strict,
                raw::Validation::Lenient => Mode::Lenient,
            },
            derive,
            wire_case: catalogue.wire_case.map(|wire_case| match wire_case {
                raw::WireCase::Camel => WireCase::Camel,
                raw::WireCase::Documented => WireCase::Documented,
            }),
            schema_dirs: catalogue
                .schema_dirs
                .iter()
                .map(|folder| self.located("catalogue.schema_dirs", folder))
                .collect(),
            limits,
            warnings,
            signing_key,
        })
    }

    fn network(&mut self, index: usize, text: &str) -> Option<Network> {
        match Network::parse(text) {
            Ok(network) => Some(network),
            Err(message) => {
                self.tree.complain(&format!("server.trusted_proxies.{index}"), message);
                None
            }
        }
    }

    fn origin(&mut self, index: usize, text: &str) -> Option<String> {
        let origin = text.to_ascii_lowercase();
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_origin = host.is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*,\\\"".contains(&byte))
        });
        if is_origin {
            return Some(origin);
        }
        let message = if text == "*" {
            "leave `cors.origins` out to let any origin in".to_owned()
        } else {
            format!("{text:?} is not an origin: scheme and host, as in \"https://app.example.com\", without a path")
        };
        self.tree.complain(&format!("cors.origins.{index}"), message);
        None
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
        let grants = auth.default_grants.iter().enumerate();
        let grants: Vec<Grant> = grants.filter_map(|(index, text)| self.grant(index, text)).collect();
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
            claims: ClaimNames {
                user: auth.claims.user,
                organization: auth.claims.organization,
                grants: auth.claims.grants,
                scope: auth.claims.scope,
            },
            default_grants: grants,
            tenancy: match auth.tenancy {
                raw::Tenancy::Multi => Tenancy::Multi,
                raw::Tenancy::Single => Tenancy::Single,
            },
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

    fn grant(&mut self, index: usize, text: &str) -> Option<Grant> {
        match Grant::parse(text) {
            Ok(grant) => Some(grant),
            Err(error) => {
                self.tree.complain(&format!("auth.default_grants.{index}"), format!("{text:?}: {error}"));
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
            Some(KeySource::Secret(text))
        } else if let Some(file) = key.secret_file {
            let line = |text: String| text.trim_end_matches(['\r', '\n']).to_owned();
            self.file(&key_path, &file).map(line).map(KeySource::Secret)
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
            Ok(text) => Some(text),
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
