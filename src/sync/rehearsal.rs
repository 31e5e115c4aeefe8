//! The feeds and uploaders worked by hand, each step once: for `adconversion plan`, over a ledger that is thrown away
//! and routes that take everything and send nothing. What they decide is what they would decide in an operator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::context::SyncContext;
use super::feed::Feed;
use super::prepare::eligible_event;
use super::upload::Uploader;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::reason;
use crate::ports::ledger::{LedgerResult, Row, Sender, StreamId};
use crate::registry::Event;
use crate::registry::sync_error::SyncError;

/// After so many failed passes in a row HubSpot counts as unreadable.
const TRIES: u32 = 4;
/// Longest wait after one that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Waiting rows that are looked through first for the next one that only time holds back.
const LOOK: usize = 2_000;

/// HubSpot could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadPortal {
    pub account: ObjectKey,
    /// For people.
    pub why: String,
}

/// The feeds and uploaders of all accounts that the registry has.
pub struct Rehearsal {
    ctx: Arc<SyncContext>,
    uploaders: BTreeMap<ObjectKey, Uploader>,
}

impl Rehearsal {
    /// Nothing is read yet.
    pub fn new(ctx: Arc<SyncContext>) -> Self {
        Self {
            ctx,
            uploaders: BTreeMap::new(),
        }
    }

    /// Reads everything that the events' feeds would read first, and notes it in the ledger. Forms are read a second
    /// time where that is wanted: one list alone does not tell that a submission has no address. Returns the accounts
    /// of which HubSpot does not let all be read, also after some tries.
    pub async fn read_all(&self) -> Vec<UnreadPortal> {
        let mut unread = Vec::new();
        for account in self.ctx.registry.hubspot_keys() {
            unread.extend(self.read_account(account).await);
        }
        unread
    }

    async fn read_account(&self, account: ObjectKey) -> Option<UnreadPortal> {
        let mut feed = Feed::new(account.clone(), Arc::clone(&self.ctx));
        let mut whole = self.read_pass(&mut feed).await;
        let events = self.ctx.registry.events_of_hubspot(&account);
        if whole && events.iter().any(|event| event.rules.trigger_kind.is_form()) {
            whole = self.read_pass(&mut feed).await;
        }
        (!whole).then(|| self.to_unread(account))
    }

    /// False if it fails again and again.
    async fn read_pass(&self, feed: &mut Feed) -> bool {
        let mut failures = 0;
        while let Some(pause) = feed.read_more().await {
            if pause.is_zero() {
                continue;
            }
            failures += 1;
            if failures >= TRIES {
                return false;
            }
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
        true
    }

    /// Why an account could not be read.
    fn to_unread(&self, account: ObjectKey) -> UnreadPortal {
        let events = self.ctx.registry.events_of_hubspot(&account).into_iter();
        let mut notes = events.filter_map(|event| {
            let report = self.ctx.registry.event_report(&event.key);
            report.feed.error.or(report.ledger.error)
        });
        let why = notes.next().map(|note| note.message);
        UnreadPortal {
            account,
            why: why.unwrap_or_else(|| "the reads failed again and again".to_owned()),
        }
    }

    /// Has everything sent that is due.
    ///
    /// # Errors
    /// If the ledger fails. What HubSpot refuses is in the reports of the events.
    pub async fn send_due(&mut self) -> Result<(), SyncError> {
        for account in self.ctx.registry.ad_account_keys() {
            let uploader = self.uploaders.entry(account.clone()).or_insert_with(|| {
                Uploader::new(Sender::google(account), Arc::clone(&self.ctx), Arc::default(), false)
            });
            uploader.send_due().await?;
        }
        Ok(())
    }

    /// When the next conversion is looked at that only some time holds back, up to `until`: one that settles, or is
    /// read a second time before it is skipped. `sent`: when what was due has been sent. What has become due since then,
    /// while the clock went on, has not been looked at yet.
    ///
    /// # Errors
    /// If the ledger fails.
    pub async fn next_look(&self, sent: Timestamp, until: Timestamp) -> LedgerResult<Option<Timestamp>> {
        let mut next = None;
        for event in self.events() {
            let Some(open) = eligible_event(&self.ctx, Arc::clone(&event)) else {
                continue;
            };
            let first = self.first_held(open.stream(), event.start, sent, until).await?;
            next = [next, first].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// The first time after `sent` at which a row is due that only some time holds back. Others may come before it.
    async fn first_held(
        &self,
        stream: StreamId,
        start: Timestamp,
        sent: Timestamp,
        until: Timestamp,
    ) -> LedgerResult<Option<Timestamp>> {
        let mut most = LOOK;
        loop {
            let rows = self.ctx.ledger.due_rows(stream, start, until, most).await?;
            let held = |row: &&Row| row.reason == reason::NOT_DUE && row.due > sent;
            let first = rows.iter().filter(held).map(|row| row.due).min();
            if first.is_some() || rows.len() < most {
                return Ok(first);
            }
            most = most.saturating_mul(4);
        }
    }

    fn events(&self) -> impl Iterator<Item = Arc<Event>> {
        let registry = self.ctx.registry.clone();
        let accounts = registry.hubspot_keys().into_iter();
        accounts.flat_map(move |account| registry.events_of_hubspot(&account))
    }
}

#[cfg(test)]
#[path = "rehearsal_tests.rs"]
mod tests;
