//! Reads of contacts that show nobody. One contact that can't be read waits by itself; where reads fail and none has shown anybody for
//! long, that is a matter of all.

use jiff::{SignedDuration, Timestamp};

/// Why contacts can't be read whom answers leave out, or call not found.
pub const NONE_SHOWN: &str = "its answers show none of them";

/// Since when reads fail and show nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VainReads(Option<InVain>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct InVain {
    since: Timestamp,
    /// When the last one failed, and why.
    last: Timestamp,
    why: String,
}

impl VainReads {
    /// Contacts were read: whether anybody was shown, and why one of them can't be read, if so.
    pub fn note(&mut self, shows: bool, failure: Option<&str>, now: Timestamp) {
        if shows {
            self.0 = None;
        } else if let Some(why) = failure {
            self.0 = Some(InVain {
                since: self.0.take().map_or(now, |before| before.since.min(now)),
                last: now,
                why: why.to_owned(),
            });
        }
    }

    /// True since a read failed and showed nobody.
    pub const fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Nobody is left who can't be read.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// What to say once they have failed over so long a time, of reads that ask so (`by id`). One that failed alone says nothing,
    /// however long ago: somebody else is asked for beside the next one.
    pub fn describe(&self, how: &str, threshold: SignedDuration) -> Option<String> {
        let InVain { since, last, why } = self.0.as_ref()?;
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
    fn reads_that_show_nobody_for_long_are_told(#[case] reads: &[(i64, bool, bool)], #[case] told: bool) {
        let mut vain = VainReads::default();
        for (second, shows, fails) in reads {
            vain.note(*shows, fails.then_some("HTTP 500"), at(*second));
        }
        let last = reads.last().is_some_and(|(_, shows, fails)| *fails && !*shows);
        assert_eq!(vain.is_running(), last);
        let said = vain.describe("by id", LONG);
        assert_eq!(said.is_some(), told, "{said:?}");
        assert!(said.is_none_or(|said| said.ends_with("HTTP 500")));
        vain.forget();
        assert_eq!(vain, VainReads::default());
    }
}
