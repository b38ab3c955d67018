//! Key sets at addresses: fetched before the hub listens, and then again and again by a thread of
//! their own. The present keys stay for as long as an issuer is down, or says nothing that can be
//! used.

use super::clock::Clock;
use super::current::{Current, InForce};
use super::fetch::{Fetcher, shown};
use super::log::Logger;
use crate::auth::keys::{KeyProblem, Keys};
use crate::auth::token::Verifier;
use crate::clock::{Deadline, Now};
use crate::limits::{KEY_SET_AGAIN_MS, KEY_SET_EVERY_MS, KEY_SET_RETRY_MS_MAX};
use crate::trace::Fact;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// All sets that were ever asked for. Whoever changes what is in force holds them, so that no newer
/// text is lost.
#[derive(Debug)]
pub(crate) struct KeySets {
    fetcher: Fetcher,
    sets: Mutex<BTreeMap<String, Fetched>>,
    is_watched: AtomicBool,
    log: Logger,
    clock: Clock,
}

/// What came of an address.
#[derive(Debug, Default)]
struct Fetched {
    /// The newest text that was good.
    text: Option<String>,
    /// When to fetch again; at once before the first fetch.
    due: Option<Deadline>,
    /// Whether a missing key asks for a fetch, and the earliest that the next one can.
    is_missed: bool,
    not_before: Option<Deadline>,
    /// Fetches that failed since the last good one, and what the last one said.
    failures: u32,
    complaint: String,
}

impl Fetched {
    /// A fetch that began at `now` brought a good text.
    fn note_good(&mut self, text: String, now: Now) {
        self.note_answer(now);
        *self = Fetched {
            text: Some(text),
            due: Some(now.after_ms(KEY_SET_EVERY_MS)),
            not_before: self.not_before,
            ..Fetched::default()
        };
    }

    /// A fetch that began at `now` brought nothing. What is to be told of it: the same sentence not
    /// twice in a row.
    fn note_failure(&mut self, url: &str, why: &str, now: Now) -> Option<Fact> {
        self.note_answer(now);
        let wait_ms = KEY_SET_AGAIN_MS.saturating_mul(1 << self.failures.min(16)).min(KEY_SET_RETRY_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now.after_ms(wait_ms));
        if self.complaint == why {
            return None;
        }
        why.clone_into(&mut self.complaint);
        Some(Fact::KeysNotFetched { url: shown(url).to_owned(), why: why.to_owned(), retry_s: wait_ms / 1000 })
    }

    fn note_answer(&mut self, began: Now) {
        if std::mem::take(&mut self.is_missed) {
            self.not_before = Some(began.after_ms(KEY_SET_AGAIN_MS));
        }
    }

    /// A token wants a key that nobody has.
    fn note_missing(&mut self, now: Now) {
        self.is_missed = true;
        let earliest = self.not_before.unwrap_or(now.after_ms(0));
        self.due = self.due.map(|due| due.min(earliest));
    }

    fn is_due(&self, now: Now) -> bool {
        self.due.is_none_or(|due| due.is_due(now))
    }
}

impl KeySets {
    pub(crate) fn new(log: Logger, clock: Clock) -> KeySets {
        let (fetcher, sets) = (Fetcher::default(), Mutex::new(BTreeMap::new()));
        KeySets { fetcher, sets, is_watched: AtomicBool::new(false), log, clock }
    }

    /// The verifier with the keys of all its addresses. Those that can't be had are told, and asked
    /// again later.
    pub(crate) fn fill(&self, verifier: Verifier) -> Verifier {
        self.complete(verifier, &[], &mut self.sets.lock()).0
    }

    /// Puts into force what `make` makes of the verifier with the keys of all its addresses. A set
    /// that is in force and was never there is left to the thread that asks for it.
    ///
    /// # Errors
    /// A line for each further set that can't be had; nothing has changed then.
    pub(crate) fn put_in_force(
        &self,
        current: &Current,
        verifier: Verifier,
        make: impl FnOnce(Verifier) -> InForce,
    ) -> Result<(), String> {
        let mut sets = self.sets.lock();
        let former = current.get().verifier;
        let (verifier, complaints) = self.complete(verifier, &former.options().keys.urls(), &mut sets);
        if !complaints.is_empty() {
            return Err(complaints.join("\n"));
        }
        current.replace(|_| Ok(make(verifier)))
    }

    /// Keeps the sets of what is in force fresh, by a thread of its own; only the first call starts
    /// it, and only where there are any.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn watch(self: &Arc<Self>, current: &Arc<Current>) -> io::Result<()> {
        let has_any = !current.get().verifier.options().keys.urls().is_empty();
        if has_any && !self.is_watched.swap(true, Ordering::SeqCst) {
            let (sets, current) = (Arc::clone(self), Arc::clone(current));
            thread::Builder::new().name("key-sets".to_owned()).spawn(move || sets.run(&current))?;
        }
        Ok(())
    }

    /// For as long as the process lives.
    fn run(&self, current: &Current) {
        loop {
            let verifier = current.get().verifier;
            let urls = verifier.options().keys.urls();
            for url in &urls {
                let is_due = self.sets.lock().get(*url).is_none_or(|set| set.is_due(self.clock.now()));
                if is_due {
                    self.refresh(url, current);
                }
            }
            let now = self.clock.now();
            let mut next = now.after_ms(KEY_SET_EVERY_MS);
            for set in urls.iter().filter_map(|url| self.sets.lock().get(*url).and_then(|set| set.due)) {
                next = next.min(set);
            }
            if current.missing_key.wait(Duration::from_millis(next.ms_from(now.mono).unwrap_or(KEY_SET_EVERY_MS))) {
                let now = self.clock.now();
                self.sets.lock().values_mut().for_each(|set| set.note_missing(now));
            }
        }
    }

    /// Fetches a set, and puts its keys into force if they are others.
    fn refresh(&self, url: &str, current: &Current) {
        let now = self.clock.now();
        let fetched = self.fetcher.fetch(url);
        let mut sets = self.sets.lock();
        let set = sets.entry(url.to_owned()).or_default();
        let former = current.get().verifier;
        let outcome = fetched.and_then(|text| {
            if set.text.as_ref() != Some(&text) {
                let with_set = |present: &InForce| {
                    let verifier = Arc::new(present.verifier.with_set(url, &text)?);
                    Ok(InForce { verifier, ..present.clone() })
                };
                current.replace(with_set).map_err(|problem: KeyProblem| problem.to_string())?;
            }
            Ok(text)
        });
        match outcome {
            Ok(text) => {
                let is_news = set.failures > 0 || set.text.as_ref() != Some(&text);
                set.note_good(text, now);
                if is_news {
                    self.tell(url, &current.get().verifier.options().keys, &former.options().keys);
                }
            }
            Err(why) => {
                if let Some(fact) = set.note_failure(url, &why, now) {
                    self.log.write(&fact, self.clock.now());
                }
            }
        }
    }

    /// The verifier with the keys that its addresses have, and what can't be had. What is known
    /// already, and what is `watched`, is not fetched.
    fn complete(
        &self,
        mut verifier: Verifier,
        watched: &[&str],
        sets: &mut BTreeMap<String, Fetched>,
    ) -> (Verifier, Vec<String>) {
        let mut complaints = Vec::new();
        let urls: Vec<String> = verifier.options().keys.urls().into_iter().map(str::to_owned).collect();
        for url in &urls {
            let now = self.clock.now();
            let set = sets.entry(url.clone()).or_default();
            let known = set.text.clone();
            let is_known = known.is_some();
            if !is_known && watched.contains(&url.as_str()) {
                continue;
            }
            let text = known.map_or_else(|| self.fetcher.fetch(url), Ok);
            let next = text.and_then(|text| match verifier.with_set(url, &text) {
                Ok(next) => Ok((text, next)),
                Err(problem) => Err(problem.to_string()),
            });
            match next {
                Ok((text, next)) => {
                    if !is_known {
                        set.note_good(text, now);
                        self.tell(url, &next.options().keys, &verifier.options().keys);
                    }
                    verifier = next;
                }
                Err(why) => {
                    if let Some(fact) = set.note_failure(url, &why, now) {
                        self.log.write(&fact, self.clock.now());
                    }
                    complaints.push(format!("{}: {why}", shown(url)));
                }
            }
        }
        (verifier, complaints)
    }

    /// Tells what a fetch has brought.
    fn tell(&self, url: &str, keys: &Keys, former: &Keys) {
        let now = self.clock.now();
        let (from, url) = (url, || shown(url).to_owned());
        let (new, gone) = (keys.count_beyond(former), former.count_beyond(keys));
        self.log.write(&Fact::KeysFetched { url: url(), keys: keys.len(), new, gone }, now);
        for one in keys.passed_over_of(from) {
            self.log.write(&Fact::KeyPassedOver { url: url(), why: one.to_string() }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now::from_ms(mono_ms, 0)
    }

    #[test]
    fn failures_are_tried_again_ever_later_and_told_when_they_change() {
        let mut set = Fetched::default();
        assert!(set.is_due(at(0)));
        let url = "https://id.example.com/?hidden";
        let mut waits = Vec::new();
        let mut now_ms = 0;
        for number in 0..7 {
            let told = set.note_failure(url, if number < 5 { "down" } else { "odd" }, at(now_ms));
            assert_eq!(told.is_some(), number == 0 || number == 5, "{told:?}");
            assert!(told.is_none_or(|fact| !fact.human().contains("hidden")));
            let wait_ms = set.due.unwrap().ms_from(at(now_ms).mono).unwrap();
            waits.push(wait_ms / 1000);
            now_ms += wait_ms;
            assert!(set.is_due(at(now_ms)) && !set.is_due(at(now_ms - 1)));
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300, 300]);
        set.note_good("{}".to_owned(), at(now_ms));
        assert!(!set.is_due(at(now_ms + KEY_SET_EVERY_MS - 1)) && set.is_due(at(now_ms + KEY_SET_EVERY_MS)));
        assert!(set.note_failure(url, "down", at(now_ms)).is_some(), "after a good one a failure is news");
    }

    #[test]
    fn a_missing_key_asks_again_at_most_every_30_seconds() {
        let mut set = Fetched::default();
        set.note_good("{}".to_owned(), at(1_000));
        set.note_missing(at(2_000));
        assert!(set.is_due(at(2_000)), "the first one asks at once");
        set.note_good("{}".to_owned(), at(2_000));
        set.note_missing(at(2_001));
        set.note_missing(at(2_002));
        assert!(!set.is_due(at(31_999)) && set.is_due(at(32_000)), "and the next one is not forgotten");
        let _ = set.note_failure("https://id.example.com", "down", at(32_000));
        set.note_missing(at(40_000));
        assert!(!set.is_due(at(61_999)) && set.is_due(at(62_000)));
        let _ = set.note_failure("https://id.example.com", "down", at(62_000));
        assert!(!set.is_due(at(121_999)) && set.is_due(at(122_000)), "nobody asks, so the pause grows");
    }
}
