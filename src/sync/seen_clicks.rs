//! Clicks that leave a conversion out of its click window, as one read of the contact shows them.
//!
//! To skip is for good, and one answer of HubSpot's may be odd: so it takes a second read that shows the same click time. In
//! memory only: a process that begins reads such contacts once more than it would have to.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::domain::backoff::backoff;
use crate::domain::eligibility::Decision;
use crate::domain::outcome::reason;
use crate::ports::ledger::{Row, RowId};

/// So many rows wait for their second read at a time; others wait for their first to count until there is room.
const MAX_ROWS: usize = 20_000;
/// What nobody came back to for so long may go where there is no room.
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// What a row without room counts as, so that it does not come back at once.
const NO_ROOM: u32 = 4;

struct Seen {
    /// When the click was, by that read.
    click: Timestamp,
    /// When the contact was asked for.
    read: Timestamp,
    /// How many reads before it have shown another time.
    others: u32,
}

/// What the last read of each row's contact has shown.
#[derive(Default)]
pub(crate) struct SeenClicks(Mutex<HashMap<RowId, Seen>>);

/// Whether a row may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Two reads agree.
    Agreed,
    /// Another one is needed, after a pause that grows with this number.
    Again(u32),
}

impl SeenClicks {
    /// Leaves a row out for its click window once two reads of its contact agree on the click. Until then it waits, at least
    /// for so long (`interval`) that what was read for this decision is read again, at most `longest` where reads differ.
    pub(crate) fn leave_out(
        &self,
        row: &Row,
        (click, read): (Timestamp, Timestamp),
        (interval, longest): (SignedDuration, SignedDuration),
        now: Timestamp,
    ) -> Decision {
        match self.take_look(row.id, click, read) {
            Look::Agreed => Decision::Skip {
                reason: reason::OUTSIDE_CLICK_WINDOW,
            },
            Look::Again(others) => {
                let pause = backoff(others, longest, row.contact.0).max(interval);
                Decision::Wait {
                    reason: reason::NOT_DUE,
                    due: now.saturating_add(pause).unwrap_or(Timestamp::MAX),
                }
            }
        }
    }

    /// Takes what a read of this time shows of the row's click.
    fn take_look(&self, row: RowId, click: Timestamp, read: Timestamp) -> Look {
        let mut rows = self.0.lock();
        if let Some(seen) = rows.get_mut(&row) {
            if read <= seen.read {
                return Look::Again(seen.others);
            }
            if seen.click == click {
                rows.remove(&row);
                return Look::Agreed;
            }
            let others = seen.others.saturating_add(1);
            *seen = Seen { click, read, others };
            return Look::Again(others);
        }
        if rows.len() >= MAX_ROWS {
            rows.retain(|_, seen| read.duration_since(seen.read) <= KEPT);
        }
        if rows.len() >= MAX_ROWS {
            return Look::Again(NO_ROOM);
        }
        let seen = Seen { click, read, others: 0 };
        rows.insert(row, seen);
        Look::Again(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[rstest::rstest]
    #[case::never_at_once(&[(5, 1)], &[Look::Again(0)])]
    #[case::two_that_agree(&[(5, 1), (5, 2)], &[Look::Again(0), Look::Agreed])]
    #[case::the_same_read_twice(&[(5, 1), (5, 1), (5, 2)], &[Look::Again(0), Look::Again(0), Look::Agreed])]
    #[case::an_older_one(&[(5, 2), (5, 1)], &[Look::Again(0), Look::Again(0)])]
    #[case::an_odd_one_first(&[(0, 1), (5, 2), (5, 3)], &[Look::Again(0), Look::Again(1), Look::Agreed])]
    #[case::an_odd_one_between(&[(5, 1), (0, 2), (5, 3)], &[Look::Again(0), Look::Again(1), Look::Again(2)])]
    #[case::once_more_later(&[(5, 1), (5, 2), (5, 3)], &[Look::Again(0), Look::Agreed, Look::Again(0)])]
    fn it_takes_two_reads_that_agree(#[case] reads: &[(i64, i64)], #[case] wanted: &[Look]) {
        let seen = SeenClicks::default();
        let looks = reads
            .iter()
            .map(|(click, read)| seen.take_look(RowId(1), at(*click), at(*read)));
        assert_eq!(looks.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn those_with_room_go_on_and_make_room() {
        let seen = SeenClicks::default();
        let rows = i64::try_from(MAX_ROWS).unwrap();
        for row in 0..rows {
            assert_eq!(seen.take_look(RowId(row), at(5), at(1)), Look::Again(0));
        }
        assert_eq!(seen.take_look(RowId(rows), at(5), at(1)), Look::Again(NO_ROOM));
        assert_eq!(seen.take_look(RowId(7), at(5), at(2)), Look::Agreed);
        assert_eq!(seen.take_look(RowId(rows), at(5), at(2)), Look::Again(0));
        // Rows that never came back.
        assert_eq!(seen.take_look(RowId(-1), at(5), at(3603)), Look::Again(0));
    }
}
