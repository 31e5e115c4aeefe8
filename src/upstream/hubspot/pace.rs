//! How many calls a portal may be asked in a window: as HubSpot tells, else as few as its smallest tier takes; fewer after a
//! refusal. Pure.

use std::time::{Duration, Instant};

/// Of what HubSpot allows, this part is taken: the rest is for what else may use the token (docs/reference/hubspot.md 8.1).
const SHARE: (u32, u32) = (19, 20);
/// A limit no HubSpot has: whoever tells it is not believed.
const MOST: u32 = 10_000;
/// So long after the last refusal the pace goes up again.
const QUIET: Duration = Duration::from_mins(10);
/// Several tokens of a portal may have limits of their own. The pace follows the lowest stated in this time.
const MEMORY: Duration = Duration::from_mins(1);
/// So many searches in a row that waited for their turn and were not refused show that there is room for one more a second.
const PROOF: u32 = 20;

/// The pace of calls whose limit HubSpot tells in headers.
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

    /// An answer stated the limit. Returns the calls from now on.
    pub(crate) fn limit_stated(&mut self, limit: u32, now: Instant) -> u32 {
        let lower = |(known, at): (u32, Instant)| limit <= known || now.duration_since(at) >= MEMORY;
        if (1..=MOST).contains(&limit) && self.stated.is_none_or(lower) {
            self.stated = Some((limit, now));
            self.most = (limit * SHARE.0 / SHARE.1).max(1);
        }
        self.keep_within(now)
    }

    /// An answer stated no limit: what was stated before counts for a while, and no longer. Returns the calls from now on.
    pub(crate) fn limit_untold(&mut self, now: Instant) -> u32 {
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

    /// HubSpot refused a call as one too many. Returns the calls from now on: a quarter fewer.
    pub(crate) fn call_refused(&mut self, now: Instant) -> u32 {
        self.refused = Some(now);
        self.calls = (self.calls - self.calls.div_ceil(4)).max(1);
        self.calls
    }
}

/// The pace of searches: nothing tells their limit, which all integrations of a portal share.
pub(crate) struct SearchPace {
    calls: u32,
    most: u32,
    proofs: u32,
    refused: Option<Instant>,
}

impl SearchPace {
    /// From so many a second up to so many.
    pub(crate) fn new(calls: u32, most: u32) -> Self {
        Self {
            calls,
            most: most.max(calls),
            proofs: 0,
            refused: None,
        }
    }

    /// A search was answered, and had waited for its turn. Returns the searches from now on.
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

    /// HubSpot refused a search as one too many. Returns the searches from now on.
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
    fn the_pace_is_what_the_lowest_told_limit_leaves() {
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
    fn a_limit_that_is_told_no_longer_is_forgotten() {
        let mut pace = StatedPace::new(95);
        let start = Instant::now();
        assert_eq!(pace.limit_untold(start), 95);
        assert_eq!(pace.limit_stated(1, start), 1);
        assert_eq!(pace.limit_untold(start + MEMORY / 2), 1);
        assert_eq!(pace.limit_untold(start + MEMORY), 95);
        assert_eq!(pace.limit_stated(190, start + MEMORY), 180);
        assert_eq!(pace.call_refused(start + MEMORY), 135);
        assert_eq!(pace.limit_untold(start + 2 * MEMORY), 95);
        assert_eq!(
            pace.limit_stated(190, start + 2 * MEMORY),
            95,
            "it was refused a moment ago"
        );
        assert_eq!(pace.limit_untold(start + QUIET + 3 * MEMORY), 95);
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
    fn searches_take_the_last_turn_once_the_others_were_taken_in_vain() {
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
