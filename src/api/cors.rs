//! Cross-origin requests. SignalR clients in browsers send credentials, so the exact origin is
//! echoed, never `*`; no cookie is ever read here, which makes any origin safe by default.

use crate::proto::http::head::Head;
use crate::proto::http::reply::Reply;

/// The header that names the origin whose pages may read a reply, or `*` for all.
pub const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";

/// Which origins may talk to the hub from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// Exact origins, `https://app.example`; `None` allows any.
    pub allowed: Option<Vec<String>>,
}

/// Whose pages may read the replies of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Those of the origins that may use the hub.
    Allowed,
    /// Those of every origin: nothing there is anybody's own, and one cached copy serves them all.
    Everybody,
}

impl Readers {
    /// Marks a reply that pages of every origin may read. The other kind waits for
    /// [`Origins::dress`], which knows the origin.
    pub fn mark(self, reply: Reply) -> Reply {
        match self {
            Readers::Allowed => reply,
            Readers::Everybody => reply.with(ALLOW_ORIGIN, "*").with("Access-Control-Expose-Headers", "ETag"),
        }
    }
}

/// Reads an origin as the operator writes it: scheme and host, in lower case from here on.
///
/// # Errors
/// What an origin looks like.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let origin = text.to_ascii_lowercase();
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_origin = host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@*,\\\"".contains(&byte))
    });
    match text {
        _ if is_origin => Ok(origin),
        "*" => Err("leave `cors.origins` out to let any origin in".to_owned()),
        _ => Err(format!(
            "{text:?} is not an origin: scheme and host, as in \"https://app.example.com\", without a path"
        )),
    }
}

impl Origins {
    /// Returns whether a request with that `Origin` may be served; one without is no browser's.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match (origin, &self.allowed) {
            (None, _) | (_, None) => true,
            (Some(origin), Some(allowed)) => allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
        }
    }

    /// Returns the answer to a preflight for a route of these methods. Browsers send no token with
    /// it, so it comes before authentication. Like every reply it is yet to be dressed: a browser
    /// refuses two `Access-Control-Allow-Origin`.
    pub fn preflight(&self, head: &Head<'_>, methods: String) -> Reply {
        let origin = head.header("origin");
        if !self.allow(origin) {
            return Reply::text(403, "this Origin is not in [cors] origins");
        }
        let mut reply = Reply::text(204, "").with("Allow", methods.clone());
        if origin.is_some() {
            let asked = head.header("access-control-request-headers");
            reply = reply
                .with("Access-Control-Allow-Methods", methods)
                .with(
                    "Access-Control-Allow-Headers",
                    asked.unwrap_or("authorization,content-type,x-requested-with,x-signalr-user-agent").to_owned(),
                )
                .with("Access-Control-Max-Age", "7200");
        }
        reply
    }

    /// Adds what a browser needs to hand the reply, error or not, to the page. A reply that says
    /// itself who may read it stays so.
    pub fn dress(&self, reply: Reply, origin: Option<&str>) -> Reply {
        let is_dressed = reply.headers.iter().any(|(name, _)| *name == ALLOW_ORIGIN);
        match origin {
            Some(origin) if !is_dressed && self.allow(Some(origin)) => reply
                .with(ALLOW_ORIGIN, origin.to_owned())
                .with("Access-Control-Allow-Credentials", "true")
                .with("Vary", "Origin"),
            _ => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(reply: &Reply) -> Vec<&str> {
        reply.headers.iter().filter(|(name, _)| *name == ALLOW_ORIGIN).map(|(_, value)| value.as_ref()).collect()
    }

    #[test]
    fn a_reply_names_the_origin_once_and_only_if_it_may_be_read_there() {
        let narrow = Origins { allowed: Some(vec!["https://app.example".to_owned()]) };
        let dressed = |reply, origin| narrow.dress(reply, origin);
        let plain = || Reply::text(200, "");
        assert_eq!(allowed(&dressed(plain(), Some("https://app.example"))), ["https://app.example"]);
        assert_eq!(allowed(&dressed(plain(), Some("https://other.example"))), Vec::<&str>::new());
        assert_eq!(allowed(&dressed(plain(), None)), Vec::<&str>::new());
        let public = || plain().with(ALLOW_ORIGIN, "*");
        for origin in ["https://app.example", "https://other.example"] {
            assert_eq!(allowed(&dressed(public(), Some(origin))), ["*"]);
        }
    }
}
