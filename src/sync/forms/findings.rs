//! What a read of a form is to show, and what it showed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::form_probe::ShownSubmissions;
use crate::domain::contact::Contact;
use crate::ports::crm::{Submission, Unreadable};
use crate::ports::ledger::StreamId;
use crate::registry::sync_error::SyncError;
use crate::sync::feed::pass::Pass;

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
    /// What was submitted since the last read.
    News,
    /// What may have become visible late (`--overlap`).
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
    /// Addresses that no contact has, by this answer.
    pub(super) nobodys: BTreeSet<String>,
}

impl FoundContacts {
    /// Whether somebody has the submission's address; `None`: it has none, or the answer does not tell.
    pub(super) fn is_somebodys(&self, submission: &Submission) -> Option<bool> {
        let email = submission.email.as_ref()?;
        let found = self.contacts.contains_key(email) || self.unreadable.contains_key(email);
        (found || self.nobodys.contains(email)).then_some(found)
    }
}

/// What the rows of one page of submissions have in common.
#[derive(Clone, Copy)]
pub(super) struct NotedPage<'a> {
    pub(super) pass: &'a Pass,
    pub(super) whose: &'a FoundContacts,
    /// When the page is noted.
    pub(super) now: Timestamp,
}

/// What one pass over all forms came to so far.
pub(super) struct FormsRead {
    /// What failed, but for what is the matter of single forms.
    pub(super) faults: Vec<SyncError>,
    pub(super) of_forms: Vec<SyncError>,
    /// Every form was read to its end.
    pub(super) whole: bool,
    /// Some form, or a stage, could be read.
    pub(super) any: bool,
    pub(super) whose: ShownSubmissions,
}

impl FormsRead {
    /// Nothing was read yet; `others`: stages were.
    pub(super) fn new(others: bool) -> Self {
        Self {
            faults: Vec::new(),
            of_forms: Vec::new(),
            whole: true,
            any: others,
            whose: ShownSubmissions::default(),
        }
    }

    /// What the pass failed with: what is the matter of single forms only if nothing could be read.
    pub(super) fn into_faults(mut self) -> Vec<SyncError> {
        if !self.any {
            self.faults.append(&mut self.of_forms);
        }
        self.faults
    }
}
