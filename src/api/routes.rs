//! The one table of routes.
//!
//! From [`ROUTES`] come the dispatch, the 405s with their `Allow`, and the answers to preflights.
//! So do the paths that `server.path` may not have, the list of `rte check`, and the table in the
//! manual. A new route is a row here, and the arm that the compiler then misses where requests are
//! decided.
//!
//! Paths match as in ASP.NET Core: segment by segment after percent-decoding, without case, one
//! slash at the end ignored. Dot segments are not removed: a proxy that lets only the hub's path
//! through must not let `/rte/../publish` through.

use super::cors::{Origins, Readers};
use super::webhook;
use crate::limits::DOCUMENT_NAME_BYTES_MAX;
use crate::proto::http::head::{Head, Method};
use crate::proto::http::loose::loose_path;
use crate::proto::http::reply::Reply;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Where a route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Below the hub's own path, which the operator chooses; empty for that path itself.
    Hub(&'static str),
    /// At that path.
    Path(&'static str),
    /// At that path and everywhere below it.
    Folder(&'static str),
}

/// What a client with a token reaches. These two answer as ASP.NET's endpoints do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The hub: what begins connections, and what belongs to those that have no WebSocket.
    Hub,
    /// A connection token for the hub.
    Negotiate,
    /// A fresh token for a connection.
    Refresh,
}

/// What everybody reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Public {
    /// Whether the process lives.
    Health,
    /// Whether it takes connections.
    Ready,
    /// Counters for Prometheus.
    Metrics,
    /// One document made from the catalogue, by its path among the artefacts.
    Document(&'static str),
    /// The schemas, by what follows the folder.
    Schema,
    /// These very routes, described.
    OpenApi,
    /// One of the pages, by its file; empty for what they load, by what follows the folder.
    Page(&'static str),
}

/// Who is let in, and what serves them: what serves clients can't be reached without a client's
/// principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nobody is asked for a token.
    Open(Public),
    /// A token of a user.
    Client(Endpoint),
    /// A token with the scope `publish`: `POST /publish`.
    Publisher,
    /// A token of a user, or one with the scope `publish`: `GET /position`.
    Either,
    /// A token with the scope `admin`: `/revoke`.
    Admin,
}

/// The listener that a link came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// The one that there is, for everybody.
    Only,
    /// The one for clients, where the inside has another.
    Public,
    /// The one for the inside: `server.internal`.
    Internal,
}

/// Which listener has a route, where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The public one.
    Public,
    /// The internal one.
    Internal,
    /// The internal one, and the public one with `server.public_documents`.
    Documents,
    /// Both.
    Both,
    /// The public one, with `pages.enabled`; else it is as if there were none.
    Pages,
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// Where it is.
    pub at: At,
    /// What it serves; `OPTIONS` is answered everywhere.
    pub(crate) methods: &'static [Method],
    /// Who is let in.
    pub(crate) gate: Gate,
    /// Whose pages may read its replies.
    pub(crate) readers: Readers,
    /// Which listener has it, where there are two.
    pub(crate) side: Side,
    /// What is there, for people.
    pub(crate) what: &'static str,
}

const READ: &[Method] = &[Method::Get, Method::Head];
const TO_READ: &str =
    "what all events mean, to read: one HTML page, searchable by event and property; the same in Markdown";
const TO_TYPE: &str = "TypeScript types, and beside them under these names a module: `isEvent` and a typed `on`";
const LIBRARY: &str = "the client library: a module for pages and Node, and its types";
const LIBRARY_PARTS: &str = "what that module loads, most of it when it is asked for";
const LIBRARY_TESTING: &str = "a hub in memory, for the tests of those who use the client library";
const SCHEMAS: &str = "JSON Schema 2020-12 of an event's data: `v1/QueueStatus.json` or `QueueStatus.json`, with `?closed=1` one \
                       that refuses unknown properties, for publishers' tests; `bundle.json` has them all; `index.json` has \
                       family, kind, entity, audience, version and digest of each event";

/// All routes, in the order in which a path is looked up.
pub static ROUTES: [Route; 39] = [
    Route {
        at: At::Hub(""),
        methods: &[Method::Get, Method::Post, Method::Delete],
        gate: Gate::Client(Endpoint::Hub),
        readers: Readers::Allowed,
        side: Side::Public,
        what: "the hub (`server.path`): SignalR over WebSocket, server-sent events or long polling",
    },
    Route {
        at: At::Hub("/negotiate"),
        methods: &[Method::Post],
        gate: Gate::Client(Endpoint::Negotiate),
        readers: Readers::Allowed,
        side: Side::Public,
        what: "SignalR's negotiation",
    },
    Route {
        at: At::Hub("/refresh"),
        methods: &[Method::Post],
        gate: Gate::Client(Endpoint::Refresh),
        readers: Readers::Allowed,
        side: Side::Public,
        what: "a fresh token for a connection (`?id=`), as SignalR clients of .NET 11 send it",
    },
    Route {
        at: At::Path("/publish"),
        methods: &[Method::Post],
        gate: Gate::Publisher,
        readers: Readers::Nobody,
        side: Side::Internal,
        what: "events in",
    },
    Route {
        at: At::Path("/revoke"),
        methods: &[Method::Get, Method::Head, Method::Post],
        gate: Gate::Admin,
        readers: Readers::Nobody,
        side: Side::Internal,
        what: "tokens that are good no more before their time, and which these are",
    },
    // Pages ask, and the services behind their data.
    Route {
        at: At::Path("/position"),
        methods: READ,
        gate: Gate::Either,
        readers: Readers::Allowed,
        side: Side::Both,
        what: "the place in the order, now, of the token's organization; with scope `publish` of `?organizationId=`",
    },
    // Balancers of both sides ask, and it tells nobody anything.
    Route { side: Side::Both, ..open("/healthz", Public::Health, "200 while the process lives") },
    Route { side: Side::Both, ..open("/readyz", Public::Ready, "200 while it takes connections, then 503") },
    open("/metrics", Public::Metrics, "counters for Prometheus"),
    Route { at: At::Folder("/schemas"), ..readable("", Public::Schema, SCHEMAS) },
    document("/asyncapi.json", "asyncapi.json", "AsyncAPI 3.0: events and hub methods"),
    readable("/openapi.json", Public::OpenApi, "OpenAPI 3.1: these paths"),
    document("/events.d.mts", "events.d.mts", TO_TYPE),
    document("/events.mjs", "events.mjs", TO_TYPE),
    document("/events.d.ts", "events.d.ts", "the types of `/events.d.mts`, for a project without `events.mjs`"),
    document("/client.mjs", "client.mjs", LIBRARY),
    document("/client.d.mts", "client.d.mts", LIBRARY),
    document("/client/connection.mjs", "client/connection.mjs", LIBRARY_PARTS),
    document("/client/calls.mjs", "client/calls.mjs", LIBRARY_PARTS),
    document("/client/handed.mjs", "client/handed.mjs", LIBRARY_PARTS),
    document("/client/item.mjs", "client/item.mjs", LIBRARY_PARTS),
    document("/client/states.mjs", "client/states.mjs", LIBRARY_PARTS),
    document("/client/tabs.mjs", "client/tabs.mjs", LIBRARY_PARTS),
    document("/client/view.mjs", "client/view.mjs", LIBRARY_PARTS),
    document("/client/testing.mjs", "client/testing.mjs", LIBRARY_TESTING),
    document("/client/testing.d.mts", "client/testing.d.mts", LIBRARY_TESTING),
    document("/client/checks.mjs", "client/checks.mjs", LIBRARY_TESTING),
    document("/client/rules.mjs", "client/rules.mjs", LIBRARY_TESTING),
    document("/events.cs", "events.cs", "C# 8 classes"),
    document("/reference", "reference.html", TO_READ),
    document("/reference.html", "reference.html", TO_READ),
    document("/reference.md", "reference.md", TO_READ),
    page("/", "index.html", "where to begin: links to the pages and documents"),
    page("/wall", "wall.html", "the wallboard: queues, agents and callbacks as they are"),
    page(
        "/desk",
        "desk.html",
        "the desk of one agent: calls, callbacks, availability; `?user=` names another than the token",
    ),
    page("/try", "try.html", "the playground: what a token may, what comes, and publishing by hand"),
    Route { at: At::Folder("/guide"), ..page("", "guide.html", "the guide, the page of that name: `/guide/clients`") },
    page("/favicon.ico", "icon.svg", "the icon, where a browser shows a document"),
    Route { at: At::Folder("/pages"), ..page("", "", "what the pages load") },
];

const fn open(path: &'static str, public: Public, what: &'static str) -> Route {
    Route {
        at: At::Path(path),
        methods: READ,
        gate: Gate::Open(public),
        readers: Readers::Nobody,
        side: Side::Internal,
        what,
    }
}

const fn document(path: &'static str, artefact: &'static str, what: &'static str) -> Route {
    readable(path, Public::Document(artefact), what)
}

const fn page(path: &'static str, file: &'static str, what: &'static str) -> Route {
    Route { side: Side::Pages, ..open(path, Public::Page(file), what) }
}

const fn readable(path: &'static str, public: Public, what: &'static str) -> Route {
    Route { readers: Readers::Everybody, side: Side::Documents, ..open(path, public, what) }
}

impl Route {
    /// Returns whether it serves that method.
    pub(crate) fn serves(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }

    /// Returns whether it is there at all.
    pub(crate) fn is_offered(&self, pages: bool) -> bool {
        pages || self.side != Side::Pages
    }

    /// Returns whether those who came in by that listener find it.
    pub(crate) fn is_at(&self, entrance: Entrance, public_documents: bool) -> bool {
        match (entrance, self.side) {
            (Entrance::Only, _) | (_, Side::Both) => true,
            (Entrance::Public, Side::Documents) => public_documents,
            (Entrance::Public, side) => matches!(side, Side::Public | Side::Pages),
            (Entrance::Internal, side) => !matches!(side, Side::Public | Side::Pages),
        }
    }

    /// Returns the 404 for those who came in by the other listener.
    pub(crate) fn elsewhere(&self) -> Reply {
        Reply::text(
            404,
            match self.side {
                Side::Public | Side::Pages => "this path is served by the public listener only (server.listen)",
                Side::Internal | Side::Documents | Side::Both => {
                    "this path is served by the internal listener only (server.internal)"
                }
            },
        )
    }

    /// Returns the 405 for a method that it does not serve (RFC 9110 section 15.5.6). ASP.NET's own
    /// endpoints leave `Allow` and the body out; no client minds a body.
    pub fn method_not_allowed(&self) -> Reply {
        let methods = listed(|method| self.serves(method));
        let reply = Reply::text(405, format!("this path serves {methods}"));
        match self.gate {
            Gate::Client(_) => reply,
            Gate::Open(_) | Gate::Publisher | Gate::Either | Gate::Admin => reply.with("Allow", methods),
        }
    }
}

impl At {
    /// Returns the path as people write it, for a hub at that path.
    pub(crate) fn written(self, hub: &str) -> String {
        match self {
            At::Hub(below) => format!("{}{below}", hub.trim_end_matches('/')),
            At::Path(path) => path.to_owned(),
            At::Folder(path) => format!("{path}/…"),
        }
    }

    /// Returns what follows this place in `path`, still encoded; `None` where the path leads
    /// elsewhere.
    fn rest_of<'p>(self, path: &'p str, hub: &str) -> Option<&'p str> {
        let path = path.strip_prefix('/')?;
        match self {
            At::Hub(below) => strip(strip(path, hub)?, below).filter(|rest| rest.is_empty()),
            At::Path(own) => strip(path, own).filter(|rest| rest.is_empty()),
            At::Folder(own) => strip(path, own),
        }
    }
}

/// Returns what follows the segments of `root` in `path`. Neither the path nor the rest begins with
/// the slash that is its border.
fn strip<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    root.split('/').filter(|segment| !segment.is_empty()).try_fold(path, |path, wanted| {
        let (segment, rest) = path.split_once('/').unwrap_or((path, ""));
        // A slash that is encoded is no border, so the decoding comes after the split. What is too
        // long even where all of it is encoded, `%41`, is not decoded for each route.
        if segment.len() > 3 * wanted.len() {
            return None;
        }
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        segment.eq_ignore_ascii_case(wanted).then_some(rest)
    })
}

/// The route that a path leads to.
#[derive(Debug)]
pub(crate) struct Found<'p> {
    /// The row.
    pub(crate) route: &'static Route,
    /// What follows a folder, decoded; empty for all else.
    pub(crate) rest: Cow<'p, str>,
}

/// Returns the route of a request's path; `hub` is the hub's own path.
pub(crate) fn find<'p>(path: &'p str, hub: &str) -> Option<Found<'p>> {
    let (route, rest) = ROUTES.iter().find_map(|route| Some((route, route.at.rest_of(path, hub)?)))?;
    if rest.len() > DOCUMENT_NAME_BYTES_MAX {
        return None;
    }
    Some(Found { route, rest: percent_decode_str(rest).decode_utf8().ok()? })
}

/// Returns the route that forbids a hub at that path: the hub's own routes would hide it, or stand
/// below it, where nobody and no proxy's rule expects them.
pub(crate) fn taker(hub: &str) -> Option<&'static Route> {
    let own = || ROUTES.iter().filter(|route| matches!(route.at, At::Hub(_))).map(|route| route.at.written(hub));
    ROUTES.iter().find(|route| match route.at {
        // Below that is everything.
        At::Hub(_) | At::Path("/") => false,
        At::Path(path) | At::Folder(path) => {
            own().any(|own| own.strip_prefix('/').is_some_and(|own| strip(own, path).is_some()))
        }
    })
}

/// Returns the `Origin` whose pages may read what is answered to a request, which may have led to
/// no route.
pub(crate) fn reader<'b>(route: Option<&Route>, head: &Head<'b>, origins: &Origins) -> Option<&'b str> {
    origins.reader(head).filter(|_| is_for_pages(route))
}

/// The same of a head that is not good or not whole; `hub` is the hub's own path.
pub(crate) fn loose_reader<'b>(head: &'b [u8], hub: &str, origins: &Origins) -> Option<&'b str> {
    let found = loose_path(head).and_then(|path| find(path, hub));
    origins.loose_reader(head).filter(|_| is_for_pages(found.map(|found| found.route)))
}

fn is_for_pages(route: Option<&Route>) -> bool {
    route.is_some_and(|route| route.readers == Readers::Allowed)
}

/// Returns the answer to `OPTIONS`. Where no route is, it names the methods of all.
pub(crate) fn preflight(route: Option<&Route>, head: &Head<'_>, origins: &Origins) -> Reply {
    match route {
        // Any page may read the 404 that says that nothing is there.
        None => {
            let methods = listed(|method| ROUTES.iter().any(|route| route.serves(method)));
            Readers::Everybody.mark(Origins::default().preflight(head, methods))
        }
        Some(route) => {
            let methods = listed(|method| route.serves(method));
            if route.gate == Gate::Publisher
                && let Some(reply) = webhook::validation(head, &methods)
            {
                return reply;
            }
            let reply = match route.readers {
                Readers::Nobody => allowing(methods),
                Readers::Allowed => origins.preflight(head, methods),
                Readers::Everybody => Origins::default().preflight(head, methods),
            };
            route.readers.mark(reply)
        }
    }
}

/// Returns the answer that names methods, and lets no page do anything.
fn allowing(methods: String) -> Reply {
    Reply::text(204, "").with("Allow", methods)
}

/// Returns the methods as `Allow` lists them.
fn listed(is_served: impl Fn(Method) -> bool) -> String {
    let methods = Method::NAMED.into_iter().filter(|(method, _)| *method == Method::Options || is_served(*method));
    methods.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Status;
    use crate::proto::http::head::parse_head;
    use crate::schema::Catalogue;
    use std::collections::BTreeSet;

    fn gate(path: &str, hub: &str) -> Option<Gate> {
        find(path, hub).map(|found| found.route.gate)
    }

    const HUB: Option<Gate> = Some(Gate::Client(Endpoint::Hub));
    const NEGOTIATE: Option<Gate> = Some(Gate::Client(Endpoint::Negotiate));

    #[test]
    fn a_path_is_found_however_it_is_encoded_and_one_that_is_too_long_is_not() {
        assert_eq!(gate("/%72%74%65/%6e%65%67%6f%74%69%61%74%65", "/rte"), NEGOTIATE);
        let below = |len: usize| find(&format!("/schemas/{}", "a".repeat(len)), "/rte").is_some();
        assert!(below(DOCUMENT_NAME_BYTES_MAX) && !below(DOCUMENT_NAME_BYTES_MAX + 1));
    }

    #[test]
    fn the_hub_is_found_below_its_path_and_nowhere_else() {
        assert_eq!(gate("/rte", "/rte"), HUB);
        assert_eq!(gate("/rte/negotiate", "/rte"), NEGOTIATE);
        assert_eq!(gate("/rtefoo", "/rte"), None);
        assert_eq!(gate("/rte/negotiate2", "/rte"), None);
        assert_eq!(gate("/", "/"), HUB);
        assert_eq!(gate("/negotiate", "/"), NEGOTIATE);
        assert_eq!(gate("/hubs/rte/negotiate", "/hubs/rte"), NEGOTIATE);
        assert_eq!(gate("/healthz", "/"), Some(Gate::Open(Public::Health)));
        assert_eq!(gate("*", "/rte"), None);
    }

    #[test]
    fn paths_match_as_in_asp_net() {
        for path in ["/rte/", "/RTE", "/r%74e", "/%52te/"] {
            assert_eq!(gate(path, "/rte"), HUB, "{path}");
        }
        for path in ["/RTE/Negotiate", "/rte/negotiate/"] {
            assert_eq!(gate(path, "/rte"), NEGOTIATE, "{path}");
        }
        for path in
            ["/rte//", "//rte", "/rte%2F", "/rte%2Fnegotiate", "/rte/./negotiate", "/x/../rte", "/rte%FF", "rte"]
        {
            assert_eq!(gate(path, "/rte"), None, "{path}");
        }
        assert_eq!(gate("/Publish", "/rte"), Some(Gate::Publisher));
        assert_eq!(gate("/REFERENCE/", "/rte"), Some(Gate::Open(Public::Document("reference.html"))));
    }

    #[test]
    fn every_route_is_found_however_its_path_is_spelt() {
        for hub in ["/rte", "/Hubs/v1.0/Rte", "/"] {
            // A hub at the root has what is there.
            for route in ROUTES.iter().filter(|route| hub != "/" || route.at != At::Path("/")) {
                let path = route.at.written(hub).replace("/…", "");
                let path = if path.is_empty() { "/" } else { &path };
                let encode = |c| if c == '/' { "/".to_owned() } else { format!("%{:02x}", u32::from(c)) };
                let encoded: String = path.chars().map(encode).collect();
                let with_slash = format!("{}/", path.trim_end_matches('/'));
                for spelt in [path.to_uppercase(), path.to_lowercase(), with_slash, encoded] {
                    let found = find(&spelt, hub).map(|found| (found.route.at, found.rest.into_owned()));
                    assert_eq!(found, Some((route.at, String::new())), "{spelt} of a hub at {hub}");
                }
                for other in [format!("{path}//"), format!("/{path}"), format!("{path}%2F"), format!("{path}%20")] {
                    let is_it = find(&other, hub).is_some_and(|found| found.route.at == route.at);
                    let is_below = matches!(route.at, At::Folder(_)) && other.starts_with(&format!("{path}/"));
                    assert_eq!(is_it, is_below, "{other} of a hub at {hub}");
                }
            }
        }
    }

    #[test]
    fn who_is_to_deliver_events_asks_first_and_is_let() {
        let ask = |path: &str, headers: &str| {
            let text = format!("OPTIONS {path} HTTP/1.1\r\nHost: rte\r\n{headers}\r\n").into_bytes();
            let Ok(Status::Complete(head)) = parse_head(&text, 8192, 64) else { panic!("{headers}") };
            let reply = preflight(find(path, "/rte").map(|found| found.route), &head, &Origins::default());
            let value = |name: &str| {
                let found = reply.headers.iter().find(|(candidate, _)| *candidate == name);
                found.map(|(_, value)| value.to_string())
            };
            (reply.status, value("WebHook-Allowed-Origin"), value("WebHook-Allowed-Rate"), value("Allow"))
        };
        let grid = "WebHook-Request-Origin: eventgrid.azure.net\r\n";
        let (status, origin, rate, allow) = ask("/publish", grid);
        assert_eq!((status, origin.as_deref(), rate), (200, Some("eventgrid.azure.net"), None));
        assert_eq!(allow.as_deref(), Some("POST, OPTIONS"));
        let (_, origin, rate, _) =
            ask("/Publish/", "webhook-request-origin: a.example:8443\r\nWebHook-Request-Rate: 120\r\n");
        assert_eq!((origin.as_deref(), rate.as_deref()), (Some("a.example:8443"), Some("*")));
        let callback = format!("{grid}WebHook-Request-Callback: https://a.example/?id=1\r\n");
        assert_eq!(ask("/publish", &callback).0, 200);
        for headers in
            ["WebHook-Request-Origin:\r\n", "WebHook-Request-Origin: a b\r\n", "Origin: https://a.example\r\n"]
        {
            let (status, origin, ..) = ask("/publish", headers);
            assert_eq!((status, origin), (204, None), "{headers}");
        }
        assert_eq!(ask("/healthz", grid).1, None);
    }

    #[test]
    fn each_route_is_at_its_own_listener_and_at_the_only_one() {
        let at = |path: &str, public_documents| {
            let route = find(path, "/rte").unwrap().route;
            assert!(route.is_at(Entrance::Only, public_documents));
            [Entrance::Public, Entrance::Internal].map(|entrance| route.is_at(entrance, public_documents))
        };
        for (path, public_and_internal) in [
            ("/rte", [true, false]),
            ("/rte/negotiate", [true, false]),
            ("/rte/refresh", [true, false]),
            ("/publish", [false, true]),
            ("/metrics", [false, true]),
            ("/healthz", [true, true]),
            ("/readyz", [true, true]),
            ("/wall", [true, false]),
            ("/pages/wall.mjs", [true, false]),
        ] {
            assert_eq!([at(path, false), at(path, true)], [public_and_internal; 2], "{path}");
        }
        for path in ["/reference", "/schemas/index.json", "/openapi.json", "/events.mjs"] {
            assert_eq!((at(path, false), at(path, true)), ([false, true], [true, true]), "{path}");
        }
    }

    #[test]
    fn a_folder_has_all_that_is_below_it() {
        for (path, rest) in
            [("/schemas", ""), ("/Schemas/", ""), ("/schemas/v1/%51ueueStatus.json", "v1/QueueStatus.json")]
        {
            let found = find(path, "/rte").unwrap();
            assert_eq!((found.route.gate, &*found.rest), (Gate::Open(Public::Schema), rest), "{path}");
        }
        assert!(matches!(find("/schemas/x.json", "/rte").unwrap().rest, Cow::Borrowed("x.json")));
    }

    #[test]
    fn every_document_of_a_catalogue_has_a_route_and_every_route_its_document() {
        let catalogue = Catalogue::built_in(None);
        let paths = catalogue.artefacts().map(|artefact| artefact.path.as_str());
        let single: BTreeSet<&str> = paths.filter(|path| !path.starts_with("schemas/")).collect();
        let routed = ROUTES.iter().filter_map(|route| match route.gate {
            Gate::Open(Public::Document(path)) => Some(path),
            Gate::Open(_) | Gate::Client(_) | Gate::Publisher | Gate::Either | Gate::Admin => None,
        });
        assert_eq!(routed.collect::<BTreeSet<&str>>(), single);
    }

    #[test]
    fn no_two_routes_are_at_one_place_and_no_hub_is_at_anothers() {
        let taken = |hub: &str| taker(hub).map(|route| route.at.written(hub));
        for route in &ROUTES {
            let path = route.at.written("/rte").replace("/…", "");
            assert_eq!(find(&path, "/rte").unwrap().route.at, route.at);
            // A hub at the root has what is there.
            let is_hub = matches!(route.at, At::Hub(_) | At::Path("/"));
            for hub in [path.clone(), path.to_uppercase(), format!("{path}/rte")] {
                assert_eq!(taken(&hub).is_none(), is_hub, "{hub}");
            }
        }
        assert_eq!(taken("/schemas/rte").as_deref(), Some("/schemas/…"));
        for free in ["/", "/rte", "/hubs/publish", "/publisher"] {
            assert_eq!(taken(free), None, "{free}");
        }
    }
}
