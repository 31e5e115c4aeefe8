//! Between the port's types and what columns hold.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::error::{damaged, failed};
use crate::domain::ids::TransactionId;
use crate::domain::outcome::{Outcome, reason};
use crate::ports::ledger::LedgerResult;

/// Rows of one statement: large enough to spread its cost, small enough for a short array.
pub(crate) const CHUNK: usize = 2_000;

pub(crate) fn ms(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A number of rows, as a limit.
pub(crate) fn count(rows: usize) -> LedgerResult<i64> {
    i64::try_from(rows).map_err(|_| failed("a limit beyond all rows"))
}

pub(crate) fn time(ms: i64) -> LedgerResult<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|_| damaged("a time"))
}

pub(crate) fn outcome(code: i64) -> LedgerResult<Outcome> {
    Outcome::from_code(code).ok_or_else(|| damaged("an outcome"))
}

pub(crate) fn transaction(stored: &str) -> LedgerResult<TransactionId> {
    stored.parse().map_err(|_| damaged("a transaction id"))
}

/// The array that a bulk statement reads with `json_each`.
pub(crate) fn json<T: Serialize>(items: &[T]) -> LedgerResult<String> {
    serde_json::to_string(items).map_err(|e| failed(format!("rows can't be written as JSON: {e}")))
}

/// Canonical text of an amount: no trailing zeros, so that one amount has one text.
pub(crate) fn amount(value: Option<&(Decimal, String)>) -> (Option<String>, Option<&str>) {
    match value {
        Some((amount, currency)) => (Some(amount.normalize().to_string()), Some(currency)),
        None => (None, None),
    }
}

pub(crate) fn value(amount: Option<String>, currency: Option<String>) -> LedgerResult<Option<(Decimal, String)>> {
    match (amount, currency) {
        (Some(amount), Some(currency)) => {
            let amount = amount.parse().map_err(|_| damaged("an amount"))?;
            Ok(Some((amount, currency)))
        }
        (None, None) => Ok(None),
        _ => Err(damaged("an amount without currency")),
    }
}

/// The column `due`: empty unless the row waits.
pub(crate) fn due(outcome: Outcome, why: &str, due: Timestamp) -> Option<i64> {
    match outcome {
        Outcome::Pending => Some(ms(due)),
        Outcome::Processing => (why == reason::OUTCOME_UNKNOWN).then(|| ms(due)),
        Outcome::Uploaded | Outcome::Skipped | Outcome::Rejected => None,
    }
}

/// Equal texts. Empty ones point to no memory, and comparing that can take longer than fifty comparisons of words.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// True where the numbers ascend: then none is there twice.
pub(crate) fn ascending(numbers: impl Iterator<Item = i64>) -> bool {
    numbers.is_sorted_by(|one, next| one < next)
}

/// Numbers of classes, by reason and detail.
pub(crate) struct Classes(Vec<((String, String), i64)>);

impl Classes {
    /// Makes those that are new.
    pub(crate) async fn of<'a>(
        conn: &mut SqliteConnection,
        keys: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> LedgerResult<Self> {
        // A handful, mostly one after another.
        let mut distinct: Vec<(&str, &str)> = Vec::new();
        for key in keys {
            let is_key = |known: &(&str, &str)| same(known.0, key.0) && same(known.1, key.1);
            if !distinct.iter().rev().any(is_key) {
                distinct.push(key);
            }
        }
        let (count, keys) = (distinct.len(), json(&distinct)?);
        let found = Self::stored(conn, &keys).await?;
        if found.0.len() == count {
            return Ok(found);
        }
        sqlx::query(
            "INSERT INTO classes (reason, detail) SELECT value->>0, value->>1 FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING",
        )
        .bind(&keys)
        .execute(&mut *conn)
        .await?;
        Self::stored(conn, &keys).await
    }

    async fn stored(conn: &mut SqliteConnection, keys: &str) -> LedgerResult<Self> {
        let found: Vec<(i64, String, String)> = sqlx::query_as(
            "WITH j AS MATERIALIZED (SELECT value->>0 AS reason, value->>1 AS detail FROM json_each(?1))
             SELECT c.id, c.reason, c.detail FROM j JOIN classes c ON c.reason = j.reason AND c.detail = j.detail",
        )
        .bind(keys)
        .fetch_all(conn)
        .await?;
        let found = found.into_iter().map(|(id, reason, detail)| ((reason, detail), id));
        Ok(Self(found.collect()))
    }

    pub(crate) fn id(&self, reason: &str, detail: &str) -> LedgerResult<i64> {
        // A handful: a search costs less than a key made for a look-up.
        let mut known = self.0.iter();
        known
            .find(|(known, _)| same(&known.0, reason) && same(&known.1, detail))
            .map(|(_, id)| *id)
            .ok_or_else(|| failed("a class was not stored"))
    }
}

/// The number of the class of a reason of our own.
pub(crate) async fn class(conn: &mut SqliteConnection, reason: &str) -> LedgerResult<i64> {
    Classes::of(conn, [(reason, "")]).await?.id(reason, "")
}
