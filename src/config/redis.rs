//! The engine that several nodes share, from typed values to checked ones.

use super::checker::Checker;
use super::raw;
use crate::limits::Limits;
use crate::shell::backplane;
use crate::shell::roots::{Identity, Roots, TlsError};

impl Checker<'_> {
    /// What is said of a Redis that is configured and not used.
    pub(super) fn redis_left(&self, journal: &raw::JournalKeys) -> Option<String> {
        let is_left = journal.engine != raw::Engine::Redis && self.tree.node("journal.redis").is_some();
        let why = "journal.redis is passed over, and this hub shares nothing with other nodes: set journal.engine = \"redis\", \
                   or leave it out";
        is_left.then(|| why.to_owned())
    }

    /// The engine that several nodes share.
    pub(super) fn backplane(&mut self, journal: &raw::JournalKeys, limits: &Limits) -> Option<backplane::Options> {
        const PATH: &str = "journal.redis.addresses";
        let redis = &journal.redis;
        let addresses = self.list(PATH, &redis.addresses, server);
        if let Some((host, port)) = repeated(&addresses) {
            self.tree.complain(PATH, format!("{host}:{port} is there twice: name each server once"));
        }
        self.users(redis);
        if journal.engine != raw::Engine::Redis {
            return None;
        }
        if redis.addresses.is_empty() {
            self.tree
                .complain("journal.engine", "`journal.engine = \"redis\"` needs an address: `journal.redis.addresses`");
        }
        if redis.prefix.is_empty() || redis.prefix.contains(['{', '}']) {
            self.tree.complain("journal.redis.prefix", "a prefix has at least one character, and no `{` or `}`");
        }
        let Limits { body_bytes_max, backplane_queue_bytes_max, .. } = limits;
        if body_bytes_max >= backplane_queue_bytes_max {
            let message = format!(
                "backplane_queue_bytes_max ({backplane_queue_bytes_max}) must be more than body_bytes_max \
                 ({body_bytes_max}), or some publish is refused for ever"
            );
            self.tree.complain("limits.backplane_queue_bytes_max", message);
        }
        let tls = self.encryption(redis);
        let sentinel = self.sentinel(redis);
        let password =
            redis.password_file.as_deref().and_then(|file| self.password("journal.redis.password_file", file));
        Some(backplane::Options {
            addresses,
            tls,
            sentinel,
            is_cluster: redis.cluster,
            user: redis.user.clone(),
            password,
            prefix: redis.prefix.clone(),
            retain_entries: redis.retain_entries,
            wait_replicas: redis.wait_replicas,
            is_passing: false,
            dedupe_ms: limits.dedupe_ms,
            lanes: crate::backplane::Options {
                repair_ms: redis.repair_ms,
                beat_ms: redis.beat_ms,
                queue_bytes_max: limits.backplane_queue_bytes_max,
                repair_bytes_max: limits.backplane_repair_bytes_max,
                ..crate::backplane::Options::default()
            },
        })
    }

    /// Whether who the nodes are to Redis and to Sentinels can be told to these.
    fn users(&mut self, redis: &raw::Redis) {
        for (user, file, path, file_path) in [
            (&redis.user, &redis.password_file, "journal.redis.user", "journal.redis.password_file"),
            (
                &redis.sentinel_user,
                &redis.sentinel_password_file,
                "journal.redis.sentinel_user",
                "journal.redis.sentinel_password_file",
            ),
        ] {
            if user.is_some() && file.is_none() {
                let message =
                    format!("a user is told to Redis with a password: set `{file_path}`, too, or leave the user away");
                self.tree.complain(path, message);
            }
        }
    }

    fn sentinel(&mut self, redis: &raw::Redis) -> Option<backplane::Sentinel> {
        const PATHS: [&str; 3] =
            ["journal.redis.sentinel", "journal.redis.sentinel_user", "journal.redis.sentinel_password_file"];
        let [path, user_path, file_path] = PATHS;
        let file = redis.sentinel_password_file.as_deref();
        let Some(master) = redis.sentinel.clone() else {
            let own = [(user_path, redis.sentinel_user.is_some()), (file_path, file.is_some())];
            for (path, _) in own.into_iter().filter(|(_, is_set)| *is_set) {
                let message = "this is for Sentinels: set `journal.redis.sentinel`, too, or leave it away";
                self.tree.complain(path, message);
            }
            return None;
        };
        if redis.cluster {
            let message = "a Redis Cluster has no Sentinels: leave this away, or `journal.redis.cluster`";
            self.tree.complain(path, message);
        }
        if master.is_empty() {
            self.tree.complain(path, "this is what the Sentinels call their master: it has at least one character");
        }
        let password = file.and_then(|file| self.password(file_path, file));
        Some(backplane::Sentinel { master, user: redis.sentinel_user.clone(), password })
    }

    fn password(&mut self, path: &str, file: &str) -> Option<backplane::Password> {
        self.secret(path, file, "may do at Redis what this hub may").map(backplane::Password::new)
    }

    /// How the way to the engine is encrypted.
    fn encryption(&mut self, redis: &raw::Redis) -> Option<backplane::Encryption> {
        const PATHS: [&str; 3] = ["journal.redis.ca_file", "journal.redis.cert_file", "journal.redis.key_file"];
        let files = [&redis.ca_file, &redis.cert_file, &redis.key_file].map(Option::as_deref);
        if !redis.tls {
            for (path, _) in PATHS.iter().zip(files).filter(|(_, file)| file.is_some()) {
                self.tree.complain(path, "this is for TLS: set `journal.redis.tls = true`, too, or leave it away");
            }
            return None;
        }
        let ([ca, ..], [ca_path, paths @ ..]) = (files, PATHS);
        let roots = match ca {
            Some(file) => {
                let located = self.located(ca_path, file);
                self.key_sources.files.push(located);
                let roots = Roots::of_pem(&self.file(ca_path, file)?);
                if roots.is_none() {
                    self.tree.complain(ca_path, "this is no PEM file with -----BEGIN CERTIFICATE-----");
                }
                roots?
            }
            None => Roots::of_this_machine(),
        };
        let unusable = |error| {
            TlsError::Key(format!(
                "the certificate and this key can't be shown, as where they do not belong together, or the certificate \
                 is of version 1, made without extensions such as subjectAltName: {error}"
            ))
        };
        let encryption = |identity| backplane::Encryption::new(&roots, identity).map_err(unusable);
        if let [_, None, None] = files {
            return encryption(None)
                .map_err(|_| self.tree.complain("journal.redis.tls", "TLS does not work here"))
                .ok();
        }
        let [_, certificate, key] = files;
        let of = |certificate: &str, key: &str| Identity::of_pem(certificate, key).and_then(|it| encryption(Some(it)));
        self.identified(paths, [certificate, key], of)
    }
}

/// The host and the port of a server.
fn server(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parts {
        Some((_, 0)) => Err(format!("{text:?} has the port 0, where no server listens: Redis has 6379 by default")),
        Some((host, port)) if !host.is_empty() && !host.contains('/') => {
            Ok((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
        }
        Some(_) | None => Err(format!("{text:?} is not a host and a port, such as \"10.0.0.7:6379\"")),
    }
}

/// The first item that stands in the list before.
fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    items.iter().enumerate().find_map(|(at, item)| items.iter().take(at).find(|before| *before == item))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{errors, given};

    #[test]
    fn a_redis_that_cannot_be_meant_is_told_at_its_place() {
        let with = |redis: &str| errors(&format!("[journal]\nengine = \"redis\"\n[journal.redis]\n{redis}"));
        let told = with("addresses = [\"a:6379\", \"b:0\", \"a:6379\"]\nuser = \"rte\"");
        let starts = [
            "/etc/rte/rte.toml:4:13: a:6379 is there twice",
            "/etc/rte/rte.toml:4:24: \"b:0\" has the port 0",
            "/etc/rte/rte.toml:5:8: a user is told to Redis with a password: set `journal.redis.password_file`",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        assert!(told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:#?}");
        let told = with("addresses = [\"a:1\"]\nsentinel = \"\"\nsentinel_user = \"rte\"");
        let starts =
            ["/etc/rte/rte.toml:5:12: this is what the Sentinels", "/etc/rte/rte.toml:6:17: a user is told to Redis"];
        assert!(told.len() == 2 && told.iter().zip(starts).all(|(told, start)| told.starts_with(start)), "{told:#?}");
        let told = with("addresses = [\"a:1\"]\ncluster = true\nsentinel = \"hub\"");
        assert!(told.len() == 1 && told[0].contains(":6:12: a Redis Cluster has no Sentinels"), "{told:#?}");
        let told = with("addresses = [\"a:1\"]\nsentinel_password_file = \"secret\"");
        assert!(told.len() == 1 && told[0].contains(":5:26: this is for Sentinels"), "{told:#?}");
        for (redis, key) in
            [("password_file = \"\"", "password_file"), ("tls = true\ncert_file = \"\"\nkey_file = \"k\"", "cert_file")]
        {
            let told = with(&format!("addresses = [\"a:1\"]\n{redis}"));
            let expected = format!("`journal.redis.{key}` is empty, and is to name a file");
            assert!(told.len() == 1 && told[0].contains(&expected), "{told:#?}");
        }
        let good = "addresses = [\"a:6379\", \"a:6380\", \"b:6379\"]\nuser = \"rte\"\npassword_file = \"secret\"";
        assert!(given(&format!("[journal]\nengine = \"redis\"\n[journal.redis]\n{good}")).config().is_ok());
    }
}
