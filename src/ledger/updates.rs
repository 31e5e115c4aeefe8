//! Bringing rows up to date, in bulk.

use std::collections::HashMap;

use jiff::Timestamp;

use super::database::Conn;
use crate::domain::outcome::Outcome;
use crate::ledger::columns::{due_column, json_list, json_rows, numbers, state_of, to_millis};
use crate::ports::ledger::{BatchId, LedgerResult, RowUpdate};

/// True for an update after which the row waits as before, whatever the reason: its fruitless tries still count.
macro_rules! waits_on {
    () => {
        "conversions.state = 'Waiting' AND conversions.outcome = j.outcome"
    };
}

/// True for an update that changes nothing but the due time: then the time of the last change stays.
macro_rules! same {
    () => {
        concat!(
            waits_on!(),
            " AND conversions.reason = j.reason AND conversions.detail = j.detail"
        )
    };
}

const UPDATE: &str = concat!(
    "WITH j AS MATERIALIZED (
         SELECT CAST(value->>0 AS BIGINT) AS id, value->>1 AS state, value->>2 AS outcome, value->>3 AS reason,
                value->>4 AS detail, CAST(value->>5 AS BIGINT) AS due, CAST(value->>6 AS BIGINT) AS failed,
                CAST(value->>7 AS BIGINT) AS isolation_group
         FROM json_each($1))
     UPDATE conversions SET
         state = j.state, outcome = j.outcome, reason = j.reason, detail = j.detail, due = j.due,
         isolation_group = j.isolation_group,
         request = CASE WHEN j.outcome = 'Processing' THEN conversions.request END,
         attempts = CASE WHEN j.failed = 1 THEN conversions.attempts + 1
                         WHEN ",
    waits_on!(),
    " THEN conversions.attempts
                         ELSE 0 END,
         changed_at = CASE WHEN ",
    same!(),
    " THEN conversions.changed_at ELSE $3 END
     FROM j
     WHERE conversions.id = j.id AND conversions.state <> 'Settled'
       AND CASE WHEN $2 = 0 THEN conversions.state = 'Waiting' ELSE conversions.request = $2 END"
);

/// Applies `updates` to rows whose outcome is not final. With a `batch` only to rows that this batch may still decide
/// about: not to those that went into a later one or were answered already. Without, only to rows that wait: the others
/// are in Google's hands.
///
/// A failed try adds one to the fruitless tries. They are counted from zero again after an answer, and where the
/// outcome changes; a row that waits a moment for something else between two tries has still been tried.
pub(super) async fn apply_updates(
    conn: &mut Conn,
    updates: &[RowUpdate],
    batch: Option<BatchId>,
    now: Timestamp,
) -> LedgerResult<()> {
    if updates.is_empty() {
        return Ok(());
    }
    let updates = one_per_row(updates);
    let items: Vec<_> = updates
        .iter()
        .map(|u| {
            let state = state_of(u.outcome, &u.reason);
            let due = due_column(u.outcome, &u.reason, u.due);
            let failed = i64::from(u.failed_try);
            (
                u.row.0,
                state,
                u.outcome.as_str(),
                &u.reason,
                &u.detail,
                due,
                failed,
                u.isolation_group,
            )
        })
        .collect();
    sqlx::query(UPDATE)
        .bind(json_rows(&items)?)
        // 0 stands for no batch: ids begin at 1.
        .bind(batch.map_or(0, |b| b.0))
        .bind(to_millis(now))
        .execute(&mut *conn)
        .await?;
    let uploaded = updates.iter().filter(|u| u.outcome == Outcome::Uploaded);
    let uploaded: Vec<i64> = uploaded.map(|u| u.row.0).collect();
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

/// The rows among these that became uploaded right now.
async fn note_uploads(conn: &mut Conn, ids: &[i64], now: Timestamp) -> LedgerResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!(
        "UPDATE streams SET last_upload = $1
         WHERE (last_upload IS NULL OR last_upload < $1)
           AND id IN (SELECT stream FROM conversions WHERE outcome = 'Uploaded' AND changed_at = $1 AND id IN ",
        numbers!("$2"),
        ")"
    ))
    .bind(to_millis(now))
    .bind(json_list(ids)?)
    .execute(conn)
    .await?;
    Ok(())
}
