use super::*;
use crate::domain::shown_state::ShownState;
use crate::ports::ledger::{AsideContact, BatchResult, Watermark};

#[tokio::test]
async fn a_recreated_event_without_action_inherits_nothing() {
    let ledger = fresh().await;
    let first = ledger.stream_for(&request(None)).await.unwrap();
    assert_eq!(ledger.stream_for(&request(None)).await.unwrap(), first);
    let other = ledger
        .stream_for(&StreamRequest {
            event_uid: "uid-2".into(),
            ..request(None)
        })
        .await
        .unwrap();
    assert_ne!(other, first);
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let recreated = StreamRequest {
        event_uid: "uid-2".into(),
        ..request(Some(action(7)))
    };
    assert_eq!(ledger.stream_for(&recreated).await.unwrap(), of_action);
    let other_stage = StreamRequest {
        trigger: "lead".into(),
        ..request(Some(action(7)))
    };
    assert_ne!(ledger.stream_for(&other_stage).await.unwrap(), of_action);
}

#[tokio::test]
async fn the_portal_of_an_event_is_the_last_one_that_it_had_a_stream_of() {
    let ledger = fresh().await;
    let of_portal = |portal| StreamRequest {
        portal: PortalId(portal),
        ..request(None)
    };
    let key = request(None).event;
    let event = |uid: &str| (key.clone(), uid.to_owned());
    let first = request(None).event_uid;
    assert_eq!(ledger.last_portal(&[event(&first)]).await.unwrap(), None);
    ledger.stream_for(&of_portal(5)).await.unwrap();
    assert_eq!(
        ledger.last_portal(&[event("uid-2"), event(&first)]).await.unwrap(),
        Some(PortalId(5))
    );
    assert_eq!(
        ledger.last_portal(&[event("uid-2")]).await.unwrap(),
        None,
        "created again"
    );
    assert_eq!(ledger.last_portal(&[]).await.unwrap(), None);
    let other = ObjectKey::new("elsewhere", &key.name);
    assert_eq!(ledger.last_portal(&[(other, first.clone())]).await.unwrap(), None);
    ledger.stream_for(&of_portal(9)).await.unwrap();
    ledger.stream_for(&of_portal(5)).await.unwrap();
    assert_eq!(ledger.last_portal(&[event(&first)]).await.unwrap(), Some(PortalId(9)));
}

#[tokio::test]
async fn an_event_keeps_its_rows_where_its_action_is_not_known_any_more() {
    let ledger = fresh().await;
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    assert_eq!(ledger.stream_for(&request(None)).await.unwrap(), of_action);
    let of_another = ledger.stream_for(&request(Some(action(8)))).await.unwrap();
    assert_ne!(of_another, of_action);
    assert_eq!(
        ledger.stream_for(&request(None)).await.unwrap(),
        of_another,
        "the last one counts"
    );
    let recreated = StreamRequest {
        event_uid: "uid-2".into(),
        ..request(None)
    };
    let of_recreated = ledger.stream_for(&recreated).await.unwrap();
    assert!(![of_action, of_another].contains(&of_recreated));
}

#[tokio::test]
async fn rows_and_marks_move_when_the_action_is_known() {
    let ledger = fresh().await;
    let of_event = ledger.stream_for(&request(None)).await.unwrap();
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let theirs = Watermark {
        covered_from: at(0),
        cursor: at(5),
    };
    ledger.set_feed_marks(&[(of_action, theirs)]).await.unwrap();
    ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    assert_eq!(
        ledger.feed_marks(&[of_action]).await.unwrap(),
        [Some(theirs)],
        "nothing moved, nothing lost"
    );
    ledger.record_occurrences(of_event, &[pending(1)]).await.unwrap();
    let moved = Watermark {
        covered_from: at(-9),
        cursor: at(3),
    };
    ledger.set_feed_marks(&[(of_event, moved)]).await.unwrap();
    assert_eq!(ledger.stream_for(&request(Some(action(7)))).await.unwrap(), of_action);
    assert_eq!(
        ledger.feed_marks(&[of_event, of_action]).await.unwrap(),
        [None, Some(moved)]
    );
    assert_eq!(due(&ledger, of_action, 2).await.len(), 1);
    assert!(counts(&ledger, of_event).await.is_empty());
    assert!(ledger.set_feed_marks(&[(StreamId(99), moved)]).await.is_err());
}

/// Brings the only row of a stream as far along as named.
async fn bring(ledger: &SqlLedger, stream: StreamId, stage: &'static str) {
    let row = due(ledger, stream, 2).await[0].id;
    let begin = async || {
        ledger
            .begin_batch(&sender(), &[action(7)], &[plain(row)], at(3))
            .await
            .unwrap()
    };
    match stage {
        "skipped" => ledger
            .apply_updates(&[update(row, Outcome::Skipped, stage)], at(3))
            .await
            .unwrap(),
        "pending" => ledger
            .apply_updates(&[update(row, Outcome::Pending, stage)], at(3))
            .await
            .unwrap(),
        "sent" => {
            let updates = vec![update(row, Outcome::Pending, stage)];
            ledger
                .finish_batch(begin().await, &BatchResult::Unknown { updates }, at(4))
                .await
                .unwrap();
        }
        "in flight" => {
            begin().await;
        }
        "processing" => {
            let accepted = BatchResult::Accepted {
                request_id: "r".into(),
                poll_at: at(30),
            };
            ledger.finish_batch(begin().await, &accepted, at(4)).await.unwrap();
        }
        "rejected" => ledger
            .apply_updates(&[update(row, Outcome::Rejected, stage)], at(3))
            .await
            .unwrap(),
        _ => ledger
            .apply_updates(&[update(row, Outcome::Uploaded, stage)], at(3))
            .await
            .unwrap(),
    }
}

async fn id_of(ledger: &SqlLedger, stream: StreamId) -> i64 {
    sqlx::query_scalar("SELECT id FROM conversions WHERE stream = $1")
        .bind(stream.0)
        .fetch_one(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn where_two_rows_of_an_occurrence_meet_the_one_further_along_stays() {
    let order = [
        "pending",
        "sent",
        "skipped",
        "in flight",
        "processing",
        "rejected",
        "uploaded",
    ];
    for (i, ours) in order.iter().enumerate() {
        for (k, theirs) in order.iter().enumerate() {
            let ledger = fresh().await;
            let of_event = ledger.stream_for(&request(None)).await.unwrap();
            let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
            for (stream, stage) in [(of_action, theirs), (of_event, ours)] {
                ledger.record_occurrences(stream, &[pending(1)]).await.unwrap();
                bring(&ledger, stream, stage).await;
            }
            let winner = if i > k { of_event } else { of_action };
            let expected = id_of(&ledger, winner).await;
            ledger.stream_for(&request(Some(action(7)))).await.unwrap();
            assert_eq!(
                id_of(&ledger, of_action).await,
                expected,
                "event's {ours}, action's {theirs}"
            );
            assert_eq!(
                tally(&ledger, of_action)
                    .await
                    .classes
                    .iter()
                    .map(|c| c.count)
                    .sum::<u64>(),
                1
            );
        }
    }
}

#[tokio::test]
async fn the_last_full_scan_of_each_stream_is_remembered_and_moves_with_its_mark() {
    let ledger = fresh().await;
    let [ours, theirs] = ["ours", "theirs"].map(|name| crate::domain::ids::ObjectKey::new("ns", name));
    let of_event = ledger.stream_for(&request(None)).await.unwrap();
    assert!(ledger.last_full_scans(&ours, &[of_event]).await.unwrap().is_empty());
    for second in [5, 7] {
        ledger
            .set_last_full_scans(&ours, &[of_event], at(second))
            .await
            .unwrap();
    }
    let both = [of_event, StreamId(99)];
    assert_eq!(
        ledger.last_full_scans(&ours, &both).await.unwrap(),
        [(of_event, at(7))].into()
    );
    assert!(
        ledger.last_full_scans(&theirs, &both).await.unwrap().is_empty(),
        "another account"
    );
    let mark = Watermark {
        covered_from: at(-9),
        cursor: at(3),
    };
    ledger.set_feed_marks(&[(of_event, mark)]).await.unwrap();
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let scans = ledger.last_full_scans(&ours, &[of_event, of_action]).await.unwrap();
    assert_eq!(scans, [(of_action, at(7))].into());
}

#[tokio::test]
async fn streams_that_were_away_are_looked_for_since_what_others_have_noted() {
    let ledger = fresh().await;
    let account = crate::domain::ids::ObjectKey::new("ns", "ours");
    let (there, away) = (request(Some(action(7))), request(Some(action(8))));
    let (there, away) = (
        ledger.stream_for(&there).await.unwrap(),
        ledger.stream_for(&away).await.unwrap(),
    );
    ledger
        .set_last_full_scans(&account, &[there, away], at(9))
        .await
        .unwrap();
    let portal = PortalId(62515);
    for (portal, since, expected) in [(PortalId(1), 2, 9), (portal, 5, 5), (portal, 8, 5), (portal, 4, 4)] {
        ledger.owe_full_scans(portal, &[there], at(since)).await.unwrap();
        let scans = ledger.last_full_scans(&account, &[there, away]).await.unwrap();
        assert_eq!(scans, [(there, at(9)), (away, at(expected))].into(), "{since}");
    }
}

#[tokio::test]
async fn when_the_first_row_of_a_stream_was_noted_is_known() {
    let ledger = fresh().await;
    let [stream, empty] = [request(Some(action(7))), request(Some(action(8)))];
    let (stream, empty) = (
        ledger.stream_for(&stream).await.unwrap(),
        ledger.stream_for(&empty).await.unwrap(),
    );
    for (contact, second) in [(1, 90), (2, 80), (3, 95)] {
        let seen = NewRow {
            first_seen: at(second),
            ..pending(contact)
        };
        ledger.record_occurrences(stream, &[seen]).await.unwrap();
    }
    let first = ledger.first_noted(&[stream, empty]).await.unwrap();
    assert_eq!(first, [(stream, at(80))].into());
}

#[tokio::test]
async fn contacts_put_aside_are_remembered_by_account() {
    let ledger = fresh().await;
    let [one, other] = ["one", "other"].map(|name| crate::domain::ids::ObjectKey::new("ns", name));
    assert_eq!(ledger.put_aside(&one).await.unwrap(), []);
    let plain = |id| AsideContact {
        id: ContactId(id),
        shown: ShownState::default(),
        behind_since: None,
    };
    let shown = ShownState {
        modified: Some(at(9)),
        entered: vec![("customer".to_owned(), at(-7)), ("1066237962".to_owned(), at(9))],
        stage: Some("customer".to_owned()),
    };
    let behind = AsideContact {
        shown,
        behind_since: Some(at(10)),
        ..plain(13)
    };
    let contacts = [plain(12), behind, plain(u64::MAX)];
    ledger.set_put_aside(&one, &contacts).await.unwrap();
    assert_eq!(ledger.put_aside(&one).await.unwrap(), contacts);
    assert_eq!(ledger.put_aside(&other).await.unwrap(), []);
    ledger.set_put_aside(&one, &[]).await.unwrap();
    assert_eq!(ledger.put_aside(&one).await.unwrap(), []);
}

#[tokio::test]
async fn ids_of_actions_and_accounts_are_any_text() {
    let ledger = fresh().await;
    let of = |account: &str, id: &str| ActionKey {
        account: AdAccountKey {
            id: account.into(),
            ..action(7).account
        },
        id: id.into(),
    };
    let keys = [
        of("act:1", "7"),
        of("act:1", "007"),
        of("act:1", "p/7"),
        of("ACT:1", "7"),
    ];
    let mut streams = Vec::new();
    for key in &keys {
        streams.push(ledger.stream_for(&request(Some(key.clone()))).await.unwrap());
    }
    let distinct: std::collections::BTreeSet<_> = streams.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(ledger.record_occurrences(streams[2], &[pending(1)]).await.unwrap(), 1);
    let row = due(&ledger, streams[2], 2).await[0].id;
    let batch = ledger
        .begin_batch(&sender(), &keys[2..3], &[plain(row)], at(3))
        .await
        .unwrap();
    let accepted = crate::ports::ledger::BatchResult::Accepted {
        request_id: "r1".into(),
        poll_at: at(4),
    };
    ledger.finish_batch(batch, &accepted, at(3)).await.unwrap();
    let open = ledger.open_requests(&sender(), at(5), 10).await.unwrap();
    assert_eq!(open[0].destinations, keys[2..3]);
}

/// Two contacts were known, each with an entry that went to the action; then they were merged, and the event was
/// deleted and created again. What it notes before it has the action is known there, under whatever canonical contact.
#[tokio::test]
async fn entries_of_contacts_merged_meanwhile_count_once_for_an_event_created_again() {
    for archived in [false, true] {
        let ledger = fresh().await;
        let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        let of = |contact: u64, at: Timestamp| {
            OccurrenceKey::for_lifecycle(PortalId(62515), ContactId(contact), "customer", at.as_millisecond())
        };
        let row = |keys: Vec<OccurrenceKey>, contact: u64, minute: i64| NewRow {
            keys,
            contact: ContactId(contact),
            occurred_at: at(minute),
            ..pending(1)
        };
        let before = [row(vec![of(10, at(0))], 10, 0), row(vec![of(20, at(1))], 20, 1)];
        assert_eq!(ledger.record_occurrences(of_action, &before).await.unwrap(), 2);
        if archived {
            let rows = due(&ledger, of_action, 5).await;
            let settle: Vec<_> = rows
                .iter()
                .map(|r| update(r.id, Outcome::Skipped, reason::NO_CONSENT))
                .collect();
            ledger.apply_updates(&settle, at(3)).await.unwrap();
            assert_eq!(ledger.archive_rows(at(4), 10).await.unwrap(), 2);
        }
        let recreated = |action| StreamRequest {
            event_uid: "uid-2".into(),
            ..request(action)
        };
        let of_event = ledger.stream_for(&recreated(None)).await.unwrap();
        let merged = |minute: i64| row([10, 20, 30].map(|id| of(id, at(minute))).into(), 30, minute);
        let after = [merged(0), merged(1), merged(2)];
        assert_eq!(ledger.record_occurrences(of_event, &after).await.unwrap(), 3);
        assert_eq!(ledger.stream_for(&recreated(Some(action(7)))).await.unwrap(), of_action);
        let counts = ledger.count_rows(of_action, at(0), at(9)).await.unwrap();
        let all: u64 = counts.classes.iter().map(|class| class.count).sum();
        assert_eq!(all, 3, "archived: {archived}");
    }
}
