//! A contact as the feed has read it, and which of its entries may be noted.

use jiff::Timestamp;

use crate::domain::contact::Contact;
use crate::domain::ids::ContactId;
use crate::domain::shown_state::ShownState;
use crate::sync::contact_cache::ContactSnapshot;

/// A contact as it was read.
pub(super) struct ReadContact {
    pub(super) read: ContactSnapshot,
    /// All of it can be read, and it is as new as what searches showed.
    pub(super) is_current: bool,
    /// Its entries may be noted.
    pub(super) counts: bool,
    /// But for these.
    pub(super) doubts: Option<Doubt>,
    /// All ids of its lineage, sorted.
    pub(super) lineage: Vec<ContactId>,
}

/// Entries of a read that are not to be noted yet.
pub(super) enum Doubt {
    /// All of them: nobody knows whose they are.
    All,
    /// Those that the searches have not shown, which have shown this.
    Unconfirmed(ShownState),
}

impl ReadContact {
    pub(super) fn contact(&self) -> &Contact {
        &self.read.contact
    }

    /// True if this entry is not to be noted yet.
    pub(super) fn doubts(&self, stage: &str, entry: Timestamp) -> bool {
        match &self.doubts {
            Some(Doubt::All) => true,
            Some(Doubt::Unconfirmed(state)) => state.is_unconfirmed(self.contact(), stage, entry),
            None => false,
        }
    }
}
