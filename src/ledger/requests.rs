//! Accepted requests whose outcome is not known yet.

use std::collections::HashMap;

use jiff::Timestamp;

use super::batches::{close_batch, is_in};
use super::database::Conn;
use super::error::damaged_value;
use super::rows::to_attempts;
use super::updates;
use crate::api::AdNetwork;
use crate::domain::ids::{AdAccountKey, ObjectKey};
use crate::ledger::columns::{json_list, numbers, rows_affected as counted, texts, to_limit, to_millis, to_time};
use crate::ports::ledger::{ActionKey, BatchId, LedgerResult, OpenRequest, OpenRow, RowId, Sender, StatusResult};

#[derive(sqlx::FromRow)]
struct StoredRequest {
    id: i64,
    request_id: String,
    accepted_at: i64,
    polls: i64,
    poll_at: i64,
    destinations: String,
    conversion_ids: String,
    destination_indices: String,
}

/// See [`crate::ports::ledger::Ledger::open_requests`]. The rows are all those that the request was sent with,
/// whatever became of them since: record indices count all of them.
pub(super) async fn open_requests(
    conn: &mut Conn,
    sender: &Sender,
    now: Timestamp,
    limit: usize,
) -> LedgerResult<Vec<OpenRequest>> {
    let found: Vec<StoredRequest> = sqlx::query_as(
        "SELECT id, request_id, accepted_at, polls, poll_at, destinations, conversion_ids, destination_indices
         FROM requests WHERE network = $1 AND sender = $2 AND state = 'AwaitingResult' AND poll_at <= $3
         ORDER BY poll_at, id LIMIT $4",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .bind(to_millis(now))
    .bind(to_limit(limit)?)
    .fetch_all(&mut *conn)
    .await?;
    let mut requests = Vec::with_capacity(found.len());
    for batch in found {
        requests.push(OpenRequest {
            batch: BatchId(batch.id),
            rows: open_rows(conn, &batch).await?,
            request_id: batch.request_id,
            accepted_at: to_time(batch.accepted_at)?,
            polls: u32::try_from(batch.polls).map_err(|_| damaged_value("a number of looks"))?,
            poll_at: to_time(batch.poll_at)?,
            destinations: parse_destinations(&batch.destinations)?,
        });
    }
    Ok(requests)
}

async fn open_rows(conn: &mut Conn, batch: &StoredRequest) -> LedgerResult<Vec<OpenRow>> {
    let unreadable = |_| damaged_value("the conversions of a request");
    let ids: Vec<i64> = serde_json::from_str(&batch.conversion_ids).map_err(unreadable)?;
    let indices: Vec<usize> = serde_json::from_str(&batch.destination_indices).map_err(unreadable)?;
    if ids.len() != indices.len() {
        return Err(damaged_value("the conversions of a request"));
    }
    let tried: Vec<(i64, i64, i64)> = sqlx::query_as(concat!(
        "SELECT id, attempts, isolation_group FROM conversions
         WHERE (attempts <> 0 OR isolation_group <> 0) AND id IN ",
        numbers!("$1")
    ))
    .bind(json_list(&ids)?)
    .fetch_all(conn)
    .await?;
    let mut known: HashMap<i64, (u32, i64)> = HashMap::with_capacity(tried.len());
    for (id, tries, group) in tried {
        known.insert(id, (to_attempts(tries)?, group));
    }
    let row = |(id, destination): (i64, usize)| {
        let (attempts, isolation_group) = known.get(&id).copied().unwrap_or_default();
        OpenRow {
            row: RowId(id),
            destination,
            attempts,
            isolation_group,
        }
    };
    Ok(ids.into_iter().zip(indices).map(row).collect())
}

fn parse_destinations(stored: &str) -> LedgerResult<Vec<ActionKey>> {
    let stored: Vec<(AdNetwork, String, String)> =
        serde_json::from_str(stored).map_err(|_| damaged_value("destinations"))?;
    let key = |(network, account, id)| ActionKey {
        account: AdAccountKey { network, id: account },
        id,
    };
    Ok(stored.into_iter().map(key).collect())
}

/// See [`crate::ports::ledger::Ledger::other_senders`].
pub(super) async fn other_senders(
    conn: &mut Conn,
    sender: &Sender,
    owner: &AdAccountKey,
) -> LedgerResult<Vec<ObjectKey>> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT sender FROM requests
         WHERE network = $1 AND state = 'AwaitingResult' AND owner = $2 AND sender <> $3",
    )
    .bind(owner.network.as_str())
    .bind(owner.id.as_str())
    .bind(sender.account.to_string())
    .fetch_all(conn)
    .await?;
    let key = |text: String| {
        let (namespace, name) = text.split_once('/').ok_or_else(|| damaged_value("sender"))?;
        Ok(ObjectKey::new(namespace, name))
    };
    found.into_iter().map(key).collect()
}

/// See [`crate::ports::ledger::Ledger::adopt_requests`]. All destinations of a request are of one owner.
pub(super) async fn adopt_requests(
    conn: &mut Conn,
    sender: &Sender,
    owner: &AdAccountKey,
    gone: &[ObjectKey],
) -> LedgerResult<usize> {
    let done = sqlx::query(concat!(
        "UPDATE requests SET sender = $2
         WHERE network = $1 AND state = 'AwaitingResult' AND owner = $3 AND sender IN ",
        texts!("$4")
    ))
    .bind(owner.network.as_str())
    .bind(sender.account.to_string())
    .bind(owner.id.as_str())
    .bind(json_list(gone.iter().map(ToString::to_string))?)
    .execute(conn)
    .await?;
    counted(done.rows_affected())
}

/// See [`crate::ports::ledger::Ledger::next_poll`].
pub(super) async fn next_poll(conn: &mut Conn, sender: &Sender) -> LedgerResult<Option<Timestamp>> {
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT min(poll_at) FROM requests WHERE network = $1 AND sender = $2 AND state = 'AwaitingResult'",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .fetch_one(conn)
    .await?;
    next.map(to_time).transpose()
}

/// See [`crate::ports::ledger::Ledger::record_status`]. Says nothing about rows that were answered before or went
/// into a later batch. A request that is closed already stays as it is: the call may be repeated after an error.
pub(super) async fn record_status(conn: &mut Conn, result: &StatusResult, now: Timestamp) -> LedgerResult<()> {
    if !is_in(conn, result.batch, "AwaitingResult").await? {
        tracing::warn!(
            batch = result.batch.0,
            "the status of a request that is not open is ignored"
        );
        return Ok(());
    }
    updates::apply_updates(conn, &result.updates, Some(result.batch), now).await?;
    let Some(poll_at) = result.poll_at else {
        return close_batch(conn, result.batch, now).await;
    };
    sqlx::query("UPDATE requests SET poll_at = $2, polls = polls + 1 WHERE id = $1")
        .bind(result.batch.0)
        .bind(to_millis(poll_at))
        .execute(conn)
        .await?;
    Ok(())
}
