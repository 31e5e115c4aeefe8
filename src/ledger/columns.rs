//! Conversion between the port's types and the contents of columns.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::error::{damaged_value, own_error};
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::{Outcome, reason};
use crate::ports::ledger::LedgerResult;

/// Rows of one statement: large enough to spread its cost, small enough for a short array.
pub(crate) const CHUNK: usize = 2_000;

/// SQL for the numbers in the JSON array of arrays that this parameter holds.
macro_rules! numbers {
    ($parameter:literal) => {
        concat!("(SELECT CAST(value->>0 AS BIGINT) FROM json_each(", $parameter, "))")
    };
}

/// SQL for the texts in the JSON array of arrays that this parameter holds.
macro_rules! texts {
    ($parameter:literal) => {
        concat!("(SELECT value->>0 FROM json_each(", $parameter, "))")
    };
}

pub(crate) use {numbers, texts};

/// The state of a conversion, as the column `state` has it.
pub(crate) mod state {
    /// It waits, and is looked at again when it is due.
    pub(crate) const WAITING: &str = "Waiting";
    /// Google has accepted it, and has not reported the outcome yet.
    pub(crate) const AWAITING_RESULT: &str = "AwaitingResult";
    /// Its outcome is final.
    pub(crate) const SETTLED: &str = "Settled";
}

/// The state that follows from an outcome and its reason.
pub(crate) fn state_of(outcome: Outcome, why: &str) -> &'static str {
    match outcome {
        Outcome::Pending => state::WAITING,
        Outcome::Processing if why == reason::OUTCOME_UNKNOWN => state::WAITING,
        Outcome::Processing => state::AWAITING_RESULT,
        Outcome::Uploaded | Outcome::Skipped | Outcome::Rejected => state::SETTLED,
    }
}

/// The column `due`: set exactly while the row waits.
pub(crate) fn due_column(outcome: Outcome, why: &str, due: Timestamp) -> Option<i64> {
    (state_of(outcome, why) == state::WAITING).then(|| to_millis(due))
}

pub(crate) fn to_millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// A number of rows, as a limit.
pub(crate) fn to_limit(rows: usize) -> LedgerResult<i64> {
    i64::try_from(rows).map_err(|_| own_error("a limit beyond all rows"))
}

/// A number of rows that a statement returned.
pub(crate) fn rows_affected(count: u64) -> LedgerResult<usize> {
    usize::try_from(count).map_err(|_| own_error("more rows than can be counted"))
}

pub(crate) fn to_time(ms: i64) -> LedgerResult<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|_| damaged_value("a time"))
}

pub(crate) fn to_outcome(name: &str) -> LedgerResult<Outcome> {
    Outcome::from_name(name).ok_or_else(|| damaged_value("an outcome"))
}

pub(crate) fn to_transaction(stored: &str) -> LedgerResult<TransactionId> {
    stored.parse().map_err(|_| damaged_value("a transaction id"))
}

pub(crate) fn to_contact(id: i64) -> ContactId {
    ContactId(id.cast_unsigned())
}

/// The array that a bulk statement reads with `json_each`.
pub(crate) fn json_rows<T: Serialize>(items: &[T]) -> LedgerResult<String> {
    serde_json::to_string(items).map_err(|e| own_error(format!("rows can't be written as JSON: {e}")))
}

/// The same for single values: each becomes an array of one, since the two databases read a plain number differently.
pub(crate) fn json_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> LedgerResult<String> {
    let items: Vec<(T,)> = items.into_iter().map(|item| (item,)).collect();
    json_rows(&items)
}

/// The same for contacts.
pub(crate) fn json_contacts(contacts: &[ContactId]) -> LedgerResult<String> {
    json_list(contacts.iter().map(|id| id.0.cast_signed()))
}

/// Canonical text of an amount: no trailing zeros, so that one amount has one text.
pub(crate) fn amount_columns(value: Option<&(Decimal, String)>) -> (Option<String>, Option<&str>) {
    match value {
        Some((amount, currency)) => (Some(amount.normalize().to_string()), Some(currency)),
        None => (None, None),
    }
}

pub(crate) fn amount_of(amount: Option<String>, currency: Option<String>) -> LedgerResult<Option<(Decimal, String)>> {
    match (amount, currency) {
        (Some(amount), Some(currency)) => {
            let amount = amount.parse().map_err(|_| damaged_value("an amount"))?;
            Ok(Some((amount, currency)))
        }
        (None, None) => Ok(None),
        _ => Err(damaged_value("an amount without currency")),
    }
}
