//! Bringing rows up to date, in bulk.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::outcome::Outcome;
use crate::ledger::bulk_lookup::close_together;
use crate::ledger::columns::{Classes, ascending, due, json, ms};
use crate::ports::ledger::{BatchId, LedgerResult, RowUpdate};

/// Applies `updates` to rows whose outcome is not final. With a `batch` only to rows that this batch may still decide
/// about: not to those that went into a later one or were answered already. Without, only to rows that wait: the others
/// are in Google's hands.
///
/// Tries in vain: a failed try adds one; any other update begins anew, unless outcome and reason stay the same.
pub(super) async fn apply(
    conn: &mut SqliteConnection,
    updates: &[RowUpdate],
    batch: Option<BatchId>,
    now: Timestamp,
) -> LedgerResult<()> {
    if updates.is_empty() {
        return Ok(());
    }
    let updates = one_per_row(updates);
    let classes = Classes::of(conn, updates.iter().map(|u| (&*u.reason, u.detail.as_str()))).await?;
    // Many rows are told the same.
    let mut alike: BTreeMap<Change, Vec<(i64, Option<i64>)>> = BTreeMap::new();
    for u in &updates {
        let change = Change {
            outcome: u.outcome.code(),
            class: classes.id(&u.reason, &u.detail)?,
            failed: u.failed_try,
            split: u.split,
        };
        let due = due(u.outcome, &u.reason, u.due);
        alike.entry(change).or_default().push((u.row.0, due));
    }
    for (change, rows) in alike {
        apply_change(conn, &change, &rows, batch, now).await?;
    }
    let uploaded: Vec<i64> = updates
        .iter()
        .filter(|u| u.outcome == Outcome::Uploaded)
        .map(|u| u.row.0)
        .collect();
    note_uploads(conn, &uploaded, now).await
}

/// What an update does, but for the due time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    outcome: i64,
    class: i64,
    failed: bool,
    split: i64,
}

/// The last update of each row, but none after a final one.
fn one_per_row(updates: &[RowUpdate]) -> Vec<&RowUpdate> {
    if ascending(updates.iter().map(|update| update.row.0)) {
        return updates.iter().collect();
    }
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

/// Where one due time holds for all, numbers of rows are all the statement has to unpack: half the cost.
async fn apply_change(
    conn: &mut SqliteConnection,
    change: &Change,
    rows: &[(i64, Option<i64>)],
    batch: Option<BatchId>,
    now: Timestamp,
) -> LedgerResult<()> {
    let first = rows.first().and_then(|(_, due)| *due);
    let alike = rows.iter().all(|(_, due)| *due == first);
    let statement = if alike {
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        sqlx::query(TO_ONE_TIME.as_str()).bind(json(&ids)?)
    } else {
        sqlx::query(TO_OWN_TIMES.as_str()).bind(json(rows)?)
    };
    let mut statement = statement
        .bind(batch.map(|b| b.0))
        .bind(ms(now))
        .bind(change.outcome)
        .bind(change.class)
        .bind(change.failed)
        .bind(change.split);
    if alike {
        statement = statement.bind(first);
    }
    statement.execute(conn).await?;
    Ok(())
}

/// Rows and the due time of each.
static TO_OWN_TIMES: LazyLock<String> = LazyLock::new(|| {
    let rows = "WITH j AS MATERIALIZED (SELECT value->>0 AS id, value->>1 AS due FROM json_each(?1))";
    format!("{rows} {} FROM j WHERE rows.id = j.id AND {OPEN}", change_to("j.due"))
});

/// Rows that get the same due time.
static TO_ONE_TIME: LazyLock<String> = LazyLock::new(|| {
    let these = "rows.id IN (SELECT value FROM json_each(?1))";
    format!("{} WHERE {these} AND {OPEN}", change_to("?8"))
});

/// Which of the rows an update may still change.
const OPEN: &str = "rows.outcome < 2 AND CASE WHEN ?2 IS NULL THEN rows.due IS NOT NULL ELSE rows.batch = ?2 END";

fn change_to(due: &str) -> String {
    format!(
        "UPDATE rows SET
             outcome = ?4, class = ?5, due = {due}, split = ?7,
             batch = CASE WHEN ?4 = 1 THEN rows.batch END,
             attempts = CASE WHEN ?6 THEN rows.attempts + 1
                             WHEN rows.due IS NOT NULL AND rows.outcome = ?4 AND rows.class = ?5 THEN rows.attempts
                             ELSE 0 END,
             changed_at = CASE WHEN rows.due IS NOT NULL AND rows.outcome = ?4 AND rows.class = ?5
                               THEN rows.changed_at ELSE ?3 END"
    )
}

/// Those of the rows that became uploaded right now.
async fn note_uploads(conn: &mut SqliteConnection, rows: &[i64], now: Timestamp) -> LedgerResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = match close_together(rows) {
        Some((first, last)) => sqlx::query(
            "UPDATE tracks SET last_upload = ?1
             WHERE (last_upload IS NULL OR last_upload < ?1)
               AND id IN (SELECT track FROM rows WHERE id BETWEEN ?2 AND ?3 AND outcome = 2 AND changed_at = ?1)",
        )
        .bind(ms(now))
        .bind(first)
        .bind(last),
        None => sqlx::query(
            "UPDATE tracks SET last_upload = ?1
             WHERE (last_upload IS NULL OR last_upload < ?1)
               AND id IN (SELECT r.track FROM json_each(?2) j CROSS JOIN rows r ON r.id = j.value
                          WHERE r.outcome = 2 AND r.changed_at = ?1)",
        )
        .bind(ms(now))
        .bind(json(rows)?),
    };
    statement.execute(conn).await?;
    Ok(())
}
