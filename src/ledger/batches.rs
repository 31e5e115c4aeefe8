//! Upload requests from the moment before they are sent until Google has answered the call.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::database::Conn;
use super::error::own_error;
use super::updates;
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::columns::{amount_columns, json_list, json_rows, numbers, rows_affected as counted, to_millis};
use crate::ports::ledger::{ActionKey, BatchId, BatchResult, BatchRow, LedgerResult, RowUpdate, Sender};

/// How long the ids of ended requests are kept: longer than any cache or proxy on the way to Google would repeat an
/// answer.
const IDS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// See [`crate::ports::ledger::Ledger::begin_batch`]. Rows that became final meanwhile keep their outcome, but have
/// their place in the request. A row that is in a request already, or gone, makes the whole call fail: look up again.
pub(super) async fn begin_batch(
    conn: &mut Conn,
    sender: &Sender,
    destinations: &[ActionKey],
    rows: &[(BatchRow, usize)],
    now: Timestamp,
) -> LedgerResult<BatchId> {
    let ids: Vec<i64> = rows.iter().map(|(row, _)| row.row.0).collect();
    if ids.iter().collect::<HashSet<_>>().len() != ids.len() {
        return Err(own_error("a row is twice in one batch"));
    }
    if rows.iter().any(|(_, destination)| *destination >= destinations.len()) {
        return Err(own_error("a row of the batch has no destination"));
    }
    let batch = insert_batch(conn, sender, destinations, rows, now).await?;
    let taken = take_off(conn, batch, rows, now).await?;
    if taken != ids.len() && taken + count_settled(conn, &ids).await? != ids.len() {
        return Err(own_error("a row of the batch is in flight already or gone"));
    }
    Ok(batch)
}

async fn insert_batch(
    conn: &mut Conn,
    sender: &Sender,
    destinations: &[ActionKey],
    rows: &[(BatchRow, usize)],
    now: Timestamp,
) -> LedgerResult<BatchId> {
    let ids: Vec<i64> = rows.iter().map(|(row, _)| row.row.0).collect();
    let indices: Vec<usize> = rows.iter().map(|(_, destination)| *destination).collect();
    let owner = destinations.first().map_or("", |d| &*d.account.id);
    let named: Vec<_> = destinations
        .iter()
        .map(|d| (d.account.network.as_str(), &d.account.id, &d.id))
        .collect();
    let batch = sqlx::query_scalar(
        "INSERT INTO requests (state, network, sender, owner, destinations, conversion_ids, destination_indices, begun_at)
         VALUES ('Sending', $1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .bind(owner)
    .bind(json_rows(&named)?)
    .bind(json_rows(&ids)?)
    .bind(json_rows(&indices)?)
    .bind(to_millis(now))
    .fetch_one(conn)
    .await?;
    Ok(BatchId(batch))
}

/// Marks the waiting rows as in flight and notes the value of those that had none sent before. Returns how many there
/// were.
async fn take_off(conn: &mut Conn, batch: BatchId, rows: &[(BatchRow, usize)], now: Timestamp) -> LedgerResult<usize> {
    let mut items = Vec::with_capacity(rows.len());
    for (row, _) in rows {
        let (value, currency) = amount_columns(row.value.as_ref());
        items.push((row.row.0, value, currency));
    }
    let done = sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS id, value->>1 AS amount, value->>2 AS currency FROM json_each($2))
         UPDATE conversions SET
             state = 'InFlight', outcome = 'Pending', reason_before = conversions.reason, reason = $4, detail = '',
             changed_at = $3, request = $1, due = NULL,
             sent = CASE conversions.sent WHEN 'Never' THEN 'Now' ELSE 'Before' END,
             value = CASE conversions.sent WHEN 'Never' THEN j.amount ELSE conversions.value END,
             currency = CASE conversions.sent WHEN 'Never' THEN j.currency ELSE conversions.currency END
         FROM j WHERE conversions.id = j.id AND conversions.state = 'Waiting'",
    )
    .bind(batch.0)
    .bind(json_rows(&items)?)
    .bind(to_millis(now))
    .bind(reason::IN_FLIGHT)
    .execute(conn)
    .await?;
    counted(done.rows_affected())
}

/// How many of these rows had a final outcome before.
async fn count_settled(conn: &mut Conn, ids: &[i64]) -> LedgerResult<usize> {
    let statement = concat!(
        "SELECT count(*) FROM conversions WHERE state = 'Settled' AND id IN ",
        numbers!("$1")
    );
    let count: i64 = sqlx::query_scalar(statement)
        .bind(json_list(ids)?)
        .fetch_one(conn)
        .await?;
    usize::try_from(count).map_err(|_| own_error("a negative count"))
}

/// See [`crate::ports::ledger::Ledger::finish_batch`]. A batch that is answered already stays as it is: the call may
/// be repeated after an error.
pub(super) async fn finish_batch(
    conn: &mut Conn,
    batch: BatchId,
    result: &BatchResult,
    now: Timestamp,
) -> LedgerResult<()> {
    if !is_in(conn, batch, "Sending").await? {
        tracing::warn!(batch = batch.0, "an answer to a batch that is not under way is ignored");
        return Ok(());
    }
    match result {
        BatchResult::Accepted { request_id, poll_at } => accept_batch(conn, batch, request_id, *poll_at, now).await,
        BatchResult::Answered { updates, request_id } => {
            note_request_id(conn, batch, request_id.as_deref()).await?;
            answer_batch(conn, batch, updates, now).await
        }
        BatchResult::Refused { updates } => refuse_batch(conn, batch, updates, now).await,
        BatchResult::Unknown { updates } => {
            updates::apply_updates(conn, updates, Some(batch), now).await?;
            lose_batch(conn, batch, now, now).await
        }
    }
}

/// Whether the request is there, and in this state.
pub(super) async fn is_in(conn: &mut Conn, batch: BatchId, state: &str) -> LedgerResult<bool> {
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM requests WHERE id = $1 AND state = $2")
        .bind(batch.0)
        .bind(state)
        .fetch_one(conn)
        .await?;
    Ok(found > 0)
}

async fn accept_batch(
    conn: &mut Conn,
    batch: BatchId,
    request_id: &str,
    poll_at: Timestamp,
    now: Timestamp,
) -> LedgerResult<()> {
    if belongs_to_another(conn, batch, request_id).await? {
        tracing::warn!(
            batch = batch.0,
            "an upload was answered with the request id of an earlier one and is sent again"
        );
        // Not before the results were due: a service that repeats an answer once may do so each time.
        return lose_batch(conn, batch, poll_at, now).await;
    }
    sqlx::query(
        "UPDATE requests SET state = 'AwaitingResult', request_id = $2, accepted_at = $3, poll_at = $4 WHERE id = $1",
    )
    .bind(batch.0)
    .bind(request_id)
    .bind(to_millis(now))
    .bind(to_millis(poll_at))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE streams SET last_upload = $2
         WHERE (last_upload IS NULL OR last_upload < $2) AND id IN (SELECT stream FROM conversions WHERE request = $1)",
    )
    .bind(batch.0)
    .bind(to_millis(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE conversions SET state = 'AwaitingResult', outcome = 'Processing', reason = $3, changed_at = $2,
                request_id = $4
         WHERE request = $1 AND state = 'InFlight'",
    )
    .bind(batch.0)
    .bind(to_millis(now))
    .bind(reason::AWAITING_RESULT)
    .bind(request_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// True if another request of the same sender has, or had, this id: the answer was repeated, and proves nothing about
/// this batch.
async fn belongs_to_another(conn: &mut Conn, batch: BatchId, request_id: &str) -> LedgerResult<bool> {
    let known: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM requests q JOIN (
             SELECT network, sender, id, request_id FROM requests WHERE request_id = $2
             UNION ALL SELECT network, sender, 0, request_id FROM ended_requests WHERE request_id = $2
         ) o ON o.network = q.network AND o.sender = q.sender
         WHERE q.id = $1 AND o.id <> q.id",
    )
    .bind(batch.0)
    .bind(request_id)
    .fetch_one(conn)
    .await?;
    Ok(known > 0)
}

/// Notes Google's id of the request on its rows.
async fn note_request_id(conn: &mut Conn, batch: BatchId, request_id: Option<&str>) -> LedgerResult<()> {
    sqlx::query("UPDATE conversions SET request_id = $2 WHERE request = $1 AND state = 'InFlight'")
        .bind(batch.0)
        .bind(request_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes the answer to a whole batch. Rows that Google did not take lose the value they were sent with: only those may
/// be sent again with another one.
async fn answer_batch(conn: &mut Conn, batch: BatchId, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
    let not_taken = updates.iter().filter(|u| u.outcome == Outcome::Pending);
    let not_taken = json_list(not_taken.map(|u| u.row.0))?;
    sqlx::query(concat!(
        "UPDATE conversions SET sent = 'Never', value = NULL, currency = NULL
         WHERE request = $1 AND sent = 'Now' AND id IN ",
        numbers!("$2")
    ))
    .bind(batch.0)
    .bind(not_taken)
    .execute(&mut *conn)
    .await?;
    updates::apply_updates(conn, updates, Some(batch), now).await?;
    lose_batch(conn, batch, now, now).await
}

/// Puts rows without an update back into the state that they had before the batch.
async fn refuse_batch(conn: &mut Conn, batch: BatchId, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
    let taken = updates
        .iter()
        .filter(|u| matches!(u.outcome, Outcome::Uploaded | Outcome::Processing));
    let taken = json_list(taken.map(|u| u.row.0))?;
    sqlx::query(concat!(
        "UPDATE conversions SET sent = 'Never', value = NULL, currency = NULL
         WHERE request = $1 AND sent = 'Now' AND id NOT IN ",
        numbers!("$2")
    ))
    .bind(batch.0)
    .bind(taken)
    .execute(&mut *conn)
    .await?;
    updates::apply_updates(conn, updates, Some(batch), now).await?;
    sqlx::query(
        "UPDATE conversions SET
             state = 'Waiting', outcome = CASE reason_before WHEN $3 THEN 'Processing' ELSE 'Pending' END,
             reason = reason_before, due = $2, request = NULL, changed_at = $2
         WHERE request = $1 AND state = 'InFlight'",
    )
    .bind(batch.0)
    .bind(to_millis(now))
    .bind(reason::OUTCOME_UNKNOWN)
    .execute(&mut *conn)
    .await?;
    close_batch(conn, batch, now).await
}

/// Nobody knows which of the rows without an answer Google has: they are sent again when `due`, with the same values.
async fn lose_batch(conn: &mut Conn, batch: BatchId, due: Timestamp, now: Timestamp) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE conversions SET
             state = 'Waiting', outcome = 'Pending', reason = $2, due = $4, request = NULL, changed_at = $3
         WHERE request = $1 AND state IN ('InFlight', 'AwaitingResult')",
    )
    .bind(batch.0)
    .bind(reason::UPSTREAM_UNAVAILABLE)
    .bind(to_millis(now))
    .bind(to_millis(due))
    .execute(&mut *conn)
    .await?;
    close_batch(conn, batch, now).await
}

/// Forgets a batch from which no more answers will come. Rows that still wait for one are sent again.
pub(super) async fn close_batch(conn: &mut Conn, batch: BatchId, now: Timestamp) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE conversions SET state = 'Waiting', outcome = 'Processing', reason = $2, due = $3, changed_at = $3
         WHERE request = $1 AND state IN ('InFlight', 'AwaitingResult')",
    )
    .bind(batch.0)
    .bind(reason::OUTCOME_UNKNOWN)
    .bind(to_millis(now))
    .execute(&mut *conn)
    .await?;
    remember_id(conn, batch, now).await?;
    for statement in [
        "UPDATE conversions SET request = NULL WHERE request = $1",
        "DELETE FROM requests WHERE id = $1",
    ] {
        sqlx::query(statement).bind(batch.0).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Keeps the id of a request that ends, and forgets those that ended long ago.
async fn remember_id(conn: &mut Conn, batch: BatchId, now: Timestamp) -> LedgerResult<()> {
    sqlx::query(
        "INSERT INTO ended_requests (network, sender, request_id, ended_at)
         SELECT network, sender, request_id, $2 FROM requests WHERE id = $1 AND request_id IS NOT NULL
         ON CONFLICT DO NOTHING",
    )
    .bind(batch.0)
    .bind(to_millis(now))
    .execute(&mut *conn)
    .await?;
    let old = now.saturating_sub(IDS_KEPT).unwrap_or(Timestamp::MIN);
    sqlx::query("DELETE FROM ended_requests WHERE ended_at < $1")
        .bind(to_millis(old))
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::recover_batches`].
pub(super) async fn recover_batches(conn: &mut Conn, sender: Option<&Sender>, now: Timestamp) -> LedgerResult<usize> {
    let begun: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT q.id, count(c.id) FROM requests q LEFT JOIN conversions c ON c.request = q.id
         WHERE q.state = 'Sending' AND ($1 = '' OR (q.network = $1 AND q.sender = $2)) GROUP BY q.id",
    )
    .bind(sender.map_or("", |sender| sender.network.as_str()))
    .bind(sender.map(|sender| sender.account.to_string()).unwrap_or_default())
    .fetch_all(&mut *conn)
    .await?;
    let mut rows = 0;
    for (batch, held) in begun {
        rows += usize::try_from(held).map_err(|_| own_error("a negative count"))?;
        lose_batch(conn, BatchId(batch), now, now).await?;
    }
    Ok(rows)
}
