//! Several accounts of one portal look at its contacts: what one of them sees is not erased.
#![allow(clippy::unwrap_used)]

use super::erase::{AGO, GONE, OWNER, STAYS, became, became_at, counted, erase, look, look_as, looker};
use super::*;
use crate::ports::ledger::LONGEST_WINDOW;

#[tokio::test]
async fn what_another_account_sees_is_not_erased() {
    let ledger = fresh().await;
    became(&ledger, &[GONE], 0).await;
    became(&ledger, &[STAYS], 1).await;
    // One that may see nothing but its own contacts, and looks on; each has a round of its own.
    for minute in [0, 50, 100, 150] {
        look_as(&ledger, "narrow", &[], &[GONE, STAYS], minute).await;
    }
    look(&ledger, &[STAYS], &[GONE], 100).await;
    assert_eq!(erase(&ledger, 150).await, [GONE], "one sees it and one does not");
    assert_eq!(
        ledger.last_seen(&looker(OWNER), &[], 9).await.unwrap(),
        [ContactId(STAYS)]
    );
    assert_eq!(ledger.last_seen(&looker("narrow"), &[], 9).await.unwrap(), []);
    assert!(ledger.look_round(&looker("new")).await.unwrap().is_none());
    look_as(&ledger, "narrow", &[], &[STAYS], 160).await;
    assert!(erase(&ledger, 160).await.is_empty(), "seen an hour ago");
    // The other looks no longer: what it saw says nothing any more.
    look_as(&ledger, "narrow", &[], &[STAYS], 161).await;
    assert_eq!(erase(&ledger, 161).await, [STAYS]);
}

#[tokio::test]
async fn what_an_account_missed_that_looks_no_longer_erases_nothing() {
    let ledger = fresh().await;
    became(&ledger, &[GONE], 0).await;
    look_as(&ledger, "narrow", &[], &[GONE], 0).await;
    look_as(&ledger, "narrow", &[], &[GONE], 60).await;
    assert!(erase(&ledger, 121).await.is_empty());
    assert_eq!(erase(&ledger, 120).await, [GONE]);
}

/// An id that one account sees keeps its lineage, even if another misses all of it.
#[tokio::test]
async fn a_lineage_stays_where_another_account_sees_an_id_of_it() {
    let ledger = fresh().await;
    became(&ledger, &[GONE, STAYS], 0).await;
    for minute in [0, 60] {
        look_as(&ledger, "narrow", &[], &[GONE, STAYS], minute).await;
    }
    look(&ledger, &[STAYS], &[], 10).await;
    assert!(erase(&ledger, 60).await.is_empty());
}

#[tokio::test]
async fn what_may_still_be_sent_is_not_settled_by_an_erasure() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let window = LONGEST_WINDOW.as_mins();
    let row = became_at(&ledger, &[GONE], 61 - window).await;
    ledger.record_occurrences(stream, &[row]).await.unwrap();
    for minute in [0, 60, 61] {
        look(&ledger, &[], &[GONE], minute).await;
    }
    assert!(erase(&ledger, 60).await.is_empty(), "it may be sent for another minute");
    let tally = ledger.count_rows(stream, at(-AGO), at(99)).await.unwrap();
    assert_eq!(counted(&tally), [(Outcome::Pending, reason::NOT_DUE.into(), 1)]);
    assert_eq!(erase(&ledger, 61).await, [GONE]);
    let tally = ledger.count_rows(stream, at(-AGO), at(99)).await.unwrap();
    assert_eq!(counted(&tally), [(Outcome::Skipped, reason::CONTACT_DELETED.into(), 1)]);
}

#[tokio::test]
async fn looks_of_accounts_that_look_no_longer_are_forgotten() {
    let ledger = fresh().await;
    let ids: Vec<u64> = (1..=5).map(|n| GONE + n).collect();
    for id in &ids {
        became(&ledger, &[*id], 0).await;
    }
    look(&ledger, &ids, &[], 100).await;
    look_as(&ledger, "removed", &[], &ids, 99).await;
    for forgotten in [2, 2, 1, 0] {
        assert_eq!(ledger.forget_looks(at(100), 2).await.unwrap(), forgotten);
    }
    assert!(ledger.look_round(&looker("removed")).await.unwrap().is_none());
    assert!(ledger.look_round(&looker(OWNER)).await.unwrap().is_some());
    assert_eq!(ledger.last_seen(&looker(OWNER), &[], 9).await.unwrap().len(), 5);
}
