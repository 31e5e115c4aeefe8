//! The lists and days that people query, see [`crate::ports::ledger::view`].

use jiff::Timestamp;

use super::archive::DAY;
use super::database::Conn;
use super::error::damaged_value;
use super::rows::to_attempts;
use crate::domain::ids::ContactId;
use crate::domain::outcome::Outcome;
use crate::ledger::columns::{
    amount_of, json_contacts, numbers, to_contact, to_limit, to_millis, to_outcome, to_time, to_transaction,
};
use crate::ports::ledger::view::{
    ConversionPage, ConversionQuery, ConversionRecord, Cursor, DayCount, ListedConversion, MAX_PAGE,
};
use crate::ports::ledger::{LedgerResult, StreamId};

/// The filters in `$2` to `$4`: an outcome or null, and contacts or an empty list.
const KEPT: &str = concat!(
    "SELECT c.sort_key, c.transaction_id, c.contact, c.submission, c.occurred_at, c.first_seen, c.changed_at, c.outcome,
            c.reason, c.detail, c.due, c.attempts, c.sent, c.value, c.currency, c.request_id
     FROM conversions c
     WHERE c.stream = $1 AND c.occurred_at >= $2 AND ($3 = '' OR c.outcome = $3)
       AND ($4 = '[]' OR c.contact IN ",
    numbers!("$4"),
    ") AND (c.sort_key, c.transaction_id) > ($5, $6) ORDER BY c.sort_key, c.transaction_id LIMIT $7"
);

const ARCHIVED: &str = "
    SELECT occurred_at, transaction_id, outcome, reason, detail FROM archived_keys
    WHERE stream = $1 AND occurred_at >= $2 AND ($3 = '' OR outcome = $3) AND (occurred_at, transaction_id) > ($4, $5)
    ORDER BY occurred_at, transaction_id LIMIT $6";

/// On the day in which `$2` lies the archived keys are counted; for later days their totals.
const DAYS: &str = "
    SELECT day, outcome, CAST(sum(total) AS BIGINT) AS total
    FROM (SELECT occurred_at / $3 AS day, outcome, count(*) AS total FROM conversions
          WHERE stream = $1 AND occurred_at >= $2 GROUP BY 1, 2
          UNION ALL
          SELECT day, outcome, CAST(sum(total) AS BIGINT) FROM daily_totals WHERE stream = $1 AND day > $4 GROUP BY 1, 2
          UNION ALL
          SELECT $4, outcome, count(*) FROM archived_keys
          WHERE stream = $1 AND occurred_at >= $2 AND occurred_at < ($4 + 1) * $3 GROUP BY outcome) AS parts
    GROUP BY day, outcome ORDER BY day, outcome";

#[derive(sqlx::FromRow)]
struct KeptRow {
    sort_key: i64,
    transaction_id: String,
    contact: i64,
    submission: Option<String>,
    occurred_at: i64,
    first_seen: i64,
    changed_at: i64,
    outcome: String,
    reason: String,
    detail: String,
    due: Option<i64>,
    attempts: i64,
    sent: String,
    value: Option<String>,
    currency: Option<String>,
    request_id: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ArchivedRow {
    occurred_at: i64,
    transaction_id: String,
    outcome: String,
    reason: String,
    detail: String,
}

impl KeptRow {
    fn place(&self) -> LedgerResult<Cursor> {
        Ok(Cursor::Kept {
            sort_key: self.sort_key,
            transaction: to_transaction(&self.transaction_id)?,
        })
    }

    fn into_listed(self) -> LedgerResult<ListedConversion> {
        let record = ConversionRecord {
            first_seen: to_time(self.first_seen)?,
            changed_at: to_time(self.changed_at)?,
            due: self.due.map(to_time).transpose()?,
            attempts: to_attempts(self.attempts)?,
            sent: self.sent != "Never",
            value: amount_of(self.value, self.currency)?,
            request_id: self.request_id,
        };
        Ok(ListedConversion {
            transaction: to_transaction(&self.transaction_id)?,
            contact: Some(to_contact(self.contact)).filter(|contact| *contact != ContactId::UNKNOWN),
            submission: self.submission,
            occurred_at: to_time(self.occurred_at)?,
            outcome: to_outcome(&self.outcome)?,
            reason: self.reason,
            detail: self.detail,
            record: Some(record),
        })
    }
}

impl ArchivedRow {
    fn place(&self) -> LedgerResult<Cursor> {
        Ok(Cursor::Archived {
            occurred_at: to_time(self.occurred_at)?,
            transaction: to_transaction(&self.transaction_id)?,
        })
    }

    fn into_listed(self) -> LedgerResult<ListedConversion> {
        Ok(ListedConversion {
            transaction: to_transaction(&self.transaction_id)?,
            contact: None,
            submission: None,
            occurred_at: to_time(self.occurred_at)?,
            outcome: to_outcome(&self.outcome)?,
            reason: self.reason,
            detail: self.detail,
            record: None,
        })
    }
}

/// See [`crate::ports::ledger::view::LedgerView::list_conversions`].
pub(super) async fn list_conversions(conn: &mut Conn, query: &ConversionQuery) -> LedgerResult<ConversionPage> {
    let limit = query.limit.clamp(1, MAX_PAGE);
    let (mut conversions, mut last) = (Vec::new(), query.after);
    if !matches!(query.after, Some(Cursor::Archived { .. })) {
        for row in kept_rows(conn, query, limit).await? {
            last = Some(row.place()?);
            conversions.push(row.into_listed()?);
        }
    }
    let room = limit - conversions.len();
    // An archived conversion no longer names its contact.
    if room > 0 && query.contacts.is_empty() {
        for row in archived_rows(conn, query, room).await? {
            last = Some(row.place()?);
            conversions.push(row.into_listed()?);
        }
    }
    let next = last.filter(|_| conversions.len() == limit);
    Ok(ConversionPage { conversions, next })
}

/// A text that every transaction id is greater than.
const FIRST: &str = "";

async fn kept_rows(conn: &mut Conn, query: &ConversionQuery, limit: usize) -> LedgerResult<Vec<KeptRow>> {
    let (sort_key, transaction) = match query.after {
        Some(Cursor::Kept { sort_key, transaction }) => (sort_key, transaction.to_string()),
        _ => (i64::MIN, FIRST.to_owned()),
    };
    let rows = sqlx::query_as(KEPT)
        .bind(query.stream.0)
        .bind(to_millis(query.since))
        .bind(query.outcome.map_or("", Outcome::as_str))
        .bind(json_contacts(&query.contacts)?)
        .bind(sort_key)
        .bind(transaction)
        .bind(to_limit(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

async fn archived_rows(conn: &mut Conn, query: &ConversionQuery, limit: usize) -> LedgerResult<Vec<ArchivedRow>> {
    let (after, transaction) = match query.after {
        Some(Cursor::Archived {
            occurred_at,
            transaction,
        }) => (to_millis(occurred_at), transaction.to_string()),
        _ => (i64::MIN, FIRST.to_owned()),
    };
    let rows = sqlx::query_as(ARCHIVED)
        .bind(query.stream.0)
        .bind(to_millis(query.since))
        .bind(query.outcome.map_or("", Outcome::as_str))
        .bind(after)
        .bind(transaction)
        .bind(to_limit(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

/// See [`crate::ports::ledger::view::LedgerView::count_days`].
pub(super) async fn count_days(conn: &mut Conn, stream: StreamId, since: Timestamp) -> LedgerResult<Vec<DayCount>> {
    let found: Vec<(i64, String, i64)> = sqlx::query_as(DAYS)
        .bind(stream.0)
        .bind(to_millis(since))
        .bind(DAY)
        .bind(to_millis(since).div_euclid(DAY))
        .fetch_all(conn)
        .await?;
    let day_count = |(day, outcome, total): (i64, String, i64)| {
        Ok(DayCount {
            day: to_time(day.saturating_mul(DAY))?,
            outcome: to_outcome(&outcome)?,
            count: u64::try_from(total).map_err(|_| damaged_value("a negative count"))?,
        })
    };
    found.into_iter().map(day_count).collect()
}
