//! The click window of a conversion action, as the last two reads of it have it.
//!
//! A conversion outside the window is skipped for good; if it is sent all the same, Google rejects it for good; and a
//! single answer of Google's may be odd. So it takes two reads to leave a conversion out. A conversion that only one of
//! the two leaves out waits for the next read. Nothing is sent before a read has shown a window.

use jiff::{SignedDuration, Timestamp};

use super::action::ConversionAction;
use super::ids::ActionId;

/// Google's hard limit between click and conversion, whatever the action's window (docs/reference/google.md 4.6).
const MAX_WINDOW_DAYS: i64 = 90;

/// The click window of an action: one that is certain, and a wider one that may be right as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickWindow {
    /// Days, by the last read that showed any.
    last: i64,
    /// Days: the widest of the last two reads and of what is declared.
    widest: i64,
}

/// What one read of the account's actions shows of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShownWindow {
    /// It is not there, or nothing was read.
    Nothing,
    /// It is there, without a window or with an impossible one.
    NoWindow,
    Days(i64),
}

/// Where a conversion lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPlace {
    Inside,
    /// Outside by the last read, but not by the one before, or by what is declared.
    Unsure,
    /// Outside by all.
    Outside,
}

impl ClickWindow {
    /// The widest that Google has. It is assumed for an action that two reads in a row show without a window.
    pub const WIDEST: Self = Self {
        last: MAX_WINDOW_DAYS,
        widest: MAX_WINDOW_DAYS,
    };

    /// The window of this action by the last read of the account's actions and the one before it, if there was one.
    /// `None` while it is not known: Google's lists may lag behind a create.
    pub fn of_action(id: ActionId, last: &[ConversionAction], before: Option<&[ConversionAction]>) -> Option<Self> {
        let shown = |actions: &[ConversionAction]| {
            let action = actions.iter().find(|action| action.id == id);
            action.map_or(ShownWindow::Nothing, |action| {
                ShownWindow::from_days(action.click_window_days)
            })
        };
        Self::from_reads(shown(last), before.map_or(ShownWindow::Nothing, shown))
    }

    /// From what the last read and the one before it show.
    fn from_reads(last: ShownWindow, before: ShownWindow) -> Option<Self> {
        match (last, before) {
            (ShownWindow::Days(last), ShownWindow::Days(before)) => Some(Self {
                last,
                widest: before.max(last),
            }),
            (ShownWindow::Days(last), _) | (_, ShownWindow::Days(last)) => Some(Self { last, ..Self::WIDEST }),
            (ShownWindow::NoWindow, ShownWindow::NoWindow) => Some(Self::WIDEST),
            _ => None,
        }
    }

    /// This window for an event that declares so many days: a conversion that only the declared days let in waits until
    /// the action has them.
    #[must_use]
    pub fn with_declared(self, days: Option<i64>) -> Self {
        let widest = days.map_or(self.widest, |days| self.widest.max(days.min(MAX_WINDOW_DAYS)));
        Self { widest, ..self }
    }

    /// As two reads show it.
    #[cfg(test)]
    pub(crate) fn of_days(last: i64, before: i64) -> Option<Self> {
        Self::from_reads(ShownWindow::Days(last), ShownWindow::Days(before))
    }

    /// Its days, by the last read that showed any.
    pub const fn last_days(self) -> i64 {
        self.last
    }

    /// Where a conversion lies, by the time between its click and itself.
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

impl ShownWindow {
    /// What a read shows of an action that is there. An impossible window counts as none.
    fn from_days(days: Option<i64>) -> Self {
        days.filter(|days| (1..=MAX_WINDOW_DAYS).contains(days))
            .map_or(Self::NoWindow, Self::Days)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const DAY: i64 = 86_400;

    /// The window, once these were read, oldest first.
    fn window_after(reads: &[Option<i64>]) -> Option<ClickWindow> {
        let shown = |n: usize| {
            let at = reads.len().checked_sub(n);
            at.map_or(ShownWindow::Nothing, |at| ShownWindow::from_days(reads[at]))
        };
        ClickWindow::from_reads(shown(1), shown(2))
    }

    /// Places of conversions `took` days after their clicks, once these windows were read, oldest first.
    fn places(reads: &[Option<i64>], took: i64) -> Option<WindowPlace> {
        let at = |seconds| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        Some(window_after(reads)?.place_of(at(0), at(took * DAY)))
    }

    #[rstest]
    #[case::beyond_what_google_takes(&[None, None], 91, WindowPlace::Outside)]
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
    #[case::impossible(&[Some(30), Some(0)], 60, WindowPlace::Unsure)]
    #[case::impossible_inside(&[Some(30), Some(0)], 30, WindowPlace::Inside)]
    #[case::not_told(&[Some(30), None], 60, WindowPlace::Unsure)]
    #[case::not_told_twice(&[Some(30), None, None], 60, WindowPlace::Inside)]
    #[case::not_told_before(&[None, Some(30)], 60, WindowPlace::Unsure)]
    fn it_takes_two_reads_to_leave_a_conversion_out(
        #[case] reads: &[Option<i64>],
        #[case] took: i64,
        #[case] wanted: WindowPlace,
    ) {
        assert_eq!(places(reads, took), Some(wanted));
    }

    #[test]
    fn a_window_that_no_read_has_shown_is_not_known() {
        assert_eq!(window_after(&[]), None, "a new action that is not listed yet");
        for odd in [None, Some(i64::MIN), Some(-1), Some(0), Some(91), Some(i64::MAX)] {
            assert_eq!(window_after(&[odd]), None, "{odd:?}");
            assert_eq!(window_after(&[odd, odd]), Some(ClickWindow::WIDEST), "{odd:?}");
            let before = ShownWindow::from_days(odd);
            assert_eq!(
                ClickWindow::from_reads(ShownWindow::Nothing, before),
                None,
                "then not shown"
            );
        }
        assert!(window_after(&[Some(1)]).is_some());
        let shown_before = ClickWindow::from_reads(ShownWindow::Nothing, ShownWindow::Days(30));
        assert!(shown_before.is_some(), "not shown once");
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
                prop_assert!(took > window || place != Some(WindowPlace::Outside), "{:?}", &reads[..seen]);
            }
        }
    }

    #[rstest]
    #[case::not_declared(None, WindowPlace::Outside)]
    #[case::a_narrower_one(Some(1), WindowPlace::Outside)]
    #[case::a_wider_one(Some(30), WindowPlace::Unsure)]
    #[case::beyond_googles_limit(Some(900), WindowPlace::Unsure)]
    fn what_the_declared_window_lets_in_waits(#[case] declared: Option<i64>, #[case] wanted: WindowPlace) {
        let window = ClickWindow::of_days(2, 2).unwrap().with_declared(declared);
        let at = |day: i64| Timestamp::from_second(1_790_000_000 + day * DAY).unwrap();
        assert_eq!(window.place_of(at(0), at(9)), wanted);
        assert_eq!(window.place_of(at(0), at(1)), WindowPlace::Inside);
        assert_eq!(window.place_of(at(0), at(91)), WindowPlace::Outside);
    }
}
