//! What submissions told of their pages. Lives in memory only: the ledger holds no click ids.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::ids::{OccurrenceKey, PortalId, TransactionId};
use crate::ports::UpstreamError;
use crate::ports::crm::{Crm, Submission};
use crate::ports::pulse;

/// Pages of one read: an end for a list that never ends.
const MAX_PAGES: usize = 4000;

/// The ledger's key of a submission.
pub fn key(portal: PortalId, form: &str, submission: &Submission) -> OccurrenceKey {
    match &submission.conversion_id {
        Some(id) => OccurrenceKey::for_submission(portal, form, id),
        None => OccurrenceKey::for_nameless_submission(portal, form, submission.at.as_millisecond()),
    }
}

/// Beyond this the older half is forgotten: it is read again should a row still need it.
const MAX_CLICKS: usize = 100_000;

/// The gclid of each submission read in this life of the process, `None` where its page had none.
#[derive(Default)]
pub struct Clicks {
    known: Mutex<HashMap<TransactionId, (Timestamp, Option<String>)>>,
}

impl Clicks {
    /// Remembers what a submission's page told.
    pub fn put(&self, key: TransactionId, submission: &Submission) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_CLICKS {
            let mut times: Vec<_> = known.values().map(|(at, _)| *at).collect();
            let (_, middle, _) = times.select_nth_unstable(MAX_CLICKS / 2);
            let middle = *middle;
            known.retain(|_, (at, _)| *at > middle);
        }
        known.insert(key, (submission.at, submission.gclid.clone()));
    }

    /// The gclid of a submission; the outer `None`: not read in this life of the process.
    pub fn get(&self, key: TransactionId) -> Option<Option<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&key).map(|(_, gclid)| gclid.clone())
    }

    /// Reads the form until all of these submissions, made at or after `since`, are known. What HubSpot no longer shows
    /// stays unknown.
    pub async fn read(
        &self,
        crm: &dyn Crm,
        portal: PortalId,
        form: &str,
        mut wanted: BTreeSet<TransactionId>,
        since: Timestamp,
    ) -> Result<(), UpstreamError> {
        let mut after: Option<String> = None;
        wanted.retain(|key| self.get(*key).is_none());
        for _ in 0..MAX_PAGES {
            if wanted.is_empty() {
                break;
            }
            pulse::beat();
            let page = crm.submissions(form, after.as_deref()).await?;
            for submission in &page.submissions {
                let key = key(portal, form, submission).transaction;
                self.put(key, submission);
                wanted.remove(&key);
            }
            let none = page.submissions.is_empty() && page.unreadable.is_empty();
            let over = none || page.submissions.last().is_some_and(|last| last.at < since);
            if over || page.next.is_none() {
                break;
            }
            after = page.next;
        }
        Ok(())
    }
}
