//! Rows that wait: which of them are due, and what resuming an event or repairing an account does to them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::database::Conn;
use super::error::damaged_value;
use crate::api::ResumePolicy;
use crate::domain::outcome::reason;
use crate::ledger::columns::{
    amount_of, json_list, numbers, rows_affected, texts, to_contact, to_limit, to_millis, to_outcome, to_time,
    to_transaction,
};
use crate::ports::ledger::{LedgerResult, Row, RowId, StreamId};

#[derive(sqlx::FromRow)]
struct StoredRow {
    id: i64,
    transaction_id: String,
    contact: i64,
    submission: Option<String>,
    occurred_at: i64,
    first_seen: i64,
    outcome: String,
    reason: String,
    due: i64,
    attempts: i64,
    isolation_group: i64,
    suspended: i64,
    sent: String,
    value: Option<String>,
    currency: Option<String>,
}

impl StoredRow {
    fn into_row(self, stream: StreamId) -> LedgerResult<Row> {
        let value = amount_of(self.value, self.currency)?;
        Ok(Row {
            id: RowId(self.id),
            stream,
            transaction: to_transaction(&self.transaction_id)?,
            contact: to_contact(self.contact),
            submission: self.submission,
            occurred_at: to_time(self.occurred_at)?,
            first_seen: to_time(self.first_seen)?,
            outcome: to_outcome(&self.outcome)?,
            reason: self.reason,
            due: to_time(self.due)?,
            attempts: to_attempts(self.attempts)?,
            sent: (self.sent != "Never").then_some(value),
            isolation_group: self.isolation_group,
            while_suspended: self.suspended != 0,
        })
    }
}

/// A number of tries out of a column.
pub(super) fn to_attempts(stored: i64) -> LedgerResult<u32> {
    u32::try_from(stored).map_err(|_| damaged_value("a number of tries"))
}

/// See [`crate::ports::ledger::Ledger::streams_with_due_rows`].
pub(super) async fn streams_with_due_rows(
    conn: &mut Conn,
    streams: &[StreamId],
    now: Timestamp,
) -> LedgerResult<BTreeSet<StreamId>> {
    let ids: Vec<i64> = streams.iter().map(|stream| stream.0).collect();
    let found: Vec<(i64,)> = sqlx::query_as(concat!(
        "SELECT id FROM streams WHERE id IN ",
        numbers!("$1"),
        " AND EXISTS (SELECT 1 FROM conversions WHERE stream = streams.id AND state = 'Waiting' AND due <= $2)"
    ))
    .bind(json_list(&ids)?)
    .bind(to_millis(now))
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|(id,)| StreamId(id)).collect())
}

/// See [`crate::ports::ledger::Ledger::due_rows`].
pub(super) async fn due_rows(
    conn: &mut Conn,
    stream: StreamId,
    since: Timestamp,
    now: Timestamp,
    limit: usize,
) -> LedgerResult<Vec<Row>> {
    let found: Vec<StoredRow> = sqlx::query_as(
        "SELECT id, transaction_id, contact, submission, occurred_at, first_seen, outcome, reason, due, attempts,
                isolation_group, suspended, sent, value, currency
         FROM conversions WHERE stream = $1 AND state = 'Waiting' AND due <= $2 AND occurred_at >= $3
         ORDER BY due, id LIMIT $4",
    )
    .bind(stream.0)
    .bind(to_millis(now))
    .bind(to_millis(since))
    .bind(to_limit(limit)?)
    .fetch_all(conn)
    .await?;
    found.into_iter().map(|row| row.into_row(stream)).collect()
}

/// See [`crate::ports::ledger::Ledger::resume_rows`]. Rows in flight and rows that may have reached Google are not
/// skipped. Rows that wait because of the suspension are due at once.
pub(super) async fn resume_rows(
    conn: &mut Conn,
    stream: StreamId,
    policy: ResumePolicy,
    now: Timestamp,
) -> LedgerResult<usize> {
    let mut skipped = 0;
    if policy == ResumePolicy::SkipMissed {
        let done = sqlx::query(
            "UPDATE conversions SET state = 'Settled', outcome = 'Skipped', reason = $2, detail = '', due = NULL,
                 request = NULL, attempts = 0, suspended = 0, changed_at = $3
             WHERE stream = $1 AND state = 'Waiting' AND outcome = 'Pending' AND suspended = 1 AND sent = 'Never'",
        )
        .bind(stream.0)
        .bind(reason::MISSED_WHILE_SUSPENDED)
        .bind(to_millis(now))
        .execute(&mut *conn)
        .await?;
        skipped = rows_affected(done.rows_affected())?;
    }
    sqlx::query("UPDATE conversions SET suspended = 0 WHERE stream = $1 AND state = 'Waiting' AND suspended = 1")
        .bind(stream.0)
        .execute(&mut *conn)
        .await?;
    release_rows(conn, stream, &[reason::SUSPENDED], now).await?;
    Ok(skipped)
}

/// See [`crate::ports::ledger::Ledger::release_rows`].
pub(super) async fn release_rows(
    conn: &mut Conn,
    stream: StreamId,
    reasons: &[&str],
    now: Timestamp,
) -> LedgerResult<()> {
    sqlx::query(concat!(
        "UPDATE conversions SET due = $3 WHERE stream = $1 AND state = 'Waiting' AND due > $3 AND reason IN ",
        texts!("$2")
    ))
    .bind(stream.0)
    .bind(json_list(reasons)?)
    .bind(to_millis(now))
    .execute(conn)
    .await?;
    Ok(())
}
