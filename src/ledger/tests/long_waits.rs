use jiff::SignedDuration;

use super::batches::{accept, begin, status};
use super::*;
use crate::api::ResumePolicy;
use crate::ports::ledger::BatchResult;

/// The longest wait that anything is meant to have.
const DAY: SignedDuration = SignedDuration::from_hours(24);
const AHEAD: i64 = 3 * 24 * 60;

fn row(n: u8, occurred: i64, seen: i64, due: i64) -> NewRow {
    NewRow {
        occurred_at: at(occurred),
        first_seen: at(seen),
        due: at(due),
        ..pending(n)
    }
}

/// The latest minute by which anything was set due.
async fn set_by(ledger: &SqlLedger) -> i64 {
    let latest = ledger.waits_set_by().await.unwrap().expect("something waits");
    (latest.as_second() - at(0).as_second()) / 60
}

#[tokio::test]
async fn what_waits_for_a_day_that_a_wrong_clock_showed_is_due_now() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let rows = [
        row(1, 0, AHEAD, AHEAD + 1),
        // As far ahead as anything may be.
        row(2, 0, 10, 10 + 24 * 60),
        // HubSpot says that it happens in three days.
        row(3, AHEAD, 10, AHEAD),
    ];
    ledger.record_occurrences(stream, &rows).await.unwrap();
    assert_eq!(ledger.end_long_waits(DAY, at(10)).await.unwrap(), 1);
    let due = due(&ledger, stream, 10).await;
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].transaction, due[0].first_seen), (transaction(1), at(10)));
    assert_eq!(ledger.end_long_waits(DAY, at(10)).await.unwrap(), 0, "once");
}

#[tokio::test]
async fn a_request_is_asked_about_today() {
    let ledger = fresh().await;
    let (_, rows) = with_rows(&ledger, &[1]).await;
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[plain(rows[0])], at(3))
        .await
        .unwrap();
    accept(&ledger, batch, "r-1", AHEAD).await;
    assert_eq!(set_by(&ledger).await, AHEAD);
    let ahead = SignedDuration::from_hours(24);
    assert_eq!(ledger.bring_forward(ahead, at(4)).await.unwrap(), 1);
    assert_eq!(
        ledger.next_poll(&sender()).await.unwrap(),
        Some(at(AHEAD + 30 - 24 * 60))
    );
    assert_eq!(ledger.end_long_waits(DAY, at(5)).await.unwrap(), 1);
    assert_eq!(ledger.next_poll(&sender()).await.unwrap(), Some(at(5)));
}

#[tokio::test]
async fn after_a_clock_that_was_ahead_all_is_due_as_much_earlier_but_not_before_now() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let rows = [
        // Seen two hours ahead, at 10 in truth.
        row(1, 0, 130, 131),
        row(2, 0, 130, 190),
        // Due anyway.
        row(3, 0, 5, 6),
        // Seen before, and waits.
        row(4, 0, 5, 60),
    ];
    ledger.record_occurrences(stream, &rows).await.unwrap();
    assert_eq!(set_by(&ledger).await, 130);
    let two_hours = SignedDuration::from_hours(2);
    assert_eq!(ledger.bring_forward(two_hours, at(12)).await.unwrap(), 3);
    assert_eq!(set_by(&ledger).await, 12);
    let found = due(&ledger, stream, 9_999).await;
    let mut found: Vec<_> = found
        .iter()
        .map(|row| (row.transaction, row.first_seen, row.due))
        .collect();
    found.sort_by_key(|(transaction, ..)| transaction.0);
    let wanted = [(1, 12, 12), (2, 12, 70), (3, 5, 6), (4, 5, 12)];
    let wanted = wanted.map(|(n, seen, due)| (transaction(n), at(seen), at(due)));
    assert_eq!(found, wanted);
}

/// Also one that changes nothing else, and one of a row or a request that has waited for long: the next process goes by it.
#[tokio::test]
async fn every_write_that_may_set_a_wait_tells_by_which_time() {
    let ledger = fresh().await;
    assert_eq!(ledger.waits_set_by().await.unwrap(), None);
    let (stream, rows) = with_rows(&ledger, &[1, 2, 3]).await;
    assert_eq!(set_by(&ledger).await, 1);
    let waits = [update(rows[0], Outcome::Pending, reason::NOT_DUE)];
    ledger.apply_updates(&waits, at(10)).await.unwrap();
    ledger.apply_updates(&waits, at(20)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 20, "nothing else changed");
    ledger.release_rows(stream, &[reason::NOT_DUE], at(30)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 30);
    let sends = ResumePolicy::CatchUp;
    ledger.resume_rows(stream, sends, at(40)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 40);
    let batch = begin(&ledger, &[plain(rows[1])], 41).await;
    accept(&ledger, batch, "r-1", 50).await;
    assert_eq!(set_by(&ledger).await, 50);
    ledger
        .record_status(&status(batch, Vec::new(), Some(90)), at(60))
        .await
        .unwrap();
    assert_eq!(set_by(&ledger).await, 60, "asked again, of the same request");
    let lost = begin(&ledger, &[plain(rows[2])], 61).await;
    let unknown = BatchResult::Unknown { updates: Vec::new() };
    ledger.finish_batch(lost, &unknown, at(70)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 70);
    begin(&ledger, &[plain(rows[2])], 71).await;
    ledger.recover_batches(None, at(80)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 80);
    ledger.end_long_waits(DAY, at(90)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 90);
    ledger.apply_updates(&waits, at(5)).await.unwrap();
    assert_eq!(set_by(&ledger).await, 90, "the latest counts");
}

/// This process was ahead by an hour, the one before it by a day: what it has set is still to be brought forward.
#[tokio::test]
async fn a_time_that_was_further_ahead_is_not_forgotten() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1]).await;
    let day = 24 * 60;
    let waits = RowUpdate {
        due: at(day + 30),
        ..update(rows[0], Outcome::Pending, reason::NOT_DUE)
    };
    ledger.apply_updates(&[waits], at(day)).await.unwrap();
    ledger
        .bring_forward(SignedDuration::from_hours(1), at(2))
        .await
        .unwrap();
    assert_eq!(set_by(&ledger).await, day - 60);
    assert!(due(&ledger, stream, 3).await.is_empty());
    assert_eq!(ledger.bring_forward(SignedDuration::MAX, at(3)).await.unwrap(), 1);
    assert_eq!(set_by(&ledger).await, 3);
    assert_eq!(due(&ledger, stream, 3).await.len(), 1);
}

/// It runs once a minute: however many rows there are, it reads none that is not far away.
#[tokio::test]
async fn the_search_for_long_waits_goes_by_the_index() {
    if std::env::var_os(SERVER).is_some() {
        return;
    }
    let ledger = fresh().await;
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
        "EXPLAIN QUERY PLAN UPDATE conversions SET due = 1 WHERE stream IN (SELECT id FROM streams)
         AND state = 'Waiting' AND due > 2 AND due - occurred_at > 3",
    )
    .fetch_all(&mut **ledger.opened.pools.readers.acquire().await.unwrap())
    .await
    .unwrap();
    let steps: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
    assert!(
        steps
            .iter()
            .any(|step| step.contains("conversions_due (stream=? AND due>?)")),
        "{steps:?}"
    );
}
