//! Accepted requests whose outcome is not known yet.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::batches::close;
use super::error::{damaged, failed};
use super::updates;
use crate::api::AdNetwork;
use crate::domain::ids::{AdAccountKey, ObjectKey};
use crate::ledger::bulk_lookup::close_together;
use crate::ledger::columns::{count, json, ms, time};
use crate::ports::ledger::{ActionKey, BatchId, LedgerResult, OpenRequest, OpenRow, RowId, Sender, StatusResult};

#[derive(sqlx::FromRow)]
struct Stored {
    id: i64,
    request_id: String,
    accepted_at: i64,
    polls: u32,
    poll_at: i64,
    destinations: String,
    row_ids: String,
    targets: String,
}

/// See [`crate::ports::ledger::Ledger::open_requests`]. The rows are those the request went out with, whatever
/// became of them since: record indices count all of them.
pub(super) async fn open_requests(
    conn: &mut SqliteConnection,
    sender: &Sender,
    now: Timestamp,
    limit: usize,
) -> LedgerResult<Vec<OpenRequest>> {
    let found: Vec<Stored> = sqlx::query_as(
        "SELECT id, request_id, accepted_at, polls, poll_at, destinations, row_ids, targets FROM batches
         WHERE network = ?1 AND account = ?2 AND poll_at <= ?3 ORDER BY poll_at, id LIMIT ?4",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .bind(ms(now))
    .bind(count(limit)?)
    .fetch_all(&mut *conn)
    .await?;
    let mut requests = Vec::with_capacity(found.len());
    for batch in found {
        requests.push(OpenRequest {
            batch: BatchId(batch.id),
            rows: rows(conn, &batch).await?,
            request_id: batch.request_id,
            accepted_at: time(batch.accepted_at)?,
            polls: batch.polls,
            poll_at: time(batch.poll_at)?,
            destinations: destinations(&batch.destinations)?,
        });
    }
    Ok(requests)
}

async fn rows(conn: &mut SqliteConnection, batch: &Stored) -> LedgerResult<Vec<OpenRow>> {
    let numbers = "the rows of a request";
    let ids: Vec<i64> = serde_json::from_str(&batch.row_ids).map_err(|_| damaged(numbers))?;
    let targets: Vec<usize> = serde_json::from_str(&batch.targets).map_err(|_| damaged(numbers))?;
    if ids.len() != targets.len() {
        return Err(damaged(numbers));
    }
    let tried = match close_together(&ids) {
        Some((first, last)) => sqlx::query_as(
            "SELECT id, attempts, split FROM rows WHERE id BETWEEN ?1 AND ?2 AND (attempts <> 0 OR split <> 0)",
        )
        .bind(first)
        .bind(last),
        None => sqlx::query_as(
            "SELECT id, attempts, split FROM rows
             WHERE id IN (SELECT value FROM json_each(?1)) AND (attempts <> 0 OR split <> 0)",
        )
        .bind(&batch.row_ids),
    };
    let tried: Vec<(i64, u32, i64)> = tried.fetch_all(conn).await?;
    let tried: HashMap<i64, (u32, i64)> = tried
        .into_iter()
        .map(|(id, attempts, split)| (id, (attempts, split)))
        .collect();
    let row = |(id, destination): (i64, usize)| {
        let (attempts, split) = tried.get(&id).copied().unwrap_or_default();
        OpenRow {
            row: RowId(id),
            destination,
            attempts,
            split,
        }
    };
    Ok(ids.into_iter().zip(targets).map(row).collect())
}

fn destinations(stored: &str) -> LedgerResult<Vec<ActionKey>> {
    let stored: Vec<(AdNetwork, String, String)> = serde_json::from_str(stored).map_err(|_| damaged("destinations"))?;
    let key = |(network, account, id)| ActionKey {
        account: AdAccountKey { network, id: account },
        id,
    };
    Ok(stored.into_iter().map(key).collect())
}

/// See [`crate::ports::ledger::Ledger::adopt_requests`]. All destinations of a request are of one owner.
pub(super) async fn adopt(
    conn: &mut SqliteConnection,
    sender: &Sender,
    owner: &AdAccountKey,
    accounts: &[ObjectKey],
) -> LedgerResult<usize> {
    let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    let done = sqlx::query(
        "UPDATE batches SET account = ?2
         WHERE network = ?1 AND request_id IS NOT NULL AND json_extract(destinations, '$[0][1]') = ?3
           AND account NOT IN (SELECT value FROM json_each(?4))",
    )
    .bind(owner.network.as_str())
    .bind(sender.account.to_string())
    .bind(&owner.id)
    .bind(json(&accounts)?)
    .execute(conn)
    .await?;
    usize::try_from(done.rows_affected()).map_err(|_| failed("more requests than can be counted"))
}

/// See [`crate::ports::ledger::Ledger::next_poll`].
pub(super) async fn next_poll(conn: &mut SqliteConnection, sender: &Sender) -> LedgerResult<Option<Timestamp>> {
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT min(poll_at) FROM batches WHERE network = ?1 AND account = ?2 AND poll_at IS NOT NULL",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .fetch_one(conn)
    .await?;
    next.map(time).transpose()
}

/// See [`crate::ports::ledger::Ledger::record_status`]. Says nothing about rows that were answered before or went
/// into a later batch. A request that is closed already stays as it is: the call may be repeated after an error.
pub(super) async fn record_status(
    conn: &mut SqliteConnection,
    result: &StatusResult,
    now: Timestamp,
) -> LedgerResult<()> {
    let open: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM batches WHERE id = ?1 AND request_id IS NOT NULL)")
            .bind(result.batch.0)
            .fetch_one(&mut *conn)
            .await?;
    if !open {
        tracing::warn!(
            batch = result.batch.0,
            "the status of a request that is not open is ignored"
        );
        return Ok(());
    }
    updates::apply(conn, &result.updates, Some(result.batch), now).await?;
    let Some(poll_at) = result.poll_at else {
        return close(conn, result.batch, now).await;
    };
    sqlx::query("UPDATE batches SET poll_at = ?2, polls = polls + 1 WHERE id = ?1")
        .bind(result.batch.0)
        .bind(ms(poll_at))
        .execute(conn)
        .await?;
    Ok(())
}
