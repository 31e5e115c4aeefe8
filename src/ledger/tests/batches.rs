use super::*;
use crate::ports::ledger::{BatchId, BatchResult, StatusResult};

pub(super) async fn begin(ledger: &SqlLedger, rows: &[(BatchRow, usize)], minute: i64) -> BatchId {
    ledger
        .begin_batch(&sender(), &[action(7)], rows, at(minute))
        .await
        .unwrap()
}

pub(super) async fn accept(ledger: &SqlLedger, batch: BatchId, request_id: &str, minute: i64) {
    let result = BatchResult::Accepted {
        request_id: request_id.into(),
        poll_at: at(minute + 30),
    };
    ledger.finish_batch(batch, &result, at(minute)).await.unwrap();
}

pub(super) fn status(batch: BatchId, updates: Vec<RowUpdate>, poll_at: Option<i64>) -> StatusResult {
    StatusResult {
        batch,
        updates,
        poll_at: poll_at.map(at),
    }
}

#[tokio::test]
async fn a_batch_is_in_flight_then_processing_then_counted() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let batch = begin(&ledger, &[worth(rows[1], "12.50"), plain(rows[0])], 3).await;
    assert_eq!(
        counts(&ledger, stream).await,
        [(Outcome::Pending, reason::IN_FLIGHT.into(), 2)]
    );
    assert!(due(&ledger, stream, 1_000).await.is_empty());
    assert_eq!(tally(&ledger, stream).await.next_due, None);
    assert!(ledger.open_requests(&sender(), at(1_000), 10).await.unwrap().is_empty());

    accept(&ledger, batch, "r1", 4).await;
    let counted = tally(&ledger, stream).await;
    assert_eq!(
        (counted.last_upload, counted.next_due, counted.oldest_pending),
        (Some(at(4)), None, None)
    );
    assert_eq!(
        counts(&ledger, stream).await,
        [(Outcome::Processing, reason::AWAITING_RESULT.into(), 2)]
    );
    assert_eq!(ledger.next_poll(&sender()).await.unwrap(), Some(at(34)));
    assert!(ledger.open_requests(&sender(), at(33), 10).await.unwrap().is_empty());
    assert!(
        ledger
            .open_requests(&sender_of("other"), at(34), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let open = ledger.open_requests(&sender(), at(34), 10).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].request_id.as_str(), open[0].polls, open[0].accepted_at),
        ("r1", 0, at(4))
    );
    let listed: Vec<_> = open[0].rows.iter().map(|r| (r.row, r.destination)).collect();
    assert_eq!(listed, [(rows[1], 0), (rows[0], 0)]);
    assert_eq!(open[0].destinations, [action(7)]);

    let first = update(rows[1], Outcome::Uploaded, "Processed");
    ledger
        .record_status(&status(batch, vec![first], Some(90)), at(35))
        .await
        .unwrap();
    let open = ledger.open_requests(&sender(), at(90), 10).await.unwrap();
    assert_eq!((open[0].polls, open[0].rows.len()), (1, 2), "positions stay");
    let second = update(rows[0], Outcome::Rejected, "InvalidGclid");
    ledger
        .record_status(&status(batch, vec![second], None), at(91))
        .await
        .unwrap();
    assert_eq!(
        counts(&ledger, stream).await,
        [
            (Outcome::Uploaded, "Processed".into(), 1),
            (Outcome::Rejected, "InvalidGclid".into(), 1)
        ]
    );
    assert_eq!(ledger.next_poll(&sender()).await.unwrap(), None);
    assert_eq!(tally(&ledger, stream).await.last_upload, Some(at(35)));
}

#[tokio::test]
async fn a_refused_batch_leaves_rows_as_they_were() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2, 3]).await;
    let batch = begin(
        &ledger,
        &[worth(rows[0], "1"), worth(rows[1], "2"), worth(rows[2], "3")],
        3,
    )
    .await;
    let mut failed = update(rows[1], Outcome::Pending, reason::QUOTA_EXHAUSTED);
    failed.failed_try = true;
    failed.isolation_group = 9;
    let uploaded = update(rows[2], Outcome::Uploaded, "Processed");
    let result = BatchResult::Refused {
        updates: vec![failed, uploaded],
    };
    ledger.finish_batch(batch, &result, at(4)).await.unwrap();
    let now = due(&ledger, stream, 4).await;
    assert_eq!(now.len(), 1);
    assert_eq!(
        (now[0].id, now[0].reason.as_str(), now[0].due),
        (rows[0], reason::NOT_DUE, at(4))
    );
    assert_eq!((&now[0].sent, now[0].attempts), (&None, 0));
    let later = due(&ledger, stream, 60).await;
    assert_eq!(
        (later[1].id, later[1].attempts, later[1].isolation_group, &later[1].sent),
        (rows[1], 1, 9, &None)
    );
    assert_eq!(tally(&ledger, stream).await.last_upload, Some(at(4)));
    // A repeat of the call after an error of the connection changes nothing.
    ledger
        .finish_batch(batch, &BatchResult::Unknown { updates: vec![] }, at(5))
        .await
        .unwrap();
    assert_eq!(due(&ledger, stream, 4).await, now);
}

#[tokio::test]
async fn a_value_that_may_have_reached_google_is_kept() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let batch = begin(&ledger, &[worth(rows[0], "10.00"), plain(rows[1])], 3).await;
    let unknown = BatchResult::Unknown {
        updates: vec![update(rows[1], Outcome::Pending, reason::QUOTA_EXHAUSTED)],
    };
    ledger.finish_batch(batch, &unknown, at(4)).await.unwrap();
    let lost = due(&ledger, stream, 60).await;
    assert_eq!(
        (lost[0].id, lost[0].reason.as_str(), lost[0].due),
        (rows[0], reason::UPSTREAM_UNAVAILABLE, at(4))
    );
    assert_eq!(lost[0].sent, Some(Some(("10".parse().unwrap(), "EUR".into()))));
    assert_eq!(
        (lost[1].reason.as_str(), &lost[1].sent),
        (reason::QUOTA_EXHAUSTED, &Some(None))
    );

    let again = begin(&ledger, &[worth(rows[0], "99")], 61).await;
    ledger
        .finish_batch(again, &BatchResult::Unknown { updates: vec![] }, at(62))
        .await
        .unwrap();
    let kept = due(&ledger, stream, 62)
        .await
        .into_iter()
        .find(|r| r.id == rows[0])
        .unwrap();
    assert_eq!(kept.sent, Some(Some(("10".parse().unwrap(), "EUR".into()))));
}

#[tokio::test]
async fn what_a_dead_process_left_in_flight_is_repeated() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    begin(&ledger, &[worth(rows[0], "5")], 3).await;
    let accepted = begin(&ledger, &[plain(rows[1])], 3).await;
    accept(&ledger, accepted, "r1", 4).await;
    drop(ledger);
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    assert!(due(&ledger, stream, 1_000).await.is_empty());
    assert_eq!(ledger.recover_batches(None, at(10)).await.unwrap(), 1);
    assert_eq!(ledger.recover_batches(None, at(10)).await.unwrap(), 0);
    let now = due(&ledger, stream, 10).await;
    assert_eq!(
        (now.len(), now[0].id, now[0].reason.as_str()),
        (1, rows[0], reason::UPSTREAM_UNAVAILABLE)
    );
    assert_eq!(now[0].sent, Some(Some(("5".parse().unwrap(), "EUR".into()))));
    assert_eq!(ledger.open_requests(&sender(), at(100), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_row_belongs_to_its_latest_batch() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let old = begin(&ledger, &[plain(rows[0]), plain(rows[1])], 3).await;
    accept(&ledger, old, "old", 4).await;
    let unknown = |row| RowUpdate {
        due: at(40),
        ..update(row, Outcome::Processing, reason::OUTCOME_UNKNOWN)
    };
    ledger
        .record_status(&status(old, vec![unknown(rows[0]), unknown(rows[1])], Some(90)), at(35))
        .await
        .unwrap();
    assert_eq!(due(&ledger, stream, 40).await.len(), 2);
    assert_eq!(tally(&ledger, stream).await.next_due, Some(at(40)));

    let new = begin(&ledger, &[plain(rows[0])], 41).await;
    let late = |outcome| vec![update(rows[0], outcome, "Late")];
    ledger
        .record_status(&status(old, late(Outcome::Rejected), Some(90)), at(42))
        .await
        .unwrap();
    assert_eq!(
        counts(&ledger, stream).await[0],
        (Outcome::Pending, reason::IN_FLIGHT.into(), 1)
    );
    accept(&ledger, new, "new", 43).await;
    ledger
        .record_status(&status(old, late(Outcome::Uploaded), Some(90)), at(44))
        .await
        .unwrap();
    assert!(counts(&ledger, stream).await.iter().all(|c| c.0 == Outcome::Processing));
    // The other row, still the old request's, may be answered by it.
    let answered = update(rows[1], Outcome::Uploaded, "Processed");
    ledger
        .record_status(&status(old, vec![answered], None), at(45))
        .await
        .unwrap();
    let result = status(new, vec![update(rows[0], Outcome::Rejected, "Named")], None);
    ledger.record_status(&result, at(75)).await.unwrap();
    assert_eq!(
        counts(&ledger, stream).await,
        [
            (Outcome::Uploaded, "Processed".into(), 1),
            (Outcome::Rejected, "Named".into(), 1)
        ]
    );
}

#[tokio::test]
async fn an_unknown_row_whose_repeat_is_refused_stays_unknown_and_due() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1]).await;
    let old = begin(&ledger, &[worth(rows[0], "3")], 3).await;
    accept(&ledger, old, "old", 4).await;
    ledger.record_status(&status(old, vec![], None), at(35)).await.unwrap();
    let unknown = due(&ledger, stream, 35).await;
    assert_eq!(
        (unknown[0].outcome, unknown[0].reason.as_str()),
        (Outcome::Processing, reason::OUTCOME_UNKNOWN)
    );
    let new = begin(&ledger, &[worth(rows[0], "3")], 36).await;
    ledger
        .finish_batch(new, &BatchResult::Refused { updates: vec![] }, at(37))
        .await
        .unwrap();
    let again = due(&ledger, stream, 37).await;
    assert_eq!(
        (again[0].outcome, again[0].reason.as_str()),
        (Outcome::Processing, reason::OUTCOME_UNKNOWN)
    );
    assert_eq!(again[0].sent, Some(Some(("3".parse().unwrap(), "EUR".into()))));
}

#[tokio::test]
async fn a_final_outcome_is_never_left() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    ledger
        .apply_updates(&[update(rows[0], Outcome::Uploaded, "Processed")], at(5))
        .await
        .unwrap();
    ledger
        .apply_updates(&[update(rows[0], Outcome::Pending, reason::SUSPENDED)], at(6))
        .await
        .unwrap();
    let batch = begin(&ledger, &[plain(rows[0]), plain(rows[1])], 7).await;
    accept(&ledger, batch, "r", 8).await;
    let open = ledger.open_requests(&sender(), at(100), 1).await.unwrap();
    assert_eq!(open[0].rows.len(), 2, "record indices count all rows of the request");
    let both = rows.iter().map(|r| update(*r, Outcome::Rejected, "Late")).collect();
    ledger.record_status(&status(batch, both, None), at(40)).await.unwrap();
    assert_eq!(
        counts(&ledger, stream).await,
        [
            (Outcome::Uploaded, "Processed".into(), 1),
            (Outcome::Rejected, "Late".into(), 1)
        ]
    );
}

#[tokio::test]
async fn a_bad_batch_changes_nothing() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let try_begin = async |rows: &[(BatchRow, usize)]| ledger.begin_batch(&sender(), &[action(7)], rows, at(3)).await;
    assert!(try_begin(&[plain(rows[0]), plain(rows[0])]).await.is_err());
    assert!(try_begin(&[plain(rows[0]), plain(RowId(999))]).await.is_err());
    assert!(try_begin(&[(plain(rows[0]).0, 1)]).await.is_err());
    assert_eq!(due(&ledger, stream, 2).await.len(), 2);
    begin(&ledger, &[plain(rows[0])], 4).await;
    assert!(try_begin(&[plain(rows[1]), plain(rows[0])]).await.is_err());
    assert_eq!(due(&ledger, stream, 2).await.len(), 1);
    // In flight: only the answer to the batch decides.
    ledger
        .apply_updates(&[update(rows[0], Outcome::Skipped, reason::NO_CONSENT)], at(5))
        .await
        .unwrap();
    assert_eq!(
        counts(&ledger, stream).await[0],
        (Outcome::Pending, reason::IN_FLIGHT.into(), 1)
    );
}

#[tokio::test]
async fn requests_of_an_account_that_is_gone_are_taken_over() {
    let ledger = fresh().await;
    let (_, rows) = with_rows(&ledger, &[1, 2]).await;
    let batch = begin(&ledger, &[plain(rows[0])], 3).await;
    accept(&ledger, batch, "r1", 4).await;
    begin(&ledger, &[plain(rows[1])], 3).await;
    let other = sender_of("other");
    let owner = action(7).account;
    let stranger = AdAccountKey {
        id: "9999999999".into(),
        ..owner.clone()
    };
    let mine = [sender().account];
    assert!(ledger.other_senders(&sender(), &owner).await.unwrap().is_empty());
    assert_eq!(ledger.other_senders(&other, &owner).await.unwrap(), mine);
    assert!(ledger.other_senders(&other, &stranger).await.unwrap().is_empty());
    let adopted = async |owner: &AdAccountKey, gone: &[ObjectKey]| {
        let adopted = ledger.adopt_requests(&other, owner, gone).await;
        adopted.unwrap()
    };
    assert_eq!(adopted(&owner, &[ObjectKey::new("a", "third")]).await, 0, "it is there");
    assert_eq!(adopted(&stranger, &mine).await, 0, "not its owner");
    assert_eq!(adopted(&owner, &mine).await, 1, "not what is in flight");
    assert_eq!(ledger.open_requests(&other, at(34), 10).await.unwrap().len(), 1);
    assert!(ledger.open_requests(&sender(), at(34), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_whose_outcome_stays_unknown_are_counted_after_a_day_and_while_they_go_again() {
    const DAY: i64 = 24 * 60;
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let long_unknown = async |minute| {
        let counted = ledger.count_rows(stream, at(0), at(minute)).await.unwrap();
        counted.long_unknown
    };
    for round in 0..3 {
        let minute = 10 * round + 3;
        let batch = begin(&ledger, &[worth(rows[0], "3")], minute).await;
        assert_eq!(long_unknown(2 * DAY).await, 0, "{round}: sent again too few times");
        accept(&ledger, batch, &format!("r{round}"), minute + 1).await;
        let unknown = RowUpdate {
            failed_try: true,
            ..update(rows[0], Outcome::Processing, reason::OUTCOME_UNKNOWN)
        };
        let answer = status(batch, vec![unknown], None);
        ledger.record_status(&answer, at(minute + 2)).await.unwrap();
    }
    assert_eq!((long_unknown(DAY).await, long_unknown(2 * DAY).await), (0, 1));
    let again = begin(&ledger, &[worth(rows[0], "3")], 40).await;
    assert_eq!(long_unknown(2 * DAY).await, 1, "on its way");
    accept(&ledger, again, "again", 41).await;
    assert_eq!(long_unknown(2 * DAY).await, 1, "accepted");
    let uploaded = update(rows[0], Outcome::Uploaded, "Processed");
    ledger
        .record_status(&status(again, vec![uploaded], None), at(42))
        .await
        .unwrap();
    assert_eq!(long_unknown(2 * DAY).await, 0);
}
