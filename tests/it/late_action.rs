//! An event is read before its conversion action is known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::PortalId;
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::ports::ledger::{Ledger, TrackRequest};
use adconversion_operator::sync::registry::Registry;
use adconversion_operator::sync::supervisor;
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
