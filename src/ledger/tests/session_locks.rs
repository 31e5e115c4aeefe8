//! Who has the lock of a schema, and who takes it from whom. Without a server there is nothing to test.

use super::*;
use crate::ledger::OpenError;
use crate::ports::work_permit::WorkPermit;

/// Uid of the Lease of the replicas.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);
const LEASE: &str = "0b9a5a52-0000-4000-8000-000000000000";

/// The URL of an empty schema.
async fn schema_url() -> Option<String> {
    let server = std::env::var(SERVER).ok()?;
    Some(schema(&server).await)
}

async fn refusal_of(url: &str) -> OpenError {
    refused(SqlLedger::open(url).await)
}

fn refused(opened: Result<SqlLedger, OpenError>) -> OpenError {
    match opened {
        Ok(_) => panic!("it was opened twice"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn one_at_a_time_has_a_schema() {
    let Some(url) = schema_url().await else { return };
    let first = SqlLedger::open(&url).await.unwrap();
    let refused = refusal_of(&url).await;
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    let message = refused.to_string();
    assert!(
        message.contains("schema \"ledger_") && message.contains("session"),
        "{message}"
    );
    // The first goes on as if nothing had been.
    with_rows(&first, &[1]).await;
    let id = first.ledger_id().await.unwrap();
    first.close().await;
    let second = SqlLedger::open(&url).await.unwrap();
    assert_eq!(second.ledger_id().await.unwrap(), id, "the same ledger");
}

/// A database that was dropped and created again is another one.
#[tokio::test]
async fn who_finds_no_tables_writes_no_more() {
    for reads in [true, false] {
        let Some(url) = schema_url().await else { return };
        let ledger = SqlLedger::open(&url).await.unwrap();
        let (stream, _) = with_rows(&ledger, &[1]).await;
        let mut writer = ledger.opened.pools.writer.acquire().await.unwrap();
        sqlx::raw_sql("DROP TABLE meta CASCADE")
            .execute(&mut **writer)
            .await
            .unwrap();
        drop(writer);
        let error = if reads {
            ledger
                .confirm_permit()
                .await
                .expect_err("there is no ledger")
                .to_string()
        } else {
            ledger
                .record_occurrences(stream, &[pending(2)])
                .await
                .unwrap_err()
                .message
        };
        assert!(error.contains("lost the ledger's tables"), "{error}");
        let error = ledger.still_ours().unwrap_err().message;
        assert!(
            error.contains("the database has lost it") && error.contains("ends"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn who_was_taken_over_writes_no_more() {
    let Some(url) = schema_url().await else { return };
    let first = SqlLedger::open_as_leader(&url, LEASE, LIMIT).await.unwrap();
    let (stream, rows) = with_rows(&first, &[1]).await;
    first.confirm_permit().await.unwrap();
    let second = SqlLedger::take_over(&url, LEASE, LIMIT).await.unwrap();
    second.confirm_permit().await.unwrap();
    let refused = first.confirm_permit().await.expect_err("it is another's").to_string();
    assert!(refused.contains("another operator has taken over"), "{refused}");
    assert!(first.still_ours().is_err(), "known without a write");
    let batch = [plain(rows[0])];
    // The session is gone, which is told at the first try; with a new one the epoch tells.
    let mut refused = String::new();
    for _ in 0..3 {
        let began = first.begin_batch(&sender(), &[action(7)], &batch, at(3)).await;
        refused = began.expect_err("it is another's").to_string();
    }
    assert!(refused.contains("another operator"), "{refused}");
    assert!(first.still_ours().is_err());
    second
        .begin_batch(&sender(), &[action(7)], &batch, at(3))
        .await
        .unwrap();
    assert_eq!(counts(&second, stream).await[0].2, 1);
}

#[tokio::test]
async fn who_works_by_another_lease_or_by_none_keeps_the_ledger() {
    for before in [None, Some("another")] {
        let Some(url) = schema_url().await else { return };
        let first = match before {
            None => SqlLedger::open(&url).await.unwrap(),
            Some(lease) => SqlLedger::open_as_leader(&url, lease, LIMIT).await.unwrap(),
        };
        let (_, _) = with_rows(&first, &[1]).await;
        let refused = refused(SqlLedger::take_over(&url, LEASE, LIMIT).await);
        assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
        with_rows(&first, &[2]).await;
        first.confirm_permit().await.unwrap();
        first.close().await;
        SqlLedger::open_as_leader(&url, LEASE, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_is_reached_while_another_has_the_ledger() {
    let Some(url) = schema_url().await else { return };
    SqlLedger::check_reachable(&url).await.unwrap();
    let first = SqlLedger::open(&url).await.unwrap();
    SqlLedger::check_reachable(&url).await.unwrap();
    first.still_ours().unwrap();
    let gone = SqlLedger::check_reachable("postgres://postgres@127.0.0.1:1/postgres").await;
    assert!(gone.unwrap_err().message.contains("can't be reached"));
}

#[tokio::test]
async fn whose_connection_broke_goes_on_where_nobody_wrote_in_between() {
    let Some(url) = schema_url().await else { return };
    let ledger = SqlLedger::open(&url).await.unwrap();
    let (stream, _) = with_rows(&ledger, &[1]).await;
    let end = "SELECT count(CASE WHEN pg_terminate_backend(pid) THEN 1 END) FROM pg_locks
               WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
                 AND CAST(objid AS BIGINT) = (SELECT CAST(oid AS BIGINT) FROM pg_namespace WHERE nspname = current_schema())";
    let ended: i64 = sqlx::query_scalar(end)
        .fetch_one(&mut **ledger.opened.pools.readers.acquire().await.unwrap())
        .await
        .unwrap();
    assert_eq!(ended, 1);
    let mut tries = 0;
    while ledger.record_occurrences(stream, &[pending(2)]).await.is_err() {
        tries += 1;
        assert!(tries < 3, "the next connection holds the lock again");
    }
    ledger.still_ours().unwrap();
    assert!(matches!(refusal_of(&url).await, OpenError::InUse(_)));
    assert_eq!(counts(&ledger, stream).await[0].2, 2);
}

#[tokio::test]
async fn a_wrong_url_is_explained() {
    let Ok(server) = std::env::var(SERVER) else { return };
    let base = server.rsplit_once('/').unwrap().0;
    let mark = if server.contains('?') { '&' } else { '?' };
    for (url, part) in [
        (format!("{base}/nowhere"), "does not exist"),
        (format!("{server}{mark}options=-csearch_path%3Dnowhere"), "search_path"),
        (format!("{server}{mark}sslmode=require"), "TLS"),
    ] {
        let message = refusal_of(&url).await.to_string();
        assert!(message.contains(part), "{url}: {message}");
    }
}
