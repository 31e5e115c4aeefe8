//! A record that claims a time which is still to come takes nobody else's time away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::{ContactId, ObjectKey};
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::ports::ledger::{FeedMark, Ledger, TrackId};
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Memory, Now, Sink, event, set_up, settings, tally};

const LIMIT: Duration = Duration::from_secs(30);

/// Runs the loops until so many are noted; the track, and whether its cursor was pulled back.
async fn noted(ledger: &Arc<dyn Ledger>, portal: Memory, count: u64) -> (TrackId, Option<Timestamp>) {
    let (registry, _wakes) = Registry::new();
    set_up(&registry, count, Arc::new(Sink::default()));
    let mut account = registry.hubspot(&ObjectKey::new("b", "hubspot")).expect("the account");
    account.crm = Some(Arc::new(portal));
    registry.set_hubspot(account);
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    let begun = Instant::now();
    let mut found = 0;
    let key = event(&registry).key;
    while found < count || registry.report(&key).feed.last_success.is_none() {
        assert!(begun.elapsed() < LIMIT, "{found} noted");
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(tally) = tally(&registry, ledger.as_ref()).await {
            found = tally.classes.iter().map(|c| c.count).sum();
        }
    }
    stop.cancel();
    loops.await.expect("the loops end");
    let report = registry.report(&key);
    (
        report.track.expect("a track"),
        report.pulled_back.map(|back| back.cursor),
    )
}

async fn cursor(ledger: &dyn Ledger, track: TrackId) -> Timestamp {
    let marks = ledger.feed_marks(&[track]).await.expect("marks");
    marks[0].expect("a mark").cursor
}

#[tokio::test]
async fn a_record_of_the_year_9999_moves_no_cursor_and_a_stored_one_is_pulled_back() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open("sqlite::memory:").await.expect("a ledger"));
    let mut portal = Memory::new(20);
    portal.ahead = Some(ContactId(7));
    let (track, pulled_back) = noted(&ledger, portal, 20).await;
    assert_eq!(pulled_back, None);
    let latest = Timestamp::now() + SignedDuration::from_mins(6);
    assert!(cursor(ledger.as_ref(), track).await < latest);

    // As a version before would have left it; meanwhile more contacts have come.
    let far: Timestamp = "9999-12-30T00:00:00Z".parse().expect("a time");
    let mark = FeedMark {
        covered_from: crate::support::memory::start(),
        cursor: far,
    };
    ledger.set_feed_marks(&[(track, mark)]).await.expect("marks");
    let (same, pulled_back) = noted(&ledger, Memory::new(40), 40).await;
    assert_eq!((same, pulled_back), (track, Some(far)));
    assert!(cursor(ledger.as_ref(), track).await < latest);
}
