//! `GET /metrics`: the Prometheus text format, version 0.0.4.

use crate::broken::broken;
use crate::close::CloseReason;
use crate::metrics::{EventCounts, Histogram, Metric, Metrics, ProcessNumbers, Recovery, Refusal};
use crate::proto::http::reply::{Body, Reply};
use crate::proto::signalr::transport::Transport;
use crate::schema::Catalogue;
use std::fmt::{self, Write};

const CLOSED: (&str, &str, &str) = ("rte_connections_closed_total", "counter", "Connections ended, by reason.");
const BY_TRANSPORT: (&str, &str, &str) =
    ("rte_transport_connections", "gauge", "SignalR clients connected, by transport.");
const REFUSED: (&str, &str, &str) =
    ("rte_refusals_total", "counter", "Requests and subscription items refused, by reason.");
const RECOVERIES: (&str, &str, &str) =
    ("rte_since_total", "counter", "Items of a Subscribe that said since when, by what became of them.");
const WRITTEN: (&str, &str, &str) = (
    "rte_delivery_seconds",
    "histogram",
    "From the moment that a publication is taken until the socket of a member has taken it: once for each write that leaves \
     nothing waiting, for the first that had to wait.",
);
const TURNS: (&str, &str, &str) = (
    "rte_turn_seconds",
    "histogram",
    "How long a thread worked between two polls: whatever comes meanwhile waits for so long.",
);
const WORK: (&str, &str, &str) = (
    "rte_turn_cpu_seconds",
    "histogram",
    "For how long of that it had a core: what its work takes, whatever else the machine does.",
);
const BUILD: (&str, &str, &str) = ("rte_build_info", "gauge", "Always 1; the version of the program is a label.");

/// The metrics with a label that is no event.
pub const LABELLED: [&str; 4] = [CLOSED.0, BY_TRANSPORT.0, REFUSED.0, RECOVERIES.0];

/// Whether a metric has a series for each event.
pub fn is_per_event(name: &str) -> bool {
    EventCounts::ROWS.iter().any(|row| row.name == name)
}

/// Returns every metric with its type and meaning, as the manual lists them.
pub fn reference() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let process = ProcessNumbers::ROWS.iter().map(|row| (row.name, row.kind.name(), row.help));
    let plain = Metrics::ROWS.iter().map(|row| (row.name, row.kind.name(), row.help));
    let per_event = EventCounts::ROWS.iter().map(|row| (row.name, row.kind.name(), row.help));
    [BUILD].into_iter().chain(process).chain(plain).chain(per_event).chain([
        WRITTEN,
        TURNS,
        WORK,
        CLOSED,
        BY_TRANSPORT,
        REFUSED,
        RECOVERIES,
    ])
}

/// Returns the reply with the sum over all shards. Every series is there from the start: what
/// appears with its first count has no rise that an alert could see.
pub fn metrics(sum: &Metrics, process: &ProcessNumbers, catalogue: &Catalogue) -> Reply {
    let mut text = String::new();
    head(&mut text, BUILD);
    line(&mut text, format_args!("{}{{version=\"{}\"}} 1", BUILD.0, env!("CARGO_PKG_VERSION")));
    plain(&mut text, ProcessNumbers::ROWS, process);
    plain(&mut text, Metrics::ROWS, sum);
    for row in EventCounts::ROWS {
        head(&mut text, (row.name, row.kind.name(), row.help));
        for (id, event) in catalogue.events() {
            let count = sum.events.get(usize::from(id.0)).map_or(0, row.value);
            line(&mut text, format_args!("{}{{event=\"{}\"}} {count}", row.name, event.name));
        }
    }
    distribution(&mut text, WRITTEN, &sum.written);
    distribution(&mut text, TURNS, &sum.turns);
    distribution(&mut text, WORK, &sum.work);
    head(&mut text, CLOSED);
    for reason in CloseReason::ALL {
        let count = sum.closed[reason.index()];
        line(&mut text, format_args!("{}{{reason=\"{}\"}} {count}", CLOSED.0, reason.label()));
    }
    head(&mut text, BY_TRANSPORT);
    for transport in Transport::ALL {
        let count = sum.by_transport[transport.index()];
        line(&mut text, format_args!("{}{{transport=\"{}\"}} {count}", BY_TRANSPORT.0, transport.name()));
    }
    head(&mut text, REFUSED);
    for (refusal, label) in Refusal::ALL {
        line(&mut text, format_args!("{}{{reason=\"{label}\"}} {}", REFUSED.0, sum.refused[refusal.index()]));
    }
    head(&mut text, RECOVERIES);
    for (recovery, label) in Recovery::ALL {
        line(&mut text, format_args!("{}{{result=\"{label}\"}} {}", RECOVERIES.0, sum.recoveries[recovery.index()]));
    }
    Reply::new(200, "text/plain; version=0.0.4; charset=utf-8", Body::Owned(text.into_bytes()))
}

fn plain<M>(text: &mut String, rows: &[Metric<M>], numbers: &M) {
    for row in rows {
        head(text, (row.name, row.kind.name(), row.help));
        let value = (row.value)(numbers);
        if row.field.ends_with("_ms") {
            line(text, format_args!("{} {}", row.name, Seconds(value)));
        } else {
            line(text, format_args!("{} {value}", row.name));
        }
    }
}

fn distribution(text: &mut String, metric: (&str, &str, &str), histogram: &Histogram) {
    head(text, metric);
    let (name, mut count) = (metric.0, 0);
    for (bound_ms, more) in Histogram::BOUNDS_MS.into_iter().zip(histogram.counts) {
        count += more;
        line(text, format_args!("{name}_bucket{{le=\"{}\"}} {count}", Seconds(bound_ms)));
    }
    let count: u64 = histogram.counts.iter().sum();
    line(text, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
    line(text, format_args!("{name}_sum {}", Seconds(histogram.sum_ms)));
    line(text, format_args!("{name}_count {count}"));
}

/// So many milliseconds, in seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 / 1_000)?;
        match format!("{:03}", self.0 % 1_000).trim_end_matches('0') {
            "" => Ok(()),
            thousandths => write!(f, ".{thousandths}"),
        }
    }
}

fn head(text: &mut String, (name, kind, help): (&str, &str, &str)) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn line(text: &mut String, args: fmt::Arguments<'_>) {
    if writeln!(text, "{args}").is_err() {
        broken("a String takes every text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sum: &Metrics, process: &ProcessNumbers) -> String {
        let reply = metrics(sum, process, &Catalogue::built_in(None));
        String::from_utf8(reply.body.bytes().to_vec()).unwrap()
    }

    #[test]
    fn every_metric_is_listed_once_with_help_and_type() {
        let catalogue = Catalogue::built_in(None);
        let mut sum = Metrics::default();
        sum.event(0).delivered = 3;
        let text = shown(&sum, &ProcessNumbers::default());
        for (name, kind, help) in reference() {
            assert_eq!(text.matches(&format!("# TYPE {name} {kind}\n")).count(), 1, "{name}");
            assert!(text.contains(&format!("# HELP {name} {help}\n")));
        }
        let first = catalogue.available_subscriptions().next().unwrap();
        assert!(text.contains(&format!("rte_deliveries_total{{event=\"{first}\"}} 3\n")));
        let is_sample = |line: &str| line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
        assert!(text.lines().all(|line| line.starts_with('#') || is_sample(line)), "{text}");
    }

    #[test]
    fn every_series_is_there_before_its_first_count() {
        let (fresh, mut sum) = (shown(&Metrics::default(), &ProcessNumbers::default()), Metrics::default());
        for (id, _) in Catalogue::built_in(None).events() {
            *sum.event(usize::from(id.0)) = EventCounts { published: 1, derived: 2, delivered: 3 };
        }
        sum.closed.fill(4);
        sum.refused.fill(5);
        sum.written.observe(70_000);
        let names =
            |text: &str| text.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&fresh), names(&shown(&sum, &ProcessNumbers::default())));
        assert!(fresh.contains("\nrte_deliveries_total{event=\"UserAlert\"} 0\n"), "{fresh}");
    }

    #[test]
    fn times_are_seconds_and_a_bucket_holds_those_below_it() {
        let mut sum = Metrics { published_ms: 1_795_266_403_005, ..Metrics::default() };
        [0, 3, 3, 70_000].into_iter().for_each(|ms| sum.written.observe(ms));
        let text = shown(&sum, &ProcessNumbers { cpu_ms: 20, ..ProcessNumbers::default() });
        for line in [
            "rte_last_publication_timestamp_seconds 1795266403.005",
            "process_cpu_seconds_total 0.02",
            "rte_delivery_seconds_bucket{le=\"0.001\"} 1",
            "rte_delivery_seconds_bucket{le=\"0.005\"} 3",
            "rte_delivery_seconds_bucket{le=\"60\"} 3",
            "rte_delivery_seconds_bucket{le=\"+Inf\"} 4",
            "rte_delivery_seconds_sum 70.006",
            "rte_delivery_seconds_count 4",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }
}
