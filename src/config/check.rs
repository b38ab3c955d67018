//! From typed values to checked ones, each with what its room wants.

use super::checked::Config;
use super::checker::Checker;
use super::keys;
use super::raw::{self, Raw};
use super::warning::is_weak;
use crate::api::client_address::Network;
use crate::api::cors::{Origins, parse_origin};
use crate::api::negotiated::IdKey;
use crate::api::public_url::PublicUrl;
use crate::api::{publish, routes};
use crate::auth::token::Tenancy;
use crate::conn;
use crate::limits::Limits;
use crate::shell::JournalOptions;
use crate::shell::roots::TlsError;
use crate::shell::tls::Tls;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A shorter secret could be guessed.
const ID_SECRET_BYTES_MIN: usize = 32;
const MS_PER_DAY: u64 = 86_400_000;
/// Most threads that are started where none are configured.
pub(super) const THREADS_DEFAULT_MAX: usize = 8;

impl Checker<'_> {
    /// The configuration, where no complaint forbids to make one; there may be complaints all the
    /// same.
    pub(super) fn config(&mut self, raw: Raw, warnings: Vec<String>) -> Option<Config> {
        let settings = serde_json::to_value(&raw).unwrap_or_default();
        let Raw { server, auth, cors, pages, publish, journal, derive, catalogue, limits } = raw;
        let listen = self.address("server.listen", &server.listen);
        let internal = server.internal.as_deref().and_then(|text| self.address("server.internal", text));
        if internal.is_some_and(|internal| internal.port() != 0 && Some(internal) == listen) {
            self.tree.complain("server.internal", "`server.internal` must be another address than `server.listen`");
        }
        if pages.enabled && internal.is_some() && !server.public_documents {
            let message = "pages load `/client.mjs` from their own listener: set `server.public_documents`, too";
            self.tree.complain("pages.enabled", message);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = server.threads.map_or(cores.min(THREADS_DEFAULT_MAX), |threads| usize::from(threads.get()));
        let (log, log_level) = (server.log, server.log_level);
        let own_id_key = server.id_secret_file.as_deref().and_then(|file| self.id_key(file));
        let tls = self.tls(server.tls_certificate.as_deref(), server.tls_key.as_deref());
        let mut hub = self.hub(server, cors, publish, auth.tenancy);
        (hub.refresh, hub.tickets) = (auth.refresh, auth.tickets);
        hub.jwt_in_query = auth.jwt_in_query == raw::JwtInQuery::Accept;
        self.limits(&limits);
        let journal_left = self.journal_left(&journal);
        let backplane = self.backplane(&journal, &limits);
        hub.values_ms = u64::from(journal.redis.values_days) * MS_PER_DAY;
        hub.append_timeout_ms = journal.redis.append_timeout_ms;
        let mut warnings = warnings;
        warnings.extend(self.redis_left(&journal));
        let journal = self.journal(journal);
        warnings.extend(limits.misfits());
        let (verifier, signing_key, id_key) = keys::auth(self, auth, &mut warnings)?;
        hub.id_key = own_id_key.or(id_key);
        hub.pages = pages.enabled;
        let folders = catalogue.schema_dirs.iter();
        let schema_dirs = folders.map(|folder| self.located("catalogue.schema_dirs", folder)).collect();
        let (listen, wire_case, file) = (listen?, catalogue.wire_case, None);
        Some(Config {
            file,
            listen,
            internal,
            tls,
            threads,
            log,
            log_level,
            hub,
            limits,
            journal,
            backplane,
            journal_left,
            verifier,
            derive,
            wire_case,
            schema_dirs,
            warnings,
            settings,
            key_sources: std::mem::take(&mut self.key_sources),
            signing_key,
        })
    }

    fn journal_left(&self, journal: &raw::JournalKeys) -> Option<PathBuf> {
        let is_left = journal.engine == raw::Engine::Memory;
        journal.dir.as_ref().filter(|_| is_left).map(|dir| self.located("journal.dir", dir))
    }

    fn journal(&mut self, journal: raw::JournalKeys) -> Option<JournalOptions> {
        const PATH: &str = "journal.dir";
        let is_synced = journal.sync == raw::Sync::Always;
        match (journal.engine, journal.dir) {
            (raw::Engine::Memory | raw::Engine::Redis, _) => None,
            (raw::Engine::File, Some(dir)) => Some(JournalOptions { dir: self.located(PATH, &dir), is_synced }),
            (raw::Engine::File, None) => {
                self.tree.complain("journal.engine", "`journal.engine = \"file\"` needs a folder: `journal.dir`");
                None
            }
        }
    }

    fn address(&mut self, path: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let message = format!("{text:?} is not an address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"");
            self.tree.complain(path, message);
        }
        address
    }

    fn tls(&mut self, certificate: Option<&str>, key: Option<&str>) -> Option<Tls> {
        self.identified(["server.tls_certificate", "server.tls_key"], [certificate, key], Tls::of)
    }

    /// What is made of a certificate and its key, where these files are named.
    pub(super) fn identified<T>(
        &mut self,
        paths: [&str; 2],
        files: [Option<&str>; 2],
        of: impl FnOnce(&str, &str) -> Result<T, TlsError>,
    ) -> Option<T> {
        let [certificate_path, key_path] = paths;
        let is_named = |(path, file): (&str, Option<&str>)| file.is_none_or(|file| self.names(path, file));
        if !paths.into_iter().zip(files).all(is_named) {
            return None;
        }
        let (certificate, key) = match files {
            [None, None] => return None,
            [Some(_), None] => {
                self.tree
                    .complain(certificate_path, format!("`{certificate_path}` needs its private key: `{key_path}`"));
                return None;
            }
            [None, Some(_)] => {
                self.tree.complain(key_path, format!("`{key_path}` needs its certificate: `{certificate_path}`"));
                return None;
            }
            [Some(certificate), Some(key)] => {
                let located = [self.located(certificate_path, certificate), self.located(key_path, key)];
                self.key_sources.secrets.extend(located.last().map(|key| (key.clone(), "speaks as this hub")));
                self.key_sources.files.extend(located);
                (self.file(certificate_path, certificate)?, self.file(key_path, key)?)
            }
        };
        match of(&certificate, &key) {
            Ok(made) => Some(made),
            Err(TlsError::Certificate(why)) => {
                self.tree.complain(certificate_path, why);
                None
            }
            Err(TlsError::Key(why)) => {
                self.tree.complain(key_path, why);
                None
            }
        }
    }

    fn hub(&mut self, server: raw::Server, cors: raw::Cors, publish: raw::Publish, tenancy: Tenancy) -> conn::Options {
        if let Err(message) = check_path(&server.path) {
            self.tree.complain("server.path", message);
        }
        if server.transports.is_empty() {
            self.tree.complain("server.transports", "name at least one: without any, no client is served");
        }
        let public_url = server.public_url.and_then(|url| {
            let parsed = PublicUrl::parse(&url, &server.path);
            parsed.map_err(|message| self.tree.complain("server.public_url", message)).ok()
        });
        let allowed = cors.origins.map(|origins| self.list("cors.origins", &origins, parse_origin));
        conn::Options {
            path: server.path,
            public_url,
            transports: server.transports,
            stateful_reconnect: server.stateful_reconnect,
            origins: Origins { allowed },
            trusted_proxies: self.list("server.trusted_proxies", &server.trusted_proxies, Network::parse),
            id_key: None,
            refresh: true,
            tickets: false,
            jwt_in_query: true,
            append_timeout_ms: 0,
            values_ms: u64::MAX,
            detailed_errors: server.detailed_errors,
            snapshots: server.snapshots,
            has_internal: server.internal.is_some(),
            public_documents: server.public_documents,
            pages: false,
            // Which derivations are off can only be said when the catalogue is known.
            publish: publish::Options {
                validation: publish.validation,
                tenancy,
                query_token: publish.query_token,
                not_derived: Vec::new(),
            },
        }
    }

    /// The key of connection ids from a file of its own.
    fn id_key(&mut self, file: &str) -> Option<IdKey> {
        const PATH: &str = "server.id_secret_file";
        let secret = self.secret(PATH, file, "makes connection ids")?;
        if secret.len() < ID_SECRET_BYTES_MIN {
            let message = format!("the secret has {} bytes, and {ID_SECRET_BYTES_MIN} are needed", secret.len());
            self.tree.complain(PATH, message);
            return None;
        }
        if is_weak(&secret) {
            self.key_sources.weak.push(PATH.to_owned());
        }
        Some(IdKey::derived(secret.as_bytes()))
    }

    fn limits(&mut self, limits: &Limits) {
        if let Err(message) = limits.check() {
            // Where one of the limits that it names is set outside of the file, that is the news.
            let named = message.split(' ').map(|word| format!("limits.{word}"));
            let outside = |path: &String| self.tree.node(path).is_some() && !self.is_in_file(path);
            let path = named.into_iter().find(outside).unwrap_or_else(|| "limits".to_owned());
            self.tree.complain(&path, message);
        }
    }
}

/// Whether a hub can be there: segments of unreserved characters (RFC 3986 section 2.3), so that
/// its form is its only form, and no other route's.
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
