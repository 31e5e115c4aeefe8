//! Bringing rows up to date, in bulk.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::convert::{CHUNK, Classes, due, json, ms};
use crate::domain::outcome::Outcome;
use crate::sync::ports::ledger::{BatchId, LedgerResult, RowUpdate};

/// Applies `updates` to rows whose outcome is not final. With a `batch` only to rows that this batch may still decide
/// about: not to those that went into a later one or were answered already. Without, only to rows that are not in
/// flight: those wait for the answer of their batch.
///
/// Tries in vain: a failed try adds one; any other update begins anew, unless outcome and reason stay the same.
pub(super) async fn apply(
    conn: &mut SqliteConnection,
    updates: &[RowUpdate],
    batch: Option<BatchId>,
    now: Timestamp,
) -> LedgerResult<()> {
    let updates = one_per_row(updates);
    for chunk in updates.chunks(CHUNK) {
        apply_chunk(conn, chunk, batch, now).await?;
    }
    let uploaded: Vec<i64> = updates
        .iter()
        .filter(|u| u.outcome == Outcome::Uploaded)
        .map(|u| u.row.0)
        .collect();
    note_uploads(conn, &uploaded, now).await
}

/// The last update of each row, but none after a final one.
fn one_per_row(updates: &[RowUpdate]) -> Vec<&RowUpdate> {
    let mut position: HashMap<i64, usize> = HashMap::with_capacity(updates.len());
    let mut kept: Vec<&RowUpdate> = Vec::with_capacity(updates.len());
    for update in updates {
        match position.get(&update.row.0) {
            None => {
                position.insert(update.row.0, kept.len());
                kept.push(update);
            }
            Some(&at) if !kept[at].outcome.is_final() => kept[at] = update,
            Some(_) => {}
        }
    }
    kept
}

async fn apply_chunk(
    conn: &mut SqliteConnection,
    updates: &[&RowUpdate],
    batch: Option<BatchId>,
    now: Timestamp,
) -> LedgerResult<()> {
    let classes = Classes::of(conn, updates.iter().map(|u| (u.reason.as_str(), u.detail.as_str()))).await?;
    let mut items = Vec::with_capacity(updates.len());
    for u in updates {
        let class = classes.id(&u.reason, &u.detail)?;
        let due = due(u.outcome, &u.reason, u.due);
        items.push((u.row.0, u.outcome.code(), class, due, i64::from(u.failed_try), u.split));
    }
    sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT value->>0 AS id, value->>1 AS outcome, value->>2 AS class, value->>3 AS due, value->>4 AS failed,
                    value->>5 AS split
             FROM json_each(?1))
         UPDATE rows SET
             outcome = j.outcome, class = j.class, due = j.due, split = j.split,
             batch = CASE WHEN j.outcome = 1 THEN rows.batch END,
             attempts = CASE WHEN j.failed = 1 THEN rows.attempts + 1
                             WHEN rows.outcome = j.outcome AND rows.class = j.class THEN rows.attempts
                             ELSE 0 END,
             changed_at = CASE WHEN rows.outcome = j.outcome AND rows.class = j.class THEN rows.changed_at
                               ELSE ?3 END
         FROM j
         WHERE rows.id = j.id AND rows.outcome < 2
           AND CASE WHEN ?2 IS NULL THEN rows.outcome = 1 OR rows.due IS NOT NULL ELSE rows.batch = ?2 END",
    )
    .bind(json(&items)?)
    .bind(batch.map(|b| b.0))
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of the rows that became uploaded right now.
async fn note_uploads(conn: &mut SqliteConnection, rows: &[i64], now: Timestamp) -> LedgerResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE tracks SET last_upload = ?2
         WHERE (last_upload IS NULL OR last_upload < ?2)
           AND id IN (SELECT r.track FROM json_each(?1) j CROSS JOIN rows r ON r.id = j.value
                      WHERE r.outcome = 2 AND r.changed_at = ?2)",
    )
    .bind(json(rows)?)
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}
