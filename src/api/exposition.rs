//! `GET /metrics`: the Prometheus text format, version 0.0.4.

use crate::broken::broken;
use crate::close::CloseReason;
use crate::metrics::{EventCounts, Metrics, Refusal};
use crate::proto::http::reply::{Body, Reply};
use crate::schema::Catalogue;
use std::fmt::Write;

/// How a number is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

type Plain = (&'static str, Kind, &'static str, fn(&Metrics) -> u64);
type PerEvent = (&'static str, &'static str, fn(&EventCounts) -> u64);

const PLAIN: [Plain; 22] = [
    ("rte_connections_accepted_total", Kind::Counter, "Connections accepted.", |m| m.accepted),
    ("rte_connections", Kind::Gauge, "Connections open, whatever they speak.", |m| m.open),
    ("rte_hub_connections", Kind::Gauge, "SignalR clients connected.", |m| m.hub_open),
    ("rte_subscriptions", Kind::Gauge, "Subscriptions in force.", |m| m.subscriptions),
    ("rte_topics", Kind::Gauge, "Topics with members, counted per shard.", |m| m.topics),
    ("rte_http_requests_total", Kind::Counter, "HTTP requests answered or upgraded.", |m| m.requests),
    ("rte_hub_messages_total", Kind::Counter, "Hub messages received from clients.", |m| m.hub_messages),
    ("rte_publish_items_rejected_total", Kind::Counter, "Items rejected by POST /publish.", |m| m.items_rejected),
    ("rte_publish_tolerated_total", Kind::Counter, "Faults that lenient validation let through.", |m| m.tolerated),
    ("rte_shard_publications_total", Kind::Counter, "Publications that shards got from their homes.", |m| {
        m.from_siblings
    }),
    ("rte_received_bytes_total", Kind::Counter, "Bytes read from sockets.", |m| m.bytes_in),
    ("rte_sent_bytes_total", Kind::Counter, "Bytes that sockets took.", |m| m.bytes_out),
    ("rte_short_writes_total", Kind::Counter, "Writes of which a full socket took only a part.", |m| m.short_writes),
    ("rte_conflated_total", Kind::Counter, "State events that replaced an older value in a backlog.", |m| m.conflated),
    ("rte_dropped_total", Kind::Counter, "Frames not queued because their connection was ending.", |m| m.dropped),
    ("rte_discarded_bytes_total", Kind::Counter, "Bytes discarded with connections that ended.", |m| m.discarded_bytes),
    ("rte_unchanged_total", Kind::Counter, "State values equal to the one before and not delivered.", |m| m.unchanged),
    ("rte_snapshots_total", Kind::Counter, "Last values sent behind a Subscribe.", |m| m.snapshots),
    ("rte_last_values", Kind::Gauge, "Last values of state topics kept.", |m| m.last_values),
    ("rte_last_values_evicted_total", Kind::Counter, "Last values let go for the bounds' sake.", |m| {
        m.last_values_evicted
    }),
    ("rte_backlog_bytes", Kind::Gauge, "Bytes that wait for sockets.", |m| m.backlog_bytes),
    ("rte_blocked_connections", Kind::Gauge, "Connections whose socket is full.", |m| m.blocked),
];

const PER_EVENT: [PerEvent; 3] = [
    ("rte_publications_total", "Publications taken, by event.", |e| e.published),
    ("rte_derived_publications_total", "Publications derived from another event, by event.", |e| e.derived),
    ("rte_deliveries_total", "Publications times members, by event.", |e| e.delivered),
];

const CLOSED: (&str, &str) = ("rte_connections_closed_total", "Connections ended, by reason.");
const REFUSED: (&str, &str) = ("rte_refusals_total", "Requests and subscription items refused, by reason.");

/// Every metric with its type and meaning, as the README lists them.
pub fn reference() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let plain = PLAIN.into_iter().map(|(name, kind, help, _)| (name, kind.name(), help));
    let per_event = PER_EVENT.into_iter().map(|(name, help, _)| (name, "counter", help));
    plain.chain(per_event).chain([(CLOSED.0, "counter", CLOSED.1), (REFUSED.0, "counter", REFUSED.1)])
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// The reply with the sum over all shards. Series of events that have never been published are left out.
pub fn metrics(sum: &Metrics, catalogue: &Catalogue) -> Reply {
    let mut text = String::new();
    for (name, kind, help, value) in PLAIN {
        head(&mut text, name, kind, help);
        line(&mut text, format_args!("{name} {}", value(sum)));
    }
    for (name, help, value) in PER_EVENT {
        head(&mut text, name, Kind::Counter, help);
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
    line(text, format_args!("# TYPE {name} {}", kind.name()));
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
