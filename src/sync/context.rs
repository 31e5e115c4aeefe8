//! What all sync loops share.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::absences::{self, Absences};
use super::bounded::PerAccount;
use super::contact_cache::{ContactCache, Entries};
use super::due_rows::DueRows;
use super::feed::recent_entries::RecentEntries;
use super::room::LedgerRoom;
use super::second_look::SecondLooks;
use super::submissions::{Clicks, KnownSubmissions};
use crate::domain::absence::Pauses;
use crate::domain::eligibility::EntryWaits;
use crate::domain::enhancement::SubmissionWaits;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::domain::time::to_std;
use crate::ports::Clock;
use crate::ports::ledger::Ledger;
use crate::ports::pulse;
use crate::ports::pulse::{Unwatched, Watchdog};
use crate::registry::Registry;
use crate::registry::restarts::Restarts;
use crate::registry::sync_error::SyncError;

/// The durations that steer the loops; each is a flag of the process.
#[derive(Debug, Clone, Copy)]
pub struct SyncSettings {
    /// Waits of single rows.
    pub waits: EntryWaits,
    /// Between two rounds of an uploader; also how old a read may be when rows are collected to be sent.
    pub upload_interval: SignedDuration,
    /// How far the wider polls go back (every sixth of it, never less often).
    pub overlap: SignedDuration,
    /// Between two full scans.
    pub sweep_interval: SignedDuration,
    /// First look at the status of a request.
    pub diagnostics_first_poll: SignedDuration,
    /// Longest pause between two looks.
    pub diagnostics_max_poll: SignedDuration,
    /// Longest pause after failures.
    pub backoff_max: SignedDuration,
    /// How long reads may fail and show no contact before that is reported.
    pub failure_threshold: SignedDuration,
    /// How long rows wait if Google finds the conversion action too new.
    pub new_action_hold: SignedDuration,
    /// How long rows are kept after they were settled for good, before they
    /// become totals; and what names a contact, after it was found missing.
    pub retention: SignedDuration,
    /// How often HubSpot is asked whether it still has a contact that the ledger names.
    pub deletion_check_interval: SignedDuration,
    /// How long after a submission its enhancement may be sent.
    pub enhancement_deadline: SignedDuration,
}

/// Forty reads of fifty histories, at nine a second.
const READ_TIME: SignedDuration = SignedDuration::from_secs(10);

/// An answer asks for an hour at most, and results of unknown outcome wait as long.
const ANSWERS_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// Most that the contacts read a moment ago take, those of all accounts together.
const CONTACTS: usize = 24 << 20;
/// Most that is remembered of the pages of submissions.
const CLICKS: usize = 8 << 20;
/// Most that is remembered of contacts that are missed.
const ABSENCES: usize = 8 << 20;

/// What all sync loops share.
pub struct SyncContext {
    /// Accounts, events and reports.
    pub registry: Registry,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub settings: SyncSettings,
    /// Wakes uploaders where rows that were just read fill a request.
    pub(crate) due_rows: DueRows,
    /// Who has entered lately, by what feeds have noted.
    pub(crate) recent_entries: RecentEntries,
    /// What takes two reads of a row that agree.
    pub(crate) second_looks: SecondLooks,
    watchdog: Arc<dyn Watchdog>,
    step: Duration,
    contacts: PerAccount<ObjectKey, Entries>,
    clicks: PerAccount<ObjectKey, KnownSubmissions>,
    absences: PerAccount<(ObjectKey, PortalId), absences::AbsenceMemory>,
    room: LedgerRoom,
}

impl SyncSettings {
    /// How long ago contacts may have been read when their rows are sent: rows are collected by reads within the upload
    /// interval (docs/concepts.md), and it takes a while until all contacts of a request are read.
    pub fn read_age(&self) -> SignedDuration {
        self.upload_interval + READ_TIME
    }

    /// How long a contact must have been missing before it is erased. Two
    /// intervals at least: a look at another id of it may still find it.
    pub fn missing_for(&self) -> SignedDuration {
        self.retention.max(self.deletion_check_interval.saturating_mul(2))
    }

    /// The pauses before a contact that HubSpot does not show counts as deleted.
    pub fn absence_pauses(&self) -> Pauses {
        Pauses {
            named: self.waits.settle,
            silent: self.waits.click_grace,
            longest: self.backoff_max,
        }
    }

    /// What follows from flags and from answers waits no longer than this, with some time to spare.
    pub fn longest_wait(&self) -> SignedDuration {
        let waits = [
            self.waits.settle,
            self.waits.click_grace,
            self.waits.too_recent,
            self.waits.window,
            self.new_action_hold,
            self.enhancement_deadline,
            self.backoff_max,
            self.diagnostics_max_poll,
            self.upload_interval,
        ];
        waits
            .into_iter()
            .fold(ANSWERS_WAIT, SignedDuration::max)
            .saturating_add(ANSWERS_WAIT)
    }

    /// The waits of form submissions.
    pub fn submission_waits(&self) -> SubmissionWaits {
        SubmissionWaits {
            settle: self.waits.settle,
            grace: self.waits.click_grace,
            deadline: self.enhancement_deadline,
            pause: self.upload_interval,
        }
    }
}

impl SyncContext {
    /// See [`LedgerRoom::may_record`].
    pub(crate) async fn may_record(&self, namespace: &str) -> Result<(), SyncError> {
        self.room.may_record(self.ledger.as_ref(), namespace).await
    }

    /// A context without cached contacts.
    pub fn new(registry: Registry, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, settings: SyncSettings) -> Self {
        Self {
            registry,
            ledger,
            clock,
            settings,
            due_rows: DueRows::default(),
            recent_entries: RecentEntries::default(),
            second_looks: SecondLooks::default(),
            watchdog: Arc::new(Unwatched),
            step: pulse::STEP,
            contacts: PerAccount::new(CONTACTS),
            clicks: PerAccount::new(CLICKS),
            absences: PerAccount::new(ABSENCES),
            room: LedgerRoom::default(),
        }
    }

    /// The same, its loops under watch, each of their steps at most `step` long.
    #[must_use]
    pub fn with_watchdog(self, watchdog: Arc<dyn Watchdog>, step: Duration) -> Self {
        Self { watchdog, step, ..self }
    }

    /// Runs a loop under watch, by this name.
    pub async fn run_watched<T>(&self, name: String, work: impl Future<Output = T>) -> T {
        pulse::run_watched(self.watchdog.clone(), name, self.step, work).await
    }

    /// Starts work of this name again if it ends unexpectedly.
    pub fn restarts_for(&self, kind: &'static str, name: &str) -> Restarts {
        let longest = to_std(self.settings.backoff_max);
        Restarts::new(self.watchdog.clone(), kind, name.to_owned(), longest)
    }

    /// Counts a loop of this kind that ended although nobody stopped it.
    pub fn loop_broke(&self, kind: &'static str) {
        self.watchdog.loop_broke(kind);
    }

    /// The contacts read a moment ago through this HubSpot account.
    pub fn contact_cache(&self, hubspot: &ObjectKey) -> ContactCache {
        ContactCache::new(self.contacts.of(hubspot))
    }

    /// What the submissions read through this HubSpot account say about their pages.
    pub fn click_cache(&self, hubspot: &ObjectKey) -> Clicks {
        Clicks::new(self.clicks.of(hubspot))
    }

    /// The contacts that HubSpot did not show to this account, whose token is one of this portal.
    pub fn absences_of(&self, hubspot: &ObjectKey, portal: PortalId) -> Absences {
        Absences::new(self.absences.of(&(hubspot.clone(), portal)))
    }

    /// Forgets what was remembered of HubSpot accounts that are gone, or have another portal now.
    pub(crate) fn forget_removed(&self) {
        let account = |key: &ObjectKey| self.registry.hubspot_account(key);
        self.contacts.keep(|key| account(key).is_some());
        self.clicks.keep(|key| account(key).is_some());
        self.due_rows
            .keep_accounts(|key| self.registry.ad_account(key).is_some());
        self.absences
            .keep(|(key, id)| account(key).is_some_and(|account| account.portal.is_none_or(|portal| portal.id == *id)));
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
