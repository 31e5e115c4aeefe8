//! The click window of a conversion action, as the last two reads of it have it.
//!
//! A conversion outside the window is skipped for good, and one answer of Google's may be odd. So it takes two reads to leave
//! a conversion out, and one to let it go: what lies outside for one of them only waits for the next read.

use jiff::{SignedDuration, Timestamp};

use super::action::ConversionAction;
use super::ids::ActionId;

/// Google's hard limit between click and conversion, whatever the action's window (docs/reference/google.md 4.6).
const MAX_WINDOW_DAYS: i64 = 90;

/// The click window of an action: one that is certain, and a wider one that may be right as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickWindow {
    /// Days, as the last read has it.
    last: i64,
    /// Days: the wider one of the last two reads.
    widest: i64,
}

/// Where a conversion lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPlace {
    Inside,
    /// Outside by the last read, but not by the one before.
    Unsure,
    /// Outside by both.
    Outside,
}

impl ClickWindow {
    /// Of an action that no read has shown.
    pub const UNKNOWN: Self = Self {
        last: MAX_WINDOW_DAYS,
        widest: MAX_WINDOW_DAYS,
    };

    /// The window of this action by the last read of the account's actions and the one before it, if there was one.
    pub fn of_action(id: ActionId, last: &[ConversionAction], before: Option<&[ConversionAction]>) -> Self {
        let days = |actions: &[ConversionAction]| {
            let action = actions.iter().find(|action| action.id == id);
            possible_days(action.and_then(|action| action.click_window_days))
        };
        Self::from_reads(days(last), before.map_or(MAX_WINDOW_DAYS, days))
    }

    pub(crate) fn from_reads(last: i64, before: i64) -> Self {
        Self {
            last,
            widest: last.max(before),
        }
    }

    /// Its days, as the last read has it.
    pub const fn last_days(self) -> i64 {
        self.last
    }

    /// Where a conversion lies that came so long after its click.
    pub fn place_of(self, click: Timestamp, conversion: Timestamp) -> WindowPlace {
        let took = conversion.duration_since(click);
        let within = |days: i64| took <= SignedDuration::from_hours(24 * days);
        if within(self.last) {
            WindowPlace::Inside
        } else if within(self.widest) {
            WindowPlace::Unsure
        } else {
            WindowPlace::Outside
        }
    }
}

/// A window that is impossible is ignored, as is one that is not told.
fn possible_days(days: Option<i64>) -> i64 {
    days.filter(|days| (1..=MAX_WINDOW_DAYS).contains(days))
        .unwrap_or(MAX_WINDOW_DAYS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const DAY: i64 = 86_400;

    /// Places of conversions `took` days after their clicks, once these windows were read, oldest first.
    fn places(reads: &[Option<i64>], took: i64) -> WindowPlace {
        let days = |n: usize| reads.len().checked_sub(n).map(|at| possible_days(reads[at]));
        let last = days(1).unwrap_or(MAX_WINDOW_DAYS);
        let window = ClickWindow::from_reads(last, days(2).unwrap_or(MAX_WINDOW_DAYS));
        let at = |seconds| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        window.place_of(at(0), at(took * DAY))
    }

    #[rstest]
    #[case::never_read(&[], 90, WindowPlace::Inside)]
    #[case::beyond_what_google_takes(&[], 91, WindowPlace::Outside)]
    #[case::first_read_inside(&[Some(30)], 30, WindowPlace::Inside)]
    #[case::first_read_outside(&[Some(30)], 31, WindowPlace::Unsure)]
    #[case::second_read_agrees(&[Some(30), Some(30)], 31, WindowPlace::Outside)]
    #[case::one_odd_read_inside(&[Some(30), Some(1)], 1, WindowPlace::Inside)]
    #[case::one_odd_read_between(&[Some(30), Some(1)], 20, WindowPlace::Unsure)]
    #[case::one_odd_read_outside_both(&[Some(30), Some(1)], 31, WindowPlace::Outside)]
    #[case::after_the_odd_read(&[Some(30), Some(1), Some(30)], 20, WindowPlace::Inside)]
    #[case::it_was_not_odd(&[Some(30), Some(1), Some(1)], 20, WindowPlace::Outside)]
    #[case::both_leave_it_out(&[Some(30), Some(10), Some(1)], 20, WindowPlace::Outside)]
    #[case::wider_counts_at_once(&[Some(30), Some(90)], 60, WindowPlace::Inside)]
    #[case::impossible(&[Some(30), Some(0)], 60, WindowPlace::Inside)]
    #[case::not_told(&[Some(30), None], 60, WindowPlace::Inside)]
    #[case::not_told_before(&[None, Some(30)], 60, WindowPlace::Unsure)]
    fn it_takes_two_reads_to_leave_a_conversion_out(
        #[case] reads: &[Option<i64>],
        #[case] took: i64,
        #[case] wanted: WindowPlace,
    ) {
        assert_eq!(places(reads, took), wanted);
    }

    #[test]
    fn a_window_that_none_can_be_says_nothing() {
        for odd in [i64::MIN, -1, 0, 91, i64::MAX] {
            assert_eq!(possible_days(Some(odd)), 90, "{odd}");
        }
        assert_eq!(possible_days(Some(1)), 1);
    }

    proptest! {
        /// Whatever a single read says between true ones, it leaves nothing out and lets nothing go by itself for good.
        #[test]
        fn no_single_odd_read_leaves_a_conversion_out(
            window in 1_i64..=90, odd in proptest::option::of(-5_i64..200), at in 0_usize..6, took in 0_i64..=90,
        ) {
            let mut reads = [Some(window); 6];
            reads[at] = odd;
            for seen in 1..=reads.len() {
                let place = places(&reads[..seen], took);
                prop_assert!(took > window || place != WindowPlace::Outside, "{:?}", &reads[..seen]);
            }
        }
    }
}
