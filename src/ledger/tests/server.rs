//! What only a server does to a ledger: without one there is nothing to see.

use super::homes::Home;
use super::*;
use crate::ledger::OpenError;

/// Ends the session that writes, as an administrator, a fail-over or a restart does.
async fn end_writing_session(ledger: &SqlLedger) {
    let server = std::env::var(SERVER).unwrap();
    let session: i64 = sqlx::query_scalar("SELECT CAST(pg_backend_pid() AS BIGINT)")
        .fetch_one(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    let mut administrator = sqlx::AnyConnection::connect(&server).await.unwrap();
    let end = sqlx::query("SELECT pg_terminate_backend(CAST($1 AS INTEGER), 5000)").bind(session);
    end.execute(&mut administrator).await.unwrap();
    administrator.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_the_server_ends_loses_nothing_and_is_made_again() {
    let Some(home) = Home::schema().await else { return };
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    let (stream, _) = with_rows(&ledger, &[1]).await;
    for n in 2..5 {
        end_writing_session(&ledger).await;
        let mut fails = 0;
        while let Err(error) = ledger.record_occurrences(stream, &[pending(n)]).await {
            fails += 1;
            assert!(fails < 3, "{error}");
        }
        assert_eq!(tally(&ledger, stream).await.classes[0].count, u64::from(n));
    }
    assert!(ledger.still_ours().is_ok());
    ledger.close().await;
}

#[tokio::test]
async fn a_database_that_lets_nobody_write_is_named_and_left_alone() {
    let Some(home) = Home::schema().await else { return };
    let read_only = format!("{}%20-cdefault_transaction_read_only%3Don", home.url);
    for there_is_one in [false, true] {
        match SqlLedger::open(&read_only).await {
            Err(OpenError::Failed(error)) => assert!(error.message.contains("read-only"), "{error}"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was opened"),
        }
        if !there_is_one {
            SqlLedger::open(&home.url).await.unwrap().close().await;
        }
    }
}

/// No text of HubSpot's or Google's has one where it gets here; the message is for the day that one does.
#[tokio::test]
async fn a_text_that_the_database_can_not_keep_is_named_and_nothing_else_is_lost() {
    let Some(home) = Home::schema().await else { return };
    let ledger = SqlLedger::open(&home.url).await.unwrap();
    let (stream, _) = with_rows(&ledger, &[1]).await;
    let odd = NewRow {
        submission: Some("6f\0-1".into()),
        ..pending(2)
    };
    let error = ledger.record_occurrences(stream, &[odd]).await.unwrap_err();
    assert!(error.message.contains("NUL"), "{error}");
    assert_eq!(ledger.record_occurrences(stream, &[pending(3)]).await.unwrap(), 1);
    ledger.close().await;
}
