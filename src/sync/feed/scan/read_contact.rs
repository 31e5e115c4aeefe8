//! A contact as the feed has read it, and which of its entries are noted now.

use jiff::Timestamp;

use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::sync::contact_cache::ContactSnapshot;
use crate::sync::feed::verdict::Verdict;

/// A contact as it was read.
pub(super) struct ReadContact {
    pub(super) read: ContactSnapshot,
    /// All of it can be read, and it is as new as what searches showed.
    pub(super) is_current: bool,
    pub(super) verdict: Verdict,
    /// All ids of its lineage, sorted.
    pub(super) lineage: Vec<ContactId>,
}

impl ReadContact {
    pub(super) fn contact(&self) -> &Contact {
        &self.read.contact
    }

    /// True if this entry is noted now.
    pub(super) fn counts(&self, stage: &str, entry: Timestamp) -> bool {
        self.verdict.counts(self.contact(), stage, entry)
    }
}
