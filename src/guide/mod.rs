//! The manual: a page for each reader, and the tables that the program makes of its own.
//!
//! The pages are files of Markdown beside this one. They are read in the repository, here, and in a
//! terminal by `rte help PAGE`; [`PAGES`] lists them. A test holds every table, sample and command
//! of a page to the program.

pub mod alerts;
pub mod table;
pub mod tables;

use crate::packed::Packed;
use crate::pages::guide::{
    CHANGES, CLIENTS, COMPATIBILITY, FUZZING, JOURNAL, LIBRARY, NODES, OPERATORS, PAGES_TO_LOOK_AT, PUBLISHERS,
    REFERENCE, SCHEMAS, SECURITY, TOKENS,
};
use std::fmt::Write;

/// A page of the manual, or one of its tables, as `rte help` prints it.
#[derive(Debug)]
pub struct Page {
    /// The word on the command line.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub(crate) what: &'static str,
    /// Makes the text.
    pub text: fn() -> String,
}

/// The pages, then the tables.
pub const PAGES: [Page; 22] = [
    Page { name: "clients", what: "Write a client: connect, subscribe, receive", text: || printed(CLIENTS) },
    Page { name: "library", what: "The client library for pages", text: || printed(LIBRARY) },
    Page { name: "pages", what: "Wallboard, desk and playground", text: || printed(PAGES_TO_LOOK_AT) },
    Page { name: "publishers", what: "Publish events over HTTP", text: || printed(PUBLISHERS) },
    Page { name: "operators", what: "Run a hub", text: || printed(OPERATORS) },
    Page { name: "journal", what: "What outlives a hub", text: || printed(JOURNAL) },
    Page { name: "nodes", what: "Several nodes are one hub", text: || printed(NODES) },
    Page { name: "compatibility", what: "Clients and proxies that were tried", text: || printed(COMPATIBILITY) },
    Page { name: "tokens", what: "Keys, claims and grants", text: || printed(TOKENS) },
    Page { name: "security", what: "Who may do what, and what holds against attackers", text: || printed(SECURITY) },
    Page { name: "schemas", what: "Add an event, change one, use the schemas", text: || printed(SCHEMAS) },
    Page { name: "fuzzing", what: "Fuzz the readers of the hub, in a CI of your own", text: || printed(FUZZING) },
    Page { name: "changes", what: "What has changed, and what never changes unsaid", text: || printed(CHANGES) },
    Page { name: "reference", what: "All tables below, as one page", text: || printed(REFERENCE) },
    Page { name: "keys", what: "Keys of rte.toml", text: || tables::keys().text() },
    Page { name: "limits", what: "Keys of its section [limits]", text: || tables::limits().text() },
    Page { name: "metrics", what: "What /metrics has", text: || tables::metrics().text() },
    Page { name: "alerts", what: "What rules.yml of `rte metrics export` has", text: || tables::alerts().text() },
    Page { name: "warnings", what: "What `rte check` and the start warn of", text: || tables::warnings().text() },
    Page { name: "reasons", what: "Why connections end, and what is refused", text: reasons },
    Page { name: "rules", what: "What published items are held to", text: || tables::rules().text() },
    Page { name: "routes", what: "What is served where", text: || tables::routes("/rte").text() },
];

/// Returns the text of a page without the marks of its generated parts.
fn printed(page: Packed) -> String {
    let markdown = page.text();
    let lines = markdown.lines().filter(|line| !line.starts_with("<!-- "));
    lines.fold(String::with_capacity(markdown.len()), |text, line| text + line + "\n")
}

fn reasons() -> String {
    let mut text = tables::reasons().text();
    text.push_str("\nReasons of refusals:\n");
    for reason in tables::refusals() {
        // A text takes every text.
        let _ = writeln!(text, "{reason}");
    }
    text
}

/// For those who write a client.
///
/// [balancer]: crate::guide::operators#several-hubs-behind-one-balancer
/// [documents]: crate::guide::schemas#documents
/// [journal]: crate::guide::journal
/// [life]: crate::guide::tokens#a-tokens-life
/// [limits]: crate::guide::reference#limits
/// [order]: crate::guide::publishers#order
/// [reasons]: crate::guide::reference#reasons
/// [stateful]: crate::guide::compatibility#stateful-reconnect
///
#[doc = include_str!("clients.md")]
pub mod clients {}

/// For those who show events on a page.
///
/// [clients]: crate::guide::clients
/// [since]: crate::guide::clients#what-was-missed
///
#[doc = include_str!("library.md")]
pub mod library {}

/// For those who look at events.
///
/// [library]: crate::guide::library
///
#[doc = include_str!("pages.md")]
pub mod pages {}

/// For those who publish events.
///
/// [holds]: crate::guide::clients#what-holds
/// [journal]: crate::guide::journal
/// [schemas]: crate::guide::schemas#how-to-add-an-event
/// [since]: crate::guide::clients#what-was-missed
///
#[doc = include_str!("publishers.md")]
pub mod publishers {}

/// For those who run a hub.
///
/// [alerts]: crate::guide::reference#alerts
/// [grants]: crate::guide::tokens#claims-and-grants
/// [journal]: crate::guide::journal
/// [keys]: crate::guide::reference#keys
/// [metrics]: crate::guide::reference#metrics
/// [nodes]: crate::guide::nodes
/// [proxies]: crate::guide::compatibility#proxies
/// [reasons]: crate::guide::reference#reasons
/// [several]: crate::guide::compatibility#several-hubs
/// [tokens]: crate::guide::tokens
/// [warnings]: crate::guide::reference#warnings
///
#[doc = include_str!("operators.md")]
pub mod operators {}

/// For those who want a hub to know after a restart what it knew before.
///
/// [nodes]: crate::guide::nodes
/// [revocation]: crate::guide::tokens#revocation
///
#[doc = include_str!("journal.md")]
pub mod journal {}

/// For those whose hub has to outlive a process, or a machine.
///
/// [balancer]: crate::guide::operators#several-hubs-behind-one-balancer
/// [operators]: crate::guide::operators
/// [several]: crate::guide::compatibility#nginx
/// [signals]: crate::guide::operators#signals-and-reload
///
#[doc = include_str!("nodes.md")]
pub mod nodes {}

/// For those who choose a client, or set up a proxy.
///
/// [balancer]: crate::guide::operators#several-hubs-behind-one-balancer
/// [messagepack]: crate::guide::clients#messagepack
/// [needs]: crate::guide::operators#reverse-proxies
/// [since]: crate::guide::clients#what-was-missed
///
#[doc = include_str!("compatibility.md")]
pub mod compatibility {}

/// For those who say whom the hub trusts.
///
/// [journal]: crate::guide::journal
/// [signals]: crate::guide::operators#signals-and-reload
///
#[doc = include_str!("tokens.md")]
pub mod tokens {}

/// For those who judge what holds against attackers.
///
/// [journal]: crate::guide::journal
/// [life]: crate::guide::tokens#a-tokens-life
/// [nodes]: crate::guide::nodes
/// [redis-tls]: crate::guide::nodes#tls
///
#[doc = include_str!("security.md")]
pub mod security {}

/// For those who add an event, or use the schemas.
///
/// [grants]: crate::guide::tokens#claims-and-grants
/// [holds]: crate::guide::clients#what-holds
/// [routes]: crate::guide::reference#routes
/// [signals]: crate::guide::operators#signals-and-reload
///
#[doc = include_str!("schemas.md")]
pub mod schemas {}

/// For those who attack the readers of the hub, in a CI of their own.
///
#[doc = include_str!("fuzzing.md")]
pub mod fuzzing {}

/// All tables.
///
/// [changes]: crate::guide::changes
/// [configuration]: crate::guide::operators#configuration
///
#[doc = include_str!("reference.md")]
pub mod reference {}

/// What is promised to stay, and what has changed.
///
/// [clients]: crate::guide::clients#every-entity
/// [cluster]: crate::guide::nodes#cluster
/// [holds]: crate::guide::clients#what-holds
/// [journal]: crate::guide::journal
/// [library]: crate::guide::library
/// [life]: crate::guide::tokens#a-tokens-life
/// [limits]: crate::guide::reference#limits
/// [messagepack]: crate::guide::clients#messagepack
/// [metrics]: crate::guide::reference#metrics
/// [nodes]: crate::guide::nodes#set-up
/// [once]: crate::guide::publishers#once
/// [order]: crate::guide::publishers#order
/// [pages]: crate::guide::pages
/// [reasons]: crate::guide::reference#reasons
/// [redis-tls]: crate::guide::nodes#tls
/// [rules]: crate::guide::publishers#what-is-checked
/// [sentinels]: crate::guide::nodes#sentinels
/// [stateful]: crate::guide::compatibility#stateful-reconnect
/// [sure]: crate::guide::nodes#how-sure-a-202-is
/// [watch-nodes]: crate::guide::nodes#watch-it
/// [what breaks whom]: crate::guide::schemas#what-breaks-whom
///
#[doc = include_str!("changes.md")]
pub mod changes {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_name_of_its_own_and_a_text() {
        for (at, page) in PAGES.iter().enumerate() {
            assert!((page.text)().lines().count() > 10, "{page:?}");
            assert!(!(page.text)().contains("<!--"), "{page:?}");
            assert!((page.text)().matches('`').count().is_multiple_of(2), "{page:?}: a mark of code has no end");
            assert!(PAGES[..at].iter().all(|other| other.name != page.name), "{page:?}");
        }
    }
}
