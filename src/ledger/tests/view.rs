use super::*;
use crate::ports::ledger::view::{ConversionQuery, Cursor, LedgerView, ListedConversion};

fn all_of(stream: StreamId) -> ConversionQuery {
    ConversionQuery {
        stream,
        since: at(0),
        outcome: None,
        contacts: Vec::new(),
        after: None,
        limit: 3,
    }
}

/// All pages of a query, and how many there were.
async fn list(ledger: &SqlLedger, query: ConversionQuery) -> (Vec<ListedConversion>, usize) {
    let (mut found, mut pages, mut query) = (Vec::new(), 0, query);
    loop {
        let page = ledger.list_conversions(&query).await.unwrap();
        pages += 1;
        assert!(page.conversions.len() <= query.limit);
        found.extend(page.conversions);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return (found, pages),
        }
    }
}

/// Eight conversions on two days, of which the first three are settled, and two of those archived.
async fn some(ledger: &SqlLedger) -> StreamId {
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let day = 24 * 60;
    let rows: Vec<_> = (1..=8)
        .map(|n| NewRow {
            occurred_at: at(if n > 4 { day } else { 0 }),
            ..pending(n)
        })
        .collect();
    ledger.record_occurrences(stream, &rows).await.unwrap();
    let waiting = due(ledger, stream, 2).await;
    let of = |n: u8| waiting.iter().find(|row| row.transaction == transaction(n)).unwrap().id;
    let settle = [
        update(of(1), Outcome::Skipped, reason::NO_CLICK_ID),
        update(of(2), Outcome::Skipped, reason::NO_CONSENT),
    ];
    ledger.apply_updates(&settle, at(3)).await.unwrap();
    assert_eq!(ledger.archive_rows(at(4), 10).await.unwrap(), 2);
    let settle = [update(of(3), Outcome::Rejected, "Odd")];
    ledger.apply_updates(&settle, at(5)).await.unwrap();
    stream
}

#[tokio::test]
async fn every_conversion_is_listed_once_whatever_the_page() {
    let ledger = fresh().await;
    let stream = some(&ledger).await;
    for limit in 1..=10 {
        let (found, pages) = list(
            &ledger,
            ConversionQuery {
                limit,
                ..all_of(stream)
            },
        )
        .await;
        let mut ids: Vec<_> = found.iter().map(|c| c.transaction.0[0]).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 8], "pages of {limit}");
        assert!(pages <= 8 / limit + 1, "pages of {limit}");
        let archived = found.iter().filter(|c| c.record.is_none());
        assert!(
            archived
                .clone()
                .all(|c| c.contact.is_none() && c.outcome == Outcome::Skipped)
        );
        assert_eq!(archived.count(), 2);
    }
}

#[tokio::test]
async fn filters_leave_out_all_others() {
    let ledger = fresh().await;
    let stream = some(&ledger).await;
    let ids = async |query: ConversionQuery| -> Vec<u8> {
        let (found, _) = list(&ledger, query).await;
        found.iter().map(|c| c.transaction.0[0]).collect()
    };
    let outcome = |outcome| ConversionQuery {
        outcome: Some(outcome),
        ..all_of(stream)
    };
    assert_eq!(ids(outcome(Outcome::Rejected)).await, [3]);
    assert_eq!(ids(outcome(Outcome::Skipped)).await, [1, 2]);
    assert_eq!(ids(outcome(Outcome::Uploaded)).await, [0; 0]);
    let contacts = vec![ContactId(2), ContactId(4), ContactId(6), ContactId(99)];
    assert_eq!(
        ids(ConversionQuery {
            contacts,
            ..all_of(stream)
        })
        .await,
        [4, 6]
    );
    let since = at(1);
    assert_eq!(
        ids(ConversionQuery {
            since,
            ..all_of(stream)
        })
        .await,
        [5, 6, 7, 8]
    );
    assert_eq!(ids(all_of(StreamId(stream.0 + 1))).await, [0; 0]);
}

#[tokio::test]
async fn a_request_and_a_value_are_shown() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[worth(rows[0], "12.50")], at(3))
        .await
        .unwrap();
    let accepted = crate::ports::ledger::BatchResult::Accepted {
        request_id: "request-1".into(),
        poll_at: at(30),
    };
    ledger.finish_batch(batch, &accepted, at(4)).await.unwrap();
    let (found, _) = list(&ledger, all_of(stream)).await;
    let sent = found[0].record.clone().unwrap();
    assert_eq!(sent.request_id.as_deref(), Some("request-1"));
    assert_eq!(sent.value, Some(("12.5".parse().unwrap(), "EUR".to_owned())));
    assert!(sent.sent && sent.due.is_none());
    let waits = found[1].record.clone().unwrap();
    assert!(!waits.sent && waits.request_id.is_none() && waits.due == Some(at(2)));
    // Whoever asks Google about it needs the id once the request is long over.
    let uploaded = update(rows[0], Outcome::Uploaded, "Processed");
    let ended = super::batches::status(batch, vec![uploaded], None);
    ledger.record_status(&ended, at(5)).await.unwrap();
    assert!(ledger.open_requests(&sender(), at(100), 10).await.unwrap().is_empty());
    let (found, _) = list(&ledger, all_of(stream)).await;
    assert_eq!(found[0].outcome, Outcome::Uploaded);
    let sent = found[0].record.clone().unwrap();
    assert_eq!(sent.request_id.as_deref(), Some("request-1"));
    // The other route says at once what became of each row.
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[worth(rows[1], "1")], at(6))
        .await
        .unwrap();
    let answered = crate::ports::ledger::BatchResult::Answered {
        updates: vec![update(rows[1], Outcome::Rejected, "Odd")],
        request_id: Some("request-2".into()),
    };
    ledger.finish_batch(batch, &answered, at(7)).await.unwrap();
    let (found, _) = list(&ledger, all_of(stream)).await;
    let refused = found[1].record.clone().unwrap();
    assert_eq!(refused.request_id.as_deref(), Some("request-2"));
}

#[tokio::test]
async fn days_add_up_to_the_counts_with_what_is_archived() {
    let ledger = fresh().await;
    let stream = some(&ledger).await;
    for since in [at(-5_000), at(0), at(1), at(5_000)] {
        let days = ledger.count_days(stream, since).await.unwrap();
        assert!(days.is_sorted_by_key(|day| day.day));
        let counts = ledger.count_rows(stream, since, at(2)).await.unwrap();
        for outcome in Outcome::ALL {
            let by_day: u64 = days.iter().filter(|d| d.outcome == outcome).map(|d| d.count).sum();
            let counted: u64 = counts
                .classes
                .iter()
                .filter(|c| c.outcome == outcome)
                .map(|c| c.count)
                .sum();
            assert_eq!(by_day, counted, "{outcome} since {since}");
        }
    }
    let days = ledger.count_days(stream, at(0)).await.unwrap();
    assert_eq!(days.iter().map(|day| day.count).collect::<Vec<_>>(), [1, 1, 2, 4]);
}

#[tokio::test]
async fn a_place_of_another_list_is_no_harm() {
    let ledger = fresh().await;
    let stream = some(&ledger).await;
    let after = Some(Cursor::Kept {
        sort_key: i64::MAX,
        transaction: transaction(255),
    });
    let (found, _) = list(
        &ledger,
        ConversionQuery {
            after,
            ..all_of(stream)
        },
    )
    .await;
    assert_eq!(found.len(), 2, "the archived ones alone");
}
