//! Fruitless tries of a row, which are counted until there is an answer.

use super::batches::begin;
use super::*;
use crate::ports::ledger::BatchResult;

#[tokio::test]
async fn fruitless_tries_add_up_until_the_row_moves_on() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1]).await;
    let mut failed = update(rows[0], Outcome::Pending, reason::UPSTREAM_UNAVAILABLE);
    failed.failed_try = true;
    for tries in 1..=3 {
        ledger
            .apply_updates(std::slice::from_ref(&failed), at(5))
            .await
            .unwrap();
        assert_eq!(due(&ledger, stream, 60).await[0].attempts, tries);
    }
    // A second look between two tries is not an answer.
    ledger
        .apply_updates(&[update(rows[0], Outcome::Pending, reason::NOT_DUE)], at(6))
        .await
        .unwrap();
    assert_eq!(due(&ledger, stream, 60).await[0].attempts, 3);
    let batch = begin(&ledger, &[worth(rows[0], "1")], 7).await;
    let answer = BatchResult::Answered {
        updates: vec![update(rows[0], Outcome::Pending, reason::AWAITING_CLICK_ID)],
        request_id: None,
    };
    ledger.finish_batch(batch, &answer, at(8)).await.unwrap();
    assert_eq!(due(&ledger, stream, 60).await[0].attempts, 0);
}
