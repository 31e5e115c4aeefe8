//! Reads of contacts that fail and show nobody. One contact that can't be read waits by itself. Where reads fail and
//! none has shown anybody for long, that concerns all contacts, and is worth reporting.

use jiff::{SignedDuration, Timestamp};

/// The reason given for contacts that answers leave out, or report as not found.
pub const NONE_SHOWN: &str = "its answers show none of them";

/// Since when reads fail and show nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FruitlessReads(Option<FruitlessSpan>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct FruitlessSpan {
    since: Timestamp,
    /// When the last one failed, and why.
    last: Timestamp,
    why: String,
}

impl FruitlessReads {
    /// A read showed somebody.
    pub fn record_shown(&mut self) {
        self.0 = None;
    }

    /// A read failed for this reason, and showed nobody.
    pub fn record_failure(&mut self, why: &str, now: Timestamp) {
        self.0 = Some(FruitlessSpan {
            since: self.0.take().map_or(now, |before| before.since.min(now)),
            last: now,
            why: why.to_owned(),
        });
    }

    /// True since a read failed and showed nobody.
    pub const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// No contact is left that can't be read.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// What to report once they have failed for as long as `threshold`; `how` is the kind of the reads (`by id`). A
    /// single failed read reports nothing, however long ago it was: the next read asks for somebody else too.
    pub fn describe(&self, how: &str, threshold: SignedDuration) -> Option<String> {
        let FruitlessSpan { since, last, why } = self.0.as_ref()?;
        let is_long = last.duration_since(*since) >= threshold;
        is_long
            .then(|| format!("HubSpot has shown no contact {how} since {since:.0}, and reads of contacts fail: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::test_support::at;

    const LONG: SignedDuration = SignedDuration::from_secs(60);

    /// What reads have brought at these seconds (shown somebody, failed), and whether it is said at the end.
    #[rstest::rstest]
    #[case::nothing_was_read(&[], false)]
    #[case::one(&[(0, false, true)], false)]
    #[case::for_a_moment(&[(0, false, true), (59, false, true)], false)]
    #[case::for_long(&[(0, false, true), (30, false, true), (60, false, true)], true)]
    #[case::another_is_shown(&[(0, false, true), (30, true, true), (60, false, true)], false)]
    #[case::for_long_again(&[(0, true, true), (30, false, true), (90, false, true)], true)]
    #[case::nobody_is_there(&[(0, false, false), (90, false, false)], false)]
    #[case::healed(&[(0, false, true), (60, false, true), (61, true, false)], false)]
    fn reads_that_show_nobody_for_long_are_reported(#[case] reads: &[(i64, bool, bool)], #[case] told: bool) {
        let mut fruitless = FruitlessReads::default();
        for (second, shows, fails) in reads {
            if *shows {
                fruitless.record_shown();
            } else if *fails {
                fruitless.record_failure("HTTP 500", at(*second));
            }
        }
        let last = reads.last().is_some_and(|(_, shows, fails)| *fails && !*shows);
        assert_eq!(fruitless.is_running(), last);
        let said = fruitless.describe("by id", LONG);
        assert_eq!(said.is_some(), told, "{said:?}");
        assert!(said.is_none_or(|said| said.ends_with("HTTP 500")));
        fruitless.forget();
        assert_eq!(fruitless, FruitlessReads::default());
    }
}
