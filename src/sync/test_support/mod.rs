//! What unit tests of the loops share: settings whose durations all differ, a ledger in memory, an event with its rows,
//! and a portal that shows what a test tells it to. A test changes what it is about.

#![allow(clippy::unwrap_used)]

mod google;
mod portal;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub(crate) use self::google::{Unused, route_info, unused_clients};
pub(crate) use self::portal::{FakePortal, hubspot_error, portal};
use super::context::{SyncContext, SyncSettings};
use super::prepare::PreparedRow;
use crate::api::ResumePolicy;
use crate::domain::click_window::ClickWindow;
use crate::domain::contact::{Contact, HistoryEntry, LAST_MODIFIED, LIFECYCLE_STAGE, date_entered};
use crate::domain::eligibility::{ClickProperties, EntryWaits, EventRules, Prepared};
use crate::domain::ids::{ActionId, ActionKey, ContactId, CustomerId, ObjectKey, TransactionId};
use crate::domain::outcome::{Outcome, reason};
use crate::domain::trigger::{Trigger, TriggerKind};
use crate::ledger::SqlLedger;
use crate::ports::ledger::{Row, RowId, StreamId};
use crate::ports::test_support::{FixedClock, at};
use crate::registry::{BoundAction, Event, Registry};

/// The property of the click id.
pub(crate) const GCLID: &str = "hs_google_click_id";
/// The stage of [`event`].
pub(crate) const STAGE: &str = "customer";

/// Durations of which no two are the same.
pub(crate) fn settings() -> SyncSettings {
    SyncSettings {
        waits: EntryWaits {
            settle: SignedDuration::from_mins(10),
            click_grace: SignedDuration::from_hours(1),
            too_recent: SignedDuration::from_hours(6),
            window: SignedDuration::from_hours(2),
        },
        upload_interval: SignedDuration::from_mins(1),
        overlap: SignedDuration::from_hours(3),
        sweep_interval: SignedDuration::from_hours(24),
        diagnostics_first_poll: SignedDuration::from_mins(30),
        diagnostics_max_poll: SignedDuration::from_hours(4),
        backoff_max: SignedDuration::from_mins(5),
        failure_threshold: SignedDuration::from_mins(15),
        new_action_hold: SignedDuration::from_hours(7),
        retention: SignedDuration::from_hours(90 * 24),
        deletion_check_interval: SignedDuration::from_hours(168),
        enhancement_deadline: SignedDuration::from_hours(23),
    }
}

/// A context with an empty ledger in memory, and its clock.
pub(crate) async fn context() -> (SyncContext, Arc<FixedClock>) {
    let clock = FixedClock::new();
    let ledger = SqlLedger::open("sqlite::memory:").await.unwrap();
    let ctx = SyncContext::new(Registry::new().0, Arc::new(ledger), clock.clone(), settings());
    (ctx, clock)
}

/// This action of the customer 1234567890.
pub(crate) fn action(id: u64) -> ActionKey {
    let owner: CustomerId = "1234567890".parse().unwrap();
    owner.action_key(ActionId(id))
}

/// The event `tenant/NAME`: entries into [`STAGE`] from [`at`] second 0
/// on become conversions of action 7, by a click id, without a value.
pub(crate) fn event(name: &str) -> Event {
    Event {
        key: ObjectKey::new("tenant", name),
        uid: name.to_owned(),
        hubspot: ObjectKey::new("tenant", "portal"),
        google: ObjectKey::new("tenant", "google"),
        trigger: Trigger::Stage(STAGE.to_owned()),
        start: at(0),
        action: Some(BoundAction {
            key: action(7),
            hold_until: None,
            click_window: Some(ClickWindow::WIDEST),
        }),
        rules: EventRules {
            value: None,
            consent: None,
            share: vec![],
            clicks: ClickProperties {
                gclid: GCLID.to_owned(),
                gbraid: None,
                wbraid: None,
            },
            trigger_kind: TriggerKind::Stage,
        },
        suspended: false,
        resume_policy: ResumePolicy::CatchUp,
    }
}

/// A pending row of this number, of the contact of the same number, that nothing has happened to.
pub(crate) fn row(id: i64) -> Row {
    Row {
        id: RowId(id),
        stream: StreamId(1),
        transaction: TransactionId([u8::try_from(id).unwrap(); 20]),
        contact: ContactId(id.unsigned_abs()),
        submission: None,
        occurred_at: at(0),
        first_seen: at(0),
        outcome: Outcome::Pending,
        reason: reason::NOT_DUE.to_owned(),
        due: at(0),
        attempts: 0,
        sent: None,
        isolation_group: 0,
        while_suspended: false,
    }
}

/// The row as it is sent to action 7: a lifecycle event's, without value and identifiers.
pub(crate) fn prepared_row(row: Row) -> PreparedRow {
    PreparedRow {
        row,
        action: action(7),
        prepared: Prepared {
            click: None,
            identifiers: Vec::new(),
            consent_granted: false,
        },
        value: None,
        trigger_kind: TriggerKind::Stage,
        read: at(0),
    }
}

/// A contact in [`STAGE`], modified and read at second `modified`, that entered it at these seconds and clicked a
/// second before the first time.
pub(crate) fn customer(id: u64, modified: i64, entries: &[i64]) -> Contact {
    let entry = |value: &str, second: i64| HistoryEntry {
        value: value.to_owned(),
        at: at(second),
        by_merge: false,
    };
    // Between two entries it was somewhere else.
    let rows = entries
        .iter()
        .flat_map(|second| [entry("lead", second - 1), entry(STAGE, *second)]);
    let last = entries.last().map(|second| at(*second).to_string());
    let properties = [
        (LIFECYCLE_STAGE.to_owned(), STAGE.to_owned()),
        (LAST_MODIFIED.to_owned(), at(modified).to_string()),
    ];
    let entered = last.map(|last| (date_entered(STAGE), last));
    let clicked = entries.first().map(|second| entry(&format!("click-{id}"), second - 1));
    Contact {
        requested_id: ContactId(id),
        id: ContactId(id),
        updated_at: Some(at(modified)),
        as_of: Some(at(modified)),
        properties: properties.into_iter().chain(entered).collect(),
        history: vec![
            (LIFECYCLE_STAGE.to_owned(), rows.collect()),
            (GCLID.to_owned(), clicked.into_iter().collect()),
        ],
        flaw: None,
    }
}

/// The contact without a click id.
pub(crate) fn without_click(mut contact: Contact) -> Contact {
    contact.history.retain(|(name, _)| name != GCLID);
    contact
}

/// A row that still waits: its contact, outcome, reason, and the second at which it is looked at again.
pub(crate) type Waiting = (u64, Outcome, String, i64);

/// The rows of a stream that wait, by contact.
pub(crate) async fn waiting_rows(ctx: &SyncContext, stream: StreamId) -> Vec<Waiting> {
    let rows = ctx.ledger.due_rows(stream, Timestamp::MIN, Timestamp::MAX, 1_000).await;
    let second = |due: Timestamp| due.as_second() - at(0).as_second();
    let mut waiting: Vec<_> = rows
        .unwrap()
        .into_iter()
        .map(|row| (row.contact.0, row.outcome, row.reason, second(row.due)))
        .collect();
    waiting.sort();
    waiting
}
