#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::super::objects::EventStores;
use super::super::test_support::source_of;
use super::*;
use crate::domain::ids::TransactionId;
use crate::ports::ledger::view::{ConversionPage, Cursor, DayCount, LedgerView};
use crate::ports::ledger::{LedgerResult, StreamId};

/// So many conversions, of which every `rare`th one was skipped and the others uploaded.
struct Many {
    count: i64,
    rare: i64,
    looks: Mutex<Vec<usize>>,
}

fn transaction(number: i64) -> TransactionId {
    let mut id = [0; 20];
    id[..8].copy_from_slice(&number.to_be_bytes());
    TransactionId(id)
}

#[async_trait]
impl LedgerView for Many {
    async fn list_conversions(&self, query: &ConversionQuery) -> LedgerResult<ConversionPage> {
        self.looks.lock().push(query.limit);
        let begin = match query.after {
            Some(Cursor::Kept { sort_key, .. }) => sort_key + 1,
            _ => 0,
        };
        let end = (begin + i64::try_from(query.limit).unwrap()).min(self.count);
        let conversion = |number: i64| {
            let (outcome, reason) = match number % self.rare {
                0 => (Outcome::Skipped, "NoClickId"),
                _ => (Outcome::Uploaded, ""),
            };
            ListedConversion {
                transaction: transaction(number),
                contact: None,
                submission: None,
                occurred_at: Timestamp::UNIX_EPOCH,
                outcome,
                reason: reason.to_owned(),
                detail: String::new(),
                record: None,
            }
        };
        let last = Cursor::Kept {
            sort_key: end - 1,
            transaction: transaction(end - 1),
        };
        Ok(ConversionPage {
            conversions: (begin..end).map(conversion).collect(),
            next: Some(last).filter(|_| end < self.count),
        })
    }

    async fn count_days(&self, _: StreamId, _: Timestamp) -> LedgerResult<Vec<DayCount>> {
        Ok(Vec::new())
    }
}

/// All that have a reason, page by page; how many pages there were, and how many conversions each look was at.
async fn all_skipped(rare: i64, wide: usize) -> (usize, usize, Vec<usize>) {
    let ledger = Arc::new(Many {
        count: 30_000,
        rare,
        looks: Mutex::default(),
    });
    let source = source_of(EventStores::default(), ledger.clone());
    let (mut found, mut pages, mut after) = (0, 0, None);
    loop {
        let filter = Filter {
            query: ConversionQuery {
                stream: StreamId(1),
                since: Timestamp::UNIX_EPOCH,
                outcome: None,
                contacts: Vec::new(),
                after,
                limit: 100,
            },
            reason: Some("NoClickId".to_owned()),
            changed_since: None,
            gates: EventGates::default(),
        };
        let list = find_conversions(&source, filter, wide).await.unwrap();
        assert!(list.conversions.len() <= 100 + wide, "{}", list.conversions.len());
        found += list.conversions.len();
        pages += 1;
        match list.next {
            Some(word) => after = cursor::from_word(&word),
            None => return (found, pages, ledger.looks.lock().clone()),
        }
    }
}

/// Else whoever reads the page would have to go through a dozen that are empty.
#[tokio::test]
async fn a_reason_that_few_have_is_found_on_few_pages() {
    let (found, pages, looks) = all_skipped(10_000, MAX_PAGE).await;
    assert_eq!((found, pages), (3, 3));
    assert!(looks.iter().all(|look| *look <= MAX_PAGE), "{looks:?}");
}

/// Programs get no more than they asked for.
#[tokio::test]
async fn a_page_for_programs_keeps_its_limit() {
    let (found, pages, looks) = all_skipped(10_000, 0).await;
    assert_eq!((found, pages), (3, 16));
    assert!(looks.iter().all(|look| *look <= 100), "{looks:?}");
}

#[tokio::test]
async fn a_reason_that_many_have_fills_each_page() {
    let (found, pages, _) = all_skipped(2, MAX_PAGE).await;
    assert_eq!(found, 15_000);
    assert!((150..=152).contains(&pages), "{pages} pages");
}
