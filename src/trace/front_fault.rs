//! What proxies and clients get wrong before HTTP begins.

/// What is wrong in front of the hub. Each is told in the answer, and once in the life of the
/// process to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontFault {
    /// A proxy has lost what makes a request one for a WebSocket.
    UpgradeLost,
    /// A client speaks TLS.
    Tls,
    /// A client does not speak TLS, where the hub does.
    NoTls,
    /// A proxy that is not trusted begins with the PROXY protocol.
    ProxyPreamble,
}

impl FrontFault {
    /// Bits above theirs are others'.
    pub const BITS: u8 = 4;

    /// Returns a bit of its own.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Returns what has come.
    pub fn sentence(self) -> &'static str {
        match self {
            FrontFault::UpgradeLost => "a request for a WebSocket came without its Upgrade, or as HTTP/1.0",
            FrontFault::Tls => "a TLS ClientHello came to a port that speaks plain HTTP",
            FrontFault::NoTls => "plain bytes came to a port that speaks TLS",
            FrontFault::ProxyPreamble => {
                "a PROXY protocol header came from an address that is not in server.trusted_proxies"
            }
        }
    }

    /// Returns both, for the body of an answer.
    pub fn told(self) -> String {
        format!("{}: {}", self.sentence(), self.advice())
    }

    /// Returns what to do.
    pub fn advice(self) -> &'static str {
        match self {
            FrontFault::UpgradeLost => {
                "let the proxy speak HTTP/1.1 to the hub and pass on `Upgrade: websocket` and `Connection: Upgrade`"
            }
            FrontFault::Tls => {
                "use http:// and ws:// here, or set server.tls_certificate, or put what ends TLS in front"
            }
            FrontFault::NoTls => "use https:// and wss:// here, or leave out server.tls_certificate",
            FrontFault::ProxyPreamble => "list the proxy there, or let it speak plain HTTP",
        }
    }
}
