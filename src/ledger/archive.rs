//! Retention: conversions that were settled long ago are replaced by totals per day and one key each
//! (docs/architecture.md, "The ledger").
//!
//! The keys stay for ever: a full scan or a startTime moved earlier may show an old history again, and a conversion
//! that was sent once must never be taken for new. docs/performance.md says how many bytes a key and a row take.

use jiff::Timestamp;

use super::database::Conn;
use crate::domain::outcome::reason;
use crate::ledger::columns::{json_list, numbers, rows_affected, to_limit, to_millis};
use crate::ports::ledger::LedgerResult;

/// Milliseconds in a day, the unit of totals.
pub(crate) const DAY: i64 = 86_400_000;

/// The day of a time column, counted from the epoch. Rounds down, also before the epoch; `$2` is the length of a day.
macro_rules! day {
    ($column:literal) => {
        concat!($column, " / $2 - CASE WHEN ", $column, " % $2 < 0 THEN 1 ELSE 0 END")
    };
}

/// Adds to existing totals.
macro_rules! add {
    () => {
        " ON CONFLICT (stream, day, outcome, reason, detail) DO UPDATE SET
              total = daily_totals.total + excluded.total,
              changed_at = CASE WHEN daily_totals.changed_at > excluded.changed_at THEN daily_totals.changed_at
                                ELSE excluded.changed_at END"
    };
}

/// Conversions of actions that were settled before a time, at most `limit`. Conversions of events without an action are
/// not archived yet: once the event has its action, they may have to give way to rows of that action.
pub(crate) async fn archivable_rows(conn: &mut Conn, before: Timestamp, limit: usize) -> LedgerResult<Vec<i64>> {
    let ids = sqlx::query_scalar(
        "SELECT c.id FROM conversions c JOIN streams s ON s.id = c.stream
         WHERE c.state = 'Settled' AND c.changed_at < $1 AND s.action IS NOT NULL ORDER BY c.id LIMIT $2",
    )
    .bind(to_millis(before))
    .bind(to_limit(limit)?)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Archives these rows. An outcome that is final stays final, so rows that were settled when they were selected still
/// are.
pub(crate) async fn archive_rows(conn: &mut Conn, ids: &[i64]) -> LedgerResult<usize> {
    let ids = json_list(ids)?;
    sqlx::query(concat!(
        "INSERT INTO daily_totals (stream, day, outcome, reason, detail, total, changed_at)
         SELECT stream, ",
        day!("occurred_at"),
        ", outcome, reason, detail, count(*), max(changed_at) FROM conversions WHERE id IN ",
        numbers!("$1"),
        " GROUP BY 1, 2, 3, 4, 5",
        add!()
    ))
    .bind(&ids)
    .bind(DAY)
    .execute(&mut *conn)
    .await?;
    sqlx::query(concat!(
        "INSERT INTO archived_keys (stream, occurred_at, transaction_id, outcome, reason, detail)
         SELECT stream, occurred_at, transaction_id, outcome, reason, detail FROM conversions WHERE id IN ",
        numbers!("$1")
    ))
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    // For a contact that HubSpot has deleted only the key stays, which identifies nobody.
    sqlx::query(concat!(
        "DELETE FROM canonical_contacts WHERE (portal, contact) IN (
             SELECT s.portal, c.contact FROM conversions c JOIN streams s ON s.id = c.stream
             WHERE c.outcome = 'Skipped' AND c.reason = $2 AND c.id IN ",
        numbers!("$1"),
        ")"
    ))
    .bind(&ids)
    .bind(reason::CONTACT_DELETED)
    .execute(&mut *conn)
    .await?;
    let done = sqlx::query(concat!("DELETE FROM conversions WHERE id IN ", numbers!("$1")))
        .bind(&ids)
        .execute(conn)
        .await?;
    rows_affected(done.rows_affected())
}

/// Whether anything is archived on a stream.
pub(crate) async fn has_archived(conn: &mut Conn, stream: i64) -> LedgerResult<bool> {
    let first: Option<i64> = sqlx::query_scalar("SELECT stream FROM archived_keys WHERE stream = $1 LIMIT 1")
        .bind(stream)
        .fetch_optional(conn)
        .await?;
    Ok(first.is_some())
}

/// Takes over what is archived on a stream without an action. Only erasure archives there, and only conversions that
/// were never sent. Where the receiving stream knows a conversion itself, its own record counts.
pub(crate) async fn move_archived(conn: &mut Conn, from: i64, to: i64) -> LedgerResult<()> {
    if !has_archived(conn, from).await? {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM archived_keys WHERE stream = $1 AND (
             transaction_id IN (SELECT transaction_id FROM conversions WHERE stream = $2)
             OR EXISTS (SELECT 1 FROM archived_keys a
                        WHERE a.stream = $2 AND a.occurred_at = archived_keys.occurred_at
                          AND a.transaction_id = archived_keys.transaction_id))",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    sqlx::query(concat!(
        "INSERT INTO daily_totals (stream, day, outcome, reason, detail, total, changed_at)
         SELECT $3, t.day, t.outcome, t.reason, t.detail, count(*), t.changed_at FROM archived_keys a
             JOIN daily_totals t ON t.stream = $1 AND t.day = ",
        day!("a.occurred_at"),
        " AND t.outcome = a.outcome AND t.reason = a.reason AND t.detail = a.detail
         WHERE a.stream = $1 GROUP BY t.day, t.outcome, t.reason, t.detail, t.changed_at",
        add!()
    ))
    .bind(from)
    .bind(DAY)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM daily_totals WHERE stream = $1")
        .bind(from)
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE archived_keys SET stream = $2 WHERE stream = $1")
        .bind(from)
        .bind(to)
        .execute(conn)
        .await?;
    Ok(())
}
