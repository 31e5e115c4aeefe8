//! A database that is older than what the process has written to it, as after a fail-over that lost the last writes.

use super::homes::Home;
use super::*;
use crate::ports::work_permit::WorkPermit;

/// What a restored back-up or a standby that lagged has: the number of some writes before.
async fn set_back(ledger: &SqlLedger, writes: i64) {
    let back =
        format!("UPDATE meta SET value = CAST(CAST(value AS BIGINT) - ({writes}) AS TEXT) WHERE name = 'writes'");
    let mut writer = ledger.opened.pools.writer.acquire().await.unwrap();
    let done = sqlx::query(sqlx::AssertSqlSafe(back))
        .execute(&mut **writer)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

fn is_older(message: &str) -> bool {
    message.contains("older than what this process has written") && message.contains("ends")
}

#[tokio::test]
async fn an_older_database_is_written_to_no_more() {
    // Even the last write alone.
    for lost in [1, 2, 3] {
        let home = Home::usual().await;
        let ledger = SqlLedger::open(&home.url).await.unwrap();
        let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
        ledger.still_ours().unwrap();
        set_back(&ledger, lost).await;
        let before = home.rows().await;
        let error = ledger.record_occurrences(stream, &[pending(3)]).await.unwrap_err();
        assert!(is_older(&error.message), "{error}");
        let error = ledger.still_ours().unwrap_err();
        assert!(is_older(&error.message), "{error}");
        assert!(ledger.confirm_permit().await.is_err());
        let batch = ledger
            .begin_batch(&sender(), &[action(7)], &[plain(rows[0])], at(3))
            .await;
        assert!(is_older(&batch.unwrap_err().message));
        assert_eq!(home.rows().await, before, "nothing was written");
        ledger.close().await;
        // As after a restore.
        let ledger = SqlLedger::open(&home.url).await.unwrap();
        assert_eq!(ledger.record_occurrences(stream, &[pending(3)]).await.unwrap(), 1);
        ledger.close().await;
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_none() {
    let home = Home::usual().await;
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    let (stream, _) = with_rows(&ledger, &[1]).await;
    set_back(&ledger, -1).await;
    assert_eq!(ledger.record_occurrences(stream, &[pending(2)]).await.unwrap(), 1);
    // And then one that is rolled back: it raises nothing.
    assert!(ledger.record_occurrences(StreamId(999), &[pending(3)]).await.is_err());
    assert_eq!(ledger.record_occurrences(stream, &[pending(4)]).await.unwrap(), 1);
    ledger.still_ours().unwrap();
    ledger.confirm_permit().await.unwrap();
    ledger.close().await;
}

/// Without a write: what asks before a change at Google, and once a second, finds out.
#[tokio::test]
async fn a_quiet_process_finds_out_when_it_asks() {
    let Some(home) = Home::schema().await else { return };
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    with_rows(&ledger, &[1]).await;
    ledger.confirm_writer().await.unwrap();
    set_back(&ledger, 1).await;
    let error = ledger.confirm_writer().await.unwrap_err();
    assert!(is_older(&error.message), "{error}");
    assert!(ledger.still_ours().is_err());
    ledger.close().await;
}

/// Such a ledger has no number yet.
#[tokio::test]
async fn a_ledger_without_a_number_gets_one() {
    let home = Home::usual().await;
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    let (stream, _) = with_rows(&ledger, &[1]).await;
    let mut writer = ledger.opened.pools.writer.acquire().await.unwrap();
    let forget = sqlx::query("DELETE FROM meta WHERE name = 'writes'");
    forget.execute(&mut **writer).await.unwrap();
    drop(writer);
    ledger.close().await;
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    assert_eq!(ledger.record_occurrences(stream, &[pending(2)]).await.unwrap(), 1);
    ledger.still_ours().unwrap();
    ledger.close().await;
}
