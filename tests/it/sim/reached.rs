//! Which reasons, refusals and states a run of seeds has been to.

use super::pages::Tally;
use rte::close::CloseReason;
use rte::metrics::{Metrics, Recovery, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// What the seeds have reached.
#[derive(Debug, Default)]
pub struct Reached {
    pub closed: BTreeMap<&'static str, u64>,
    pub refused: BTreeMap<&'static str, u64>,
    pub recoveries: BTreeMap<&'static str, u64>,
    pub replayed: u64,
    /// Hubs that were killed, those of which the next has gone on without a gap, and publications
    /// that it had though nobody had heard of them.
    pub restarts: u64,
    pub restores: u64,
    pub unheard: u64,
    /// Clients that went on with another connection.
    pub returns: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub refusals: BTreeSet<&'static str>,
    pub conflated: u64,
    pub dropped: u64,
    pub matched: u64,
    pub short_writes: u64,
    pub pauses: u64,
    pub failed_accepts: u64,
    /// Of the journal, which shards have noticed.
    pub stalls: u64,
    /// What pages that fold have come to, and groups of theirs that were judged.
    pub pages: Tally,
    pub judged: u64,
}

impl Reached {
    /// What no seed has reached. A limit that nothing reaches is not tested.
    pub fn missing(&self) -> Vec<String> {
        let labels = self.closed.iter().chain(&self.refused).chain(&self.recoveries);
        // Each peer has an address of its own here, and there is one process: tests over sockets
        // reach these. And who does not read is not answered that much, but for bounds that are
        // small.
        let elsewhere =
            ["user_rate", "address_connections", "address_rate", "own_answers", "gap", "starting", "engine"];
        let labels = labels
            .filter(|(label, count)| **count == 0 && !elsewhere.contains(label))
            .map(|(label, _)| (*label).to_owned());
        let statuses = [101, 200, 202, 207, 400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 431, 503];
        let statuses = statuses.into_iter().filter(|status| !self.statuses.contains_key(status)).map(|s| s.to_string());
        let refusals =
            ["Invalid item", "Unknown EventName", "Invalid EntityId", "Unauthorized", "Too many subscriptions"];
        let refusals = refusals.into_iter().filter(|refusal| !self.refusals.contains(refusal)).map(str::to_owned);
        let counts = [
            ("matched", self.matched),
            ("conflated", self.conflated),
            ("restarts without a gap", self.restores),
            ("publications that were written and not heard", self.unheard),
            ("dropped", self.dropped),
            ("short writes", self.short_writes),
            ("pauses", self.pauses),
            ("failed accepts", self.failed_accepts),
            ("stalls of the journal", self.stalls),
            ("rows of snapshots that a page has folded", self.pages.rows),
            ("what a page has folded of a replay", self.pages.replayed),
            ("pages that had to begin anew", self.pages.gaps),
            ("messages behind the end of their leg", self.pages.late),
            ("legs that were open for too long", self.pages.aged),
            ("farewells", self.pages.farewells),
            ("groups of pages that were judged", self.judged),
        ];
        // What is about returns has to be reached again and again: a fault there is rare.
        let often = [("replayed", self.replayed, 30), ("returns", self.returns, 500), ("restarts", self.restarts, 50)];
        let rare = often.into_iter().filter(|(_, count, least)| count < least);
        let rare = rare.map(|(name, count, least)| format!("{name} {count} times, and not {least}"));
        let counts = counts.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name.to_owned());
        labels.chain(statuses).chain(refusals).chain(counts).chain(rare).collect()
    }

    pub fn add(&mut self, numbers: &Metrics) {
        for reason in CloseReason::ALL {
            *self.closed.entry(reason.label()).or_default() += numbers.closed[reason.index()];
        }
        for (refusal, label) in Refusal::ALL {
            *self.refused.entry(label).or_default() += numbers.refused[refusal.index()];
        }
        for (recovery, label) in Recovery::ALL {
            *self.recoveries.entry(label).or_default() += numbers.recoveries[recovery.index()];
        }
        self.replayed += numbers.replayed;
        self.conflated += numbers.conflated;
        self.dropped += numbers.dropped;
        self.short_writes += numbers.short_writes;
    }
}
