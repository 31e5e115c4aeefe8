use super::batches::{accept, begin, status};
use super::*;

#[tokio::test]
async fn a_request_id_that_an_earlier_request_has_accepts_nothing() {
    let ledger = fresh().await;
    let (track, rows) = with_rows(&ledger, &[1, 2]).await;
    let earlier = begin(&ledger, &[plain(rows[0])], 3).await;
    accept(&ledger, earlier, "r1", 4).await;
    let later = begin(&ledger, &[plain(rows[1])], 5).await;
    accept(&ledger, later, "r1", 6).await;
    let counted = counts(&ledger, track).await;
    assert!(
        counted.contains(&(Outcome::Processing, reason::AWAITING_RESULT.into(), 1)),
        "{counted:?}"
    );
    assert!(
        counted.contains(&(Outcome::Pending, reason::UPSTREAM_UNAVAILABLE.into(), 1)),
        "{counted:?}"
    );
    assert!(due(&ledger, track, 35).await.is_empty(), "not at once");
    assert_eq!(due(&ledger, track, 36).await.len(), 1);
    let open = ledger.open_requests(&sender(), at(1_000), 10).await.unwrap();
    assert_eq!(open.iter().map(|request| request.batch).collect::<Vec<_>>(), [earlier]);
}

#[tokio::test]
async fn the_id_of_a_request_that_has_ended_accepts_nothing_for_days() {
    let ledger = fresh().await;
    let (track, rows) = with_rows(&ledger, &[1, 2, 3]).await;
    let earlier = begin(&ledger, &[plain(rows[0])], 3).await;
    accept(&ledger, earlier, "r1", 4).await;
    let uploaded = update(rows[0], Outcome::Uploaded, "Processed");
    ledger
        .record_status(&status(earlier, vec![uploaded], None), at(5))
        .await
        .unwrap();
    let later = begin(&ledger, &[plain(rows[1])], 6).await;
    accept(&ledger, later, "r1", 7).await;
    assert!(ledger.open_requests(&sender(), at(1_000), 10).await.unwrap().is_empty());
    let counted = counts(&ledger, track).await;
    assert!(
        counted.contains(&(Outcome::Pending, reason::UPSTREAM_UNAVAILABLE.into(), 1)),
        "{counted:?}"
    );

    // Another account's request may have the same one, and after a week nothing repeats it any more.
    let other = sender_of("other");
    let of_other = ledger
        .begin_batch(&other, &[action(7)], &[plain(rows[2])], at(8))
        .await
        .unwrap();
    accept(&ledger, of_other, "r1", 9).await;
    assert_eq!(ledger.open_requests(&other, at(1_000), 10).await.unwrap().len(), 1);
    let week = 7 * 24 * 60;
    let last = begin(&ledger, &[plain(rows[1])], week).await;
    accept(&ledger, last, "r2", week).await;
    let updates = vec![update(rows[1], Outcome::Pending, reason::UPSTREAM_UNAVAILABLE)];
    ledger
        .record_status(&status(last, updates, None), at(week + 6))
        .await
        .unwrap();
    let again = begin(&ledger, &[plain(rows[1])], week + 90).await;
    accept(&ledger, again, "r1", week + 91).await;
    assert_eq!(
        ledger.open_requests(&sender(), at(week * 2), 10).await.unwrap().len(),
        1
    );
}
