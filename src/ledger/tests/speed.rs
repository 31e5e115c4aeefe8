use std::time::Instant;

use super::*;

const ROWS: u32 = 50_000;

fn many(from: u32, count: u32) -> Vec<NewRow> {
    let row = |n: u32| {
        let key = OccurrenceKey::for_lifecycle(PortalId(1), ContactId(u64::from(n)), "customer", i64::from(n));
        let contact = ContactId(u64::from(n) + 20_000_000_000);
        NewRow {
            keys: vec![key],
            contact,
            ..pending(0)
        }
    };
    (from..from + count).map(row).collect()
}

/// Prints what it measures (`--nocapture`); asserts only that the work was done.
#[tokio::test]
async fn speed_of_bulk_writes() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let rate = |what: &str, since: Instant| {
        println!("{what}: {:.0} rows/s", f64::from(ROWS) / since.elapsed().as_secs_f64());
    };
    let batches: Vec<_> = (0..ROWS).step_by(2_000).map(|from| many(from, 2_000)).collect();
    let start = Instant::now();
    for batch in &batches {
        assert_eq!(ledger.record_occurrences(stream, batch).await.unwrap(), 2_000);
    }
    rate("observe, new", start);
    let start = Instant::now();
    for batch in &batches {
        assert_eq!(ledger.record_occurrences(stream, batch).await.unwrap(), 0);
    }
    rate("observe, known", start);
    let start = Instant::now();
    let rows = ledger.due_rows(stream, at(0), at(2), ROWS as usize).await.unwrap();
    rate("due", start);
    assert_eq!(rows.len(), ROWS as usize);
    let start = Instant::now();
    for chunk in rows.chunks(2_000) {
        let chunk: Vec<_> = chunk.iter().map(|r| worth(r.id, "12.5")).collect();
        ledger
            .begin_batch(&sender(), &[action(7)], &chunk, at(3))
            .await
            .unwrap();
    }
    rate("begin", start);
    let start = Instant::now();
    assert_eq!(ledger.recover_batches(None, at(4)).await.unwrap(), ROWS as usize);
    rate("recover", start);
    let start = Instant::now();
    for chunk in rows.chunks(2_000) {
        let chunk: Vec<_> = chunk
            .iter()
            .map(|r| update(r.id, Outcome::Uploaded, "Processed"))
            .collect();
        ledger.apply_updates(&chunk, at(5)).await.unwrap();
    }
    rate("settle", start);
    let start = Instant::now();
    assert_eq!(
        counts(&ledger, stream).await,
        [(Outcome::Uploaded, "Processed".into(), u64::from(ROWS))]
    );
    rate("tally", start);
    println!("{} bytes a row", used(&ledger).await / i64::from(ROWS));
    let start = Instant::now();
    while ledger.archive_rows(at(6), 2_000).await.unwrap() > 0 {}
    rate("fold", start);
    println!("{} bytes a folded row", used(&ledger).await / i64::from(ROWS));
    ledger.close().await;
}

/// Bytes of the file that hold something.
async fn used(ledger: &SqlLedger) -> i64 {
    let number = async |pragma: &'static str| -> i64 {
        sqlx::query_scalar(pragma)
            .fetch_one(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
            .await
            .unwrap()
    };
    let pages = number("PRAGMA page_count").await - number("PRAGMA freelist_count").await;
    pages * number("PRAGMA page_size").await
}
