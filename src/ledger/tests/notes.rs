use super::*;
use crate::api::ResumePolicy;
use crate::ports::ledger::{Canonical, OrphanNote};

#[tokio::test]
async fn an_occurrence_known_under_any_candidate_is_not_new() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1]).await;
    let merged = NewRow {
        keys: vec![key(8), key(1)],
        contact: ContactId(42),
        ..pending(8)
    };
    let twice = NewRow {
        keys: vec![key(6), key(5)],
        contact: ContactId(43),
        ..pending(6)
    };
    assert_eq!(
        ledger
            .record_occurrences(stream, &[merged, pending(5), twice])
            .await
            .unwrap(),
        1
    );
    let due = due(&ledger, stream, 2).await;
    assert_eq!(due.iter().map(|r| r.contact.0).collect::<Vec<_>>(), [42, 43]);
    assert_eq!(
        (due[0].id, due[0].transaction),
        (rows[0], transaction(1)),
        "an id once in the ledger stays"
    );
}

#[tokio::test]
async fn impossible_rows_are_refused_as_a_whole() {
    let ledger = fresh().await;
    let (stream, _) = with_rows(&ledger, &[1]).await;
    let nameless = NewRow {
        keys: vec![],
        ..pending(3)
    };
    assert!(
        ledger
            .record_occurrences(stream, &[pending(2), nameless])
            .await
            .is_err()
    );
    assert!(
        ledger
            .record_occurrences(
                stream,
                &[NewRow {
                    outcome: Outcome::Uploaded,
                    ..pending(3)
                }]
            )
            .await
            .is_err()
    );
    assert!(ledger.record_occurrences(StreamId(99), &[pending(2)]).await.is_err());
    assert_eq!(
        counts(&ledger, stream).await,
        [(Outcome::Pending, reason::NOT_DUE.into(), 1)]
    );
}

#[tokio::test]
async fn due_rows_respect_start_time_limit_and_order() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let old = NewRow {
        occurred_at: at(-1),
        ..pending(1)
    };
    let late = NewRow {
        due: at(9),
        ..pending(2)
    };
    let skipped = NewRow {
        outcome: Outcome::Skipped,
        reason: reason::NO_CLICK_ID.into(),
        ..pending(3)
    };
    ledger
        .record_occurrences(stream, &[old, late, pending(4), skipped])
        .await
        .unwrap();
    let numbers = async |minute, limit| -> Vec<u8> {
        ledger
            .due_rows(stream, at(0), at(minute), limit)
            .await
            .unwrap()
            .iter()
            .map(|r| r.transaction.0[0])
            .collect()
    };
    assert_eq!(numbers(1, 10).await, [] as [u8; 0]);
    assert_eq!(numbers(2, 10).await, [4]);
    assert_eq!(numbers(9, 10).await, [4, 2]);
    assert_eq!(numbers(9, 1).await, [4]);
    let counted = tally(&ledger, stream).await;
    assert_eq!((counted.next_due, counted.oldest_pending), (Some(at(2)), Some(at(0))));
    // What is late waits since it was seen, and the other one for its settle delay.
    assert_eq!(counted.waiting_since, Some(at(1)));
    let early = ledger.count_rows(stream, at(0), at(1)).await.unwrap();
    assert_eq!(early.waiting_since, None, "nothing is due");
    let classes = counted.classes.iter().map(|c| (c.outcome, c.count, c.due));
    assert!(classes.eq([(Outcome::Pending, 2, 1), (Outcome::Skipped, 1, 0)]));
}

#[tokio::test]
async fn resume_skips_or_lets_go() {
    for policy in [ResumePolicy::SkipMissed, ResumePolicy::CatchUp] {
        let skip = policy == ResumePolicy::SkipMissed;
        let ledger = fresh().await;
        let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        let waiting = NewRow {
            reason: reason::SUSPENDED.into(),
            due: at(500),
            ..pending(1)
        };
        let missed = NewRow {
            while_suspended: true,
            keys: vec![key(2)],
            ..waiting.clone()
        };
        ledger.record_occurrences(stream, &[waiting, missed]).await.unwrap();
        assert_eq!(
            ledger.resume_rows(stream, policy, at(10)).await.unwrap(),
            usize::from(skip)
        );
        assert_eq!(due(&ledger, stream, 10).await.len(), if skip { 1 } else { 2 });
        let skipped = (Outcome::Skipped, reason::MISSED_WHILE_SUSPENDED.into(), 1);
        assert_eq!(counts(&ledger, stream).await.contains(&skipped), skip);
        assert_eq!(
            ledger
                .resume_rows(stream, ResumePolicy::SkipMissed, at(11))
                .await
                .unwrap(),
            0,
            "what was let go is not missed"
        );
    }
}

#[tokio::test]
async fn release_makes_rows_of_these_reasons_due() {
    let ledger = fresh().await;
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    let mut waiting = update(rows[0], Outcome::Pending, reason::ACCOUNT_NOT_READY);
    waiting.detail = "DEVELOPER_TOKEN".into();
    ledger
        .apply_updates(&[waiting, update(rows[1], Outcome::Pending, reason::NOT_DUE)], at(3))
        .await
        .unwrap();
    ledger
        .release_rows(stream, &[reason::ACCOUNT_NOT_READY], at(4))
        .await
        .unwrap();
    let due = due(&ledger, stream, 4).await;
    assert_eq!((due.len(), due[0].id), (1, rows[0]));
}

#[tokio::test]
async fn canonical_contacts_stay() {
    let ledger = fresh().await;
    let portal = PortalId(1);
    let ids = |ids: &[u64]| ids.iter().map(|id| ContactId(*id)).collect::<Vec<_>>();
    let canonical = async |portal, lineages: &[&[u64]]| -> Vec<(u64, Vec<u64>)> {
        let lineages: Vec<_> = lineages.iter().map(|lineage| ids(lineage)).collect();
        let found = ledger.canonical_contacts(portal, &lineages).await.unwrap();
        let plain = |canonical: Canonical| (canonical.contact.0, canonical.others.iter().map(|id| id.0).collect());
        found.into_iter().map(plain).collect()
    };
    assert_eq!(canonical(portal, &[&[9], &[20, 15]]).await, [(9, vec![]), (15, vec![])]);
    // Merged with an older contact that was never met: the canonical contact that is known stays.
    assert_eq!(canonical(portal, &[&[9, 3]]).await, [(9, vec![])]);
    // Two known lineages become one: the smallest known canonical contact, and none of the ids changes its own.
    assert_eq!(
        canonical(portal, &[&[20, 3, 50], &[50]]).await,
        [(9, vec![15]), (9, vec![])]
    );
    assert_eq!(canonical(portal, &[&[15, 50]]).await, [(9, vec![15])]);
    assert_eq!(
        canonical(PortalId(2), &[&[15, 50]]).await,
        [(15, vec![])],
        "another portal"
    );
    let known = async |contacts: &[u64]| {
        let known = ledger.known_lineages(portal, &ids(contacts)).await.unwrap();
        let mut known: Vec<_> = known.into_iter().map(|(id, canonical)| (id.0, canonical.0)).collect();
        known.sort_unstable();
        known
    };
    assert_eq!(known(&[50, 77]).await, [(3, 9), (9, 9), (50, 9)], "all of its lineage");
    assert_eq!(known(&[20, 3]).await, [(3, 9), (9, 9), (15, 15), (20, 15), (50, 9)]);
    assert_eq!(known(&[77]).await, []);
    assert_eq!(known(&[]).await, []);
    let large = u64::MAX - 1;
    assert_eq!(canonical(portal, &[&[large, u64::MAX]]).await, [(large, vec![])]);
    for contact in 101..120 {
        canonical(portal, &[&[contact]]).await;
    }
    assert_eq!(
        canonical(portal, &[&[101], &[119, 5]]).await,
        [(101, vec![]), (119, vec![])],
        "with many others between"
    );
    assert!(ledger.canonical_contacts(portal, &[vec![]]).await.is_err());
}

#[tokio::test]
async fn orphans_are_noted_until_forgotten() {
    let ledger = fresh().await;
    let note = |action, minute| OrphanNote {
        action: super::action(action),
        name: "Customers".into(),
        kind: "UPLOAD_CLICKS".into(),
        former_event: "ads/customers".into(),
        created_at: (action == 1).then(|| at(minute - 1)),
        at: at(minute),
    };
    for n in [note(1, 5), note(2, 3), note(1, 6)] {
        ledger.note_orphan(&n).await.unwrap();
    }
    let owner = super::action(1).account;
    assert_eq!(ledger.orphan_notes(&owner).await.unwrap(), [note(2, 3), note(1, 6)]);
    ledger.forget_orphan(&super::action(2)).await.unwrap();
    assert_eq!(ledger.orphan_notes(&owner).await.unwrap(), [note(1, 6)]);
    let other = AdAccountKey {
        id: "0000000000".into(),
        ..owner
    };
    assert!(ledger.orphan_notes(&other).await.unwrap().is_empty());
}
