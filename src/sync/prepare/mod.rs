//! A step of the uploader: for one event, reads the contacts of due rows and decides what is sent, what waits and what
//! never goes.

mod contacts;
mod deals;
mod updates;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use self::updates::postpone_rows;
pub use self::updates::{pending_reason, retry_later, row_update};
use super::contact_cache::ContactSnapshot;
use super::context::SyncContext;
use super::second_look::Finding;
use super::unreadable;
use super::withheld::withheld_of;
use crate::domain::backoff::backoff;
use crate::domain::click_window::ClickWindow;
use crate::domain::contact::Contact;
use crate::domain::conversion::ClickId;
use crate::domain::eligibility::{Decision, EntryRules, Occurrence, Prepared, SuspectedSkip, decide_entry};
use crate::domain::enhancement::{self, Person, SubmissionRules, Submitted};
use crate::domain::ids::ContactId;
use crate::domain::outcome::{Outcome, reason};
use crate::domain::time::later;
use crate::domain::trigger::TriggerKind;
use crate::ports::crm::{Crm, Portal};
use crate::ports::ledger::{ActionKey, Row, RowUpdate, StreamId};
use crate::ports::{Cause, UpstreamError};
use crate::registry::sync_error::{SyncError, error_note};
use crate::registry::{BoundAction, Event, HubSpotAccount, Readiness, Side};

/// A row decided to be sent. No `Debug`: it holds click ids and hashed identifiers.
pub struct PreparedRow {
    pub row: Row,
    /// Where it goes.
    pub action: ActionKey,
    /// What identifies it.
    pub prepared: Prepared,
    /// Value and currency.
    pub value: Option<(Decimal, String)>,
    /// Decides the route that it takes.
    pub trigger_kind: TriggerKind,
    /// When its contact was asked for.
    pub read: Timestamp,
}

/// An event whose rows may be sent now.
#[derive(Clone)]
pub struct EligibleEvent {
    event: Arc<Event>,
    action: BoundAction,
    window: ClickWindow,
    account: HubSpotAccount,
    crm: Arc<dyn Crm>,
    portal: Portal,
    stream: StreamId,
    /// The route takes postal addresses.
    addresses: bool,
}

/// The event with all it takes to send, or `None` while a gate
/// is closed (suspended, accounts, action, its window, too new).
pub fn eligible_event(ctx: &SyncContext, event: Arc<Event>) -> Option<EligibleEvent> {
    let action = event.action.clone()?;
    if event.suspended || action.held(ctx.clock.now()).is_some() {
        return None;
    }
    let window = action.click_window?;
    let account = ctx.registry.hubspot_account(&event.hubspot)?;
    if account.readiness != Readiness::Ready {
        return None;
    }
    let crm = account.crm.clone()?;
    let portal = account.portal.clone()?;
    let stream = ctx.registry.stream_of(&event.key)?;
    let routes = ctx.registry.ad_account(&event.google)?.routes?;
    let addresses = routes.route_for(event.rules.trigger_kind).route_info().addresses;
    Some(EligibleEvent {
        event,
        action,
        window,
        account,
        crm,
        portal,
        stream,
        addresses,
    })
}

impl EligibleEvent {
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Where its rows go.
    pub fn action(&self) -> &ActionKey {
        &self.action.key
    }

    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Takes up to `limit` due rows and decides about each. Rows to send are returned, the others settled in the
    /// ledger. Returns also how many rows were looked at: fewer than `limit` means that no more are due.
    pub async fn prepare_rows(&self, ctx: &SyncContext, limit: usize) -> Result<(Vec<PreparedRow>, usize), SyncError> {
        let now = ctx.clock.now();
        let due_rows = || ctx.ledger.due_rows(self.stream, self.event.start, now, limit);
        let mut rows = due_rows().await?;
        // Nobody need have looked between suspension and resume: what was missed shows by its rows.
        if rows.iter().any(|row| row.while_suspended) {
            ctx.ledger
                .resume_rows(self.stream, self.event.resume_policy, now)
                .await?;
            rows = due_rows().await?;
        }
        let looked_at = rows.len();
        let ready = self.decide_all(ctx, rows, ctx.settings.upload_interval).await?;
        Ok((ready, looked_at))
    }

    /// Decides again about rows that wait to be sent; what was
    /// read in the last half of the upload interval still counts.
    pub async fn refresh_rows(&self, ctx: &SyncContext, rows: Vec<PreparedRow>) -> Result<Vec<PreparedRow>, SyncError> {
        let rows = rows.into_iter().map(|ready| ready.row).collect();
        self.decide_all(ctx, rows, ctx.settings.upload_interval / 2).await
    }

    /// True for the rows that go where this event's rows go now.
    pub fn takes_row(&self, ready: &PreparedRow) -> bool {
        self.stream == ready.row.stream && self.action.key == ready.action
    }

    /// Decides about rows by their contacts, read at most `age` ago.
    async fn decide_all(
        &self,
        ctx: &SyncContext,
        rows: Vec<Row>,
        age: SignedDuration,
    ) -> Result<Vec<PreparedRow>, SyncError> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        let now = ctx.clock.now();
        if let Some((_, again)) = withheld_of(ctx, &self.event) {
            let waiting: Vec<_> = rows.iter().map(|row| self.wait_for_property(ctx, row, again)).collect();
            ctx.ledger.apply_updates(&waiting, now).await?;
            return Ok(vec![]);
        }
        let contacts = match self.read_contacts(ctx, &rows, age).await {
            Ok(contacts) => contacts,
            Err(error) => return Err(postpone_rows(ctx, &rows, error).await),
        };
        let rows = self.put_off_unread_contacts(ctx, rows, &contacts).await?;
        let mut updates = Vec::new();
        let mut ready = Vec::new();
        for row in rows {
            match self.judge_row(ctx, &row, &contacts, now) {
                Ok(prepared) => ready.push((row, prepared)),
                Err(update) => updates.push(update),
            }
        }
        ctx.ledger.apply_updates(&updates, now).await?;
        if let Err(error) = self.add_clicks(ctx, &mut ready).await {
            let rows: Vec<Row> = ready.into_iter().map(|(row, _)| row).collect();
            self.put_off(ctx, &rows, error).await?;
            return Ok(vec![]);
        }
        let priced = self.price_rows(ctx, ready, &contacts).await?;
        let read = ctx.clock.now();
        ctx.registry
            .update_report(&self.event.key, |report| report.record_reads(now, read));
        let all = priced.into_iter().map(|(row, prepared, value)| PreparedRow {
            action: self.action.key.clone(),
            prepared,
            value,
            trigger_kind: self.event.rules.trigger_kind,
            read: contacts.get(row.contact).map_or(now, |read| read.at),
            row,
        });
        Ok(all.collect())
    }

    /// What becomes of a row whose contact, or a deal of it, cannot be
    /// read: it is read again with growing pauses, and named to the event.
    fn set_aside(&self, ctx: &SyncContext, row: &Row, what: &str) -> RowUpdate {
        unreadable::report_contact(ctx, &self.event.key, row.contact, what, row.attempts > 0);
        let pause = backoff(row.attempts, ctx.settings.backoff_max, row.contact.0);
        self.try_again(ctx, row, pause)
    }

    /// A row is looked at again after a pause. A submission has no longer than its deadline.
    fn try_again(&self, ctx: &SyncContext, row: &Row, pause: SignedDuration) -> RowUpdate {
        let now = ctx.clock.now();
        let due = later(now, pause);
        let waits = if self.event.rules.trigger_kind.is_form() {
            match self.decide_about(ctx, row, &Person::Unreadable) {
                Ok(Decision::Skip { reason }) => return row_update(row, Outcome::Skipped, reason, now),
                Ok(Decision::Wait { due: last, .. }) => due.min(last),
                Ok(Decision::Send(_)) | Err(_) => due,
            }
        } else {
            due
        };
        let waiting = match row.outcome {
            // The ad network may have it: that is not to be forgotten meanwhile.
            Outcome::Processing => row_update(row, Outcome::Processing, row.reason.clone(), waits),
            _ => row_update(row, Outcome::Pending, reason::UNREADABLE_RECORD, waits),
        };
        RowUpdate {
            failed_try: true,
            ..waiting
        }
    }

    /// A row waits until a property is asked for again that its event needs
    /// and that HubSpot does not give. The row itself has failed at nothing.
    fn wait_for_property(&self, ctx: &SyncContext, row: &Row, again: SignedDuration) -> RowUpdate {
        let pause = again.max(SignedDuration::from_secs(1));
        let waiting = self.try_again(ctx, row, pause);
        let reason = if waiting.outcome == Outcome::Pending {
            reason::UPSTREAM_UNAVAILABLE.into()
        } else {
            waiting.reason
        };
        RowUpdate {
            failed_try: false,
            reason,
            ..waiting
        }
    }

    /// Rows wait after a failed read of what not every event needs: deals, or the submissions of a form. That HubSpot
    /// does not show these to this token is a matter of the event, not of the account.
    async fn put_off(&self, ctx: &SyncContext, rows: &[Row], error: UpstreamError) -> Result<(), SyncError> {
        let refused = matches!(error.cause, Cause::MissingScope | Cause::AccessDenied);
        let fault = postpone_rows(ctx, rows, error).await;
        if !refused || matches!(fault, SyncError::Ledger(_)) {
            return Err(fault);
        }
        ctx.registry.scope_refused(&self.event.hubspot);
        self.report_read_failure(ctx, &fault);
        Ok(())
    }

    fn report_read_failure(&self, ctx: &SyncContext, fault: &SyncError) {
        let note = error_note(fault, ctx.clock.now());
        ctx.registry
            .update_report(&self.event.key, |report| report.record_failure(Side::Reads, note));
    }

    fn decide_row(&self, ctx: &SyncContext, row: &Row, read: Option<&ContactSnapshot>) -> Decision {
        let now = ctx.clock.now();
        let contact = read.map(|read| read.contact.as_ref());
        let decision = if self.event.rules.trigger_kind.is_form() {
            self.decide_submission(ctx, row, contact)
        } else {
            let occurrence = Occurrence {
                at: row.occurred_at,
                first_seen: row.first_seen,
            };
            let by = EntryRules {
                event: &self.event.rules,
                waits: &ctx.settings.waits,
                window: self.window,
                region: self.account.default_region.as_deref(),
            };
            decide_entry(contact, occurrence, &by, ctx.clock.known_time())
        };
        // The search that led to the read has said the same. It says nothing of the time of a click.
        let confirmed = read.is_some_and(|read| read.confirmed);
        let (finding, settled) = match decision {
            Err(why) if why.click.is_none() && confirmed => return why.skip(),
            Err(why) => (Finding::LeftOut(why), why.skip()),
            // What is sent about a person can't be taken back.
            Ok(Decision::Send(prepared)) if prepared.consent_granted && !confirmed => {
                (Finding::ConsentGranted, Decision::Send(prepared))
            }
            Ok(decision) => return decision,
        };
        let found = (finding, read.map_or(now, |read| read.at));
        let again = |due| Decision::Wait {
            reason: reason::NOT_DUE,
            due,
        };
        look_again(ctx, row, found, now).map_or(settled, again)
    }

    fn decide_submission(
        &self,
        ctx: &SyncContext,
        row: &Row,
        contact: Option<&Contact>,
    ) -> Result<Decision, SuspectedSkip> {
        let clicks = ctx.click_cache(&self.event.hubspot);
        let names_somebody = clicks.names_somebody(row.transaction);
        let person = match contact {
            Some(contact) => Person::Known(contact),
            None if row.contact != ContactId::UNKNOWN => Person::Deleted,
            // Somebody has the address: the feed goes on looking.
            None if row.reason == reason::UNREADABLE_RECORD => Person::Unreadable,
            None if names_somebody == Some(false) => Person::Nameless,
            None => Person::NotFound {
                nobodys_for: clicks.nobodys_for(row.transaction),
            },
        };
        match self.decide_about(ctx, row, &person)? {
            // The form is read when the process begins: then it is known whether anybody is named.
            Decision::Wait { reason, due } if contact.is_none() && names_somebody.is_none() => {
                let soon = ctx.clock.now().saturating_add(ctx.settings.upload_interval);
                let due = due.min(soon.unwrap_or(due));
                Ok(Decision::Wait { reason, due })
            }
            decision => Ok(decision),
        }
    }

    fn decide_about(&self, ctx: &SyncContext, row: &Row, person: &Person<'_>) -> Result<Decision, SuspectedSkip> {
        let submitted = Submitted {
            at: row.occurred_at,
            first_seen: row.first_seen,
            named: row.submission.is_some(),
        };
        let by = SubmissionRules {
            event: &self.event.rules,
            waits: &ctx.settings.submission_waits(),
            region: self.account.default_region.as_deref(),
        };
        enhancement::decide_submission(person, submitted, &by, ctx.clock.known_time())
    }

    /// The click ids of the pages that forms were submitted on: the ledger has none, so after a restart they are read
    /// from the submissions once more.
    async fn add_clicks(&self, ctx: &SyncContext, ready: &mut [(Row, Prepared)]) -> Result<(), UpstreamError> {
        let (Some(form), Some(since)) = (
            self.event.trigger.form(),
            ready.iter().map(|(row, _)| row.occurred_at).min(),
        ) else {
            return Ok(());
        };
        let clicks = ctx.click_cache(&self.event.hubspot);
        let wanted = ready.iter().map(|(row, _)| row.transaction).collect();
        let found = clicks
            .read_clicks(self.crm.as_ref(), self.portal.id, form, wanted, since)
            .await?;
        for (row, prepared) in ready {
            prepared.click = found.get(&row.transaction).cloned().flatten().map(ClickId::Gclid);
        }
        Ok(())
    }
}

/// When what one read has found of a row is to be read again; `None` if two reads agree.
fn look_again(ctx: &SyncContext, row: &Row, found: (Finding, Timestamp), now: Timestamp) -> Option<Timestamp> {
    let pauses = (ctx.settings.upload_interval, ctx.settings.backoff_max);
    ctx.second_looks.look_again(row, found, pauses, now)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
