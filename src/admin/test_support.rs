//! A source of answers for tests.

use std::sync::Arc;

use jiff::SignedDuration;

use super::objects::EventStores;
use super::source::Source;
use crate::domain::eligibility::EntryWaits;
use crate::domain::enhancement::SubmissionWaits;
use crate::ports::ledger::view::LedgerView;
use crate::ports::test_support::FixedClock;
use crate::registry::Registry;

/// What answers from these events and this ledger.
pub(super) fn source_of(objects: EventStores, ledger: Arc<dyn LedgerView>) -> Source {
    let minute = SignedDuration::from_mins(1);
    Source {
        objects,
        registry: Registry::new().0,
        ledger,
        clock: FixedClock::new(),
        entry_waits: EntryWaits {
            settle: minute,
            click_grace: minute,
            too_recent: minute,
            window: minute,
        },
        submission_waits: SubmissionWaits {
            settle: minute,
            grace: minute,
            deadline: minute,
            pause: minute,
        },
    }
}
