//! `GET /metrics`: the Prometheus text format, version 0.0.4.

use crate::broken::broken;
use crate::close::CloseReason;
use crate::metrics::{EventCounts, Kind, Metric, Metrics, Refusal};
use crate::proto::http::reply::{Body, Reply};
use crate::schema::Catalogue;
use std::fmt::Write;

const CLOSED: (&str, &str) = ("rte_connections_closed_total", "Connections ended, by reason.");
const REFUSED: (&str, &str) = ("rte_refusals_total", "Requests and subscription items refused, by reason.");

/// Returns every metric with its type and meaning, as the manual lists them.
pub fn reference() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let plain = Metrics::ROWS.iter().map(|row| (row.name, name_of(row.kind), row.help));
    let per_event = EventCounts::ROWS.iter().map(|row| (row.name, name_of(row.kind), row.help));
    plain.chain(per_event).chain([(CLOSED.0, "counter", CLOSED.1), (REFUSED.0, "counter", REFUSED.1)])
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    }
}

/// Returns the reply with the sum over all shards. Series of events that have never been published
/// are left out.
pub fn metrics(sum: &Metrics, catalogue: &Catalogue) -> Reply {
    let mut text = String::new();
    for &Metric { name, kind, help, value } in Metrics::ROWS {
        head(&mut text, name, kind, help);
        line(&mut text, format_args!("{name} {}", value(sum)));
    }
    for &Metric { name, kind, help, value } in EventCounts::ROWS {
        head(&mut text, name, kind, help);
        for (id, event) in catalogue.events() {
            let counts = sum.events.get(usize::from(id.0));
            if let Some(counts) = counts.filter(|counts| **counts != EventCounts::default()) {
                line(&mut text, format_args!("{name}{{event=\"{}\"}} {}", event.name, value(counts)));
            }
        }
    }
    head(&mut text, CLOSED.0, Kind::Counter, CLOSED.1);
    for reason in CloseReason::ALL {
        let count = sum.closed[reason.index()];
        line(&mut text, format_args!("{}{{reason=\"{}\"}} {count}", CLOSED.0, reason.label()));
    }
    head(&mut text, REFUSED.0, Kind::Counter, REFUSED.1);
    for (refusal, label) in Refusal::ALL {
        line(&mut text, format_args!("{}{{reason=\"{label}\"}} {}", REFUSED.0, sum.refused[refusal.index()]));
    }
    Reply::new(200, "text/plain; version=0.0.4; charset=utf-8", Body::Owned(text.into_bytes()))
}

fn head(text: &mut String, name: &str, kind: Kind, help: &str) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {}", name_of(kind)));
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    if writeln!(text, "{args}").is_err() {
        broken("a String takes every text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_once_with_help_and_type() {
        let catalogue = Catalogue::built_in(None);
        let mut sum = Metrics::default();
        sum.event(0).delivered = 3;
        let reply = metrics(&sum, &catalogue);
        let text = String::from_utf8(reply.body.bytes().to_vec()).unwrap();
        for (name, kind, help) in reference() {
            assert_eq!(text.matches(&format!("# TYPE {name} {kind}\n")).count(), 1, "{name}");
            assert!(text.contains(&format!("# HELP {name} {help}\n")));
        }
        let first = catalogue.available_subscriptions().next().unwrap();
        assert!(text.contains(&format!("rte_deliveries_total{{event=\"{first}\"}} 3\n")));
        assert!(
            text.lines().all(|line| line.starts_with('#') || line.rsplit_once(' ').unwrap().1.parse::<u64>().is_ok())
        );
    }
}
