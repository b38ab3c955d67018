//! Cross-origin requests. SignalR clients in browsers send credentials, so the exact origin is echoed, never `*`; no cookie is
//! ever read here, which makes any origin safe by default.

use crate::proto::http::head::Head;
use crate::proto::http::reply::Reply;

/// Which origins may talk to the hub from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Exact origins, `https://app.example`; `None` allows any.
    pub allowed: Option<Vec<String>>,
}

impl Origins {
    /// Whether a request with that `Origin` may be served; one without is no browser's.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match (origin, &self.allowed) {
            (None, _) | (_, None) => true,
            (Some(origin), Some(allowed)) => allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        }
    }

    /// The answer to a preflight; browsers send no token with it, so it comes before authentication. Like every reply it is yet
    /// to be dressed: a browser refuses an `Access-Control-Allow-Origin` that stands there twice.
    pub fn preflight(&self, head: &Head<'_>) -> Reply {
        let origin = head.header("origin");
        if !self.allow(origin) {
            return Reply::text(403, "this Origin is not in [cors] origins");
        }
        let mut reply = Reply::text(204, "").with("Allow", "GET, HEAD, POST, DELETE, OPTIONS");
        if origin.is_some() {
            let asked = head.header("access-control-request-headers");
            reply = reply
                .with("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE, OPTIONS")
                .with(
                    "Access-Control-Allow-Headers",
                    asked.unwrap_or("authorization,content-type,x-requested-with,x-signalr-user-agent").to_owned(),
                )
                .with("Access-Control-Max-Age", "7200");
        }
        reply
    }

    /// Adds what a browser needs to hand the reply, error or not, to the page.
    pub fn dress(&self, reply: Reply, origin: Option<&str>) -> Reply {
        match origin {
            Some(origin) if self.allow(Some(origin)) => reply
                .with("Access-Control-Allow-Origin", origin.to_owned())
                .with("Access-Control-Allow-Credentials", "true")
                .with("Vary", "Origin"),
            _ => reply,
        }
    }
}
