#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn base(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn at(second: i64) -> SignedDuration {
    SignedDuration::from_secs(second)
}

/// The base of the earliest claim that counts, in seconds.
fn earliest(claims: &TimeClaims, now: i64) -> Option<i64> {
    let time = claims.earliest(at(now))?;
    Some(time.as_second() - now - 1_790_000_000)
}

#[test]
fn the_earliest_counts_for_an_hour_after_it_was_heard() {
    let mut claims = TimeClaims::default();
    assert_eq!(earliest(&claims, 0), None);
    claims.add(base(-50), at(0));
    claims.add(base(900), at(10));
    assert_eq!(earliest(&claims, 3_599), Some(-50));
    assert_eq!(earliest(&claims, 3_600), Some(900));
    assert_eq!(earliest(&claims, 3_610), None);
    claims.add(base(-50), at(4_000));
    claims.add(base(-50), at(7_000));
    assert_eq!(earliest(&claims, 10_599), Some(-50), "heard again");
    assert_eq!(earliest(&claims, 10_600), None);
}

proptest! {
    /// Whatever is claimed: it takes little room, and nothing that counts is forgotten.
    #[test]
    fn the_earliest_is_never_later_than_any_that_counts(
        heard in prop::collection::vec((-500_000_i64..500_000, 0_i64..900), 1..60), after in 0_i64..5_000,
    ) {
        let (mut claims, mut now, mut all) = (TimeClaims::default(), 0, Vec::new());
        for (second, pause) in heard {
            now += pause;
            claims.add(base(second), at(now));
            all.push((second, now));
            prop_assert!(claims.kept.len() <= MOST);
            let counting = all.iter().filter(|(_, heard)| now - heard < 3_600).map(|(second, _)| *second).min();
            prop_assert!(earliest(&claims, now) <= counting);
        }
        // And none counts for longer than an hour after the last.
        prop_assert_eq!(earliest(&claims, now + 3_600 + after), None);
        let counting = all.iter().filter(|(_, heard)| now + after - heard < 3_600).map(|(second, _)| *second).min();
        prop_assert!(counting.is_none() || earliest(&claims, now + after) <= counting);
    }
}
