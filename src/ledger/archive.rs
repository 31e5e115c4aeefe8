//! Retention: rows that were settled long ago become totals by day, and a key each (DESIGN 3.7).
//!
//! The keys stay for ever: a sweep or a startTime moved earlier may bring an old history up again, and what was sent once
//! must never be taken for new. A key takes about 71 bytes, a row about 212 (`cargo test --lib ledger::tests::speed -- --nocapture`).

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::failed;
use crate::domain::outcome::reason;
use crate::ledger::columns::{count, json, ms};
use crate::ports::ledger::LedgerResult;

/// Milliseconds of a day, the unit of totals.
pub(crate) const DAY: i64 = 86_400_000;

/// Rows of actions that were settled before a time. Rows of events without an action wait for it: they may have to give
/// way to rows of the action's own.
const SETTLED: &str = "SELECT r.id FROM rows r JOIN tracks t ON t.id = r.track
     WHERE r.outcome >= 2 AND r.changed_at < ?1 AND t.action IS NOT NULL ORDER BY r.id LIMIT ?2";

/// Rows to fold, at most `limit`.
pub(crate) async fn settled(conn: &mut SqliteConnection, before: Timestamp, limit: usize) -> LedgerResult<Vec<i64>> {
    let ids = sqlx::query_scalar(SETTLED)
        .bind(ms(before))
        .bind(count(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(ids)
}

/// Folds these rows; a final outcome is never left, so what was settled a moment ago still is.
pub(crate) async fn fold(conn: &mut SqliteConnection, ids: &[i64]) -> LedgerResult<usize> {
    let ids = json(ids)?;
    sqlx::query(
        "INSERT INTO totals (track, day, outcome, class, count, changed_at)
         SELECT track, occurred_at / ?2 - (occurred_at % ?2 < 0), outcome, class, count(*), max(changed_at)
         FROM rows WHERE id IN (SELECT value FROM json_each(?1)) GROUP BY 1, 2, 3, 4
         ON CONFLICT (track, day, outcome, class) DO UPDATE SET
             count = count + excluded.count, changed_at = max(changed_at, excluded.changed_at)",
    )
    .bind(&ids)
    .bind(DAY)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO folded (track, occurred_at, transaction_id, outcome, class)
         SELECT track, occurred_at, transaction_id, outcome, class FROM rows WHERE id IN (SELECT value FROM json_each(?1))",
    )
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    // Of a contact that HubSpot has deleted the key alone stays, which tells nobody who it was.
    sqlx::query(
        "DELETE FROM roots WHERE (portal, contact) IN (
             SELECT t.portal, r.contact FROM rows r JOIN tracks t ON t.id = r.track JOIN classes c ON c.id = r.class
             WHERE r.id IN (SELECT value FROM json_each(?1)) AND r.outcome = 3 AND c.reason = ?2)",
    )
    .bind(&ids)
    .bind(reason::CONTACT_DELETED)
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query("DELETE FROM rows WHERE id IN (SELECT value FROM json_each(?1))")
        .bind(&ids)
        .execute(conn)
        .await?;
    usize::try_from(done.rows_affected()).map_err(|_| failed("more rows than can be counted"))
}

/// Takes over what was folded on a track without an action, which only erasure does (and what it folds there was never
/// sent). What the other track knows itself counts there.
pub(crate) async fn move_folded(conn: &mut SqliteConnection, from: i64, to: i64) -> LedgerResult<()> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM folded WHERE track = ?1)")
        .bind(from)
        .fetch_one(&mut *conn)
        .await?;
    if !any {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM folded WHERE track = ?1 AND (
             transaction_id IN (SELECT transaction_id FROM rows WHERE track = ?2)
             OR EXISTS (SELECT 1 FROM folded f
                        WHERE f.track = ?2 AND f.occurred_at = folded.occurred_at AND f.transaction_id = folded.transaction_id))",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO totals (track, day, outcome, class, count, changed_at)
         SELECT ?2, t.day, t.outcome, t.class, count(*), t.changed_at FROM folded f
             JOIN totals t ON t.track = ?1 AND t.day = f.occurred_at / ?3 - (f.occurred_at % ?3 < 0)
                          AND t.outcome = f.outcome AND t.class = f.class
         WHERE f.track = ?1 GROUP BY t.day, t.outcome, t.class
         ON CONFLICT (track, day, outcome, class) DO UPDATE SET
             count = count + excluded.count, changed_at = max(changed_at, excluded.changed_at)",
    )
    .bind(from)
    .bind(to)
    .bind(DAY)
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM totals WHERE track = ?1")
        .bind(from)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE folded SET track = ?2 WHERE track = ?1")
        .bind(from)
        .bind(to)
        .execute(conn)
        .await?;
    Ok(())
}
