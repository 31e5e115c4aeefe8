//! Times that somebody claims it is, against the time that everything goes by.
//!
//! What is final follows only from a time that has come by all of them. A claim counts for an hour after it was last
//! heard: that is how long a wrong time must be told by everybody before anything is skipped or archived by it.

use jiff::{SignedDuration, Timestamp};

use super::time::later;

/// How long a claim counts after it was last heard.
pub(super) const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Claims that are kept apart. Of more, two count as one that is as early as the earlier and lasts as long as the later.
const MOST: usize = 8;

/// The claims that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TimeClaims {
    /// From the earliest to the latest. A later one ends later too, or else it would make no difference.
    kept: Vec<Claim>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    /// What the monotonic clock began at, by this claim.
    base: Timestamp,
    /// It counts until then, by the monotonic clock.
    until: SignedDuration,
}

impl TimeClaims {
    /// Somebody claims this base now (by the monotonic clock).
    pub fn add(&mut self, base: Timestamp, now: SignedDuration) {
        let until = now.saturating_add(COUNTS_FOR);
        // One that is not earlier and ends no later makes no difference any more.
        self.kept.retain(|claim| claim.until > now && claim.base < base);
        self.kept.push(Claim { base, until });
        if self.kept.len() > MOST {
            let last = self.kept.len() - 1;
            self.kept[last - 1].until = until;
            self.kept.truncate(last);
        }
    }

    /// The earliest time of those that still count.
    pub fn earliest(&self, now: SignedDuration) -> Option<Timestamp> {
        let counting = self.kept.iter().find(|claim| claim.until > now)?;
        Some(later(counting.base, now))
    }
}

#[cfg(test)]
#[path = "time_claims_tests.rs"]
mod tests;
