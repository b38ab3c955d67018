//! What goes wrong with an engine, for the lanes and for people.

use crate::backplane::Fault;
use crate::echo::echo;
use redis::{ErrorKind, RedisError};

/// A fault, and by which words the server has told of it, where they are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) fault: Fault,
    pub(super) words: Option<String>,
}

impl From<Fault> for Complaint {
    fn from(fault: Fault) -> Complaint {
        Complaint { fault, words: None }
    }
}

impl Complaint {
    /// What it means where one thing means another.
    pub(super) fn meaning(self, one: Fault, other: Fault) -> Complaint {
        Complaint { fault: if self.fault == one { other } else { self.fault }, ..self }
    }
}

/// What an error means, and says. Other errors than these may repeat a command, and with it a
/// password.
pub(super) fn complaint(error: &RedisError) -> Complaint {
    const TELLING: [&str; 11] = [
        "WRONGPASS",
        "NOAUTH",
        "NOPERM",
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "READONLY",
        "MASTERDOWN",
        "LOADING",
        "CLUSTERDOWN",
        "BUSY",
    ];
    let code = error.code().filter(|code| TELLING.contains(code));
    let first_line = error.detail().and_then(|detail| detail.lines().next()).unwrap_or_default();
    let words = code.map(|code| echo(format!("{code} {first_line}").trim_end()).to_owned());
    Complaint { fault: fault(error), words }
}

/// What an error means.
fn fault(error: &RedisError) -> Fault {
    match error.code() {
        _ if error.is_timeout() => Fault::Timeout,
        _ if error.is_io_error() => Fault::Away,
        Some("OOM") => Fault::Full,
        Some("MISCONF" | "NOREPLICAS") => Fault::Unwritable,
        Some("STALE") => Fault::Stale,
        _ if error.detail().is_some_and(|detail| detail.contains("without any password configured")) => {
            Fault::Passwordless
        }
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Fault::Refused,
        // The same within a script, as some versions say it.
        _ if error.detail().is_some_and(|detail| detail.contains("executing the script can't run this command")) => {
            Fault::Refused
        }
        Some("READONLY" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "UNBLOCKED") => Fault::Moved,
        _ if error.to_string().contains("equal or smaller") => Fault::Stale,
        _ if error.kind() == ErrorKind::AuthenticationFailed => Fault::Refused,
        _ => Fault::Garbled,
    }
}

/// What an error of TLS means. Whoever is refused in the handshake of a server is told so later.
pub(super) fn tls_fault(error: &rustls::Error) -> Fault {
    use rustls::CertificateError as C;
    use rustls::Error::{AlertReceived, InvalidCertificate};
    if matches!(error, AlertReceived(_)) {
        return Fault::Unproven;
    }
    let InvalidCertificate(why) = error else { return Fault::Unencrypted };
    if matches!(why, C::NotValidForName | C::NotValidForNameContext { .. }) {
        Fault::Misnamed
    } else if matches!(why, C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. }) {
        Fault::Expired
    } else {
        Fault::Untrusted
    }
}

/// What went wrong, in words.
pub(crate) fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::Away => "it can't be reached",
        Fault::Refused => "it refuses this node",
        Fault::SentinelRefused => "the Sentinel refuses who this node is to it, or asks for no password",
        Fault::Passwordless => "it asks for no password, and this node tells it one",
        Fault::Full => "it has no room",
        Fault::Unwritable => "it takes nothing that is to be written",
        Fault::Unreplicated => "fewer of its replicas than journal.redis.wait_replicas have what is written",
        Fault::Moved => "it is not, or no longer, the one that has the logs",
        Fault::Stale => "its log is another",
        Fault::Timeout => "it does not answer in time",
        Fault::Garbled => "it answers what can't be understood",
        Fault::Unencrypted => "it does not speak TLS there, or not as this node does",
        Fault::Untrusted => "its certificate is of an issuer that this node does not trust",
        Fault::Misnamed => "its certificate is for another name",
        Fault::Announced => "its certificate is for another name than the one that it is announced by",
        Fault::Expired => "its certificate has expired, or is not valid yet",
        Fault::Unproven => "it takes no TLS without a certificate that it trusts",
        Fault::Nameless => "no master is found by the name in journal.redis.sentinel",
        Fault::Clustered => "it is a Redis Cluster, or it is none, other than journal.redis.cluster says",
    }
}

/// Who must do what about it.
pub(crate) fn remedy(fault: Fault) -> &'static str {
    match fault {
        Fault::Clustered => "set journal.redis.cluster to what it is, or name other servers",
        Fault::Nameless => {
            "set it to what the Sentinels call their master (sentinel monitor), and name them, and nobody else, in \
             journal.redis.addresses"
        }
        Fault::Refused => {
            "look at journal.redis.user and password_file, at the user's rights (rte help nodes), and that the \
             server is Redis 7 or later, or Valkey; all nodes need the same version of rte's format"
        }
        Fault::SentinelRefused => {
            "give in journal.redis.sentinel_user and sentinel_password_file what the Sentinels ask for, and neither where \
             they ask for nothing; user and password_file are for the servers"
        }
        Fault::Passwordless => {
            "leave journal.redis.password_file away, or give Redis that password (requirepass, or a user of its own)"
        }
        Fault::Full => "give Redis more memory, or retain less (journal.redis.retain_entries)",
        Fault::Unwritable => {
            "look into the log of Redis: its disk is full or broken (MISCONF), or fewer replicas are there than \
             min-replicas-to-write"
        }
        Fault::Unreplicated => "look whether the replicas of Redis run and keep up, or wait for fewer",
        Fault::Unencrypted => "name its tls-port in journal.redis.addresses, or leave journal.redis.tls away",
        Fault::Untrusted => {
            "name the certificate of its issuer in journal.redis.ca_file; one of version 1, made without extensions \
             such as subjectAltName, is never trusted"
        }
        Fault::Misnamed => {
            "name it in journal.redis.addresses as its certificate does, or give it a certificate for that name"
        }
        Fault::Announced => {
            "let names of the certificates be announced: by `sentinel resolve-hostnames yes`, `sentinel announce-hostnames yes` \
             and replica-announce-ip, in a Cluster by cluster-announce-hostname and cluster-preferred-endpoint-type \
             hostname; or give Redis certificates for its addresses"
        }
        Fault::Expired => "give Redis another certificate, or set the clock of this machine right",
        Fault::Unproven => {
            "name in journal.redis.cert_file and key_file a certificate of the issuers that Redis trusts \
             (tls-ca-cert-file)"
        }
        Fault::Moved => {
            "nothing, where another server takes over: the hub asks again which one; else name the master in \
             journal.redis.addresses"
        }
        Fault::Away | Fault::Stale | Fault::Timeout | Fault::Garbled => {
            "look whether Redis runs at journal.redis.addresses, and speaks TLS there where journal.redis.tls says so, \
             and only there; the hub tries again by itself"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialed::taken;
    use super::*;
    use crate::limits::ECHO_BYTES_MAX;

    #[test]
    fn the_words_of_a_refusal_are_repeated_and_none_that_may_have_a_password_in_them() {
        let said = |line: &str| {
            let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            taken::<String>(value).unwrap_err()
        };
        let long = format!("MISCONF {}", "é".repeat(ECHO_BYTES_MAX));
        for (line, fault, words) in [
            ("WRONGPASS invalid pair", Fault::Refused, Some("WRONGPASS invalid pair")),
            ("NOPERM this user may not", Fault::Refused, Some("NOPERM this user may not")),
            ("OOM", Fault::Full, Some("OOM")),
            (&long, Fault::Unwritable, Some(long.get(..ECHO_BYTES_MAX).unwrap())),
            ("READONLY it is a replica", Fault::Moved, Some("READONLY it is a replica")),
            ("ERR AUTH <password> called without any password configured for it", Fault::Passwordless, None),
            ("ERR unknown command 'AUTH', with args beginning with: 'hush'", Fault::Garbled, None),
        ] {
            assert_eq!(said(line), Complaint { fault, words: words.map(str::to_owned) }, "{line}");
        }
    }
}
