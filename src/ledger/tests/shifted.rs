//! Entries that one read shows under another time.

use std::sync::Arc;

use super::*;
use crate::domain::contact::{Contact, Properties};
use crate::domain::shown_entries::ShownEntries;

const PORTAL: PortalId = PortalId(62515);

/// So many milliseconds after an arbitrary zero.
fn ms(after: i64) -> i64 {
    at(0).as_millisecond() + after
}

/// What the feed notes of a read that shows the contact's entries at these times.
async fn read(ledger: &SqlLedger, lineage: &[u64], times: &[i64]) -> Vec<NewRow> {
    let ids: Vec<ContactId> = lineage.iter().map(|id| ContactId(*id)).collect();
    let canonical = ledger.canonical_contacts(PORTAL, std::slice::from_ref(&ids)).await;
    let canonical = canonical.unwrap().remove(0);
    let times: Vec<i64> = times.iter().map(|after| ms(*after)).collect();
    let others = ids.iter().chain(&canonical.others).copied();
    let shown = Arc::new(ShownEntries::new(
        (PORTAL, "customer"),
        canonical.contact,
        others,
        times,
    ));
    let row = |entry: &i64| NewRow {
        keys: shown.keys_at(*entry),
        contact: *ids.last().unwrap(),
        occurred_at: Timestamp::from_millisecond(*entry).unwrap(),
        shown: Some(shown.clone()),
        ..pending(0)
    };
    shown.entries().iter().map(row).collect()
}

async fn new_of(ledger: &SqlLedger, stream: StreamId, lineage: &[u64], times: &[i64]) -> usize {
    let rows = read(ledger, lineage, times).await;
    ledger.record_occurrences(stream, &rows).await.unwrap()
}

async fn skip_and_archive(ledger: &SqlLedger, stream: StreamId) {
    let rows = due(ledger, stream, 9).await;
    let updates: Vec<_> = rows
        .iter()
        .map(|row| update(row.id, Outcome::Skipped, reason::NO_CLICK_ID))
        .collect();
    ledger.apply_updates(&updates, at(3)).await.unwrap();
    assert_eq!(ledger.archive_rows(at(9), 100).await.unwrap(), updates.len());
}

fn of_uid(uid: &str, action: Option<ActionKey>) -> StreamRequest {
    StreamRequest {
        event_uid: uid.into(),
        ..request(action)
    }
}

const WAYS: [fn(i64) -> i64; 4] = [|at| at - at % 1_000, |at| at + 1, |at| at - 1_000, |at| at + 1_000];

#[tokio::test]
async fn an_entry_under_another_time_is_not_new_whichever_read_is_right() {
    for odd in WAYS {
        let right = [40_123, 90_456];
        let other = right.map(odd);
        for (first, later) in [(right, other), (other, right)] {
            for archived in [false, true] {
                let ledger = fresh().await;
                let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
                assert_eq!(new_of(&ledger, stream, &[5], &first).await, 2);
                if archived {
                    skip_and_archive(&ledger, stream).await;
                }
                let more = [later[0], later[1], 95_000];
                assert_eq!(new_of(&ledger, stream, &[5], &later).await, 0, "{first:?} {later:?}");
                assert_eq!(new_of(&ledger, stream, &[5], &more).await, 1);
                assert_eq!(new_of(&ledger, stream, &[5], &first).await, 0);
                assert_eq!(new_of(&ledger, stream, &[6], &later).await, 2, "another contact");
                let ids: Vec<_> = due(&ledger, stream, 9)
                    .await
                    .iter()
                    .map(|row| row.transaction)
                    .collect();
                let of_first = read(&ledger, &[5], &first).await[0].keys[0].transaction;
                assert_eq!(ids.contains(&of_first), !archived, "an id once in the ledger stays");
            }
        }
    }
}

/// As [`new_of`], where the read shows the contact's whole history.
async fn new_of_whole(ledger: &SqlLedger, stream: StreamId, lineage: &[u64], times: &[i64]) -> usize {
    let contact = Contact {
        requested_id: ContactId(lineage[0]),
        id: ContactId(lineage[0]),
        updated_at: None,
        as_of: None,
        properties: Properties::default(),
        history: Vec::new(),
        flaw: None,
    };
    let mut rows = read(ledger, lineage, times).await;
    for row in &mut rows {
        let shown = row.shown.as_deref().unwrap().clone();
        row.shown = Some(Arc::new(shown.with_history_of(&contact)));
    }
    ledger.record_occurrences(stream, &rows).await.unwrap()
}

/// What is archived is known by its key alone, and an hour off it still is the entry that is not shown any more.
#[tokio::test]
async fn an_entry_that_is_off_by_an_hour_is_not_new_whether_archived_or_not() {
    const HOUR: i64 = 3_600_000;
    for archived in [false, true] {
        let ledger = fresh().await;
        let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        let right = [40_123, 40_123 + 50 * HOUR];
        assert_eq!(new_of_whole(&ledger, stream, &[5], &right).await, 2);
        if archived {
            skip_and_archive(&ledger, stream).await;
        }
        for shift in [-7_000, 20_000, HOUR, -HOUR, 24 * HOUR] {
            let later = right.map(|at| at + shift);
            let new = new_of_whole(&ledger, stream, &[5], &later).await;
            assert_eq!(new, 0, "{shift} archived: {archived}");
        }
        let both = [right[0], right[0] + HOUR, right[1]];
        assert_eq!(new_of_whole(&ledger, stream, &[5], &both).await, 1, "both are shown");
        let far = [right[0] + 26 * HOUR, right[1]];
        assert_eq!(new_of_whole(&ledger, stream, &[5], &far).await, 1, "too far");
        assert_eq!(new_of_whole(&ledger, stream, &[6], &right).await, 2, "another contact");
    }
}

#[tokio::test]
async fn entries_near_each_other_are_as_many_as_are_shown() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    assert_eq!(new_of(&ledger, stream, &[5], &[40_123]).await, 1);
    assert_eq!(new_of(&ledger, stream, &[5], &[40_123, 40_900, 41_500]).await, 2);
    assert_eq!(
        new_of(&ledger, stream, &[5], &[40_000, 41_000]).await,
        0,
        "cut to seconds"
    );
    assert_eq!(
        new_of(&ledger, stream, &[5], &[40_123, 40_900, 41_500, 50_000]).await,
        1
    );
}

#[tokio::test]
async fn one_contact_read_twice_at_once_counts_once() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let mut rows = read(&ledger, &[5], &[40_123, 90_456]).await;
    rows.extend(read(&ledger, &[5], &[40_000, 90_000]).await);
    assert_eq!(ledger.record_occurrences(stream, &rows).await.unwrap(), 2);
}

#[tokio::test]
async fn an_entry_is_known_under_another_time_after_a_merge() {
    for archived in [false, true] {
        let ledger = fresh().await;
        let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        assert_eq!(new_of(&ledger, stream, &[8], &[40_123]).await, 1);
        assert_eq!(new_of(&ledger, stream, &[5], &[90_456]).await, 1);
        if archived {
            skip_and_archive(&ledger, stream).await;
        }
        assert_eq!(new_of(&ledger, stream, &[5, 8, 9], &[40_000, 90_000]).await, 0);
        let contacts: Vec<_> = due(&ledger, stream, 9).await.iter().map(|row| row.contact.0).collect();
        assert!(contacts.iter().all(|id| *id == 9), "{contacts:?}");
    }
}

/// An event is created again, and its action is not known at once.
#[tokio::test]
async fn rows_that_move_to_an_action_find_entries_under_another_time() {
    for archived in [false, true] {
        let ledger = fresh().await;
        let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        assert_eq!(new_of(&ledger, of_action, &[5], &[40_123, 90_456]).await, 2);
        assert_eq!(new_of(&ledger, of_action, &[6], &[40_123]).await, 1);
        if archived {
            skip_and_archive(&ledger, of_action).await;
        }
        let of_event = ledger.stream_for(&of_uid("uid-2", None)).await.unwrap();
        assert_eq!(new_of(&ledger, of_event, &[5], &[40_000, 90_000, 95_000]).await, 3);
        assert_eq!(new_of(&ledger, of_event, &[6], &[40_123, 41_000]).await, 2);
        assert_eq!(new_of(&ledger, of_event, &[7], &[40_000]).await, 1);
        let now = ledger.stream_for(&of_uid("uid-2", Some(action(7)))).await.unwrap();
        assert_eq!(now, of_action);
        let count: u64 = counts(&ledger, of_action).await.iter().map(|(.., count)| count).sum();
        assert_eq!(count, 6, "{archived}");
        assert!(counts(&ledger, of_event).await.is_empty());
    }
}

#[tokio::test]
async fn a_submission_is_known_by_its_id_at_any_time() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let submitted = |after| NewRow {
        keys: vec![OccurrenceKey::for_submission(PORTAL, "form", "c-1")],
        submission: Some("c-1".into()),
        occurred_at: Timestamp::from_millisecond(ms(after)).unwrap(),
        ..pending(0)
    };
    assert_eq!(
        ledger.record_occurrences(stream, &[submitted(40_123)]).await.unwrap(),
        1
    );
    for odd in WAYS {
        let rows = [submitted(odd(40_123))];
        assert_eq!(ledger.record_occurrences(stream, &rows).await.unwrap(), 0);
    }
}
