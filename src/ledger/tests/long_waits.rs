use jiff::SignedDuration;

use super::batches::accept;
use super::*;

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
    assert_eq!(ledger.latest_wait(at(4)).await.unwrap(), Some(at(AHEAD)));
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
    assert_eq!(ledger.latest_wait(at(12)).await.unwrap(), Some(at(130)));
    let two_hours = SignedDuration::from_hours(2);
    assert_eq!(ledger.bring_forward(two_hours, at(12)).await.unwrap(), 3);
    assert_eq!(
        ledger.latest_wait(at(12)).await.unwrap(),
        Some(at(12)),
        "the second one"
    );
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
