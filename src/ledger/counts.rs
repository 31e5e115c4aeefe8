//! Counts.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::damaged;
use crate::domain::delivering::window_start;
use crate::domain::ids::ContactId;
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::archive::DAY;
use crate::ledger::columns::{count as limit, ms, outcome, time};
use crate::ports::ledger::{ClassCount, LedgerResult, MAX_REJECTIONS, Rejection, RowCounts, StreamId};

#[derive(sqlx::FromRow)]
struct Class {
    outcome: i64,
    reason: String,
    detail: String,
    count: i64,
    due: i64,
    recent: i64,
    last: i64,
    oldest: i64,
}

/// Rows, and what was folded: whole days from their totals, the day of `since` from the keys. What a row in Google's hands
/// is, its request tells.
const COUNTS: &str = "
    SELECT CASE WHEN b.id IS NULL THEN g.outcome WHEN b.request_id IS NULL THEN 0 ELSE 1 END AS outcome,
           CASE WHEN b.id IS NULL THEN c.reason WHEN b.request_id IS NULL THEN ?6 ELSE ?7 END AS reason,
           CASE WHEN b.id IS NULL THEN c.detail ELSE '' END AS detail,
           sum(g.count) AS count, sum(g.due) AS due, sum(g.recent) AS recent,
           max(CASE WHEN b.id IS NULL THEN g.last ELSE coalesce(b.accepted_at, b.begun_at) END) AS last,
           min(g.oldest) AS oldest
    FROM (SELECT outcome, class, CASE WHEN due IS NULL THEN batch END AS batch, count(*) AS count,
                 count(CASE WHEN due <= ?3 THEN 1 END) AS due,
                 count(CASE WHEN outcome IN (2, 4) AND changed_at >= ?8 THEN 1 END) AS recent, max(changed_at) AS last, min(occurred_at) AS oldest
          FROM rows WHERE track = ?1 AND occurred_at >= ?2 GROUP BY 1, 2, 3
          UNION ALL
          SELECT outcome, class, NULL, sum(count), 0, 0, max(changed_at), 0
          FROM totals WHERE track = ?1 AND day > ?4 GROUP BY outcome, class
          UNION ALL
          SELECT f.outcome, f.class, NULL, count(*), 0, 0, max(t.changed_at), 0
          FROM folded f JOIN totals t ON t.track = f.track AND t.day = ?4 AND t.outcome = f.outcome
                                     AND t.class = f.class
          WHERE f.track = ?1 AND f.occurred_at >= ?2 AND f.occurred_at < (?4 + 1) * ?5
          GROUP BY f.outcome, f.class) g
    JOIN classes c ON c.id = g.class LEFT JOIN batches b ON b.id = g.batch
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

/// See [`crate::ports::ledger::Ledger::tally`]. To be called in a transaction: all counts are of one moment.
pub(crate) async fn tally(
    conn: &mut SqliteConnection,
    track: StreamId,
    since: Timestamp,
    now: Timestamp,
) -> LedgerResult<RowCounts> {
    let found: Vec<Class> = sqlx::query_as(COUNTS)
        .bind(track.0)
        .bind(ms(since))
        .bind(ms(now))
        .bind(ms(since).div_euclid(DAY))
        .bind(DAY)
        .bind(reason::IN_FLIGHT)
        .bind(reason::AWAITING_RESULT)
        .bind(ms(window_start(now)))
        .fetch_all(&mut *conn)
        .await?;
    let count = |count: i64| u64::try_from(count).map_err(|_| damaged("a negative count"));
    let mut tally = RowCounts::default();
    for class in found {
        let outcome = outcome(class.outcome)?;
        if outcome == Outcome::Pending {
            let oldest = time(class.oldest)?;
            tally.oldest_pending = Some(tally.oldest_pending.map_or(oldest, |t| t.min(oldest)));
        }
        tally.classes.push(ClassCount {
            outcome,
            reason: class.reason,
            detail: class.detail,
            count: count(class.count)?,
            due: count(class.due)?,
            recent: count(class.recent)?,
            last: time(class.last)?,
        });
    }
    // An upload before `since` was none of these rows.
    let last_upload: Option<i64> =
        sqlx::query_scalar("SELECT last_upload FROM tracks WHERE id = ?1 AND last_upload >= ?2")
            .bind(track.0)
            .bind(ms(since))
            .fetch_optional(&mut *conn)
            .await?;
    tally.last_upload = last_upload.map(time).transpose()?;
    let next_due: Option<i64> = sqlx::query_scalar(
        "SELECT due FROM rows WHERE track = ?1 AND due IS NOT NULL AND occurred_at >= ?2 ORDER BY due LIMIT 1",
    )
    .bind(track.0)
    .bind(ms(since))
    .fetch_optional(&mut *conn)
    .await?;
    tally.next_due = next_due.map(time).transpose()?;
    tally.rejections = rejections(conn, track, since).await?;
    Ok(tally)
}

async fn rejections(conn: &mut SqliteConnection, track: StreamId, since: Timestamp) -> LedgerResult<Vec<Rejection>> {
    let found: Vec<(i64, String, String, i64)> = sqlx::query_as(
        "SELECT r.contact, c.reason, c.detail, r.changed_at FROM rows r JOIN classes c ON c.id = r.class
         WHERE r.track = ?1 AND r.outcome = 4 AND r.occurred_at >= ?2
         ORDER BY r.changed_at DESC, r.id DESC LIMIT ?3",
    )
    .bind(track.0)
    .bind(ms(since))
    .bind(limit(MAX_REJECTIONS)?)
    .fetch_all(conn)
    .await?;
    let rejection = |(contact, reason, detail, at): (i64, String, String, i64)| {
        Ok(Rejection {
            contact: ContactId(contact.cast_unsigned()),
            reason,
            detail,
            at: time(at)?,
        })
    };
    found.into_iter().map(rejection).collect()
}
