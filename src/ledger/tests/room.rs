use std::collections::BTreeMap;

use super::*;
use crate::ledger::room;

async fn shares(ledger: &SqlLedger) -> BTreeMap<String, u64> {
    let mut reader = ledger.opened.pools.readers.acquire().await.unwrap();
    room::rows_by_namespace(&mut reader).await.unwrap()
}

#[tokio::test]
async fn rows_are_counted_by_the_namespace_of_their_event() {
    let ledger = fresh().await;
    assert_eq!(shares(&ledger).await, BTreeMap::new());
    with_rows(&ledger, &[1, 2, 3]).await;
    let other = StreamRequest {
        event: ObjectKey::new("team-b", "customers"),
        event_uid: "uid-2".into(),
        ..request(None)
    };
    let stream = ledger.stream_for(&other).await.unwrap();
    ledger.record_occurrences(stream, &[pending(9)]).await.unwrap();
    let wanted = BTreeMap::from([("ads".to_owned(), 3), ("team-b".to_owned(), 1)]);
    assert_eq!(shares(&ledger).await, wanted);
    // The event is made again: its rows count once.
    let again = StreamRequest {
        event_uid: "uid-3".into(),
        ..request(Some(action(7)))
    };
    ledger.stream_for(&again).await.unwrap();
    assert_eq!(shares(&ledger).await, wanted);
    assert_eq!(ledger.rows_if_low().await.unwrap(), None, "in memory, or a server");
    // A contact that names a hundred ids as merged is more than its conversion. Both namespaces read its portal.
    let lineage: Vec<ContactId> = (1000..1100).map(ContactId).collect();
    ledger.canonical_contacts(PortalId(62515), &[lineage]).await.unwrap();
    let half = BTreeMap::from([("ads".to_owned(), 53), ("team-b".to_owned(), 51)]);
    assert_eq!(shares(&ledger).await, half);
    // And one of a portal that only one of them reads.
    let alone = StreamRequest {
        event: ObjectKey::new("team-b", "leads"),
        event_uid: "uid-4".into(),
        portal: PortalId(7),
        ..request(None)
    };
    ledger.stream_for(&alone).await.unwrap();
    let lineage: Vec<ContactId> = (1..31).map(ContactId).collect();
    ledger.canonical_contacts(PortalId(7), &[lineage]).await.unwrap();
    let uneven = BTreeMap::from([("ads".to_owned(), 53), ("team-b".to_owned(), 81)]);
    assert_eq!(shares(&ledger).await, uneven);
}

/// A disk of the tests' machine has more than the reserve left.
#[tokio::test]
async fn a_file_on_a_volume_with_room_is_open_to_all() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    with_rows(&ledger, &[1]).await;
    assert_eq!(ledger.rows_if_low().await.unwrap(), None);
}
