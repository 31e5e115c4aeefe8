//! Waits in the ledger that are too long to be meant: they were written under a clock that was wrong, or before there
//! were limits.

use jiff::{SignedDuration, Timestamp};

use super::database::Conn;
use crate::domain::outcome::reason;
use crate::ledger::columns::{json_list, texts, to_millis, to_time};
use crate::ports::ledger::LedgerResult;

/// Longest wait asked for by an answer that is believed at the start, with some room for a clock that was set back.
const ASKED: SignedDuration = SignedDuration::from_hours(2);
/// The same for waits that follow from flags.
const OWN: SignedDuration = SignedDuration::from_hours(24 * 30);

fn far_behind(now: Timestamp, wait: SignedDuration) -> i64 {
    now.saturating_add(wait).map_or(i64::MAX, to_millis)
}

/// At the start: ends waits asked for by answers that are longer than the hour they can be, and any wait that no flags
/// could explain.
pub(crate) async fn end_old_waits(conn: &mut Conn, now: Timestamp) -> LedgerResult<()> {
    let asked = [
        reason::QUOTA_EXHAUSTED,
        reason::UPSTREAM_UNAVAILABLE,
        reason::ACCOUNT_NOT_READY,
    ];
    let rows = sqlx::query(concat!(
        "UPDATE conversions SET due = $1 WHERE state = 'Waiting' AND (due > $3 OR (due > $2 AND reason IN ",
        texts!("$4"),
        "))"
    ))
    .bind(to_millis(now))
    .bind(far_behind(now, ASKED))
    .bind(far_behind(now, OWN))
    .bind(json_list(asked)?)
    .execute(&mut *conn)
    .await?;
    let polls = end_polls(conn, OWN, now).await?;
    report_ended(rows.rows_affected(), polls);
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::end_long_waits`]. Reads only the end of each stream's index by due time, where
/// there is usually nothing.
pub(crate) async fn end_long_waits(conn: &mut Conn, longest: SignedDuration, now: Timestamp) -> LedgerResult<u64> {
    let wait = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    let rows = sqlx::query(
        "UPDATE conversions SET due = $1, first_seen = CASE WHEN first_seen > $1 THEN $1 ELSE first_seen END
         WHERE stream IN (SELECT id FROM streams) AND state = 'Waiting' AND due > $2 AND due - occurred_at > $3",
    )
    .bind(to_millis(now))
    .bind(far_behind(now, longest))
    .bind(wait)
    .execute(&mut *conn)
    .await?;
    let (rows, polls) = (rows.rows_affected(), end_polls(conn, longest, now).await?);
    report_ended(rows, polls);
    Ok(rows + polls)
}

/// Notes that this is the time by which something is set due, if none was later. Part of each write that may set when a
/// row or a request is due: nothing else tells by which clock that was.
pub(crate) async fn note_time(conn: &mut Conn, now: Timestamp) -> LedgerResult<()> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('waits_set_by', $1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value
         WHERE CAST(meta.value AS BIGINT) < CAST(excluded.value AS BIGINT)",
    )
    .bind(to_millis(now).to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::waits_set_by`].
pub(crate) async fn waits_set_by(conn: &mut Conn) -> LedgerResult<Option<Timestamp>> {
    let latest: Option<i64> = sqlx::query_scalar("SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'waits_set_by'")
        .fetch_optional(conn)
        .await?;
    latest.map(to_time).transpose()
}

/// See [`crate::ports::ledger::Ledger::bring_forward`].
pub(crate) async fn bring_forward(conn: &mut Conn, ahead: SignedDuration, now: Timestamp) -> LedgerResult<u64> {
    let ahead = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
    let statements = [
        "UPDATE conversions SET due = CASE WHEN due - $2 > $1 THEN due - $2 ELSE $1 END,
             first_seen = CASE WHEN first_seen > $1 THEN $1 ELSE first_seen END,
             changed_at = CASE WHEN changed_at > $1 THEN $1 ELSE changed_at END
         WHERE stream IN (SELECT id FROM streams) AND state = 'Waiting' AND due > $1",
        "UPDATE requests SET poll_at = CASE WHEN poll_at - $2 > $1 THEN poll_at - $2 ELSE $1 END,
             accepted_at = CASE WHEN accepted_at > $1 THEN $1 ELSE accepted_at END
         WHERE poll_at > $1",
    ];
    // As much earlier, no more: a process before may have set waits by a time that was further ahead.
    let noted = "UPDATE meta SET value = CAST(CASE WHEN CAST(value AS BIGINT) - $2 > $1 THEN CAST(value AS BIGINT) - $2
                                                   ELSE $1 END AS TEXT)
                 WHERE name = 'waits_set_by' AND CAST(value AS BIGINT) > $1";
    let mut moved = 0;
    for statement in statements {
        let done = sqlx::query(statement)
            .bind(to_millis(now))
            .bind(ahead)
            .execute(&mut *conn)
            .await?;
        moved += done.rows_affected();
    }
    sqlx::query(noted)
        .bind(to_millis(now))
        .bind(ahead)
        .execute(conn)
        .await?;
    if moved > 0 {
        tracing::info!(
            waits = moved,
            "waits in the ledger were written under a clock that was ahead and were brought forward"
        );
    }
    Ok(moved)
}

async fn end_polls(conn: &mut Conn, longest: SignedDuration, now: Timestamp) -> LedgerResult<u64> {
    let polls = sqlx::query("UPDATE requests SET poll_at = $1 WHERE poll_at > $2")
        .bind(to_millis(now))
        .bind(far_behind(now, longest))
        .execute(conn)
        .await?;
    Ok(polls.rows_affected())
}

fn report_ended(rows: u64, polls: u64) {
    if rows + polls > 0 {
        tracing::warn!(
            rows,
            requests = polls,
            "waits in the ledger were too long and were ended"
        );
    }
}
