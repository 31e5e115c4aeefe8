//! Erasure of contacts that HubSpot has deleted.

use jiff::SignedDuration;
use sqlx::{Column, Row as _, ValueRef};

use super::*;
use crate::domain::shown_entries::ShownEntries;
use crate::ledger::database::Database;
use crate::ports::ledger::{BatchResult, Erased, LookResult, Looker};

pub(super) const PORTAL: PortalId = PortalId(62515);
const WAIT: SignedDuration = SignedDuration::from_hours(1);
/// Minutes ago when contacts became customers: nothing of that may be sent any more.
pub(super) const AGO: i64 = 91 * 24 * 60;
/// Looks at everything.
pub(super) const OWNER: &str = "owner";

pub(super) fn looker(account: &str) -> Looker {
    Looker {
        portal: PORTAL,
        account: ObjectKey::new("ads", account),
    }
}

/// What the feed notes of a contact that became a customer at this minute, long ago.
pub(super) async fn became(ledger: &SqlLedger, lineage: &[u64], minute: i64) -> NewRow {
    became_at(ledger, lineage, minute - AGO).await
}

pub(super) async fn became_at(ledger: &SqlLedger, lineage: &[u64], minute: i64) -> NewRow {
    let ids: Vec<ContactId> = lineage.iter().map(|id| ContactId(*id)).collect();
    let canonical = ledger
        .canonical_contacts(PORTAL, std::slice::from_ref(&ids))
        .await
        .unwrap()
        .remove(0);
    let others = ids.iter().chain(&canonical.others).copied();
    let entry = at(minute).as_millisecond();
    let shown = ShownEntries::new((PORTAL, "customer"), canonical.contact, others, vec![entry]);
    NewRow {
        keys: shown.keys_at(entry),
        contact: *ids.last().unwrap(),
        occurred_at: at(minute),
        ..pending(0)
    }
}

pub(super) async fn look(ledger: &SqlLedger, seen: &[u64], missing: &[u64], minute: i64) {
    look_as(ledger, OWNER, seen, missing, minute).await;
}

pub(super) async fn look_as(ledger: &SqlLedger, account: &str, seen: &[u64], missing: &[u64], minute: i64) {
    let ids = |ids: &[u64]| ids.iter().map(|id| ContactId(*id)).collect::<Vec<_>>();
    let look = LookResult {
        seen: ids(seen),
        missing: ids(missing),
        after: None,
        at: at(minute),
    };
    let asked = [ids(seen), ids(missing)].concat();
    ledger.record_look(&looker(account), &asked, &look).await.unwrap();
}

pub(super) async fn erase(ledger: &SqlLedger, minute: i64) -> Vec<u64> {
    let Erased { contacts, behind } = ledger.erase_contacts(WAIT, None, 100, at(minute)).await.unwrap();
    assert_eq!(behind, None);
    let mut ids: Vec<_> = contacts.into_iter().map(|(_, id)| id.0).collect();
    ids.sort_unstable();
    ids
}

/// Where any column of any table holds this number.
pub(super) async fn found(ledger: &SqlLedger, id: u64) -> Vec<String> {
    let tables = match ledger.opened.database {
        Database::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table'",
        Database::Postgres => "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()",
    };
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    let mut found = Vec::new();
    for table in tables.into_iter().filter(|table| !table.starts_with("_sqlx")) {
        let all = sqlx::AssertSqlSafe(format!("SELECT * FROM \"{table}\""));
        for row in sqlx::query(all)
            .fetch_all(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
            .await
            .unwrap()
        {
            for column in row.columns() {
                let value = row.try_get_raw(column.ordinal()).unwrap();
                if value.is_null() {
                    continue;
                }
                let number = row.try_get_unchecked::<i64, _>(column.ordinal());
                let text = row.try_get_unchecked::<String, _>(column.ordinal());
                if number.is_ok_and(|n| n == id.cast_signed()) || text.is_ok_and(|t| t.contains(&id.to_string())) {
                    found.push(format!("{table}.{}", column.name()));
                }
            }
        }
    }
    found.sort();
    found
}

pub(super) fn counted(tally: &RowCounts) -> Vec<(Outcome, String, u64)> {
    let classes = tally.classes.iter();
    classes.map(|c| (c.outcome, c.reason.clone(), c.count)).collect()
}

pub(super) async fn upload(ledger: &SqlLedger, stream: StreamId) {
    let rows = ledger.due_rows(stream, at(-AGO - 9), at(99), 100).await.unwrap();
    let batch: Vec<_> = rows.iter().map(|row| plain(row.id)).collect();
    let id = ledger
        .begin_batch(&sender(), &[action(7)], &batch, at(3))
        .await
        .unwrap();
    let updates = rows
        .iter()
        .map(|row| update(row.id, Outcome::Uploaded, "Processed"))
        .collect();
    ledger
        .finish_batch(
            id,
            &BatchResult::Answered {
                updates,
                request_id: None,
            },
            at(4),
        )
        .await
        .unwrap();
}

pub(super) const GONE: u64 = 7_000_111;
pub(super) const STAYS: u64 = 7_000_222;
const FORM: u64 = 7_000_333;

#[tokio::test]
async fn nothing_names_a_contact_that_is_gone_and_its_keys_stay() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let submitted = NewRow {
        contact: ContactId(FORM),
        submission: Some("6f0e".into()),
        ..pending(200)
    };
    let rows = [
        became(&ledger, &[GONE], 0).await,
        became(&ledger, &[STAYS], 1).await,
        submitted,
    ];
    ledger.record_occurrences(stream, &rows).await.unwrap();
    upload(&ledger, stream).await;
    let again = became(&ledger, &[GONE], 2).await;
    ledger
        .record_occurrences(stream, std::slice::from_ref(&again))
        .await
        .unwrap();
    let asked = ledger.contacts_after(PORTAL, ContactId::UNKNOWN, 9).await.unwrap();
    assert_eq!(asked, [GONE, STAYS, FORM].map(ContactId));
    look(&ledger, &[STAYS], &[GONE, FORM], 100).await;
    assert!(erase(&ledger, 100).await.is_empty(), "one look is none");
    let soon = ledger
        .erase_contacts(SignedDuration::ZERO, None, 100, at(100))
        .await
        .unwrap();
    assert!(soon.contacts.is_empty(), "however short the wait");
    look(&ledger, &[STAYS], &[GONE, FORM], 159).await;
    assert!(erase(&ledger, 159).await.is_empty(), "not for long enough");
    look(&ledger, &[STAYS], &[GONE, FORM], 160).await;
    assert!(!found(&ledger, GONE).await.is_empty() && !found(&ledger, FORM).await.is_empty());
    assert_eq!(erase(&ledger, 160).await, [GONE, FORM]);
    for id in [GONE, FORM] {
        assert_eq!(found(&ledger, id).await, Vec::<String>::new());
    }
    assert_eq!(
        found(&ledger, STAYS).await,
        [
            "canonical_contacts.canonical",
            "canonical_contacts.contact",
            "conversions.contact",
            "conversions.sort_key",
            "looks.contact"
        ]
    );
    let tally = ledger.count_rows(stream, at(-AGO - 9), at(99)).await.unwrap();
    let expected = [
        (Outcome::Uploaded, "Processed".to_owned(), 3),
        (Outcome::Skipped, reason::CONTACT_DELETED.into(), 1),
    ];
    assert_eq!(counted(&tally), expected);
    assert_eq!(erase(&ledger, 160).await, [0; 0]);
    // It is restored: the same id, so the same canonical contact and keys.
    let restored = [became(&ledger, &[GONE], 0).await, again];
    assert_eq!(restored[0].keys, rows[0].keys);
    assert_eq!(
        ledger.record_occurrences(stream, &restored).await.unwrap(),
        0,
        "none is new"
    );
}

#[tokio::test]
async fn a_look_that_finds_it_takes_the_mark_away() {
    let ledger = fresh().await;
    became(&ledger, &[GONE], 0).await;
    look(&ledger, &[], &[GONE], 0).await;
    look(&ledger, &[], &[GONE], 50).await;
    look(&ledger, &[GONE], &[], 100).await;
    assert_eq!(
        ledger.last_seen(&looker(OWNER), &[], 9).await.unwrap(),
        [ContactId(GONE)]
    );
    look(&ledger, &[], &[GONE], 120).await;
    look(&ledger, &[], &[GONE], 179).await;
    assert!(erase(&ledger, 179).await.is_empty(), "missing since minute 120");
    look(&ledger, &[], &[GONE], 180).await;
    assert_eq!(erase(&ledger, 180).await, [GONE]);
}

#[tokio::test]
async fn a_lineage_goes_as_a_whole() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let (old, older, today) = (7_000_401, 7_000_402, 7_000_499);
    let first = became(&ledger, &[old], 0).await;
    let second = became(&ledger, &[older], 1).await;
    ledger
        .record_occurrences(stream, &[first.clone(), second.clone()])
        .await
        .unwrap();
    // Merged: the rows are known under the new id, and so is what comes.
    let merged = [
        became(&ledger, &[old, older, today], 0).await,
        became(&ledger, &[old, older, today], 1).await,
    ];
    assert_eq!(ledger.record_occurrences(stream, &merged).await.unwrap(), 0);
    upload(&ledger, stream).await;
    look(&ledger, &[today], &[old, older], 0).await;
    look(&ledger, &[today], &[old], 60).await;
    assert!(
        erase(&ledger, 60).await.is_empty(),
        "its canonical contact is that of a contact which is there"
    );
    // A record names those that were merged into it.
    let beside = LookResult {
        seen: [today, old, older].map(ContactId).to_vec(),
        missing: vec![],
        after: None,
        at: at(70),
    };
    ledger
        .record_look(&looker(OWNER), &[ContactId(today)], &beside)
        .await
        .unwrap();
    look(&ledger, &[], &[old, older, today], 100).await;
    look(&ledger, &[], &[old, older, today], 130).await;
    assert!(erase(&ledger, 130).await.is_empty(), "the mark of {old} began anew");
    look(&ledger, &[], &[old, older, today], 160).await;
    assert_eq!(erase(&ledger, 160).await, [old, older, today]);
    for id in [old, older, today] {
        assert_eq!(found(&ledger, id).await, Vec::<String>::new());
    }
    // Restored under the ids it had, and even if the smallest is told no more.
    for lineage in [vec![old, older, today], vec![older, today]] {
        let restored = became(&ledger, &lineage, 1).await;
        assert_eq!(
            ledger.record_occurrences(stream, &[restored]).await.unwrap(),
            0,
            "{lineage:?}"
        );
    }
}

#[tokio::test]
async fn what_google_has_is_waited_for() {
    let ledger = fresh().await;
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let row = became(&ledger, &[GONE], 0).await;
    ledger.record_occurrences(stream, &[row]).await.unwrap();
    let due = ledger.due_rows(stream, at(-AGO - 9), at(99), 9).await.unwrap();
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[plain(due[0].id)], at(3))
        .await
        .unwrap();
    look(&ledger, &[], &[GONE], 0).await;
    look(&ledger, &[], &[GONE], 60).await;
    assert!(erase(&ledger, 60).await.is_empty());
    let updates = vec![update(due[0].id, Outcome::Uploaded, "Processed")];
    ledger
        .finish_batch(
            batch,
            &BatchResult::Answered {
                updates,
                request_id: None,
            },
            at(61),
        )
        .await
        .unwrap();
    assert_eq!(erase(&ledger, 60).await, [GONE]);
}

#[tokio::test]
async fn without_an_action_they_go_too_and_are_not_new_when_it_is_known() {
    let ledger = fresh().await;
    let of_event = ledger.stream_for(&request(None)).await.unwrap();
    let rows = [became(&ledger, &[GONE], 0).await, became(&ledger, &[STAYS], 1).await];
    ledger.record_occurrences(of_event, &rows).await.unwrap();
    look(&ledger, &[STAYS], &[GONE], 0).await;
    look(&ledger, &[STAYS], &[GONE], 60).await;
    assert_eq!(erase(&ledger, 60).await, [GONE]);
    assert_eq!(found(&ledger, GONE).await, Vec::<String>::new());
    let before = ledger.count_rows(of_event, at(-AGO - 9), at(99)).await.unwrap();
    let of_action = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let after = ledger.count_rows(of_action, at(-AGO - 9), at(99)).await.unwrap();
    assert_eq!(counted(&after), counted(&before));
    assert_eq!(ledger.record_occurrences(of_action, &rows).await.unwrap(), 0);
    // Once more, and this time the action's stream knows them.
    ledger.record_occurrences(of_event, &rows).await.unwrap();
    look(&ledger, &[STAYS], &[GONE], 0).await;
    look(&ledger, &[STAYS], &[GONE], 60).await;
    erase(&ledger, 60).await;
    ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let again = ledger.count_rows(of_action, at(-AGO - 9), at(99)).await.unwrap();
    assert_eq!(counted(&again), counted(&after));
    let left = ledger.count_rows(of_event, at(-AGO - 9), at(99)).await.unwrap();
    assert!(left.classes.is_empty());
}

#[tokio::test]
async fn portions_go_on_where_the_last_one_ended() {
    let ledger = fresh().await;
    let ids: Vec<u64> = (1..=5).map(|n| GONE + n).collect();
    for id in &ids {
        became(&ledger, &[*id], 0).await;
    }
    assert!(ledger.look_round(&looker(OWNER)).await.unwrap().is_none());
    ledger.begin_look_round(&looker(OWNER), at(0)).await.unwrap();
    let round = ledger.look_round(&looker(OWNER)).await.unwrap().unwrap();
    assert_eq!(
        (round.contacts, round.after, round.looked_at),
        (5, ContactId::UNKNOWN, at(0))
    );
    look(&ledger, &[], &ids, 0).await;
    look(&ledger, &[], &ids, 60).await;
    let (mut behind, mut gone, mut turns) = (None, 0, 0);
    loop {
        let erased = ledger.erase_contacts(WAIT, behind, 2, at(99)).await.unwrap();
        (behind, gone, turns) = (erased.behind, gone + erased.contacts.len(), turns + 1);
        if behind.is_none() {
            break;
        }
    }
    assert_eq!((gone, turns), (5, 3));
}

/// HubSpot was asked about it, and answers once it was erased.
#[tokio::test]
async fn an_answer_about_one_that_was_erased_meanwhile_leaves_no_line() {
    let ledger = fresh().await;
    look(&ledger, &[], &[7], 1).await;
    look(&ledger, &[8], &[], 2).await;
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM looks")
        .fetch_one(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    assert_eq!(lines, 0);
}
