//! What a read of a form is to show, and what it showed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::form_probe::ShownSubmissions;
use crate::domain::contact::Contact;
use crate::ports::crm::Unreadable;
use crate::ports::ledger::StreamId;

/// What one read of a form showed.
#[derive(Default)]
pub(super) struct FormFindings {
    pub(super) newest: Option<Timestamp>,
    /// The latest time its last page can tell of.
    pub(super) latest: Timestamp,
    pub(super) whose: ShownSubmissions,
    pub(super) new: BTreeMap<StreamId, usize>,
}

/// How much of the forms a pass reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FormReadDepth {
    /// All that could still be sent: events joined, or nothing was read for long.
    Whole,
    News,
    Late,
}

/// One read of a form.
#[derive(Clone, Copy)]
pub(super) struct FormRead {
    pub(super) depth: FormReadDepth,
    /// An event joined: what was noted before was not noted for it.
    pub(super) joined: bool,
}

/// Contacts found by the addresses of submissions.
#[derive(Default)]
pub(super) struct FoundContacts {
    pub(super) contacts: HashMap<String, Arc<Contact>>,
    pub(super) unreadable: Unreadable<String>,
}

/// How a submission's contact was looked for.
pub(super) struct ContactLook {
    pub(super) asked: Timestamp,
    /// There is one, or may be, and it can't be read.
    pub(super) unreadable: bool,
    /// For an event that joins.
    pub(super) joined: bool,
}
