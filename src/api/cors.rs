//! Cross-origin requests. SignalR clients in browsers send credentials, so the exact origin is
//! echoed, never `*`; no cookie is ever read here, which makes any origin safe by default.
//!
//! An origin is `scheme://host[:port]` (RFC 6454 section 6.2), in lower case and without the port
//! that its scheme has anyway; or `null`, which is what a page has that comes from no host.

use crate::proto::http::head::Head;
use crate::proto::http::loose::loose_header;
use crate::proto::http::reply::Reply;

/// The header that names the origin whose pages may read a reply, or `*` for all.
pub const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
/// Names what a page may read of a reply beside its body: why it was refused, when to come back,
/// the hub's clock, and the place in the order.
const EXPOSE: (&str, &str) =
    ("Access-Control-Expose-Headers", "Date, ETag, Retry-After, Rte-Epoch, Rte-Position, WWW-Authenticate");

/// The body of a 403 for a page of an origin that is not allowed.
pub const NOT_ALLOWED: &str = "the Origin of this page is neither the hub's own nor in cors.origins";

/// Which origins may talk to the hub from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// As [`parse_origin`] gives them; `None` allows any.
    pub allowed: Option<Vec<String>>,
}

/// Whose pages may read the replies of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// No page's: what is there is for back ends and operators, and no browser has business there.
    Nobody,
    /// Those of the origins that may use the hub.
    Allowed,
    /// Those of every origin: nothing there is anybody's own, and one cached copy serves them all.
    Everybody,
}

impl Readers {
    /// Marks a reply that pages of every origin may read. The other kind waits for
    /// [`Origins::dress`], which knows the origin.
    pub(crate) fn mark(self, reply: Reply) -> Reply {
        match self {
            Readers::Nobody | Readers::Allowed => reply,
            Readers::Everybody => reply.with(ALLOW_ORIGIN, "*").with(EXPOSE.0, EXPOSE.1),
        }
    }
}

/// Reads an origin as the operator writes it: `https://app.example.com`, `capacitor://localhost`,
/// `null`, or `https://*.example.com` for all that are below a host.
///
/// # Errors
/// What an origin looks like.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("{text:?} is not an origin: {why}"));
    let lower = text.to_ascii_lowercase();
    let Some((scheme, rest)) = lower.split_once("://") else {
        return match text {
            "*" => Err("leave `cors.origins` out to let any origin in".to_owned()),
            "null" => Ok(lower),
            _ => wrong("scheme and host, as in \"https://app.example.com\", or \"null\""),
        };
    };
    if !is_scheme(scheme) {
        return wrong("a scheme has letters, digits and +-. and begins with a letter");
    }
    if rest.contains(['/', '?', '#']) {
        return wrong("scheme and host, as in \"https://app.example.com\", without a path");
    }
    if !text.is_ascii() {
        return wrong("browsers send the ASCII form of a host, as in \"https://xn--bcher-kva.example\"");
    }
    let (host, port) = split_port(rest);
    if port.is_some_and(|port| port.parse::<u16>().is_err() || port.starts_with(['+', '0'])) {
        return wrong("a port is a number from 1 to 65535");
    }
    let below = host.strip_prefix("*.");
    if host.contains('*') && !below.is_some_and(is_host) {
        return wrong("`*` stands for the first labels of a host, as in \"https://*.example.com\"");
    }
    if below.is_none() && !is_host(host) {
        return wrong("a host has letters, digits and -._, or is an IPv6 address in brackets");
    }
    Ok(format!("{scheme}://{}", without_default_port(scheme, rest)))
}

fn is_scheme(text: &str) -> bool {
    // RFC 3986 section 3.1.
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.parse::<core::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

/// Parts `host[:port]`, where the host may be an IPv6 address in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    }
}

/// Returns `host[:port]` without the port that the scheme has anyway (RFC 3986 section 6.2.3).
fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    match (scheme, split_port(authority)) {
        ("http" | "ws", (host, Some("80"))) | ("https" | "wss", (host, Some("443"))) => host,
        _ => authority,
    }
}

/// Returns whether an entry of the list, which may begin with `*.`, is or covers an origin.
fn covers(entry: &str, origin: &str) -> bool {
    match entry.split_once('*') {
        None => entry == origin,
        Some((scheme, below)) => origin
            .strip_prefix(scheme)
            .and_then(|authority| authority.strip_suffix(below))
            .is_some_and(|labels| !labels.ends_with('.') && is_host(labels)),
    }
}

impl Origins {
    /// Returns whether a request with that `Origin`, sent to that `Host`, may be served; one
    /// without is no browser's, and a page that the hub's own host has served needs no entry.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let (Some(origin), Some(allowed)) = (origin, &self.allowed) else { return true };
        let lower = origin.to_ascii_lowercase();
        let Some((scheme, authority)) = lower.split_once("://") else { return allowed.contains(&lower) };
        let authority = without_default_port(scheme, authority);
        // Only the proxy knows which scheme the page's request had: that of the origin counts.
        let is_own = host.is_some_and(|host| without_default_port(scheme, host).eq_ignore_ascii_case(authority));
        let origin = format!("{scheme}://{authority}");
        is_own || allowed.iter().any(|entry| covers(entry, &origin))
    }

    /// Returns the `Origin` of a request, where its pages may read the reply.
    pub fn reader<'b>(&self, head: &Head<'b>) -> Option<&'b str> {
        head.header("origin").filter(|origin| self.allow(Some(origin), head.header("host")))
    }

    /// The same of a head that is not good or not whole.
    pub fn loose_reader<'b>(&self, head: &'b [u8]) -> Option<&'b str> {
        loose_header(head, "origin").filter(|origin| self.allow(Some(origin), loose_header(head, "host")))
    }

    /// Returns the answer to a preflight for a route of these methods. Browsers send no token with
    /// it, so it comes before authentication. Like every reply it is yet to be dressed: a browser
    /// refuses two `Access-Control-Allow-Origin`.
    pub(crate) fn preflight(&self, head: &Head<'_>, methods: String) -> Reply {
        let origin = head.header("origin");
        if !self.allow(origin, head.header("host")) {
            return Reply::text(403, NOT_ALLOWED);
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

    /// Adds what a browser needs to hand the reply, error or not, to the page of
    /// [`Origins::reader`]. A reply that says itself who may read it stays so.
    pub fn dress(reply: Reply, reader: Option<&str>) -> Reply {
        let is_dressed = reply.headers.iter().any(|(name, _)| *name == ALLOW_ORIGIN);
        match reader {
            Some(origin) if !is_dressed => reply
                .with(ALLOW_ORIGIN, origin.to_owned())
                .with("Access-Control-Allow-Credentials", "true")
                .with(EXPOSE.0, EXPOSE.1)
                .with("Vary", "Origin"),
            Some(_) | None => reply,
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
    fn a_reply_names_its_reader_once() {
        let plain = || Reply::text(200, "");
        assert_eq!(allowed(&Origins::dress(plain(), Some("https://app.example"))), ["https://app.example"]);
        assert_eq!(allowed(&Origins::dress(plain(), None)), Vec::<&str>::new());
        let public = plain().with(ALLOW_ORIGIN, "*");
        assert_eq!(allowed(&Origins::dress(public, Some("https://app.example"))), ["*"]);
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_in_its_one_form() {
        for (text, origin) in [
            ("https://App.Example.com", "https://app.example.com"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("https://app.example:8443", "https://app.example:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]:80", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://.", "app://."),
            ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
            ("https://*.example.com", "https://*.example.com"),
            ("https://*.Example.com:443", "https://*.example.com"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("null", "null"),
        ] {
            assert_eq!(parse_origin(text).as_deref(), Ok(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_told_with_what_is_wrong() {
        for (text, why) in [
            ("*", "leave `cors.origins` out"),
            ("app.example", "scheme and host"),
            ("localhost:3000", "scheme and host"),
            ("https://app.example/", "without a path"),
            ("https://app.example?x", "without a path"),
            ("https://", "a host has"),
            ("https://user@app.example", "a host has"),
            ("https://app example", "a host has"),
            ("https://[::g]", "a host has"),
            ("https://app.example:0", "a port"),
            ("https://app.example:99999", "a port"),
            ("https://app.example:", "a port"),
            ("https://*", "`*` stands for"),
            ("https://a.*.example", "`*` stands for"),
            ("https://*example.com", "`*` stands for"),
            ("*://app.example", "a scheme"),
            ("https://bücher.example", "the ASCII form"),
            ("", "scheme and host"),
        ] {
            let told = parse_origin(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn a_listed_origin_is_let_in_and_so_is_the_hubs_own() {
        let list = ["https://app.example", "https://*.example.com", "capacitor://localhost", "null"];
        let origins = Origins { allowed: Some(list.map(|text| parse_origin(text).unwrap()).to_vec()) };
        let allow = |origin: &str, host: &str| origins.allow(Some(origin), Some(host));
        for origin in [
            "https://app.example",
            "https://APP.example:443",
            "https://a.example.com",
            "https://a.b.example.com",
            "capacitor://localhost",
            "null",
        ] {
            assert!(allow(origin, "rte.example"), "{origin}");
        }
        for origin in [
            "http://app.example",
            "https://app.example:8443",
            "https://example.com",
            "https://.example.com",
            "https://badexample.com",
            "https://a.example.com.evil.example",
            "https://evil.example/.example.com",
            "https://a.example.com:8443",
            "capacitor://other",
            "",
        ] {
            assert!(!allow(origin, "rte.example"), "{origin}");
        }
        for (origin, host) in [
            ("https://rte.example", "rte.example"),
            ("https://rte.example", "RTE.example:443"),
            ("http://rte.example:80", "rte.example"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert!(allow(origin, host), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://rte.example", "rte.example:8080"),
            ("https://rte.example:8443", "rte.example"),
            ("http://rte.example", "rte.example:443"),
        ] {
            assert!(!allow(origin, host), "{origin} at {host}");
        }
        assert!(origins.allow(None, Some("rte.example")) && !origins.allow(Some("https://a.example"), None));
    }
}
