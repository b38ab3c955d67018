//! Which hub protocols there are.

/// How hub messages are written. A further one is a variant here and a file beside `json` and
/// `messagepack`; the compiler then names each arm that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are SignalR's")]
pub enum HubProtocol {
    Json,
    MessagePack,
}

impl HubProtocol {
    /// By the names that a handshake asks for.
    pub(crate) const NAMED: [(&str, HubProtocol); 2] =
        [("json", HubProtocol::Json), ("messagepack", HubProtocol::MessagePack)];

    /// What a handshake calls it.
    pub(crate) fn name(self) -> &'static str {
        let [json, messagepack] = HubProtocol::NAMED;
        match self {
            HubProtocol::Json => json.0,
            HubProtocol::MessagePack => messagepack.0,
        }
    }
}
