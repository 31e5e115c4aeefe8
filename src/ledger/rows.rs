//! Rows that wait: which are due, and what a resume or a mended account does to them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::SqliteConnection;

use super::error::{damaged, failed};
use crate::domain::ids::ContactId;
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::columns::{class, count, json, ms, outcome, time, transaction, value};
use crate::ports::ledger::{LedgerResult, Row, RowId, StreamId};

/// In the order of the arrays that [`due`] reads.
#[derive(Deserialize)]
struct Stored<'a> {
    id: i64,
    transaction: &'a str,
    contact: i64,
    submission: Option<String>,
    occurred_at: i64,
    first_seen: i64,
    outcome: i64,
    class: i64,
    due: i64,
    attempts: u32,
    split: i64,
    sent: i64,
    value: Option<String>,
    currency: Option<String>,
}

impl Stored<'_> {
    fn into_row(self, track: StreamId, reasons: &HashMap<i64, String>) -> LedgerResult<Row> {
        let value = value(self.value, self.currency)?;
        Ok(Row {
            id: RowId(self.id),
            track,
            transaction: transaction(self.transaction)?,
            contact: ContactId(self.contact.cast_unsigned()),
            submission: self.submission,
            occurred_at: time(self.occurred_at)?,
            first_seen: time(self.first_seen)?,
            outcome: outcome(self.outcome)?,
            reason: reasons.get(&self.class).ok_or_else(|| damaged("a class"))?.clone(),
            due: time(self.due)?,
            attempts: self.attempts,
            sent: (self.sent > 0).then_some(value),
            split: self.split,
        })
    }
}

/// See [`crate::ports::ledger::Ledger::due`]. All rows come as one value: one by one, and value by value, they would
/// cost twice as much.
pub(super) async fn due(
    conn: &mut SqliteConnection,
    track: StreamId,
    since: Timestamp,
    now: Timestamp,
    limit: usize,
) -> LedgerResult<Vec<Row>> {
    let found: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(id, transaction_id, contact, submission, occurred_at, first_seen, outcome,
                                            class, due, attempts, split, sent, value, currency))
         FROM (SELECT id, transaction_id, contact, submission, occurred_at, first_seen, outcome, class, due, attempts,
                      split, sent, value, currency
               FROM rows WHERE track = ?1 AND due <= ?2 AND occurred_at >= ?3 ORDER BY due, id LIMIT ?4)",
    )
    .bind(track.0)
    .bind(ms(now))
    .bind(ms(since))
    .bind(count(limit)?)
    .fetch_one(&mut *conn)
    .await?;
    let reasons: Vec<(i64, String)> = sqlx::query_as("SELECT id, reason FROM classes").fetch_all(conn).await?;
    let reasons = reasons.into_iter().collect();
    let mut found: Vec<Stored<'_>> = serde_json::from_str(&found).map_err(|_| damaged("a row"))?;
    found.sort_unstable_by_key(|row| (row.due, row.id));
    found.into_iter().map(|row| row.into_row(track, &reasons)).collect()
}

/// See [`crate::ports::ledger::Ledger::resume`]. Rows in flight and rows that may have reached Google are not
/// skipped. Rows that wait because of the suspension are due at once.
pub(super) async fn resume(
    conn: &mut SqliteConnection,
    track: StreamId,
    skip: bool,
    now: Timestamp,
) -> LedgerResult<usize> {
    let mut skipped = 0;
    if skip {
        let missed = class(conn, reason::MISSED_WHILE_SUSPENDED).await?;
        let done = sqlx::query(
            "UPDATE rows SET outcome = ?2, class = ?3, due = NULL, attempts = 0, suspended = 0, changed_at = ?4
             WHERE track = ?1 AND due IS NOT NULL AND outcome = 0 AND suspended = 1 AND sent = 0",
        )
        .bind(track.0)
        .bind(Outcome::Skipped.code())
        .bind(missed)
        .bind(ms(now))
        .execute(&mut *conn)
        .await?;
        skipped = usize::try_from(done.rows_affected()).map_err(|_| failed("a count beyond all rows"))?;
    }
    sqlx::query("UPDATE rows SET suspended = 0 WHERE track = ?1 AND due IS NOT NULL AND suspended = 1")
        .bind(track.0)
        .execute(&mut *conn)
        .await?;
    release(conn, track, &[reason::SUSPENDED], now).await?;
    Ok(skipped)
}

/// See [`crate::ports::ledger::Ledger::release`].
pub(super) async fn release(
    conn: &mut SqliteConnection,
    track: StreamId,
    reasons: &[&str],
    now: Timestamp,
) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE rows SET due = ?3
         WHERE track = ?1 AND due > ?3
           AND class IN (SELECT id FROM classes WHERE reason IN (SELECT value FROM json_each(?2)))",
    )
    .bind(track.0)
    .bind(json(reasons)?)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}
