//! Upload requests from the moment before they are sent until Google has answered the call.

use std::collections::HashSet;

use jiff::Timestamp;
use rust_decimal::Decimal;
use sqlx::SqliteConnection;

use super::error::failed;
use super::updates;
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::columns::{amount, ascending, class, json, ms};
use crate::ports::ledger::{ActionKey, BatchId, BatchResult, BatchRow, LedgerResult, RowUpdate, Sender};

/// See [`crate::ports::ledger::Ledger::begin`]. Rows that became final meanwhile keep their outcome, but have
/// their place in the request. A row that is in a request already, or gone, makes the whole call fail: look up again.
pub(super) async fn begin(
    conn: &mut SqliteConnection,
    sender: &Sender,
    destinations: &[ActionKey],
    rows: &[(BatchRow, usize)],
    now: Timestamp,
) -> LedgerResult<BatchId> {
    let ids: Vec<i64> = rows.iter().map(|(row, _)| row.row.0).collect();
    if !ascending(ids.iter().copied()) && ids.iter().collect::<HashSet<_>>().len() != ids.len() {
        return Err(failed("a row is twice in one batch"));
    }
    let numbers = json(&ids)?;
    let targets: Vec<usize> = rows.iter().map(|(_, destination)| *destination).collect();
    if targets.iter().any(|target| *target >= destinations.len()) {
        return Err(failed("a row of the batch has no destination"));
    }
    let destinations: Vec<_> = destinations
        .iter()
        .map(|d| (d.account.network.as_str(), &d.account.id, &d.id))
        .collect();
    let batch: i64 = sqlx::query_scalar(
        "INSERT INTO batches (network, account, destinations, row_ids, targets, begun_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
    )
    .bind(sender.network.as_str())
    .bind(sender.account.to_string())
    .bind(json(&destinations)?)
    .bind(&numbers)
    .bind(json(&targets)?)
    .bind(ms(now))
    .fetch_one(&mut *conn)
    .await?;
    let batch = BatchId(batch);
    let taken = take_off(conn, batch, rows, &numbers).await?;
    if taken != ids.len() as u64 && taken + settled(conn, batch).await? != ids.len() as u64 {
        return Err(failed("a row of the batch is in flight already or gone"));
    }
    Ok(batch)
}

/// Puts the rows that wait into Google's hands; a value is noted where none was sent before. Returns how many there were.
async fn take_off(
    conn: &mut SqliteConnection,
    batch: BatchId,
    rows: &[(BatchRow, usize)],
    numbers: &str,
) -> LedgerResult<u64> {
    let first = rows.first().and_then(|(row, _)| row.value.as_ref());
    if rows.iter().all(|(row, _)| row.value.as_ref() == first) {
        return take_off_alike(conn, batch, numbers, first).await;
    }
    let mut items = Vec::with_capacity(rows.len());
    for (row, _) in rows {
        let (value, currency) = amount(row.value.as_ref());
        items.push((row.row.0, value, currency));
    }
    let done = sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT value->>0 AS id, value->>1 AS amount, value->>2 AS currency FROM json_each(?2))
         UPDATE rows SET
             batch = ?1, due = NULL, sent = CASE sent WHEN 0 THEN 2 ELSE 1 END,
             value = CASE sent WHEN 0 THEN j.amount ELSE rows.value END,
             currency = CASE sent WHEN 0 THEN j.currency ELSE rows.currency END
         FROM j WHERE rows.id = j.id AND rows.due IS NOT NULL",
    )
    .bind(batch.0)
    .bind(json(&items)?)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Rows of one value, as a fixed one: half the cost of unpacking one a row.
async fn take_off_alike(
    conn: &mut SqliteConnection,
    batch: BatchId,
    numbers: &str,
    value: Option<&(Decimal, String)>,
) -> LedgerResult<u64> {
    let (value, currency) = amount(value);
    let done = sqlx::query(
        "UPDATE rows SET
             batch = ?1, due = NULL, sent = CASE sent WHEN 0 THEN 2 ELSE 1 END,
             value = CASE sent WHEN 0 THEN ?3 ELSE value END,
             currency = CASE sent WHEN 0 THEN ?4 ELSE currency END
         WHERE id IN (SELECT value FROM json_each(?2)) AND due IS NOT NULL",
    )
    .bind(batch.0)
    .bind(numbers)
    .bind(value)
    .bind(currency)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// How many rows of the batch had a final outcome before.
async fn settled(conn: &mut SqliteConnection, batch: BatchId) -> LedgerResult<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM batches b, json_each(b.row_ids) j CROSS JOIN rows r ON r.id = j.value
         WHERE b.id = ?1 AND r.outcome >= 2",
    )
    .bind(batch.0)
    .fetch_one(conn)
    .await?;
    u64::try_from(count).map_err(|_| failed("a negative count"))
}

/// See [`crate::ports::ledger::Ledger::finish`]. A batch that is answered already stays as it is: the call may
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
        BatchResult::Unknown { updates } => {
            updates::apply(conn, updates, Some(batch), now).await?;
            lose(conn, batch, now, now).await
        }
    }
}

async fn accept(
    conn: &mut SqliteConnection,
    batch: BatchId,
    request_id: &str,
    poll_at: Timestamp,
    now: Timestamp,
) -> LedgerResult<()> {
    if is_of_another(conn, batch, request_id).await? {
        tracing::warn!(
            batch = batch.0,
            "an upload was answered with the request id of an earlier one and goes again"
        );
        // Not before the results were due: whoever answers so may do it each time.
        return lose(conn, batch, poll_at, now).await;
    }
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
           AND id IN (SELECT r.track FROM batches b, json_each(b.row_ids) j CROSS JOIN rows r ON r.id = j.value
                      WHERE b.id = ?1)",
    )
    .bind(batch.0)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// True where an open request of the same sender has this id already: then the answer says nothing of this batch.
async fn is_of_another(conn: &mut SqliteConnection, batch: BatchId, request_id: &str) -> LedgerResult<bool> {
    let known = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM batches b JOIN batches o USING (network, account)
                        WHERE b.id = ?1 AND o.id <> b.id AND o.request_id = ?2)",
    )
    .bind(batch.0)
    .bind(request_id)
    .fetch_one(conn)
    .await?;
    Ok(known)
}

/// Only rows that Google did not take may go with another value.
async fn answer(
    conn: &mut SqliteConnection,
    batch: BatchId,
    updates: &[RowUpdate],
    now: Timestamp,
) -> LedgerResult<()> {
    let not_taken = updates.iter().filter(|u| u.outcome == Outcome::Pending);
    let not_taken: Vec<i64> = not_taken.map(|u| u.row.0).collect();
    void_values(conn, batch, &not_taken).await?;
    updates::apply(conn, updates, Some(batch), now).await?;
    lose(conn, batch, now, now).await
}

/// Rows without an update are what they were before the batch.
async fn refuse(
    conn: &mut SqliteConnection,
    batch: BatchId,
    updates: &[RowUpdate],
    now: Timestamp,
) -> LedgerResult<()> {
    let taken = updates
        .iter()
        .filter(|u| matches!(u.outcome, Outcome::Uploaded | Outcome::Processing));
    let taken: HashSet<i64> = taken.map(|u| u.row.0).collect();
    let not_taken = row_ids(conn, batch).await?;
    let not_taken: Vec<i64> = not_taken.into_iter().filter(|id| !taken.contains(id)).collect();
    void_values(conn, batch, &not_taken).await?;
    updates::apply(conn, updates, Some(batch), now).await?;
    sqlx::query(
        "UPDATE rows SET due = ?2, batch = NULL, changed_at = ?2
         WHERE id IN (SELECT value FROM json_each(?3)) AND batch = ?1 AND due IS NULL",
    )
    .bind(batch.0)
    .bind(ms(now))
    .bind(json(&not_taken)?)
    .execute(&mut *conn)
    .await?;
    close(conn, batch, now).await
}

/// Nobody knows what Google has of the rows that got no answer: they go again when `due`, with the same values.
async fn lose(conn: &mut SqliteConnection, batch: BatchId, due: Timestamp, now: Timestamp) -> LedgerResult<()> {
    let unavailable = class(conn, reason::UPSTREAM_UNAVAILABLE).await?;
    sqlx::query(
        "UPDATE rows SET outcome = ?4, class = ?2, due = ?5, batch = NULL, changed_at = ?3
         WHERE id IN (SELECT j.value FROM batches b, json_each(b.row_ids) j WHERE b.id = ?1)
           AND batch = ?1 AND due IS NULL",
    )
    .bind(batch.0)
    .bind(unavailable)
    .bind(ms(now))
    .bind(Outcome::Pending.code())
    .bind(ms(due))
    .execute(&mut *conn)
    .await?;
    close(conn, batch, now).await
}

/// The batch sent these for the first time, and Google did not take them.
async fn void_values(conn: &mut SqliteConnection, batch: BatchId, rows: &[i64]) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE rows SET sent = 0, value = NULL, currency = NULL
         WHERE id IN (SELECT value FROM json_each(?2)) AND batch = ?1 AND sent = 2",
    )
    .bind(batch.0)
    .bind(json(rows)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn row_ids(conn: &mut SqliteConnection, batch: BatchId) -> LedgerResult<Vec<i64>> {
    let ids = sqlx::query_scalar("SELECT j.value FROM batches b, json_each(b.row_ids) j WHERE b.id = ?1")
        .bind(batch.0)
        .fetch_all(conn)
        .await?;
    Ok(ids)
}

/// Forgets a batch that has no more to tell. Rows that still wait for its word are sent again.
pub(super) async fn close(conn: &mut SqliteConnection, batch: BatchId, now: Timestamp) -> LedgerResult<()> {
    let unknown = class(conn, reason::OUTCOME_UNKNOWN).await?;
    sqlx::query(
        "UPDATE rows SET
             batch = NULL,
             outcome = CASE WHEN due IS NULL THEN ?4 ELSE outcome END,
             class = CASE WHEN due IS NULL THEN ?2 ELSE class END,
             changed_at = CASE WHEN due IS NULL THEN ?3 ELSE changed_at END,
             due = coalesce(due, ?3)
         WHERE id IN (SELECT j.value FROM batches b, json_each(b.row_ids) j WHERE b.id = ?1) AND batch = ?1",
    )
    .bind(batch.0)
    .bind(unknown)
    .bind(ms(now))
    .bind(Outcome::Processing.code())
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM batches WHERE id = ?1")
        .bind(batch.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::recover`].
pub(super) async fn recover(
    conn: &mut SqliteConnection,
    sender: Option<&Sender>,
    now: Timestamp,
) -> LedgerResult<usize> {
    let begun: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT b.id, count(r.id) FROM batches b LEFT JOIN json_each(b.row_ids) j
             LEFT JOIN rows r ON r.id = j.value AND r.batch = b.id
         WHERE b.request_id IS NULL AND (?1 IS NULL OR b.network = ?1 AND b.account = ?2) GROUP BY b.id",
    )
    .bind(sender.map(|sender| sender.network.as_str()))
    .bind(sender.map(|sender| sender.account.to_string()))
    .fetch_all(&mut *conn)
    .await?;
    let mut rows = 0;
    for (batch, held) in begun {
        rows += usize::try_from(held).map_err(|_| failed("a negative count"))?;
        lose(conn, BatchId(batch), now, now).await?;
    }
    Ok(rows)
}
