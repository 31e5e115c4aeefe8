#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::ledger::StreamRequest;
use crate::ports::test_support::at;
use crate::registry::test_support::hubspot_account;
use crate::sync::test_support::{FakePortal, STAGE, context, event, portal};

/// A feed, and the streams of two events.
struct Setting {
    feed: Feed,
    streams: Vec<StreamId>,
}

impl Setting {
    async fn new() -> Self {
        let (ctx, _) = context().await;
        let mut streams = Vec::new();
        for name in ["first", "second"] {
            let mut event = event(name);
            event.action = None;
            let of = StreamRequest::new(event.key.clone(), event.uid.clone(), portal().id, &event.trigger, None);
            streams.push(ctx.ledger.stream_for(&of).await.unwrap());
            ctx.registry.set_event(event);
        }
        let feed = Feed::new(ObjectKey::new("tenant", "portal"), Arc::new(ctx));
        Self { feed, streams }
    }

    /// One of the events on one of the streams, covered from second 0 up to `cursor`.
    fn tracked(&self, name: &str, stream: usize, cursor: Option<i64>) -> Tracked {
        Tracked {
            event: Arc::new(event(name)),
            stream: self.streams[stream],
            mark: cursor.map(mark),
        }
    }

    /// A pass that took a minute and saw an entry at second `newest`.
    async fn finish(&mut self, events: Vec<Tracked>, newest: Option<i64>, nameless: usize) {
        let mut seen = ScanFindings::default();
        seen.nameless = nameless;
        if let Some(second) = newest {
            seen.record_newest(STAGE, at(second));
        }
        let pass = Pass {
            account: hubspot_account(),
            crm: FakePortal::new([]),
            portal: portal(),
            events,
            forms: vec![],
        };
        let back = Lookback {
            by: STEP_BACK,
            reached: None,
        };
        let began = Instant::now().checked_sub(MINUTE).unwrap();
        self.feed.finish_pass(&pass, back, &seen, began).await.unwrap();
    }

    /// Up to which second each stream is covered.
    async fn cursors(&self) -> Vec<Option<i64>> {
        let marks = self.feed.ctx.ledger.feed_marks(&self.streams).await.unwrap();
        let second = |mark: Watermark| mark.cursor.as_second() - at(0).as_second();
        marks.into_iter().map(|mark| mark.map(second)).collect()
    }
}

/// How long each pass takes.
const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

fn mark(cursor: i64) -> Watermark {
    Watermark {
        covered_from: at(0),
        cursor: at(cursor),
    }
}

/// Where the mark was, what the pass saw, and where the mark is written; `None`: it is not.
#[rstest::rstest]
#[case::first_pass(None, Some(5_000), 0, Some(4_939))]
#[case::first_pass_that_saw_nobody(None, None, 0, Some(0))]
#[case::later(Some(4_000), Some(5_000), 0, Some(4_939))]
#[case::nothing_newer(Some(4_000), Some(4_000), 0, None)]
#[case::newer_but_not_by_the_length_of_the_pass(Some(4_000), Some(4_060), 0, None)]
#[case::nobody_seen(Some(4_000), None, 0, None)]
#[case::a_contact_without_an_id_may_be_anyone(None, Some(5_000), 1, None)]
#[tokio::test]
async fn the_mark_stays_behind_the_newest_entry_by_the_length_of_the_pass(
    #[case] before: Option<i64>,
    #[case] newest: Option<i64>,
    #[case] nameless: usize,
    #[case] written: Option<i64>,
) {
    let mut setting = Setting::new().await;
    let events = vec![setting.tracked("first", 0, before)];
    setting.finish(events, newest, nameless).await;
    let found = setting.cursors().await[0];
    // A pass takes a minute and the moment that this test takes.
    let near = |found: i64, expected: i64| found == expected || (expected - 10..=expected).contains(&found);
    match (found, written) {
        (None, None) => {}
        (Some(found), Some(written)) => assert!(near(found, written), "{found}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_two_events_on_one_stream_the_one_less_far_along_counts() {
    for earlier_first in [true, false] {
        let mut setting = Setting::new().await;
        let stored = Watermark {
            covered_from: at(500),
            cursor: at(3_000),
        };
        // One begins before what is covered, the other behind it.
        let [earlier, later] = [("first", 0), ("second", 4_000)].map(|(name, start)| {
            let mut tracked = setting.tracked(name, 0, None);
            (Arc::make_mut(&mut tracked.event).start, tracked.mark) = (at(start), Some(stored));
            tracked
        });
        let events = if earlier_first {
            vec![earlier, later]
        } else {
            vec![later, earlier]
        };
        setting.finish(events, None, 0).await;
        assert_eq!(setting.cursors().await, [Some(3_000), None], "not 4,000");
    }
}

#[tokio::test]
async fn who_is_put_aside_is_in_the_ledger_before_the_mark_moves_past_them() {
    let mut setting = Setting::new().await;
    let longest = setting.feed.ctx.settings.backoff_max;
    setting.feed.history.aside.put_aside(ContactId(5), longest, at(0));
    let events = vec![setting.tracked("first", 0, None)];
    setting.finish(events, Some(5_000), 0).await;
    let aside = setting.feed.ctx.ledger.put_aside(&setting.feed.key).await.unwrap();
    assert_eq!(
        aside.iter().map(|contact| contact.id).collect::<Vec<_>>(),
        [ContactId(5)]
    );
    assert!(setting.cursors().await[0].is_some());
}

#[tokio::test]
async fn each_event_of_the_pass_is_fed() {
    let mut setting = Setting::new().await;
    let events = vec![setting.tracked("first", 0, None)];
    setting.finish(events, None, 1).await;
    let fed = |name| {
        let report = setting.feed.ctx.registry.event_report(&ObjectKey::new("tenant", name));
        [report.feed.last_success, report.ledger.last_success]
    };
    assert_eq!(fed("first"), [Some(at(0)); 2]);
    assert_eq!(fed("second"), [None; 2], "it was not part of it");
}
