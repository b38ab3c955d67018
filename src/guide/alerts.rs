//! What is worth an alert, and the rules and the dashboard that `rte metrics export` writes.

use crate::api::exposition;
use serde_json::json;

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    /// Its name: a contract, as routes and silences name it.
    pub name: &'static str,
    /// When it is raised, in PromQL.
    pub expr: &'static str,
    /// For how long that must hold.
    pub hold: &'static str,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// What is so.
    pub summary: &'static str,
    /// What to do.
    pub action: &'static str,
}

const fn alert(
    name: &'static str,
    (severity, hold): (&'static str, &'static str),
    expr: &'static str,
    summary: &'static str,
    action: &'static str,
) -> Alert {
    Alert { name, expr, hold, severity, summary, action }
}

/// All, the worst first.
pub const ALERTS: [Alert; 22] = [
    alert(
        "RteAbsent",
        ("critical", "2m"),
        "absent(rte_build_info)",
        "No hub is scraped.",
        "Look whether it runs, and whether Prometheus reaches /metrics.",
    ),
    alert(
        "RteFull",
        ("critical", "0m"),
        "increase(rte_refusals_total{reason=\"full\"}[5m]) > 0",
        "Connections are turned away: limits.connections_max is reached, or there are no file descriptors.",
        "Raise limits.connections_max, and LimitNOFILE= with it, or find who opens so many.",
    ),
    alert(
        "RteDescriptorsShort",
        ("critical", "5m"),
        "(process_open_fds > 0.9 * process_max_fds) and on (job, instance) rte_build_info",
        "Nine tenths of the file descriptors are open.",
        "Raise LimitNOFILE=.",
    ),
    alert(
        "RteUnanswered",
        ("critical", "0m"),
        "increase(rte_connections_closed_total{reason=\"unanswered\"}[10m]) > 0",
        "A thread of the hub did not answer the others.",
        "Keep the log, restart the hub, and report it.",
    ),
    alert(
        "RteRestarting",
        ("critical", "0m"),
        "changes(process_start_time_seconds[15m]) > 2 and on (job, instance) rte_build_info",
        "The hub was restarted several times in a quarter of an hour.",
        "Look for `panicked` in its log, and for kills by the kernel for memory.",
    ),
    alert(
        "RteConnectionsHigh",
        ("warning", "10m"),
        "rte_connections - rte_strangers - rte_internal_connections > 0.8 * rte_connections_max",
        "Four fifths of limits.connections_max are open.",
        "Raise the limit before it is reached.",
    ),
    alert(
        "RteDeliverySlow",
        ("warning", "5m"),
        "histogram_quantile(0.99, sum by (job, instance, le) (rate(rte_delivery_seconds_bucket[5m]))) > 1",
        "One delivery in a hundred takes longer than a second.",
        "See whether process_cpu_seconds_total is at its most, or readers are slow (rte_blocked_connections).",
    ),
    alert(
        "RteBacklogHigh",
        ("warning", "2m"),
        "rte_backlog_kept_bytes > 0.5 * rte_backlog_bytes_max",
        "What waits for slow readers is half of limits.backlog_bytes_max; at the whole the largest are closed.",
        "Look for `closed` with a large backlog_bytes in the log at debug: their network or their page is too slow.",
    ),
    alert(
        "RteMemoryHigh",
        ("warning", "2m"),
        "rte_memory_bytes > 0.75 * rte_memory_bytes_max and rte_memory_bytes_max > 0",
        "What the hub keeps for its peers is three quarters of limits.memory_bytes_max; soon new clients and publishes are refused.",
        "See which of rte_subscription_bytes, rte_input_bytes, rte_backlog_kept_bytes and rte_kept_bytes it is; raise the limit, or give it more memory.",
    ),
    alert(
        "RteBacklogOld",
        ("warning", "5m"),
        "rte_oldest_backlog_seconds > 60",
        "A reader has been behind for more than a minute.",
        "One slow reader harms only itself; many at once are a network or a proxy that buffers.",
    ),
    alert(
        "RteReadersGivenUp",
        ("warning", "0m"),
        "sum by (job, instance) (increase(rte_connections_closed_total{reason=~\"overrun|backlog_full|write_stuck\"}[10m])) > 10",
        "Many readers were given up as too slow.",
        "Look at what was published then, and at the network of the clients (their addresses stand in the log at debug).",
    ),
    alert(
        "RteTokensRefused",
        ("warning", "0m"),
        "increase(rte_refusals_total{reason=\"bad_token\"}[10m]) > 100",
        "Many tokens are refused.",
        "After a change of keys: does the hub have the new one? `token_refused` in the log at debug names kid and why.",
    ),
    alert(
        "RteReloadRefused",
        ("warning", "0m"),
        "rte_last_reload_successful == 0",
        "The last reload changed nothing, for something is wrong.",
        "The log says what: `reload_refused`.",
    ),
    alert(
        "RteItemsRejected",
        ("warning", "15m"),
        "rate(rte_publish_items_rejected_total[10m]) > 0",
        "A publisher goes on sending items that are rejected.",
        "The answers to its requests say why; `rte publish --dry-run` does too.",
    ),
    alert(
        "RteLogDropped",
        ("warning", "0m"),
        "increase(rte_log_dropped_total[10m]) > 0",
        "Lines of the log were lost, for nobody read them fast enough.",
        "Log less (server.log_level), or see what its reader waits for.",
    ),
    alert(
        "RteJournalLost",
        ("warning", "0m"),
        "increase(rte_journal_losses_total[10m]) > 0",
        "The journal could not be written: what is published since is in memory only, and positions of before are void.",
        "Look at the disk of journal.dir, and for journal_lost in the log; the hub tries again by itself.",
    ),
    alert(
        "RteBackplaneAway",
        ("critical", "1m"),
        "rte_backplane_away > 0",
        "A node does not reach the engine that the nodes share: publishers are refused, or its clients get nothing new.",
        "See backplane_away in the log, which says why, and whether Redis runs at journal.redis.addresses.",
    ),
    alert(
        "RteBackplaneGap",
        ("warning", "0m"),
        "increase(rte_backplane_gaps_total[10m]) > 0",
        "Publications are missing in the log that the nodes share; clients that need every one were closed to come anew.",
        "See backplane_gap in the log, which says why, and what keeps it from coming again.",
    ),
    alert(
        "RteBackplaneLag",
        ("warning", "2m"),
        "rte_backplane_lag_seconds > 5",
        "What a node reads of the log that the nodes share is old: it does not keep up, or clocks differ.",
        "Compare the clocks of the nodes; then see what keeps Redis or the node busy.",
    ),
    alert(
        "RteValuesEvicted",
        ("info", "0m"),
        "increase(rte_kept_rows_evicted_total[10m]) > 0",
        "Rows were let go, so that some snapshots are not whole.",
        "Raise limits.kept_rows_max and limits.kept_bytes_max.",
    ),
    alert(
        "RteTolerated",
        ("info", "15m"),
        "rate(rte_publish_tolerated_total[10m]) > 0",
        "Lenient validation lets faults of publishers through.",
        "`rte publish --dry-run` names them, in strict mode.",
    ),
    alert(
        "RteSilent",
        ("info", "15m"),
        "time() - rte_last_publication_timestamp_seconds > 900 and rte_last_publication_timestamp_seconds > 0",
        "Nothing has been published for a quarter of an hour.",
        "At night that is well; else look at the publishers.",
    ),
];

/// A text as YAML, of which JSON is a part.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}

/// Returns the alerts as a file of rules for Prometheus.
pub fn rules() -> String {
    let mut text = "# Made by `rte metrics export`.\ngroups:\n  - name: rte\n    rules:\n".to_owned();
    for Alert { name, expr, hold, severity, summary, action } in ALERTS {
        text.push_str(&format!("      - alert: {name}\n        expr: {}\n        for: {hold}\n", quoted(expr)));
        text.push_str(&format!("        labels: {{ severity: {severity} }}\n        annotations:\n"));
        text.push_str(&format!("          summary: {}\n          description: {}\n", quoted(summary), quoted(action)));
    }
    text
}

/// What a panel shows of a metric.
fn query(name: &str, kind: &str, is_labelled: bool) -> (String, &'static str) {
    const OF: &str = "{job=~\"$job\", instance=~\"$instance\"}";
    match (kind, is_labelled) {
        ("histogram", _) => {
            let buckets = format!("sum by (le) (rate({name}_bucket{OF}[$__rate_interval]))");
            (format!("histogram_quantile(0.99, {buckets})"), "99 of 100")
        }
        ("counter", true) => (
            format!("topk(10, sum by (event, reason) (rate({name}{OF}[$__rate_interval])) > 0)"),
            "{{event}}{{reason}}",
        ),
        ("counter", false) => (format!("rate({name}{OF}[$__rate_interval])"), "{{instance}}"),
        _ if name.contains("_timestamp_") || name.contains("_start_time_") => {
            (format!("time() - {name}{OF}"), "{{instance}}")
        }
        _ => (format!("{name}{OF}"), "{{instance}}"),
    }
}

/// The unit of a panel, in Grafana's words.
fn unit(name: &str, kind: &str) -> &'static str {
    match (name.contains("_seconds"), name.contains("_bytes"), kind) {
        (true, _, "counter") => "percentunit",
        (true, ..) => "s",
        (_, true, "counter") => "Bps",
        (_, true, _) => "bytes",
        (_, _, "counter") => "ops",
        _ => "short",
    }
}

/// Returns a dashboard for Grafana: one panel for each metric there is.
pub fn dashboard() -> String {
    let labelled = |name: &str| exposition::LABELLED.contains(&name) || exposition::is_per_event(name);
    let panels: Vec<serde_json::Value> = exposition::reference()
        .enumerate()
        .map(|(at, (name, kind, help))| {
            let (expr, legend) = query(name, kind, labelled(name));
            let legend = if name == "rte_build_info" { "{{version}}" } else { legend };
            let source = json!({ "type": "prometheus", "uid": "${source}" });
            json!({
                "id": at + 1,
                "type": "timeseries",
                "title": name,
                "description": help,
                "datasource": source,
                "gridPos": { "x": at % 3 * 8, "y": at / 3 * 8, "w": 8, "h": 8 },
                "fieldConfig": { "defaults": { "unit": unit(name, kind), "min": 0 }, "overrides": [] },
                "targets": [{ "refId": "A", "datasource": source, "expr": expr, "legendFormat": legend }],
            })
        })
        .collect();
    let variable = |name: &str, query: &str| {
        json!({
            "name": name, "type": "query", "datasource": { "type": "prometheus", "uid": "${source}" }, "query": query,
            "refresh": 2, "includeAll": true, "multi": true, "current": { "text": "All", "value": "$__all" },
        })
    };
    let dashboard = json!({
        "uid": "rte",
        "title": "rte, a Real-Time Engine",
        "tags": ["rte"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            { "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus" },
            variable("job", "label_values(rte_build_info, job)"),
            variable("instance", "label_values(rte_build_info{job=~\"$job\"}, instance)"),
        ] },
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics that a query names.
    fn named(expr: &str) -> Vec<&str> {
        let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics = words.filter(|word| word.starts_with("rte_") || word.starts_with("process_"));
        metrics.map(|word| word.strip_suffix("_bucket").unwrap_or(word)).collect()
    }

    fn is_known(name: &str) -> bool {
        exposition::reference().any(|(known, ..)| known == name)
    }

    #[test]
    fn every_alert_asks_for_metrics_and_reasons_that_there_are() {
        for alert in ALERTS {
            let metrics = named(alert.expr);
            assert!(!metrics.is_empty() && metrics.iter().all(|name| is_known(name)), "{alert:?}");
            let reasons = alert.expr.split("reason").skip(1).map(|rest| rest.split('"').nth(1).unwrap());
            for reason in reasons.flat_map(|reasons| reasons.split('|')) {
                let is_close = crate::close::CloseReason::ALL.iter().any(|known| known.label() == reason);
                let is_refusal = crate::metrics::Refusal::ALL.iter().any(|(_, known)| *known == reason);
                assert!(is_close || is_refusal, "{reason}");
            }
            assert!(
                ["critical", "warning", "info"].contains(&alert.severity) && alert.hold.ends_with('m'),
                "{alert:?}"
            );
        }
        assert_eq!(rules().matches("- alert: ").count(), ALERTS.len());
        assert!(ALERTS.iter().enumerate().all(|(at, alert)| ALERTS[..at].iter().all(|other| other.name != alert.name)));
    }

    #[test]
    fn every_metric_has_its_panel_and_no_panel_asks_for_another() {
        let dashboard: serde_json::Value = serde_json::from_str(&dashboard()).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        assert_eq!(panels.len(), exposition::reference().count());
        for ((name, ..), panel) in exposition::reference().zip(panels) {
            assert_eq!(
                (panel["title"].as_str(), named(panel["targets"][0]["expr"].as_str().unwrap())),
                (Some(name), vec![name])
            );
        }
    }
}
