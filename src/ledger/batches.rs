//! Upload requests from the moment before they are sent until Google has answered the call.

use std::collections::HashSet;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::convert::{CHUNK, amount, class, json, ms};
use super::error::failed;
use super::updates;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::{Outcome, reason};
use crate::sync::ports::ledger::{ActionKey, BatchId, BatchResult, BatchRow, LedgerResult, RowUpdate};

/// See [`crate::sync::ports::ledger::Ledger::begin`]. Rows that became final meanwhile keep their outcome, but have
/// their place in the request. A row that is in flight already, or gone, makes the whole call fail: look up again.
pub(super) async fn begin(
    conn: &mut SqliteConnection,
    account: &ObjectKey,
    destinations: &[ActionKey],
    rows: &[(BatchRow, usize)],
    now: Timestamp,
) -> LedgerResult<BatchId> {
    let distinct: HashSet<_> = rows.iter().map(|(row, _)| row.row).collect();
    if distinct.len() != rows.len() {
        return Err(failed("a row is twice in one batch"));
    }
    if rows.iter().any(|(_, destination)| *destination >= destinations.len()) {
        return Err(failed("a row of the batch has no destination"));
    }
    let destinations: Vec<_> = destinations
        .iter()
        .map(|d| (d.customer.as_str(), d.action.0.cast_signed()))
        .collect();
    let batch: i64 =
        sqlx::query_scalar("INSERT INTO batches (account, destinations, begun_at) VALUES (?1, ?2, ?3) RETURNING id")
            .bind(account.to_string())
            .bind(json(&destinations)?)
            .bind(ms(now))
            .fetch_one(&mut *conn)
            .await?;
    for (i, chunk) in rows.chunks(CHUNK).enumerate() {
        add(conn, batch, i * CHUNK, chunk).await?;
    }
    take_off(conn, batch, now).await?;
    Ok(BatchId(batch))
}

/// Writes rows of a request, with what they are now.
async fn add(conn: &mut SqliteConnection, batch: i64, first: usize, rows: &[(BatchRow, usize)]) -> LedgerResult<()> {
    let mut items = Vec::with_capacity(rows.len());
    for (i, (row, destination)) in rows.iter().enumerate() {
        let (value, currency) = amount(row.value.as_ref());
        items.push((first + i, row.row.0, destination, value, currency));
    }
    let done = sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT value->>0 AS position, value->>1 AS id, value->>2 AS destination, value->>3 AS amount,
                    value->>4 AS currency
             FROM json_each(?1))
         INSERT INTO batch_rows (batch, position, row_id, destination, value, currency, prior_outcome, prior_class)
         SELECT ?2, j.position, j.id, j.destination, j.amount, j.currency, r.outcome, r.class
         FROM j CROSS JOIN rows r ON r.id = j.id WHERE r.outcome <> 0 OR r.due IS NOT NULL",
    )
    .bind(json(&items)?)
    .bind(batch)
    .execute(conn)
    .await?;
    if done.rows_affected() != rows.len() as u64 {
        return Err(failed("a row of the batch is in flight already or gone"));
    }
    Ok(())
}

async fn take_off(conn: &mut SqliteConnection, batch: i64, now: Timestamp) -> LedgerResult<()> {
    let in_flight = class(conn, reason::IN_FLIGHT).await?;
    sqlx::query(
        "UPDATE rows SET outcome = ?2, class = ?3, due = NULL, batch = ?1, changed_at = ?4
         FROM batch_rows b WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.outcome < 2",
    )
    .bind(batch)
    .bind(Outcome::Pending.code())
    .bind(in_flight)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// See [`crate::sync::ports::ledger::Ledger::finish`]. A batch that is answered already stays as it is: the call may
/// be repeated after an error.
pub(super) async fn finish(
    conn: &mut SqliteConnection,
    batch: BatchId,
    result: &BatchResult,
    now: Timestamp,
) -> LedgerResult<()> {
    let under_way: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM batches WHERE id = ?1 AND request_id IS NULL)")
            .bind(batch.0)
            .fetch_one(&mut *conn)
            .await?;
    if !under_way {
        tracing::warn!(batch = batch.0, "an answer to a batch that is not under way is ignored");
        return Ok(());
    }
    match result {
        BatchResult::Accepted { request_id, poll_at } => accept(conn, batch, request_id, *poll_at, now).await,
        BatchResult::Answered { updates } => answer(conn, batch, updates, now).await,
        BatchResult::Refused { updates } => refuse(conn, batch, updates, now).await,
        BatchResult::Unknown { updates } => lose(conn, batch, updates, now).await,
    }
}

async fn accept(
    conn: &mut SqliteConnection,
    batch: BatchId,
    request_id: &str,
    poll_at: Timestamp,
    now: Timestamp,
) -> LedgerResult<()> {
    fix_values(conn, batch, None).await?;
    let awaiting = class(conn, reason::AWAITING_RESULT).await?;
    sqlx::query(
        "UPDATE rows SET outcome = ?2, class = ?3, changed_at = ?4
         FROM batch_rows b WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.batch = ?1",
    )
    .bind(batch.0)
    .bind(Outcome::Processing.code())
    .bind(awaiting)
    .bind(ms(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query("UPDATE batches SET request_id = ?2, accepted_at = ?3, poll_at = ?4 WHERE id = ?1")
        .bind(batch.0)
        .bind(request_id)
        .bind(ms(now))
        .bind(ms(poll_at))
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "UPDATE tracks SET last_upload = ?2
         WHERE (last_upload IS NULL OR last_upload < ?2)
           AND id IN (SELECT r.track FROM batch_rows b CROSS JOIN rows r ON r.id = b.row_id WHERE b.batch = ?1)",
    )
    .bind(batch.0)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// What Google took counts as an upload of its track. Only rows that were not taken may go with another value.
async fn answer(
    conn: &mut SqliteConnection,
    batch: BatchId,
    updates: &[RowUpdate],
    now: Timestamp,
) -> LedgerResult<()> {
    let uploaded: Vec<i64> = updates
        .iter()
        .filter(|u| u.outcome == Outcome::Uploaded)
        .map(|u| u.row.0)
        .collect();
    sqlx::query(
        "UPDATE tracks SET last_upload = ?2
         WHERE (last_upload IS NULL OR last_upload < ?2)
           AND id IN (SELECT track FROM rows WHERE id IN (SELECT value FROM json_each(?1)))",
    )
    .bind(json(&uploaded)?)
    .bind(ms(now))
    .execute(&mut *conn)
    .await?;
    let not_taken: HashSet<_> = updates
        .iter()
        .filter(|u| u.outcome == Outcome::Pending)
        .map(|u| u.row.0)
        .collect();
    let rows: Vec<i64> = sqlx::query_scalar("SELECT row_id FROM batch_rows WHERE batch = ?1")
        .bind(batch.0)
        .fetch_all(&mut *conn)
        .await?;
    let kept: Vec<i64> = rows.into_iter().filter(|row| !not_taken.contains(row)).collect();
    fix_values(conn, batch, Some(&kept)).await?;
    settle(conn, batch, updates, now).await
}

async fn refuse(
    conn: &mut SqliteConnection,
    batch: BatchId,
    updates: &[RowUpdate],
    now: Timestamp,
) -> LedgerResult<()> {
    let taken = |u: &&RowUpdate| matches!(u.outcome, Outcome::Uploaded | Outcome::Processing);
    let taken: Vec<i64> = updates.iter().filter(taken).map(|u| u.row.0).collect();
    fix_values(conn, batch, Some(&taken)).await?;
    updates::apply(conn, updates, Some(batch), now).await?;
    sqlx::query(
        "UPDATE rows SET outcome = b.prior_outcome, class = b.prior_class, due = ?2, batch = NULL, changed_at = ?2
         FROM batch_rows b
         WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.batch = ?1 AND rows.outcome = 0 AND rows.due IS NULL",
    )
    .bind(batch.0)
    .bind(ms(now))
    .execute(&mut *conn)
    .await?;
    close(conn, batch, now).await
}

/// Nobody knows what Google has of the batch.
async fn lose(conn: &mut SqliteConnection, batch: BatchId, updates: &[RowUpdate], now: Timestamp) -> LedgerResult<()> {
    fix_values(conn, batch, None).await?;
    settle(conn, batch, updates, now).await
}

/// Rows without an update go again.
async fn settle(
    conn: &mut SqliteConnection,
    batch: BatchId,
    updates: &[RowUpdate],
    now: Timestamp,
) -> LedgerResult<()> {
    updates::apply(conn, updates, Some(batch), now).await?;
    let unavailable = class(conn, reason::UPSTREAM_UNAVAILABLE).await?;
    sqlx::query(
        "UPDATE rows SET class = ?2, due = ?3, batch = NULL, changed_at = ?3
         FROM batch_rows b
         WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.batch = ?1 AND rows.outcome = 0 AND rows.due IS NULL",
    )
    .bind(batch.0)
    .bind(unavailable)
    .bind(ms(now))
    .execute(&mut *conn)
    .await?;
    close(conn, batch, now).await
}

/// From here on the rows of the batch (or `only` these of them) are repeated with the values of this batch; with
/// earlier ones where they had been sent before.
async fn fix_values(conn: &mut SqliteConnection, batch: BatchId, only: Option<&[i64]>) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE rows SET sent = 1, value = b.value, currency = b.currency
         FROM batch_rows b
         WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.batch = ?1 AND rows.sent = 0
           AND (?2 IS NULL OR rows.id IN (SELECT value FROM json_each(?2)))",
    )
    .bind(batch.0)
    .bind(only.map(json).transpose()?)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a batch that has no more to tell. Rows that still wait for its word are sent again.
pub(super) async fn close(conn: &mut SqliteConnection, batch: BatchId, now: Timestamp) -> LedgerResult<()> {
    let unknown = class(conn, reason::OUTCOME_UNKNOWN).await?;
    sqlx::query(
        "UPDATE rows SET
             batch = NULL,
             class = CASE WHEN rows.due IS NULL THEN ?2 ELSE rows.class END,
             changed_at = CASE WHEN rows.due IS NULL THEN ?3 ELSE rows.changed_at END,
             due = coalesce(rows.due, ?3)
         FROM batch_rows b WHERE b.batch = ?1 AND rows.id = b.row_id AND rows.batch = ?1",
    )
    .bind(batch.0)
    .bind(unknown)
    .bind(ms(now))
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM batch_rows WHERE batch = ?1")
        .bind(batch.0)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM batches WHERE id = ?1")
        .bind(batch.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::sync::ports::ledger::Ledger::recover`].
pub(super) async fn recover(conn: &mut SqliteConnection, now: Timestamp) -> LedgerResult<usize> {
    let begun: Vec<i64> = sqlx::query_scalar("SELECT id FROM batches WHERE request_id IS NULL")
        .fetch_all(&mut *conn)
        .await?;
    let mut rows = 0;
    for batch in begun {
        let held: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM batch_rows b CROSS JOIN rows r ON r.id = b.row_id
             WHERE b.batch = ?1 AND r.batch = ?1",
        )
        .bind(batch)
        .fetch_one(&mut *conn)
        .await?;
        rows += usize::try_from(held).map_err(|_| failed("a negative count"))?;
        lose(conn, BatchId(batch), &[], now).await?;
    }
    Ok(rows)
}
