//! A record that claims a time which is still to come takes nobody else's time away.

use std::sync::Arc;

use adconversion_operator::domain::ids::ContactId;
use adconversion_operator::ports::ledger::{Ledger, StreamId, Watermark};
use jiff::{SignedDuration, Timestamp};

use crate::support::loops::{World, ledger};
use crate::support::memory::Memory;

/// Runs the loops until so many are noted and the pass is over; the stream, and the cursor that was pulled back.
async fn noted(ledger: &Arc<dyn Ledger>, portal: Memory, count: usize) -> (StreamId, Option<Timestamp>) {
    let running = World::new(ledger.clone(), portal, count).run();
    let key = running.world.event().key;
    running.noted(&key, count).await;
    let registry = running.world.registry.clone();
    running
        .until(true, || async {
            registry.event_report(&key).feed.last_success.is_some()
        })
        .await;
    let report = running.stop().await.registry.event_report(&key);
    (
        report.stream.expect("a stream"),
        report.pulled_back.map(|back| back.cursor),
    )
}

async fn cursor(ledger: &dyn Ledger, stream: StreamId) -> Timestamp {
    let marks = ledger.feed_marks(&[stream]).await.expect("marks");
    marks[0].expect("a mark").cursor
}

#[tokio::test]
async fn a_record_of_the_year_9999_moves_no_cursor_and_a_stored_one_is_pulled_back() {
    let ledger = ledger().await;
    let mut portal = Memory::new(20);
    portal.ahead = Some(ContactId(7));
    let (stream, pulled_back) = noted(&ledger, portal, 20).await;
    assert_eq!(pulled_back, None);
    let latest = Timestamp::now() + SignedDuration::from_mins(6);
    assert!(cursor(ledger.as_ref(), stream).await < latest);

    // As a version before would have left it; meanwhile more contacts have come.
    let far: Timestamp = "9999-12-30T00:00:00Z".parse().expect("a time");
    let mark = Watermark {
        covered_from: crate::support::memory::start(),
        cursor: far,
    };
    ledger.set_feed_marks(&[(stream, mark)]).await.expect("marks");
    let (same, pulled_back) = noted(&ledger, Memory::new(40), 40).await;
    assert_eq!((same, pulled_back), (stream, Some(far)));
    assert!(cursor(ledger.as_ref(), stream).await < latest);
}
