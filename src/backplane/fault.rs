//! What goes wrong with an engine: for the lanes, and in words for people.

/// Makes an enum from rows: a fault, what has gone wrong, and who must do what about it.
macro_rules! faults {
    ($($(#[$doc:meta])* $Fault:ident $told:literal $remedy:literal;)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = $told] $(#[$doc])* $Fault,)*
        }

        impl Fault {
            /// All of them.
            pub(crate) const ALL: &[Fault] = &[$(Fault::$Fault,)*];

            /// What has gone wrong, of the server that is named before it.
            pub(crate) fn told(self) -> &'static str {
                match self { $(Fault::$Fault => $told,)* }
            }

            /// Who must do what about it.
            pub(crate) fn remedy(self) -> &'static str {
                match self { $(Fault::$Fault => $remedy,)* }
            }
        }
    };
}

faults! {
    Unresolved
        "its name can't be resolved"
        "correct the name, in journal.redis.addresses or where Sentinels or a Cluster announce it, or make it known to this \
         machine (DNS, /etc/hosts)";
    PortClosed
        "it refuses the connection: nobody listens there"
        "start Redis, or name in journal.redis.addresses where it listens (port and bind of redis.conf)";
    Unreachable
        "it can't be reached: no way leads there, or nobody answers"
        "look at journal.redis.addresses, whether that machine runs, and at routes and firewalls on the way";
    Away
        "it has cut the connection"
        "look into the log of Redis: it has ended, or closes clients; where its port takes only TLS, set journal.redis.tls";
    Timeout
        "it takes the connection and does not answer in time"
        "look what holds Redis up (SLOWLOG, swapping, a machine that is paused), and that no other program listens there";
    TlsTimeout
        "it takes the connection and does not answer TLS in time"
        "name its tls-port in journal.redis.addresses, or leave journal.redis.tls away; where that is right, look what holds \
         Redis up";
    Crowded
        "it has as many clients as it takes"
        "raise its maxclients, or look who else connects there (CLIENT LIST)";
    Protected
        "it takes no clients of other machines (protected-mode)"
        "give Redis a password, set journal.redis.password_file to a file with the same, and start the hub anew; or set \
         protected-mode no, where nobody else gets to it";
    NoPassword
        "it asks for a password, and this node tells it none"
        "set journal.redis.password_file, and journal.redis.user unless that is the default user, and start the hub anew";
    WrongPassword
        "it knows no such user with this password"
        "look at the password in journal.redis.password_file, and send the hub SIGHUP, which reads it again; then at \
         journal.redis.user (without it, the default user), and whether that user is on there (ACL LIST)";
    Passwordless
        "it asks for no password, and this node tells it one"
        "leave journal.redis.password_file away and start the hub anew, or give Redis that password (requirepass, or a user of \
         its own)";
    Forbidden
        "its user may not do what a hub does"
        "give it the rights of the line in `rte help nodes` (ACL SETUSER, then ACL SAVE or a line in redis.conf); its name and \
         password are right";
    SentinelNoPassword
        "the Sentinel asks for a password, and this node tells it none"
        "set journal.redis.sentinel_password_file, and sentinel_user unless that is the default user, and start the hub anew; \
         user and password_file are for the servers";
    SentinelWrongPassword
        "the Sentinel knows no such user with this password"
        "look at the password in journal.redis.sentinel_password_file, and send the hub SIGHUP, which reads it again; then at \
         sentinel_user (without it, the default user)";
    SentinelPasswordless
        "the Sentinel asks for no password, and this node tells it one"
        "leave journal.redis.sentinel_password_file away, and start the hub anew; user and password_file are for the servers";
    SentinelForbidden
        "its user may not ask the Sentinel for the master"
        "give journal.redis.sentinel_user the right +sentinel|get-master-addr-by-name there";
    Outdated
        "it is older than Redis 7.0"
        "take Redis 7.0 or later, or Valkey";
    Foreign
        "another version of this program keeps its logs there"
        "give all nodes one version, or this one another journal.redis.prefix";
    Full
        "it has no room"
        "give Redis more memory, or retain less (journal.redis.retain_entries)";
    DiskFailed
        "it takes nothing that is to be written, for it could not write to its disk"
        "make room on the disk of Redis, or mend it; its log says what failed";
    FewReplicas
        "it takes nothing that is to be written, for fewer replicas follow it than its min-replicas-to-write"
        "look whether the replicas of Redis run and keep up, or lower its min-replicas-to-write";
    Unreplicated
        "fewer of its replicas than journal.redis.wait_replicas have what is written"
        "look whether the replicas of Redis run and keep up, or wait for fewer";
    Moved
        "it is not, or no longer, the one that has the logs"
        "nothing, where another server takes over: the hub asks again which one; else name the master in \
         journal.redis.addresses";
    Absent
        "the server that is said to have the logs can't be reached, or does not answer"
        "nothing, where another one takes over; else start it, or let Sentinels or the Cluster announce it as nodes reach it";
    Loading
        "it still reads its data, as after a start"
        "nothing: it answers when it has read them";
    Uncovered
        "its Cluster is down, or has slots without a master"
        "nothing, where a replica takes over; else give each slot a master that runs (redis-cli --cluster check, \
         --cluster fix)";
    ///
    /// Another epoch has begun, or the log is not there, or not what the lane thinks.
    Stale
        "its log is another"
        "nothing: the nodes write again what it has lost";
    Garbled
        "it answers what can't be understood"
        "look whether it is Redis 7.0 or later, or Valkey, that listens at journal.redis.addresses";
    Unencrypted
        "it does not speak TLS there, or not as this node does"
        "name its tls-port in journal.redis.addresses, or leave journal.redis.tls away";
    Encrypted
        "it speaks TLS there, and this node does not"
        "set journal.redis.tls = true, or name its port without TLS";
    Untrusted
        "its certificate is of an issuer that this node does not trust"
        "have the certificate of its issuer in journal.redis.ca_file, and send the hub SIGHUP, which reads it again; one of \
         version 1, made without extensions such as subjectAltName, is never trusted";
    Misnamed
        "its certificate is for another name"
        "name it in journal.redis.addresses as its certificate does, or give it a certificate for that name";
    Announced
        "its certificate is for another name than the one that it is announced by"
        "let names of the certificates be announced: by `sentinel resolve-hostnames yes`, `sentinel announce-hostnames yes` \
         and replica-announce-ip, in a Cluster by cluster-announce-hostname and cluster-preferred-endpoint-type hostname; or \
         give Redis certificates for its addresses";
    Expired
        "its certificate has expired, or is not valid yet"
        "give Redis another certificate, or set the clock of this machine right";
    Unproven
        "it takes no TLS without a certificate that it trusts"
        "have in journal.redis.cert_file and key_file a certificate of the issuers that Redis trusts (tls-ca-cert-file), and \
         send the hub SIGHUP, which reads them again";
    Sentinel
        "it is a Sentinel"
        "set journal.redis.sentinel to what it calls its master (sentinel monitor), or name the servers";
    NoSentinel
        "it is no Sentinel"
        "name the Sentinels, and nobody else, in journal.redis.addresses, or leave journal.redis.sentinel away";
    Nameless
        "the Sentinel knows no master by the name in journal.redis.sentinel"
        "set that to what the Sentinels call their master (sentinel monitor)";
    Clustered
        "it is of a Redis Cluster, and journal.redis.cluster is not set"
        "set journal.redis.cluster = true, or name a server that is of none";
    Unclustered
        "it is of no Redis Cluster, and journal.redis.cluster = true"
        "leave journal.redis.cluster away, or name servers of a Cluster (cluster-enabled yes)";
}

impl Fault {
    /// Those of an engine that answers, and does not have what is to be written as it should.
    pub(crate) const HITCHES: [Fault; 4] = [Fault::Full, Fault::DiskFailed, Fault::FewReplicas, Fault::Unreplicated];

    /// Whether it is one of these.
    pub(crate) fn is_hitch(self) -> bool {
        Fault::HITCHES.contains(&self)
    }

    /// Whether the engine has said nothing at all.
    pub(crate) fn is_silence(self) -> bool {
        use Fault::{Away, PortClosed, Timeout, TlsTimeout, Unreachable, Unresolved};
        matches!(self, Unresolved | PortClosed | Unreachable | Away | Timeout | TlsTimeout)
    }

    /// What a stranger may learn of it: of which kind it is, and not what he could make use of.
    pub(crate) fn hint(self) -> &'static str {
        use Fault::{Absent, Crowded, Forbidden, Loading, Moved, NoPassword, Protected, WrongPassword};
        use Fault::{SentinelForbidden, SentinelNoPassword, SentinelWrongPassword};
        let is_of_servers = matches!(self, Crowded | Protected | NoPassword | WrongPassword | Forbidden);
        let is_of_sentinels = matches!(self, SentinelNoPassword | SentinelWrongPassword | SentinelForbidden);
        if self.is_silence() || self == Absent {
            "it does not answer"
        } else if is_of_servers || is_of_sentinels {
            "it refuses this node"
        } else if self == Moved {
            "another server has the logs"
        } else if self == Loading {
            "it still reads its data"
        } else {
            "no hub works with it as it is"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_to_change_a_file_or_its_name_is_told_what_makes_the_hub_read_it() {
        for fault in Fault::ALL {
            let remedy = fault.remedy();
            let is_told = remedy.contains("send the hub SIGHUP") || remedy.contains("start the hub anew");
            assert!(is_told || !remedy.contains("_file"), "{fault:?}: {remedy}");
        }
    }
}
