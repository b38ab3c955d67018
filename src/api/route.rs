//! Which route a request is for.

use super::schemas;
use crate::proto::http::head::Method;
use crate::proto::http::reply::Reply;

/// The routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// The hub: WebSocket upgrades, and what else SignalR clients try there.
    Hub,
    /// A connection token for the hub.
    Negotiate,
    /// Events in.
    Publish,
    /// Whether the process lives.
    Health,
    /// Whether it takes connections.
    Ready,
    /// Counters for Prometheus.
    Metrics,
    /// A document made from the catalogue, by its path below the root.
    Document(&'p str),
    /// Nothing is there.
    Unknown,
}

impl<'p> Route<'p> {
    /// The route of a path; `hub` is the hub's own path. A slash at the end makes no difference to the hub.
    pub fn find(path: &'p str, hub: &str) -> Route<'p> {
        if let Some(rest) = path.strip_prefix(hub.trim_end_matches('/')) {
            match rest {
                "" | "/" => return Route::Hub,
                "/negotiate" | "/negotiate/" => return Route::Negotiate,
                _ => {}
            }
        }
        match path {
            "/publish" => Route::Publish,
            "/healthz" => Route::Health,
            "/readyz" => Route::Ready,
            "/metrics" => Route::Metrics,
            _ => schemas::document(path).map_or(Route::Unknown, Route::Document),
        }
    }

    /// The methods that it serves, where a wrong one is told so (RFC 9110 section 15.5.6). The hub's own two routes answer as
    /// ASP.NET does, without `Allow`.
    pub fn allows(self) -> Option<&'static [Method]> {
        match self {
            Route::Hub | Route::Negotiate | Route::Unknown => None,
            Route::Publish => Some(&[Method::Post]),
            Route::Health | Route::Ready | Route::Metrics | Route::Document(_) => Some(&[Method::Get, Method::Head]),
        }
    }

    /// The 405 for a method that the route does not serve.
    pub fn method_not_allowed(self) -> Reply {
        let reply = Reply::text(405, "");
        match self {
            Route::Hub | Route::Negotiate | Route::Unknown => reply,
            Route::Publish => reply.with("Allow", "POST, OPTIONS"),
            Route::Health | Route::Ready | Route::Metrics | Route::Document(_) => {
                reply.with("Allow", "GET, HEAD, OPTIONS")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_is_found_below_its_path_and_nowhere_else() {
        assert_eq!(Route::find("/rte", "/rte"), Route::Hub);
        assert_eq!(Route::find("/rte/", "/rte"), Route::Hub);
        assert_eq!(Route::find("/rte/negotiate", "/rte"), Route::Negotiate);
        assert_eq!(Route::find("/rtefoo", "/rte"), Route::Unknown);
        assert_eq!(Route::find("/rte/negotiate2", "/rte"), Route::Unknown);
        assert_eq!(Route::find("/", "/"), Route::Hub);
        assert_eq!(Route::find("/negotiate", "/"), Route::Negotiate);
        assert_eq!(Route::find("/reference", "/rte"), Route::Document("reference"));
        assert_eq!(Route::find("/healthz", "/"), Route::Health);
        assert_eq!(Route::find("/schemas/x.json", "/rte"), Route::Document("schemas/x.json"));
    }
}
