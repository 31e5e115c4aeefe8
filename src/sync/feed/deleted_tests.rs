#![allow(clippy::unwrap_used)]

use super::*;
use crate::ports::test_support::at;

const WEEK: SignedDuration = SignedDuration::from_hours(168);

fn after(contacts: u64, interval: SignedDuration, second: i64) -> i64 {
    let round = LookRound {
        contacts,
        after: ContactId::UNKNOWN,
        looked_at: at(0),
    };
    due_calls(&round, interval, at(second))
}

#[test]
fn calls_are_spread_over_the_interval() {
    let hour = 3600;
    assert_eq!(
        after(0, WEEK, 168 * hour - 1),
        0,
        "a new ledger is left alone for a week"
    );
    assert_eq!(after(0, WEEK, 168 * hour), 1);
    // 100,000 contacts are 1,000 calls in 604,800 seconds.
    assert_eq!([604, 605, 1210].map(|second| after(100_000, WEEK, second)), [0, 1, 2]);
    assert_eq!(
        after(100_000, WEEK, 999_999),
        AT_ONCE,
        "what was missed comes a little at a time"
    );
    // Ten million would be one call in six seconds.
    assert_eq!([9, 10].map(|second| after(10_000_000, WEEK, second)), [0, 1]);
    let short = SignedDuration::from_secs(2);
    assert_eq!([1, 2].map(|second| after(50, short, second)), [0, 1]);
}
