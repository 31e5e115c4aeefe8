//! Decides how many calls a portal gets in a window: as many as HubSpot states, or else as few as its smallest tier
//! allows; fewer after a refusal. Pure.

use std::time::{Duration, Instant};

/// The part of HubSpot's limit that is used: the rest is for other users of the token (docs/reference/hubspot.md 8.1).
const SHARE: (u32, u32) = (19, 20);
/// Highest limit that is believed; HubSpot's are lower.
const MOST: u32 = 10_000;
/// How long after the last refusal the pace goes up again.
const QUIET: Duration = Duration::from_mins(10);
/// Several tokens of a portal may have limits of their own. The pace follows the lowest stated in this time.
const MEMORY: Duration = Duration::from_mins(1);
/// Searches in a row that waited for their turn and were not refused, after which one more a second is tried.
const PROOF: u32 = 20;

/// The pace of calls whose limit HubSpot states in headers.
pub(crate) struct StatedPace {
    /// As long as nothing is stated.
    unstated: u32,
    calls: u32,
    most: u32,
    stated: Option<(u32, Instant)>,
    refused: Option<Instant>,
}

impl StatedPace {
    /// As long as nothing is stated.
    pub(crate) const fn new(calls: u32) -> Self {
        Self {
            unstated: calls,
            calls,
            most: calls,
            stated: None,
            refused: None,
        }
    }

    /// Notes the limit that an answer stated. Returns the new number of calls.
    pub(crate) fn limit_stated(&mut self, limit: u32, now: Instant) -> u32 {
        let lower = |(known, at): (u32, Instant)| limit <= known || now.duration_since(at) >= MEMORY;
        if (1..=MOST).contains(&limit) && self.stated.is_none_or(lower) {
            self.stated = Some((limit, now));
            self.most = (limit * SHARE.0 / SHARE.1).max(1);
        }
        self.keep_within(now)
    }

    /// Notes that an answer stated no limit: the one stated before counts for a while longer. Returns the new number of
    /// calls.
    pub(crate) fn limit_unstated(&mut self, now: Instant) -> u32 {
        let is_old = |(_, at): &mut (u32, Instant)| now.duration_since(*at) >= MEMORY;
        if self.stated.take_if(is_old).is_none() {
            return self.calls;
        }
        self.most = self.unstated;
        self.keep_within(now)
    }

    fn keep_within(&mut self, now: Instant) -> u32 {
        self.refused = self.refused.filter(|at| now.duration_since(*at) < QUIET);
        self.calls = if self.refused.is_some() {
            self.calls.min(self.most)
        } else {
            self.most
        };
        self.calls
    }

    /// Notes that HubSpot refused a call as one too many. Returns the new number of calls: a quarter fewer.
    pub(crate) fn call_refused(&mut self, now: Instant) -> u32 {
        self.refused = Some(now);
        self.calls = (self.calls - self.calls.div_ceil(4)).max(1);
        self.calls
    }
}

/// The pace of searches: HubSpot does not state their limit, which all integrations of a portal share.
pub(crate) struct SearchPace {
    calls: u32,
    most: u32,
    proofs: u32,
    refused: Option<Instant>,
}

impl SearchPace {
    /// A pace that begins with `calls` a second and rises up to `most`.
    pub(crate) fn new(calls: u32, most: u32) -> Self {
        Self {
            calls,
            most: most.max(calls),
            proofs: 0,
            refused: None,
        }
    }

    /// Notes that a search was answered that had waited for its turn. Returns the new number of searches.
    pub(crate) fn search_answered(&mut self, waited: bool, now: Instant) -> u32 {
        let quiet = self.refused.is_none_or(|at| now.duration_since(at) >= QUIET);
        if waited && quiet && self.calls < self.most {
            self.proofs += 1;
            if self.proofs >= PROOF {
                self.proofs = 0;
                self.calls += 1;
            }
        }
        self.calls
    }

    /// Notes that HubSpot refused a search as one too many. Returns the new number of searches.
    pub(crate) fn search_refused(&mut self, now: Instant) -> u32 {
        (self.proofs, self.refused) = (0, Some(now));
        self.calls = self.calls.saturating_sub(1).max(1);
        self.calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_follows_the_lowest_stated_limit() {
        let mut pace = StatedPace::new(95);
        let start = Instant::now();
        assert_eq!(pace.limit_stated(190, start), 180);
        assert_eq!(pace.limit_stated(110, start), 104, "another token has less");
        assert_eq!(pace.limit_stated(190, start), 104);
        assert_eq!(
            pace.limit_stated(190, start + MEMORY),
            180,
            "that one is not used any more"
        );
        assert_eq!(pace.limit_stated(0, start), 180, "no limit");
        assert_eq!(pace.limit_stated(u32::MAX, start), 180, "nor this");
        assert_eq!(pace.limit_stated(1, start), 1);
    }

    #[test]
    fn a_limit_that_is_no_longer_stated_is_forgotten() {
        let mut pace = StatedPace::new(95);
        let start = Instant::now();
        assert_eq!(pace.limit_unstated(start), 95);
        assert_eq!(pace.limit_stated(1, start), 1);
        assert_eq!(pace.limit_unstated(start + MEMORY / 2), 1);
        assert_eq!(pace.limit_unstated(start + MEMORY), 95);
        assert_eq!(pace.limit_stated(190, start + MEMORY), 180);
        assert_eq!(pace.call_refused(start + MEMORY), 135);
        assert_eq!(pace.limit_unstated(start + 2 * MEMORY), 95);
        assert_eq!(
            pace.limit_stated(190, start + 2 * MEMORY),
            95,
            "it was refused a moment ago"
        );
        assert_eq!(pace.limit_unstated(start + QUIET + 3 * MEMORY), 95);
    }

    #[test]
    fn a_refusal_slows_down_for_a_while() {
        let mut pace = StatedPace::new(95);
        let start = Instant::now();
        pace.limit_stated(190, start);
        assert_eq!(pace.call_refused(start), 135);
        assert_eq!(pace.call_refused(start), 101);
        assert_eq!(pace.limit_stated(190, start + QUIET / 2), 101);
        assert_eq!(pace.limit_stated(190, start + QUIET), 180);
        let last = (0..20).map(|_| pace.call_refused(start)).last();
        assert_eq!(last, Some(1), "but never stops");
    }

    #[test]
    fn searches_rise_to_the_highest_pace_only_after_all_others_were_used() {
        let mut pace = SearchPace::new(4, 5);
        let start = Instant::now();
        let mut answered = |waited, count, at: Instant| (0..count).map(|_| pace.search_answered(waited, at)).last();
        assert_eq!(answered(false, 100, start), Some(4), "at rest nothing shows");
        assert_eq!(answered(true, PROOF - 1, start), Some(4));
        assert_eq!(answered(true, 1, start), Some(5));
        assert_eq!(answered(true, 100, start), Some(5));
        assert_eq!(pace.search_refused(start), 4);
        let mut answered = |count, at: Instant| (0..count).map(|_| pace.search_answered(true, at)).last();
        assert_eq!(answered(100, start + QUIET / 2), Some(4));
        assert_eq!(answered(PROOF, start + QUIET), Some(5));
    }
}
