//! Which fault an error is.

use crate::backplane::Fault;
use crate::echo::echo;
use redis::RedisError;
use std::io;

/// A fault, and what is known of it besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub(crate) fault: Fault,
    /// Which server was asked, where it was one alone.
    pub(crate) server: Option<String>,
    /// What is known of it, beside what the fault tells.
    pub(crate) detail: Option<String>,
    /// By which words the server has told of it, where they are for people.
    pub(crate) words: Option<String>,
}

impl From<Fault> for Complaint {
    fn from(fault: Fault) -> Complaint {
        Complaint { fault, server: None, detail: None, words: None }
    }
}

impl Complaint {
    /// What has gone wrong, of the server.
    pub(crate) fn told(&self) -> String {
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
        format!("{}{detail}", self.fault.told())
    }

    /// The server is a replica, which is told by these words.
    pub(super) fn replica(told: &str) -> Complaint {
        Complaint { detail: Some(format!("it {told}")), ..Fault::Moved.into() }
    }

    /// It is to be told of this server.
    pub(super) fn of(self, server: &str) -> Complaint {
        Complaint { server: Some(server.to_owned()), ..self }
    }

    /// What it means where one thing means another.
    pub(super) fn meaning(self, one: Fault, other: Fault) -> Complaint {
        Complaint { fault: if self.fault == one { other } else { self.fault }, ..self }
    }
}

/// What servers say, by its code. Words behind another code may repeat a command, and with it a
/// password.
const CODES: [(&str, Fault); 17] = [
    ("WRONGPASS", Fault::WrongPassword),
    ("NOAUTH", Fault::NoPassword),
    ("NOPERM", Fault::Forbidden),
    ("DENIED", Fault::Protected),
    ("OOM", Fault::Full),
    ("MISCONF", Fault::DiskFailed),
    ("NOREPLICAS", Fault::FewReplicas),
    ("READONLY", Fault::Moved),
    ("MASTERDOWN", Fault::Moved),
    ("MOVED", Fault::Moved),
    ("ASK", Fault::Moved),
    ("TRYAGAIN", Fault::Moved),
    ("UNBLOCKED", Fault::Moved),
    ("CLUSTERDOWN", Fault::Uncovered),
    ("LOADING", Fault::Loading),
    ("BUSY", Fault::Timeout),
    ("STALE", Fault::Stale),
];

/// What they say with a code that says nothing.
const SAYINGS: [(&str, Fault); 4] = [
    ("without any password configured", Fault::Passwordless),
    ("max number of clients reached", Fault::Crowded),
    ("equal or smaller", Fault::Stale),
    // NOPERM within a script, as some versions have it.
    ("executing the script can't run this command", Fault::Forbidden),
];

/// What an error means, and says.
pub(super) fn complaint(error: &RedisError) -> Complaint {
    let Some((code, fault)) = CODES.into_iter().find(|(code, _)| error.code() == Some(code)) else {
        return uncoded(error).into();
    };
    let first_line = error.detail().and_then(|detail| detail.lines().next()).unwrap_or_default();
    Complaint { words: Some(quote(format!("{code} {first_line}").trim_end())), ..fault.into() }
}

fn uncoded(error: &RedisError) -> Fault {
    if error.is_timeout() {
        return Fault::Timeout;
    }
    if error.is_io_error() {
        return Fault::Away;
    }
    let text = error.to_string();
    SAYINGS.into_iter().find(|(saying, _)| text.contains(saying)).map_or(Fault::Garbled, |(_, fault)| fault)
}

/// As much of what a server says as is repeated, with a sign where that is not all.
fn quote(said: &str) -> String {
    let beginning = echo(said);
    format!("{beginning}{}", if beginning == said { "" } else { "…" })
}

/// Why there is no connection.
pub(super) fn unconnected(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::ConnectionRefused { Fault::PortClosed } else { Fault::Unreachable }
}

/// Why nothing comes or goes on a connection.
pub(super) fn interrupted(error: &io::Error) -> Fault {
    let broken = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (broken, error.kind()) {
        (Some(broken), _) => tls_fault(broken),
        (None, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Fault::Timeout,
        (None, _) => Fault::Away,
    }
}

/// What an error of TLS means. Whoever is refused in the handshake of a server is told so later.
fn tls_fault(error: &rustls::Error) -> Fault {
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
        let cut = format!("{}…", long.get(..ECHO_BYTES_MAX).unwrap());
        for (line, fault, words) in [
            ("WRONGPASS invalid pair", Fault::WrongPassword, Some("WRONGPASS invalid pair")),
            ("NOAUTH Authentication required.", Fault::NoPassword, Some("NOAUTH Authentication required.")),
            ("NOPERM this user may not", Fault::Forbidden, Some("NOPERM this user may not")),
            ("DENIED Redis is protected", Fault::Protected, Some("DENIED Redis is protected")),
            ("OOM", Fault::Full, Some("OOM")),
            (&long, Fault::DiskFailed, Some(&cut)),
            ("NOREPLICAS Not enough", Fault::FewReplicas, Some("NOREPLICAS Not enough")),
            ("READONLY it is a replica", Fault::Moved, Some("READONLY it is a replica")),
            ("MOVED 7 10.0.0.8:6379", Fault::Moved, Some("MOVED 7 10.0.0.8:6379")),
            ("CLUSTERDOWN Hash slot", Fault::Uncovered, Some("CLUSTERDOWN Hash slot")),
            ("LOADING the dataset", Fault::Loading, Some("LOADING the dataset")),
            ("BUSY with a script", Fault::Timeout, Some("BUSY with a script")),
            ("ERR AUTH <password> called without any password configured for it", Fault::Passwordless, None),
            ("ERR max number of clients reached", Fault::Crowded, None),
            ("ERR The ID is equal or smaller than the target", Fault::Stale, None),
            ("ERR the user executing the script can't run this command", Fault::Forbidden, None),
            ("ERR unknown command 'AUTH', with args beginning with: 'hush'", Fault::Garbled, None),
        ] {
            assert_eq!(said(line), Complaint { words: words.map(str::to_owned), ..fault.into() }, "{line}");
        }
    }

    #[test]
    fn a_port_where_nobody_listens_a_way_that_is_none_a_silence_and_a_cut_are_told_apart() {
        use io::ErrorKind as K;
        let of = |fault: fn(&io::Error) -> Fault, kind: K| fault(&kind.into());
        assert_eq!(of(unconnected, K::ConnectionRefused), Fault::PortClosed);
        for kind in [K::TimedOut, K::HostUnreachable, K::NetworkUnreachable] {
            assert_eq!(of(unconnected, kind), Fault::Unreachable, "{kind}");
        }
        assert_eq!([K::WouldBlock, K::TimedOut].map(|kind| of(interrupted, kind)), [Fault::Timeout; 2]);
        assert_eq!([K::ConnectionReset, K::UnexpectedEof].map(|kind| of(interrupted, kind)), [Fault::Away; 2]);
    }
}
