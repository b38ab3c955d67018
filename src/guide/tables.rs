//! The tables that the program makes of its own: what a page shows is what the code does.

use super::alerts::ALERTS;
use super::table::Table;
use crate::api::exposition;
use crate::api::publish::rule as item_rule;
use crate::api::routes::{Gate, ROUTES, Side};
use crate::close::{Blame, CloseReason};
use crate::config::{Config, WARNINGS};
use crate::fuzzing::{TARGETS, Target};
use crate::metrics::Refusal;
use crate::proto::http::head::Method;
use crate::schema::validate::rule as data_rule;

/// The section of the configuration that has a table of its own.
const LIMITS: &str = "limits.";

/// Returns the keys of the configuration but for the limits.
pub fn keys() -> Table<3> {
    let rows = Config::reference().into_iter().filter(|[key, ..]| !key.starts_with(LIMITS));
    Table::new(["key", "default", "meaning"], rows)
}

/// Returns the limits without their section, in units that people read.
pub fn limits() -> Table<3> {
    let rows = Config::reference().into_iter().filter_map(|[key, default, meaning]| {
        let name = key.strip_prefix(LIMITS)?;
        Some([name.to_owned(), in_units(name, default.trim_matches('`')), meaning])
    });
    Table::new(["limit", "default", "meaning"], rows)
}

/// `8 KiB` for `8192` of a name that has bytes.
fn in_units(name: &str, default: &str) -> String {
    let units: &[(&str, u64)] = if name.contains("bytes") {
        &[("MiB", 1024 * 1024), ("KiB", 1024), ("B", 1)]
    } else if name.contains("_ms") {
        &[("s", 1000), ("ms", 1)]
    } else {
        &[]
    };
    let value: Option<u64> = default.parse().ok();
    let whole = |value: u64| units.iter().find(|(_, factor)| value.is_multiple_of(*factor));
    match value.filter(|value| *value > 0).and_then(|value| Some((value, whole(value)?))) {
        Some((value, (unit, factor))) => format!("{} {unit}", value / factor),
        None => default.to_owned(),
    }
}

/// Returns what `/metrics` has.
pub fn metrics() -> Table<3> {
    let rows = exposition::reference().map(|(name, kind, help)| [name, kind, help].map(str::to_owned));
    Table::new(["metric", "type", "meaning"], rows)
}

/// Returns what is worth an alert.
pub fn alerts() -> Table<4> {
    let meaning = |summary: &str, action: &str| format!("{summary} {action}");
    let rows = ALERTS.map(|alert| {
        [alert.name.to_owned(), alert.severity.to_owned(), alert.hold.to_owned(), meaning(alert.summary, alert.action)]
    });
    Table::new(["alert", "severity", "for", "meaning"], rows)
}

/// Returns what is no error and told all the same.
pub fn warnings() -> Table<2> {
    Table::new(["warning", "meaning"], WARNINGS.map(|row| [row.name, row.meaning].map(str::to_owned)))
}

/// Returns why connections end, by who is to blame, and with which word a client is told.
pub fn reasons() -> Table<4> {
    let by_blame = [
        (Blame::Nobody, "nobody"),
        (Blame::Peer, "the client, or its network"),
        (Blame::Operator, "the operator"),
        (Blame::Us, "the hub"),
    ];
    let rows = by_blame.into_iter().flat_map(|(blame, whose)| {
        let of_blame = CloseReason::ALL.into_iter().filter(move |reason| reason.blame() == blame);
        of_blame.map(move |reason| [reason.label(), whose, reason.word(), reason.sentence()].map(str::to_owned))
    });
    Table::new(["reason", "blame", "error", "meaning"], rows)
}

/// Returns the labels of refused requests and items.
pub fn refusals() -> impl Iterator<Item = &'static str> {
    Refusal::ALL.into_iter().map(|(_, label)| label)
}

/// Returns the rules that items and their data are held to.
pub fn rules() -> Table<2> {
    let rules = data_rule::ALL.into_iter().chain(item_rule::ALL);
    Table::new(["rule", "meaning"], rules.map(|(name, meaning)| [name, meaning].map(str::to_owned)))
}

/// Returns the routes of a hub at `path`, those that serve the same in a row.
pub fn routes(path: &str) -> Table<5> {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for route in &ROUTES {
        let path = route.at.written(path);
        let is_served = |(method, name): (Method, _)| route.serves(method).then_some(name);
        let methods = Method::NAMED.into_iter().filter_map(is_served).collect::<Vec<_>>().join(", ");
        let token = match route.gate {
            Gate::Open(_) => "none",
            Gate::Client(_) => "a user's",
            Gate::Publisher => "with scope `publish`",
            Gate::Admin => "with scope `admin`",
            Gate::Either => "a user's, or with scope `publish`",
        };
        let listener = match route.side {
            Side::Public => "public",
            Side::Internal => "internal",
            Side::Documents => "internal; public too with `server.public_documents`",
            Side::Both => "both",
            Side::Pages => "public, with `pages.enabled`",
        };
        match rows.iter_mut().find(|row| row[1..] == [methods.as_str(), token, listener, route.what]) {
            Some(row) => row[0] = format!("{}, {path}", row[0]),
            None => rows.push([path, methods, token.to_owned(), listener.to_owned(), route.what.to_owned()]),
        }
    }
    Table::new(["path", "methods", "token", "listener", "what"], rows)
}

/// Returns the fuzz targets.
pub fn targets() -> Table<3> {
    let row = |target: Target| [target.name, target.what, target.form].map(str::to_owned);
    Table::new(["target", "what it reads", "an input is"], TARGETS.map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_milliseconds_are_told_in_the_largest_unit_that_divides_them() {
        let told = [("a_bytes_max", "8192"), ("b_ms", "9500"), ("b_ms", "3000"), ("c_max", "8192"), ("d_ms", "")];
        let told = told.map(|(name, default)| in_units(name, default));
        assert_eq!(told, ["8 KiB", "9500 ms", "3 s", "8192", ""]);
    }

    #[test]
    fn no_table_is_empty() {
        let texts = [
            keys().text(),
            limits().text(),
            metrics().text(),
            reasons().text(),
            rules().text(),
            alerts().text(),
            warnings().text(),
        ];
        assert!(texts.iter().all(|text| text.lines().count() > 20));
    }
}
