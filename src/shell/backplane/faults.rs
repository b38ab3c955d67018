//! What goes wrong with an engine, for the lanes and for people.

use crate::backplane::Fault;
use redis::{ErrorKind, RedisError};

/// What an error means.
pub(super) fn fault(error: &RedisError) -> Fault {
    match error.code() {
        _ if error.is_timeout() => Fault::Timeout,
        _ if error.is_io_error() => Fault::Away,
        Some("OOM") => Fault::Full,
        Some("MISCONF" | "NOREPLICAS") => Fault::Unwritable,
        Some("STALE") => Fault::Stale,
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Fault::Refused,
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
            "look at journal.redis.user and password_file, with Sentinels at theirs, too, at the user's rights (rte help nodes), and that the \
             server is Redis 7 or later, or Valkey; all nodes need the same version of rte's format"
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
