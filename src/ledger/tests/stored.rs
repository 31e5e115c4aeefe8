//! The conversions as the ledger has them, in the terms of the model.

use std::collections::BTreeMap;

use super::model::Known;
use super::*;
use crate::ports::ledger::BatchId;

/// The table itself.
pub(super) async fn stored_rows(ledger: &SqlLedger) -> BTreeMap<RowId, Known> {
    #[derive(sqlx::FromRow)]
    struct Stored {
        id: i64,
        stream: i64,
        transaction_id: String,
        outcome: String,
        reason: String,
        due: Option<i64>,
        attempts: i64,
        isolation_group: i64,
        suspended: i64,
        known_to_google: i64,
        value: Option<String>,
        request: Option<i64>,
    }
    let rows: Vec<Stored> = sqlx::query_as(
        "SELECT id, stream, transaction_id, outcome, reason, due, attempts, isolation_group, suspended, value, request,
                CASE WHEN sent = 'Before' OR (sent = 'Now' AND state <> 'InFlight') THEN 1 ELSE 0 END AS known_to_google
         FROM conversions",
    )
    .fetch_all(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
    .await
    .unwrap();
    let known = |row: Stored| {
        let value = row.value.map(|v| v.parse().unwrap());
        let known = Known {
            stream: StreamId(row.stream),
            number: row.transaction_id.parse::<TransactionId>().unwrap().0[0],
            outcome: Outcome::from_name(&row.outcome).unwrap(),
            reason: row.reason,
            due: row.due.map(|ms| Timestamp::from_millisecond(ms).unwrap()),
            attempts: u32::try_from(row.attempts).unwrap(),
            isolation_group: row.isolation_group,
            suspended: row.suspended == 1,
            sent: (row.known_to_google == 1).then_some(value),
            batch: row.request.map(BatchId),
        };
        (RowId(row.id), known)
    };
    rows.into_iter().map(known).collect()
}
