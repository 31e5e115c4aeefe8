use super::*;

/// What docs/ledger.md tells people to ask, on both databases.
#[tokio::test]
async fn the_queries_of_the_documents_work() {
    let ledger = fresh().await;
    with_rows(&ledger, &[1, 2]).await;
    let text = include_str!("../../../docs/ledger.md");
    let blocks = text.split("```sql\n").skip(1);
    let queries: Vec<_> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(queries.len() >= 10, "{}", queries.len());
    for query in queries {
        // Sums of texts are of a type that a client of both databases has no word for.
        let counted = format!("SELECT count(*) FROM ({}) AS q", query.trim().trim_end_matches(';'));
        let rows: Result<i64, _> = sqlx::query_scalar(sqlx::AssertSqlSafe(counted))
            .fetch_one(&mut **ledger.opened.pools.readers.acquire().await.unwrap())
            .await;
        assert!(rows.is_ok(), "{query}: {rows:?}");
    }
}

#[test]
fn the_documents_name_every_table_and_every_column_of_conversions() {
    let text = include_str!("../../../docs/ledger.md");
    let (_, text) = text.split_once("## Tables").unwrap();
    let missing = |name: &&str| !text.contains(&format!("`{name}`"));
    let tables = crate::ledger::tables::TABLES.iter();
    assert_eq!(tables.clone().map(|table| table.name).find(missing), None);
    let columns = tables
        .filter(|table| table.name == "conversions")
        .flat_map(|table| table.columns);
    let columns: Vec<_> = columns.map(|(name, _)| *name).collect();
    assert!(columns.len() > 20, "{columns:?}");
    assert_eq!(columns.iter().copied().find(missing), None);
}

#[tokio::test]
async fn a_state_can_be_read_with_a_select() {
    let ledger = fresh().await;
    let (_, rows) = with_rows(&ledger, &[1, 2, 3]).await;
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[plain(rows[0]), plain(rows[1])], at(3))
        .await
        .unwrap();
    let states = async || -> Vec<(String, String, i64)> {
        let statement = "SELECT state, reason, count(*) FROM conversions GROUP BY state, reason ORDER BY state";
        let mut reader = ledger.opened.pools.readers.acquire().await.unwrap();
        let found = sqlx::query_as(statement).fetch_all(&mut **reader);
        found.await.unwrap()
    };
    let line = |state: &str, reason: &str, count| (state.to_owned(), reason.to_owned(), count);
    let waits = line("Waiting", reason::NOT_DUE, 1);
    assert_eq!(states().await, [line("InFlight", reason::IN_FLIGHT, 2), waits.clone()]);
    let accepted = crate::ports::ledger::BatchResult::Accepted {
        request_id: "r".into(),
        poll_at: at(30),
    };
    ledger.finish_batch(batch, &accepted, at(4)).await.unwrap();
    assert_eq!(
        states().await,
        [line("AwaitingResult", reason::AWAITING_RESULT, 2), waits]
    );
}
