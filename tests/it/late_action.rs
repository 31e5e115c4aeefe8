//! An event is read before its conversion action is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::{ContactId, OccurrenceKey, PortalId};
use adconversion_operator::domain::outcome::{Outcome, reason};
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::ports::ledger::{Ledger, NewRow, TrackRequest};
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Now, Sink, event, set_up, settings, tally};

const CONTACTS: usize = 20;
/// Far shorter than the hour until the next poll.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until so many rows are on the track that the event is read into.
async fn noted(registry: &Registry, ledger: &dyn Ledger) {
    let begun = Instant::now();
    let mut count = 0;
    while count < CONTACTS as u64 {
        assert!(begun.elapsed() < LIMIT, "{count} noted");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(tally) = tally(registry, ledger).await {
            count = tally.classes.iter().map(|c| c.count).sum();
        }
    }
}

#[tokio::test]
async fn conversions_go_as_soon_as_the_action_is_known() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open("sqlite::memory:").await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Sink::remembering());
    set_up(&registry, CONTACTS as u64, sink.clone());
    let mut event = event(&registry);
    let action = event.action.take();
    registry.set_event(event.clone());
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    noted(&registry, ledger.as_ref()).await;

    event.action = action;
    registry.set_event(event.clone());
    // As the controller counts: the rows move to the track of the action.
    let key = event.action.map(|action| action.key);
    let request = TrackRequest::new(event.key, event.uid, PortalId(1), &event.trigger, key);
    ledger.track(&request).await.expect("the action's track");
    let begun = Instant::now();
    while sink.rows.load(Ordering::Relaxed) < CONTACTS {
        assert!(begun.elapsed() < LIMIT, "{} sent", sink.taken().len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    loops.await.expect("the loops end");
    assert_eq!(sink.taken().len(), CONTACTS);
}

/// Waits until so many rows of the event are skipped.
async fn skipped(registry: &Registry, ledger: &dyn Ledger, sink: &Sink, wanted: u64) {
    let begun = Instant::now();
    let mut skipped = 0;
    while skipped < wanted {
        assert!(
            begun.elapsed() < LIMIT,
            "{skipped} skipped, {} sent",
            sink.taken().len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
        let tally = tally(registry, ledger).await;
        let classes = tally.iter().flat_map(|t| &t.classes);
        skipped = classes.filter(|c| c.outcome == Outcome::Skipped).map(|c| c.count).sum();
    }
}

/// Nothing is created for a suspended event: its rows wait on a track of its own. One may have moved to the track of the
/// action before the resume was settled on the event's.
#[tokio::test]
async fn what_was_missed_before_the_action_was_known_is_skipped_on_both_tracks() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open("sqlite::memory:").await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Sink::remembering());
    set_up(&registry, CONTACTS as u64, sink.clone());
    let mut event = event(&registry);
    let action = event.action.take();
    event.suspended = true;
    event.skip_missed = true;
    registry.set_event(event.clone());
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    noted(&registry, ledger.as_ref()).await;

    event.suspended = false;
    registry.set_event(event.clone());
    skipped(&registry, ledger.as_ref(), &sink, CONTACTS as u64).await;

    let key = action.as_ref().map(|action| action.key.clone());
    let request = TrackRequest::new(event.key.clone(), event.uid.clone(), PortalId(1), &event.trigger, key);
    let track = ledger.track(&request).await.expect("the action's track");
    let now = Timestamp::now();
    let moved = NewRow {
        keys: vec![OccurrenceKey::for_lifecycle(
            PortalId(1),
            ContactId(1),
            "customer",
            now.as_millisecond(),
        )],
        contact: ContactId(1),
        submission: None,
        occurred_at: now,
        first_seen: now,
        outcome: Outcome::Pending,
        reason: reason::NOT_DUE.into(),
        due: now,
        while_suspended: true,
    };
    ledger.observe(track, &[moved]).await.expect("a row");
    event.action = action;
    registry.set_event(event);
    skipped(&registry, ledger.as_ref(), &sink, CONTACTS as u64 + 1).await;
    stop.cancel();
    loops.await.expect("the loops end");
    assert!(sink.taken().is_empty(), "{} sent", sink.taken().len());
}
