//! Finds the id by which another stream of the same portal and trigger knows an occurrence. Two contacts that were both
//! known before they were merged have two ids for their entries, one of which may be at Google already: an event that
//! was created again must not note such an entry under the other id, or it would count twice once its rows move to the
//! action's stream.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use super::database::Conn;
use crate::domain::ids::TransactionId;
use crate::ledger::columns::{json_list, json_rows, to_millis, to_transaction};
use crate::ports::ledger::{LedgerResult, NewRow, StreamId};

/// Puts the key by which another stream knows them first in rows of merged contacts.
pub(super) async fn with_known_keys<'a>(
    conn: &mut Conn,
    stream: StreamId,
    rows: &'a [NewRow],
) -> LedgerResult<Cow<'a, [NewRow]>> {
    let merged: Vec<&NewRow> = rows.iter().filter(|row| row.keys.len() > 1).collect();
    if merged.is_empty() {
        return Ok(Cow::Borrowed(rows));
    }
    let mut known = kept_elsewhere(conn, stream, &merged).await?;
    known.extend(archived_elsewhere(conn, stream, &merged).await?);
    if known.is_empty() {
        return Ok(Cow::Borrowed(rows));
    }
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let at = row.keys.iter().position(|key| known.contains(&key.transaction));
        row.keys.swap(0, at.unwrap_or(0));
    }
    Ok(Cow::Owned(rows))
}

/// The streams of the same portal and trigger as `$1`.
macro_rules! others {
    () => {
        "streams mine JOIN streams other
             ON other.portal = mine.portal AND other.trigger_key = mine.trigger_key AND other.id <> mine.id"
    };
}

async fn kept_elsewhere(conn: &mut Conn, stream: StreamId, rows: &[&NewRow]) -> LedgerResult<HashSet<TransactionId>> {
    let keys = rows.iter().flat_map(|row| &row.keys);
    let sort_keys: BTreeSet<i64> = keys.map(|key| key.sort_key).collect();
    let found: Vec<String> = sqlx::query_scalar(concat!(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS sort_key FROM json_each($2))
         SELECT c.transaction_id FROM ",
        others!(),
        " CROSS JOIN j JOIN conversions c ON c.stream = other.id AND c.sort_key = j.sort_key WHERE mine.id = $1"
    ))
    .bind(stream.0)
    .bind(json_list(sort_keys)?)
    .fetch_all(conn)
    .await?;
    found.iter().map(|stored| to_transaction(stored)).collect()
}

async fn archived_elsewhere(
    conn: &mut Conn,
    stream: StreamId,
    rows: &[&NewRow],
) -> LedgerResult<HashSet<TransactionId>> {
    let of_row = |row: &&NewRow| {
        let at = to_millis(row.occurred_at);
        let keys = row.keys.iter().map(move |key| (at, key.transaction.to_string()));
        keys.collect::<Vec<_>>()
    };
    let candidates: Vec<(i64, String)> = rows.iter().flat_map(of_row).collect();
    let found: Vec<String> = sqlx::query_scalar(concat!(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS occurred_at, value->>1 AS transaction_id FROM json_each($2))
         SELECT a.transaction_id FROM ",
        others!(),
        " CROSS JOIN j JOIN archived_keys a ON a.stream = other.id AND a.occurred_at = j.occurred_at
                                           AND a.transaction_id = j.transaction_id
         WHERE mine.id = $1"
    ))
    .bind(stream.0)
    .bind(json_rows(&candidates)?)
    .fetch_all(conn)
    .await?;
    found.iter().map(|stored| to_transaction(stored)).collect()
}
