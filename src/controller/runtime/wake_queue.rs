//! Brings wake-ups to the controllers. A burst about one object becomes one run at its begin and one at its end, and
//! counts that move become one run for each status interval.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::ids::ObjectKey;
use crate::ops::health::Probes;
use crate::registry::{Urgency, Wake};

/// Name of this loop among the signs of life.
pub(crate) const LOOP: &str = "router of the controllers";
/// Shortest time between two runs for one object that somebody asked for.
const GAP: Duration = Duration::from_millis(200);
/// Longest pause between two ticks of this loop.
const TICK: Duration = Duration::from_secs(5);
/// Without a tick for this long the process is stuck.
pub(crate) const STUCK: Duration = Duration::from_mins(1);

/// The way to one controller.
pub(crate) struct KeySender {
    /// Its namespace; `None`: all.
    pub scope: Option<String>,
    pub sender: mpsc::UnboundedSender<ObjectKey>,
}

/// Which controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum WakeKind {
    Event,
    Google,
    HubSpot,
}

type Address = (WakeKind, ObjectKey);

/// The ways to all controllers.
pub(crate) struct WakeQueue {
    pub events: Vec<KeySender>,
    pub google: Vec<KeySender>,
    pub hubspot: Vec<KeySender>,
    throttle: Throttle<Address>,
    lazy_gap: Duration,
}

impl WakeQueue {
    pub fn new(status_interval: Duration) -> Self {
        Self {
            events: Vec::new(),
            google: Vec::new(),
            hubspot: Vec::new(),
            throttle: Throttle::new(status_interval.max(GAP)),
            lazy_gap: status_interval.max(GAP),
        }
    }

    /// Passes wake-ups on until `stop`.
    pub async fn run(&mut self, wakes: &mut mpsc::UnboundedReceiver<Wake>, probes: &Probes, stop: &CancellationToken) {
        loop {
            let now = Instant::now();
            probes.record_beat(LOOP, STUCK);
            for address in self.throttle.due_keys(now) {
                self.deliver_key(address);
            }
            let tick = now + TICK;
            let until = self.throttle.next_due().map_or(tick, |due| due.min(tick));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(until) => {}
                wake = wakes.recv() => match wake {
                    Some(wake) => self.accept_wake(wake),
                    // The registry is gone: the process ends.
                    None => return,
                },
            }
        }
    }

    fn accept_wake(&mut self, wake: Wake) {
        let (address, gap) = match wake {
            Wake::Event {
                key,
                urgency: Urgency::Now,
            } => ((WakeKind::Event, key), GAP),
            Wake::Event {
                key,
                urgency: Urgency::Soon,
            } => ((WakeKind::Event, key), self.lazy_gap),
            Wake::Google(key) => ((WakeKind::Google, key), GAP),
            Wake::HubSpot(key) => ((WakeKind::HubSpot, key), GAP),
        };
        if self.throttle.passes_now(&address, gap, Instant::now()) {
            self.deliver_key(address);
        }
    }

    fn deliver_key(&self, (kind, key): Address) {
        let senders = match kind {
            WakeKind::Event => &self.events,
            WakeKind::Google => &self.google,
            WakeKind::HubSpot => &self.hubspot,
        };
        let sender = senders
            .iter()
            .find(|o| o.scope.as_deref().is_none_or(|s| s == key.namespace));
        if let Some(sender) = sender {
            // While the process stops a controller takes no more keys.
            let _ = sender.sender.send(key);
        }
    }
}

/// Lets the first of a burst through at once and the last when its gap is over.
struct Throttle<K> {
    entries: HashMap<K, ThrottledKey>,
    /// The keys that wait, the next one first: ten thousand of them
    /// wait at a start, and none is looked at before its time.
    waiting: BTreeSet<(Instant, K)>,
    keep: Duration,
    /// When entries that hold nothing back any more were dropped last.
    cleaned: Instant,
}

#[derive(Clone, Copy)]
struct ThrottledKey {
    last: Instant,
    due: Option<Instant>,
}

impl<K: Clone + Ord + std::hash::Hash> Throttle<K> {
    /// `keep` is the longest gap in use.
    fn new(keep: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            waiting: BTreeSet::new(),
            keep,
            cleaned: Instant::now(),
        }
    }

    /// True if the key passes now; else it is due once `gap` has passed since it did last.
    fn passes_now(&mut self, key: &K, gap: Duration, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(key) else {
            self.entries.insert(key.clone(), ThrottledKey { last: now, due: None });
            return true;
        };
        let earliest = entry.last + gap;
        let waits_until = entry.due;
        let passes = earliest <= now;
        if passes {
            *entry = ThrottledKey { last: now, due: None };
        } else {
            entry.due = Some(waits_until.map_or(earliest, |due| due.min(earliest)));
        }
        let due = entry.due;
        if due != waits_until {
            if let Some(before) = waits_until {
                self.waiting.remove(&(before, key.clone()));
            }
            self.waiting.extend(due.map(|due| (due, key.clone())));
        }
        passes
    }

    /// When the next key is due.
    fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// The keys that are due; they count as passed now.
    fn due_keys(&mut self, now: Instant) -> Vec<K> {
        self.forget_passed(now);
        let mut keys = Vec::new();
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, key)) = self.waiting.pop_first() else {
                break;
            };
            self.entries.insert(key.clone(), ThrottledKey { last: now, due: None });
            keys.push(key);
        }
        keys
    }

    /// Drops entries that hold nothing back any more, once in a tick: all are looked at.
    fn forget_passed(&mut self, now: Instant) {
        if now.duration_since(self.cleaned) < TICK {
            return;
        }
        self.cleaned = now;
        let keep = self.keep;
        self.entries
            .retain(|_, entry| entry.due.is_some() || now.duration_since(entry.last) < keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAZY: Duration = Duration::from_secs(30);

    /// Runs offers `(millisecond, urgent)` and returns when the key passed.
    fn passes(offers: &[(u64, bool)], until: u64) -> Vec<u64> {
        let start = Instant::now();
        let mut throttle = Throttle::new(LAZY);
        let mut passed = Vec::new();
        for ms in 0..=until {
            let now = start + Duration::from_millis(ms);
            passed.extend(throttle.due_keys(now).iter().map(|()| ms));
            for (_, urgent) in offers.iter().filter(|(at, _)| *at == ms) {
                if throttle.passes_now(&(), if *urgent { GAP } else { LAZY }, now) {
                    passed.push(ms);
                }
            }
        }
        assert_eq!(throttle.next_due(), None);
        passed
    }

    #[test]
    fn keys_are_due_each_at_its_own_time_and_forgotten_once_they_hold_nothing_back() {
        let start = Instant::now();
        let mut throttle = Throttle::new(LAZY);
        for key in 0..3 {
            let now = start + Duration::from_secs(key);
            assert!(throttle.passes_now(&key, LAZY, now));
            assert!(!throttle.passes_now(&key, LAZY, now));
        }
        assert_eq!(throttle.next_due(), Some(start + LAZY));
        assert!(
            throttle.passes_now(&1, GAP, start + Duration::from_secs(5)),
            "the urgent one takes the waiting one along"
        );
        assert_eq!(throttle.due_keys(start + LAZY), [0]);
        assert_eq!(throttle.due_keys(start + LAZY + Duration::from_secs(5)), [2]);
        assert_eq!(throttle.due_keys(start + LAZY * 3), Vec::<u64>::new());
        assert!(throttle.entries.is_empty() && throttle.waiting.is_empty());
    }

    #[test]
    fn one_wake_passes_at_once() {
        assert_eq!(passes(&[(5, false)], 31_000), [5]);
        assert_eq!(passes(&[(5, true)], 1000), [5]);
    }

    #[test]
    fn moving_counts_pass_once_an_interval_and_the_last_one_is_not_lost() {
        let offers: Vec<_> = (0..100).map(|n| (n * 100, false)).collect();
        assert_eq!(passes(&offers, 61_000), [0, 30_000]);
    }

    #[test]
    fn an_urgent_wake_overtakes_and_takes_the_waiting_one_along() {
        assert_eq!(passes(&[(0, false), (1000, false), (2000, true)], 61_000), [0, 2000]);
    }

    #[test]
    fn a_storm_of_requests_becomes_one_run_a_gap_and_never_starves() {
        let offers: Vec<_> = (0..100).map(|n| (n * 10, true)).collect();
        assert_eq!(passes(&offers, 2000), [0, 200, 400, 600, 800, 1000]);
    }
}
