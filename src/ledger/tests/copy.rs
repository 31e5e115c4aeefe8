//! A ledger that moves.

use super::homes::{Home, fill};
use super::*;
use crate::ledger::tables::TABLES;
use crate::ledger::{CopyError, LedgerCopy, copy_ledger};

async fn copy(from: &Home, to: &Home) -> Result<LedgerCopy, CopyError> {
    copy_ledger(&from.url, &to.url, &mut |_| ()).await
}

/// A ledger with something of everything, closed.
async fn filled() -> Home {
    let home = Home::file();
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    fill(&ledger).await;
    ledger.close().await;
    home
}

#[tokio::test]
async fn every_row_moves_there_and_back_under_the_same_id() {
    let first = filled().await;
    let second = first.other().await;
    let third = second.other().await;
    let there = copy(&first, &second).await.unwrap();
    let back = copy(&second, &third).await.unwrap();
    assert_eq!(there, back, "counts and digests tell nothing of the database");
    let rows = first.rows().await;
    for (table, lines) in &rows {
        assert!(!lines.is_empty(), "{table} proves nothing");
        let copied = there.tables.iter().find(|t| t.table == table);
        assert_eq!(copied.map(|t| t.rows), Some(lines.len() as u64), "{table}");
    }
    for copied in [&second, &third] {
        assert_eq!(copied.rows().await, rows);
        let ledger = SqlLedger::open(&copied.url).await.unwrap();
        assert_eq!(ledger.ledger_id().await.unwrap(), there.id);
        ledger.close().await;
    }
}

/// The number of a row that is gone stays with it: a request may still name it.
#[tokio::test]
async fn numbers_go_on_where_they_were() {
    let first = Home::file();
    let ledger = SqlLedger::open(&first.url).await.unwrap();
    let (track, rows) = with_rows(&ledger, &[1, 2, 3]).await;
    sqlx::query("DELETE FROM conversions")
        .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    ledger.close().await;
    let second = first.other().await;
    let third = second.other().await;
    copy(&first, &second).await.unwrap();
    copy(&second, &third).await.unwrap();
    for home in [second, third] {
        let ledger = SqlLedger::open(&home.url).await.unwrap();
        ledger.record_occurrences(track, &[pending(4)]).await.unwrap();
        let id = due(&ledger, track, 2).await[0].id;
        assert!(rows.iter().all(|before| *before < id), "{id:?} after {rows:?}");
        ledger.close().await;
    }
}

#[tokio::test]
async fn the_program_knows_all_tables_and_columns() {
    for home in [filled().await, Home::usual().await] {
        SqlLedger::open(&home.url).await.unwrap().close().await;
        let known = TABLES.iter().map(|table| {
            let mut columns: Vec<_> = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            columns.sort_unstable();
            (table.name.to_owned(), columns)
        });
        assert_eq!(home.columns().await, known.collect());
    }
}

#[tokio::test]
async fn a_target_that_holds_rows_is_refused_and_left_alone() {
    let (first, second) = (filled().await, Home::usual().await);
    let ledger = SqlLedger::open(&second.url).await.unwrap();
    with_rows(&ledger, &[1]).await;
    let id = ledger.ledger_id().await.unwrap();
    ledger.close().await;
    let before = second.rows().await;
    let refused = copy(&first, &second).await.unwrap_err();
    assert!(matches!(refused, CopyError::TargetInUse { .. }), "{refused}");
    assert_eq!(second.rows().await, before);
    let ledger = SqlLedger::open(&second.url).await.unwrap();
    assert_eq!(ledger.ledger_id().await.unwrap(), id);
    ledger.close().await;
}

/// As an operator makes one that is started and stopped before somebody thinks of the copy.
#[tokio::test]
async fn a_target_that_was_only_opened_takes_the_id_of_the_source() {
    let (first, second) = (filled().await, Home::usual().await);
    SqlLedger::open(&second.url).await.unwrap().close().await;
    copy(&first, &second).await.unwrap();
    assert_eq!(second.rows().await, first.rows().await);
}

#[tokio::test]
async fn neither_side_may_be_in_use() {
    let (first, second) = (filled().await, Home::usual().await);
    let works = SqlLedger::open(&first.url).await.unwrap();
    let refused = copy(&first, &second).await.unwrap_err().to_string();
    assert!(
        refused.contains("--from") && refused.contains("Stop it first"),
        "{refused}"
    );
    works.close().await;
    let works = SqlLedger::open(&second.url).await.unwrap();
    let refused = copy(&first, &second).await.unwrap_err().to_string();
    assert!(
        refused.contains("--to") && refused.contains("Stop it first"),
        "{refused}"
    );
    works.close().await;
    let refused = copy(&first, &first).await.unwrap_err().to_string();
    assert!(refused.contains("--to"), "{refused}");
    copy(&first, &second).await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_not_there_is_not_made() {
    let (first, second) = (Home::usual().await, Home::file());
    let refused = copy(&first, &second).await.unwrap_err().to_string();
    assert!(
        refused.contains("--from") && refused.contains("holds no ledger"),
        "{refused}"
    );
    let file = Home::file();
    let refused = copy(&file, &second).await.unwrap_err().to_string();
    assert!(refused.contains("holds no ledger"), "{refused}");
    assert!(!std::path::Path::new(file.url.trim_start_matches("sqlite://")).exists());
}

/// Something at the target changes what is written: a trigger here.
#[tokio::test]
async fn a_copy_that_differs_is_not_kept() {
    let (first, second) = (filled().await, Home::file());
    let ledger = SqlLedger::open(&second.url).await.unwrap();
    let trigger = "CREATE TRIGGER odd AFTER INSERT ON orphans BEGIN UPDATE orphans SET name = 'odd'; END";
    sqlx::query(trigger)
        .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    ledger.close().await;
    let before = second.rows().await;
    let refused = copy(&first, &second).await.unwrap_err();
    assert!(matches!(refused, CopyError::Differs("orphans")), "{refused}");
    assert_eq!(second.rows().await, before, "nothing of it");
}

/// More rows than are read at a time, under keys that two databases order differently.
#[tokio::test]
async fn batches_leave_out_no_row_and_repeat_none() {
    let first = Home::file();
    let ledger = SqlLedger::open(&first.url).await.unwrap();
    let track = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let row = |n: u32| {
        let mut id = [0; 20];
        id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
        let key = OccurrenceKey {
            sort_key: i64::from(n),
            transaction: TransactionId(id),
        };
        NewRow {
            keys: vec![key],
            outcome: Outcome::Skipped,
            reason: reason::NO_CONSENT.into(),
            ..pending(1)
        }
    };
    let rows: Vec<_> = (0..9_000).map(row).collect();
    ledger.record_occurrences(track, &rows).await.unwrap();
    assert_eq!(ledger.archive_rows(at(5), 4_500).await.unwrap(), 4_500);
    ledger.close().await;
    let second = first.other().await;
    let copied = copy(&first, &second).await.unwrap();
    let rows = |table: &str| copied.tables.iter().find(|t| t.table == table).map(|t| t.rows);
    assert_eq!((rows("conversions"), rows("archived_keys")), (Some(4_500), Some(4_500)));
    assert_eq!(second.rows().await, first.rows().await);
}
