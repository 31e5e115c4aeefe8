//! What takes two reads that agree: one answer of HubSpot's may be odd, and what follows from it is for good. Of a
//! contact, that it leaves a row out (no consent, no click id, no shared data, a click outside the window), or that it
//! has given consent; of its deals, that the event's default value stands. In memory only: a process that begins reads
//! such contacts once more than it would have to.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::domain::backoff::backoff;
use crate::domain::eligibility::SuspectedSkip;
use crate::domain::time::later;
use crate::ports::ledger::{Row, RowId};

/// What one read says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is not to be sent.
    LeftOut(SuspectedSkip),
    /// Its contact has given consent, and it is to be sent.
    ConsentGranted,
    /// There are deals, and none of them gives it a value.
    DefaultValue,
}

/// What a finding is about. Of each a row has a place of its own: what
/// one read says of deals does not gainsay what it said of the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum FindingTopic {
    Contact,
    Deals,
}

impl Finding {
    const fn topic(self) -> FindingTopic {
        match self {
            Self::LeftOut(_) | Self::ConsentGranted => FindingTopic::Contact,
            Self::DefaultValue => FindingTopic::Deals,
        }
    }
}

/// Most rows that wait for their second read; the first read of others counts only once there is room.
const MAX_ROWS: usize = 20_000;
/// What nobody came back to for so long may go where there is no room.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// What a row without room counts as, so that it does not come back at once.
const NO_ROOM: u32 = 4;

struct Seen {
    /// What that read said.
    finding: Finding,
    /// When it was asked for.
    read: Timestamp,
    /// How many reads before it have said something else.
    others: u32,
}

/// What the last read has said of each row.
#[derive(Default)]
pub(crate) struct SecondLooks(Mutex<HashMap<(RowId, FindingTopic), Seen>>);

/// Whether something may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// Two reads agree.
    Agreed,
    /// Another one is needed, after a pause that grows with this number.
    Again(u32),
}

impl SecondLooks {
    /// `None` if this read of a row says the same as an earlier one did; else when to read again: not before what was
    /// read is too old to be used (`interval`), and at most `longest` later where reads differ.
    pub(crate) fn look_again(
        &self,
        row: &Row,
        (finding, read): (Finding, Timestamp),
        (interval, longest): (SignedDuration, SignedDuration),
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.forget_future(row.id, finding.topic(), now);
        match self.take_look(row.id, finding, read) {
            Agreement::Agreed => None,
            Agreement::Again(others) => {
                let pause = backoff(others, longest, row.contact.0).max(interval);
                Some(later(now, pause))
            }
        }
    }

    /// A read of a time that has not come was noted by a clock that was ahead: every other would be older.
    fn forget_future(&self, row: RowId, topic: FindingTopic, now: Timestamp) {
        let mut rows = self.0.lock();
        if rows.get(&(row, topic)).is_some_and(|seen| seen.read > now) {
            rows.remove(&(row, topic));
        }
    }

    /// Takes what a read of this time says of the row.
    fn take_look(&self, row: RowId, finding: Finding, read: Timestamp) -> Agreement {
        let mut rows = self.0.lock();
        let place = (row, finding.topic());
        if let Some(seen) = rows.get_mut(&place) {
            if read <= seen.read {
                return Agreement::Again(seen.others);
            }
            if seen.finding == finding {
                rows.remove(&place);
                return Agreement::Agreed;
            }
            let others = seen.others.saturating_add(1);
            *seen = Seen { finding, read, others };
            return Agreement::Again(others);
        }
        if rows.len() >= MAX_ROWS {
            rows.retain(|_, seen| read.duration_since(seen.read) <= KEPT);
        }
        if rows.len() >= MAX_ROWS {
            return Agreement::Again(NO_ROOM);
        }
        let seen = Seen {
            finding,
            read,
            others: 0,
        };
        rows.insert(place, seen);
        Agreement::Again(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::outcome::reason;
    use crate::ports::test_support::at;

    /// By a click of this second; 0: there is none.
    fn why(click: i64) -> Finding {
        let (reason, click) = match click {
            0 => (reason::NO_CLICK_ID, None),
            click => (reason::OUTSIDE_CLICK_WINDOW, Some(at(click))),
        };
        Finding::LeftOut(SuspectedSkip { reason, click })
    }

    #[rstest::rstest]
    #[case::never_at_once(&[(5, 1)], &[Agreement::Again(0)])]
    #[case::two_that_agree(&[(5, 1), (5, 2)], &[Agreement::Again(0), Agreement::Agreed])]
    #[case::the_same_read_twice(&[(5, 1), (5, 1), (5, 2)], &[Agreement::Again(0), Agreement::Again(0), Agreement::Agreed])]
    #[case::an_older_one(&[(5, 2), (5, 1)], &[Agreement::Again(0), Agreement::Again(0)])]
    #[case::an_odd_one_first(&[(0, 1), (5, 2), (5, 3)], &[Agreement::Again(0), Agreement::Again(1), Agreement::Agreed])]
    #[case::an_odd_one_between(&[(5, 1), (0, 2), (5, 3)], &[Agreement::Again(0), Agreement::Again(1), Agreement::Again(2)])]
    #[case::two_without_a_click(&[(0, 1), (0, 2)], &[Agreement::Again(0), Agreement::Agreed])]
    #[case::once_more_later(&[(5, 1), (5, 2), (5, 3)], &[Agreement::Again(0), Agreement::Agreed, Agreement::Again(0)])]
    fn it_takes_two_reads_that_agree(#[case] reads: &[(i64, i64)], #[case] wanted: &[Agreement]) {
        let seen = SecondLooks::default();
        let looks = reads
            .iter()
            .map(|(click, read)| seen.take_look(RowId(1), why(*click), at(*read)));
        assert_eq!(looks.collect::<Vec<_>>(), wanted);
    }

    /// As a row is decided: a granted consent is looked at first, then that no deal gives a value.
    #[test]
    fn consent_and_deals_of_one_row_are_both_settled() {
        let seen = SecondLooks::default();
        let is_sent = |read| {
            let of = |finding| seen.take_look(RowId(1), finding, at(read)) == Agreement::Agreed;
            of(Finding::ConsentGranted) && of(Finding::DefaultValue)
        };
        let sent: Vec<i64> = (1..=8).filter(|read| is_sent(*read)).collect();
        assert_eq!(sent, [4, 8]);
    }

    #[test]
    fn those_with_room_go_on_and_make_room() {
        let seen = SecondLooks::default();
        let rows = i64::try_from(MAX_ROWS).unwrap();
        for row in 0..rows {
            assert_eq!(seen.take_look(RowId(row), why(5), at(1)), Agreement::Again(0));
        }
        assert_eq!(seen.take_look(RowId(rows), why(5), at(1)), Agreement::Again(NO_ROOM));
        assert_eq!(seen.take_look(RowId(7), why(5), at(2)), Agreement::Agreed);
        assert_eq!(seen.take_look(RowId(rows), why(5), at(2)), Agreement::Again(0));
        // Rows that never came back.
        assert_eq!(seen.take_look(RowId(-1), why(5), at(3603)), Agreement::Again(0));
    }
}
