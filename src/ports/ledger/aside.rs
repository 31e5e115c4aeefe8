//! Contacts that a feed reads again.

use jiff::Timestamp;

use crate::domain::ids::ContactId;
use crate::domain::shown_state::ShownState;

/// A contact that the feed has put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideContact {
    pub id: ContactId,
    /// What searches showed of it: a read that shows less is older.
    pub shown: ShownState,
    /// Since when reads of it are behind this state.
    pub behind_since: Option<Timestamp>,
}
