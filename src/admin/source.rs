//! What the listener answers from.

use std::sync::Arc;

use parking_lot::RwLock;

use super::answer::AdminRefusal;
use super::objects::EventStores;
use crate::domain::eligibility::EntryWaits;
use crate::domain::enhancement::SubmissionWaits;
use crate::ports::Clock;
use crate::ports::ledger::view::LedgerView;
use crate::registry::Registry;

/// What a process that works answers from.
pub struct Source {
    pub objects: EventStores,
    pub registry: Registry,
    pub ledger: Arc<dyn LedgerView>,
    pub clock: Arc<dyn Clock>,
    /// The waits that conversions of lifecycle stages have.
    pub entry_waits: EntryWaits,
    /// The waits of form submissions.
    pub submission_waits: SubmissionWaits,
}

/// What the listener answers from, while this process works; before and after that it says who stands by.
#[derive(Clone, Default)]
pub struct Admin {
    source: Arc<RwLock<Option<Arc<Source>>>>,
}

impl Admin {
    /// From now on questions are answered from this.
    pub fn open(&self, source: Source) {
        *self.source.write() = Some(Arc::new(source));
    }

    /// From now on no question is answered.
    pub fn close(&self) {
        *self.source.write() = None;
    }

    /// What this process answers from.
    pub(super) fn source(&self) -> Result<Arc<Source>, AdminRefusal> {
        self.source.read().clone().ok_or(AdminRefusal::StandsBy)
    }
}
