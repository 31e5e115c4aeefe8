//! Retention.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::eligibility::EntryWaits;
use crate::ports::test_support::until;
use crate::registry::Registry;
use crate::sync::context::{SyncContext, SyncSettings};

/// Occurrences every seven hours over many days, all skipped.
fn long_ago(n: u8) -> NewRow {
    NewRow {
        occurred_at: at(i64::from(n) * 7 * 60),
        outcome: Outcome::Skipped,
        reason: if n.is_multiple_of(3) {
            reason::NO_CONSENT
        } else {
            reason::NO_CLICK_ID
        }
        .into(),
        ..pending(n)
    }
}

#[tokio::test]
async fn counts_since_any_time_stay_as_they_were() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let rows: Vec<_> = (0..200).map(long_ago).collect();
    ledger.record_occurrences(stream, &rows).await.unwrap();
    let since: Vec<_> = (-30..1500).step_by(7).map(|hours| at(hours * 60 + 13)).collect();
    let tallies = async || {
        let mut all = Vec::new();
        for since in &since {
            all.push(ledger.count_rows(stream, *since, at(9)).await.unwrap());
        }
        all
    };
    let before = tallies().await;
    assert_eq!(
        ledger.archive_rows(at(1), 1000).await.unwrap(),
        0,
        "settled later than that"
    );
    assert_eq!(ledger.archive_rows(at(2), 120).await.unwrap(), 120);
    assert_eq!(tallies().await, before, "some folded");
    assert_eq!(ledger.archive_rows(at(2), 1000).await.unwrap(), 80);
    assert_eq!(tallies().await, before, "all folded");
    assert_eq!(
        ledger.record_occurrences(stream, &rows).await.unwrap(),
        0,
        "none is new again"
    );
    assert_eq!(tallies().await, before);
    let other = NewRow {
        occurred_at: at(5),
        ..long_ago(7)
    };
    assert_eq!(
        ledger.record_occurrences(stream, &[other]).await.unwrap(),
        1,
        "another time is another occurrence"
    );
}

#[tokio::test]
async fn of_a_deleted_contact_the_key_alone_stays() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let deleted = NewRow {
        reason: reason::CONTACT_DELETED.into(),
        ..long_ago(1)
    };
    let other = long_ago(2);
    let (gone, stays) = (deleted.contact, other.contact);
    ledger
        .canonical_contacts(PortalId(62515), &[vec![gone], vec![stays]])
        .await
        .unwrap();
    let rows = [deleted, other];
    ledger.record_occurrences(stream, &rows).await.unwrap();
    let known = async || -> Vec<i64> {
        let known = sqlx::query_scalar("SELECT contact FROM canonical_contacts ORDER BY contact");
        known
            .fetch_all(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
            .await
            .unwrap()
    };
    assert_eq!(known().await.len(), 2);
    assert_eq!(ledger.archive_rows(at(2), 10).await.unwrap(), 2);
    assert_eq!(known().await, [stays.0.cast_signed()]);
    assert_eq!(
        ledger.record_occurrences(stream, &rows).await.unwrap(),
        0,
        "none is new again"
    );
}

#[tokio::test]
async fn an_event_whose_action_is_known_late_does_not_bring_them_back() {
    let ledger = fresh().await;
    let of_event = ledger.stream_for(&request(None)).await.unwrap();
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    ledger.record_occurrences(of_action, &[long_ago(1)]).await.unwrap();
    ledger.archive_rows(at(2), 10).await.unwrap();
    let again = NewRow {
        outcome: Outcome::Pending,
        ..long_ago(1)
    };
    ledger
        .record_occurrences(of_event, &[again, long_ago(2)])
        .await
        .unwrap();
    assert_eq!(
        ledger.archive_rows(at(2), 10).await.unwrap(),
        0,
        "rows without an action stay"
    );
    assert_eq!(ledger.stream_for(&request(Some(action(7)))).await.unwrap(), of_action);
    assert!(ledger.due_rows(of_action, at(0), at(99), 10).await.unwrap().is_empty());
    let tally = ledger.count_rows(of_action, at(0), at(99)).await.unwrap();
    assert_eq!(tally.classes.iter().map(|c| c.count).sum::<u64>(), 2);
}

struct Later;

impl crate::ports::Clock for Later {
    fn now(&self) -> Timestamp {
        at(60 * 24 * 200)
    }
}

/// Everything of no length but the retention.
fn settings() -> SyncSettings {
    let zero = SignedDuration::ZERO;
    SyncSettings {
        new_action_hold: zero,
        waits: EntryWaits {
            settle: zero,
            click_grace: zero,
            too_recent: zero,
            window: zero,
        },
        upload_interval: zero,
        overlap: zero,
        sweep_interval: zero,
        diagnostics_first_poll: zero,
        diagnostics_max_poll: zero,
        backoff_max: zero,
        failure_threshold: SignedDuration::from_mins(15),
        retention: SignedDuration::from_hours(90 * 24),
        deletion_check_interval: SignedDuration::from_hours(168),
        enhancement_deadline: zero,
    }
}

#[tokio::test]
async fn the_task_folds_rows_older_than_ninety_days_and_ends_when_stopped() {
    let ledger = Arc::new(fresh().await);
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let recent = NewRow {
        first_seen: at(60 * 24 * 150),
        ..long_ago(3)
    };
    ledger
        .record_occurrences(stream, &[long_ago(1), long_ago(2), recent])
        .await
        .unwrap();
    let (registry, _wakes) = Registry::new();
    let ctx = Arc::new(SyncContext::new(registry, ledger.clone(), Arc::new(Later), settings()));
    let stop = CancellationToken::new();
    let task = tokio::spawn(crate::sync::retention::run_retention(ctx, stop.clone()));
    let left = async || -> i64 {
        let mut writer = ledger.opened.pools.writer.acquire().await.unwrap();
        let rows = sqlx::query_scalar("SELECT count(*) FROM conversions").fetch_one(&mut **writer);
        rows.await.unwrap()
    };
    until("one row that is left", async || left().await == 1).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), task)
        .await
        .unwrap()
        .unwrap();
}
