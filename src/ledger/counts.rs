//! Counts.

use jiff::Timestamp;

use super::database::Conn;
use super::error::damaged_value;
use crate::domain::counts::ClassCount;
use crate::domain::delivering::window_start;
use crate::domain::outcome::Outcome;
use crate::ledger::archive::DAY;
use crate::ledger::columns::{to_contact, to_limit as limit, to_millis, to_outcome, to_time};
use crate::ports::ledger::{LedgerResult, MAX_REJECTIONS, Rejection, RowCounts, StreamId};

#[derive(sqlx::FromRow)]
struct StoredCount {
    outcome: String,
    reason: String,
    detail: String,
    total: i64,
    due: i64,
    recent: i64,
    last: i64,
    oldest: i64,
    waiting: Option<i64>,
    long_unknown: i64,
}

/// A row counts as uncertain for long once it was sent again
/// this many times, also while a request with it is under way.
const LONG_UNKNOWN_TRIES: i64 = 3;

/// Counts rows and archived conversions: the latter by the totals of whole days, and on the day of `since` by the keys.
const COUNTS: &str = "
    SELECT outcome, reason, detail, CAST(sum(total) AS BIGINT) AS total, CAST(sum(due) AS BIGINT) AS due,
           CAST(sum(recent) AS BIGINT) AS recent, max(changed_at) AS last, min(oldest) AS oldest,
           min(waiting) AS waiting, CAST(sum(long_unknown) AS BIGINT) AS long_unknown
    FROM (SELECT outcome, reason, detail, count(*) AS total,
                 count(CASE WHEN state = 'Waiting' AND due <= $3 THEN 1 END) AS due,
                 count(CASE WHEN outcome IN ('Uploaded', 'Rejected') AND changed_at >= $6 THEN 1 END) AS recent,
                 max(changed_at) AS changed_at, min(occurred_at) AS oldest,
                 min(CASE WHEN reason <> 'AwaitingConsent' AND NOT (reason = 'NotDue' AND due > $3) THEN first_seen END)
                     AS waiting,
                 count(CASE WHEN attempts >= $7 AND first_seen < $8
                                 AND (reason = 'OutcomeUnknown' OR reason_before = 'OutcomeUnknown'
                                          AND state IN ('InFlight', 'AwaitingResult')) THEN 1 END) AS long_unknown
          FROM conversions WHERE stream = $1 AND occurred_at >= $2 GROUP BY outcome, reason, detail
          UNION ALL
          SELECT outcome, reason, detail, CAST(sum(total) AS BIGINT), 0, 0, max(changed_at), 0, CAST(NULL AS BIGINT), 0
          FROM daily_totals WHERE stream = $1 AND day > $4 GROUP BY outcome, reason, detail
          UNION ALL
          SELECT a.outcome, a.reason, a.detail, count(*), 0, 0, max(t.changed_at), 0, CAST(NULL AS BIGINT), 0
          FROM archived_keys a JOIN daily_totals t ON t.stream = a.stream AND t.day = $4 AND t.outcome = a.outcome
                                                  AND t.reason = a.reason AND t.detail = a.detail
          WHERE a.stream = $1 AND a.occurred_at >= $2 AND a.occurred_at < ($4 + 1) * $5
          GROUP BY a.outcome, a.reason, a.detail) AS parts
    GROUP BY outcome, reason, detail";

/// The earlier of two times, or the only one.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// See [`crate::ports::ledger::Ledger::count_rows`]. To be called in a transaction: all counts are of one moment.
pub(crate) async fn count_rows(
    conn: &mut Conn,
    stream: StreamId,
    since: Timestamp,
    now: Timestamp,
) -> LedgerResult<RowCounts> {
    let found: Vec<StoredCount> = sqlx::query_as(COUNTS)
        .bind(stream.0)
        .bind(to_millis(since))
        .bind(to_millis(now))
        .bind(to_millis(since).div_euclid(DAY))
        .bind(DAY)
        .bind(to_millis(window_start(now)))
        .bind(LONG_UNKNOWN_TRIES)
        .bind(to_millis(now) - DAY)
        .fetch_all(&mut *conn)
        .await?;
    let count = |count: i64| u64::try_from(count).map_err(|_| damaged_value("a negative count"));
    let mut counts = RowCounts::default();
    for class in found {
        let outcome = to_outcome(&class.outcome)?;
        if outcome == Outcome::Pending {
            let oldest = to_time(class.oldest)?;
            counts.oldest_pending = earlier(counts.oldest_pending, Some(oldest));
            counts.waiting_since = earlier(counts.waiting_since, class.waiting.map(to_time).transpose()?);
        }
        counts.classes.push(ClassCount {
            outcome,
            reason: class.reason,
            detail: class.detail,
            count: count(class.total)?,
            due: count(class.due)?,
            recent: count(class.recent)?,
            last: to_time(class.last)?,
        });
        counts.long_unknown += count(class.long_unknown)?;
    }
    // Databases sort texts each in its own way.
    counts
        .classes
        .sort_by(|a, b| (a.outcome, &a.reason, &a.detail).cmp(&(b.outcome, &b.reason, &b.detail)));
    counts.last_upload = last_upload(conn, stream, since).await?;
    let next_due: Option<i64> = sqlx::query_scalar(
        "SELECT due FROM conversions WHERE stream = $1 AND state = 'Waiting' AND occurred_at >= $2
         ORDER BY due LIMIT 1",
    )
    .bind(stream.0)
    .bind(to_millis(since))
    .fetch_optional(&mut *conn)
    .await?;
    counts.next_due = next_due.map(to_time).transpose()?;
    counts.rejections = last_rejections(conn, stream, since).await?;
    Ok(counts)
}

/// The last upload, unless it was before `since`: then it was none of the counted rows.
async fn last_upload(conn: &mut Conn, stream: StreamId, since: Timestamp) -> LedgerResult<Option<Timestamp>> {
    let found: Option<i64> = sqlx::query_scalar("SELECT last_upload FROM streams WHERE id = $1 AND last_upload >= $2")
        .bind(stream.0)
        .bind(to_millis(since))
        .fetch_optional(conn)
        .await?;
    found.map(to_time).transpose()
}

async fn last_rejections(conn: &mut Conn, stream: StreamId, since: Timestamp) -> LedgerResult<Vec<Rejection>> {
    let found: Vec<(i64, String, String, i64)> = sqlx::query_as(
        "SELECT contact, reason, detail, changed_at FROM conversions
         WHERE stream = $1 AND outcome = 'Rejected' AND occurred_at >= $2
         ORDER BY changed_at DESC, id DESC LIMIT $3",
    )
    .bind(stream.0)
    .bind(to_millis(since))
    .bind(limit(MAX_REJECTIONS)?)
    .fetch_all(conn)
    .await?;
    let rejection = |(id, reason, detail, at): (i64, String, String, i64)| {
        Ok(Rejection {
            contact: to_contact(id),
            reason,
            detail,
            at: to_time(at)?,
        })
    };
    found.into_iter().map(rejection).collect()
}
