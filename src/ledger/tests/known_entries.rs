use std::collections::BTreeSet;

use super::*;
use crate::ports::ledger::KnownEntries;

fn entered(contact: u64, n: u8, minute: i64) -> NewRow {
    NewRow {
        contact: ContactId(contact),
        occurred_at: at(minute),
        ..pending(n)
    }
}

#[tokio::test]
async fn who_entered_is_known_until_it_is_archived() {
    let ledger = fresh().await;
    let ours = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let theirs = ledger.stream_for(&request(Some(action(8)))).await.unwrap();
    let rows = [entered(1, 10, 5), entered(2, 20, 5), entered(3, 30, 6)];
    ledger.record_occurrences(ours, &rows).await.unwrap();
    ledger.record_occurrences(theirs, &[entered(4, 40, 6)]).await.unwrap();
    let nameless = NewRow {
        contact: ContactId::UNKNOWN,
        ..entered(0, 50, 7)
    };
    ledger.record_occurrences(ours, &[nameless]).await.unwrap();
    let time = |stream, minute| (stream, at(minute).as_millisecond());
    let asked: BTreeSet<_> = [time(ours, 5), time(theirs, 6), time(ours, 7), time(ours, 8)].into();
    let of = |ids: &[u64]| ids.iter().copied().map(ContactId).collect::<BTreeSet<_>>();
    let known = ledger.known_entries(&asked).await.unwrap();
    assert_eq!(
        known,
        KnownEntries {
            contacts: [
                (time(ours, 5), of(&[1, 2])),
                (time(theirs, 6), of(&[4])),
                (time(ours, 7), of(&[]))
            ]
            .into(),
            archived: BTreeSet::new(),
        }
    );
    let one = due(&ledger, ours, 9).await[0].id;
    ledger
        .apply_updates(&[update(one, Outcome::Skipped, reason::NO_CLICK_ID)], at(3))
        .await
        .unwrap();
    assert_eq!(ledger.archive_rows(at(9), 100).await.unwrap(), 1);
    let known = ledger.known_entries(&asked).await.unwrap();
    assert_eq!(known.contacts[&time(ours, 5)].len(), 1);
    assert_eq!(known.archived, BTreeSet::from([time(ours, 5)]));
    assert_eq!(
        ledger.known_entries(&BTreeSet::new()).await.unwrap(),
        KnownEntries::default()
    );
}

/// While a pass still asks for those of the event's own stream.
#[tokio::test]
async fn who_entered_is_known_also_where_its_row_has_moved() {
    let ledger = fresh().await;
    let own = ledger.stream_for(&request(None)).await.unwrap();
    ledger.record_occurrences(own, &[entered(1, 10, 5)]).await.unwrap();
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    ledger.record_occurrences(own, &[entered(2, 20, 5)]).await.unwrap();
    let time = |stream| (stream, at(5).as_millisecond());
    let known = ledger
        .known_entries(&[time(own), time(of_action)].into())
        .await
        .unwrap();
    let of = |ids: &[u64]| ids.iter().copied().map(ContactId).collect::<BTreeSet<_>>();
    assert_eq!(
        known.contacts,
        [(time(own), of(&[1, 2])), (time(of_action), of(&[1]))].into()
    );
}

#[tokio::test]
async fn occurrences_are_known_under_any_key_also_when_they_are_archived() {
    let ledger = fresh().await;
    let [ours, theirs] = [7, 8].map(|id| request(Some(action(id))));
    let ours = ledger.stream_for(&ours).await.unwrap();
    let theirs = ledger.stream_for(&theirs).await.unwrap();
    let key = |contact, minute| {
        OccurrenceKey::for_lifecycle(
            PortalId(62515),
            ContactId(contact),
            "customer",
            at(minute).as_millisecond(),
        )
    };
    let row = |contact, minute| NewRow {
        keys: vec![key(contact, minute)],
        contact: ContactId(contact),
        occurred_at: at(minute),
        ..pending(1)
    };
    ledger.record_occurrences(ours, &[row(1, 5), row(2, 6)]).await.unwrap();
    let asked = |stream, contacts: &[u64], minute| {
        let keys = contacts.iter().map(|contact| key(*contact, minute)).collect();
        ((stream, at(minute).as_millisecond()), keys)
    };
    let questions = [
        asked(ours, &[1], 5),
        asked(ours, &[9, 2], 6),
        asked(ours, &[1], 6),
        asked(theirs, &[1], 5),
        asked(ours, &[], 5),
    ];
    for archived in [0, 1] {
        let known = ledger.known_occurrences(&questions).await.unwrap();
        assert_eq!(known, BTreeSet::from([0, 1]), "{archived}");
        let one = due(&ledger, ours, 9).await[0].id;
        let settled = [update(one, Outcome::Skipped, reason::NO_CLICK_ID)];
        ledger.apply_updates(&settled, at(3)).await.unwrap();
        assert_eq!(ledger.archive_rows(at(9), 100).await.unwrap(), 1);
    }
    assert!(ledger.known_occurrences(&[]).await.unwrap().is_empty());
}
